"""Plots of training: accuracy and loss per epoch, which layers learn, what a change of recipe does."""

from collections.abc import Sequence

import matplotlib.patches
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.emotions import DISPLAY_NAMES
from emotion_detection.plots.style import (
    PERCENT,
    Figure,
    finish,
    legend_below,
    new_axes,
    new_figure,
    series_color,
    styled,
    whiskers,
)
from emotion_detection.runs.store import Run

CURVES = ["epoch", "accuracy", "val_accuracy", "loss", "val_loss"]
FEW_EPOCHS = 15
"""Up to so many epochs have a mark each; where a run has more, the axis is logarithmic."""

FROZEN_COLOR = "#D5D5D5"
LOG_TICKS = (1, 2, 5, 10, 20, 40, 80, 160, 320)


@styled
def learning_curves(runs: Sequence[Run]) -> Figure:
    """Plot accuracy and loss per epoch, a colour per run: solid on PublicTest, dashed on Training.

    Training values are means over the epoch, with dropout and augmentation, as the network learned them.
    """
    figure = new_figure(3.6)
    longest = max(len(run.history) for run in runs)
    for axes, score in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        for index, run in enumerate(runs):
            for split, column, line, width in (
                ("Training", score, "--", 1.2),
                ("PublicTest", f"val_{score}", "-", 2.0),
            ):
                known = run.history.dropna(subset=column)  # PublicTest need not be looked at after every epoch
                marker = "o" if len(known) == 1 or (split == "PublicTest" and longest <= FEW_EPOCHS) else None
                style = {"color": series_color(index), "linewidth": width, "marker": marker, "markersize": 3.5}
                axes.plot(known["epoch"], known[column], line, label=f"{run.display_name}, {split}", **style)
        axes.set(title="Accuracy" if score == "accuracy" else "Loss (cross-entropy)", xlabel="epoch")
        if longest > FEW_EPOCHS:  # so that short runs are not squeezed into a corner
            axes.set_xscale("log", base=2)
            axes.set_xlabel("epoch (logarithmic)")
            axes.set_xticks([tick for tick in LOG_TICKS if tick <= longest])
            axes.xaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
            axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        else:
            axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(8, integer=True, min_n_ticks=1))
    figure.axes[0].yaxis.set_major_formatter(PERCENT)
    legend_below(figure, ncols=len(runs), handlelength=3)
    return finish(figure, {run.display_name: run.history[CURVES].reset_index(drop=True) for run in runs}, runs=runs)


@styled
def rounds(table: pd.DataFrame, together: dict[str, float]) -> Figure:
    """Plot accuracy on PublicTest along the rounds of a training, a colour per seed; dashed is what teachers reach.

    Args:
        table: as `final_runs.rounds` returns it.
        together: round → accuracy of its teachers' averaged answers, 0–1.
    """
    figure, axes = new_axes(3.8)
    for index, (seed, looks) in enumerate(table.groupby("seed")):
        axes.plot(looks["epoch"], looks["accuracy"], marker="o", markersize=3.5, color=series_color(index), label=seed)
    begin, top = 0, max(table["accuracy"].max(), *together.values())
    for name, end in table.groupby("round", sort=False)["epoch"].max().items():
        axes.axvline(end, color="#BBBBBB", linewidth=0.8)
        axes.text((begin + end) / 2, top + 0.012, name.replace(" ", "\n"), ha="center", va="bottom", fontsize=8)
        if name in together:
            axes.hlines(together[name], begin, end, color="#555555", linestyle="--", linewidth=1.2)
        begin = end
    axes.set(xlabel="epochs since ImageNet's weights", ylabel="accuracy on PublicTest", ylim=(None, top + 0.05))
    axes.set_title("Round by round; dashed: what the round's teachers reach together")
    axes.margins(x=0.02)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.legend(title="seed", loc="lower center", ncols=3, fontsize=8)
    return finish(figure, {"rounds": table.to_dict("list"), "together": together})


@styled
def three_cuts(blocks: pd.DataFrame) -> Figure:
    """Draw `mobilenet.blocks` as a row, once per regime: what stays frozen in grey, what is trained in colour."""
    figure, axes = new_axes(3.1)
    regimes = [column.removeprefix("trained_") for column in blocks.columns if column.startswith("trained_")]
    trainable = blocks[f"trained_{regimes[-1]}"]
    for row, regime in enumerate(regimes):
        trained = blocks[f"trained_{regime}"]
        for place, share in enumerate(trained / trainable):
            box = {"edgecolor": "white", "linewidth": 1.2}
            axes.add_patch(matplotlib.patches.Rectangle((place, row + 0.14), 1, 0.72, facecolor=FROZEN_COLOR, **box))
            right = place + 1 - share  # the cut may run through a block: what comes after it is trained
            axes.add_patch(
                matplotlib.patches.Rectangle((right, row + 0.14), share, 0.72, facecolor=series_color(row), **box)
            )
        axes.text(len(blocks) + 0.2, row + 0.5, f"{trained.sum():,} parameters", va="center", fontsize=8.5)
    names = {"top": "TL top", "100": "TL 100", "whole": "TL whole"}
    axes.set_yticks([row + 0.5 for row in range(len(regimes))], labels=[names.get(each, each) for each in regimes])
    for place, (name, block) in enumerate(blocks.iterrows()):
        side, channels = int(block["output_px"]), int(block["channels"])
        shape = f"{side}×{side}×{channels}" if side > 1 else f"{channels} logits"
        axes.text(place + 0.5, -0.08, shape, rotation=90, ha="center", va="bottom", fontsize=7.5)
        axes.text(place + 0.5, len(regimes) + 0.08, name, rotation=90, ha="center", va="top", fontsize=7.5)
    axes.set(xlim=(0, len(blocks) + 3.6), ylim=(len(regimes) + 1.2, -1.3), xticks=[])
    axes.set_title("What is trained (in colour), and what stays as ImageNet left it (grey)")
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return finish(figure, {"blocks": list(blocks.index)} | {column: list(blocks[column]) for column in blocks.columns})


@styled
def f1_differences(tables: dict[str, pd.DataFrame], *, n: int, runs: Sequence[Run] = ()) -> Figure:
    """Plot differences of F1 per emotion with 95 % intervals, a group per emotion, a mark per arm; zero is no change.

    Args:
        tables: name of the arm → `comparison.compare_f1` against the plain arm.
        n: number of faces compared.
        runs: whose F1 is compared, to mark those of the drawn sample.
    """
    figure, axes = new_axes(4.2)
    names = [DISPLAY_NAMES.get(name, "all (macro)") for name in next(iter(tables.values())).index]
    width = 0.7 / len(tables)
    for index, (name, table) in enumerate(tables.items()):
        centres = np.arange(len(table)) + (index - (len(tables) - 1) / 2) * width
        points = 100 * table
        errors = whiskers(points["difference"], points["low"], points["high"])
        style = {"fmt": "o", "ms": 5, "capsize": 2.5, "elinewidth": 1.4, "color": series_color(index)}
        axes.errorbar(centres, points["difference"], yerr=errors, label=name, **style)
    axes.axhline(0.0, color="#555555", linewidth=1.0)
    axes.set_xticks(range(len(names)), labels=names)
    axes.set(ylabel="points of F1")
    axes.set_title(f"F1 against the plain arm, with paired 95 % intervals (n = {n:,})")
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    axes.legend(loc="upper right", ncols=len(tables))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.18 * (high - low))
    return finish(figure, tables, runs=runs)
