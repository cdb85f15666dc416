"""Plots of where a network errs: what saying "not sure" buys, errors by how far FER+'s voters agree, spoiled faces."""

import matplotlib.axes
import matplotlib.figure
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.data.perturbations import PERTURBATIONS
from emotion_detection.plots.style import SERIES_COLORS, styled
from emotion_detection.plots.style import set_title as _suptitle

PERCENT = matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %")
NOT_SURE_COLOR = "#E6E6E6"


@styled
def coverage_curves(
    tables: dict[str, pd.DataFrame], axes: matplotlib.axes.Axes, *, split: str, chosen: float | None
) -> dict:
    """Plot accuracy of the answers given against the share of faces that get one, a line per network.

    Args:
        tables: name of the network → `confidence.coverage` at many thresholds.
        axes: to draw on.
        split: where the predictions are from.
        chosen: minimum confidence of the last network, below which it says "not sure"; None: none was chosen.
    """
    values, name = {}, ""
    for color, (name, table) in zip(SERIES_COLORS, tables.items(), strict=False):
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
    return {"split": split} | values


@styled
def by_agreement(table: pd.DataFrame, axes: matplotlib.axes.Axes, *, title: str) -> dict:
    """Plot accuracy by how many of FER+'s voters chose the most-voted emotion: against both labels, with intervals.

    Args:
        table: as `mistakes.recorded_by_agreement` returns it.
        axes: to draw on.
        title: of the plot.
    """
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
    axes.set(ylim=(0, 1.02), ylabel="share of faces", title=title, xlabel="votes for the most-voted emotion, of ten")
    axes.yaxis.set_major_formatter(PERCENT)
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left")
    return table.to_dict("list")


def _band(least: int, most: int, n: int) -> str:
    return f"{f'up to {most}' if least <= 1 else f'{least}–{most}'}\n(n = {n:,})"


@styled
def robustness(table: pd.DataFrame, figure: matplotlib.figure.Figure, *, commonest: float) -> dict:
    """Plot accuracy against the strength of each way to spoil faces: small curves, one colour a network.

    Args:
        table: as `robustness.table` returns it.
        figure: empty, about as high as wide.
        commonest: what a network gets right that always names the commonest emotion, 0–1.
    """
    ways, names = PERTURBATIONS, list(dict.fromkeys(table["network"]))
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
    _suptitle(figure, f"Accuracy on PublicTest as faces are spoiled (n = {int(table['n'].iloc[0]):,})")
    return {"commonest": commonest, "rows": table}
