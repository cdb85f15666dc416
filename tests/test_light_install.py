"""What the base install can do without the packages of `study`, and what a wheel carries."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from emotion_detection import paths
from emotion_detection.runs import registry

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ["tensorflow", "keras", "matplotlib", "seaborn", "sklearn", "scipy", "jupyterlab", "nbformat", "nbclient"]
NOT_IN_THE_BASE = [*HEAVY, "papermill", "jinja2", "kagglehub", "zstandard"]
BLOCK = f"import runpy, sys; sys.modules.update(dict.fromkeys({NOT_IN_THE_BASE}))\n"
COMMAND = "sys.argv = ['emotion_detection', *{0}]; runpy.run_module('emotion_detection', run_name='__main__')"


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", BLOCK + code], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "from emotion_detection import EmotionClassifier; print(EmotionClassifier.load().predict)",
            "EmotionClassifier",
        ),
        ("from emotion_detection import analyse; print(analyse('data/sample/astronaut.webp').label)", "happy"),
        ("from emotion_detection import LiveView; print(type(LiveView()))", "LiveView"),
        (COMMAND.format(["analyse", "data/sample/astronaut.webp"]), "happy"),
        (COMMAND.format(["train", "--help"]), "tl_whole"),
        (COMMAND.format(["--version"]), "emotion-detection 0."),
    ],
)
def test_the_base_install_classifies_analyses_and_streams(code, said):
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


@pytest.mark.parametrize("arguments", [["evaluate", "tl_top"], ["train", "tl_top"], ["runs"], ["data", "fetch"]])
def test_a_command_that_needs_more_says_so_in_a_sentence_with_the_remedy(arguments):
    done = run(COMMAND.format(arguments))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: This needs ") and done.stderr.count("\n") == 1
    assert "pip install 'emotion-detection[study]'" in done.stderr


@pytest.mark.parametrize(("name", "needed"), [("plots", "matplotlib"), ("load_pictures", "sklearn")])
def test_a_public_name_that_needs_more_says_so(name, needed):
    done = run(f"from emotion_detection import {name}")
    assert f"MissingPackageError: This needs {needed}" in done.stderr


def test_a_wheel_carries_the_shipped_networks_their_card_and_the_portrait():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    carried = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    needed = [registry.network_path(form) for form in registry.SUFFIXES]
    needed += [registry.card_path(), registry.card_path().with_suffix(".md"), paths.sample_dir()]
    for path in needed:
        assert (
            carried[path.relative_to(ROOT).as_posix()] == f"emotion_detection/shipped/{path.relative_to(ROOT / 'data')}"
        )


def test_installed_alone_the_package_finds_what_it_carries_and_works_in_the_working_directory(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "emotion_detection"
    (package / "shipped" / "models").mkdir(parents=True)
    monkeypatch.setattr(paths, "package_dir", lambda: package)
    monkeypatch.chdir(tmp_path)
    assert paths.models_dir() == package / "shipped" / "models"
    assert paths.raw_dir() == tmp_path / "data" / "raw"
