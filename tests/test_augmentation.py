"""Augmentation changes faces as it says, repeatably, and leaves them as the network's own resizing would."""

import numpy as np
import pytest

from emotion_detection.augmentation import augment
from emotion_detection.datasets import load_sample
from emotion_detection.recipes import Augmentation

NOTHING = Augmentation(flip=False, rotation_deg=0, shift=0, zoom=0)


@pytest.fixture(scope="module")
def faces():
    return load_sample(70, seed=3)[:14].pixels


def test_without_changes_a_face_of_the_same_size_stays_as_it_is(faces):
    assert np.array_equal(augment(faces, NOTHING, size_px=48, rng=np.random.default_rng(0)), faces)


def test_without_changes_enlarging_equals_half_pixel_bilinear_resizing(faces):
    import cv2

    enlarged = augment(faces, NOTHING, size_px=96, rng=np.random.default_rng(0))
    expected = np.stack([cv2.resize(face, (96, 96), interpolation=cv2.INTER_LINEAR) for face in faces])
    assert np.abs(enlarged.astype(int) - expected).max() <= 1


def test_flip_mirrors_about_half_of_the_faces():
    face = np.tile(np.arange(48, dtype=np.uint8) * 5, (400, 48, 1))
    flipped = augment(face, Augmentation(True, 0, 0, 0), size_px=48, rng=np.random.default_rng(1))
    mirrored = (flipped == face[:, :, ::-1]).all(axis=(1, 2))
    assert (mirrored | (flipped == face).all(axis=(1, 2))).all()
    assert 150 < mirrored.sum() < 250


def test_the_same_random_state_gives_the_same_faces_and_another_gives_others(faces):
    settings = Augmentation(contrast=0.2, brightness=0.1)
    one, two, other = (augment(faces, settings, size_px=96, rng=np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_a_shift_moves_the_face_by_at_most_its_share():
    face = np.zeros((200, 48, 48), np.uint8)
    face[:, 20:28, 20:28] = 255
    moved = augment(face, Augmentation(False, 0, 0.1, 0), size_px=48, rng=np.random.default_rng(2)).astype(float)
    columns = (moved.sum(axis=1) * np.arange(48)).sum(axis=1) / moved.sum(axis=(1, 2)) - 23.5
    assert np.abs(columns).max() <= 4.8 + 0.1
    assert columns.std() > 1.5


def test_brightness_and_contrast_stay_in_range(faces):
    settings = Augmentation(False, 0, 0, 0, contrast=0.9, brightness=0.9)
    changed = augment(faces, settings, size_px=48, rng=np.random.default_rng(3))
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, faces)
