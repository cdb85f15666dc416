"""Cross-validation inside Training: every face predicted once, twins kept together."""

import dataclasses

import numpy as np
import pytest

from emotion_detection.data import load_sample
from emotion_detection.runs import store
from emotion_detection.training import catalog, cross_validation, targets


@pytest.fixture(scope="module")
def faces():
    """280 drawn faces, of which Training's second half repeats its first."""
    sample = load_sample(280, seed=0)
    at = np.flatnonzero(sample.usage == "Training")
    half = len(at) // 2
    pixels, emotion = sample.pixels.copy(), sample.emotion.copy()
    pixels[at[half : 2 * half]], emotion[at[half : 2 * half]] = pixels[at[:half]], emotion[at[:half]]
    return dataclasses.replace(sample, pixels=pixels, emotion=emotion)


def test_folds_hold_every_face_once_and_keep_twins_together(faces):
    part = faces.training
    folds = cross_validation.folds(part, 5, seed=0)
    held_out = np.concatenate([fold.public_test.row for fold in folds])
    assert np.array_equal(np.sort(held_out), np.sort(part.row))
    for fold in folds:
        learned = {face.tobytes() for face in fold.training.pixels}
        assert not any(face.tobytes() in learned for face in fold.public_test.pixels)
        assert len(fold.private_test) == 0


def test_folds_depend_on_the_seed_alone(faces):
    first, again, other = (cross_validation.folds(faces.training, 3, seed=seed)[0].usage for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_run_in_folds_records_predictions_on_all_of_training(isolated, faces):
    recipe = dataclasses.replace(catalog.fast_version(catalog.TL_TOP), name="rare_plain", folds=2, class_weights=True)
    cross_validation.train(recipe, faces)
    run = store.load_run("rare_plain")
    assert np.array_equal(run.predictions["Folds"].row, np.sort(faces.training.row))
    assert len(run.history) == 1
    assert store.recorded() == ["rare_plain-s0"]


def test_class_weights_are_inverse_to_frequency_and_one_on_average():
    labels = np.repeat(np.arange(7), [1, 2, 3, 4, 5, 6, 7]).astype(np.int8)
    weights = targets.class_weights(labels)
    assert weights[labels].mean() == pytest.approx(1)
    assert weights[0] / weights[6] == pytest.approx(7)
