"""Plots of training: that what is drawn are the runs' numbers, in the same axes, and within the picture."""

import numpy as np
import pandas as pd
import pytest

from emotion_detection import plots
from emotion_detection.plots import saving, style
from emotion_detection.runs.run import Run
from figure_texts import assert_well_drawn


def run(name: str, epochs: int, *, seconds: float = 3.0, data: str = "FER2013") -> Run:
    steps = np.arange(1, epochs + 1)
    columns = {"epoch": steps, "loss": 2 / steps, "accuracy": 1 - 0.7 / steps, "seconds": seconds}
    history = pd.DataFrame(columns | {"val_loss": 2.1 / steps, "val_accuracy": 0.9 - 0.6 / steps})
    info = {"recipe": {"display_name": name}, "seed": 0, "data": {"name": data}}
    return Run(name, info | {"wall_time_s": 60 + seconds * epochs}, history, {})


RUNS = [run("TL top", 40, seconds=0.9), run("TL 100", 6, seconds=160.0), run("TL whole", 10, seconds=335.0)]
BLOCKS = pd.DataFrame(
    {
        "output_px": [48, 6, 3, 1],
        "channels": [32, 96, 1280, 7],
        "parameters": [100, 200, 300, 50],
        "trained_top": [0, 0, 0, 50],
        "trained_100": [0, 100, 300, 50],
        "trained_whole": [100, 200, 300, 50],
    },
    index=pd.Index(["stem", "block 11", "last conv.", "head"], name="block"),
)
DIFFERENCES = {
    name: pd.DataFrame({"difference": 0.01, "low": -0.02, "high": 0.05}, index=["angry", "disgust", "macro"])
    for name in ("sensible copies", "class weights")
}
ROUNDS = pd.DataFrame(
    {
        "seed": [0, 0, 0, 1, 1, 1],
        "round": ["TL whole", "TL whole", "TL taught"] * 2,
        "epoch": [1, 10, 30] * 2,
        "accuracy": [0.58, 0.69, 0.71, 0.56, 0.68, 0.72],
    }
)
DRAWN = {
    "rounds": lambda: plots.rounds(ROUNDS, {"TL taught": 0.715}),
    "learning_curves": lambda: plots.learning_curves(RUNS),
    "three_cuts": lambda: plots.three_cuts(BLOCKS),
    "f1_differences": lambda: plots.f1_differences(DIFFERENCES, n=28709),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_plot_is_the_same_each_time_and_no_text_is_cut_or_overlaps(name):
    assert_well_drawn(DRAWN[name], texts=10)


def test_each_seed_has_a_curve_and_each_round_what_its_teachers_reach():
    (axes,) = plots.rounds(ROUNDS, {"TL taught": 0.715}).axes
    curves = [line.get_xydata().tolist() for line in axes.lines if len(line.get_xdata()) == 3]
    assert curves == [[[1, 0.58], [10, 0.69], [30, 0.71]], [[1, 0.56], [10, 0.68], [30, 0.72]]]
    (dashed,) = axes.collections
    assert dashed.get_segments()[0].tolist() == [[10, 0.715], [30, 0.715]]


def test_runs_share_the_axes_of_accuracy_and_of_loss():
    figure = plots.learning_curves(RUNS)
    for axes, score in zip(figure.axes, ("accuracy", "loss"), strict=True):
        drawn = [line.get_ydata().tolist() for line in axes.lines]
        assert drawn == [run.history[each].tolist() for run in RUNS for each in (score, f"val_{score}")]
    assert saving.plain(figure.values)["TL 100"]["val_accuracy"][0] == pytest.approx(0.3)


def test_epochs_after_which_public_test_was_not_looked_at_are_passed_over():
    seldom = run("TL top", 4)
    seldom.history.loc[[0, 2], ["val_loss", "val_accuracy"]] = np.nan
    figure = plots.learning_curves([seldom])
    assert [line.get_xdata().tolist() for line in figure.axes[0].lines] == [[1, 2, 3, 4], [2, 4]]
    assert saving.plain(figure.values)["TL top"]["val_accuracy"][::2] == [None, None]


def test_a_single_epoch_is_a_point():
    figure = plots.learning_curves([run("TL top", 1)])
    assert {line.get_marker() for line in figure.axes[0].lines} == {"o"}


def test_a_run_of_the_drawn_sample_gives_a_banner():
    assert plots.learning_curves(RUNS).banner is None
    assert "not a result" in plots.learning_curves([RUNS[0], run("TL 100", 2, data="drawn sample")]).banner


def test_what_is_trained_of_a_block_is_coloured():
    figure = plots.three_cuts(BLOCKS)
    colored = [
        patch for patch in figure.axes[0].patches if patch.get_facecolor() == style.matplotlib.colors.to_rgba("#BB5566")
    ]
    assert [patch.get_width() for patch in colored] == [0, 0.5, 1, 1]
    assert figure.values["trained_100"] == [0, 100, 300, 50]
