"""Plots of data sets: that what is drawn are the numbers given, labelled and within the picture."""

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest

from emotion_detection import plots
from emotion_detection.data import load_sample
from emotion_detection.emotions import COLORS, EMOTIONS
from emotion_detection.plots import saving
from figure_texts import assert_well_drawn

COUNTS = pd.DataFrame(
    {
        "Training": [3995, 436, 4097, 7215, 4830, 3171, 4965],
        "PublicTest": [467, 56, 496, 895, 653, 415, 607],
        "PrivateTest": [491, 55, 528, 879, 594, 416, 626],
    },
    index=pd.Index(EMOTIONS, name="emotion"),
)
AVERAGES = np.linspace(60, 200, 7 * 48 * 48).reshape(7, 48, 48)
LABELS = pd.DataFrame(np.eye(7, 8, dtype=int) * 30 + 10, index=EMOTIONS, columns=[*EMOTIONS, "contempt"])
WORTH = pd.DataFrame(
    [
        (run, faces, n, share, share - 0.05, share + 0.05)
        for run in ("TL top", "TL 100")
        for faces, n, share in (("with a twin in Training", 288, 0.9), ("all", 3589, 0.65), ("without", 3301, 0.6))
    ],
    columns=["run", "faces", "n", "accuracy", "accuracy_low", "accuracy_high"],
)
DRAWN = {
    "class_counts": lambda: plots.class_counts(COUNTS, title="FER2013"),
    "average_faces": lambda: plots.average_faces(AVERAGES, counts=COUNTS["Training"]),
    "leak_worth": lambda: plots.leak_worth(WORTH),
    "ferplus_agreement": lambda: plots.ferplus_agreement(LABELS, split="PrivateTest"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_plot_is_the_same_each_time_and_no_text_is_cut_or_overlaps(name):
    assert_well_drawn(DRAWN[name], texts=10)


def test_class_counts_have_a_bar_and_a_label_per_count():
    figure = DRAWN["class_counts"]()
    (axes,) = figure.axes
    widths = [bar.get_width() for container in axes.containers for bar in container]
    assert widths == COUNTS.to_numpy().T.ravel().tolist()
    assert {text.get_text() for text in axes.texts} == {f"{count:,}" for count in COUNTS.to_numpy().ravel()}
    assert "35,887" in axes.get_title(loc="left")
    assert saving.plain(figure.values)["counts"]["Training"]["disgust"] == 436


def test_average_faces_share_one_grey_scale_and_have_the_emotions_colours():
    figure = DRAWN["average_faces"]()
    for axes, face, emotion in zip(figure.axes, AVERAGES, EMOTIONS, strict=True):
        (image,) = axes.images
        np.testing.assert_array_equal(image.get_array(), face)
        assert image.get_clim() == (60, 200)
        assert matplotlib.colors.to_hex(axes.spines["left"].get_edgecolor()) == COLORS[emotion].lower()
    assert figure.values["mean_gray"]["angry"] == pytest.approx(AVERAGES[0].mean())


def test_a_grid_of_faces_shows_each_emotion_in_a_row_of_its_own():
    sample = load_sample(140)
    figure = plots.face_grid(sample, per_emotion=3)
    label = dict(zip(sample.row.tolist(), sample.emotion.tolist(), strict=True))
    rows = figure.values["rows"]
    assert all({label[row] for row in rows[emotion]} == {index} for index, emotion in enumerate(EMOTIONS))
    assert sum(len(axes.images) for axes in figure.axes) == 21


def test_worth_of_a_leak_groups_the_bars_by_run_and_leaves_gaps_where_nothing_is_known():
    values = DRAWN["leak_worth"]().values
    assert values["shares"]["TL 100"] == {"with a twin in Training": 0.9, "all": 0.65, "without": 0.6}
    alone = plots.leak_worth(WORTH[WORTH["faces"] == "all"])
    assert alone.values["shares"] == {"TL top": {"all": 0.65}, "TL 100": {"all": 0.65}}


def test_agreement_is_percent_of_each_labels_faces():
    values = DRAWN["ferplus_agreement"]().values
    assert values["percent"]["angry"]["angry"] == pytest.approx(100 * 40 / 110)
    assert sum(values["percent"]["sad"].values()) == pytest.approx(100)
