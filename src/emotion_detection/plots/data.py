"""Plots of data sets: how many faces of what, average and single faces, twins in Training, two label sets compared."""

import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.data import FaceDataset
from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.plots.style import (
    INK,
    NAMES,
    PERCENT,
    SPLIT_COLORS,
    Figure,
    as_picture,
    finish,
    grouped_bars,
    new_axes,
    new_figure,
    pictures,
    set_title,
    shares_matrix,
    styled,
)


@styled
def class_counts(counts: pd.DataFrame, *, title: str = "Faces per emotion") -> Figure:
    """Plot the number of faces per emotion, a bar per split, each with its value.

    Args:
        counts: int, index the seven emotions, a column per split, as `FaceDataset.counts()` returns.
        title: what the faces are; their number is added.
    """
    import seaborn as sns

    figure, axes = new_axes(5.2)
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
    return finish(figure, {"counts": counts, "n": counts.sum()})


@styled
def average_faces(averages: np.ndarray, *, counts: pd.Series | None = None) -> Figure:
    """Show the mean picture of each class of Training in one grey scale, framed in the emotion's colour.

    Args:
        averages: float array (7, 48, 48), grey, 0–255, in the order of `EMOTIONS`.
        counts: number of faces behind each average, index the emotions.
    """
    figure = new_figure(1.9)
    low, high = float(np.min(averages)), float(np.max(averages))
    for emotion, face, axes in zip(EMOTIONS, averages, figure.subplots(1, len(EMOTIONS)), strict=True):
        axes.imshow(face, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        as_picture(axes, COLORS[emotion])
        axes.set_title(DISPLAY_NAMES[emotion], loc="center")
        if counts is not None:
            axes.set_xlabel(f"n = {int(counts[emotion]):,}", fontsize=8)
    total = "" if counts is None else f" (n = {int(counts.sum()):,})"
    set_title(figure, f"Average face of each emotion, Training{total}")
    means = dict(zip(EMOTIONS, np.asarray(averages, float).mean(axis=(1, 2)), strict=True))
    return finish(figure, {"split": "Training", "mean_gray": means, "gray_shown": [low, high], "n": counts})


@styled
def face_grid(dataset: FaceDataset, *, per_emotion: int = 7, seed: int = 0) -> Figure:
    """Show randomly chosen faces, a row per emotion.

    Not for committed output when the faces are FER2013's: its pictures are not ours to publish.

    Args:
        dataset: faces to choose from.
        per_emotion: number of faces in a row.
        seed: decides which.
    """
    generator = np.random.default_rng(seed)
    rows = [
        generator.permutation(np.flatnonzero(dataset.emotion == index))[:per_emotion] for index in range(len(EMOTIONS))
    ]
    figure = new_figure(8.0)
    for panels, name, chosen in zip(figure.subplots(len(rows), per_emotion, squeeze=False), NAMES, rows, strict=True):
        panels[0].set_ylabel(name, rotation=0, ha="right", va="center", color=INK)
        pictures(panels, dataset.pixels[chosen])
    set_title(figure, f"Faces from: {dataset.name}")
    found = (dataset.row[chosen].tolist() for chosen in rows)
    return finish(figure, {"name": dataset.name, "rows": dict(zip(EMOTIONS, found, strict=True))})


@styled
def leak_worth(table: pd.DataFrame) -> Figure:
    """Plot accuracy with and without the faces that have a twin in Training, a group of bars per run.

    Args:
        table: columns run, faces, n, accuracy, accuracy_low, accuracy_high, as `data_quality.leak_worth` returns it.
    """
    figure, axes = new_axes(3.6)
    shares, low, high = (
        table.pivot(index="run", columns="faces", values=f"accuracy{end}").reindex(
            index=table["run"].unique(), columns=table["faces"].unique()
        )
        for end in ("", "_low", "_high")
    )
    grouped_bars(axes, shares, low, high, write=lambda value: f"{100 * value:.1f}")
    axes.yaxis.set_major_formatter(PERCENT)
    n = int(table["n"].max())
    axes.set(ylabel="accuracy", title=f"Accuracy on PrivateTest (n = {n:,}) with 95 % interval")
    return finish(figure, {"shares": shares.T.to_dict(), "low": low.T.to_dict(), "high": high.T.to_dict()})


@styled
def ferplus_agreement(counts: pd.DataFrame, *, split: str) -> Figure:
    """Show what FER+'s voters call the faces of each FER2013 label: a row per label, percent of its faces.

    Args:
        counts: int, index the seven emotions, a column per FER+ class: faces of this label with this strict majority.
        split: where the faces are from.
    """
    figure, axes = new_axes(4.2)
    n = counts.sum(axis=1)
    shares = counts.div(n.clip(lower=1), axis=0)
    rows = [f"{DISPLAY_NAMES[name]} ({n[name]:,})" for name in counts.index]
    shares_matrix(axes, shares.set_axis(rows).rename(columns=str.capitalize))
    axes.set(
        title=f"FER2013 against FER+, {split} (n = {n.sum():,}): percent of each row",
        xlabel="what more than half of FER+'s voters say",
        ylabel="FER2013 label (faces)",
    )
    return finish(figure, {"split": split, "counts": counts.T.to_dict(), "percent": (100 * shares).T.to_dict()})
