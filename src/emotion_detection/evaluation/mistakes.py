"""Where a network errs: the worst confusions, and errors by how far the voters of FER+ agree on a face."""

import numpy as np
import pandas as pd

from emotion_detection.data.ferplus import CLASSES, FerPlus
from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.errors import MissingFileError
from emotion_detection.evaluation import metrics
from emotion_detection.runs import registry, store
from emotion_detection.runs.store import Predictions

BANDS = ((1, 4), (5, 6), (7, 8), (9, 10))
"""Votes, of about ten, for a face's most-voted emotion: least and most of each band."""

BAND_COLUMNS = ("votes_least", "votes_most", "n", "right", "right_by_votes", "labels_agree")
"""What is counted in a band: the faces; answers that are FER2013's label; answers that are the most-voted emotion;
faces whose label is the most-voted emotion."""


def worst_confusions(counts: np.ndarray, *, most: int = 8) -> pd.DataFrame:
    """Return the errors that befall the largest shares of an emotion's faces.

    Args:
        counts: int array (7, 7), rows are labels, as `metrics.confusion` returns it.
        most: how many to return.

    Returns:
        A row per pair, the worst first: `label`, `answer`, `faces` called so, `n` faces of this label, `share`, `low`,
        `high` (95 % Wilson interval), 0–1.
    """
    lines = []
    for label, answer in zip(*np.nonzero(~np.eye(len(EMOTIONS), dtype=bool)), strict=True):
        faces, n = int(counts[label, answer]), int(counts[label].sum())
        low, high = metrics.share_interval(faces, n)
        names = {"label": DISPLAY_NAMES[EMOTIONS[label]], "answer": DISPLAY_NAMES[EMOTIONS[answer]]}
        lines.append(names | {"faces": faces, "n": n, "share": faces / max(n, 1), "low": low, "high": high})
    return pd.DataFrame(lines).sort_values("share", ascending=False, kind="stable").head(most).reset_index(drop=True)


def confusions_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return `worst_confusions` as text for a notebook."""
    intervals = zip(table["low"], table["high"], strict=True)
    shares = zip(table["share"], intervals, strict=True)
    return pd.DataFrame(
        {
            "Label": table["label"],
            "Called": table["answer"],
            "Share (95 % interval)": [metrics.with_interval(share, each, percent=True) for share, each in shares],
            "Faces": [f"{faces:,} of {n:,}" for faces, n in zip(table["faces"], table["n"], strict=True)],
        }
    )


def by_agreement(predictions: Predictions, votes: FerPlus) -> list[dict]:
    """Count right answers by how many of FER+'s voters chose the most-voted emotion.

    Args:
        predictions: of one split, by FER2013's row numbers.
        votes: of all rows; a face for which nobody chose an emotion is left out.

    Returns:
        A dict of `BAND_COLUMNS` per band of `BANDS`, counts alone: no face can be told from them.
    """
    of_emotions = votes.votes[predictions.row][:, : len(CLASSES)]
    most, voted = of_emotions.max(axis=1), of_emotions.argmax(axis=1)
    counted = {
        "n": np.ones(len(predictions), bool),
        "right": predictions.predicted == predictions.label,
        "right_by_votes": predictions.predicted == voted,
        "labels_agree": predictions.label == voted,
    }
    found = []
    for least, largest in BANDS:
        inside = (most >= least) & (most <= largest)
        counts = {name: int(np.count_nonzero(inside & each)) for name, each in counted.items()}
        found.append({"votes_least": least, "votes_most": largest} | counts)
    return found


def shipped_by_agreement(*, split: str) -> pd.DataFrame:
    """Return `shares_by_agreement` of the shipped network's record.

    Raises:
        MissingFileError: the record holds no such counts.
    """
    name = registry.read_card()["run"]
    counts = (store.load_info(name).get("ferplus") or {}).get(split, {}).get("by_agreement")
    if not counts:
        raise MissingFileError(
            f"The record of {name} does not say how its answers on {split} go with FER+'s votes. Count it where the "
            f"votes are at hand: python -m emotion_detection ferplus {name}"
        )
    return shares_by_agreement(counts)


def shares_by_agreement(counts: list[dict]) -> pd.DataFrame:
    """Return shares and their intervals of counts by agreement.

    Args:
        counts: as `by_agreement` returns them.

    Returns:
        Columns `BAND_COLUMNS`, then `accuracy`, `low`, `high` (against FER2013's label, 95 % Wilson interval),
        `accuracy_by_votes`, `low_by_votes`, `high_by_votes` (against the most-voted emotion) and `agreement` (share of
        faces whose label is the most-voted emotion), 0–1.
    """
    table = pd.DataFrame(counts)
    n = table["n"].clip(lower=1)
    table["agreement"] = table["labels_agree"] / n
    for suffix in ("", "_by_votes"):
        table[f"accuracy{suffix}"] = table[f"right{suffix}"] / n
        pairs = zip(table[f"right{suffix}"], table["n"], strict=True)
        intervals = [metrics.share_interval(int(right), int(each)) for right, each in pairs]
        table[f"low{suffix}"], table[f"high{suffix}"] = zip(*intervals, strict=True)
    return table


def agreement_told(table: pd.DataFrame) -> str:
    """Return in words how accuracy goes with the voters' agreement."""
    shown = table[table["n"] > 0]
    first, last = shown.iloc[0], shown.iloc[-1]
    return (
        f"Where {last.votes_least:.0f} or more voters name one emotion (n = {last.n:,.0f}) the network is right on "
        f"**{100 * last.accuracy:.1f} %**, where at most {first.votes_most:.0f} do (n = {first.n:,.0f}) on "
        f"**{100 * first.accuracy:.1f} %**: there FER2013's label itself is the most-voted emotion on only "
        f"{100 * first.agreement:.0f} %, against {100 * last.agreement:.0f} % where they agree."
    )
