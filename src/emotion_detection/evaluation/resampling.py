"""Intervals: the stratified bootstrap and Wilson's formula.

Intervals are 95 % percentile bootstrap intervals, stratified by class: each resample draws, for each class, as many
faces as it has, with replacement, from that class. Drawing n faces of one class and counting what was answered is a
multinomial draw of size n with that class's row of the confusion matrix as probabilities, so whole confusion
matrices are drawn instead of rows: the same distribution, thousands of times less work.
"""

import numpy as np
from scipy import stats

RESAMPLES = 2000
SEED = 0
LEVEL = 0.95


def resampled_confusions(counts: np.ndarray, *, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """Draw confusion matrices as a bootstrap stratified by class would.

    `counts` is an int array (7, 7), rows are labels; the result, int64 (resamples, 7, 7), has the same row sums.
    """
    support = counts.sum(axis=1)
    shares = counts / np.maximum(support, 1)[:, None]
    shares[support == 0, 0] = 1.0  # any distribution will do: nothing is drawn from it
    return np.random.default_rng(seed).multinomial(support, shares, size=(resamples, len(support)))


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
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


def difference_interval(count: int, n: int, other_count: int, other_n: int) -> tuple[float, float]:
    """Return the 95 % interval of a difference of two shares, count / n − other_count / other_n.

    The groups are independent; Wilson's intervals of both are joined.

    Reference: Newcombe 1998, method 10, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.
    """
    share, other = count / n, other_count / other_n
    (low, high), (other_low, other_high) = share_interval(count, n), share_interval(other_count, other_n)
    below, above = np.hypot(share - low, other_high - other), np.hypot(high - share, other - other_low)
    return float(share - other - below), float(share - other + above)
