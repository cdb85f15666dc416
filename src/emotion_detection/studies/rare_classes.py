"""What helps the rare emotions? Arms compared by predictions in folds of Training, then on the official split."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from emotion_detection.emotions import EMOTIONS
from emotion_detection.evaluation import comparison, leakage, metrics
from emotion_detection.runs.store import Run

RARE = ("disgust", "surprise")
"""The emotions whose faces the older repository multiplies."""


def scores_by_arm(runs: Sequence[Run]) -> pd.DataFrame:
    """Score arms by their predictions in folds of Training.

    Returns:
        Index `arm`; columns `accuracy`, `macro_f1`, `f1_disgust`, `f1_surprise`, `n`.
    """
    rows = {}
    for run in runs:
        predictions = run.predictions["Folds"]
        f1 = metrics.per_class(predictions)["f1"]
        scores = {"accuracy": metrics.accuracy(predictions), "macro_f1": f1.mean()}
        rows[run.display_name] = scores | f1[list(RARE)].add_prefix("f1_").to_dict() | {"n": len(predictions)}
    return pd.DataFrame.from_dict(rows, orient="index").astype({"n": int}).rename_axis("arm")


def differences(arms: Sequence[Run], plain: Run) -> dict[str, pd.DataFrame]:
    """Compare the F1 of each arm with the plain one's, emotion by emotion, on the same faces.

    Returns:
        Name of the arm → `comparison.compare_f1`: `difference`, `low`, `high` per emotion, and of their mean ("macro").
    """
    before = plain.predictions["Folds"]
    return {run.display_name: comparison.compare_f1(run.predictions["Folds"], before) for run in arms}


def moved_confusions(arm: Run, plain: Run, *, largest: int = 6) -> pd.DataFrame:
    """List the cells of the confusion matrix in folds that change most from the plain arm to another, in faces.

    Returns:
        Columns `label`, `answer`, `plain`, `arm` and `change`, the largest change first.
    """
    before, after = (metrics.confusion(run.predictions["Folds"]) for run in (plain, arm))
    change = after - before
    order = np.argsort(-np.abs(change), axis=None, kind="stable")[:largest]
    label, answer = np.unravel_index(order, change.shape)
    names = np.array(EMOTIONS)
    faces = {"plain": before[label, answer], "arm": after[label, answer], "change": change[label, answer]}
    return pd.DataFrame({"label": names[label], "answer": names[answer], **faces})


def official_f1(plain: Run, other: Run) -> pd.DataFrame:
    """Return F1 per emotion of two runs on PrivateTest, and their paired difference.

    Returns:
        Index `emotion`, "macro" last; columns `f1_plain`, `f1_other`, `f1_difference` with `_low` and `_high`.
    """
    before, after = (run.predictions["PrivateTest"] for run in (plain, other))
    table = comparison.compare_f1(after, before).add_prefix("f1_difference_")
    f1 = pd.DataFrame({"f1_plain": metrics.per_class(before)["f1"], "f1_other": metrics.per_class(after)["f1"]})
    f1.loc["macro"] = f1.mean()
    return f1.join(table.rename(columns={"f1_difference_difference": "f1_difference"})).rename_axis("emotion")


def disgust_and_twins(official: Run, in_folds: Run, twins: Mapping[str, np.ndarray] | None) -> pd.DataFrame:
    """Return the F1 of Disgust of the same recipe on PrivateTest with and without twins in Training, and in folds.

    The run `in_folds` kept identical and near twins together; `twins` are those of `summaries.load_twins`, or None
    where they are not about these faces (drawn sample).

    Returns:
        Index `faces`; columns `f1_disgust` and `n`.
    """
    private = official.predictions["PrivateTest"]
    parts = {"PrivateTest": private}
    if twins is not None:
        parts["PrivateTest, no identical twin in Training"] = leakage.without_twins(private, twins)
    parts["Training, in folds that keep twins together"] = in_folds.predictions["Folds"]
    found = {name: metrics.per_class(each).loc["disgust", ["f1", "support"]] for name, each in parts.items()}
    table = pd.DataFrame(found).T.set_axis(["f1_disgust", "n"], axis=1)
    return table.astype({"n": int}).rename_axis("faces")
