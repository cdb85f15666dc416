"""Two networks on the same faces: paired intervals, McNemar's test, F1 by emotion, likelihood."""

import dataclasses
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


def compare(first: Predictions, second: Predictions) -> Comparison:
    """Compare the accuracy of two sets of predictions on the same rows, in any order.

    Raises:
        DataError: the rows or their labels differ.

    Reference: McNemar 1947, doi:10.1007/BF02295996 (exact binomial form).
    """
    first, second = _aligned(first, second)
    right_first, right_second = first.predicted == first.label, second.predicted == second.label
    only_first = int(np.count_nonzero(right_first & ~right_second))
    only_second = int(np.count_nonzero(~right_first & right_second))
    discordant = only_first + only_second
    differences = right_first.astype(int) - right_second.astype(int)
    counts = np.zeros((len(EMOTIONS), 3), dtype=np.int64)  # of −1, 0 and 1 by class: faces with both answers to each
    np.add.at(counts, (first.label, differences + 1), 1)
    drawn = resampled_confusions(counts).sum(axis=1)
    return Comparison(
        n=len(first),
        only_first=only_first,
        only_second=only_second,
        difference=float(differences.mean()),
        difference_ci=percentile_interval((drawn[:, 2] - drawn[:, 0]) / len(first)),
        p_value=float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0,
    )


def comparisons(runs: list[Run], *, split: str) -> pd.DataFrame:
    """Compare each run with the one before it on the same faces.

    Returns:
        A row per pair, indexed by `compared`, such as "TL 100 against TL top": `difference` of accuracy (−1–1),
        `difference_low`, `difference_high` (95 % paired interval), `only_first` and `only_second` (faces that only one
        of them got right), `p_value` (exact McNemar test).

    Raises:
        DataError: the runs are not about the same faces.
    """
    rows = []
    for before, after in itertools.pairwise(runs):
        found = compare(after.predictions[split], before.predictions[split])
        low, high = found.difference_ci
        rows.append(
            {
                "compared": f"{after.display_name} against {before.display_name}",
                "difference": found.difference,
                "difference_low": low,
                "difference_high": high,
                "only_first": found.only_first,
                "only_second": found.only_second,
                "p_value": found.p_value,
            }
        )
    return pd.DataFrame(rows).set_index("compared")


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

    Each is calibrated first, by the temperature fitted on these predictions. Every face
    counts by the probability of its label, so smaller differences show than in accuracy, to which only faces near a
    decision contribute.

    Returns:
        `first`, `second` (nats, calibrated), `difference` (first minus second: below zero the first is better), `low`
        and `high` (95 % paired interval by the normal approximation, stratified by class).

    Raises:
        DataError: the rows or their labels differ, or they are on PrivateTest.
    """
    first, second = _aligned(first, second)
    one, other = (negative_log_likelihoods(each, fit_temperature(each)) for each in (first, second))
    differences = pd.Series(one - other).groupby(first.label)
    variance = float((differences.var().fillna(0.0) * differences.size()).sum()) / len(first) ** 2
    mean, half = float(np.mean(one - other)), float(stats.norm.ppf(0.975)) * variance**0.5
    values = {"first": float(one.mean()), "second": float(other.mean())}
    return values | {"difference": mean, "low": mean - half, "high": mean + half}


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
