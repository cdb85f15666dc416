"""Scores against FER+'s majority."""

import numpy as np
import pytest

from emotion_detection.errors import DataError
from emotion_detection.evaluation import ferplus_scores
from made_predictions import SMALL, predictions_of


def test_ferplus_counts_contempt_as_error_and_leaves_out_faces_without_majority():
    given = predictions_of([0, 0, 0, 0, 0], [3, 4, 0, 6, 2])
    labels = np.array([3, 4, 7, -1, 1], np.int8)
    assert ferplus_scores.ferplus_strict(given, labels) == {"n": 4, "accuracy": 0.5}
    assert ferplus_scores.ferplus_strict(given, np.full(5, -1)) == {"n": 0, "accuracy": None}


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 0, 0, 0, 8]])
def test_ferplus_labels_that_do_not_fit_are_an_error(labels):
    with pytest.raises(DataError, match="strict_majority_labels"):
        ferplus_scores.ferplus_strict(SMALL, np.array(labels))
