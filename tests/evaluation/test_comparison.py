"""Two networks on the same faces: against hand-worked examples, and how intervals behave."""

import dataclasses

import numpy as np
import pytest

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.evaluation import calibration, comparison, metrics
from emotion_detection.runs import store
from made_predictions import SMALL, predictions_of, random_predictions, run_of


def test_comparison_agrees_with_an_example_worked_by_hand():
    label = [0] * 10
    first = predictions_of(label, [0] * 8 + [1] * 2)
    second = predictions_of(label, [0] * 3 + [1] * 6 + [0])
    found = comparison.compare(first, second)
    assert (found["only_first"], found["only_second"]) == (5, 1)
    assert found["difference"] == pytest.approx(0.4)
    assert found["p_value"] == pytest.approx(2 * (1 + 6) / 2**6)  # exact binomial: 5 or more of 6, both sides
    assert found["difference_low"] <= 0.4 <= found["difference_high"]


def test_comparison_does_not_depend_on_the_order_of_rows():
    first, second = random_predictions(seed=0), random_predictions(seed=0, right=0.5)
    shuffled = second.select(np.random.default_rng(0).permutation(len(second)))
    assert comparison.compare(first, second) == comparison.compare(first, shuffled)


def test_comparison_of_a_run_with_itself_finds_no_difference():
    assert list(comparison.compare(SMALL, SMALL).values()) == [0.0, 0.0, 0.0, 0, 0, 1.0]


def test_clear_difference_is_significant_and_its_interval_excludes_zero():
    label = np.arange(700) % 7
    better = predictions_of(label, np.where(np.arange(700) < 560, label, (label + 1) % 7))
    worse = predictions_of(label, np.where(np.arange(700) < 420, label, (label + 1) % 7))
    found = comparison.compare(better, worse)
    assert found["difference"] == pytest.approx(0.2)
    assert 0.15 < found["difference_low"] < 0.2 < found["difference_high"] < 0.25
    assert found["p_value"] < 1e-6


def test_f1_differences_are_those_of_the_two_tables_and_intervals_are_paired():
    first, second = random_predictions(seed=1, right=0.7), random_predictions(seed=1, right=0.5)
    table = comparison.compare_f1(first, second)
    expected = metrics.per_class(first)["f1"] - metrics.per_class(second)["f1"]
    np.testing.assert_allclose(table.loc[list(EMOTIONS), "difference"], expected)
    assert table.loc["macro", "difference"] == pytest.approx(expected.mean())
    assert (table["low"] < table["difference"]).all() and (table["difference"] < table["high"]).all()
    assert table.loc["macro", "low"] > 0
    same = comparison.compare_f1(first, first)
    assert (same == 0).all().all()


def test_comparison_of_different_faces_is_an_error():
    other = predictions_of(SMALL.label, SMALL.predicted, row=[0, 1, 2, 3, 4, 99])
    with pytest.raises(DataError, match="5 in common"):
        comparison.compare(SMALL, other)


def test_likelihoods_are_compared_after_calibration_and_face_by_face():
    first, second = random_predictions(seed=1, right=0.7), random_predictions(seed=1, right=0.5)
    found = comparison.compare_likelihood(first, second)
    one, other = (
        calibration.negative_log_likelihoods(each, calibration.fit_temperature(each)).mean() for each in (first, second)
    )
    assert found["nll_difference"] == pytest.approx(one - other)
    assert found["nll_difference_low"] < one - other < found["nll_difference_high"] < 0
    surer = dataclasses.replace(first, logits=3 * first.logits)  # the temperature takes that back
    assert comparison.compare_likelihood(surer, first)["nll_difference"] == pytest.approx(0, abs=1e-5)


def test_likelihood_intervals_agree_with_resampling():
    first, second = random_predictions(seed=1, right=0.7), random_predictions(seed=2, right=0.65)
    second = dataclasses.replace(second, label=first.label)
    found = comparison.compare_likelihood(first, second)
    drawn = []
    gap = surprise(first) - surprise(second)
    generator = np.random.default_rng(0)
    for _ in range(800):
        rows = [generator.choice(np.flatnonzero(first.label == each), (first.label == each).sum()) for each in range(7)]
        drawn.append(gap[np.concatenate(rows)].mean())
    half = (found["nll_difference_high"] - found["nll_difference_low"]) / 2
    assert half == pytest.approx(1.96 * np.std(drawn), rel=0.1)


def surprise(given: store.Predictions) -> np.ndarray:
    probabilities = given.probabilities(calibration.fit_temperature(given))
    return -np.log(probabilities[np.arange(len(given)), given.label])


def test_each_run_is_compared_with_the_one_before_it():
    first = random_predictions(right=0.3)
    second = dataclasses.replace(first, logits=np.eye(7, dtype=np.float32)[first.label])
    found = comparison.comparisons([run_of(first), run_of(second, seed=1)], split="PublicTest")
    (row,) = found.to_dict("index").items()
    assert row[0] == "TL whole, seed 1 against TL whole"
    assert row[1]["difference"] == pytest.approx(1 - metrics.accuracy(first))
    assert row[1]["only_second"] == 0 and row[1]["p_value"] < 0.001
