"""Pages beside the notebooks and files at the top: what they say is true of the project."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile

import yaml

import emotion_detection
from emotion_detection import paths
from emotion_detection.reporting import notebooks

ROOT = paths.project_root()


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


def test_citation_cff_has_what_the_format_asks_for_and_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == emotion_detection.__version__
    assert citation["license"] == project["license"]
    assert all({"name"} <= set(author) or {"family-names"} <= set(author) for author in citation["authors"])
    for reference in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference)
        assert 2000 < reference["year"] < 2100


def test_the_page_on_contributing_fits_a_screen_and_names_commands_and_files_that_exist():
    page = (ROOT / "notebooks" / "contributing.md").read_text(encoding="utf-8")
    assert len(page.splitlines()) <= 45
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    assert {name for call in re.findall(r"`make ([a-z -]+)`", page) for name in call.split()} <= set(targets)
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", page):
        assert (ROOT / "notebooks" / link).exists()
    assert "notebooks/contributing.md" in (ROOT / "README.md").read_text(encoding="utf-8")
