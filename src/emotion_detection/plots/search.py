"""Plots of the search for the best recipe, in the look of `plots`."""

import matplotlib.axes
import matplotlib.figure
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.plots.style import SERIES_COLORS, styled

VERDICT_COLORS = {"better": SERIES_COLORS[0], "worse": SERIES_COLORS[1], "no difference shown": "#777777"}
FAR = {"accuracy": -0.1, "nll": 0.2}
"""An arm that is worse than this to the base is an arrow at the edge with its value: the others would lie in a heap."""
EDGE = 0.03
"""Where such an arrow stands, as a share of the axes' width."""
SHOWN = ["words", "difference", "low", "high", "verdict", "nll_difference", "nll_low", "nll_high", "nll_verdict"]


@styled
def rounds(tables: dict[str, pd.DataFrame], figure: matplotlib.figure.Figure, *, split: str) -> dict:
    """Plot what each arm gains on its base, with paired intervals: a row of panels per round, a line per arm.

    On the left points of accuracy, on the right negative log-likelihood, where less is better: its axis is reversed, so
    that what is better lies on the right in both. What lies farther than `FAR` is an arrow at the left edge.

    Args:
        tables: title of the row → `search.differences`, not empty.
        figure: empty; about 0.3 inches of height per arm and an inch per round look well.
        split: where the predictions are from.

    Returns:
        Title → columns of the table, as plotted.
    """
    heights = [len(found) + 1 for found in tables.values()]
    grid = figure.subplots(len(tables), 2, sharex="col", sharey="row", squeeze=False, height_ratios=heights)
    for (left, right), (title, found) in zip(grid, tables.items(), strict=True):
        values = found[["difference", "low", "high"]].to_numpy(float)
        _arms(left, found["words"], 100 * values, found["verdict"], values[:, 0] < FAR["accuracy"], digits=1)
        values = found[["nll_difference", "nll_low", "nll_high"]].to_numpy(float)
        _arms(right, found["words"], values, found["nll_verdict"], values[:, 0] > FAR["nll"], digits=3)
        left.set_title(title, loc="left")
    grid[-1, 0].set_xlabel(f"points of accuracy on {split}, to the base")
    grid[-1, 1].set_xlabel("NLL (calibrated, in nats), to the base")
    grid[-1, 1].invert_xaxis()
    axes_of = grid.ravel()
    handles = {
        label: handle for axes in axes_of for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    labels = [label for label in VERDICT_COLORS if label in handles]
    words = "95 % paired intervals:"
    figure.legend([handles[label] for label in labels], labels, loc="outside lower center", ncols=3, title=words)
    return {title: {column: found[column].tolist() for column in SHOWN} for title, found in tables.items()}


def _arms(
    axes: matplotlib.axes.Axes,
    words: pd.Series,
    values: np.ndarray,
    verdicts: pd.Series,
    far: np.ndarray,
    *,
    digits: int,
) -> None:
    """Draw a point with its interval per arm; `values` holds difference, low and high, `far` what is off the scale."""
    places = np.arange(len(words))[::-1]
    for verdict, color in VERDICT_COLORS.items():
        chosen = (verdicts == verdict).to_numpy()
        near = chosen & ~far
        if near.any():
            value, low, high = values[near].T
            style = {"fmt": "o", "ms": 6, "capsize": 3, "elinewidth": 1.6, "color": color}
            axes.errorbar(value, places[near], xerr=[value - low, high - value], label=verdict, **style)
        for place in places[chosen & far]:
            axes.plot(EDGE, place, "<", ms=7, color=color, transform=axes.get_yaxis_transform())
    for place, value, is_far in zip(places, values[:, 0], far, strict=True):
        style = {"textcoords": "offset points", "va": "bottom", "fontsize": 8, "zorder": 4}
        style["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # the zero line ends there
        shown = f"{value:+.{digits}f}".replace("-", "−")
        if is_far:
            axes.annotate(shown, (EDGE, place), (-3, 5), xycoords=axes.get_yaxis_transform(), ha="left", **style)
        else:
            axes.annotate(shown, (value, place), (0, 5), ha="center", **style)
    axes.axvline(0.0, color="#555555", linewidth=1.0)
    axes.set_yticks(places, labels=words)
    axes.set_ylim(-0.7, len(words) - 0.3)
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")


@styled
def trainings(curves: dict[str, pd.DataFrame], axes: matplotlib.axes.Axes, *, aside: tuple[str, ...] = ()) -> dict:
    """Plot how accuracy on PublicTest grew, a line per network; a ring where one run ended and the next went on.

    Args:
        curves: name in the legend → `finals.curve` of the network.
        axes: to draw on.
        aside: names that are drawn in grey.
    """
    colors = iter(SERIES_COLORS)
    for name, found in curves.items():
        color = "#999999" if name in aside else next(colors)
        axes.plot(found["epoch"], found["val_accuracy"], color=color, marker="o", markersize=3, label=name)
        ends = found[found["run"] != found["run"].shift(-1)].iloc[:-1]
        axes.plot(ends["epoch"], ends["val_accuracy"], "o", markersize=8, markerfacecolor="none", color=color)
    axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set(xlabel="epochs since ImageNet's weights", ylabel="accuracy on PublicTest")
    axes.set_title("How far learning for longer goes")
    axes.legend(loc="lower right")
    return {name: {key: found[key].tolist() for key in found} for name, found in curves.items()}
