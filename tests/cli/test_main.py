"""The command line: what it prints, and exit codes 0 done, 1 a clear error, 2 usage."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from emotion_detection.runs import registry, store
from emotion_detection.training import catalog


def predictions(split: str, n: int = 140, seed: int = 0) -> store.Predictions:
    generator = np.random.default_rng(seed)
    label = np.arange(n, dtype=np.int8) % 7
    logits = generator.normal(size=(n, 7)).astype(np.float32)
    logits[np.arange(n), label] += 1.5
    return store.Predictions(split, np.arange(n, dtype=np.int32), label, logits)


@pytest.fixture
def recorded(isolated):
    """A made-up run, recorded in the test's own folder."""
    info = {
        "run": "tl_top-s0",
        "recipe": catalog.TL_TOP.settings() | {"display_name": "TL top"},
        "seed": 0,
        "data": {"name": "drawn sample", "fingerprint": "0" * 64},
        "metrics": {},
        "parameters": {"all": 10, "trained": 7},
        "hardware": {"system": "Linux", "cores": 2, "devices": ["cpu:0"]},
        "temperature": 1.3,
        "final": {"at": "2026-01-01T00:00:00+00:00"},
        "wall_time_s": 90.0,
    }
    history = pd.DataFrame(
        {"epoch": [1], "loss": [1.5], "accuracy": [0.4], "val_loss": [1.6], "val_accuracy": [0.3], "seconds": [90.0]}
    )
    found = {split: predictions(split) for split in ("PublicTest", "PrivateTest")}
    store.write_run("tl_top", info, history, found)
    return isolated


def test_evaluate_json_is_one_object_with_the_promised_keys(recorded, call):
    code, out, _ = call("evaluate", "tl_top", "--json")
    scores = json.loads(out)
    assert code == 0
    promised = {"run", "split", "labels", "n", "accuracy", "accuracy_ci", "macro_f1", "f1", "n_deduplicated"}
    assert promised | {"accuracy_deduplicated", "ferplus_strict", "ece"} <= set(scores)
    assert (scores["run"], scores["split"], scores["n"]) == ("tl_top-s0", "PrivateTest", 140)
    answer = predictions("PrivateTest")
    assert scores["accuracy"] == pytest.approx((answer.predicted == answer.label).mean())


def test_evaluate_reads_the_split_that_is_asked_for(recorded, call):
    assert json.loads(call("evaluate", "tl_top", "--split", "public", "--json")[1])["split"] == "PublicTest"


def test_runs_lists_what_is_recorded(recorded, call):
    code, out, _ = call("runs")
    assert code == 0
    assert "tl_top-s0" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("evaluate", "tl_tip"), 1, "Did you mean 'tl_top-s0'"),
        (("train", "tl_hole"), 1, "Did you mean 'tl_whole'"),
        (("evaluate", "tl_top", "--split", "validation"), 2, "public or private"),
        (("evaluate",), 2, "Missing argument"),
        (("analyse", "nowhere.jpg"), 1, "nowhere.jpg"),
        (("data", "check"), 1, "data/README.md"),
        (("evaluate", "tl_top", "--final"), 1, "reported once"),
        (("evaluate", "tl_top", "--recompute"), 1, "is not on this machine"),
        (("evaluate", "tl_top", "--averaged"), 1, "holds no answers averaged over views"),
        (("evaluate", "tl_top", "--averaged", "--recompute"), 2, "leave out --recompute"),
        (("unknown",), 2, "No such command"),
    ],
)
def test_mistakes_are_answered_with_a_sentence_and_the_right_exit_code(recorded, call, arguments, code, said):
    received, _, err = call(*arguments)
    assert received == code
    assert said in err
    assert "Traceback" not in err


def test_training_what_is_recorded_says_so_and_trains_nothing(recorded, call):
    code, out, _ = call("train", "tl_top")
    assert code == 0
    assert "--retrain" in out


def test_a_data_folder_that_does_not_exist_is_named(isolated, call, monkeypatch):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(isolated / "nowhere"))
    code, _, err = call("data", "check")
    assert code == 1
    assert "nowhere, which does not exist" in err


@pytest.mark.fer2013
def test_recomputing_the_shipped_run_agrees_with_its_record(fer2013, call):
    name = registry.read_card()["run"]
    recorded, again = (json.loads(call("evaluate", name, "--json", *extra)[1]) for extra in ((), ("--recompute",)))
    assert again["n"] == recorded["n"] == 3589
    for score in ("accuracy", "accuracy_deduplicated", "macro_f1"):  # another processor may turn a face or two
        assert again[score] == pytest.approx(recorded[score], abs=0.001)


@pytest.mark.parametrize("file", ["run.json", "history.csv", "predictions.npz"])
@pytest.mark.parametrize("content", [b"", b"{", b"PK\x03\x04damaged", b'{"run": 1}'])
def test_a_record_damaged_by_hand_is_named(recorded, call, file, content):
    (store.run_dir("tl_top") / file).write_bytes(content)
    code, _, err = call("evaluate", "tl_top")
    assert code == 1
    assert file in err
    assert "damaged" in err


@pytest.mark.parametrize(
    ("key", "value"),
    [("temperature", "abc"), ("temperature", 0), ("data", {}), ("final", {}), ("ferplus", {"PublicTest": {}})],
)
def test_a_record_with_a_value_of_another_kind_is_named(recorded, call, key, value):
    path = store.run_dir("tl_top") / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    code, _, err = call("evaluate", "tl_top")
    assert code == 1
    assert f"{key} is" in err


def test_a_record_without_the_time_of_its_final_prediction_is_named(recorded, call):
    path = store.run_dir("tl_top") / "run.json"
    info = json.loads(path.read_text())
    del info["final"]
    path.write_text(json.dumps(info))
    code, _, err = call("evaluate", "tl_top", "--final")
    assert code == 1
    assert "lacks final" in err


def test_an_interrupted_training_says_how_to_go_on(isolated, call, monkeypatch):
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr("emotion_detection.training.cross_validation.train", interrupted)
    monkeypatch.setattr("emotion_detection.notebook.load_fer2013", lambda: None)
    code, _, err = call("train", "tl_top", "--seed", "3")
    assert code == 130
    assert "`train tl_top --seed 3` goes on" in err


def test_a_record_with_a_label_outside_the_classes_is_named(recorded, call):
    run = store.load_run("tl_top")
    run.predictions["PrivateTest"].label[0] = 9
    store.write_predictions(store.run_dir("tl_top") / "predictions.npz", run.predictions)
    code, _, err = call("evaluate", "tl_top")
    assert code == 1
    assert "labels outside 0–6" in err


def test_a_record_with_a_missing_file_is_named(recorded, call):
    (store.run_dir("tl_top") / "predictions.npz").unlink()
    code, _, err = call("evaluate", "tl_top")
    assert code == 1
    assert "predictions.npz" in err


def test_an_interruption_while_recording_leaves_no_record(isolated, recorded, monkeypatch):
    run = store.load_run("tl_top")

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(store.files, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write_run("tl_100", run.info, run.history, run.predictions)
    assert not store.is_recorded("tl_100")
    with pytest.raises(KeyboardInterrupt):
        store.write_run("tl_top", run.info, run.history, {})
    assert store.load_run("tl_top").is_final
    assert store.recorded() == ["tl_top-s0"]
    assert [path.name for path in store.run_dir("tl_top").parent.iterdir()] == ["tl_top-s0"]


def test_help_works_from_the_shell():
    done = subprocess.run([sys.executable, "-m", "emotion_detection", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("data", "runs", "train", "evaluate", "analyse"))


def test_sweep_trains_nothing_that_is_recorded(recorded, call):
    code, out, _ = call("sweep", "tl_top", "--engine", "plain")
    assert code == 0
    assert "tl_top-s0: recorded already" in out
    assert "1 of 1 runs are recorded" in out


def test_sweep_asks_for_a_list_of_seeds(isolated, call):
    code, _, err = call("sweep", "tl_top", "--seeds", "0;1")
    assert code == 2
    assert "write them as 0,1,2" in err


def test_a_sweep_with_a_failure_tells_it_and_ends_with_1(isolated, call, monkeypatch):
    from emotion_detection import notebook
    from emotion_detection.training import sweep

    monkeypatch.setattr(notebook, "load_fer2013", lambda: None)
    monkeypatch.setattr(sweep, "trained", lambda job, *_, **__: sweep.Outcome(reason=f"{job.name} broke."))
    code, out, err = call("sweep", "tl_top", "--seeds", "0,1", "--engine", "plain")
    assert code == 1
    assert "Failed: tl_top-s1: tl_top-s1 broke." in err
    assert "0 of 2 runs are recorded" in out


def test_an_interrupted_sweep_says_what_is_recorded_and_goes_on(recorded, call, monkeypatch):
    from emotion_detection import notebook
    from emotion_detection.training import sweep

    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(notebook, "load_fer2013", lambda: None)
    monkeypatch.setattr(sweep, "trained", interrupted)
    code, _, err = call("sweep", "tl_top", "--seeds", "0,1", "--engine", "plain")
    assert code == 130
    assert "Recorded: 1 of 2 (tl_top-s0)" in err
    assert "the same command goes on" in err


def test_export_writes_the_shipped_network_and_says_where(call, tmp_path):
    path = tmp_path / "copy.keras"
    code, out, _ = call("export", "keras", "--output", str(path))
    assert (code, path.is_file()) == (0, True)
    assert out.startswith(f"{path} (") and f"{path.stat().st_size:,} bytes" in out


def test_export_refuses_an_unknown_format_with_exit_code_1(call):
    code, _, error = call("export", "pb")
    assert code == 1
    assert "keras, float16, int8, onnx" in error


def test_int8_without_fer2013_is_a_clear_error(call, monkeypatch, tmp_path):
    from emotion_detection import paths

    monkeypatch.setattr(paths, "search_folders", lambda: [tmp_path])
    code, _, error = call("export", "int8")
    assert code == 1
    assert "FER2013" in error and "data/README.md" in error
    assert not list(tmp_path.iterdir())


def test_ferplus_refuses_a_run_of_the_drawn_sample(recorded, call):
    code, _, error = call("ferplus", "tl_top")
    assert code == 1
    assert "FER2013's row numbers" in error


def test_personal_heads_are_told_from_the_record_and_another_networks_record_is_warned_of(call, monkeypatch):
    from emotion_detection.studies import personal_simulation

    code, said, warned = call("personal")
    assert code == 0 and "Users who record all seven" in said and "PublicTest" in said
    assert personal_simulation.is_of_shipped(personal_simulation.load()) is ("Warning" not in warned)
    monkeypatch.setattr(personal_simulation, "is_of_shipped", lambda record: False)
    assert "another network's record" in call("personal")[2]
