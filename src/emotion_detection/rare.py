"""What helps the rare emotions: tables that compare arms by predictions in folds of Training."""

import numpy as np
import pandas as pd

from emotion_detection import evaluation, runs
from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.reports import percent

RARE = ("disgust", "surprise")
"""The emotions whose faces the older repository multiplies."""


def arms_table(found: list[runs.Run]) -> pd.DataFrame:
    """Return accuracy, macro-F1 and the F1 of the rare emotions per arm, from predictions in folds, as text."""
    lines = []
    for run in found:
        predictions = run.predictions["Folds"]
        f1 = evaluation.per_class(predictions)["f1"]
        lines.append(
            {
                "Arm": evaluation.display_name(run),
                "Accuracy": percent(evaluation.accuracy(predictions)),
                "Macro-F1": f"{f1.mean():.3f}",
                **{f"F1 {DISPLAY_NAMES[name]}": f"{f1[name]:.3f}" for name in RARE},
                "n": f"{len(predictions):,}",
            }
        )
    return pd.DataFrame(lines)


def differences(found: list[runs.Run], plain: runs.Run) -> dict[str, pd.DataFrame]:
    """Return, per arm, `evaluation.compare_f1` against the plain arm."""
    return {
        evaluation.display_name(run): evaluation.compare_f1(run.predictions["Folds"], plain.predictions["Folds"])
        for run in found
    }


def chosen_arm(found: list[runs.Run], plain: runs.Run) -> runs.Run:
    """Return the arm with the highest mean F1 of the rare emotions, or `plain` where none is better beyond chance.

    Better beyond chance: the 95 % paired interval of that arm's gain in macro-F1 lies above zero.
    """
    rare = {run.name: evaluation.per_class(run.predictions["Folds"])["f1"][list(RARE)].mean() for run in found}
    best = max(found, key=lambda run: rare[run.name])
    gain = evaluation.compare_f1(best.predictions["Folds"], plain.predictions["Folds"])
    return best if gain.loc["macro", "low"] > 0 else plain


def verdict(found: list[runs.Run], plain: runs.Run) -> str:
    """Return in words, per rare emotion, which arms differ from the plain one beyond chance."""
    sentences = []
    tables = differences(found, plain)
    for emotion in RARE:
        clear = {name: table.loc[emotion] for name, table in tables.items()}
        clear = {name: line for name, line in clear.items() if line["low"] > 0 or line["high"] < 0}
        told = "; ".join(
            f"{name} {100 * line['difference']:+.1f} points ({100 * line['low']:+.1f} to {100 * line['high']:+.1f})"
            for name, line in clear.items()
        )
        sentences.append(f"**{DISPLAY_NAMES[emotion]}**: {told or 'no difference found for any arm'}.")
    return " ".join(sentences)


def moved_confusions(arm: runs.Run, plain: runs.Run, *, largest: int = 6) -> pd.DataFrame:
    """Return the confusions that change most from the plain arm to another, in faces, as text.

    Args:
        arm: a run in folds.
        plain: the plain arm, on the same faces.
        largest: how many lines.
    """
    before, after = (evaluation.confusion(run.predictions["Folds"]) for run in (plain, arm))
    change = after - before
    order = np.argsort(-np.abs(change), axis=None, kind="stable")[:largest]
    lines = [
        {
            "Label": DISPLAY_NAMES[EMOTIONS[label]],
            "Answer": DISPLAY_NAMES[EMOTIONS[answer]],
            "Plain": f"{before[label, answer]:,}",
            evaluation.display_name(arm): f"{after[label, answer]:,}",
            "Change": f"{change[label, answer]:+,}",
        }
        for label, answer in zip(*np.unravel_index(order, change.shape), strict=True)
    ]
    return pd.DataFrame(lines)
