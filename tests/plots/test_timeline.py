"""How a timeline is drawn."""

import matplotlib.collections
import numpy as np
import pandas as pd
import pytest

from emotion_detection import plots
from emotion_detection.emotions import EMOTIONS
from emotion_detection.inference import face_table, stream
from emotion_detection.inference.pipeline import NOT_SURE


def rows(face: int, times, labels) -> pd.DataFrame:
    """A face's rows: nine in ten for its label, even where not sure."""
    table = pd.DataFrame({"time_s": np.asarray(times, float), "face": face, "label": labels, "network": "n"})
    for emotion in EMOTIONS:
        table[emotion] = np.where(table["label"] == emotion, 0.9, np.where(table["label"] == NOT_SURE, 1 / 7, 0.1 / 6))
    return table


def lines_at(axes) -> list[float]:
    """Where the lines of changed labels are."""
    lines = [each for each in axes.collections if isinstance(each, matplotlib.collections.LineCollection)]
    return [float(segment[0][0]) for each in lines for segment in each.get_segments()]


def drawn(table):
    figure = plots.timeline(table)
    return figure, figure.values


def test_the_plot_marks_the_events_that_it_returns():
    labels = ["happy"] * 30 + [NOT_SURE] * 30 + ["sad"] * 40
    table = pd.concat([rows(1, np.arange(100) / 10, labels), rows(2, np.arange(20, 50) / 10, "fear")])
    figure, values = drawn(table)
    assert [event[1:] for event in values["1"]["events"]] == [
        ["appears", "happy"],
        ["label", NOT_SURE],
        ["label", "sad"],
    ]
    assert [event[1] for event in values["2"]["events"]] == ["appears", "leaves"]
    first, second = figure.axes
    assert {text.get_text() for text in first.texts} == {"Happy", NOT_SURE, "Sad"}
    assert {text.get_text() for text in second.texts} == {"Fear"}
    np.testing.assert_allclose(lines_at(first), [3.0, 6.0])


def test_a_panel_with_many_changes_shows_them_in_the_strip_alone():
    labels = ["happy", "sad"] * 50
    figure, values = drawn(rows(1, np.arange(100) / 10, labels))
    assert len(values["1"]["events"]) == 100
    assert lines_at(figure.axes[0]) == []
    assert len(figure.axes[0].collections) > 100, "a piece of the strip for each"


@pytest.mark.parametrize(("seconds", "label", "tick"), [(60, "seconds", None), (3600, "minutes:seconds", "10:00")])
def test_long_times_are_told_in_minutes(seconds, label, tick):
    figure, _ = drawn(rows(1, np.linspace(0, seconds, 200), "happy"))
    figure.canvas.draw()
    axis = figure.axes[-1].xaxis
    assert axis.get_label_text() == label
    assert tick is None or tick in [text.get_text() for text in axis.get_ticklabels()]


@pytest.mark.parametrize("columns", [face_table.columns(), stream.COLUMNS])
def test_a_table_without_a_face_is_an_empty_plot_that_says_so(columns):
    figure = plots.timeline(pd.DataFrame(columns=list(columns)))
    [axes] = figure.axes
    assert "No face" in axes.get_title("left") and not axes.collections
