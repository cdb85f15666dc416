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
    "deletion_curves": lambda: plots.deletion_curves(CHECKS["deletion"]),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_plot_is_the_same_each_time_and_no_text_is_cut_or_overlaps(name):
    assert_well_drawn(DRAWN[name])


def test_the_deletion_plot_has_a_line_per_order_and_a_mark_per_layer_and_control():
    figure = DRAWN["deletion_curves"]()
    curves, whole, early = figure.axes
    labelled = [line for line in curves.lines if not line.get_label().startswith("_")]
    for line, curve in zip(labelled, figure.values["curves"].values(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), curve["mean"])
    assert len(whole.containers) == len(early.containers) == len(explanations.LAYERS)
    assert [label.get_text() for label in whole.get_yticklabels()] == [
        plots.explanation.ORDERS[name][0] for name in explanations.CONTROLS
    ]
