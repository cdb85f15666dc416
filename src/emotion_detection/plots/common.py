"""Plots in one look: functions that take data and an Axes (a Figure where there are several panels).

Each returns what it plotted as a dict, ready for `figures.save_figure`. No function touches pyplot's state.
"""

import matplotlib
import matplotlib.axes
import matplotlib.colors
import matplotlib.figure
import matplotlib.patches
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.evaluation import metrics
from emotion_detection.plots.style import NAMES, SERIES_COLORS, styled
from emotion_detection.plots.style import series_color as _series_color
from emotion_detection.plots.style import set_title as _suptitle


@styled
def f1_bars(tables: dict[str, pd.DataFrame], axes: matplotlib.axes.Axes, *, split: str) -> dict:
    """Plot F1 per emotion with 95 % intervals, one bar per run; a single run has the emotions' colours.

    Args:
        tables: name of the run → `metrics.f1_with_intervals` (columns f1, f1_low, f1_high, support).
        axes: to draw on.
        split: where the predictions are from.
    """
    width = 0.84 / len(tables)
    for index, (name, table) in enumerate(tables.items()):
        centres = np.arange(len(EMOTIONS)) + (index - (len(tables) - 1) / 2) * width
        colors = [COLORS[each] for each in EMOTIONS] if len(tables) == 1 else _series_color(index)
        _bars_with_intervals(axes, centres, table, width=width * 0.92, color=colors, label=name)
    supports = next(iter(tables.values()))["support"]
    labels = [f"{DISPLAY_NAMES[each]}\nn = {int(supports[each]):,}" for each in EMOTIONS]
    axes.set_xticks(range(len(EMOTIONS)), labels=labels)
    axes.set(
        ylim=(0, 1), ylabel="F1", title=f"F1 per emotion with 95 % interval, {split} (n = {int(supports.sum()):,})"
    )
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    if len(tables) > 1:
        axes.set_ylim(0, 1.14)  # room for the legend above bars of any height
        axes.legend(loc="upper right", ncols=len(tables), borderaxespad=0.0)
    return {"split": split, "f1": tables}


def _bars_with_intervals(axes, centres: np.ndarray, table: pd.DataFrame, *, width: float, color, label: str) -> None:
    f1 = table["f1"].to_numpy()
    errors = np.clip([f1 - table["f1_low"], table["f1_high"] - f1], 0.0, None)
    axes.bar(centres, f1, width, color=color, label=label)
    axes.errorbar(centres, f1, yerr=errors, fmt="none", ecolor="#222222", elinewidth=1.0, capsize=2.0)
    for centre, value, high in zip(centres, f1, table["f1_high"], strict=True):
        text = f"{value:.2f}".removeprefix("0")
        axes.text(centre, max(high, value) + 0.012, text, ha="center", va="bottom", fontsize=7.5)


@styled
def confusion_matrices(
    counts: np.ndarray, figure: matplotlib.figure.Figure, *, title: str, split: str, labels: str = "FER2013"
) -> dict:
    """Show a confusion matrix twice: as counts, and as percent of each label's faces.

    Args:
        counts: int array (7, 7), a row per label, a column per predicted class.
        figure: empty, about twice as wide as high.
        title: name of the run.
        split: where the predictions are from.
        labels: name of the label set.
    """
    counts = np.asarray(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left, right = figure.subplots(1, 2, sharey=True)
    _matrix(left, counts, text=lambda value: f"{value:,}")
    _matrix(right, shares, text=lambda value: f"{100 * value:.0f}", highest=1.0)
    left.set(title="faces", ylabel=f"{labels} label", xlabel="predicted")
    right.set(title="percent of the label's faces", xlabel="predicted")
    percent = 100 * np.trace(counts) / max(counts.sum(), 1)
    _suptitle(figure, f"{title}: predictions on {split} (n = {int(counts.sum()):,}, {percent:.1f} % right)")
    return {"run": title, "split": split, "labels": labels, "emotions": list(EMOTIONS)} | {
        "counts": counts,
        "row_normalised": shares,
    }


def _matrix(axes: matplotlib.axes.Axes, values: np.ndarray, *, text, highest: float | None = None) -> None:
    """Draw one matrix with a number in each cell, white on dark and dark on light."""
    highest = highest or max(float(values.max()), 1.0)
    axes.imshow(values, cmap="Blues", vmin=0, vmax=highest, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        color = "white" if value > 0.55 * highest else "#222222"
        weight = "bold" if row == column else "normal"
        axes.text(column, row, text(value), ha="center", va="center", fontsize=8, color=color, weight=weight)
    axes.set_xticks(range(len(NAMES)), labels=NAMES, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(NAMES)), labels=NAMES)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


@styled
def reliability_diagram(tables: dict[str, pd.DataFrame], figure: matplotlib.figure.Figure, *, split: str) -> dict:
    """Plot accuracy against confidence, a column per table; below, how many faces each bin holds.

    Args:
        tables: name (such as "temperature 1.4") → `metrics.reliability`.
        figure: empty.
        split: where the predictions are from.
    """
    ratios = {"height_ratios": [3, 1]}
    grid = figure.subplots(2, len(tables), sharex=True, sharey="row", squeeze=False, gridspec_kw=ratios)
    errors = {name: metrics.expected_calibration_error(table) for name, table in tables.items()}
    for (above, below), (name, table) in zip(grid.T, tables.items(), strict=True):
        _reliability_bars(above, table)
        below.bar(
            table["low"], table["n"], table["high"] - table["low"], align="edge", color="#9A9A9A", edgecolor="white"
        )
        above.set_title(f"{name}: calibration error {100 * errors[name]:.1f} %")
        below.set_xlabel("confidence (highest probability)")
    grid[0, 0].set_ylabel("share that is right")
    grid[1, 0].set_ylabel("faces")
    grid[1, 0].yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    n = int(next(iter(tables.values()))["n"].sum())
    _suptitle(figure, f"Is the confidence right? {split} (n = {n:,})")
    return {"split": split, "n": n, "ece": errors, "bins": tables}


def _reliability_bars(axes: matplotlib.axes.Axes, table: pd.DataFrame) -> None:
    """Draw the accuracy of each bin as a bar, its mean confidence as a line across the bar: they should meet."""
    filled = table[table["n"] > 0]
    widths = filled["high"] - filled["low"]
    style = {"align": "edge", "color": "#8FA9CC", "edgecolor": "white", "label": "accuracy"}
    axes.bar(filled["low"], filled["accuracy"], widths, **style)
    style = {"color": SERIES_COLORS[1], "linewidth": 2.4, "label": "mean confidence"}
    axes.hlines(filled["confidence"], filled["low"], filled["high"], **style)
    axes.plot([0, 1], [0, 1], "--", color="#555555", linewidth=1.0, label="accuracy = confidence")
    axes.set(xlim=(0, 1), ylim=(0, 1))
