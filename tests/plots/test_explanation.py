"""Plots of explanations: all of them can be read, and hold what was recorded."""

import numpy as np
import pytest

from emotion_detection import plots
from emotion_detection.data import summaries
from emotion_detection.studies import explanations
from figure_texts import assert_well_drawn

CHECKS = explanations.load_checks()
DRAWN = {
    "explained_face": lambda: plots.explained_face(
        np.full((48, 48), 120, np.uint8), {"one": np.eye(3), "two": -np.eye(6)}
    ),
    "class_heat": lambda: plots.class_heat(
        explanations.load_average_heat(), summaries.load_averages(), counts=CHECKS["averages"]
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_plot_is_the_same_each_time_and_no_text_is_cut_or_overlaps(name):
    assert_well_drawn(DRAWN[name])
