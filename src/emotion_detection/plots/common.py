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

from emotion_detection.data import FaceDataset
from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.evaluation import metrics
from emotion_detection.plots.style import NAMES, SERIES_COLORS, SPLIT_COLORS, styled
from emotion_detection.plots.style import series_color as _series_color
from emotion_detection.plots.style import set_title as _suptitle


@styled
def count_plot(counts: pd.DataFrame, axes: matplotlib.axes.Axes, *, title: str = "Faces per emotion") -> dict:
    """Plot the number of faces per emotion, a bar per split, each with its value.

    Args:
        counts: int, index the seven emotions, a column per split, as `FaceDataset.counts()` returns.
        axes: to draw on.
        title: what the faces are; their number is added.
    """
    import seaborn as sns

    long = counts.rename_axis("emotion").reset_index().melt(id_vars="emotion", var_name="Usage", value_name="faces")
    palette = {split: SPLIT_COLORS[split] for split in counts.columns}
    sns.barplot(long, y="emotion", x="faces", hue="Usage", palette=palette, saturation=1.0, width=0.84, ax=axes)
    for container in axes.containers:
        labels = [f"{int(bar.get_width()):,}" for bar in container]
        axes.bar_label(container, labels=labels, padding=3, fontsize=7.5)
    axes.set_yticks(range(len(counts)), labels=[DISPLAY_NAMES[name] for name in counts.index])
    axes.set(xlabel="number of faces", ylabel="", title=f"{title} (n = {int(counts.to_numpy().sum()):,})")
    axes.set_xlim(0, counts.to_numpy().max() * 1.07)
    axes.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    axes.grid(visible=False, axis="y")
    axes.legend(axes.containers, [f"{name} ({int(counts[name].sum()):,})" for name in counts.columns], loc="best")
    return {"counts": counts, "n": counts.sum()}


@styled
def average_faces(
    averages: np.ndarray, figure: matplotlib.figure.Figure, *, counts: pd.Series | None = None, split: str = "Training"
) -> dict:
    """Show the mean picture of each class in one grey scale, framed in the emotion's colour.

    Args:
        averages: float array (7, 48, 48), grey, 0–255, in the order of `EMOTIONS`.
        figure: empty, about five times as wide as high.
        counts: number of faces behind each average, index the emotions.
        split: where the faces are from.
    """
    low, high = float(np.min(averages)), float(np.max(averages))
    for emotion, face, axes in zip(EMOTIONS, averages, figure.subplots(1, len(EMOTIONS)), strict=True):
        axes.imshow(face, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axes.grid(visible=False)
        axes.set(xticks=[], yticks=[])
        axes.set_title(DISPLAY_NAMES[emotion], loc="center")
        if counts is not None:
            axes.set_xlabel(f"n = {int(counts[emotion]):,}", fontsize=8)
        for spine in axes.spines.values():
            spine.set(visible=True, color=COLORS[emotion], linewidth=2.5)
    total = "" if counts is None else f" (n = {int(counts.sum()):,})"
    _suptitle(figure, f"Average face of each emotion, {split}{total}")
    means = dict(zip(EMOTIONS, np.asarray(averages, float).mean(axis=(1, 2)), strict=True))
    return {"split": split, "mean_gray": means, "gray_shown": [low, high], "n": counts}


@styled
def learning_curves(
    histories: dict[str, pd.DataFrame], figure: matplotlib.figure.Figure, *, counts: dict[str, int] | None = None
) -> dict:
    """Plot accuracy (above) and loss (below) per epoch, a column per run, the same scale along each row.

    Args:
        histories: name of the run → its history, with the columns epoch, accuracy, loss, val_accuracy, val_loss;
            Training values are means over the epoch, with dropout and augmentation.
        figure: empty.
        counts: number of faces per split, for the legend.
    """
    grid = figure.subplots(2, len(histories), sharey="row", sharex="col", squeeze=False)
    for column, (name, history) in enumerate(histories.items()):
        for axes, score in zip(grid[:, column], ("accuracy", "loss"), strict=True):
            _curves(axes, history, score)
        grid[0, column].set_title(f"{name}: PublicTest {100 * history['val_accuracy'].iloc[-1]:.1f} %")
        grid[1, column].set_xlabel("epoch")
    grid[0, 0].yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %"))
    grid[0, 0].set_ylabel("accuracy")
    grid[1, 0].set_ylabel("loss (cross-entropy)")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    labels = [f"{label} (n = {counts[label]:,})" if counts else label for label in labels]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    _suptitle(figure, "Accuracy and loss per epoch")
    columns = ["epoch", "accuracy", "val_accuracy", "loss", "val_loss"]
    return {name: _plotted(history[columns]) for name, history in histories.items()}


def _plotted(history: pd.DataFrame) -> pd.DataFrame:
    """Return the values as JSON can keep them: None where PublicTest was not looked at."""
    return history.reset_index(drop=True).astype(object).where(history.notna().to_numpy(), None)


def _curves(axes: matplotlib.axes.Axes, history: pd.DataFrame, score: str) -> None:
    """Draw one score on Training and PublicTest; short runs get a marker per epoch."""
    marker = "o" if len(history) <= 15 else None
    for split, column, line in (("Training", score, "--"), ("PublicTest", f"val_{score}", "-")):
        known = history.dropna(subset=column)  # PublicTest need not be looked at after every epoch
        axes.plot(
            known["epoch"], known[column], line, color=SPLIT_COLORS[split], marker=marker, markersize=3, label=split
        )
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(6, integer=True, min_n_ticks=1))


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


@styled
def cost_plot(costs: pd.DataFrame, figure: matplotlib.figure.Figure, *, hardware: str = "") -> dict:
    """Plot training time per epoch and in total, a bar per run.

    Args:
        costs: float, index the runs' names, columns `seconds_per_epoch` and `total_s`.
        figure: empty, wide and low.
        hardware: on what the times were taken, for the title.
    """
    panels = {"seconds_per_epoch": ("per epoch", 1, "s"), "total_s": ("in total", 60, "min")}
    for axes, (column, (title, seconds, unit)) in zip(figure.subplots(1, 2, sharey=True), panels.items(), strict=True):
        values = costs[column].to_numpy(float) / seconds
        bars = axes.barh(range(len(costs)), values, color=[_series_color(index) for index in range(len(costs))])
        axes.bar_label(bars, labels=[f"{value:,.3g} {unit}" for value in values], padding=3)
        axes.set(title=title, xlabel=unit, xlim=(0, max(values.max(), 1e-9) * 1.25))
        axes.grid(visible=False, axis="y")
        axes.set_yticks(range(len(costs)), labels=list(costs.index))
    axes.invert_yaxis()
    _suptitle(figure, f"Training time{f' on {hardware}' if hardware else ''}")
    return {"hardware": hardware, "costs": costs}


@styled
def face_grid(dataset: FaceDataset, figure: matplotlib.figure.Figure, *, per_emotion: int = 7, seed: int = 0) -> dict:
    """Show randomly chosen faces, a row per emotion.

    Not for committed output when the faces are FER2013's: its pictures are not ours to publish.

    Args:
        dataset: faces to choose from.
        figure: empty, about as wide as high.
        per_emotion: number of faces in a row.
        seed: decides which.
    """
    grid = figure.subplots(len(EMOTIONS), per_emotion, squeeze=False)
    generator = np.random.default_rng(seed)
    rows = []
    for index, emotion in enumerate(EMOTIONS):
        chosen = generator.permutation(np.flatnonzero(dataset.emotion == index))[:per_emotion]
        for axes, face in zip(grid[index], dataset.pixels[chosen], strict=False):
            axes.imshow(face, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        label = {"rotation": 0, "ha": "right", "va": "center", "color": "#222222"}
        grid[index, 0].set_ylabel(DISPLAY_NAMES[emotion], **label)
        rows.append(dataset.row[chosen].tolist())
    for axes in grid.flat:
        axes.grid(visible=False)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    _suptitle(figure, f"Faces from: {dataset.name}")
    return {"name": dataset.name, "rows": dict(zip(EMOTIONS, rows, strict=True))}


@styled
def first_answer(
    frame_bgr: np.ndarray, crop: np.ndarray, probabilities: np.ndarray, figure: matplotlib.figure.Figure, *, box
) -> dict:
    """Show the way from a picture to an answer: the face found, the 48×48 grey crop, seven probabilities.

    Args:
        frame_bgr: uint8 array (h, w, 3), BGR, 0–255.
        crop: uint8 array (48, 48), grey: what the network sees.
        probabilities: float array (7,), in the order of `EMOTIONS`.
        figure: empty, about two and a half times as wide as high.
        box: the face, with `x`, `y`, `width` and `height` in pixels of the frame.
    """
    probabilities = np.round(np.asarray(probabilities, float), 3)  # LiteRT's last digits differ between processors
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
    right.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %"))
    right.grid(visible=False, axis="y")
    return {"probabilities": dict(zip(EMOTIONS, probabilities, strict=True))}
