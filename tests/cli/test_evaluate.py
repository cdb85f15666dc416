"""`runs`, `evaluate`, `ferplus`: scores of recorded runs, and records that are damaged."""

import json
import re

import pytest

import making_pictures
from emotion_detection import paths
from emotion_detection.data import load_sample
from emotion_detection.runs import registry, store


def test_evaluate_json_is_one_object_with_the_promised_keys(recorded, call):
    code, out, _ = call("evaluate", "tl_top", "--json")
    scores = json.loads(out)
    assert code == 0
    promised = {"run", "split", "labels", "n", "accuracy", "accuracy_ci", "macro_f1", "f1", "n_deduplicated"}
    assert promised | {"accuracy_deduplicated", "ferplus_strict", "ece"} <= set(scores)
    assert (scores["run"], scores["split"], scores["n"]) == ("tl_top-s0", "PrivateTest", 140)
    answer = store.load_run("tl_top").predictions["PrivateTest"]
    assert scores["accuracy"] == pytest.approx((answer.predicted == answer.label).mean())


def test_evaluate_prints_scores_per_emotion_and_the_confusion_matrix_and_draws_it(recorded, call):
    code, out, _ = call("evaluate", "tl_top", "--plot", "matrix.png")
    answer = store.load_run("tl_top").predictions["PrivateTest"]
    angry = [(answer.predicted[answer.label == 0] == index).sum() for index in range(7)]
    assert code == 0
    recall, support = 100 * angry[0] / sum(angry), sum(angry)
    assert re.search(rf"Angry +\S+ % +{recall:.1f} % +0\.\d+ +{support}\n", out)
    assert re.search("Angry +" + " +".join(map(str, angry)) + r"\n", out)
    assert (recorded / "matrix.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_reads_the_split_that_is_asked_for(recorded, call):
    assert json.loads(call("evaluate", "tl_top", "--split", "public", "--json")[1])["split"] == "PublicTest"


def test_runs_lists_what_is_recorded(recorded, call):
    code, out, _ = call("runs")
    assert code == 0
    assert "tl_top-s0" in out


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
    assert "train RECIPE --retrain" in err


@pytest.mark.parametrize(
    ("key", "value"),
    [("temperature", "abc"), ("temperature", 0), ("data", {}), ("final", {}), ("ferplus", {"PublicTest": {}})],
)
def test_a_record_with_a_value_of_another_kind_is_named(recorded, call, key, value):
    path = store.run_dir("tl_top") / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    code, _, err = call("evaluate", "tl_top")
    assert code == 1
    assert "run.json is damaged" in err and key in err


def test_a_record_without_the_time_of_its_final_prediction_is_named(recorded, call):
    path = store.run_dir("tl_top") / "run.json"
    info = json.loads(path.read_text())
    del info["final"]
    path.write_text(json.dumps(info))
    code, _, err = call("evaluate", "tl_top", "--final")
    assert code == 1
    assert "lacks final" in err


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


def test_ferplus_refuses_a_run_of_the_drawn_sample(recorded, call):
    code, _, error = call("ferplus", "tl_top")
    assert code == 1
    assert "FER2013's row numbers" in error


def test_the_shipped_network_is_scored_on_a_folder_of_pictures(call, tmp_path):
    making_pictures.write_pictures(load_sample(70, seed=0), tmp_path / "drawn")
    code, out, _ = call("evaluate", "shipped", "--pictures", str(tmp_path / "drawn"))
    assert code == 0
    assert "most of ten people would say" in out
    assert "drawn (n = 70" in out and "Precision" in out and "Neutral" in out
    scores = json.loads(call("evaluate", "shipped", "--pictures", str(tmp_path / "drawn"), "--json")[1])
    assert scores["n"] == 70


def test_crop_is_for_own_pictures_alone(recorded, call):
    assert call("evaluate", "tl_top", "--crop", "none")[0] == 2


def test_averaged_answers_are_for_runs_alone(call, tmp_path):
    assert call("evaluate", "tl_top", "--plot", "a.txt")[0] == 2
    code, _, error = call("evaluate", "shipped", "--pictures", str(tmp_path), "--averaged")
    assert code == 2 and "--averaged" in error


def test_an_experiment_stays_where_it_is(recorded):
    run = store.load_run("tl_top")
    with paths.writing_to(paths.scratch_dir()):
        store.write_run("tl_top_try", run.info, run.history, {})
    folder = store.write_run("tl_top_try", run.info, run.history, run.predictions)
    assert folder == recorded / "output" / "results" / "tl_top_try-s0"
    assert store.load_run("tl_top_try").is_final
    assert store.recorded(here=True) == ["tl_top-s0"]
