"""Bootstrap intervals: how they are drawn, and how often they hold the truth."""

import numpy as np
import pytest

from emotion_detection.evaluation import metrics, resampling
from made_predictions import predictions_of, random_predictions


def test_resampled_confusions_keep_the_number_of_faces_per_class():
    counts = metrics.confusion(random_predictions())
    drawn = resampling.resampled_confusions(counts, resamples=50)
    assert (drawn.sum(axis=2) == counts.sum(axis=1)).all()
    assert len(np.unique(drawn[:, 0, 0])) > 5


def test_resampled_confusions_are_distributed_as_resampled_rows():
    given, rng = random_predictions(400), np.random.default_rng(1)
    by_class = [given.predicted[given.label == each] for each in range(7)]
    reference = [
        sum((rng.choice(answers, len(answers)) == each).sum() for each, answers in enumerate(by_class)) / 400
        for _ in range(2000)
    ]
    drawn = resampling.resampled_confusions(metrics.confusion(given), resamples=2000)
    accuracies = np.trace(drawn, axis1=1, axis2=2) / 400
    assert accuracies.mean() == pytest.approx(np.mean(reference), abs=0.004)
    assert accuracies.std() == pytest.approx(np.std(reference), rel=0.06)


def test_intervals_contain_the_score_and_are_reproducible():
    given = random_predictions()
    first, again, other = (metrics.bootstrap(given, seed=seed) for seed in (0, 0, 1))
    assert first.accuracy[0] < metrics.accuracy(given) < first.accuracy[1]
    assert first.macro_f1[0] < metrics.macro_f1(given) < first.macro_f1[1]
    table = metrics.f1_with_intervals(given)
    assert ((table.f1_low < table.f1) & (table.f1 < table.f1_high)).all()
    assert first.accuracy == again.accuracy
    assert (first.f1 == again.f1).all()
    assert first.accuracy != other.accuracy


def test_intervals_cover_the_true_accuracy_about_95_times_in_100():
    """True accuracy is 0.7 in every class; 100 samples of 500 faces."""
    rng, covered = np.random.default_rng(5), 0
    label = np.arange(500) % 7
    for _ in range(100):
        answers = np.where(rng.random(500) < 0.7, label, (label + 1) % 7)
        low, high = metrics.bootstrap(predictions_of(label, answers), resamples=200).accuracy
        covered += low <= 0.7 <= high
    assert 0.90 <= covered / 100 <= 0.99


def test_perfect_predictions_have_an_interval_without_width():
    label = np.arange(70) % 7
    assert metrics.bootstrap(predictions_of(label, label)).accuracy == (1.0, 1.0)


def test_the_interval_of_a_difference_is_newcombes():
    assert resampling.difference_interval(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)  # his table II
