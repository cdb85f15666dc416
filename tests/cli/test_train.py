"""`train` and `sweep`: what is trained, what is not, and what an interruption says."""

import re
import types

from emotion_detection.runs import store
from emotion_detection.training import catalog


def test_training_what_is_recorded_says_so_and_trains_nothing(recorded, call):
    code, out, _ = call("train", "tl_top")
    assert code == 0
    assert "--retrain" in out


def test_an_interrupted_training_says_how_to_go_on(isolated, call, monkeypatch):
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr("emotion_detection.training.trainer.train", interrupted)
    monkeypatch.setattr("emotion_detection.data.selection.load_fer2013", lambda: None)
    code, _, err = call("train", "tl_top", "--seed", "3")
    assert code == 130
    assert "the same command goes on" in err


def test_changed_settings_make_an_experiment_of_its_own_name(recorded, call, monkeypatch):
    asked = []

    def plan(base, **changes):
        asked.append((base, changes))
        return types.SimpleNamespace(announcement="Training.", run=lambda: store.load_run("tl_top"))

    monkeypatch.setattr("emotion_detection.training.trial.plan", plan)
    code, out, _ = call("train", "tl_top", "--epochs", "2", "--learning-rate", "3e-4", "--faces", "2000", "--seed", "1")
    assert (code, out.splitlines()[0]) == (0, "Training.")
    base, changes = asked[0]
    assert base == "tl_top"
    assert {"epochs": 2, "learning_rate": 3e-4, "faces": 2000, "seed": 1}.items() <= changes.items()
    assert call("train", "tl_top", "--epochs", "2", "--retrain")[0] == 2


def test_every_recipe_is_listed_once_by_what_it_is_for(call):
    listed = re.findall(r"[a-z0-9_]+", call("train", "--help")[1].split("Recipes.")[1])
    assert all(listed.count(name) == 1 for name in catalog.RECIPES if name not in ("best", "taught"))  # words, too


def test_sweep_trains_nothing_that_is_recorded(recorded, call):
    code, out, _ = call("sweep", "tl_top")
    assert code == 0
    assert "1 of 1 runs are recorded" in out


def test_sweep_asks_for_a_list_of_seeds(isolated, call):
    code, _, err = call("sweep", "tl_top", "--seeds", "0;1")
    assert code == 2
    assert "write them as 0,1,2" in err


def test_a_sweep_with_a_failure_tells_it_and_ends_with_1(isolated, call, monkeypatch):
    from emotion_detection.data import selection
    from emotion_detection.training import sweep

    monkeypatch.setattr(selection, "load_fer2013", lambda: None)
    monkeypatch.setattr(sweep, "_trained", lambda job, dataset: f"{job.name} broke.")
    code, out, err = call("sweep", "tl_top", "--seeds", "0,1")
    assert code == 1
    assert "Failed: tl_top-s1: tl_top-s1 broke." in err
    assert "0 of 2 runs are recorded" in out


def test_an_interrupted_sweep_says_what_is_recorded_and_goes_on(recorded, call, monkeypatch):
    from emotion_detection.data import selection
    from emotion_detection.training import sweep

    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(selection, "load_fer2013", lambda: None)
    monkeypatch.setattr(sweep, "_trained", interrupted)
    code, _, err = call("sweep", "tl_top", "--seeds", "0,1")
    assert code == 130
    assert "Recorded: 1 of 2 (tl_top-s0)" in err
    assert "the same command goes on" in err
