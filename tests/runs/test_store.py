"""Where runs are read from and written to, and what is not overwritten."""

import pandas as pd
import pytest

from emotion_detection import paths
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.runs import registry, store

INFO = {
    "seed": 0,
    "data": {"name": "drawn sample", "fingerprint": "0" * 64},
    "metrics": {},
    "parameters": {"all": 10, "trained": 7},
    "hardware": {"system": "Linux", "cores": 2, "devices": ["cpu:0"]},
    "wall_time_s": 90.0,
}
HISTORY = pd.DataFrame(
    {"epoch": [1], "loss": [1.5], "accuracy": [0.4], "val_loss": [1.6], "val_accuracy": [0.3], "seconds": [90.0]}
)


def write(name: str = "tl_top", *, epochs: int = 1, remark: str = "", replace: bool = False):
    recipe = {"name": name, "epochs": epochs}
    info = INFO | {"run": f"{name}-s0", "recipe": recipe, "remark": remark}
    return store.write_run(name, info, HISTORY, {}, replace=replace)


def test_the_output_folder_is_read_before_the_project_and_alone_written_to(isolated):
    project = write(remark="project")
    write("tl_whole")
    with paths.writing_to(isolated / "mine"):
        assert store.load_run("tl_top").info["remark"] == "project"
        assert not store.is_recorded("tl_top", here=True)
        mine = write(remark="mine")
        assert store.load_run("tl_top").info["remark"] == store.load_info("tl_top")["remark"] == "mine"
        assert store.recorded() == ["tl_top-s0", "tl_whole-s0"]
        assert store.recorded(here=True) == ["tl_top-s0"]
    assert mine == isolated / "mine" / "results" / "tl_top-s0"
    assert store.find_dir("tl_top") == project
    assert store.load_run("tl_top").info["remark"] == "project"


def test_runs_of_own_pictures_are_not_mixed_with_those_of_the_project(isolated, monkeypatch):
    write()
    (isolated / "mine").mkdir()
    monkeypatch.setenv("EMOTION_PICTURES", str(isolated / "mine"))
    assert store.recorded() == []
    with pytest.raises(UnknownNameError):
        store.load_run("tl_top")


def test_a_record_is_not_overwritten_by_other_settings_unless_that_is_asked_for(isolated):
    write(epochs=1)
    write(epochs=1, remark="again")
    assert store.load_run("tl_top").info["remark"] == "again"
    with pytest.raises(DataError, match="epochs"):
        write(epochs=2)
    assert store.load_run("tl_top").info["recipe"]["epochs"] == 1
    write(epochs=2, replace=True)
    assert store.load_run("tl_top").info["recipe"]["epochs"] == 2


def test_shipped_is_the_run_whose_network_is_shipped():
    card = registry.read_card()
    assert store.full_name("shipped") == card["run"]
    assert registry.is_shipped(store.load_run("shipped"))
    assert store.split_name(card["recipe"]) == store.split_name("shipped"), "a bare recipe name means the shipped seed"


def test_a_misspelt_run_gets_a_name_that_exists_and_no_command_that_fails():
    with pytest.raises(UnknownNameError, match="Did you mean 'shipped'") as refused:
        store.load_run("shippd")
    assert "train" not in str(refused.value)
