"""Where the project runs without being installed, and that what is told about it is true of its files."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata

import pytest
import yaml

import emotion_detection
from emotion_detection import paths
from emotion_detection.reporting import gallery, notebooks, routes

ROOT = paths.project_root()


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def dependencies() -> dict[str, str]:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    return {canonical(re.match(r"[\w.-]+", each)[0]): each for each in listed}


def test_binder_finds_all_that_it_needs_in_one_file_at_the_top():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, packages = environment["dependencies"]
    assert re.fullmatch(r"python *=+ *3\.\d+", python), "repo2docker chooses its base by a version named with ="
    assert pip == "pip"
    assert "-e ." in packages["pip"], "then repo2docker copies the whole repository before it installs"
    hidden = [
        name for name in ("binder", ".binder", "requirements.txt", "runtime.txt", "Pipfile") if (ROOT / name).exists()
    ]
    assert hidden == [], "repo2docker would read these in environment.yml's place"


def test_the_notebooks_kernel_comes_with_the_package(tmp_path):
    code = f"import hatchling.build; hatchling.build.build_editable({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith("kernel.json")]
        kernel = json.loads(archive.read(name))
    assert name.endswith(f".data/data/share/jupyter/kernels/{notebooks.KERNEL}/kernel.json")
    assert kernel["argv"][:3] == ["python", "-m", "ipykernel_launcher"]
    assert kernel["display_name"] == "Emotion Detection"


def test_colab_is_given_the_versions_of_pyproject_and_its_tensorflow_is_left_alone():
    packages = re.findall(r'"([^"]+[<>=][^"]+)"', routes.colab_cell())
    assert packages == [dependencies()[name] for name in routes.COLAB_ADDS]
    assert not {"tensorflow", "keras", "numpy", "pandas"} & set(routes.COLAB_ADDS)


def test_the_live_cell_needs_no_package_of_ours_that_colab_is_not_given():
    code = (
        "import sys, json; sys.path.insert(0, 'src');"
        "from emotion_detection.live import LiveView;"
        "from emotion_detection.inference.classifier import EmotionClassifier;"
        "view = LiveView(classifier=EmotionClassifier.load()); view.close();"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    of_module = metadata.packages_distributions()
    loaded = {canonical(each) for name in json.loads(done.stdout) for each in of_module.get(name, ())}
    assert loaded & set(dependencies()) <= {*routes.COLAB_ADDS, *routes.COLAB_HAS, "ipython", "ipykernel"}
    assert set(routes.COLAB_ADDS) <= loaded


def test_links_are_made_of_the_address_in_citation_cff_and_of_no_other(monkeypatch):
    assert "mybinder.org/v2" not in routes.binder_link(None)
    assert routes.PLACEHOLDER in routes.colab_cell(None)
    link = routes.binder_link("https://github.com/someone/something")
    assert "mybinder.org/v2/gh/someone/something/HEAD?urlpath=lab/tree/notebooks/00_check_setup.ipynb" in link
    assert "git clone --depth 1 https://example.org/x " in routes.colab_cell("https://example.org/x")
    assert (ROOT / routes.START).is_file()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("license: MIT\n", None),
        ("repository-code: https://github.com/a/b\n", "https://github.com/a/b"),
        ('a: 1\nrepository-code: "https://github.com/a/b/"\nb: 2\n', "https://github.com/a/b"),
    ],
)
def test_the_address_is_read_from_citation_cff(isolated, text, address):
    (isolated / "CITATION.cff").write_text(text)
    assert routes.repository() == address


def test_citation_cff_has_what_the_format_asks_for_and_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"] == emotion_detection.__version__
    assert citation["license"] == project["license"]
    assert all({"name"} <= set(author) or {"family-names"} <= set(author) for author in citation["authors"])
    for reference in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference)
        assert 2000 < reference["year"] < 2100


def test_the_gallery_shows_a_figure_of_each_notebook_and_links_to_it():
    shown = gallery.shown()
    numbers = [path.stem.partition("_")[0] for path in notebooks.notebook_paths()]
    assert [name.partition("_")[0] for name in shown] == [
        each for each in numbers if list((ROOT / "figures").glob(f"{each}_*.png"))
    ]
    block = gallery.block()
    links = dict(re.findall(r'<a href="([^"]+)"><img src="([^"]+)"', block))
    assert len(links) == len(shown)
    for notebook, picture in links.items():
        assert picture.removeprefix("figures/").removesuffix(".png") in (ROOT / notebook).read_text(encoding="utf-8")
        assert (ROOT / picture).is_file()
    rows = block.splitlines()
    assert {row.count(" | ") for row in rows[2:]} == {gallery.COLUMNS - 1}


def test_the_page_on_contributing_fits_a_screen_and_names_commands_and_files_that_exist():
    page = (ROOT / "notebooks" / "contributing.md").read_text(encoding="utf-8")
    assert len(page.splitlines()) <= 45
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    assert {name for call in re.findall(r"`make ([a-z -]+)`", page) for name in call.split()} <= set(targets)
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", page):
        assert (ROOT / "notebooks" / link).exists()
    assert "notebooks/contributing.md" in (ROOT / "README.md").read_text(encoding="utf-8")
