"""What notebooks ask for: recorded runs are read, missing ones are trained, FAST ones go elsewhere."""

import dataclasses
import os
import shutil

import numpy as np
import pytest

from emotion_detection import notebook, paths
from emotion_detection.data import ferplus, load_sample
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.evaluation import metrics
from emotion_detection.reporting import notebooks
from emotion_detection.runs import store

RECORDED = paths.results_dir() / "tl_top-s0"


@pytest.fixture
def positions():
    """Drawn faces as a folder tree gives them: their row numbers are positions."""
    return dataclasses.replace(load_sample(70), name="FER2013", has_official_rows=False)


def test_a_recorded_run_is_read_without_training():
    run = notebook.obtain("tl_whole")
    assert run.is_final
    assert run.info == store.load_run("tl_whole").info


def test_a_run_that_is_not_recorded_says_that_training_needs_fer2013(isolated):
    with pytest.raises(MissingFileError, match=r"'tl_top' is not recorded here.*data fetch"):
        notebook.obtain("tl_top")


def test_an_unknown_run_is_answered_with_the_nearest(isolated):
    with pytest.raises(UnknownNameError, match="tl_whole"):
        notebook.obtain("tl_hole")


def test_fast_mode_sends_its_output_to_a_folder_of_its_own(isolated, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert "no number below is a result" in notebook.begin(fast=True).data
    assert paths.results_dir() == isolated / "output" / "fast" / "results"


def test_fast_mode_never_deletes_recorded_runs(isolated, monkeypatch):
    shutil.copytree(RECORDED, isolated / "data" / "results" / "tl_top-s0")
    for folder in (None, isolated / "data"):
        if folder:
            monkeypatch.setenv("EMOTION_OUTPUT_DIR", str(folder))
        with pytest.raises(DataError, match="holds the recorded run tl_top-s0"):
            notebooks.run_all(fast=True)
    assert store.is_recorded("tl_top")


def test_relative_folders_are_found_from_notebooks_too(isolated, monkeypatch):
    (isolated / "notebooks").mkdir()
    (isolated / "sets").mkdir()
    monkeypatch.setenv("EMOTION_DATA_DIR", "sets")
    monkeypatch.setenv("EMOTION_OUTPUT_DIR", "out")
    found = paths.search_folders(), paths.results_dir()
    monkeypatch.chdir(isolated / "notebooks")
    assert (paths.search_folders(), paths.results_dir()) == found
    assert found[0][0] == isolated / "sets"
    assert found[1] == isolated / "out" / "results"


def test_ferplus_is_not_joined_to_a_copy_without_official_rows(positions, monkeypatch):
    monkeypatch.setattr(ferplus, "find", lambda: paths.project_root() / "README.md")
    assert notebook.ferplus_labels(positions) is None


def test_ferplus_is_joined_by_row_where_the_votes_are(monkeypatch):
    faces = dataclasses.replace(load_sample(70), name="FER2013", has_official_rows=True)
    monkeypatch.setattr(ferplus, "find", lambda: paths.project_root() / "README.md")
    monkeypatch.setattr(ferplus, "strict_majority_labels", lambda rows: np.asarray(rows, np.int8) % 7)
    assert np.array_equal(notebook.ferplus_labels(faces)[faces.row], faces.row % 7)


def test_recorded_twins_are_not_applied_to_a_copy_without_official_rows(positions):
    run = store.load_run("tl_top")
    data = {"name": "FER2013", "notes": [], "has_official_rows": positions.has_official_rows}
    scores = metrics.scores(dataclasses.replace(run, info=run.info | {"data": data}))
    assert scores["accuracy_deduplicated"] is None
    assert any("no official row numbers" in note for note in scores["notes"])
