"""Plots that set networks and trainings beside one another: published figures, ablations, size."""

import matplotlib.axes
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.data.perturbations import PERTURBATIONS
from emotion_detection.plots.style import (
    PERCENT,
    SERIES_COLORS,
    Figure,
    finish,
    grouped_bars,
    legend_below,
    new_axes,
    new_figure,
    set_title,
    styled,
    whiskers,
)
from emotion_detection.runs.store import Run

MARKS = {
    "ours": ("ours", {"color": SERIES_COLORS[0], "marker": "o", "markersize": 9}),
    "recorded": ("others, answers recorded here", {"color": SERIES_COLORS[1], "marker": "o", "markersize": 7}),
    "measured": (
        "measured once, answers not kept",
        {"color": SERIES_COLORS[1], "marker": "s", "markersize": 6, "markerfacecolor": "white"},
    ),
    "quoted": (
        "quoted, source names PrivateTest",
        {"color": "#555555", "marker": "^", "markersize": 7, "markerfacecolor": "white"},
    ),
    "unclear": ("unclear which faces", {"color": "#999999", "marker": "x", "markersize": 7}),
}
"""Status of a figure → its words, and how its point looks; filled: the answers are recorded here."""

VERDICT_COLORS = {"better": SERIES_COLORS[0], "worse": SERIES_COLORS[1], "no difference shown": "#777777"}
FAR = {"accuracy": -0.1, "nll": 0.2}
"""An ablation that is worse than this is an arrow at the edge with its value: the others would lie in a heap."""
EDGE = 0.03
"""Where such an arrow stands, as a share of the axes' width."""


@styled
def published_and_replay(f1: pd.DataFrame, *, runs: list[Run] = ()) -> Figure:
    """Plot F1 (0–1) as bars: a group per emotion, a bar per column of `published_result.f1_beside_published`."""
    figure, axes = new_axes(3.8)
    grouped_bars(axes, f1, write=lambda value: f"{value:.2f}".removeprefix("0"))
    axes.set(ylabel="F1", title="F1 per emotion: published, and our replay")
    return finish(figure, {"shares": f1.T.to_dict()}, runs=runs)


@styled
def ablations(tables: dict[str, pd.DataFrame]) -> Figure:
    """Plot what each ablation gains on its base, with paired intervals: a row of panels per round, a line per ablation.

    On the left points of accuracy, on the right negative log-likelihood, where less is better: its axis is reversed, so
    that what is better lies on the right in both. What lies farther than `FAR` is an arrow at the left edge.

    Args:
        tables: title of the row → `studies.ablations.differences`, of predictions on PublicTest, not
            empty.
    """
    heights = [len(found) + 1 for found in tables.values()]
    figure = new_figure(1.2 + sum(0.7 + 0.32 * len(table) for table in tables.values()))
    grid = figure.subplots(len(tables), 2, sharex="col", sharey="row", squeeze=False, height_ratios=heights)
    for (left, right), (title, found) in zip(grid, tables.items(), strict=True):
        _forest(left, found, "difference", scale=100, verdict="verdict", is_far=lambda x: x < FAR["accuracy"], digits=1)
        _forest(right, found, "nll_difference", verdict="nll_verdict", is_far=lambda x: x > FAR["nll"], digits=3)
        left.set_title(title, loc="left")
    grid[-1, 0].set_xlabel("points of accuracy on PublicTest, to the base")
    grid[-1, 1].set_xlabel("NLL (calibrated, in nats), to the base")
    grid[-1, 1].invert_xaxis()
    legend_below(figure, ncols=3, title="95 % paired intervals:")
    shown = ["ablation", "verdict", "nll_verdict"]
    shown += [f"{name}{end}" for name in ("difference", "nll_difference") for end in ("", "_low", "_high")]
    return finish(figure, {title: found[shown].to_dict("list") for title, found in tables.items()})


def _forest(
    axes: matplotlib.axes.Axes, found: pd.DataFrame, column: str, *, verdict: str, is_far, digits: int, scale: int = 1
) -> None:
    """Draw a point with its interval per row; what `is_far` says is off the scale is an arrow with its value."""
    values = scale * found[[column, f"{column}_low", f"{column}_high"]].to_numpy(float)
    far, places = is_far(found[column].to_numpy()), np.arange(len(found))[::-1]
    for name, color in VERDICT_COLORS.items():
        chosen = (found[verdict] == name).to_numpy()
        near = chosen & ~far
        if near.any():
            value, low, high = values[near].T
            style = {"fmt": "o", "ms": 6, "capsize": 3, "elinewidth": 1.6, "color": color}
            axes.errorbar(value, places[near], xerr=whiskers(value, low, high), label=name, **style)
        for place in places[chosen & far]:
            axes.plot(EDGE, place, "<", ms=7, color=color, transform=axes.get_yaxis_transform())
    for place, value, beyond in zip(places, values[:, 0], far, strict=True):
        style = {"textcoords": "offset points", "va": "bottom", "fontsize": 8, "zorder": 4}
        style["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # the zero line ends there
        shown = f"{value:+.{digits}f}".replace("-", "−")
        if beyond:
            axes.annotate(shown, (EDGE, place), (-3, 5), xycoords=axes.get_yaxis_transform(), ha="left", **style)
        else:
            axes.annotate(shown, (value, place), (0, 5), ha="center", **style)
    axes.axvline(0.0, color="#555555", linewidth=1.0)
    axes.set_yticks(places, labels=found["ablation"])
    axes.set_ylim(-0.7, len(found) - 0.3)
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")


@styled
def accuracy_against_size(table: pd.DataFrame) -> Figure:
    """Plot accuracy on PrivateTest against the number of parameters, a point per network; people are a line.

    Args:
        table: as `peers.against_parameters` returns it.
    """
    figure, axes = new_axes(4.2)
    people, table = table["accuracy"].iloc[-1], table.iloc[:-1].astype({"parameters": int})
    for status, (words, style) in MARKS.items():
        chosen = table[table["status"] == status]
        axes.plot(chosen["parameters"], chosen["accuracy"], linestyle="", label=words, **style)
    for line in table.itertuples(index=False):
        place = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 8}
        if line.status == "ours":  # below it, in bold: others are near
            place |= {"xytext": (0, -8), "va": "top", "weight": "bold"}
        axes.annotate(line.network.partition(" (")[0], (line.parameters, line.accuracy), **place)
    axes.axhline(people, color="#555555", linewidth=1.0, linestyle=":")
    axes.text(0.99, people + 0.001, "people", ha="right", fontsize=8, transform=axes.get_yaxis_transform())
    axes.margins(x=0.1, y=0.1)
    axes.set(xscale="log", xlabel="parameters (log scale)", ylabel="accuracy on PrivateTest")
    axes.set_title("Accuracy against size")
    axes.xaxis.set_major_formatter(matplotlib.ticker.EngFormatter())
    axes.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(0.02))
    axes.yaxis.set_major_formatter(PERCENT)
    axes.legend(loc="lower right", fontsize=8)
    return finish(figure, table.to_dict("list") | {"people": people})


@styled
def robustness(table: pd.DataFrame, *, commonest: float) -> Figure:
    """Plot accuracy against the strength of each way to spoil faces: small curves, one colour a network.

    Args:
        table: as `studies.robustness.accuracies` returns it.
        commonest: what a network gets right that always names the commonest emotion, 0–1.
    """
    figure = new_figure(8.0)
    ways, names = PERTURBATIONS, list(dict.fromkeys(table["network"]))
    grid = figure.subplots(-(-len(ways) // 3), 3, sharey=True, squeeze=False)
    for axes, way in zip(grid.flat, ways, strict=False):
        for color, name in zip(SERIES_COLORS, names, strict=False):
            rows = table[(table["perturbation"] == way) & (table["network"] == name)]
            axes.plot(rows["step"], rows["accuracy"], "o-", color=color, markersize=3, linewidth=1.5, label=name)
            low, high = rows["accuracy_low"], rows["accuracy_high"]
            axes.fill_between(rows["step"], low, high, color=color, alpha=0.18, linewidth=0)
        axes.axhline(commonest, color="#555555", linestyle="--", linewidth=1.0, label="always the commonest emotion")
        axes.set_xticks(rows["step"], labels=["none", *(f"{each:g}" for each in rows["strength"].iloc[1:])])
        axes.set(title={"jpeg": "JPEG"}.get(way, way.capitalize()), xlabel=ways[way].unit, ylim=(0, 0.8))
        axes.yaxis.set_major_formatter(PERCENT)
        axes.xaxis.label.set_size(8)
    legend_below(figure, ncols=3)
    set_title(figure, f"Accuracy on PublicTest as faces are spoiled (n = {int(table['n'].iloc[0]):,})")
    return finish(figure, {"commonest": commonest, "rows": table})
