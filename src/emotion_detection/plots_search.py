"""Plots of the search for the best recipe, in the look of `plots`."""

import matplotlib.axes
import numpy as np
import pandas as pd

from emotion_detection.plots import SERIES_COLORS, styled

VERDICT_COLORS = {"better": SERIES_COLORS[0], "worse": SERIES_COLORS[1], "no difference shown": "#777777"}


@styled
def arms(found: pd.DataFrame, axes: matplotlib.axes.Axes, *, title: str) -> dict:
    """Plot how much each arm gains on the base, with its paired interval: one line per arm, the best on top.

    Args:
        found: columns words, difference, low, high (−1–1) and verdict, the best first, not empty; about 0.3 inches of
            height per row look well.
        axes: to draw on.
        title: of the plot.

    Returns:
        Columns of the table, as plotted.
    """
    places = np.arange(len(found))[::-1]
    points = 100 * found[["difference", "low", "high"]].to_numpy(float)
    for verdict, color in VERDICT_COLORS.items():
        chosen = (found["verdict"] == verdict).to_numpy()
        value, low, high = points[chosen].T
        style = {"fmt": "o", "ms": 6, "capsize": 3, "elinewidth": 1.6, "color": color}
        axes.errorbar(value, places[chosen], xerr=[value - low, high - value], label=verdict, **style)
    for place, (value, _, high) in zip(places, points, strict=True):
        style = {"textcoords": "offset points", "va": "center", "fontsize": 8}
        axes.annotate(f"{value:+.1f}".replace("-", "−"), (high, place), (5, 0), **style)
    axes.axvline(0.0, color="#555555", linewidth=1.0)
    axes.set_yticks(places, labels=found["words"])
    axes.set_ylim(-0.7, len(found) - 0.3)
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("points of accuracy on PublicTest, to the base (95 % paired interval)")
    axes.set_title(title, pad=24)
    axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
    return {column: found[column].tolist() for column in ("words", "difference", "low", "high", "verdict")}
