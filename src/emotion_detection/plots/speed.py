"""Plots of the speed benchmark: ratios to other ways, and how cost grows with the work."""

import matplotlib.patches
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.evaluation.formatting import ratio
from emotion_detection.plots.style import (
    INK,
    SERIES_COLORS,
    Figure,
    finish,
    legend_below,
    new_figure,
    set_title,
    styled,
    whiskers,
)

HOLDS = {True: ("target holds", SERIES_COLORS[0]), False: ("target missed", SERIES_COLORS[1])}
NO_TARGET = ("no target", "#A9B4C2")


@styled
def speed_ratios(comparisons: pd.DataFrame) -> Figure:
    """Plot how many times as long the other way takes: a bar per comparison from 1× on, whiskers from least to most.

    The comparisons are those of `studies.speed.Benchmark`, not empty; each of their groups has a panel. A thick line
    is the ratio that is wanted.
    """
    groups = dict(list(comparisons.groupby("group", sort=False)))
    heights = [len(table) + 0.5 for table in groups.values()]
    figure = new_figure(1.2 + 0.21 * len(comparisons) + 0.3 * len(groups))
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (group, table) in zip(panels, groups.items(), strict=True):
        places, medians, high, wanted = (
            np.arange(len(table)),
            table["ratio"],
            table["ratio_most"],
            table["wanted_ratio"],
        )
        looks = [HOLDS.get(each, NO_TARGET) if isinstance(each, bool) else NO_TARGET for each in table["holds"]]
        axes.barh(places, medians - 1, left=1, height=0.66, color=[color for _, color in looks])
        errors = whiskers(medians, table["ratio_least"], high)
        axes.errorbar(medians, places, xerr=errors, fmt="none", ecolor=INK, elinewidth=1.0, capsize=2.0)
        axes.vlines(wanted, places - 0.45, places + 0.45, color=INK, linewidth=2.2)
        for place, value, end in zip(places, medians, np.fmax(np.maximum(high, 1.0), wanted), strict=True):
            axes.annotate(ratio(value), (end, place), (5, 0), textcoords="offset points", va="center", fontsize=8)
        axes.axvline(1.0, color="#555555", linewidth=1.0)
        axes.set_yticks(places, labels=list(table["name"]))
        axes.set(ylim=(len(table) - 0.4, -0.6), xscale="log", title=group)
        axes.tick_params(which="both", length=0)
        axes.grid(visible=False, axis="y")
    axes.set_xlim(comparisons["ratio_least"].min() / 1.15, comparisons["ratio_most"].max() * 2.6)
    axes.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,g}×"))
    axes.set_xlabel("how many times as long the other way takes (log scale)")
    handles = [matplotlib.patches.Patch(color=color, label=words) for words, color in (*HOLDS.values(), NO_TARGET)]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    set_title(figure, "Speed against other ways: median, least and most")
    columns = {"ratio_least": "low", "ratio_most": "high"}
    shown = ["group", "name", "ours", "other", "ratio", "low", "high", "wanted_ratio", "holds"]
    return finish(figure, comparisons.rename(columns=columns)[shown].to_dict("list"))


@styled
def cost_growth(growths: dict[str, pd.DataFrame]) -> Figure:
    """Plot time (above) and peak memory (below) over work, a column each, both axes of time logarithmic.

    Dashed is time in proportion to the work, through the last point; dotted the time of no work, where it was measured.
    The growths are those of `studies.speed.Benchmark`.
    """
    figure = new_figure(4.4)
    grid = figure.subplots(2, len(growths), sharex="col", squeeze=False)
    for (above, below), (name, table) in zip(grid.T, growths.items(), strict=True):
        known, last = table[table["x"] > 0], table.iloc[-1]
        above.loglog(known["x"], known["seconds"], "o-", color=SERIES_COLORS[0], markersize=5, label="measured")
        label = {"color": "#888888", "linewidth": 1.2, "label": "twice the work, twice the time"}
        above.loglog(known["x"], last["seconds"] / last["x"] * known["x"], "--", **label)
        for value in table.loc[table["x"] == 0, "seconds"]:
            above.axhline(value, color="#888888", linestyle=":", linewidth=1.2, label="no work: the fixed cost")
        above.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
        above.yaxis.set_major_formatter(matplotlib.ticker.EngFormatter("s"))
        above.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        above.set_title(name)
        below.plot(known["x"], known["peak_mb"], "o-", color=SERIES_COLORS[1], markersize=4.5)
        below.set(ylim=(0, 1.25 * known["peak_mb"].max()), xlabel=table.attrs["unit"])
        below.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
        below.set_xticks(known["x"], labels=[f"{x / 1000:g}k" if x >= 1000 else f"{x:g}" for x in known["x"]])
        below.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    grid[0, 0].set_ylabel("time (log scale)")
    grid[1, 0].set_ylabel("peak memory, MB")
    set_title(figure, "How cost grows with the work (log scale)")
    legend_below(figure, ncols=3)
    return finish(figure, {name: table[["x", "seconds", "peak_mb"]].to_dict("list") for name, table in growths.items()})
