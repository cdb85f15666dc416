"""The plot of what a personal head is worth to simulated users: gain, harm, and how they differ from user to user."""

import matplotlib.ticker
import numpy as np

from emotion_detection.plots.style import SERIES_COLORS, Figure, finish, new_figure, styled

PARTS = {"recorded": "Emotions that were recorded", "others": "Emotions that were not recorded"}
STEP, GAP = 1.0, 0.7
"""Between the lines of a kind of user, and between kinds."""


@styled
def personal_changes(record: dict) -> Figure:
    """Plot the change of accuracy by kind of user and number of recorded emotions: mean, interval, a dot per user.

    The record is that of `personal_simulation.load`; the figure's values: kind → number of recorded emotions → part →
    mean, low, high, users (shares, 0–1).
    """
    figure = new_figure(4.4)
    panels = figure.subplots(1, len(PARTS), sharex=True, sharey=True)
    places = _places(record["reporting"])
    values = {}
    for axes, (part, title) in zip(panels, PARTS.items(), strict=True):
        axes.axvline(0, color="#555555", linewidth=1.0)
        for (kind, count), place in places.items():
            line = record["reporting"][kind][count].get(part)
            if line is not None:
                color = SERIES_COLORS[list(record["reporting"]).index(kind)]
                users = np.array(line["users"])
                spread = np.random.default_rng(0).uniform(-0.28, 0.28, len(users))  # so that equal users do not overlap
                axes.scatter(users, place + spread, s=7, color=color, alpha=0.25, linewidth=0)
                errors = [[line["mean"] - line["low"]], [line["high"] - line["mean"]]]
                style = {"fmt": "o", "markersize": 5, "capsize": 3.5, "color": color, "ecolor": color}
                axes.errorbar(line["mean"], place, xerr=errors, **style)
                shown = {key: line[key] for key in ("mean", "low", "high", "users")}
                values.setdefault(kind, {}).setdefault(count, {})[part] = shown
        axes.set(title=title, xlabel="change of accuracy (points)")
        axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(_in_points))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
    _name_places(panels[0], places)
    return finish(figure, values)


def _places(reporting: dict) -> dict[tuple[str, str], float]:
    """Return (kind, count) → place from the top; each kind has its name in a line above."""
    places, at = {}, 0.0
    for kind, lines in reporting.items():
        for count in lines:
            at += STEP
            places[kind, count] = at
        at += STEP + GAP
    return places


def _in_points(share: float, _) -> str:
    return "0" if share == 0 else f"{100 * share:+.0f}".replace("-", "−")


def _name_places(axes, places: dict[tuple[str, str], float]) -> None:
    names = {"7": "all seven", "4": "four of seven", "1": "one of seven"}
    labels = {place: names.get(count, count) for (_, count), place in places.items()}
    for kind in dict.fromkeys(kind for kind, _ in places):
        labels[min(place for (each, _), place in places.items() if each == kind) - STEP] = kind
    axes.set_yticks(list(labels), labels=list(labels.values()))
    for tick, place in zip(axes.get_yticklabels(), labels, strict=True):
        if place not in places.values():
            tick.set(weight="bold")
    axes.set_ylim(max(labels) + 0.6, -0.6)
