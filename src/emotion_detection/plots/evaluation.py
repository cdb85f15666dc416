"""Plots of what a network answers: F1, confusions, confidence, mistaken faces, single faces."""

from collections.abc import Sequence

import matplotlib.patches
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.evaluation import calibration, metrics
from emotion_detection.plots.style import (
    NAMES,
    PERCENT,
    SERIES_COLORS,
    Figure,
    as_picture,
    finish,
    grouped_bars,
    legend_below,
    new_axes,
    new_figure,
    pictures,
    series_color,
    set_title,
    shares_matrix,
    styled,
    whiskers,
)
from emotion_detection.runs.store import Run

NOT_SURE_COLOR = "#E6E6E6"


@styled
def f1_by_emotion(runs: Sequence[Run], *, split: str) -> Figure:
    """Plot F1 per emotion with 95 % intervals, one bar per run; a single run has the emotions' colours."""
    tables = {run.display_name: metrics.f1_with_intervals(run.predictions[split]) for run in runs}
    n = next(iter(tables.values()))["support"]
    title = f"F1 per emotion with 95 % interval, {split} (n = {int(n.sum()):,})"
    figure = _bars_by_emotion(tables, "f1", n, title=title, name="F1")
    return finish(figure, {"split": split, "f1": tables}, runs=runs)


@styled
def recall_by_emotion(tables: dict[str, pd.DataFrame]) -> Figure:
    """Plot recall per emotion with 95 % intervals, one bar per network.

    Args:
        tables: name of a network → `n`, `recall`, `recall_low`, `recall_high` by emotion, the same emotions in each.
    """
    n = next(iter(tables.values()))["n"]
    title = f"Recall per emotion on photographs with 95 % interval (n = {n.sum():,})"
    figure = _bars_by_emotion(tables, "recall", n, title=title, name="recall")
    return finish(figure, {"n": n.sum(), "recall": tables})


@styled
def shares_by_group(table: pd.DataFrame, score: str, *, title: str) -> Figure:
    """Plot a share for everyone and for groups, a point with its 95 % interval each.

    Args:
        table: columns `by`, `group`, `n`, and the score with `_low` and `_high`.
        score: name of the column.
        title: of the figure.
    """
    figure, axes = new_axes(0.9 + 0.28 * len(table))
    kinds = list(dict.fromkeys(table["by"]))
    places = np.arange(len(table)) + 0.6 * table["by"].map(kinds.index).to_numpy()
    for place, row in zip(places, table.to_dict("records"), strict=True):
        errors = whiskers([row[score]], [row[f"{score}_low"]], [row[f"{score}_high"]])
        color = series_color(kinds.index(row["by"]))
        axes.errorbar(row[score], place, xerr=errors, fmt="o", color=color, markersize=5, capsize=3.5)
    axes.axvline(table[score].iloc[0], color="#8A8A8A", linewidth=1.0, linestyle=":")
    axes.set_yticks(places, labels=[f"{group} (n = {n})" for group, n in zip(table["group"], table["n"], strict=True)])
    axes.set(xlim=(0, 1), ylim=(places[-1] + 0.6, -0.6), title=title)
    axes.xaxis.set_major_formatter(PERCENT)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    return finish(figure, {"score": score, "shares": table})


def _bars_by_emotion(tables: dict[str, pd.DataFrame], score: str, n: pd.Series, *, title: str, name: str) -> Figure:
    """Draw a score per emotion with its interval, a bar per table; `n` counts the faces of each emotion."""
    figure, axes = new_axes(3.8)
    names = (score, f"{score}_low", f"{score}_high")
    values, low, high = (pd.DataFrame({label: table[each] for label, table in tables.items()}) for each in names)
    values.index = low.index = high.index = [f"{DISPLAY_NAMES[each]}\nn = {count:,}" for each, count in n.items()]
    colors = [COLORS[each] for each in n.index] if len(tables) == 1 else None
    grouped_bars(axes, values, low, high, write=lambda value: f"{value:.2f}".removeprefix("0"), colors=colors)
    axes.set(ylabel=name, title=title)
    return figure


@styled
def confusion_matrix(run: Run, *, split: str, labels: str = "FER2013") -> Figure:
    """Show a confusion matrix twice: as counts, and as percent of the faces of each label of the set `labels`."""
    counts, title = metrics.confusion(run.predictions[split]), run.display_name
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(4.5)
    left, right = figure.subplots(1, 2, sharey=True)
    names = {"index": NAMES, "columns": NAMES}
    shares_matrix(left, pd.DataFrame(counts, **names), write="{:,}".format, highest=max(counts.max(), 1))
    shares_matrix(right, pd.DataFrame(shares, **names))
    for axes in (left, right):
        axes.set_xticks(range(len(NAMES)), labels=NAMES, rotation=40, ha="right", rotation_mode="anchor")
    left.set(title="faces", ylabel=f"{labels} label", xlabel="predicted")
    right.set(title="percent of the label's faces", xlabel="predicted")
    percent = 100 * np.trace(counts) / max(counts.sum(), 1)
    set_title(figure, f"{title}: predictions on {split} (n = {int(counts.sum()):,}, {percent:.1f} % right)")
    values = {"run": title, "split": split, "labels": labels, "emotions": list(EMOTIONS)}
    return finish(figure, values | {"counts": counts, "row_normalised": shares}, runs=[run])


@styled
def reliability(run: Run, *, split: str) -> Figure:
    """Plot accuracy against confidence, as trained and with the temperature; below, how many faces each bin holds."""
    predictions, temperature = run.predictions[split], run.info["temperature"]
    tables = {
        "As trained": calibration.reliability(predictions),
        f"Temperature {temperature:.2f}": calibration.reliability(predictions, temperature=temperature),
    }
    figure = new_figure(4.6)
    ratios = {"height_ratios": [3, 1]}
    grid = figure.subplots(2, len(tables), sharex=True, sharey="row", squeeze=False, gridspec_kw=ratios)
    errors = {name: calibration.expected_calibration_error(table) for name, table in tables.items()}
    for (above, below), (name, table) in zip(grid.T, tables.items(), strict=True):
        filled, edges = table[table["n"] > 0], {"align": "edge", "edgecolor": "white"}
        widths = filled["high"] - filled["low"]
        above.bar(filled["low"], filled["accuracy"], widths, color="#8FA9CC", label="accuracy", **edges)
        style = {"color": SERIES_COLORS[1], "linewidth": 2.4, "label": "mean confidence"}
        above.hlines(filled["confidence"], filled["low"], filled["high"], **style)  # it should meet the bar's end
        above.plot([0, 1], [0, 1], "--", color="#555555", linewidth=1.0, label="accuracy = confidence")
        above.set(xlim=(0, 1), ylim=(0, 1))
        below.bar(table["low"], table["n"], table["high"] - table["low"], color="#9A9A9A", **edges)
        above.set_title(f"{name}: calibration error {100 * errors[name]:.1f} %")
        below.set_xlabel("confidence (highest probability)")
    grid[0, 0].set_ylabel("share that is right")
    grid[1, 0].set_ylabel("faces")
    grid[1, 0].yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    legend_below(figure, ncols=3)
    n = int(next(iter(tables.values()))["n"].sum())
    set_title(figure, f"Is the confidence right? {split} (n = {n:,})")
    return finish(figure, {"split": split, "n": n, "ece": errors, "bins": tables}, runs=[run])


@styled
def accuracy_by_coverage(runs: Sequence[Run], *, split: str) -> Figure:
    """Plot accuracy of the answers given against the share of faces that get one, a line per run.

    For the last run the minimum confidence that PublicTest chooses is marked, and grey is where it says "not sure".
    """
    figure, axes = new_axes(4.2)
    values = {}
    for index, run in enumerate(runs):
        name, color = run.display_name, series_color(index)
        settings = {"temperature": run.info["temperature"], "thresholds": calibration.FINE_THRESHOLDS}
        table = calibration.coverage(run.predictions[split], **settings)
        shown = table[(table["coverage"] > 0.02) & table["accuracy"].notna()]  # a few faces say nothing of a network
        axes.plot(shown["coverage"], shown["accuracy"], color=color, label=name)
        values[name] = {column: shown[column].tolist() for column in ("threshold", "coverage", "accuracy")}
    try:
        chosen = calibration.choose_threshold(run.predictions["PublicTest"], temperature=run.info["temperature"])
    except DataError:  # none makes enough answers right
        chosen = None
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
def captioned_faces(faces: np.ndarray, captions: Sequence[str], *, title: str) -> Figure:
    """Show faces, uint8 (n, 48, 48), grey, 0–255, each with its caption.

    Not for committed output where the faces are FER2013's: its pictures are not ours to publish.
    """
    rows = max(1, -(-len(faces) // 6))
    figure = new_figure(0.6 + 1.7 * rows)
    pictures(figure.subplots(rows, 6, squeeze=False).ravel(), faces, captions)
    set_title(figure, title)
    return finish(figure, {"captions": list(captions)})


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
        as_picture(axes)
    bars = right.barh(NAMES, probabilities, color=[COLORS[emotion] for emotion in EMOTIONS])
    right.bar_label(bars, labels=[f"{100 * value:.0f} %" for value in probabilities], padding=3)
    right.invert_yaxis()
    right.set(xlim=(0, 1.15), title="probabilities")
    right.xaxis.set_major_formatter(PERCENT)
    right.grid(visible=False, axis="y")
    return finish(figure, {"probabilities": dict(zip(EMOTIONS, probabilities, strict=True))})
