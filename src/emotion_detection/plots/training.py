"""Plots of training: how accuracy and loss go from epoch to epoch, what it costs, which layers learn."""

from collections.abc import Sequence

import matplotlib.patches
import matplotlib.ticker
import pandas as pd

from emotion_detection.evaluation import metrics
from emotion_detection.plots.style import (
    PERCENT,
    Figure,
    finish,
    new_figure,
    series_color,
    set_title,
    styled,
)
from emotion_detection.runs.store import Run

CURVES = ["epoch", "accuracy", "val_accuracy", "loss", "val_loss"]
FEW_EPOCHS = 15
"""A run of so many epochs, or fewer, gets a mark at each."""


@styled
def learning_curves(runs: Sequence[Run]) -> Figure:
    """Plot accuracy and loss per epoch, a colour per run: solid on PublicTest, dashed on Training.

    Training values are means over the epoch, with dropout and augmentation, as the network learned them.
    """
    figure = new_figure(3.6)
    for axes, score in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        for index, run in enumerate(runs):
            marker = "o" if len(run.history) <= FEW_EPOCHS else None
            for split, column, line in (("Training", score, "--"), ("PublicTest", f"val_{score}", "-")):
                known = run.history.dropna(subset=column)  # PublicTest need not be looked at after every epoch
                style = {"color": series_color(index), "marker": marker, "markersize": 3}
                axes.plot(known["epoch"], known[column], line, label=f"{metrics.display_name(run)}, {split}", **style)
        axes.set(title=score.capitalize(), xlabel="epoch")
        axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(8, integer=True, min_n_ticks=1))
    first = figure.axes[0]
    first.yaxis.set_major_formatter(PERCENT)
    figure.axes[1].set_title("Loss (cross-entropy)")
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=len(runs))
    return finish(figure, {metrics.display_name(run): _known(run.history[CURVES]) for run in runs}, runs=runs)


def _known(history: pd.DataFrame) -> pd.DataFrame:
    """Return the values as JSON can keep them: None where PublicTest was not looked at."""
    return history.reset_index(drop=True).astype(object).where(history.notna().to_numpy(), None)


@styled
def training_cost(costs: pd.DataFrame, *, hardware: str = "", runs: Sequence[Run] = ()) -> Figure:
    """Plot training time per epoch and in total, a bar per run.

    Args:
        costs: float, index the runs' names, columns `seconds_per_epoch` and `total_s`.
        hardware: on what the times were taken, for the title.
        runs: whose costs these are, to mark those of the drawn sample.
    """
    figure = new_figure(2.2)
    panels = {"seconds_per_epoch": ("per epoch", 1, "s"), "total_s": ("in total", 60, "min")}
    for axes, (column, (title, seconds, unit)) in zip(figure.subplots(1, 2, sharey=True), panels.items(), strict=True):
        values = costs[column].to_numpy(float) / seconds
        bars = axes.barh(range(len(costs)), values, color=[series_color(index) for index in range(len(costs))])
        axes.bar_label(bars, labels=[f"{value:,.3g} {unit}" for value in values], padding=3)
        axes.set(title=title, xlabel=unit, xlim=(0, max(values.max(), 1e-9) * 1.25))
        axes.grid(visible=False, axis="y")
        axes.set_yticks(range(len(costs)), labels=list(costs.index))
    axes.invert_yaxis()
    set_title(figure, f"Training time{f' on {hardware}' if hardware else ''}")
    return finish(figure, {"hardware": hardware, "costs": costs}, runs=runs)
