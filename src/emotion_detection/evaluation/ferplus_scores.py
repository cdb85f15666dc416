"""What a run's record keeps of FER+: counts against its labels, so that scores are made again without the votes."""

import dataclasses

import numpy as np

from emotion_detection.data import ferplus, summaries
from emotion_detection.data.dataset import TEST_SPLITS
from emotion_detection.errors import DataError
from emotion_detection.evaluation import leakage, metrics, mistakes, resampling
from emotion_detection.runs import store
from emotion_detection.runs.run import Predictions, Run

NO_MAJORITY = -1


def record(name: str) -> Run:
    """Count a recorded run's answers against FER+'s votes and write the counts into its `run.json`.

    Raises:
        MissingFileError: the votes are not at hand.
        DataError: the run's rows are not FER2013's, so that votes cannot be joined.
    """
    run = store.load_run(name)
    if run.is_sample or not run.info["data"].get("has_official_rows", True):
        raise DataError(
            f"{run.name} was trained on {run.info['data']['name']} without FER2013's row numbers, so FER+'s votes "
            "cannot be joined. Name a run that was trained on fer2013.csv."
        )
    votes, twins = ferplus.load_ferplus(), summaries.load_twins()
    splits = [split for split in TEST_SPLITS if split in run.predictions]
    counted = {split: counts_of(run.predictions[split], votes, twins) for split in splits}
    info = run.info | {"ferplus": (run.info.get("ferplus") or {}) | counted}
    store.write_run(name, info, run.history, run.predictions)
    return dataclasses.replace(run, info=info)


def counts_of(predictions: Predictions, votes: ferplus.FerPlus, twins: dict[str, np.ndarray]) -> dict:
    """Return scores and counts of one split's answers against FER+.

    Returns:
        `n` and `accuracy` against the strict majority, `confusion` (a row per class of `ferplus.CLASSES`, a column per
        answer, seven or eight), the same under `deduplicated`, and `by_agreement` as `mistakes.by_agreement` counts it.
    """
    kept = leakage.without_twins(predictions, twins)
    return {
        **_against_majority(predictions, votes),
        "deduplicated": _against_majority(kept, votes),
        "by_agreement": mistakes.by_agreement(predictions, votes),
    }


def _against_majority(predictions: Predictions, votes: ferplus.FerPlus) -> dict:
    labels = votes.majority(strict=True)[predictions.row]
    counts = np.zeros((len(ferplus.CLASSES), predictions.logits.shape[1]), int)
    counted = labels >= 0
    np.add.at(counts, (labels[counted], predictions.predicted[counted]), 1)
    return ferplus_strict(predictions, labels) | {"confusion": counts.tolist()}


def ferplus_strict(predictions: Predictions, labels: np.ndarray) -> dict:
    """Score predictions against the strict majority (more than half) of the FER+ votes.

    Args:
        predictions: of one split.
        labels: int8 array (n,), aligned with `predictions.row`: 0–6 a FER2013 class, 7 contempt (no class of ours,
            so always an error), -1 no strict majority (left out).

    Returns:
        `n`, the number of faces with a strict majority, and `accuracy` on them, 0–1 (None if n is 0).

    Raises:
        DataError: the labels are not aligned or out of range.
    """
    labels = np.asarray(labels)
    if (
        labels.shape != predictions.label.shape
        or not np.isin(labels, np.arange(NO_MAJORITY, ferplus.CONTEMPT + 1)).all()
    ):
        raise DataError(
            f"FER+ labels have shape {labels.shape} and values {np.unique(labels).tolist()}, expected "
            f"({len(predictions)},) with -1–7. Use data.ferplus.strict_majority_labels(predictions.row)."
        )
    counted = labels != NO_MAJORITY
    n = int(np.count_nonzero(counted))
    right = predictions.predicted[counted] == labels[counted]
    return {"n": n, "accuracy": float(right.mean()) if n else None}


def scores(recorded: dict) -> dict:
    """Return accuracy and macro-F1 with 95 % bootstrap intervals from a recorded confusion with FER+'s labels.

    For a network of seven classes contempt has no answer that could be right: its faces count as errors in the accuracy
    and, in macro-F1, which is over the classes that the network has, as wrong answers of the emotion that was named.

    Returns:
        `n`, `accuracy`, `accuracy_ci`, `macro_f1`, `macro_f1_ci`, and by emotion `f1` and `f1_ci`; 0–1.
    """
    answered = np.array(recorded["confusion"])
    names = ferplus.CLASSES[: answered.shape[1]]
    counts = np.pad(answered, [(0, 0), (0, len(ferplus.CLASSES) - len(names))])
    drawn = resampling.resampled_confusions(counts)
    both = np.concatenate([counts[None], drawn])
    accuracy = metrics.accuracy_of(both)
    f1 = metrics.f1_of(both)[:, : len(names)]
    macro_f1 = f1.mean(axis=1)
    return {
        "n": int(counts.sum()),
        "accuracy": float(accuracy[0]),
        "accuracy_ci": resampling.percentile_interval(accuracy[1:]),
        "macro_f1": float(macro_f1[0]),
        "macro_f1_ci": resampling.percentile_interval(macro_f1[1:]),
        "f1": dict(zip(names, f1[0].tolist(), strict=True)),
        "f1_ci": {name: resampling.percentile_interval(f1[1:, index]) for index, name in enumerate(names)},
    }
