"""The plot of a timeline: the seven probabilities of each face over time, stacked; of a live session or a recording."""

import matplotlib.figure
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.plots import SERIES_COLORS, styled
from emotion_detection.tracking import NOT_SURE

MOST_FACES = 5
SHORTEST_S = 0.5
"""Faces seen for less are left out, most of them being no faces, unless there are no others."""

GAP_S = 1.0
"""A face that is away for longer leaves a gap."""


@styled
def timeline(table: pd.DataFrame, figure: matplotlib.figure.Figure) -> dict:
    """Plot probabilities over time, a panel for each face seen for a moment; faded where the label is "not sure".

    Args:
        table: columns time_s, face, the seven emotions, label, and network (only the first network is plotted).
        figure: to draw on; about 1.9 inches of height per face look well.

    Returns:
        face → {"time_s", emotion: values}, as plotted.
    """
    table = table[table["network"] == table["network"].iloc[0]]
    lasting = _lasting_faces(table)
    shown = shown_faces(table)
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    values = {}
    for face, axes in zip(shown, panels, strict=True):
        rows = _with_gaps(table[table["face"] == face])
        axes.stackplot(
            rows["time_s"],
            [rows[name] for name in EMOTIONS],
            colors=[COLORS[name] for name in EMOTIONS],
            labels=[DISPLAY_NAMES[name] for name in EMOTIONS],
        )
        unsure = (rows["label"] == NOT_SURE).to_numpy()
        axes.fill_between(rows["time_s"], 0, 1, where=unsure, color="white", alpha=0.6, linewidth=0)
        axes.set(ylim=(0, 1), ylabel=f"face {face}")
        axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.grid(visible=False)
        values[str(face)] = {name: rows[name].tolist() for name in ("time_s", *EMOTIONS)}
    panels[-1].set(xlabel="seconds", xlim=(table["time_s"].min(), max(table["time_s"].max(), 0.1)))
    rest = f", {len(shown)} of {len(lasting)} faces" if len(lasting) > len(shown) else ""
    faded = ", faded where not sure" if (table["label"] == NOT_SURE).any() else ""
    panels[0].set_title(f"Probability of each emotion{rest}{faded}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right center")
    return values


def shown_faces(table: pd.DataFrame) -> list[int]:
    """Return the faces that `timeline` gives a panel each: those seen most often, in order of their numbers."""
    return sorted(_lasting_faces(table)[:MOST_FACES])


def _lasting_faces(table: pd.DataFrame) -> list[int]:
    """Return the faces seen for a moment, those seen most often first; all where none was."""
    often = list(table["face"].value_counts(sort=True).index)
    times = table.groupby("face")["time_s"]
    spans = times.max() - times.min()
    return [face for face in often if spans[face] >= SHORTEST_S] or often


def _with_gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a face in order of time, with an empty one in the middle of every gap."""
    rows = rows.sort_values("time_s")
    before = rows["time_s"].to_numpy()
    gaps = np.flatnonzero(np.diff(before) > GAP_S)
    edges = [before[gaps] + 1e-3, before[gaps + 1] - 1e-3]
    empty = pd.DataFrame({"time_s": np.concatenate(edges)} | dict.fromkeys(EMOTIONS, np.nan) | {"label": ""})
    return pd.concat([rows[["time_s", *EMOTIONS, "label"]], empty]).sort_values("time_s", kind="stable")


@styled
def coverage(table: pd.DataFrame, axes, *, chosen: float, title: str) -> dict:
    """Plot coverage and accuracy over the minimum confidence, and the one that was chosen.

    Args:
        table: columns threshold, split, coverage, accuracy.
        axes: matplotlib Axes to draw on.
        chosen: the minimum confidence of the model card.
        title: of the plot.
    """
    values = {}
    for split, rows in table.groupby("split", sort=False):
        style = {"PublicTest": "--", "PrivateTest": "-"}[split]
        for column, color in (("accuracy", SERIES_COLORS[0]), ("coverage", SERIES_COLORS[2])):
            name = {"accuracy": "right, of those answered", "coverage": "answered"}[column]
            axes.plot(rows["threshold"], rows[column], style, color=color, label=f"{name}, {split}")
            values[f"{column}, {split}"] = rows[column].tolist()
    axes.axvline(chosen, color="#555555", linewidth=1.0)
    axes.annotate(
        f"chosen on PublicTest: {100 * chosen:.0f} %", (chosen, 0.05), (5, 0), textcoords="offset points", fontsize=8.5
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="minimum confidence", ylabel="share of faces", title=title)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 0.12))
    return {"threshold": table["threshold"].unique().tolist(), "chosen": chosen} | values
