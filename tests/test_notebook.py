"""What notebooks ask for: recorded runs are read, missing ones are trained, FAST ones go elsewhere."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from emotion_detection import notebook, paths, plots
from emotion_detection.data import ferplus, load_sample, selection
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.evaluation import metrics
from emotion_detection.reporting import notebooks
from emotion_detection.runs import registry, store
from emotion_detection.training import catalog, trainer

RECORDED = paths.results_dir() / "tl_top-s0"


@pytest.fixture
def positions():
    """Drawn faces as a folder tree gives them: their row numbers are positions."""
    return dataclasses.replace(load_sample(70), name="FER2013", has_official_rows=False)


@pytest.fixture
def faces(monkeypatch):
    """Drawn faces in FER2013's place."""
    drawn = dataclasses.replace(load_sample(210), name="FER2013")
    monkeypatch.setattr(selection, "load_fer2013", lambda: drawn)
    return drawn


@pytest.fixture
def trained(monkeypatch):
    """What was trained, which is recorded with the answers of an untrained network."""
    calls = []

    def train(recipe, dataset, *, seed, replace=False):
        calls.append((recipe, dataset))
        name = f"{recipe.name}-s{seed}"
        public = dataset.public_test
        answers = store.Predictions(
            "PublicTest", public.row, public.emotion, np.eye(7, dtype=np.float32)[public.emotion]
        )
        columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"]
        history = pd.DataFrame([[1, 1.0, 0.5, 1.0, 0.5, 2.0]], columns=columns)
        info = json.loads((RECORDED / "run.json").read_text(encoding="utf-8"))
        info.pop("final", None)
        info |= {"run": name, "seed": seed, "recipe": recipe.settings() | {"display_name": recipe.display_name}}
        info["data"] = info["data"] | {"name": dataset.name, "fingerprint": dataset.fingerprint}
        store.write_run(name, info, history, {"PublicTest": answers})
        return store.load_run(name)

    monkeypatch.setattr(trainer, "train", train)
    return calls


def test_a_recorded_run_is_read_without_training(trained):
    run = notebook.get_run("tl_whole")
    assert run.is_final
    assert run.info == store.load_run("tl_whole").info
    assert notebook.get_run("shipped").name == registry.read_card()["run"]
    assert trained == []


def test_a_run_is_looked_for_in_the_output_folder_first_and_then_in_the_project(isolated, monkeypatch):
    monkeypatch.setenv("EMOTION_OUTPUT_DIR", "out")
    shutil.copytree(RECORDED, isolated / "data" / "results" / "tl_top-s0")
    assert notebook.get_run("tl_top").info["finished"] == json.loads((RECORDED / "run.json").read_text())["finished"]
    shutil.copytree(RECORDED, isolated / "out" / "results" / "tl_top-s0")
    path = isolated / "out" / "results" / "tl_top-s0" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"finished": "here"}))
    assert notebook.get_run("tl_top").info["finished"] == "here"


def test_a_run_that_is_not_recorded_is_not_trained_unasked(isolated, faces, trained):
    with pytest.raises(MissingFileError, match=r"get_run\('tl_top', train=True\)"):
        notebook.get_run("tl_top")
    assert trained == []


def test_asked_to_train_it_says_first_what_and_trains(isolated, faces, trained, capsys):
    run = notebook.get_run("tl_top", train=True)
    assert run.name == "tl_top-s0"
    assert "Training TL top (`tl_top-s0`) on 168 faces" in capsys.readouterr().out
    notebook.get_run("tl_top", train=True)
    assert len(trained) == 1
    notebook.get_run("tl_top", retrain=True)
    assert len(trained) == 2


def test_training_without_the_faces_says_how_to_get_them(isolated):
    with pytest.raises(MissingFileError, match=r"'tl_top-s0' is not recorded here.*data fetch"):
        notebook.get_run("tl_top", train=True)


def test_an_unknown_run_is_answered_with_the_nearest(isolated):
    with pytest.raises(UnknownNameError, match="tl_whole"):
        notebook.get_run("tl_hole")


def test_fast_mode_sends_its_output_to_a_folder_of_its_own(isolated, capsys):
    notebook.setup(fast=True)
    assert "no number below is a result" in capsys.readouterr().out
    assert paths.results_dir() == isolated / "output" / "fast" / "results"
    assert "EMOTION_OUTPUT_DIR" not in os.environ


def test_a_tried_recipe_keeps_public_test_and_draws_training_faces_by_emotion(isolated, faces, trained, capsys):
    run = notebook.try_recipe("tl_top", learning_rate=3e-4, epochs=2, faces=84)
    ((recipe, dataset),) = trained
    assert recipe.settings() | {"name": "tl_top"} == catalog.TL_TOP.settings() | {"learning_rate": 3e-4, "epochs": 2}
    assert np.bincount(dataset.training.emotion).tolist() == [12] * 7
    assert np.array_equal(dataset.public_test.row, faces.public_test.row)
    assert run.name == "tl_top_try-s0"
    assert (isolated / "output" / "results" / "tl_top_try-s0" / "run.json").is_file()
    assert "84 faces" in capsys.readouterr().out
    assert notebook.get_run("tl_top_try").name == run.name


def test_the_same_try_is_read_and_another_gets_another_name(isolated, faces, trained):
    first = notebook.try_recipe("tl_top", epochs=2)
    assert notebook.try_recipe("tl_top", epochs=2).name == first.name
    assert len(trained) == 1
    assert notebook.try_recipe("tl_top", epochs=3).name == "tl_top_try2-s0"
    assert notebook.try_recipe("tl_top", epochs=3, faces=84).name == "tl_top_try3-s0"


def test_a_try_never_overwrites_a_record_of_other_settings(isolated, faces, trained):
    notebook.try_recipe("tl_top", name="mine", epochs=2)
    with pytest.raises(DataError, match=r"mine-s0 is recorded .* with other settings"):
        notebook.try_recipe("tl_top", name="mine", epochs=3)
    with pytest.raises(DataError, match="is a recipe of the project"):
        notebook.try_recipe("tl_top", name="tl_whole")


def test_without_fer2013_a_try_learns_from_drawn_faces_and_says_so(isolated, trained, capsys):
    notebook.try_recipe("tl_top", epochs=1, faces=2000)
    assert trained[0][1].name == "drawn sample"
    said = capsys.readouterr().out
    assert "1,680 **drawn faces, random first weights**" in said
    assert "all that there are (2,000 were asked for)" in said


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"base": "tl_top", "learningrate": 1.0}, UnknownNameError, "learning_rate"),
        ({"base": "tl_hole"}, UnknownNameError, "tl_whole"),
        ({"base": "tl_top", "faces": 5000}, DataError, "168 Training faces"),
        ({"base": "tl_top", "seed": -1}, DataError, "The seed is -1"),
        ({"base": "tl_top", "faces": "84"}, DataError, "'84' faces"),
        ({"base": "tl_top", "faces": 6}, DataError, "ask for 7 to 161, or for all"),
        ({"base": "tl_top", "faces": 165}, DataError, "ask for 7 to 161, or for all"),
    ],
)
def test_a_try_that_cannot_be_is_refused(isolated, faces, trained, arguments, error, message):
    with pytest.raises(error, match=message):
        notebook.try_recipe(**arguments)
    assert trained == []


def test_a_mode_is_true_or_false(isolated):
    with pytest.raises(DataError, match="fast is 'no'"):
        notebook.setup(fast="no")


def test_a_table_is_shown_in_words_and_can_be_folded_away(capsys):
    table = pd.DataFrame({"accuracy": [0.719]}, index=pd.Index(["TL whole"], name="recipe"))
    notebook.show(table)
    assert "71.9 %" in capsys.readouterr().out
    notebook.show(table, fold="Scores")
    assert capsys.readouterr().out.startswith("<details><summary>Scores</summary>")


def test_figures_go_to_the_output_folder_unless_the_projects_own_is_asked_for(isolated, monkeypatch):
    figure = plots.style.finish(plots.style.new_axes(1.0)[0], {"x": [1]})
    assert notebook.save_figure("a", figure) is figure
    assert (isolated / "output" / "figures" / "a.json").is_file()
    monkeypatch.setenv("EMOTION_FIGURES_DIR", "figures")
    notebook.save_figure("a", figure, source="recorded summary")
    assert json.loads((isolated / "figures" / "a.json").read_text()) == {"source": "recorded summary", "x": [1]}


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
    assert selection.ferplus_labels(positions) is None


def test_ferplus_is_joined_by_row_where_the_votes_are(monkeypatch):
    faces = dataclasses.replace(load_sample(70), name="FER2013", has_official_rows=True)
    monkeypatch.setattr(ferplus, "find", lambda: paths.project_root() / "README.md")
    monkeypatch.setattr(ferplus, "strict_majority_labels", lambda rows: np.asarray(rows, np.int8) % 7)
    assert np.array_equal(selection.ferplus_labels(faces)[faces.row], faces.row % 7)


def test_recorded_twins_are_not_applied_to_a_copy_without_official_rows(positions):
    run = store.load_run("tl_top")
    data = {"name": "FER2013", "notes": [], "has_official_rows": positions.has_official_rows}
    scores = metrics.scores(dataclasses.replace(run, info=run.info | {"data": data}))
    assert scores["accuracy_deduplicated"] is None
    assert any("no official row numbers" in note for note in scores["notes"])
