"""The head for votes: its fit, its temperature and the strength of a balanced prior, on examples with known answers."""

import itertools

import numpy as np
import pytest
from scipy import special

from emotion_detection.data import ferplus, load_sample
from emotion_detection.evaluation import calibration
from emotion_detection.export import votes
from emotion_detection.runs.run import Predictions

GENERATOR = np.random.default_rng(0)


def test_a_layer_gives_the_shares_that_it_learned_from():
    features = (GENERATOR.normal(size=(2000, 5)) * [1, 10, 0.1, 1, 0] + 3).astype(np.float32)
    weights, biases = GENERATOR.normal(size=(5, 8)) / [[1], [10], [0.1], [1], [1]], GENERATOR.normal(size=8)
    shares = special.softmax(features @ weights + biases, axis=1)
    found = votes.fit_layers(features, shares, (0.0, 1.0))
    kernel, bias = found[0.0]
    np.testing.assert_allclose(special.softmax(features @ kernel + bias, axis=1), shares, atol=2e-3)
    assert np.abs(found[1.0][0]).sum() < 0.2 * np.abs(kernel).sum()


def test_the_head_also_sees_faces_that_are_changed_each_time_otherwise():
    faces = load_sample(140, seed=0).pixels
    seen = [faces, *votes._changed(faces)]
    assert len(seen) == 1 + votes.CHANGED and {each.shape for each in seen} == {faces.shape}
    assert all((one != other).mean() > 0.2 for one, other in itertools.combinations(seen, 2))
    np.testing.assert_array_equal(next(votes._changed(faces)), seen[1])


def test_the_temperature_is_that_of_the_people_and_their_shares_meet_confidence():
    logits = 3 * GENERATOR.normal(size=(3000, 8))
    shares = special.softmax(logits / 2, axis=1)
    counts = np.array([GENERATOR.multinomial(10, each) for each in shares])
    people = ferplus.FerPlus(np.pad(counts, [(0, 0), (0, 2)]).astype(np.uint8), np.full(3000, "PublicTest"))
    splits = {"PublicTest": logits, "PrivateTest": 2 * logits}
    answers = {name: Predictions(name, np.arange(3000), np.zeros(3000, int), each) for name, each in splits.items()}
    found = votes.fit_temperature(answers, people)
    assert found["temperature"] == pytest.approx(2, abs=0.05)
    assert found["calibration"]["debiased_error"] < 0.01
    assert found["calibration"]["private_test"] > 0.05  # where the network is twice as sure


def test_what_the_other_classes_get_does_not_move_the_temperature():
    logits = 3 * GENERATOR.normal(size=(20_000, 8))
    shares = special.softmax(logits / 2, axis=1)
    others = np.where(shares == shares.max(axis=1, keepdims=True), 0.0, 1.0)
    shuffled = np.where(others > 0, (1 - shares.max(axis=1, keepdims=True)) * others / 7, shares)
    assert calibration.temperature_for_answers(logits, shuffled) == pytest.approx(2, abs=0.02)
    assert calibration.temperature_for(logits, shuffled) > 2.1


def test_a_strength_may_cost_two_points_and_helps_photographs():
    """Class 1 is rare: of its photographs half are found at 0.5 and all from 0.8 on, where PublicTest loses 10 %."""
    step = np.zeros(8)
    step[1] = 1.0
    public = np.zeros((10, 8))
    public[:, 0], public[0, 0] = 5.0, 0.75
    label = np.repeat([0, 1], 30)
    photographs = np.zeros((60, 8))
    photographs[:30, 0], photographs[30:45, 0], photographs[45:, 0] = 5.0, 0.45, 0.76
    answers = Predictions("PublicTest", np.arange(10), np.zeros(10, int), public)
    strength, tried = votes.choose_strength(answers, photographs, label, step)
    assert strength == 0.5
    by_strength = {each["strength"]: (each["photographs"], each["PublicTest"]) for each in tried}
    assert (by_strength[0.0], by_strength[0.5], by_strength[0.8]) == ((0.5, 1.0), (0.75, 1.0), (1.0, 0.9))


def test_a_head_is_scored_on_public_test_and_where_there_are_photographs_on_them_too():
    majority = np.arange(300) % 7
    shares = np.eye(8)[majority] * 0.7 + 0.0375
    people = ferplus.FerPlus(
        np.pad(np.rint(10 * np.eye(8)[majority]), [(0, 0), (0, 2)]).astype(np.uint8), np.full(300, "PublicTest")
    )
    splits = ("PublicTest", "PrivateTest")
    answers = {name: Predictions(name, np.arange(300), majority, np.log(shares)) for name in splits}
    head = votes.VotesHead(np.eye(8, dtype=np.float32), np.zeros(8, np.float32))
    shown = np.log(shares).astype(np.float32)
    prior = np.log(np.full(8, 1 / 8))
    alone = votes._tried(head, answers, people, prior, None)
    both = votes._tried(
        head, answers, people, prior, (shown, np.where(np.arange(300) < 150, majority, (majority + 1) % 7))
    )
    assert (alone.scores, alone.balanced) == ({"PublicTest": 1.0}, None)
    assert both.scores["PublicTest"] == 1.0 and both.scores["photographs"] == pytest.approx(0.5, abs=0.05)
    assert both.balanced["strength"] == votes.STRENGTHS[0]  # a flat prior moves nothing


def test_a_calibration_error_is_free_of_what_chance_adds():
    confidence = GENERATOR.uniform(0.3, 1, 30_000)
    right = GENERATOR.random(30_000) < confidence - 0.1
    assert calibration.debiased_calibration_error(confidence, right) == pytest.approx(0.1, abs=0.005)
    perfect = [
        calibration.debiased_calibration_error(confidence[part], GENERATOR.random(300) < confidence[part])
        for part in np.arange(30_000).reshape(100, 300)
    ]
    assert np.median(perfect) < 0.03
