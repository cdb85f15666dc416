"""Confidence: how well it agrees with accuracy, the temperature that mends it, and when to say "not sure"."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import optimize, special

from emotion_detection import files
from emotion_detection.data.dataset import TEST_SPLITS
from emotion_detection.errors import DataError
from emotion_detection.evaluation.resampling import RESAMPLES, SEED, percentile_interval
from emotion_detection.runs.run import Predictions, Run

CALIBRATION_BINS = 15
FOLDS = 5
EDGES = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)

WANTED_ACCURACY = 0.75
"""Three answers in four are to be right."""

THRESHOLDS = np.round(np.arange(0.0, 1.0, 0.05), 2)
"""Thresholds in a model card."""

FINE_THRESHOLDS = np.round(np.arange(0.0, 1.0, 0.01), 2)
"""Thresholds to choose from, and to draw curves with."""


def reliability(predictions: Predictions, *, temperature: float = 1.0) -> pd.DataFrame:
    """Return how often the network is right per bin of its confidence (the highest probability).

    Args:
        predictions: of one split.
        temperature: divides the logits.

    Returns:
        One row per bin, `CALIBRATION_BINS` of equal width over 0–1, each with its upper edge: `low`, `high` (edges),
        `n`, `confidence` and `accuracy` (means, NaN in an empty bin).
    """
    confidence, right, index = _binned(predictions, temperature)
    n, of_confidence, of_right = (
        np.bincount(index, weights=each, minlength=CALIBRATION_BINS) for each in (None, confidence, right)
    )
    filled = np.where(n > 0, n, np.nan)
    columns = {
        "low": EDGES[:-1],
        "high": EDGES[1:],
        "n": n,
        "confidence": of_confidence / filled,
        "accuracy": of_right / filled,
    }
    return pd.DataFrame(columns)


def _binned(predictions: Predictions, temperature: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each face's confidence, whether its answer is right, and the bin of its confidence: arrays (n,)."""
    confidence = predictions.probabilities(temperature).max(axis=1)
    index = np.digitize(confidence, EDGES[1:-1], right=True)
    return confidence, predictions.predicted == predictions.label, index


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Return the mean gap between confidence and accuracy of `reliability`'s bins, weighted by their n, 0–1.

    Reference: Guo et al. 2017, arXiv:1706.04599.
    """
    gaps = (table["confidence"] - table["accuracy"]).abs().fillna(0.0)
    return float(np.average(gaps, weights=table["n"]))


def calibration_interval(predictions: Predictions, *, temperature: float = 1.0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the expected calibration error, 0–1.

    A gap is never below zero, so that chance alone makes resampled errors a little larger than the one observed: the
    interval is rather too high than too low.
    """
    confidence, right, index = _binned(predictions, temperature)
    gaps, generator, n = confidence - right, np.random.default_rng(SEED), len(predictions)
    drawn = (generator.integers(n, size=n) for _ in range(RESAMPLES))
    return percentile_interval(np.array([_mean_gap(index[rows], gaps[rows]) for rows in drawn]))


def calibration_by_chance(predictions: Predictions, *, temperature: float = 1.0) -> float:
    """Return the calibration error to expect were every confidence exactly right, 0–1: that of so few faces by chance.

    Answers are drawn as right with the probability that the network names; the mean over many draws.
    """
    confidence, _, index = _binned(predictions, temperature)
    generator, n = np.random.default_rng(SEED), len(predictions)
    drawn = (confidence - (generator.random(n) < confidence) for _ in range(RESAMPLES))
    return float(np.mean([_mean_gap(index, gaps) for gaps in drawn]))


def _mean_gap(index: np.ndarray, gaps: np.ndarray) -> float:
    """Return the calibration error of faces in bins `index` whose confidence is right or wrong by `gaps`, 0–1."""
    return np.abs(np.bincount(index, gaps)).sum() / len(gaps)


def debiased_calibration_error(confidence: np.ndarray, outcome: np.ndarray) -> float:
    """Return how far confidence and outcome lie apart, without what chance adds; a root mean square, 0–1.

    Args:
        confidence: float array (n,), 0–1.
        outcome: float array (n,): whether the answer was right, or the share of people who gave it, 0–1.

    Returns:
        Over `CALIBRATION_BINS` bins of equally many faces, of the mean gap squared less its variance by chance; 0 where
        chance alone explains more than the gaps.

    Reference:
        Kumar et al. 2019, arXiv:1909.10155; why the plain error misleads: Roelofs et al. 2022, arXiv:2012.08668.
    """
    gaps = np.array_split((confidence - outcome)[np.argsort(confidence, kind="stable")], CALIBRATION_BINS)
    squares = sum(len(each) * each.mean() ** 2 - each.var(ddof=1) for each in gaps)
    return float(np.sqrt(max(squares / len(confidence), 0.0)))


def negative_log_likelihoods(predictions: Predictions, temperature: float) -> np.ndarray:
    """Return −log(probability of the label) of each face, float64 (n,), in nats."""
    logits = predictions.logits.astype(np.float64) / temperature
    return special.logsumexp(logits, axis=1) - logits[np.arange(len(predictions)), predictions.label]


def fit_temperature(predictions: Predictions) -> float:
    """Return the temperature (0.05–20) that makes PublicTest's labels most likely.

    Raises:
        DataError: the predictions are on PrivateTest, which is for reporting, not for choosing.
    """
    if predictions.split == "PrivateTest":
        raise DataError("A temperature was to be fitted on PrivateTest, which is for reporting. Fit it on PublicTest.")
    return temperature_for(predictions.logits, np.eye(predictions.logits.shape[1])[predictions.label])


def temperature_for(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the temperature (0.05–20) that makes targets, shares (n, classes), most likely by logits of that shape."""

    def loss(log_temperature: float) -> float:
        return -float((targets * special.log_softmax(logits / np.exp(log_temperature), axis=1)).sum(axis=1).mean())

    logits = logits.astype(np.float64)
    return _best_temperature(loss)


def temperature_for_answers(logits: np.ndarray, shares: np.ndarray) -> float:
    """Return the temperature (0.05–20) at which confidence fits best how many people agree with the network's answer.

    What counts is the confidence in that answer alone. `temperature_for` weighs the other classes, too, of which some
    get a vote at random now and then: that makes confident answers less sure than people are.

    Args:
        logits: float array (n, classes); the answer is the largest.
        shares: float array (n, classes): the share of people who gave each answer, rows summing to 1.
    """
    logits, rows = logits.astype(np.float64), np.arange(len(logits))
    answer = logits.argmax(axis=1)
    share = shares[rows, answer]

    def loss(log_temperature: float) -> float:
        chosen = special.log_softmax(logits / np.exp(log_temperature), axis=1)[rows, answer]
        return -float((share * chosen + (1 - share) * np.log(-np.expm1(np.minimum(chosen, -1e-12)))).mean())

    return _best_temperature(loss)


def held_out_probabilities(
    logits: np.ndarray, targets: np.ndarray, *, fit: Callable[[np.ndarray, np.ndarray], float] = temperature_for
) -> np.ndarray:
    """Return float64 (n, classes): of each of `FOLDS` parts of the faces at a temperature fitted to the others.

    Args:
        logits: float array (n, classes).
        targets: float array (n, classes), rows summing to 1.
        fit: from logits and targets to a temperature.
    """
    fold, held_out = np.random.default_rng(0).permutation(len(logits)) % FOLDS, np.empty(logits.shape)
    for number in range(FOLDS):
        temperature = fit(logits[fold != number], targets[fold != number])
        held_out[fold == number] = special.softmax(logits[fold == number].astype(np.float64) / temperature, axis=1)
    return held_out


def _best_temperature(loss: Callable[[float], float]) -> float:
    """Return the temperature (0.05–20) whose logarithm has the smallest loss."""
    bounds = (np.log(0.05), np.log(20.0))
    return float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))


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
    """Return `of_predictions` of a final run on both test splits."""
    parts = {split: run.predictions[split] for split in TEST_SPLITS}
    return of_predictions(parts, temperature=run.info["temperature"])


def of_predictions(parts: dict[str, Predictions], *, temperature: float, wanted: float = WANTED_ACCURACY) -> dict:
    """Return what a model card says about confidence: the threshold chosen on PublicTest, and a table of each split."""
    tables = {split: coverage(each, temperature=temperature) for split, each in parts.items()}
    return {
        "threshold": choose_threshold(parts["PublicTest"], temperature=temperature, wanted=wanted),
        "wanted_accuracy": wanted,
        "thresholds": THRESHOLDS.tolist(),
        **{
            split: {name: files.rounded(table[name].tolist()) for name in ("coverage", "accuracy")}
            for split, table in tables.items()
        },
    }
