"""What happened in a timeline, and how it is drawn."""

import matplotlib.collections
import numpy as np
import pandas as pd
import pytest

from emotion_detection import plots
from emotion_detection.emotions import EMOTIONS
from emotion_detection.inference import events
from emotion_detection.inference.tracking import NOT_SURE


def rows(face: int, times, labels) -> pd.DataFrame:
    """A face's rows: nine in ten for its label, even where not sure."""
    table = pd.DataFrame({"time_s": np.asarray(times, float), "face": face, "label": labels, "network": "n"})
    for emotion in EMOTIONS:
        table[emotion] = np.where(table["label"] == emotion, 0.9, np.where(table["label"] == NOT_SURE, 1 / 7, 0.1 / 6))
    return table


def told(table, **settings) -> list[tuple]:
    return [tuple(row) for row in events.events(table, **settings)[list(events.COLUMNS)].to_numpy().tolist()]


def test_a_face_that_stays_appears_and_does_not_leave():
    assert told(rows(1, np.arange(0, 5, 0.1), "happy")) == [(0.0, 1, "appears", "happy")]


def test_changes_of_label_are_events_and_so_are_stretches_of_not_sure():
    table = rows(1, [0, 0.1, 0.2, 0.3, 0.4], ["happy", NOT_SURE, NOT_SURE, "sad", "sad"])
    assert told(table) == [(0.0, 1, "appears", "happy"), (0.1, 1, "label", NOT_SURE), (0.3, 1, "label", "sad")]


def test_a_face_that_is_gone_for_longer_than_a_second_has_left():
    times = np.r_[0:1:0.1, 3:4:0.1]
    table = pd.concat([rows(2, times, "sad"), rows(1, np.arange(0, 8, 0.1), "happy")])
    assert [event[:3] for event in told(table) if event[1] == 2] == [
        (0.0, 2, "appears"),
        (pytest.approx(0.9), 2, "leaves"),
        (3.0, 2, "appears"),
        (pytest.approx(3.9), 2, "leaves"),
    ]


def test_where_frames_are_looked_at_seldom_a_step_is_no_gap():
    assert len(told(rows(1, np.arange(0, 60, 5), "happy"))) == 1


def test_the_end_of_the_recording_tells_whether_the_last_face_left():
    table = rows(1, np.arange(0, 5, 0.1), "happy")
    assert told(table, end_s=20)[-1][2] == "leaves"


def test_an_empty_timeline_has_no_events():
    assert told(rows(1, [], "happy")) == []


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
