"""Plots of the audit, in the look of `plots`: shares side by side, where votes go, two test splits per epoch."""

import matplotlib.axes
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.plots.style import SERIES_COLORS, SPLIT_COLORS, styled


@styled
def grouped_bars(
    shares: pd.DataFrame,
    axes: matplotlib.axes.Axes,
    *,
    title: str,
    ylabel: str,
    low: pd.DataFrame | None = None,
    high: pd.DataFrame | None = None,
    colors: tuple[str, ...] = SERIES_COLORS,
    top: float = 1.0,
) -> dict:
    """Plot shares as bars: a group per row, a bar per column, each with its value in percent.

    Args:
        shares: float, 0–1; NaN leaves a gap.
        axes: to draw on.
        title: of the plot.
        ylabel: what the shares are.
        low: lower ends of 95 % intervals, of the shape of `shares`.
        high: upper ends.
        colors: of the columns.
        top: upper end of the axis.
    """
    width = 0.84 / len(shares.columns)
    for index, column in enumerate(shares.columns):
        values = shares[column].to_numpy(float)
        centres = np.arange(len(shares)) + (index - (len(shares.columns) - 1) / 2) * width
        axes.bar(centres, np.nan_to_num(values), width * 0.94, color=colors[index], label=column)
        ends = values
        if low is not None:
            ends = high[column].to_numpy(float)
            errors = np.clip([values - low[column], ends - values], 0.0, None)
            axes.errorbar(centres, values, yerr=errors, fmt="none", ecolor="#222222", elinewidth=1.0, capsize=2.0)
        for centre, value, end in zip(centres, values, ends, strict=True):
            if np.isfinite(value):
                axes.text(centre, end + 0.01 * top, f"{100 * value:.1f}", ha="center", va="bottom", fontsize=7.5)
    axes.set_xticks(range(len(shares)), labels=list(shares.index))
    axes.set(ylim=(0, top * 1.16), ylabel=ylabel, title=title)
    axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(6))
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    if len(shares.columns) > 1:
        axes.legend(loc="upper right", ncols=len(shares.columns), borderaxespad=0.0)
    values = {"shares": shares.T.to_dict()}
    return values if low is None else values | {"low": low.T.to_dict(), "high": high.T.to_dict()}


@styled
def dumbbells(shares: pd.DataFrame, axes: matplotlib.axes.Axes, *, title: str, xlabel: str) -> dict:
    """Plot two shares per row (0–1) as two marks on a line, their distance in points beside them.

    Args:
        shares: two columns; a row per line, the first on top.
        axes: to draw on.
        title: of the plot.
        xlabel: what the shares are.
    """
    first, second = (shares[column].to_numpy(float) for column in shares.columns)
    places = np.arange(len(shares))
    axes.hlines(places, np.minimum(first, second), np.maximum(first, second), color="#9a9a9a", linewidth=2.5, zorder=1)
    for column, marker, color in zip(shares.columns, "os", SERIES_COLORS, strict=False):
        axes.plot(shares[column], places, marker, color=color, markersize=8, label=column, linestyle="none")
    for place, one, other in zip(places, first, second, strict=True):
        text = f"{100 * (one - other):+.1f} points".replace("-", "−")
        axes.annotate(text, (max(one, other), place), (9, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(places, labels=list(shares.index))
    axes.invert_yaxis()
    low, high = shares.to_numpy().min(), shares.to_numpy().max()
    axes.set(xlim=(max(0.0, low - 0.05), min(1.0, high + 0.12)), xlabel=xlabel, title=title)
    axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="upper right", ncols=1)
    return {"shares": shares.T.to_dict()}


@styled
def epoch_curves(history: pd.DataFrame, axes: matplotlib.axes.Axes, *, chosen: dict, title: str) -> dict:
    """Plot PublicTest's and PrivateTest's accuracy per epoch and mark the epochs that each would choose.

    Args:
        history: columns epoch, val_accuracy (PublicTest), private_accuracy_for_audit.
        axes: to draw on.
        chosen: as `audit.epoch_choice` returns it.
        title: of the plot.
    """
    columns = {"PublicTest": "val_accuracy", "PrivateTest": "private_accuracy_for_audit"}
    for name, column in columns.items():
        axes.plot(history["epoch"], history[column], color=SPLIT_COLORS[name], marker="o", markersize=3, label=name)
    for by, name in (("public", "PublicTest"), ("private", "PrivateTest")):
        point = chosen[by]
        label = f"PrivateTest where {name} is best"
        axes.plot(point["epoch"], point["accuracy"], "D" if by == "public" else "s", color="#222222", label=label, ms=7)
    axes.set(xlabel="epoch", ylabel="accuracy", title=title)
    axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(8, integer=True))
    axes.legend(loc="lower right")
    return {"epoch": history["epoch"].tolist()} | {name: history[column].tolist() for name, column in columns.items()}
