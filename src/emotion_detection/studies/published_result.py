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


def protocols(runs: list[Run]) -> pd.DataFrame:
    """Return one line per run: `run`, `protocol`, `input_px`, `pixels` (their range), `epochs`, `minutes`."""
    ranges = {"unit": "0 to 1", "symmetric": "−1 to 1"}
    return pd.DataFrame(
        {
            "run": run.name,
            "protocol": splits.describe(run.info["recipe"]),
            "input_px": run.info["recipe"]["input_px"],
            "pixels": ranges[run.info["recipe"]["scaling"]],
            "epochs": len(run.history),
            "minutes": run.minutes,
        }
        for run in runs
    )


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
    lines = {
        "replay: faces learned from": (replay, "Training"),
        "replay: faces never seen": (replay, "Unseen"),
        "official split: PrivateTest": (honest, "PrivateTest"),
    }
    rows = []
    for faces, (run, part) in lines.items():
        values = metrics.scores(run, split=part)
        low, high = values["accuracy_ci"]
        rows.append(
            {
                "faces": faces,
                "protocol": splits.describe(run.info["recipe"]),
                "accuracy": values["accuracy"],
                "accuracy_low": low,
                "accuracy_high": high,
                "n": values["n"],
                "accuracy_deduplicated": values["accuracy_deduplicated"],
            }
        )
    return pd.DataFrame(rows).astype({"accuracy_deduplicated": float})


def epoch_choice(run: Run) -> dict:
    """Return what choosing the epoch on PrivateTest buys.

    Returns:
        Epochs and PrivateTest accuracies (0–1) of the best epoch by PrivateTest, the best by PublicTest, and the last;
        `difference`: what the first is ahead of the second.
    """
    history = run.history
    by_private = history["private_accuracy_for_audit"].idxmax()
    chosen = {"private": by_private, "public": history["val_accuracy"].idxmax(), "last": history.index[-1]}
    found = {
        name: {"epoch": int(history["epoch"][at]), "accuracy": float(history["private_accuracy_for_audit"][at])}
        for name, at in chosen.items()
    }
    return found | {"difference": found["private"]["accuracy"] - found["public"]["accuracy"]}


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
    lines = [(name, at_the_same_mix, honest, at_the_same_mix - honest, np.nan, np.nan)]
    for name, recipes in MISTAKES.items():
        wrong, right = (runs[recipe].predictions["PublicTest"] for recipe in recipes)
        compared = comparison.compare(wrong, right)
        pair = (metrics.accuracy(wrong), metrics.accuracy(right))
        lines.append((name, *pair, compared.difference, *compared.difference_ci))
    columns = ("mistake", "accuracy_with", "accuracy_without", "difference", "difference_low", "difference_high")
    return pd.DataFrame(lines, columns=columns)


def summary(replay: Run, honest: Run) -> dict:
    """Return the numbers of the README's paragraph on the published figure.

    Returns:
        `published_n`, `published_accuracy`, `learned_share`, `epochs`, `protocol` (of the replay), `learned_accuracy`,
        `unseen_accuracy`, `unseen_n`, `official_accuracy`, `official_low`, `official_high`, `official_deduplicated`.
    """
    claim, table = published(), scores(replay, honest).set_index("faces")
    learned, unseen, official = (table.loc[name] for name in table.index)
    return {
        "published_n": claim["n"],
        "published_accuracy": claim["accuracy"],
        "learned_share": splits.LEARNED_SHARE,
        "epochs": len(replay.history),
        "protocol": learned["protocol"],
        "learned_accuracy": float(learned["accuracy"]),
        "unseen_accuracy": float(unseen["accuracy"]),
        "unseen_n": int(unseen["n"]),
        "official_accuracy": float(official["accuracy"]),
        "official_low": float(official["accuracy_low"]),
        "official_high": float(official["accuracy_high"]),
        "official_deduplicated": float(official["accuracy_deduplicated"]),
    }


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
