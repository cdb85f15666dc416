"""A minimum confidence: what it costs in answers and buys in right ones; chosen on PublicTest alone."""

import numpy as np
import pytest

from emotion_detection.errors import DataError
from emotion_detection.evaluation import calibration
from emotion_detection.runs import registry, store


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


def test_the_card_tells_what_the_record_says():
    card = registry.read_card()
    run = store.load_run(card["run"])
    assert card["confidence"] == calibration.of_run(run)
    answered = run.predictions["PrivateTest"].probabilities(card["temperature"]).max(axis=1) >= 0.5
    assert registry.at_threshold(card, 0.5)[0] == pytest.approx(answered.mean(), abs=1e-4)
    assert 0.3 < card["confidence"]["threshold"] < 0.7


def test_a_card_without_the_table_gives_no_numbers():
    assert registry.at_threshold({}, 0.5) is None
