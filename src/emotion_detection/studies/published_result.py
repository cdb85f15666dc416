"""Where the published 96.9 % comes from: what was published, and our recorded runs beside it as numbers."""

import numpy as np
import pandas as pd

from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.evaluation import comparison, metrics
from emotion_detection.runs.run import Run
from emotion_detection.training import splits

PUBLISHED_CONFUSION = np.array(
    [
        [3890, 2, 42, 23, 18, 1, 37],
        [2, 430, 5, 0, 8, 1, 1],
        [49, 2, 3944, 13, 49, 14, 27],
        [4, 0, 17, 7085, 21, 2, 9],
        [57, 0, 65, 22, 4627, 0, 82],
        [29, 1, 70, 38, 9, 3030, 25],
        [21, 0, 24, 51, 45, 0, 4817],
    ]
)
"""The confusion matrix in the published notebook (j-truong/Emotion-Detection, commit bd8f776, 2020): rows are labels,
columns answers, in FER2013's order."""

PUBLISHED_CURVES = {
    "TL top": {"learning": 0.317, "inference": 0.273},
    "TL 100": {"learning": 0.637, "inference": 0.292},
}
"""Accuracy at the end of two published regimes, while learning and in inference mode on the same images."""

AUGMENTED_PARTS = ("Unseen", "PublicTest")
"""Parts of the record of a run that was augmented before splitting: its own validation, and an official split."""

MISTAKES = {
    "pixels 0 to 1, at 96 px": ("tl_100_unit", "tl_100"),
    "pixels 0 to 1, at 48 px": ("tl_100_48_unit", "tl_100_48"),
    "48 px instead of 96 px": ("tl_100_48", "tl_100"),
}
"""Mistake → the recipe that makes it, and the same without it; both are scored on PublicTest."""

GAP_RUNS = {
    "TL top": ("published_top", "gap_top_batch", "gap_top_kept"),
    "TL 100": ("published_100", "gap_100_momentum", "gap_100_batch", "gap_100_both", "gap_100_kept"),
}
"""Regime → the replay and, after it, the same with batch norm switched; all on the same rows."""


def published() -> dict:
    """Return what the published confusion matrix says: n, accuracy, F1 per emotion (0–1)."""
    counts = PUBLISHED_CONFUSION
    f1 = pd.Series(metrics.f1_of(counts), index=EMOTIONS)
    return {"n": int(counts.sum()), "accuracy": float(metrics.accuracy_of(counts)), "f1": f1}


def f1_beside_published(replay: Run) -> pd.DataFrame:
    """Return F1 per emotion (0–1): as published, our replay on its training rows, and on rows that it never saw."""
    columns = {
        "published": published()["f1"],
        "replay, rows learned from": metrics.per_class(replay.predictions["Training"])["f1"],
        "replay, rows never seen": metrics.per_class(replay.predictions["Unseen"])["f1"],
    }
    return pd.DataFrame(columns).rename(index=DISPLAY_NAMES)


def scores(replay: Run, honest: Run) -> pd.DataFrame:
    """Return the replayed network on what it learned from and on what it never saw, and the honest run on PrivateTest.

    Args:
        replay: "published_whole", trained under the published protocol.
        honest: "honest_whole", final: the same settings on the official split.

    Returns:
        A row each: `faces`, `protocol`, `accuracy`, `accuracy_low`, `accuracy_high` (95 % bootstrap), `n`,
        `accuracy_deduplicated` (NaN on the rows learned from), 0–1.
    """
    lines = (
        ("replay: faces learned from", replay, "Training"),
        ("replay: faces never seen", replay, "Unseen"),
        ("official split: PrivateTest", honest, "PrivateTest"),
    )
    rows = []
    for faces, run, part in lines:
        found, row = metrics.scores(run, split=part), {"faces": faces, "protocol": splits.describe(run.info["recipe"])}
        row |= metrics.accuracy_with_interval(run.predictions[part])
        rows.append(row | {name: found[name] for name in ("n", "accuracy_deduplicated")})
    return pd.DataFrame(rows).astype({"accuracy_deduplicated": float})


def epoch_choice(run: Run) -> pd.DataFrame:
    """Return PrivateTest's accuracy after the epoch that each way chooses: what choosing on PrivateTest buys.

    Args:
        run: its history has the columns epoch, val_accuracy (PublicTest), private_accuracy_for_audit.

    Returns:
        Index `chosen_by` ("PrivateTest", "PublicTest", "last epoch"); columns `epoch`, `accuracy_privatetest` (0–1).
    """
    history = run.history.rename(columns={"private_accuracy_for_audit": "accuracy_privatetest"})
    chosen = {
        "PrivateTest": history["accuracy_privatetest"].idxmax(),
        "PublicTest": history["val_accuracy"].idxmax(),
        "last epoch": history.index[-1],
    }
    found = history.loc[list(chosen.values()), ["epoch", "accuracy_privatetest"]]
    return found.set_index(pd.Index(chosen, name="chosen_by"))


def mistakes(runs: dict[str, Run]) -> pd.DataFrame:
    """Return what each further mistake is worth on TL 100.

    Args:
        runs: recipe → run, of "augmented_before_split" and those of `MISTAKES`.

    Returns:
        A row per mistake: `mistake`, `accuracy_with`, `accuracy_without` (0–1), `difference` with its paired 95 %
        interval `difference_low`, `difference_high` (NaN where the two are on different faces).
    """
    run = runs["augmented_before_split"]
    own, official = (metrics.per_class(run.predictions[part]) for part in AUGMENTED_PARTS)
    at_the_same_mix = float(np.average(own["recall"], weights=official["support"]))
    honest = metrics.accuracy(run.predictions["PublicTest"])
    name = "augmented before splitting (own validation, at PublicTest's mix of emotions)"
    accuracies = {"accuracy_with": at_the_same_mix, "accuracy_without": honest}
    lines = [{"mistake": name, "difference": at_the_same_mix - honest} | accuracies]
    for name, recipes in MISTAKES.items():
        wrong, right = (runs[recipe].predictions["PublicTest"] for recipe in recipes)
        pair = {"accuracy_with": metrics.accuracy(wrong), "accuracy_without": metrics.accuracy(right)}
        lines.append({"mistake": name} | pair | comparison.compare(wrong, right))
    columns = ("mistake", "accuracy_with", "accuracy_without", "difference", "difference_low", "difference_high")
    return pd.DataFrame(lines, columns=columns)


def gaps(runs: dict[str, Run]) -> pd.DataFrame:
    """Return accuracy while learning and in inference mode on the same rows, after the last epoch of all `GAP_RUNS`.

    Returns:
        A row per run, after what was published for its regime: `regime`, `run`, `momentum`, `frozen_batch_norm` (None
        and NaN for the published ones), `learning_accuracy`, `inference_accuracy` (0–1), `difference`.
    """
    lines = []
    for regime, names in GAP_RUNS.items():
        curves = PUBLISHED_CURVES[regime]
        lines.append((regime, f"{regime}, as published there", np.nan, None, curves["learning"], curves["inference"]))
        for name in names:
            last, recipe = runs[name].history.iloc[-1], runs[name].info["recipe"]
            shown = runs[name].display_name.replace(" as published", ", replayed")
            momentum, frozen = recipe["batch_norm_momentum"], recipe["frozen_batch_norm"].replace("_", " ")
            lines.append((regime, shown, momentum, frozen, last["accuracy"], last["val_accuracy"]))
    columns = ("regime", "run", "momentum", "frozen_batch_norm", "learning_accuracy", "inference_accuracy")
    found = pd.DataFrame(lines, columns=columns)
    return found.assign(difference=found["learning_accuracy"] - found["inference_accuracy"])
