"""What installs the project agrees with itself."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make not found")


NOT_BY_DEFAULT = {"cluster", "jax", "parquet", "onnx", "teachers"}
"""Extras that neither the lock nor environment.yml holds; tests/extras.lock pins them for those who test them."""


def requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    optional = project["project"]["optional-dependencies"]
    assert set(optional) >= NOT_BY_DEFAULT
    extras = [each for name, extra in optional.items() if name not in NOT_BY_DEFAULT for each in extra]
    listed = project["project"]["dependencies"] + extras + project["dependency-groups"]["dev"]
    return [each for each in listed if not each.startswith("emotion-detection[")]  # an extra that holds another


def test_environment_yml_lists_the_same_packages_as_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert sorted(pip) == sorted([*requirements(), "-e ."])
    python = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    named, pip_itself = conda
    assert pip_itself == "pip"
    version = re.fullmatch(r"python =(\d\.\d+)", named)[1]  # as repo2docker reads it
    assert f"{version}.0" in SpecifierSet(python)
    assert environment["channels"] == ["conda-forge"]


def test_the_lock_pins_every_package_with_hashes_and_names_no_index():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"index-url|find-links|https?://", lock)
    entries = re.split(r"\n(?=\S)", lock)
    pinned = {re.match(r"[\w.-]+", entry)[0].lower().replace("_", "-"): entry for entry in entries if "==" in entry}
    assert all("--hash=sha256:" in entry for entry in pinned.values())
    wanted = {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in requirements()}
    assert wanted <= set(pinned)


def test_the_lock_of_the_extras_pins_them_with_hashes_and_adds_to_the_main_lock_only():
    pinned, main = (
        set(re.findall(r"^([\w.-]+)==", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("tests/extras.lock", "requirements.lock")
    )
    optional = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = {re.match(r"[\w.-]+", each)[0] for name in NOT_BY_DEFAULT for each in optional[name]}
    assert wanted <= pinned
    assert not pinned & main
    assert "https://" not in (ROOT / "tests/extras.lock").read_text(encoding="utf-8")


def test_opencv_stays_below_5_and_has_no_window_toolkit():
    opencv = [requirement for requirement in requirements() if requirement.startswith("opencv")]
    assert len(opencv) == 1
    assert opencv[0].startswith("opencv-python-headless")
    assert opencv[0].endswith("<5")


@needs_make
def test_a_second_call_of_make_does_no_set_up():
    ready = ROOT / ".venv" / ".ready"
    if not ready.is_file():
        pytest.skip("set up without make: nothing to check")
    assert subprocess.run(["make", "-q", ".venv/.ready"], cwd=ROOT).returncode == 0, "run `make setup`"


@needs_make
def test_make_alone_explains_every_target():
    printed = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    assert all(f"make {target} " in printed for target in targets)


def test_looking_at_recorded_runs_needs_no_tensorflow():
    code = (
        "import sys, emotion_detection.notebook, emotion_detection.plots.saving;"
        "from emotion_detection.evaluation import metrics;"
        "metrics.recorded_runs();"
        "sys.exit(', '.join({'tensorflow', 'keras'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_but_what_is_meant_to_be_there_lies_at_the_top():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = ["notebooks", "src", "data", "figures", "tests", ".ci"]
    documents = [
        "README.md",
        "LICENSE",
        "CITATION.cff",
        "Makefile",
        "environment.yml",
        "pyproject.toml",
        "requirements.lock",
    ]
    assert {name.split("/")[0] for name in listed.split()} == {*folders, *documents, ".gitignore", ".gitattributes"}


def test_no_file_names_a_place_on_the_machine_it_was_written_on():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    texts = [
        ROOT / name for name in listed if name.endswith((".py", ".md", ".ipynb", ".json", ".csv", ".toml", ".yml"))
    ]
    pattern = re.compile(r"(?<![\w.-])/(work|tmp|root|home|farm)/(?!.*example)")
    guilty = [path.name for path in texts if path.is_file() and pattern.search(path.read_text(encoding="utf-8"))]
    assert guilty == []


PUBLIC = [
    "load_fer2013",
    "load_sample",
    "load_pictures",
    "EmotionClassifier",
    "analyse",
    "LiveView",
    "get_run",
    "try_recipe",
    "setup",
    "show",
    "save_figure",
    "metrics",
    "recipes",
    "plots",
    "studies",
]


def test_importing_the_package_loads_nothing_heavy():
    heavy = "{'tensorflow', 'keras', 'matplotlib', 'pandas', 'numpy', 'cv2'}"
    code = f"import sys, emotion_detection; sys.exit(', '.join({heavy} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_public_names_are_offered_and_are_there():
    import emotion_detection

    offered = [name for name in dir(emotion_detection) if not name.startswith("_")]
    assert set(offered) == set(PUBLIC)
    assert all(getattr(emotion_detection, name) is not None for name in PUBLIC)
    with pytest.raises(AttributeError, match="get_run"):
        emotion_detection.get_ran  # noqa: B018
