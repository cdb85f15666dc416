"""Rows with twins in Training."""

import pytest

from emotion_detection.errors import UnknownNameError
from emotion_detection.evaluation import leakage, metrics
from made_predictions import SMALL, TWINS


def test_rows_with_twins_are_left_out():
    kept = leakage.without_twins(SMALL, TWINS, kind="near")
    assert kept.row.tolist() == [2, 3, 4, 5]
    assert kept.label.tolist() == [0, 2, 2, 3]
    assert metrics.accuracy(kept) == pytest.approx(1 / 4)
    assert len(leakage.without_twins(SMALL, TWINS)) == 5


def test_unknown_kind_of_twins_is_an_error():
    with pytest.raises(UnknownNameError, match=r"PublicTest_identicle.*PrivateTest_identical"):
        leakage.without_twins(SMALL, TWINS, kind="identicle")
