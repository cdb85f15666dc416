"""Plots of accuracy against what a network costs, in the look of `plots`."""

import matplotlib.axes
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.plots.style import SERIES_COLORS, styled

MARKS = {
    "ours": {"color": SERIES_COLORS[0], "marker": "o", "markersize": 9},
    "recorded": {"color": SERIES_COLORS[1], "marker": "o", "markersize": 7},
    "measured": {"color": SERIES_COLORS[1], "marker": "s", "markersize": 6, "markerfacecolor": "white"},
    "quoted": {"color": "#555555", "marker": "^", "markersize": 7, "markerfacecolor": "white"},
    "unclear": {"color": "#999999", "marker": "x", "markersize": 7},
}
"""Status of a figure → how its point looks; filled: the answers are recorded here."""

LABELS = {
    "ours": "ours",
    "recorded": "others, answers recorded here",
    "measured": "measured once, answers not kept",
    "quoted": "quoted, source names PrivateTest",
    "unclear": "unclear which faces",
}


@styled
def against_parameters(table: pd.DataFrame, axes: matplotlib.axes.Axes, *, people: float) -> dict:
    """Plot accuracy on PrivateTest against the number of parameters, a point per network.

    Args:
        table: columns network, parameters, accuracy (0–1), status (a key of `MARKS`).
        axes: to draw on.
        people: accuracy of people, a line, 0–1.
    """
    axes.axhline(people, color="#555555", linewidth=1.0, linestyle=":")
    axes.set_xscale("log")
    for status, style in MARKS.items():
        chosen = table[table["status"] == status]
        if len(chosen):
            axes.plot(chosen["parameters"], chosen["accuracy"], linestyle="", label=LABELS[status], **style)
    smallest, largest = table["parameters"].min(), table["parameters"].max()
    axes.set_xlim(smallest / 2, largest * 2.5)
    low, high = min(table["accuracy"].min(), people), table["accuracy"].max()
    axes.set_ylim(low - 0.015, high + 0.02)
    for line in table.itertuples(index=False):
        place = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 8}
        if line.status == "ours":  # below it, in bold: others are near
            place |= {"xytext": (0, -8), "va": "top", "weight": "bold"}
        axes.annotate(line.network.partition(" (")[0], (line.parameters, line.accuracy), **place)
    beside = {"xytext": (0, 3), "textcoords": "offset points", "ha": "right", "fontsize": 8, "color": "#555555"}
    axes.annotate("people", (largest * 2.3, people), **beside)
    axes.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(0.02))
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda count, _: f"{count / 1e6:g} M"))
    axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set(xlabel="parameters (log scale)", ylabel="accuracy on PrivateTest")
    axes.set_title("Accuracy against size")
    axes.legend(loc="lower right", fontsize=8)
    return {column: table[column].tolist() for column in table.columns} | {"people": people}


@styled
def against_time(table: pd.DataFrame, axes: matplotlib.axes.Axes) -> dict:
    """Plot accuracy on PrivateTest against the time of one face on one thread.

    Whiskers are 95 % Wilson intervals upright, the fastest and the slowest round across.

    Args:
        table: as `network_costs.with_accuracy` returns it.
        axes: to draw on.
    """
    axes.set_xscale("log")
    for is_ours, status in ((True, "ours"), (False, "recorded")):
        chosen = table[table["is_ours"] == is_ours]
        across = np.abs(chosen[["low_ms", "high_ms"]].to_numpy().T - chosen["ms"].to_numpy())
        upright = np.abs(chosen[["low", "high"]].to_numpy().T - chosen["accuracy"].to_numpy())
        style = {"color": MARKS[status]["color"], "fmt": "o", "ms": 7, "capsize": 3, "elinewidth": 1.2}
        axes.errorbar(chosen["ms"], chosen["accuracy"], yerr=upright, xerr=across, label=LABELS[status], **style)
    for line in table.itertuples(index=False):
        text = f"{line.network}\n{line.ms:.2f} ms, {line.megabytes:.1f} MB"
        place = {"textcoords": "offset points", "fontsize": 8, "va": "bottom"}
        axes.annotate(text, (line.ms, line.accuracy), (6, 6), **place)
    axes.set_xlim(table["ms"].min() / 1.6, table["ms"].max() * 2.0)
    axes.set_ylim(table["low"].min() - 0.01, table["high"].max() + 0.01)
    axes.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set(xlabel="ms for one face, LiteRT, one thread (log scale)", ylabel="accuracy on PrivateTest")
    axes.set_title("Accuracy against time (upright: 95 % intervals; across: fastest and slowest round)")
    axes.legend(loc="lower right")
    return {column: table[column].tolist() for column in table.columns}
