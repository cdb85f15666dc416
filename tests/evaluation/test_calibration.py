"""How well confidence agrees with accuracy, and a minimum confidence, chosen on PublicTest alone."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from emotion_detection.errors import DataError
from emotion_detection.evaluation import calibration
from emotion_detection.runs import registry, store
from made_predictions import calibrated_predictions, predictions_of, random_predictions


def predictions(confidences, right, split="PublicTest") -> store.Predictions:
    """Faces labelled angry, answered angry where right, else disgust, with the given probability."""
    n = len(confidences)
    logits = np.full((n, 7), -60.0)
    answers = np.where(right, 0, 1)
    rest = np.log((1 - np.asarray(confidences)) / 6 + 1e-12)
    logits[:] = rest[:, None]
    logits[np.arange(n), answers] = np.log(confidences)
    return store.Predictions(split, np.arange(n, dtype=np.int32), np.zeros(n, np.int8), logits.astype(np.float32))


EXAMPLE = predictions([0.305, 0.5, 0.7, 0.9], [False, False, True, True])


def test_coverage_and_accuracy_agree_with_an_example_worked_by_hand():
    table = calibration.coverage(EXAMPLE, temperature=1.0, thresholds=np.array([0.0, 0.4, 0.6, 0.95]))
    assert table["coverage"].tolist() == [1, 0.75, 0.5, 0]
    np.testing.assert_allclose(table["accuracy"], [0.5, 2 / 3, 1.0, np.nan])


def test_the_smallest_threshold_that_is_enough_is_chosen():
    assert calibration.choose_threshold(EXAMPLE, temperature=1.0, wanted=0.6) == pytest.approx(0.31)
    assert calibration.choose_threshold(EXAMPLE, temperature=1.0, wanted=0.5) == 0
    with pytest.raises(DataError, match="at best 0 %"):
        calibration.choose_threshold(predictions([0.9], [False]), temperature=1.0)


def test_nothing_is_chosen_on_private_test():
    with pytest.raises(DataError, match="Choose it on PublicTest"):
        calibration.choose_threshold(predictions([0.9], [True], split="PrivateTest"), temperature=1.0)
    with pytest.raises(DataError, match="Fit it on PublicTest"):
        calibration.fit_temperature(random_predictions(split="PrivateTest"))


def test_the_card_tells_what_the_record_says():
    card = registry.read_card()
    run = store.load_run(card["run"])
    assert card["confidence"] == calibration.of_run(run)
    answered = run.predictions["PrivateTest"].probabilities(card["temperature"]).max(axis=1) >= 0.5
    assert registry.at_threshold(card, 0.5)[0] == pytest.approx(answered.mean(), abs=1e-4)
    assert 0.3 < card["confidence"]["threshold"] < 0.7


def test_a_card_without_the_table_gives_no_numbers():
    assert registry.at_threshold({}, 0.5) is None


def test_calibration_error_agrees_with_an_example_worked_by_hand():
    """Ten answers at 0.9, six right (gap 0.3); ten at 0.5, five right (gap 0): error 0.15."""
    label, answers = np.zeros(20, int), np.array([0] * 6 + [1] * 4 + [0] * 5 + [1] * 5)
    confidence = np.repeat([0.9, 0.5], 10)
    given = predictions_of(label, answers)
    others = (1 - confidence) / 6
    logits = np.log(np.where(given.logits > 0, confidence[:, None], others[:, None])).astype(np.float32)
    given = store.Predictions("PublicTest", given.row, given.label, logits)
    table = calibration.reliability(given)
    filled = table[table.n > 0]
    assert filled.n.tolist() == [10, 10]
    assert filled.confidence.tolist() == pytest.approx([0.5, 0.9], abs=1e-6)
    assert filled.accuracy.tolist() == [0.5, 0.6]
    assert filled.low.tolist() == pytest.approx([7 / 15, 13 / 15])
    assert calibration.expected_calibration_error(table) == pytest.approx(0.15, abs=1e-6)


def test_reliability_counts_every_face_once_full_confidence_included():
    given = predictions_of([0, 1], [0, 1], logit=200.0)
    table = calibration.reliability(given)
    assert table.n.tolist() == [0] * 14 + [2]
    assert calibration.reliability(random_predictions()).n.sum() == 3000


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.5])
def test_temperature_recovers_a_known_scale_and_lowers_the_calibration_error(scale):
    given = calibrated_predictions(scale=scale)
    temperature = calibration.fit_temperature(given)
    assert temperature == pytest.approx(scale, rel=0.05)
    assert calibration.expected_calibration_error(calibration.reliability(given, temperature=temperature)) < 0.015


def test_the_interval_of_the_calibration_error_holds_it_and_narrows_with_the_faces():
    few, many = (calibrated_predictions(scale=1.0, n=n) for n in (500, 8000))
    widths = []
    for given in (few, many):
        low, high = calibration.calibration_interval(given, temperature=2.0)
        error = calibration.expected_calibration_error(calibration.reliability(given, temperature=2.0))
        assert low < error < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_the_calibration_error_by_chance_is_that_of_networks_whose_confidence_is_right():
    given = [calibrated_predictions(scale=2.0, n=1000, seed=seed) for seed in range(20)]
    errors = [calibration.expected_calibration_error(calibration.reliability(each, temperature=2.0)) for each in given]
    assert calibration.calibration_by_chance(given[0], temperature=2.0) == pytest.approx(np.mean(errors), rel=0.15)
    assert calibration.calibration_by_chance(given[0], temperature=2.0) > 0.01


def test_log_likelihood_agrees_with_scikit_learn():
    given = random_predictions()
    expected = sklearn_metrics.log_loss(given.label, given.probabilities(1.7), labels=range(7))
    assert calibration.negative_log_likelihoods(given, 1.7).mean() == pytest.approx(expected)
