"""When to say "not sure": how many faces get an answer at a threshold, and how many of those answers are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotion_detection.errors import DataError

if TYPE_CHECKING:  # imported where a table is made: the live cell starts without them
    import pandas as pd

    from emotion_detection.runs.store import Predictions, Run

WANTED_ACCURACY = 0.75
"""Three answers in four are to be right."""

THRESHOLDS = np.round(np.arange(0.0, 1.0, 0.05), 2)
"""Thresholds that a model card tells about."""

FINE_THRESHOLDS = np.round(np.arange(0.0, 1.0, 0.01), 2)
"""Thresholds to choose from, and to draw curves with."""


def coverage(predictions: Predictions, *, temperature: float, thresholds: np.ndarray = THRESHOLDS) -> pd.DataFrame:
    """Return what a minimum confidence does to a set of predictions.

    Args:
        predictions: of one split.
        temperature: divides the logits.
        thresholds: float array of minimum confidences, 0–1.

    Returns:
        Columns `threshold`; `coverage`: share of faces whose highest probability reaches it; `accuracy`: share of
        these answers that are right (NaN without any).

    Reference: El-Yaniv and Wiener: On the Foundations of Noise-free Selective Classification. JMLR 11, 2010.
    """
    confidence = predictions.probabilities(temperature).max(axis=1)
    right = predictions.predicted == predictions.label
    answered = confidence[None] >= np.asarray(thresholds)[:, None]
    n = answered.sum(axis=1)
    accuracy = np.divide((answered & right).sum(axis=1), n, out=np.full(len(n), np.nan), where=n > 0)
    import pandas as pd

    return pd.DataFrame({"threshold": thresholds, "coverage": n / len(predictions), "accuracy": accuracy})


def choose_threshold(predictions: Predictions, *, temperature: float, wanted: float = WANTED_ACCURACY) -> float:
    """Return the smallest threshold (in hundredths) from which on PublicTest answers are right as often as wanted.

    Raises:
        DataError: the predictions are not those on PublicTest, or no threshold is enough.
    """
    if predictions.split != "PublicTest":
        raise DataError(f"A threshold was to be chosen on {predictions.split}. Choose it on PublicTest.")
    table = coverage(predictions, temperature=temperature, thresholds=FINE_THRESHOLDS)
    enough = table[table["accuracy"] >= wanted]
    if enough.empty:
        raise DataError(
            f"No minimum confidence makes {100 * wanted:.0f} % of the answers right; at best "
            f"{100 * table['accuracy'].max():.0f} % are. Ask for less."
        )
    return float(enough["threshold"].iloc[0])


def of_run(run: Run) -> dict:
    """Return what a model card says about a final run: the threshold chosen, and the table of both test splits."""
    temperature = run.info["temperature"]
    tables = {
        split: coverage(run.predictions[split], temperature=temperature) for split in ("PublicTest", "PrivateTest")
    }
    return {
        "threshold": choose_threshold(run.predictions["PublicTest"], temperature=temperature),
        "wanted_accuracy": WANTED_ACCURACY,
        "thresholds": THRESHOLDS.tolist(),
        **{
            split: {name: [_rounded(value) for value in table[name]] for name in ("coverage", "accuracy")}
            for split, table in tables.items()
        },
    }


def at_threshold(card: dict, threshold: float) -> tuple[float, float] | None:
    """Return coverage and accuracy on PrivateTest at a minimum confidence, 0–1 each; None where a card lacks them.

    Args:
        card: a model card with `confidence`, as `of_run` returns it.
        threshold: minimum confidence, 0–1; between the thresholds of the card values are interpolated.
    """
    known = card.get("confidence")
    if not known:
        return None
    table = known["PrivateTest"]
    right = [value for value in table["accuracy"] if value is not None]  # none at thresholds that no face reaches
    coverage = np.interp(threshold, known["thresholds"], table["coverage"])
    accuracy = np.interp(threshold, known["thresholds"][: len(right)], right)
    return float(coverage), float(accuracy)


def threshold_of(card: dict) -> float:
    """Return the minimum confidence that a model card chose; 0 where it says nothing."""
    return card.get("confidence", {}).get("threshold", 0.0)


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
