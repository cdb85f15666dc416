"""Plots: that what is drawn are the numbers given, labelled, within the picture, and free of pyplot's state."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from emotion_detection import plots
from emotion_detection.data import perturbations
from emotion_detection.emotions import COLORS, EMOTIONS
from emotion_detection.evaluation import calibration, metrics, mistakes
from emotion_detection.plots import saving
from emotion_detection.runs import store
from figure_texts import cut_and_overlapping, visible_texts

COUNTS = pd.DataFrame(
    {
        "Training": [3995, 436, 4097, 7215, 4830, 3171, 4965],
        "PublicTest": [467, 56, 496, 895, 653, 415, 607],
        "PrivateTest": [491, 55, 528, 879, 594, 416, 626],
    },
    index=pd.Index(EMOTIONS, name="emotion"),
)
CONFUSION = np.arange(49).reshape(7, 7) * 3 + 100 * np.eye(7, dtype=int)


def predictions(seed=0):
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(7, dtype=np.int8), COUNTS["PrivateTest"])
    logits = rng.normal(size=(len(label), 7)) + 1.5 * np.eye(7)[label]
    return store.Predictions("PrivateTest", np.arange(len(label), dtype=np.int32), label, logits.astype(np.float32))


def history(epochs):
    steps = np.arange(1, epochs + 1)
    columns = {"epoch": steps, "loss": 2 / steps, "accuracy": 1 - 0.7 / steps, "seconds": 3.0}
    return pd.DataFrame(columns | {"val_loss": 2.1 / steps, "val_accuracy": 0.9 - 0.6 / steps})


HISTORIES = {"TL top": history(40), "TL 100": history(8), "TL whole": history(10)}
F1_TABLES = {name: metrics.f1_with_intervals(predictions(seed)) for seed, name in enumerate(HISTORIES)}
RELIABILITY = {f"temperature {value}": metrics.reliability(predictions(), temperature=value) for value in (1.0, 1.4)}
COSTS = pd.DataFrame({"seconds_per_epoch": [0.9, 160.0, 335.0], "total_s": [336.0, 1300.0, 3350.0]}, index=HISTORIES)

COVERAGE = {
    name: calibration.coverage(predictions(seed), temperature=1.0, thresholds=calibration.FINE_THRESHOLDS)
    for seed, name in enumerate(HISTORIES)
}
AGREEMENT = mistakes.shares_by_agreement(
    [
        {"votes_least": least, "votes_most": most, "n": n, "right": n // 2, "right_by_votes": n // 3, "labels_agree": 9}
        for (least, most), n in zip(mistakes.BANDS, (40, 80, 100, 140), strict=True)
    ]
)
SPOILED = pd.DataFrame(
    [
        {"network": network, "perturbation": way, "step": step, "strength": strength, "n": 3589}
        | {"accuracy": 0.7 - 0.1 * step, "low": 0.68 - 0.1 * step, "high": 0.72 - 0.1 * step}
        for network in ("ours (shipped)", "another")
        for way, each in perturbations.PERTURBATIONS.items()
        for step, strength in enumerate([np.nan, *each.strengths])
    ]
)

ON_AXES = {
    "coverage_curves": (
        4.2,
        lambda axes: plots.coverage_curves(COVERAGE, axes, split="PrivateTest", chosen=0.4),
    ),
    "by_agreement": (3.9, lambda axes: plots.by_agreement(AGREEMENT, axes, title="By agreement")),
    "f1_bars": (3.8, lambda axes: plots.f1_bars(F1_TABLES, axes, split="PrivateTest")),
}
ON_FIGURE = {
    "robustness": (8.0, lambda figure: plots.robustness(SPOILED, figure, commonest=0.25)),
    "confusion_matrices": (
        4.5,
        lambda figure: plots.confusion_matrices(CONFUSION, figure, title="TL top", split="PrivateTest"),
    ),
    "reliability_diagram": (4.6, lambda figure: plots.reliability_diagram(RELIABILITY, figure, split="PrivateTest")),
}


def draw(name):
    """Return a fresh figure with this plot, and the values that the plot returned."""
    if name in ON_AXES:
        height_in, plot = ON_AXES[name]
        figure, axes = saving.new_axes(height_in)
        return figure, plot(axes)
    height_in, plot = ON_FIGURE[name]
    figure = saving.new_figure(height_in)
    return figure, plot(figure)


@pytest.mark.parametrize("name", [*ON_AXES, *ON_FIGURE])
def test_drawn_twice_a_plot_has_the_same_bytes(name):
    first, second = (saving.png_bytes(draw(name)[0], dpi=50) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", [*ON_AXES, *ON_FIGURE])
def test_no_text_of_a_plot_is_cut_or_overlaps_another(name):
    figure, _ = draw(name)
    slanted = plots.NAMES if name == "confusion_matrices" else ()
    assert cut_and_overlapping(figure, may_overlap=slanted) == ([], [])
    assert len(visible_texts(figure)) > 10


@pytest.mark.parametrize("name", [*ON_AXES, *ON_FIGURE])
def test_values_of_a_plot_can_be_saved(name):
    assert saving.plain(draw(name)[1])


def test_plots_leave_pyplot_without_figures():
    import matplotlib.pyplot as plt

    for name in ("f1_bars", "confusion_matrices"):
        draw(name)
    assert plt.get_fignums() == []


def test_plots_and_figures_need_no_tensorflow():
    code = "import sys; import emotion_detection.plots.saving; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_f1_bars_have_the_scores_as_heights_and_their_intervals():
    figure, values = draw("f1_bars")
    (axes,) = figure.axes
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == pytest.approx(np.concatenate([table["f1"] for table in F1_TABLES.values()]))
    (lines,) = axes.collections[0].get_segments()[:1]
    assert lines[:, 1] == pytest.approx(F1_TABLES["TL top"].loc["angry", ["f1_low", "f1_high"]].to_numpy(float))
    assert "PrivateTest (n = 3,589)" in axes.get_title(loc="left")
    assert saving.plain(values)["f1"]["TL top"]["support"]["disgust"] == 55


def test_f1_bars_of_one_run_have_the_emotions_colours():
    import matplotlib.colors

    _, axes = saving.new_axes()
    plots.f1_bars({"TL top": F1_TABLES["TL top"]}, axes, split="PrivateTest")
    assert [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in axes.patches] == [
        COLORS[emotion].lower() for emotion in EMOTIONS
    ]


def test_confusion_matrices_show_counts_and_percent_of_each_row():
    figure, values = draw("confusion_matrices")
    left, right = figure.axes
    np.testing.assert_array_equal(left.images[0].get_array(), CONFUSION)
    np.testing.assert_allclose(right.images[0].get_array().sum(axis=1), 1.0)
    assert [text.get_text() for text in left.texts] == [f"{count:,}" for count in CONFUSION.ravel()]
    assert right.texts[0].get_text() == f"{100 * CONFUSION[0, 0] / CONFUSION[0].sum():.0f}"
    np.testing.assert_array_equal(values["counts"], CONFUSION)


def test_confusion_matrices_take_a_class_without_faces():
    counts = CONFUSION.copy()
    counts[1] = 0
    figure = saving.new_figure()
    values = plots.confusion_matrices(counts, figure, title="TL top", split="PublicTest")
    assert values["row_normalised"][1].tolist() == [0.0] * 7


def test_reliability_diagram_names_the_calibration_error_and_counts_every_bin():
    figure, values = draw("reliability_diagram")
    for column, (name, table) in enumerate(RELIABILITY.items()):
        above, below = figure.axes[column], figure.axes[2 + column]
        error = metrics.expected_calibration_error(table)
        assert above.get_title(loc="left") == f"{name}: calibration error {100 * error:.1f} %"
        assert [bar.get_height() for bar in below.patches] == table["n"].tolist()
        assert values["ece"][name] == error
        filled = table[table["n"] > 0]
        assert [bar.get_height() for bar in above.patches] == filled["accuracy"].tolist()
