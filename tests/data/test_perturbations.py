"""Spoiled faces: each way does what it says, at five strengths, the same for the same seed."""

import numpy as np
import pytest

from emotion_detection.data import load_sample, perturbations
from emotion_detection.data.perturbations import PERTURBATIONS
from emotion_detection.errors import UnknownNameError


@pytest.fixture(scope="module")
def faces():
    return load_sample(70, seed=3).pixels


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_way_spoils_more_with_strength_and_leaves_its_input_alone(faces, name):
    before, way = faces.copy(), PERTURBATIONS[name]
    spoiled = [perturbations.apply(name, faces, strength=strength) for strength in way.strengths]
    differences = [np.abs(each.astype(float) - faces).mean() for each in spoiled]
    assert len(way.strengths) == 5
    assert differences == sorted(differences) and differences[0] > 0
    assert all(each.shape == faces.shape and each.dtype == np.uint8 for each in spoiled)
    np.testing.assert_array_equal(faces, before)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_seed_decides(faces, name):
    strength = PERTURBATIONS[name].strengths[2]
    first, again, other = (perturbations.apply(name, faces, strength=strength, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    has_chance = name not in ("contrast", "blur", "jpeg")
    assert np.array_equal(first, other) != has_chance


def test_strengths_are_in_the_units_that_are_stated():
    gray = np.full((40, 48, 48), 100, np.uint8)
    assert set(np.unique(perturbations.apply("brightness", gray, strength=25))) == {75, 125}
    two = gray.copy()
    two[:, :24] = 200
    assert set(np.unique(perturbations.apply("contrast", two, strength=0.4))) == {120, 180}
    assert perturbations.apply("noise", gray, strength=10).std() == pytest.approx(10, abs=0.3)
    covered = perturbations.apply("occlusion", gray, strength=12) != gray
    assert (covered.sum(axis=(1, 2)) == 144).all()


def test_faces_are_moved_turned_and_scaled_by_what_is_said():
    point = np.zeros((30, 48, 48), np.uint8)
    point[:, 23:25, 33:35] = 255  # ten pixels right of the middle

    def centres(spoiled):
        weights = spoiled / spoiled.sum(axis=(1, 2), keepdims=True, dtype=float)
        y, x = np.mgrid[:48, :48] - 23.5
        return np.stack([(weights * x).sum(axis=(1, 2)), (weights * y).sum(axis=(1, 2))], axis=1)

    moved = centres(perturbations.apply("shift", point, strength=4)) - centres(point)
    np.testing.assert_allclose(np.hypot(*moved.T), 4, atol=0.2)
    turned = centres(perturbations.apply("rotation", point, strength=30))
    np.testing.assert_allclose(np.abs(np.degrees(np.arctan2(turned[:, 1], turned[:, 0]))), 30, atol=1)
    scaled = centres(perturbations.apply("scale", point, strength=1.5))[:, 0]
    assert set(np.round(scaled)) == {15, 7}


def test_an_unknown_way_is_refused(faces):
    with pytest.raises(UnknownNameError, match="brightness, contrast"):
        perturbations.apply("fog", faces, strength=1)
