"""What made a record: its commit, its packages and their bounds."""

import subprocess

import pytest

from emotion_detection.runs import provenance, store


@pytest.mark.parametrize("name", store.recorded())
def test_every_record_is_of_packages_within_bounds_or_says_that_it_is_not_and_what_ran(name):
    info = store.load_run(name).info
    within = not provenance.outside_bounds(info["packages"])
    assert within == info.get("packages_within_bounds", True)
    assert within or info["code"]["note"]


def test_packages_outside_the_bounds_of_the_project_are_named():
    assert provenance.outside_bounds({"numpy": "2.4.6", "keras": "3.15.1", "unknown": "1"}) == {}
    assert set(provenance.outside_bounds({"numpy": "2.5.2", "jax": "0.12.0", "keras": "3.15.1"})) == {"numpy", "jax"}


def test_a_record_names_the_commit_and_whether_the_tree_was_clean(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance.paths, "checkout", lambda: tmp_path)
    assert provenance.code() is None
    git = ["git", "-C", tmp_path, "-c", "user.name=A", "-c", "user.email=a@example.org"]
    (tmp_path / "file").write_text("one")
    for arguments in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "One"]):
        subprocess.run([*git, *arguments], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert provenance.code() == {"commit": commit, "clean": True}
    (tmp_path / "file").write_text("two")
    assert provenance.code() == {"commit": commit, "clean": False}


def test_what_this_process_is_goes_into_the_record():
    found = provenance.of_this_process("tensorflow", ["cpu:0"])
    assert list(found["packages"]) == ["tensorflow", "keras", "numpy", "opencv-python-headless"]
    assert found["packages_within_bounds"] and found["hardware"]["cores"] >= 1
