"""Plots of the speed benchmark: ratios to other ways, how far the limit is, how cost grows with the work."""

import matplotlib.axes
import matplotlib.figure
import matplotlib.lines
import matplotlib.patches
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.evaluation.formatting import duration, ratio
from emotion_detection.plots.style import INK, SERIES_COLORS, Figure, finish, new_axes, new_figure, set_title, styled

HOLDS_COLORS = {True: SERIES_COLORS[0], False: SERIES_COLORS[1], None: "#A9B4C2"}
HOLDS_WORDS = {True: "targets hold", False: "one is missed", None: "no target"}
RATIO_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
MOST_RATIO_TICKS = 9
"""With more, their labels touch: then only the powers of ten are named."""

LIMIT_COLORS = (SERIES_COLORS[0], "#6699CC", "#997700", "#555555", "#AA4499")
ABOVE = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
"""Place of a legend between the axes and a title that makes room for it."""


@styled
def speed_ratios(comparisons: pd.DataFrame) -> Figure:
    """Plot how many times as long the other way takes: a bar per comparison from 1× on, whiskers from least to most.

    The comparisons are those of `studies.speed.Benchmark`, not empty.
    """
    table = comparisons
    figure, axes = new_axes(1.2 + 0.3 * len(table))
    places, labels = _places(table)
    holds = [each if isinstance(each, bool) else None for each in table["holds"]]
    medians, high, wanted = (table[column].to_numpy(float) for column in ("ratio", "ratio_most", "wanted_ratio"))
    axes.set_xscale("log")
    axes.barh(places, medians - 1, left=1, height=0.66, color=[HOLDS_COLORS[each] for each in holds])
    errors = np.clip([medians - table["ratio_least"], high - medians], 0.0, None)
    axes.errorbar(medians, places, xerr=errors, fmt="none", ecolor=INK, elinewidth=1.0, capsize=2.0)
    axes.vlines(wanted, places - 0.45, places + 0.45, color=INK, linewidth=2.2)
    for place, value, end, target in zip(places, medians, np.maximum(high, 1.0), wanted, strict=True):
        if end / 1.05 < target < 2.6 * end:  # the label stands clear of the tick
            end = target
        style = {"textcoords": "offset points", "va": "center", "fontsize": 8}
        axes.annotate(ratio(value), (end, place), (5, 0), **style)
    axes.axvline(1.0, color="#555555", linewidth=1.0)
    _name_ratio_axes(axes, labels, np.concatenate([table["ratio_least"], high, wanted[np.isfinite(wanted)], [1.0]]))
    shown = [each for each in HOLDS_COLORS if each in holds]
    handles = [matplotlib.patches.Patch(color=HOLDS_COLORS[each], label=HOLDS_WORDS[each]) for each in shown]
    if np.isfinite(wanted).any():
        style = {"marker": "|", "markersize": 11, "markeredgewidth": 2.2, "linestyle": "none", "color": INK}
        handles.append(matplotlib.lines.Line2D([], [], label="ratio wanted", **style))
    axes.legend(handles=handles, ncols=len(handles), columnspacing=1.0, handlelength=1.2, **ABOVE)
    plotted = table.rename(columns={"ratio_least": "low", "ratio_most": "high"})
    columns = ["group", "name", "ours", "other", "ratio", "low", "high", "wanted_ratio"]
    return finish(figure, {column: plotted[column].tolist() for column in columns} | {"holds": holds})


def _places(table: pd.DataFrame) -> tuple[np.ndarray, dict[float, str]]:
    """Return the place of each row, and all labels by place: each group has its name in a line of its own above."""
    places, labels, at = [], {}, 0.0
    for group, rows in table.groupby("group", sort=False):
        labels[at] = group
        for name in rows["name"]:
            at += 1.0
            labels[at] = name
            places.append(at)
        at += 1.25
    return np.array(places), labels


def _name_ratio_axes(axes: matplotlib.axes.Axes, labels: dict[float, str], values: np.ndarray) -> None:
    axes.set_yticks(list(labels), labels=list(labels.values()))
    steps = np.diff([*labels, max(labels) + 1])
    for number, tick in enumerate(axes.get_yticklabels()):
        if number == 0 or steps[number - 1] > 1:
            tick.set(weight="bold", color=INK)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(max(labels) + 0.8, -0.8)
    low, high = values.min() / 1.15, values.max() * 2.6
    axes.set_xlim(low, high)
    ticks = [each for each in RATIO_TICKS if low <= each <= high]
    if len(ticks) > MOST_RATIO_TICKS:
        ticks = [each for each in ticks if np.log10(each) == round(np.log10(each))]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,g}×"))
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("how many times as long the other way takes (log scale)")
    axes.set_title("Speed against other ways, median, least and most", pad=24)


@styled
def speed_limits(table: pd.DataFrame) -> Figure:
    """Plot which share of a limit's speed is reached, a bar per row of `studies.speed.limits_table`, with its times."""
    figure, axes = new_axes(1.5 + 0.33 * len(table))
    places, shares = np.arange(len(table)), table["limit_share"].to_numpy(float)
    for index, limit in enumerate(table["limit"].unique()):
        chosen = (table["limit"] == limit).to_numpy()
        axes.barh(
            places[chosen], shares[chosen], height=0.66, color=LIMIT_COLORS[index % len(LIMIT_COLORS)], label=limit
        )
    axes.axvline(1.0, color=INK, linewidth=2.2)
    for place, share, row in zip(places, shares, table.itertuples(index=False), strict=True):
        text = f"{100 * share:.0f} %: {duration(row.ours_s)}, limit {duration(row.limit_s)}"
        inside = share > 0.6
        style = {"ha": "right" if inside else "left", "color": "white" if inside else INK, "fontsize": 8}
        axes.annotate(text, (share, place), (-5 if inside else 5, 0), textcoords="offset points", va="center", **style)
    axes.set_yticks(places, labels=list(table["what"]))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set(xlim=(0, max(1.04, shares.max() * 1.04)), xlabel="share of the limit's speed that is reached")
    axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.grid(visible=False, axis="y")
    axes.set_title("How far the limit is", pad=8 + 15 * table["limit"].nunique())
    axes.legend(**ABOVE)
    return finish(figure, {column: table[column].tolist() for column in table.columns})


def _tick_time(seconds: float) -> str:
    """Return a round time without digits that say nothing, such as "20 ms"."""
    units = ((0.9e-3, 1e6, "µs"), (0.9, 1e3, "ms"), (float("inf"), 1.0, "s"))
    per_second, unit = next((per_second, unit) for below_s, per_second, unit in units if seconds < below_s)
    return f"{seconds * per_second:,.3g} {unit}"


@styled
def cost_growth(growths: dict[str, pd.DataFrame]) -> Figure:
    """Plot time (above) and peak memory (below) over work, a column each; dashed: time that grows with the work.

    The growths are those of `studies.speed.Benchmark`. Points are filled where time grows with the work and no faster.
    """
    figure = new_figure(4.4)
    grid = figure.subplots(2, len(growths), sharex="col", squeeze=False)
    for (above, below), (name, table) in zip(grid.T, growths.items(), strict=True):
        known = table[table["x"] > 0]
        _plot_times(above, known, table[table["x"] == 0])
        below.plot(known["x"], known["peak_mb"], "o-", color=SERIES_COLORS[1], markersize=4.5)
        below.set_ylim(0, 1.25 * known["peak_mb"].max())
        below.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4))
        below.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
        below.set_xticks(known["x"], labels=[f"{x / 1000:g}k" if x >= 1000 else f"{x:g}" for x in known["x"]])
        below.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        below.set_xlabel(table.attrs["unit"])
        above.set_title(name)
    grid[0, 0].set_ylabel("time (log scale)")
    grid[1, 0].set_ylabel("peak memory, MB")
    set_title(figure, "How cost grows with the work (log scale)")
    dots = {"marker": "o", "markersize": 5, "color": SERIES_COLORS[0], "markeredgewidth": 1.4}
    line = {"color": "#888888", "linewidth": 1.2}
    handles = [
        matplotlib.lines.Line2D([], [], label="grows with the work", **dots),
        matplotlib.lines.Line2D([], [], label="a fixed cost hides it, or it grows faster", mfc="white", **dots),
        matplotlib.lines.Line2D([], [], label="twice the work, twice the time", linestyle="--", **line),
    ]
    if any((table["x"] == 0).any() for table in growths.values()):
        handles.append(matplotlib.lines.Line2D([], [], label="no work: the fixed cost", linestyle=":", **line))
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    columns = ("x", "seconds", "peak_mb")
    return finish(figure, {name: {each: table[each].tolist() for each in columns} for name, table in growths.items()})


def _plot_times(axes: matplotlib.axes.Axes, known: pd.DataFrame, nothing: pd.DataFrame) -> None:
    """Draw times over work on log scales, beside time in proportion to the work, and that of no work as a level."""
    x, seconds = known["x"].to_numpy(float), known["seconds"].to_numpy(float)
    axes.set(xscale="log", yscale="log")
    axes.plot(x, known["proportional_s"], "--", color="#888888", linewidth=1.2)
    axes.plot(x, seconds, "-", color=SERIES_COLORS[0])
    is_linear = known["is_linear"].to_numpy()
    for chosen, fill in ((is_linear, SERIES_COLORS[0]), (~is_linear, "white")):
        axes.plot(x[chosen], seconds[chosen], "o", markersize=5, mfc=fill, mec=SERIES_COLORS[0], mew=1.4)
    for value in nothing["seconds"]:
        axes.axhline(value, color="#888888", linestyle=":", linewidth=1.2)
        seconds = np.append(seconds, value)
    axes.set_ylim(seconds.min() / 1.6, seconds.max() * 1.6)
    decades = np.log10(seconds.max() / seconds.min())
    subs = (1.0,) if decades > 2 else (1.0, 2.0, 5.0)
    axes.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=subs, numticks=6))
    axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: _tick_time(value)))
    axes.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
