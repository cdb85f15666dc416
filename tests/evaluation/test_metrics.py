"""Scores of recorded predictions: against hand-worked examples and scikit-learn."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from emotion_detection.data import summaries
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.evaluation import metrics
from made_predictions import SMALL, TWINS, calibrated_predictions, predictions_of, random_predictions, run_of


def test_scores_agree_with_an_example_worked_by_hand():
    expected = np.zeros((7, 7), int)
    expected[0, 0], expected[0, 2], expected[2, 2], expected[2, 0], expected[3, 0] = 2, 1, 1, 1, 1
    np.testing.assert_array_equal(metrics.confusion(SMALL), expected)
    table = metrics.per_class(SMALL)
    assert metrics.accuracy(SMALL) == pytest.approx(3 / 6)
    assert table.loc["angry"].tolist() == pytest.approx([2 / 4, 2 / 3, 4 / 7, 3])
    assert table.loc["fear"].tolist() == pytest.approx([1 / 2, 1 / 2, 1 / 2, 2])
    assert table.loc["happy"].tolist() == pytest.approx([0, 0, 0, 1])
    assert metrics.macro_f1(SMALL) == pytest.approx((4 / 7 + 1 / 2) / 7)
    assert metrics.weighted_f1(SMALL) == pytest.approx((3 * 4 / 7 + 2 * 1 / 2) / 6)


def test_f1_of_confusions_agrees_with_f1_of_rows():
    given = random_predictions()
    from_counts = metrics.f1_of(metrics.confusion(given))
    np.testing.assert_allclose(from_counts, metrics.per_class(given)["f1"])


def test_nothing_to_score_is_an_error():
    with pytest.raises(DataError, match="0 predictions"):
        metrics.per_class(predictions_of([], []))


def test_a_class_without_faces_has_f1_zero_and_no_warning():
    table = metrics.f1_with_intervals(SMALL)
    assert table.loc["disgust", ["f1", "f1_low", "f1_high", "support"]].tolist() == [0, 0, 0, 0]


def test_scores_read_private_test_where_recorded_else_public_test():
    public, private = random_predictions(), random_predictions(split="PrivateTest", seed=1)
    assert metrics.scores(run_of(public), twins=TWINS)["split"] == "PublicTest"
    assert metrics.scores(run_of(public, private), twins=TWINS)["split"] == "PrivateTest"
    assert metrics.scores(run_of(public, private), split="PublicTest", twins=TWINS)["split"] == "PublicTest"


def test_scores_on_a_split_that_is_not_recorded_say_how_to_make_it():
    with pytest.raises(
        DataError, match=r"tl_whole-s0 has no predictions on PrivateTest; recorded: PublicTest.*--final"
    ):
        metrics.scores(run_of(SMALL), split="PrivateTest", twins=TWINS)


def test_scores_hold_every_number_of_the_command_line():
    ferplus = {"PublicTest": {"n": 4, "accuracy": 0.75, "note": "x"}}
    values = metrics.scores(run_of(SMALL, temperature=1.5, ferplus=ferplus), twins=TWINS)
    assert (values["run"], values["labels"], values["n"]) == ("tl_whole-s0", "FER2013", 6)
    assert (values["accuracy"], values["n_deduplicated"], values["accuracy_deduplicated"]) == (0.5, 5, 0.4)
    assert (values["n_near_twin_free"], values["accuracy_near_twin_free"]) == (4, 0.25)
    assert list(values["f1"]) == list(EMOTIONS)
    assert values["macro_f1"] == pytest.approx((4 / 7 + 1 / 2) / 7, abs=1e-6)
    assert values["accuracy_ci"][0] <= 0.5 <= values["accuracy_ci"][1]
    assert values["ferplus_strict"] == {"n": 4, "accuracy": 0.75}
    assert values["ferplus_source"] == "recorded"
    assert values["temperature"] == 1.5
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_calibration_uses_the_recorded_temperature_and_else_none():
    given = calibrated_predictions(3000, scale=3.0)
    recorded = metrics.scores(run_of(given, temperature=3.0), twins=TWINS)
    unknown = metrics.scores(run_of(given), twins=TWINS)
    assert recorded["ece"] < 0.03 < unknown["ece"]
    assert any("none recorded" in note for note in unknown["notes"])


def test_what_is_not_known_of_other_splits_is_empty_in_a_summary():
    run = run_of(dataclasses.replace(SMALL, split="Folds"), wall_time_s=60.0)
    run = dataclasses.replace(run, history=pd.DataFrame({"seconds": [60.0]}))
    row = metrics.summary([run], split="Folds").iloc[0]
    assert row["accuracy"] == pytest.approx(3 / 6)
    assert np.isnan(row["accuracy_deduplicated"]) and np.isnan(row["n_near_twin_free"])


def test_scores_without_ferplus_say_so():
    values = metrics.scores(run_of(SMALL), twins=TWINS)
    assert values["ferplus_strict"] is None
    assert any("no FER+ score" in note for note in values["notes"])


def test_scores_without_recorded_twins_say_so(monkeypatch):
    def missing():
        raise MissingFileError("No twins are recorded.")

    monkeypatch.setattr(summaries, "load_twins", missing)
    values = metrics.scores(run_of(SMALL))
    assert values["n_deduplicated"] is None
    assert any("No twins are recorded" in note for note in values["notes"])


def test_twins_of_fer2013_are_not_applied_to_the_drawn_sample(monkeypatch):
    monkeypatch.setattr(summaries, "load_twins", lambda: TWINS)
    assert metrics.scores(run_of(SMALL))["n_deduplicated"] == 5
    values = metrics.scores(run_of(SMALL, data="drawn sample"))
    assert values["labels"] == "drawn sample"
    assert values["n_deduplicated"] is None
    assert any("not a result" in note for note in values["notes"])


def test_scores_on_the_rows_learned_from_are_named_no_result(monkeypatch):
    monkeypatch.setattr(summaries, "load_twins", lambda: TWINS)
    values = metrics.scores(run_of(dataclasses.replace(SMALL, split="Training")), split="Training")
    assert values["n_deduplicated"] is None
    assert any(note.startswith("Not a result") for note in values["notes"])


def test_where_all_splits_were_pooled_twins_are_those_among_the_rows_learned_from(monkeypatch):
    identical = np.full(20, -1, np.int32)
    identical[[1, 12]] = 0
    identical[[2, 3]] = 1  # both unseen: no twin among the learned
    clusters = {"pairs": np.array([[1, 12], [4, 15]], np.int32), "identical": identical}
    monkeypatch.setattr(summaries, "load_clusters", lambda: clusters)
    learned = dataclasses.replace(SMALL, split="Training", row=SMALL.row + 10)
    run = run_of(dataclasses.replace(SMALL, split="Unseen"), learned)
    run.info["recipe"]["pool_all_splits_as_published"] = True
    values = metrics.scores(run)
    assert (values["split"], values["n_deduplicated"], values["n_near_twin_free"]) == ("Unseen", 5, 4)


def test_the_summary_holds_each_score_with_its_interval_and_n(monkeypatch):
    monkeypatch.setattr(summaries, "load_twins", lambda: TWINS)
    answers = random_predictions(700, split="PrivateTest")
    counts = np.pad(metrics.confusion(answers), ((0, 1), (0, 0))).tolist()
    ferplus = {"PrivateTest": {"n": 700, "accuracy": metrics.accuracy(answers), "confusion": counts}}
    runs = [run_of(answers, ferplus=ferplus, wall_time_s=60.0), run_of(answers, seed=1, wall_time_s=60.0)]
    runs = [dataclasses.replace(run, history=pd.DataFrame({"seconds": [60.0]})) for run in runs]
    table = metrics.summary(runs)
    assert table.index.tolist() == ["TL whole", "TL whole, seed 1"]
    first = table.iloc[0]
    assert (first["n"], first["n_deduplicated"], first["n_near_twin_free"], first["n_ferplus"]) == (700, 699, 699, 700)
    assert first["accuracy"] == first["accuracy_ferplus"] == metrics.accuracy(answers)
    for score in ("accuracy", "macro_f1", "accuracy_deduplicated", "accuracy_near_twin_free", "accuracy_ferplus"):
        assert first[f"{score}_low"] < first[score] < first[f"{score}_high"]
    assert first["minutes"] == 1.0
    assert np.isnan(first["teacher_minutes"]) and np.isnan(table.iloc[1]["accuracy_ferplus"])
