"""Where a network errs: the worst confusions, and errors by how far the voters of FER+ agree on a face."""

import numpy as np
import pandas as pd

from emotion_detection.data.ferplus import CLASSES, FerPlus
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import MissingFileError, UnknownNameError
from emotion_detection.evaluation import resampling
from emotion_detection.runs import registry, store
from emotion_detection.runs.run import Predictions

BANDS = ((1, 4), (5, 6), (7, 8), (9, 10))
"""Votes, of about ten, for a face's most-voted emotion: least and most of each band."""

BAND_COLUMNS = ("votes_least", "votes_most", "n", "right", "right_by_votes", "labels_agree")
"""What is counted in a band: the faces; answers that are FER2013's label; answers that are the most-voted emotion;
faces whose label is the most-voted emotion."""


def worst_confusions(counts: np.ndarray, *, most: int = 8) -> pd.DataFrame:
    """Return the confusions that take the largest shares of an emotion's faces.

    Args:
        counts: int array (7, 7), rows are labels, as `metrics.confusion` returns it.
        most: how many to return.

    Returns:
        A row per pair, the worst first: `label`, `answer`, `faces` called so, `n` faces of this label, `share`,
        `share_low`, `share_high` (95 % Wilson interval), 0–1.
    """
    lines = []
    for label, answer in zip(*np.nonzero(~np.eye(len(EMOTIONS), dtype=bool)), strict=True):
        faces, n = int(counts[label, answer]), int(counts[label].sum())
        low, high = resampling.share_interval(faces, n)
        line = {"label": EMOTIONS[label], "answer": EMOTIONS[answer], "faces": faces, "n": n}
        lines.append(line | {"share": faces / max(n, 1), "share_low": low, "share_high": high})
    return pd.DataFrame(lines).sort_values("share", ascending=False, kind="stable").head(most).reset_index(drop=True)


def mistaken(predictions: Predictions, *, label: str, answer: str, n: int = 12) -> pd.DataFrame:
    """Return faces of one emotion that were called another, those first of which the network was surest.

    Args:
        predictions: of one split.
        label, answer: emotions: FER2013's label, and what they were called.
        n: how many at most.

    Returns:
        A row per face: `row` (FER2013's number), `label`, `answer`, `confidence` (probability of the answer),
        `label_probability`, 0–1.

    Raises:
        UnknownNameError: there is no such emotion.
    """
    for name in (label, answer):
        if name not in EMOTIONS:
            raise UnknownNameError(f"{name!r} is no emotion. Use one of {', '.join(EMOTIONS)}.")
    index, other = EMOTIONS.index(label), EMOTIONS.index(answer)
    chosen = (predictions.label == index) & (predictions.predicted == other)
    probabilities = predictions.probabilities()[chosen]
    columns = {"row": predictions.row[chosen], "label": label, "answer": answer}
    columns |= {"confidence": probabilities[:, other], "label_probability": probabilities[:, index]}
    found = pd.DataFrame(columns)
    return found.sort_values("confidence", ascending=False, kind="stable").head(n).reset_index(drop=True)


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
    """Return shares and their intervals of what `by_agreement` counts.

    Returns:
        Columns `votes_least`, `votes_most`, `n`, then `accuracy`, `accuracy_low`, `accuracy_high` (against FER2013's
        label, 95 % Wilson interval), `accuracy_by_votes`, `accuracy_by_votes_low`, `accuracy_by_votes_high` (against
        the most-voted emotion) and `agreement` (share of faces whose label is the most-voted emotion), 0–1.
    """
    counts = pd.DataFrame(counts)
    table, n = counts[["votes_least", "votes_most", "n"]].copy(), counts["n"].clip(lower=1)
    for column, right in (("accuracy", "right"), ("accuracy_by_votes", "right_by_votes")):
        table[column] = counts[right] / n
        pairs = zip(counts[right], counts["n"], strict=True)
        intervals = [resampling.share_interval(int(each), int(faces)) for each, faces in pairs]
        table[f"{column}_low"], table[f"{column}_high"] = zip(*intervals, strict=True)
    table["agreement"] = counts["labels_agree"] / n
    return table
