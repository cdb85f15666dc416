"""The plot of a timeline, live or of a recording: the probabilities of each face over time, stacked, and its events."""

import matplotlib.axes
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.inference import recording
from emotion_detection.inference.pipeline import NOT_SURE, readable_on
from emotion_detection.plots.style import PERCENT, Figure, finish, new_figure, styled

MOST_FACES = 5
SHORTEST_S = 0.5
"""Faces seen for less are left out, most of them being no faces, unless there are no others."""

STRIP = (1.04, 0.1)
"""Lower edge and height of the strip above the probabilities that shows the label, in units of the panel's height."""

UNSURE_COLOR = "#DADADA"
MOST_LINES = 30
"""With more changes of label in a panel, the strip alone shows them."""

NAMED_FROM_SHARE = 0.07
"""A stretch of one label has its name on it from so large a share of the time shown."""

LONG_S = 120.0
"""From here on times are written as minutes:seconds."""

MARGIN_IN, PANEL_IN = 1.0, 1.9
"""Height of a figure's title and time axis, and of the panel of each face."""


@styled
def timeline(table: pd.DataFrame) -> Figure:
    """Plot probabilities over time, a panel for each face seen for a moment; faded where the label is "not sure".

    A strip above shows the label. Events are marked: ▶ a face appears, ◀ it leaves, a line where the label changes.

    Args:
        table: columns time_s, face, the seven emotions, label, and network where there are several (only the first
            network is plotted).

    Returns:
        A figure; its values: face → {"time_s", emotion: values, "events": [time_s, event, label] each}.
    """
    if table.empty:
        figure = new_figure(MARGIN_IN + PANEL_IN)
        figure.subplots().set(yticks=[], xlabel="seconds", title="No face was seen")
        return finish(figure, {})
    if "network" in table:
        table = table[table["network"] == table["network"].iloc[0]]
    lasting = _lasting_faces(table)
    shown = sorted(lasting[:MOST_FACES])
    gap_s, end_s = recording.longest_gap_s(table), float(table["time_s"].max())
    limits = (float(table["time_s"].min()), max(end_s, 0.1))
    figure = new_figure(MARGIN_IN + PANEL_IN * len(shown))
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    values = {}
    for face, axes in zip(shown, panels, strict=True):
        rows = _with_gaps(table[table["face"] == face], gap_s)
        happened = recording.events(table[table["face"] == face], end_s=end_s)
        style = {"colors": [COLORS[name] for name in EMOTIONS], "labels": [DISPLAY_NAMES[name] for name in EMOTIONS]}
        axes.stackplot(rows["time_s"], [rows[name] for name in EMOTIONS], **style)
        axes.yaxis.set_major_formatter(PERCENT)
        axes.grid(visible=False)
        _plot_events(happened, axes, limits=limits)
        axes.set(ylim=(0, sum(STRIP)), xlim=limits, ylabel=f"face {face}", yticks=np.linspace(0, 1, 5))
        marked = happened[["time_s", "event", "label"]].to_numpy().tolist()
        values[str(face)] = {name: rows[name].tolist() for name in ("time_s", *EMOTIONS)} | {"events": marked}
    panels[-1].set_xlabel("seconds" if limits[1] < LONG_S else "minutes:seconds")
    if limits[1] >= LONG_S:
        axis = panels[-1].xaxis
        axis.set_major_locator(matplotlib.ticker.MaxNLocator(8, steps=[1, 1.2, 1.5, 3, 6, 10]))
        axis.set_major_formatter(lambda time_s, _: f"{int(time_s) // 60}:{int(time_s) % 60:02d}")
    rest = f", {len(shown)} of {len(lasting)} faces" if len(lasting) > len(shown) else ""
    faded = ", faded where not sure" if (table["label"] == NOT_SURE).any() else ""
    panels[0].set_title(f"Probability of each emotion{rest}{faded}; above it the label")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right center")
    return finish(figure, values)


def _plot_events(happened: pd.DataFrame, axes: matplotlib.axes.Axes, *, limits: tuple[float, float]) -> None:
    """Draw the strip of labels, fade where not sure, and mark one face's events."""
    for begin_s, end_s, label in _stretches(happened, limits[1]):
        color = COLORS.get(label, UNSURE_COLOR)
        axes.broken_barh([(begin_s, end_s - begin_s)], STRIP, facecolors=color, linewidth=0)
        if label == NOT_SURE:
            axes.fill_between([begin_s, end_s], 0, 1, color="white", alpha=0.6, linewidth=0)
        if end_s - begin_s > NAMED_FROM_SHARE * (limits[1] - limits[0]):
            middle = ((begin_s + end_s) / 2, STRIP[0] + 0.45 * STRIP[1])
            style = {"ha": "center", "va": "center", "fontsize": 7, "color": readable_on(color), "clip_on": True}
            axes.text(*middle, DISPLAY_NAMES.get(label, label), **style)
    changes = happened[happened["event"] == recording.LABEL]["time_s"]
    if len(changes) <= MOST_LINES:
        axes.vlines(changes, 0, 1, color="black", linewidth=0.7, linestyle=(0, (4, 2)))
    for event, marker in ((recording.APPEARS, ">"), (recording.LEAVES, "<")):
        times = happened[happened["event"] == event]["time_s"]
        height = np.full(len(times), STRIP[0] + STRIP[1] / 2)
        axes.scatter(times, height, marker=marker, s=32, color="black", zorder=3, clip_on=False)


def _stretches(happened: pd.DataFrame, end_s: float) -> list[tuple[float, float, str]]:
    """Return begin, end and label of each stretch of one label, from one face's events."""
    rows = happened[["time_s", "event", "label"]].to_numpy().tolist()
    ends = [time_s for time_s, _, _ in rows[1:]] + [end_s]
    return [
        (begin_s, until_s, label)
        for (begin_s, event, label), until_s in zip(rows, ends, strict=True)
        if event != recording.LEAVES
    ]


def _lasting_faces(table: pd.DataFrame) -> list[int]:
    """Return the faces seen for a moment, those seen most often first; all where none was."""
    often = list(table["face"].value_counts(sort=True).index)
    times = table.groupby("face")["time_s"]
    spans = times.max() - times.min()
    return [face for face in often if spans[face] >= SHORTEST_S] or often


def _with_gaps(rows: pd.DataFrame, gap_s: float) -> pd.DataFrame:
    """Return the rows of a face in order of time, with an empty one in the middle of every gap."""
    rows = rows.sort_values("time_s")
    before = rows["time_s"].to_numpy()
    gaps = np.flatnonzero(np.diff(before) > gap_s)
    edges = [before[gaps] + 1e-3, before[gaps + 1] - 1e-3]
    empty = pd.DataFrame({"time_s": np.concatenate(edges)} | dict.fromkeys(EMOTIONS, np.nan) | {"label": ""})
    return pd.concat([rows[["time_s", *EMOTIONS, "label"]], empty]).sort_values("time_s", kind="stable")
