"""Scores of recorded runs, from their predictions alone: no network, no pictures, no Keras.

Intervals are 95 % percentile bootstrap intervals, stratified by class: each resample draws, for each class, as many
faces as it has, with replacement, from that class. Drawing n faces of one class and counting what was answered is a
multinomial draw of size n with that class's row of the confusion matrix as probabilities, so whole confusion
matrices are drawn instead of rows: the same distribution, thousands of times less work.
"""

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import optimize, special, stats
from sklearn import metrics

from emotion_detection.data.dataset import OWN_PICTURES, TEST_SPLITS
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.runs.store import Predictions, Run

logger = logging.getLogger(__name__)

RESAMPLES = 2000
SEED = 0
LEVEL = 0.95
CALIBRATION_BINS = 15
CONTEMPT = 7
DEFAULT_PARTS = ("PrivateTest", "PublicTest", "Unseen", "Folds")
NO_MAJORITY = -1
DECIMALS = 6
"""Scores are rounded to so many decimals, which hides differences between machines in the last bits."""

CLASS_INDICES = np.arange(len(EMOTIONS))


# Scores of one set of predictions


def confusion(predictions: Predictions) -> np.ndarray:
    """Count answers per class: int64 array (7, 7), a row per FER2013 label, a column per answer.

    Raises:
        DataError: there are no predictions.
    """
    if not len(predictions):
        raise DataError(f"There is nothing to score: {predictions.split} has 0 predictions. Choose rows that exist.")
    return metrics.confusion_matrix(predictions.label, predictions.predicted, labels=CLASS_INDICES)


def accuracy(predictions: Predictions) -> float:
    """Return the share of faces whose label has the highest logit, 0–1."""
    return float(accuracy_of(confusion(predictions)))


def macro_f1(predictions: Predictions, *, classes: Sequence[str] = EMOTIONS) -> float:
    """Return the mean F1 of the classes, 0–1; one without faces and without answers counts as 0."""
    return float(per_class(predictions)["f1"][list(classes)].mean())


def weighted_f1(predictions: Predictions) -> float:
    """Return the mean F1 of the classes, weighted by their number of faces, 0–1."""
    table = per_class(predictions)
    return float(np.average(table["f1"], weights=table["support"]))


def per_class(predictions: Predictions) -> pd.DataFrame:
    """Return precision, recall and F1 (0–1) and support (number of faces), one row per emotion."""
    if not len(predictions):
        confusion(predictions)  # raises
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        predictions.label, predictions.predicted, labels=CLASS_INDICES, zero_division=0.0
    )
    columns = {"precision": precision, "recall": recall, "f1": f1, "support": support}
    return pd.DataFrame(columns, index=pd.Index(EMOTIONS, name="emotion"))


def accuracy_of(counts: np.ndarray) -> np.ndarray:
    """Return accuracy of confusion matrices (..., 7, 7)."""
    return np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1))


def f1_of(counts: np.ndarray) -> np.ndarray:
    """Return the seven F1 of confusion matrices (..., 7, 7), 0 where a class has neither faces nor answers."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    seen = counts.sum(axis=-1) + counts.sum(axis=-2)
    return 2 * right / np.maximum(seen, 1)


# Intervals


@dataclasses.dataclass(frozen=True)
class Intervals:
    """95 % bootstrap intervals (low, high) of the scores of one set of predictions, each 0–1.

    Args:
        accuracy: two floats.
        macro_f1: two floats.
        weighted_f1: two floats.
        f1: float64 array (7, 2), a row per emotion.
    """

    accuracy: tuple[float, float]
    macro_f1: tuple[float, float]
    weighted_f1: tuple[float, float]
    f1: np.ndarray


def resampled_confusions(counts: np.ndarray, *, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """Draw confusion matrices as a bootstrap stratified by class would.

    Args:
        counts: int array (7, 7), rows are labels.
        resamples: how many to draw.
        seed: of numpy's default generator.

    Returns:
        int64 array (resamples, 7, 7), each with the same row sums as `counts`.
    """
    support = counts.sum(axis=1)
    shares = counts / np.maximum(support, 1)[:, None]
    shares[support == 0, 0] = 1.0  # any distribution will do: nothing is drawn from it
    return np.random.default_rng(seed).multinomial(support, shares, size=(resamples, len(support)))


def bootstrap(
    predictions: Predictions, *, resamples: int = RESAMPLES, seed: int = SEED, classes: Sequence[str] = EMOTIONS
) -> Intervals:
    """Return 95 % intervals of accuracy, macro-F1 (over `classes`), weighted F1 and the F1 of each class."""
    counts = confusion(predictions)
    drawn = resampled_confusions(counts, resamples=resamples, seed=seed)
    f1, support = f1_of(drawn), counts.sum(axis=1)
    return Intervals(
        accuracy=interval(accuracy_of(drawn)),
        macro_f1=interval(f1[:, [EMOTIONS.index(name) for name in classes]].mean(axis=1)),
        weighted_f1=interval(f1 @ support / support.sum()),
        f1=np.array([interval(f1[:, index]) for index in CLASS_INDICES]),
    )


def f1_with_intervals(predictions: Predictions, *, resamples: int = RESAMPLES, seed: int = SEED) -> pd.DataFrame:
    """Return `per_class` with two more columns, `f1_low` and `f1_high`: the 95 % interval of each F1."""
    intervals = bootstrap(predictions, resamples=resamples, seed=seed)
    return per_class(predictions).assign(f1_low=intervals.f1[:, 0], f1_high=intervals.f1[:, 1])


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile interval of resampled scores (n,)."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def share_interval(count: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, `count` of `n` faces, by Wilson's formula; (0, 1) for no faces.

    Reference: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    if not n:
        return 0.0, 1.0
    interval = stats.binomtest(count, n).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


# Rows without twins in Training


def load_twins() -> dict[str, np.ndarray]:
    """Return the recorded rows that have a twin in Training.

    Returns:
        int32 arrays of row numbers: `PublicTest_identical`, `PublicTest_near`, `PrivateTest_identical`,
        `PrivateTest_near` (near: correlation > 0.95, identical ones included).

    Raises:
        MissingFileError: they are not recorded.
    """
    from emotion_detection.data import summaries

    return summaries.load_twins()


def without_twins(predictions: Predictions, twins: dict[str, np.ndarray], *, kind: str = "identical") -> Predictions:
    """Return the predictions of those rows that have no twin in Training.

    Args:
        predictions: of one split.
        twins: int32 arrays of row numbers, as `load_twins` returns them.
        kind: "identical" leaves out pixel-identical twins, "near" also those with correlation > 0.95.

    Raises:
        UnknownNameError: `twins` holds no such list for this split.
    """
    key = f"{predictions.split}_{kind}"
    if key not in twins:
        raise UnknownNameError(
            f"No list of twins is named {key!r}; there are {sorted(twins)}. Use kind 'identical' or 'near' and a test "
            "split, or record the lists again with emotion_detection.data.summaries.record()."
        )
    return select(predictions, ~np.isin(predictions.row, twins[key]))


def select(predictions: Predictions, keep: np.ndarray) -> Predictions:
    """Return the predictions where the boolean array `keep` (n,) is true."""
    return dataclasses.replace(
        predictions, row=predictions.row[keep], label=predictions.label[keep], logits=predictions.logits[keep]
    )


# Two runs on the same faces


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two networks on the same faces: `difference` is the first's accuracy minus the second's, −1–1.

    Args:
        n: number of faces.
        only_first: faces that only the first got right.
        only_second: faces that only the second got right.
        difference: (only_first − only_second) / n.
        difference_ci: 95 % paired bootstrap interval of `difference`.
        p_value: exact two-sided McNemar test: how often chance alone would split the faces that only one got right
            at least this unevenly.
    """

    n: int
    only_first: int
    only_second: int
    difference: float
    difference_ci: tuple[float, float]
    p_value: float


def compare(first: Predictions, second: Predictions, *, resamples: int = RESAMPLES, seed: int = SEED) -> Comparison:
    """Compare the accuracy of two sets of predictions on the same rows, in any order.

    Raises:
        DataError: the rows or their labels differ.

    Reference: McNemar 1947, doi:10.1007/BF02295996 (exact binomial form).
    """
    first, second = _aligned(first, second)
    right_first, right_second = first.predicted == first.label, second.predicted == second.label
    only_first = int(np.count_nonzero(right_first & ~right_second))
    only_second = int(np.count_nonzero(~right_first & right_second))
    differences = right_first.astype(int) - right_second.astype(int)
    return Comparison(
        n=len(first),
        only_first=only_first,
        only_second=only_second,
        difference=float(differences.mean()),
        difference_ci=_paired_interval(differences, first.label, resamples, seed),
        p_value=_mcnemar(only_first, only_second),
    )


def compare_f1(
    first: Predictions, second: Predictions, *, resamples: int = RESAMPLES, seed: int = SEED
) -> pd.DataFrame:
    """Compare the F1 of two sets of predictions on the same rows, in any order.

    Each resample draws faces of each class together with both answers to them, so the intervals are paired.

    Returns:
        A row per emotion, then "macro": `difference` (first minus second, −1–1), `low`, `high` (95 % interval).

    Raises:
        DataError: the rows or their labels differ.
    """
    first, second = _aligned(first, second)
    pairs = len(EMOTIONS) * first.predicted + second.predicted
    counts = metrics.confusion_matrix(first.label, pairs, labels=np.arange(len(EMOTIONS) ** 2))[: len(EMOTIONS)]
    drawn = np.concatenate([counts[None], resampled_confusions(counts, resamples=resamples, seed=seed)])
    both = drawn.reshape(-1, len(EMOTIONS), len(EMOTIONS), len(EMOTIONS))  # resample, label, first's answer, second's
    differences = f1_of(both.sum(axis=3)) - f1_of(both.sum(axis=2))
    differences = np.concatenate([differences, differences.mean(axis=1, keepdims=True)], axis=1)
    intervals = [interval(differences[1:, column]) for column in range(len(EMOTIONS) + 1)]
    return pd.DataFrame(
        {"difference": differences[0], "low": [low for low, _ in intervals], "high": [high for _, high in intervals]},
        index=pd.Index([*EMOTIONS, "macro"], name="emotion"),
    )


def _aligned(first: Predictions, second: Predictions) -> tuple[Predictions, Predictions]:
    """Return both in the order of their row numbers, after checking that they are about the same faces."""
    first, second = (select(each, np.argsort(each.row, kind="stable")) for each in (first, second))
    if not len(first) or not np.array_equal(first.row, second.row) or not np.array_equal(first.label, second.label):
        common = np.intersect1d(first.row, second.row).size
        raise DataError(
            f"The two runs are not about the same labelled faces: {len(first):,} rows of {first.split} and "
            f"{len(second):,} of {second.split}, {common:,} in common. Compare runs on one split of one data set."
        )
    return first, second


def _mcnemar(only_first: int, only_second: int) -> float:
    discordant = only_first + only_second
    return float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0


def _paired_interval(differences: np.ndarray, label: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    """Resample faces (stratified by class) with both answers to each, through counts of −1, 0 and 1 per class."""
    counts = np.zeros((len(EMOTIONS), 3), dtype=np.int64)
    np.add.at(counts, (label, differences + 1), 1)
    drawn = resampled_confusions(counts, resamples=resamples, seed=seed).sum(axis=1)
    return interval((drawn[:, 2] - drawn[:, 0]) / len(label))


# FER+


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
    if labels.shape != predictions.label.shape or not np.isin(labels, np.arange(NO_MAJORITY, CONTEMPT + 1)).all():
        raise DataError(
            f"FER+ labels have shape {labels.shape} and values {np.unique(labels).tolist()}, expected "
            f"({len(predictions)},) with -1–7. Use datasets.ferplus.strict_majority_labels(predictions.row)."
        )
    counted = labels != NO_MAJORITY
    n = int(np.count_nonzero(counted))
    right = predictions.predicted[counted] == labels[counted]
    return {"n": n, "accuracy": float(right.mean()) if n else None}


# Calibration


def reliability(predictions: Predictions, *, temperature: float = 1.0, bins: int = CALIBRATION_BINS) -> pd.DataFrame:
    """Return how often the network is right per bin of its confidence (the highest probability).

    Args:
        predictions: of one split.
        temperature: divides the logits.
        bins: number of equal-width bins over 0–1; each holds its upper edge.

    Returns:
        One row per bin: `low`, `high` (edges), `n`, `confidence` and `accuracy` (means, NaN in an empty bin).
    """
    confidence, right, index = _binned(predictions, temperature, bins)
    edges = np.linspace(0.0, 1.0, bins + 1)
    n = np.bincount(index, minlength=bins)
    filled = np.where(n > 0, n, np.nan)
    columns = {
        "low": edges[:-1],
        "high": edges[1:],
        "n": n,
        "confidence": np.bincount(index, weights=confidence, minlength=bins) / filled,
        "accuracy": np.bincount(index, weights=right, minlength=bins) / filled,
    }
    return pd.DataFrame(columns)


def _binned(predictions: Predictions, temperature: float, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each face's confidence, whether its answer is right, and the bin of its confidence: arrays (n,)."""
    confidence = predictions.probabilities(temperature).max(axis=1)
    index = np.digitize(confidence, np.linspace(0.0, 1.0, bins + 1)[1:-1], right=True)
    return confidence, predictions.predicted == predictions.label, index


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Return the mean gap between confidence and accuracy of `reliability`'s bins, weighted by their n, 0–1.

    Reference: Guo et al. 2017, arXiv:1706.04599.
    """
    gaps = (table["confidence"] - table["accuracy"]).abs().fillna(0.0)
    return float(np.average(gaps, weights=table["n"]))


def calibration_interval(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    bins: int = CALIBRATION_BINS,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the expected calibration error, 0–1.

    A gap is never below zero, so that chance alone makes resampled errors a little larger than the one observed: the
    interval is rather too high than too low.
    """
    confidence, right, index = _binned(predictions, temperature, bins)
    gaps, generator, n = confidence - right, np.random.default_rng(seed), len(predictions)
    drawn = (generator.integers(n, size=n) for _ in range(resamples))
    return interval(np.array([_mean_gap(index[rows], gaps[rows]) for rows in drawn]))


def calibration_by_chance(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    bins: int = CALIBRATION_BINS,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> float:
    """Return the calibration error to expect were every confidence exactly right, 0–1: that of so few faces by chance.

    Answers are drawn as right with the probability that the network names; the mean over `resamples` draws.
    """
    confidence, _, index = _binned(predictions, temperature, bins)
    generator, n = np.random.default_rng(seed), len(predictions)
    drawn = (confidence - (generator.random(n) < confidence) for _ in range(resamples))
    return float(np.mean([_mean_gap(index, gaps) for gaps in drawn]))


def _mean_gap(index: np.ndarray, gaps: np.ndarray) -> float:
    """Return the calibration error of faces in bins `index` whose confidence is right or wrong by `gaps`, 0–1."""
    return np.abs(np.bincount(index, gaps)).sum() / len(gaps)


def negative_log_likelihood(predictions: Predictions, *, temperature: float = 1.0) -> float:
    """Return the mean of −log(probability of the label), in nats."""
    return float(np.mean(_surprises(predictions, temperature)))


def _surprises(predictions: Predictions, temperature: float) -> np.ndarray:
    """Return −log(probability of the label) of each face, float64 (n,), in nats."""
    logits = predictions.logits.astype(np.float64) / temperature
    return special.logsumexp(logits, axis=1) - logits[np.arange(len(predictions)), predictions.label]


def compare_likelihood(first: Predictions, second: Predictions) -> dict[str, float]:
    """Compare the negative log-likelihood of two sets of predictions on the same rows, in any order.

    Each is calibrated first, by the temperature fitted on these predictions. As every face counts by how probable its
    label is held, smaller differences show than in accuracy, to which only faces near a decision contribute.

    Returns:
        `first`, `second` (nats, calibrated), `difference` (first minus second: below zero the first is better), `low`
        and `high` (95 % paired interval by the normal approximation, stratified by class).

    Raises:
        DataError: the rows or their labels differ, or they are on PrivateTest.
    """
    first, second = _aligned(first, second)
    one, other = (_surprises(each, fit_temperature(each)) for each in (first, second))
    differences = pd.Series(one - other).groupby(first.label)
    variance = float((differences.var().fillna(0.0) * differences.size()).sum()) / len(first) ** 2
    mean, half = float(np.mean(one - other)), float(stats.norm.ppf(0.975)) * variance**0.5
    values = {"first": float(one.mean()), "second": float(other.mean())}
    return values | {"difference": mean, "low": mean - half, "high": mean + half}


def fit_temperature(predictions: Predictions) -> float:
    """Return the temperature (0.05–20) that makes PublicTest's labels most likely.

    Raises:
        DataError: the predictions are on PrivateTest, which is for reporting, not for choosing.
    """
    if predictions.split == "PrivateTest":
        raise DataError("A temperature was to be fitted on PrivateTest, which is for reporting. Fit it on PublicTest.")
    found = optimize.minimize_scalar(
        lambda log_temperature: negative_log_likelihood(predictions, temperature=np.exp(log_temperature)),
        bounds=(np.log(0.05), np.log(20.0)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


# Recorded runs


def of_split(run: Run, split: str | None = None) -> Predictions:
    """Return a run's predictions on a part; by default PrivateTest where that is recorded, else PublicTest or Unseen.

    Raises:
        DataError: that split is not recorded.
    """
    split = split or next((part for part in DEFAULT_PARTS if part in run.predictions), "PublicTest")
    if split not in run.predictions:
        raise DataError(
            f"Run {run.name} has no predictions on {split}; recorded: {', '.join(run.predictions) or 'none'}. "
            f"Once it is finished, make those on PrivateTest: python -m emotion_detection evaluate {run.name} --final"
        )
    return run.predictions[split]


def is_sample(run: Run) -> bool:
    """Return whether a run was trained on the drawn sample, so that its scores are no result."""
    return not is_of_pictures(run) and "sample" in _data_name(run)


def is_of_pictures(run: Run) -> bool:
    """Return whether a run was trained on a reader's own pictures."""
    return _data_name(run).startswith(OWN_PICTURES)


def classes_of(run: Run) -> list[str]:
    """Return the emotions that the run's data set has: all seven, or those of a reader's own pictures."""
    data = run.info["data"]
    return list(data.get("classes", EMOTIONS) if isinstance(data, dict) else EMOTIONS)


def _data_name(run: Run) -> str:
    data = run.info["data"]
    return data.get("name", "") if isinstance(data, dict) else str(data)


def _labels_of(run: Run) -> str:
    if is_of_pictures(run):
        return _data_name(run)
    return "drawn sample" if is_sample(run) else "FER2013"


def scores(
    run: Run, *, split: str | None = None, temperature: float | None = None, twins: dict[str, np.ndarray] | None = None
) -> dict:
    """Return all scores of a recorded run as plain numbers, ready for JSON.

    Args:
        run: a recorded run.
        split: a part of the record, such as "PublicTest"; by default as `of_split` chooses it.
        temperature: divides the logits for `ece`; by default the one recorded in run.json, else 1.0.
        twins: as `load_twins` returns them, which is the default.

    Returns:
        `run, split, labels, n, accuracy, accuracy_ci, macro_f1, macro_f1_ci, weighted_f1, f1, n_deduplicated,
        accuracy_deduplicated, n_near_twin_free, accuracy_near_twin_free, ferplus_strict, ferplus_source, ece,
        temperature, notes`. Scores are 0–1, intervals [low, high]; what is not known is None and a sentence in
        `notes` says why.

    Raises:
        DataError: that split is not recorded.
    """
    predictions, notes, classes = of_split(run, split), [], classes_of(run)
    table, intervals = per_class(predictions).loc[classes], bootstrap(predictions, classes=classes)
    if len(classes) < len(EMOTIONS):
        notes.append(f"Macro-F1 is over the {len(classes)} emotions of this data set: {', '.join(classes)}.")
    values = {
        "run": run.name,
        "split": predictions.split,
        "labels": _labels_of(run),
        "n": len(predictions),
        "accuracy": accuracy(predictions),
        "accuracy_ci": list(intervals.accuracy),
        "macro_f1": table["f1"].mean(),
        "macro_f1_ci": list(intervals.macro_f1),
        "weighted_f1": weighted_f1(predictions),
        "f1": table["f1"].to_dict(),
        **_twin_free_scores(run, predictions, twins, notes),
        **_recorded_ferplus(run, predictions.split, notes),
        **_calibration(run, predictions, temperature, notes),
        "notes": notes,
    }
    return _rounded(values)


def _twin_free_scores(run: Run, predictions: Predictions, twins: dict | None, notes: list[str]) -> dict:
    names = {"identical": "deduplicated", "near": "near_twin_free"}
    twins = _twins_of(run, notes) if twins is None else twins
    values = {}
    if predictions.split == "Training":
        notes.append("Not a result: these are the rows that the network learned from.")
    if twins and f"{predictions.split}_near" not in twins:
        notes.append(f"No list of twins is recorded for {predictions.split}.")
        twins = None
    for kind, name in names.items():
        kept = without_twins(predictions, twins, kind=kind) if twins else None
        values[f"n_{name}"] = len(kept) if twins else None
        values[f"accuracy_{name}"] = accuracy(kept) if twins else None
    return values


def _twins_of(run: Run, notes: list[str]) -> dict[str, np.ndarray] | None:
    if is_sample(run):
        notes.append("Drawn sample: not a result; the recorded twins are about FER2013, so no score without twins.")
        return None
    if is_of_pictures(run):
        notes.append("Twins among these pictures are in one split, so no face that is scored has one in Training.")
        kinds = ("identical", "near")
        return {f"{split}_{kind}": np.empty(0, np.int32) for split in TEST_SPLITS for kind in kinds}
    if run.info["recipe"].get("pool_all_splits_as_published"):
        return _twins_of_unseen(run, notes)
    if not run.info["data"].get("has_official_rows", True):
        notes.append("The copy of FER2013 has no official row numbers, so no score without twins.")
        return None
    try:
        return load_twins()
    except MissingFileError as error:
        logger.warning("No scores without twins: %s", error)
        notes.append(f"No scores without twins: {error}")
        return None


def _twins_of_unseen(run: Run, notes: list[str]) -> dict[str, np.ndarray] | None:
    """Return the unseen rows with a twin among those learned from, where all splits were pooled."""
    from emotion_detection.data import duplicates, summaries

    rows = run.predictions["Unseen"].row
    try:
        found = duplicates.has_twin_among(rows, run.predictions["Training"].row, **summaries.load_clusters())
    except MissingFileError as error:
        notes.append(f"No scores without twins: {error}")
        return None
    return {f"Unseen_{kind}": rows[each] for kind, each in found.items()}


def _recorded_ferplus(run: Run, split: str, notes: list[str]) -> dict:
    recorded = (run.info.get("ferplus") or {}).get(split)
    if recorded is None:
        notes.append(f"run.json holds no FER+ score on {split}.")
        return {"ferplus_strict": None, "ferplus_source": None}
    origin = recorded.get("source", "recorded")
    if origin == "recorded":
        notes.append("The FER+ score is the one recorded in run.json: FER+ votes are not part of a record.")
    return {"ferplus_strict": {key: recorded[key] for key in ("n", "accuracy")}, "ferplus_source": origin}


def _calibration(run: Run, predictions: Predictions, temperature: float | None, notes: list[str]) -> dict:
    origin = "given"
    if temperature is None:
        temperature = run.info.get("temperature")
        origin = "recorded in run.json" if temperature is not None else "none recorded"
    temperature = 1.0 if temperature is None else float(temperature)
    notes.append(f"ece is at temperature {temperature:.4g} ({origin}), in {CALIBRATION_BINS} equal-width bins.")
    table = reliability(predictions, temperature=temperature)
    return {"ece": expected_calibration_error(table), "temperature": temperature}


def _rounded(value):
    """Return `value` with each float in it rounded to `DECIMALS`."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(float(value), DECIMALS) if isinstance(value, float | np.floating) else value


# Tables


def display_name(run: Run) -> str:
    """Return a run's recipe as figures and tables name it, such as "TL whole"; a seed other than 0 is added."""
    return f"{_recipe_name(run)}, seed {run.info['seed']}" if run.info["seed"] else _recipe_name(run)


def _recipe_name(run: Run) -> str:
    recipe = run.info["recipe"]
    return recipe.get("display_name", recipe.get("name", run.name)) if isinstance(recipe, dict) else str(recipe)


def table(runs: list[Run], *, split: str | None = None) -> pd.DataFrame:
    """Return one row per run, as text for the README and the notebooks: each score with its interval or its n."""
    return pd.DataFrame([_table_row(run, split) for run in runs])


def _table_row(run: Run, split: str | None) -> dict[str, str]:
    values = scores(run, split=split)
    ferplus = values["ferplus_strict"] or {"n": None, "accuracy": None}
    return {
        "Recipe": display_name(run),
        "Split": values["split"],
        "n": f"{values['n']:,}",
        "Accuracy (95 % interval)": with_interval(values["accuracy"], values["accuracy_ci"], percent=True),
        "Macro-F1 (95 % interval)": with_interval(values["macro_f1"], values["macro_f1_ci"], percent=False),
        "De-duplicated (n)": _with_n(values["accuracy_deduplicated"], values["n_deduplicated"]),
        "Near-twin-free (n)": _with_n(values["accuracy_near_twin_free"], values["n_near_twin_free"]),
        "FER+ strict majority (n)": _with_n(ferplus["accuracy"], ferplus["n"]),
    }


def with_interval(value: float, interval: list[float], *, percent: bool) -> str:
    """Return a score (0–1) with its interval as text, in percent or with three decimals."""
    low, high = interval
    if percent:
        return f"{100 * value:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
    return f"{value:.3f} ({low:.3f}–{high:.3f})"


def _with_n(value: float | None, n: int | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} % ({n:,})"


def over_seeds(runs: list[Run], *, split: str | None = None) -> pd.DataFrame:
    """Return one row per recipe: number of seeds, and mean and standard deviation of accuracy and macro-F1, 0–1.

    The standard deviation is the sample's (n − 1), NaN for a single seed.
    """
    rows = []
    for run in runs:
        predictions = of_split(run, split)
        f1 = macro_f1(predictions, classes=classes_of(run))
        rows.append({"recipe": _recipe_name(run), "accuracy": accuracy(predictions), "macro_f1": f1})
    grouped = pd.DataFrame(rows).groupby("recipe", sort=False)
    result = grouped.agg(["mean", "std"])
    result.columns = [f"{score}_{statistic}" for score, statistic in result.columns]
    result.insert(0, "seeds", grouped.size())
    return result


def to_markdown(frame: pd.DataFrame) -> str:
    """Return a table as GitHub Markdown, without its index; columns after the first are right-aligned."""
    header = [str(column).replace("|", "\\|") for column in frame.columns]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    lines += [[str(value).replace("|", "\\|") for value in row] for row in frame.itertuples(index=False)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
