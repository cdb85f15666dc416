"""The plot of a timeline: the seven probabilities of each face over time, stacked; of a live session or a recording."""

import matplotlib.figure
import matplotlib.ticker
import numpy as np
import pandas as pd

from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.plots import styled
from emotion_detection.tracking import NOT_SURE

MOST_FACES = 5
GAP_S = 1.0
"""A face that is away for longer leaves a gap."""


@styled
def timeline(table: pd.DataFrame, figure: matplotlib.figure.Figure) -> dict:
    """Plot probabilities over time, one panel per face, those seen longest first; where the label is "not sure", faded.

    Args:
        table: columns time_s, face, the seven emotions, label, and network (only the first network is plotted).
        figure: to draw on; about 1.9 inches of height per face look well.

    Returns:
        face → {"time_s", emotion: values}, as plotted.
    """
    table = table[table["network"] == table["network"].iloc[0]]
    seen = table["face"].value_counts(sort=True)
    shown = sorted(seen.index[:MOST_FACES])
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
    rest = f", {len(shown)} of {len(seen)} faces" if len(seen) > len(shown) else ""
    faded = ", faded where not sure" if (table["label"] == NOT_SURE).any() else ""
    panels[0].set_title(f"Probability of each emotion{rest}{faded}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right center")
    return values


def _with_gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a face in order of time, with an empty one in the middle of every gap."""
    rows = rows.sort_values("time_s")
    before = rows["time_s"].to_numpy()
    gaps = np.flatnonzero(np.diff(before) > GAP_S)
    edges = [before[gaps] + 1e-3, before[gaps + 1] - 1e-3]
    empty = pd.DataFrame({"time_s": np.concatenate(edges)} | dict.fromkeys(EMOTIONS, np.nan) | {"label": ""})
    return pd.concat([rows[["time_s", *EMOTIONS, "label"]], empty]).sort_values("time_s", kind="stable")
