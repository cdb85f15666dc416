"""RandAugment: repeatable, as many operations as asked for, none at no strength."""

import numpy as np
import pytest
from PIL import Image

from emotion_detection.data import load_sample
from emotion_detection.training import randaugment
from emotion_detection.training.augmentation import augment
from emotion_detection.training.catalog import Augmentation


@pytest.fixture(scope="module")
def faces():
    return load_sample(70, seed=3)[:35].pixels


def changed(faces, operations=2, magnitude=0.5, seed=0):
    copy = faces.copy()
    randaugment.apply(copy, operations, magnitude=magnitude, rng=np.random.default_rng(seed))
    return copy


def test_the_same_random_state_gives_the_same_faces_and_another_gives_others(faces):
    assert np.array_equal(changed(faces), changed(faces))
    assert not np.array_equal(changed(faces), changed(faces, seed=1))


def test_a_larger_magnitude_changes_more(faces):
    weak, strong = (np.abs(changed(faces, 3, each).astype(int) - faces).mean() for each in (0.1, 0.9))
    assert 0 < weak < strong


@pytest.mark.parametrize("name", sorted(set(randaugment.OPERATIONS) - {"identity", "autocontrast", "equalize"}))
def test_an_operation_of_no_strength_leaves_a_face_as_it_is_and_one_of_full_strength_changes_it(faces, name):
    picture = Image.fromarray(faces[0])
    if name not in ("solarize", "posterize"):
        assert np.array_equal(np.asarray(randaugment.OPERATIONS[name](picture, 0.0)), faces[0])
    for strength in (-1.0, 1.0):
        result = np.asarray(randaugment.OPERATIONS[name](picture, strength))
        assert result.shape == faces[0].shape
        assert not np.array_equal(result, faces[0])


def test_augmentation_applies_it_only_where_it_is_asked_for(faces):
    nothing = {"flip": False, "rotation_deg": 0, "shift": 0, "zoom": 0}
    settings = Augmentation(**nothing, randaugment=2, randaugment_magnitude=0.5)
    with_it = augment(faces, settings, size_px=48, rng=np.random.default_rng(0))
    without = augment(faces, Augmentation(**nothing), size_px=48, rng=np.random.default_rng(0))
    assert np.array_equal(without, faces)
    assert 5 < (with_it != faces).any(axis=(1, 2)).sum() <= len(faces)
