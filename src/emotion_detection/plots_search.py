"""Plots of the search for the best recipe, in the look of `plots`."""

import matplotlib.axes
import matplotlib.figure
import numpy as np
import pandas as pd

from emotion_detection.plots import SERIES_COLORS, styled

VERDICT_COLORS = {"better": SERIES_COLORS[0], "worse": SERIES_COLORS[1], "no difference shown": "#777777"}
SHOWN = ["words", "difference", "low", "high", "verdict"]


@styled
def rounds(tables: dict[str, pd.DataFrame], figure: matplotlib.figure.Figure, *, split: str) -> dict:
    """Plot how much each arm gains on its base, with its paired interval: a panel per round, a line per arm.

    Args:
        tables: title of the panel → columns words, difference, low, high (−1–1) and verdict, the best first, not empty.
        figure: empty; about 0.3 inches of height per arm and an inch per round look well.
        split: where the predictions are from.

    Returns:
        Title → columns of the table, as plotted.
    """
    heights = [len(found) + 1 for found in tables.values()]
    grid = figure.subplots(len(tables), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, found) in zip(grid, tables.items(), strict=True):
        _arms(axes, found)
        axes.set_title(title)
    grid[-1].set_xlabel(f"points of accuracy on {split}, to the base (95 % paired interval)")
    handles = {label: handle for axes in grid for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles))
    return {title: {column: found[column].tolist() for column in SHOWN} for title, found in tables.items()}


def _arms(axes: matplotlib.axes.Axes, found: pd.DataFrame) -> None:
    places = np.arange(len(found))[::-1]
    points = 100 * found[["difference", "low", "high"]].to_numpy(float)
    for verdict, color in VERDICT_COLORS.items():
        chosen = (found["verdict"] == verdict).to_numpy()
        if chosen.any():
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
