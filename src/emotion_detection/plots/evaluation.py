"""Plots of what a network answers: F1, confusions, confidence, errors by agreement, spoiled faces, single faces."""

from collections.abc import Sequence

import matplotlib.axes
import matplotlib.patches
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.data.perturbations import PERTURBATIONS
from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.evaluation import calibration, metrics
from emotion_detection.plots.style import (
    NAMES,
    PERCENT,
    SERIES_COLORS,
    Figure,
    finish,
    new_axes,
    new_figure,
    series_color,
    set_title,
    styled,
)
from emotion_detection.runs.store import Run

NOT_SURE_COLOR = "#E6E6E6"


@styled
def f1_by_emotion(runs: Sequence[Run], *, split: str) -> Figure:
    """Plot F1 per emotion with 95 % intervals, one bar per run; a single run has the emotions' colours.

    Args:
        runs: with predictions on the split.
        split: where the predictions are from.
    """
    tables = {metrics.display_name(run): metrics.f1_with_intervals(run.predictions[split]) for run in runs}
    figure, axes = new_axes(3.8)
    width = 0.84 / len(tables)
    for index, (name, table) in enumerate(tables.items()):
        centres = np.arange(len(EMOTIONS)) + (index - (len(tables) - 1) / 2) * width
        colors = [COLORS[each] for each in EMOTIONS] if len(tables) == 1 else series_color(index)
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
    return finish(figure, {"split": split, "f1": tables}, runs=runs)


def _bars_with_intervals(axes, centres: np.ndarray, table: pd.DataFrame, *, width: float, color, label: str) -> None:
    f1 = table["f1"].to_numpy()
    errors = np.clip([f1 - table["f1_low"], table["f1_high"] - f1], 0.0, None)
    axes.bar(centres, f1, width, color=color, label=label)
    axes.errorbar(centres, f1, yerr=errors, fmt="none", ecolor="#222222", elinewidth=1.0, capsize=2.0)
    for centre, value, high in zip(centres, f1, table["f1_high"], strict=True):
        text = f"{value:.2f}".removeprefix("0")
        axes.text(centre, max(high, value) + 0.012, text, ha="center", va="bottom", fontsize=7.5)


@styled
def confusion_matrix(run: Run, *, split: str, labels: str = "FER2013") -> Figure:
    """Show a confusion matrix twice: as counts, and as percent of each label's faces.

    Args:
        run: whose answers are counted.
        split: where the predictions are from.
        labels: name of the label set.
    """
    counts, title = metrics.confusion(run.predictions[split]), metrics.display_name(run)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(4.5)
    left, right = figure.subplots(1, 2, sharey=True)
    _matrix(left, counts, text=lambda value: f"{value:,}")
    _matrix(right, shares, text=lambda value: f"{100 * value:.0f}", highest=1.0)
    left.set(title="faces", ylabel=f"{labels} label", xlabel="predicted")
    right.set(title="percent of the label's faces", xlabel="predicted")
    percent = 100 * np.trace(counts) / max(counts.sum(), 1)
    set_title(figure, f"{title}: predictions on {split} (n = {int(counts.sum()):,}, {percent:.1f} % right)")
    values = {"run": title, "split": split, "labels": labels, "emotions": list(EMOTIONS)}
    return finish(figure, values | {"counts": counts, "row_normalised": shares}, runs=[run])


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
def reliability(run: Run, *, split: str) -> Figure:
    """Plot accuracy against confidence, as trained and with the temperature; below, how many faces each bin holds.

    Args:
        run: with its temperature.
        split: where the predictions are from.
    """
    predictions, temperature = run.predictions[split], run.info["temperature"]
    tables = {
        "As trained": metrics.reliability(predictions),
        f"Temperature {temperature:.2f}": metrics.reliability(predictions, temperature=temperature),
    }
    figure = new_figure(4.6)
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
    set_title(figure, f"Is the confidence right? {split} (n = {n:,})")
    return finish(figure, {"split": split, "n": n, "ece": errors, "bins": tables}, runs=[run])


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


@styled
def accuracy_by_coverage(runs: Sequence[Run], *, split: str, chosen: float | None) -> Figure:
    """Plot accuracy of the answers given against the share of faces that get one, a line per network.

    Args:
        runs: with their temperatures.
        split: where the predictions are from.
        chosen: minimum confidence of the last network, below which it says "not sure"; None: none was chosen.
    """
    figure, axes = new_axes(4.2)
    values = {}
    for index, run in enumerate(runs):
        name, color = metrics.display_name(run), series_color(index)
        settings = {"temperature": run.info["temperature"], "thresholds": calibration.FINE_THRESHOLDS}
        table = calibration.coverage(run.predictions[split], **settings)
        shown = table[(table["coverage"] > 0.02) & table["accuracy"].notna()]  # a few faces say nothing of a network
        axes.plot(shown["coverage"], shown["accuracy"], color=color, label=name)
        values[name] = {column: shown[column].tolist() for column in ("threshold", "coverage", "accuracy")}
    if chosen is not None:
        at = table.iloc[(table["threshold"] - chosen).abs().argmin()]
        label = f"{name}: “not sure” below {100 * chosen:.0f} % confidence"
        axes.axvspan(at["coverage"], 1, color=NOT_SURE_COLOR, zorder=0, label=label)
        axes.plot(at["coverage"], at["accuracy"], "o", color=color, markersize=7, zorder=4)
        values["chosen"] = {"network": name} | at[["threshold", "coverage", "accuracy"]].to_dict()
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="share of faces that get an answer")
    axes.set(ylabel="share of answers that are right", title=f"What saying “not sure” buys, {split}")
    axes.xaxis.set_major_formatter(PERCENT)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.legend(loc="lower left")
    return finish(figure, {"split": split} | values, runs=runs)


@styled
def errors_by_agreement(table: pd.DataFrame, *, split: str) -> Figure:
    """Plot accuracy by how many of FER+'s voters chose the most-voted emotion: against both labels, with intervals.

    Args:
        table: as `mistakes.recorded_by_agreement` returns it.
        split: where the faces are from.
    """
    figure, axes = new_axes(3.9)
    places, width = np.arange(len(table)), 0.36
    series = {"": "right by FER2013's label", "_by_votes": "right by the most-voted emotion"}
    for offset, color, (suffix, name) in zip((-width / 2, width / 2), SERIES_COLORS, series.items(), strict=False):
        share = table[f"accuracy{suffix}"]
        errors = np.stack([share - table[f"low{suffix}"], table[f"high{suffix}"] - share]).clip(min=0)
        style = {"error_kw": {"elinewidth": 1.1, "ecolor": "#222222"}, "color": color, "label": name}
        axes.bar(places + offset, share, width, yerr=errors, **style)
    style = {"color": "#222222", "markersize": 8, "linestyle": "none", "label": "FER2013's label is the most-voted"}
    axes.plot(places, table["agreement"], "D", markerfacecolor="white", zorder=4, **style)
    axes.set_xticks(places, labels=[_band(*each) for each in table[["votes_least", "votes_most", "n"]].to_numpy()])
    title = f"Right answers by agreement of FER+'s voters, {split}"
    axes.set(ylim=(0, 1.02), ylabel="share of faces", title=title, xlabel="votes for the most-voted emotion, of ten")
    axes.yaxis.set_major_formatter(PERCENT)
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left")
    return finish(figure, table.to_dict("list"))


def _band(least: int, most: int, n: int) -> str:
    return f"{f'up to {most}' if least <= 1 else f'{least}–{most}'}\n(n = {n:,})"


@styled
def robustness(table: pd.DataFrame, *, commonest: float) -> Figure:
    """Plot accuracy against the strength of each way to spoil faces: small curves, one colour a network.

    Args:
        table: as `robustness.table` returns it.
        commonest: what a network gets right that always names the commonest emotion, 0–1.
    """
    ways, names = PERTURBATIONS, list(dict.fromkeys(table["network"]))
    figure = new_figure(8.0)
    grid = figure.subplots(-(-len(ways) // 3), 3, sharey=True, squeeze=False)
    for axes, way in zip(grid.flat, ways, strict=False):
        for color, name in zip(SERIES_COLORS, names, strict=False):
            rows = table[(table["perturbation"] == way) & (table["network"] == name)]
            axes.plot(rows["step"], rows["accuracy"], "o-", color=color, markersize=3, linewidth=1.5, label=name)
            axes.fill_between(rows["step"], rows["low"], rows["high"], color=color, alpha=0.18, linewidth=0)
        axes.axhline(commonest, color="#555555", linestyle="--", linewidth=1.0, label="always the commonest emotion")
        axes.set_xticks(rows["step"], labels=["none", *(f"{each:g}" for each in rows["strength"].iloc[1:])])
        axes.set(title={"jpeg": "JPEG"}.get(way, way.capitalize()), xlabel=ways[way].unit, ylim=(0, 0.8))
        axes.yaxis.set_major_formatter(PERCENT)
        axes.xaxis.label.set_size(8)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    set_title(figure, f"Accuracy on PublicTest as faces are spoiled (n = {int(table['n'].iloc[0]):,})")
    return finish(figure, {"commonest": commonest, "rows": table})


@styled
def first_answer(frame_bgr: np.ndarray, crop: np.ndarray, probabilities: np.ndarray, *, box) -> Figure:
    """Show the way from a picture to an answer: the face found, the 48×48 grey crop, seven probabilities.

    Args:
        frame_bgr: uint8 array (h, w, 3), BGR, 0–255.
        crop: uint8 array (48, 48), grey: what the network sees.
        probabilities: float array (7,), in the order of `EMOTIONS`.
        box: the face, with `x`, `y`, `width` and `height` in pixels of the frame.
    """
    probabilities = np.round(np.asarray(probabilities, float), 3)  # LiteRT's last digits differ between processors
    figure = new_figure(3.0)
    left, middle, right = figure.subplots(1, 3, gridspec_kw={"width_ratios": [1, 1, 1.3]})
    left.imshow(np.ascontiguousarray(frame_bgr[..., ::-1]))
    left.add_patch(
        matplotlib.patches.Rectangle((box.x, box.y), box.width, box.height, fill=False, color="white", linewidth=2)
    )
    middle.imshow(crop, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    for axes, title in ((left, "the face is found"), (middle, "48×48 grey pixels")):
        axes.set_title(title)
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
    bars = right.barh(NAMES, probabilities, color=[COLORS[emotion] for emotion in EMOTIONS])
    right.bar_label(bars, labels=[f"{100 * value:.0f} %" for value in probabilities], padding=3)
    right.invert_yaxis()
    right.set(xlim=(0, 1.15), title="probabilities")
    right.xaxis.set_major_formatter(PERCENT)
    right.grid(visible=False, axis="y")
    return finish(figure, {"probabilities": dict(zip(EMOTIONS, probabilities, strict=True))})
