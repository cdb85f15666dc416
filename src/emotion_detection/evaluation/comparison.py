"""Two networks on the same faces: paired intervals, McNemar's test, F1 by emotion, likelihood."""

import itertools

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import confusion_matrix

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.evaluation.calibration import fit_temperature, negative_log_likelihoods
from emotion_detection.evaluation.metrics import f1_of
from emotion_detection.evaluation.resampling import percentile_interval, resampled_confusions
from emotion_detection.runs.run import Predictions, Run


def compare(first: Predictions, second: Predictions) -> dict[str, float]:
    """Compare the accuracy of two sets of predictions on the same rows, in any order.

    Returns:
        `difference` (the first's accuracy minus the second's, −1–1), `difference_low`, `difference_high` (95 % paired
        bootstrap interval), `only_first`, `only_second` (faces that only one got right), `p_value` (exact two-sided
        McNemar test: how often chance alone would split these faces at least this unevenly).

    Raises:
        DataError: the rows or their labels differ.

    Reference: McNemar 1947, doi:10.1007/BF02295996 (exact binomial form).
    """
    first, second = _aligned(first, second)
    differences = (first.predicted == first.label).astype(int) - (second.predicted == second.label)
    counts = np.zeros((len(EMOTIONS), 3), dtype=np.int64)  # of −1, 0 and 1 by class: faces with both answers to each
    np.add.at(counts, (first.label, differences + 1), 1)
    only_second, _, only_first = counts.sum(axis=0).tolist()
    drawn = resampled_confusions(counts).sum(axis=1)
    low, high = percentile_interval((drawn[:, 2] - drawn[:, 0]) / len(first))
    discordant = only_first + only_second
    return {
        "difference": float(differences.mean()),
        "difference_low": low,
        "difference_high": high,
        "only_first": only_first,
        "only_second": only_second,
        "p_value": float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0,
    }


def comparisons(runs: list[Run], *, split: str) -> pd.DataFrame:
    """Compare each run with the one before it: a row of `compare` per pair, such as "TL 100 against TL top"."""
    rows = {
        f"{run.display_name} against {before.display_name}": compare(run.predictions[split], before.predictions[split])
        for before, run in itertools.pairwise(runs)
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("compared")


def compare_f1(first: Predictions, second: Predictions) -> pd.DataFrame:
    """Compare the F1 of two sets of predictions on the same rows, in any order.

    Each resample draws faces of each class together with both answers to them, so the intervals are paired.

    Returns:
        A row per emotion, then "macro": `difference` (first minus second, −1–1), `low`, `high` (95 % interval).

    Raises:
        DataError: the rows or their labels differ.
    """
    first, second = _aligned(first, second)
    pairs = len(EMOTIONS) * first.predicted + second.predicted
    counts = confusion_matrix(first.label, pairs, labels=np.arange(len(EMOTIONS) ** 2))[: len(EMOTIONS)]
    drawn = np.concatenate([counts[None], resampled_confusions(counts)])
    both = drawn.reshape(-1, len(EMOTIONS), len(EMOTIONS), len(EMOTIONS))  # resample, label, first's answer, second's
    differences = f1_of(both.sum(axis=3)) - f1_of(both.sum(axis=2))
    differences = np.concatenate([differences, differences.mean(axis=1, keepdims=True)], axis=1)
    intervals = [percentile_interval(differences[1:, column]) for column in range(len(EMOTIONS) + 1)]
    return pd.DataFrame(
        {"difference": differences[0], "low": [low for low, _ in intervals], "high": [high for _, high in intervals]},
        index=pd.Index([*EMOTIONS, "macro"], name="emotion"),
    )


def compare_likelihood(first: Predictions, second: Predictions) -> dict[str, float]:
    """Compare the negative log-likelihood of two sets of predictions on the same rows, in any order.

    Each is calibrated first, by the temperature fitted on these predictions. Every face counts by the probability of
    its label, so smaller differences show than in accuracy, where only faces near a decision count.

    Returns:
        `nll_difference` (first minus second, nats: below zero the first is better) and `nll_difference_low`, `…_high`
        (95 % paired interval by the normal approximation, stratified by class).

    Raises:
        DataError: the rows or their labels differ, or they are on PrivateTest.
    """
    first, second = _aligned(first, second)
    one, other = (negative_log_likelihoods(each, fit_temperature(each)) for each in (first, second))
    differences = pd.Series(one - other).groupby(first.label)
    variance = float((differences.var().fillna(0.0) * differences.size()).sum()) / len(first) ** 2
    mean, half = float(np.mean(one - other)), float(stats.norm.ppf(0.975)) * variance**0.5
    return {"nll_difference": mean, "nll_difference_low": mean - half, "nll_difference_high": mean + half}


def _aligned(first: Predictions, second: Predictions) -> tuple[Predictions, Predictions]:
    """Return both in the order of their row numbers, after checking that they are about the same faces."""
    first, second = (each.select(np.argsort(each.row, kind="stable")) for each in (first, second))
    if not len(first) or not np.array_equal(first.row, second.row) or not np.array_equal(first.label, second.label):
        common = np.intersect1d(first.row, second.row).size
        raise DataError(
            f"The two runs are not about the same labelled faces: {len(first):,} rows of {first.split} and "
            f"{len(second):,} of {second.split}, {common:,} in common. Compare runs on one split of one data set."
        )
    return first, second
