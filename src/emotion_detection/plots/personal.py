"""The plot of what a personal head is worth to simulated users: gain, harm, and how they differ from user to user."""

import numpy as np

from emotion_detection.evaluation.formatting import points
from emotion_detection.plots.style import SERIES_COLORS, Figure, finish, new_figure, set_title, styled, whiskers

PARTS = {"recorded": "on emotions that were recorded", "others": "on emotions that were not recorded"}
COUNTS = {"7": "all seven", "4": "four of seven", "1": "one of seven"}


@styled
def personal_changes(record: dict) -> Figure:
    """Plot the change of accuracy by kind of user and number of recorded emotions: mean, interval, a dot per user.

    The record is that of `personal_simulation.load`; the figure's values: kind → number of recorded emotions → part →
    mean, low, high, users (shares, 0–1).
    """
    figure, values = new_figure(5.2), {}
    kinds = record["reporting"]
    grid = figure.subplots(len(kinds), len(PARTS), sharex=True, sharey=True, squeeze=False)
    for panels, (kind, lines), color in zip(grid, kinds.items(), SERIES_COLORS, strict=False):
        for axes, (part, title) in zip(panels, PARTS.items(), strict=True):
            axes.axvline(0, color="#555555", linewidth=1.0)
            for place, (count, parts) in enumerate(lines.items()):
                if (line := parts.get(part)) is None:
                    continue
                spread = np.random.default_rng(0).uniform(-0.28, 0.28, len(line["users"]))  # equal users side by side
                axes.scatter(line["users"], place + spread, s=7, color=color, alpha=0.25, linewidth=0)
                errors = whiskers([line["mean"]], [line["low"]], [line["high"]])
                axes.errorbar(line["mean"], place, xerr=errors, fmt="o", markersize=5, capsize=3.5, color=color)
                shown = {key: line[key] for key in ("mean", "low", "high", "users")}
                values.setdefault(kind, {}).setdefault(count, {})[part] = shown
            axes.set(ylim=(len(lines) - 0.5, -0.5), xlabel=title if kind == list(kinds)[-1] else "")
            axes.set_yticks(range(len(lines)), labels=[COUNTS.get(count, count) for count in lines])
            axes.xaxis.set_major_formatter(lambda share, _: points(share, digits=0) if share else "0")
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)
        panels[0].set_title(kind)
    set_title(figure, "Change of accuracy in points, by the number of emotions that were recorded")
    return finish(figure, values)
