"""Plots that set networks and trainings beside one another: published figures, ablations, epochs, size, time."""

import matplotlib.axes
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.data.perturbations import PERTURBATIONS
from emotion_detection.plots.style import (
    INK,
    PERCENT,
    SERIES_COLORS,
    SPLIT_COLORS,
    Figure,
    bars_of_shares,
    finish,
    new_axes,
    new_figure,
    set_title,
    styled,
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
    bars_of_shares(axes, f1)
    axes.set(ylabel="F1 (percent)", title="F1 per emotion: published, and our replay")
    return finish(figure, {"shares": f1.T.to_dict()}, runs=runs)


@styled
def epoch_choice(run: Run, chosen: dict) -> Figure:
    """Plot PublicTest's and PrivateTest's accuracy per epoch and mark the epochs that each would choose.

    Args:
        run: its history has the columns epoch, val_accuracy (PublicTest), private_accuracy_for_audit.
        chosen: as `published_result.epoch_choice` returns it.
    """
    figure, axes = new_axes(3.4)
    history = run.history
    columns = {"PublicTest": "val_accuracy", "PrivateTest": "private_accuracy_for_audit"}
    for name, column in columns.items():
        axes.plot(history["epoch"], history[column], color=SPLIT_COLORS[name], marker="o", markersize=3, label=name)
    for by, name in (("public", "PublicTest"), ("private", "PrivateTest")):
        point = chosen[by]
        label = f"PrivateTest where {name} is best"
        axes.plot(point["epoch"], point["accuracy"], "D" if by == "public" else "s", color=INK, label=label, ms=7)
    axes.set(xlabel="epoch", ylabel="accuracy", title="Old settings on the official split, TL whole, epoch by epoch")
    axes.yaxis.set_major_formatter(PERCENT)
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(8, integer=True))
    axes.legend(loc="lower right")
    values = {"epoch": history["epoch"].tolist()}
    values |= {name: history[column].tolist() for name, column in columns.items()}
    return finish(figure, values | {"chosen": chosen}, runs=[run])


@styled
def batch_norm_gap(gaps: pd.DataFrame, *, runs: list[Run] = ()) -> Figure:
    """Plot accuracy while learning and in inference mode as two marks on a line, their distance in points beside them.

    A line is a row of `published_result.gaps`, the first on top.
    """
    figure, axes = new_axes(4.4)
    columns = {"while learning": "learning_accuracy", "inference mode": "inference_accuracy"}
    shares = pd.DataFrame({name: gaps[column].to_numpy(float) for name, column in columns.items()}, index=gaps["run"])
    first, second = shares.to_numpy().T
    places = np.arange(len(shares))
    axes.hlines(places, np.minimum(first, second), np.maximum(first, second), color="#9a9a9a", linewidth=2.5, zorder=1)
    for column, marker, color in zip(shares.columns, "os", SERIES_COLORS, strict=False):
        axes.plot(shares[column], places, marker, color=color, markersize=8, label=column, linestyle="none")
    for place, one, other in zip(places, first, second, strict=True):
        text = f"{100 * (one - other):+.1f} points".replace("-", "−")
        axes.annotate(text, (max(one, other), place), (9, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(places, labels=list(shares.index))
    axes.invert_yaxis()
    axes.set(xlim=(max(0.0, shares.to_numpy().min() - 0.05), min(1.0, shares.to_numpy().max() + 0.12)))
    axes.set(xlabel="accuracy", title="Accuracy on the faces learned from, after the last epoch")
    axes.xaxis.set_major_formatter(PERCENT)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="upper right", ncols=1)
    return finish(figure, {"shares": shares.T.to_dict()}, runs=runs)


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
    handles = {}
    for axes in grid.flat:
        handles |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    labels = [label for label in VERDICT_COLORS if label in handles]
    title = "95 % paired intervals:"
    figure.legend([handles[label] for label in labels], labels, loc="outside lower center", ncols=3, title=title)
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
            axes.errorbar(value, places[near], xerr=[value - low, high - value], label=name, **style)
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
def trainings(curves: dict[str, pd.DataFrame], *, aside: tuple[str, ...] = (), runs: list[Run] = ()) -> Figure:
    """Plot how accuracy on PublicTest grew, a line per network; a ring where one run ended and the next went on.

    Args:
        curves: name in the legend → `final_runs.curve` of the network.
        aside: names that are drawn in grey.
        runs: those behind the curves.
    """
    figure, axes = new_axes(3.2)
    colors = iter(SERIES_COLORS)
    for name, found in curves.items():
        color = "#999999" if name in aside else next(colors)
        axes.plot(found["epoch"], found["val_accuracy"], color=color, marker="o", markersize=3, label=name)
        ends = found[found["run"] != found["run"].shift(-1)].iloc[:-1]
        axes.plot(ends["epoch"], ends["val_accuracy"], "o", markersize=8, markerfacecolor="none", color=color)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set(xlabel="epochs since ImageNet's weights", ylabel="accuracy on PublicTest")
    axes.set_title("How far learning for longer goes")
    axes.legend(loc="lower right")
    return finish(figure, {name: found.to_dict("list") for name, found in curves.items()}, runs=runs)


@styled
def accuracy_against_size(table: pd.DataFrame, *, people: float) -> Figure:
    """Plot accuracy on PrivateTest against the number of parameters, a point per network.

    Args:
        table: columns network, parameters, accuracy (0–1), status (a key of `MARKS`).
        people: accuracy of people, a line, 0–1.
    """
    figure, axes = new_axes(4.2)
    axes.axhline(people, color="#555555", linewidth=1.0, linestyle=":")
    axes.set_xscale("log")
    for status, (words, style) in MARKS.items():
        chosen = table[table["status"] == status]
        if len(chosen):
            axes.plot(chosen["parameters"], chosen["accuracy"], linestyle="", label=words, **style)
    smallest, largest = table["parameters"].min(), table["parameters"].max()
    axes.set_xlim(smallest / 2, largest * 2.5)
    axes.set_ylim(min(table["accuracy"].min(), people) - 0.015, table["accuracy"].max() + 0.02)
    for line in table.itertuples(index=False):
        place = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 8}
        if line.status == "ours":  # below it, in bold: others are near
            place |= {"xytext": (0, -8), "va": "top", "weight": "bold"}
        axes.annotate(line.network.partition(" (")[0], (line.parameters, line.accuracy), **place)
    beside = {"xytext": (0, 3), "textcoords": "offset points", "ha": "right", "fontsize": 8, "color": "#555555"}
    axes.annotate("people", (largest * 2.3, people), **beside)
    axes.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(0.02))
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda count, _: f"{count / 1e6:g} M"))
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set(xlabel="parameters (log scale)", ylabel="accuracy on PrivateTest")
    axes.set_title("Accuracy against size")
    axes.legend(loc="lower right", fontsize=8)
    return finish(figure, table.to_dict("list") | {"people": people})


@styled
def accuracy_against_time(table: pd.DataFrame) -> Figure:
    """Plot accuracy on PrivateTest against the time of one face on one thread.

    The table is `baselines.costs_and_accuracy`. Whiskers are 95 % Wilson intervals upright, the fastest and the slowest
    round across.
    """
    figure, axes = new_axes(3.8)
    axes.set_xscale("log")
    for is_ours, status in ((True, "ours"), (False, "recorded")):
        chosen, (words, look) = table[table["is_ours"] == is_ours], MARKS[status]
        across = np.abs(chosen[["ms_low", "ms_high"]].to_numpy().T - chosen["ms"].to_numpy())
        upright = np.abs(chosen[["accuracy_low", "accuracy_high"]].to_numpy().T - chosen["accuracy"].to_numpy())
        style = {"color": look["color"], "fmt": "o", "ms": 7, "capsize": 3, "elinewidth": 1.2}
        axes.errorbar(chosen["ms"], chosen["accuracy"], yerr=upright, xerr=across, label=words, **style)
    for line in table.itertuples(index=False):
        text = f"{line.network}\n{line.ms:.2f} ms, {line.mb:.1f} MB"
        place = {"textcoords": "offset points", "fontsize": 8, "va": "bottom"}
        axes.annotate(text, (line.ms, line.accuracy), (6, 6), **place)
    axes.set_xlim(table["ms"].min() / 1.6, table["ms"].max() * 2.0)
    axes.set_ylim(table["accuracy_low"].min() - 0.01, table["accuracy_high"].max() + 0.01)
    axes.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set(xlabel="ms for one face, LiteRT, one thread (log scale)", ylabel="accuracy on PrivateTest")
    axes.set_title("Accuracy against time (upright: 95 % intervals; across: fastest and slowest round)")
    axes.legend(loc="lower right")
    return finish(figure, table.to_dict("list"))


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
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    set_title(figure, f"Accuracy on PublicTest as faces are spoiled (n = {int(table['n'].iloc[0]):,})")
    return finish(figure, {"commonest": commonest, "rows": table})
