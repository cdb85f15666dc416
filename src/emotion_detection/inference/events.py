"""What happened in a timeline: faces appear and leave, their labels change."""

import numpy as np
import pandas as pd

SHORTEST_GAP_S = 1.0
"""A face that is not seen for longer has left; where frames are looked at more seldom, it is three times their step."""

APPEARS, LEAVES, LABEL = "appears", "leaves", "label"
COLUMNS = ("time_s", "face", "event", "label")


def events(table: pd.DataFrame, *, end_s: float | None = None) -> pd.DataFrame:
    """Return the events of a timeline, in order of time.

    Args:
        table: columns time_s, face, label, of one network; such as a live timeline or an analysed recording.
        end_s: when looking ended; the last time of the table if None. A face that was seen until then has not left.

    Returns:
        Columns time_s, face; event: "appears" or "leaves", when a face is seen for the first or last time before or
        after a gap, or "label" when its label changes; label: the one from then on (at "leaves", until then).
    """
    gap_s = longest_gap_s(table)
    end_s = table["time_s"].max() if end_s is None else end_s
    found = [_of_face(rows.sort_values("time_s"), gap_s, end_s) for _, rows in table.groupby("face")]
    all_events = pd.concat(found) if found else pd.DataFrame(columns=list(COLUMNS))
    return all_events.sort_values(["time_s", "face"], kind="stable", ignore_index=True)


def longest_gap_s(table: pd.DataFrame) -> float:
    """Return how long a face may be unseen, in seconds, without having left."""
    times = np.unique(table["time_s"].to_numpy())
    usual_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return max(SHORTEST_GAP_S, 3 * usual_s)


def _of_face(rows: pd.DataFrame, gap_s: float, end_s: float) -> pd.DataFrame:
    time_s, label = rows["time_s"].to_numpy(), rows["label"].to_numpy()
    begins = np.r_[True, np.diff(time_s) > gap_s]
    ends = np.r_[begins[1:], end_s - time_s[-1] > gap_s]
    changes = np.r_[False, label[1:] != label[:-1]] & ~begins
    kinds = ((begins, APPEARS), (changes, LABEL), (ends, LEAVES))
    found = [rows.loc[which, ["time_s", "face", "label"]].assign(event=event) for which, event in kinds]
    return pd.concat(found)[list(COLUMNS)]
