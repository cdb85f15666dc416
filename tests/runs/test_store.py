"""Where runs are read from and written to, and what is not overwritten."""

import json

import numpy as np
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


def predictions(**changed) -> dict[str, np.ndarray]:
    arrays = {"row": np.arange(3), "label": np.arange(3, dtype=np.int8), "logits": np.ones((3, 7), np.float32)}
    return {f"PublicTest_{name}": array for name, array in (arrays | changed).items()}


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("run.json", {"temperature": float("inf")}, "Infinity"),
        ("run.json", {"temperature": 0}, "temperature must be bigger"),
        ("run.json", {"wall_time_s": "90"}, "wall_time_s must be number"),
        ("run.json", {"hardware": {"cores": 0, "devices": [], "system": ""}}, "hardware.cores must be bigger"),
        ("run.json", {"metrics": {"PublicTest": {"accuracy": None}}}, "accuracy must be number"),
        ("run.json", {"seed": 10**31}, "a number of 32 digits"),
        ("history.csv", "epoch,accuracy,val_loss,val_accuracy,seconds,loss\n1,1.5,0.4,1.6,0.3,90\n", "not within 0–1"),
        (
            "history.csv",
            "epoch,loss,accuracy,val_loss,val_accuracy,seconds\n1,1.5,0.4,1.6,0.3,90,7\n",
            "row 0 has 7 fields",
        ),
        ("history.csv", "epoch,loss,accuracy,val_loss,val_accuracy,seconds\n1,1.5,x,1.6,0.3,90\n", "accuracy holds"),
        ("history.csv", "epoch,loss,accuracy,val_loss,val_accuracy,seconds,loss\n", "two columns 'loss'"),
        ("predictions.npz", predictions(row=np.array([0, 1, 1])), "twice"),
        ("predictions.npz", predictions(row=np.ones(3)), "row is float64"),
        ("predictions.npz", predictions(label=np.array([0, 1, 7], np.int8)), "outside 0–6"),
        ("predictions.npz", predictions(logits=np.ones((3, 8), np.float32)), r"logits is float32 \(3, 8\)"),
        ("predictions.npz", predictions(logits=np.full((3, 7), np.nan, np.float32)), "not finite"),
        ("predictions.npz", predictions(label=np.zeros(2, np.int8)), "2 of label"),
    ],
)
def test_a_damaged_or_edited_record_is_refused_with_its_fault(isolated, file, content, said):
    path = write() / file
    if isinstance(content, str):
        path.write_text(content)
    elif file == "run.json":
        path.write_text(json.dumps(json.loads(path.read_text()) | content))
    else:
        np.savez(path, **content)
    with pytest.raises(DataError, match=rf"{file}.*{said}") as refused:
        store.load_run("tl_top")
    assert "--retrain" in str(refused.value)


def test_shipped_is_the_run_whose_network_is_shipped():
    card = registry.read_card()
    assert store.full_name("shipped") == card["run"]
    assert registry.is_shipped(store.load_run("shipped"))
    assert store.split_name(card["recipe"]) == store.split_name("shipped"), "a bare recipe name means the shipped seed"


def test_a_misspelt_run_gets_a_name_that_exists_and_no_command_that_fails():
    with pytest.raises(UnknownNameError, match="Did you mean 'shipped'") as refused:
        store.load_run("shippd")
    assert "train" not in str(refused.value)
