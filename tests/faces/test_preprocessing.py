"""From a face crop to 48×48 grey."""

import cv2
import numpy as np
import pytest
from PIL import Image

from emotion_detection.errors import DataError
from emotion_detection.faces import preprocessing


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (96, 144, 3), np.uint8)


def test_a_fer2013_face_passes_unchanged(noise):
    face = noise[:48, :48, 0]
    np.testing.assert_array_equal(preprocessing.to_gray48(face), face)


def test_pixels_are_averaged_over_areas():
    checkerboard = np.indices((96, 96)).sum(axis=0) % 2 * np.uint8(200)
    np.testing.assert_array_equal(preprocessing.to_gray48(checkerboard.astype(np.uint8)), np.full((48, 48), 100))


def test_each_side_is_averaged_by_its_own_factor(noise):
    blocks = noise[..., 0].astype(float).reshape(48, 2, 48, 3).mean(axis=(1, 3))
    assert np.abs(preprocessing.to_gray48(noise[..., 0]) - blocks).max() <= 0.5001


def test_colour_becomes_grey_by_the_weights_of_red_green_and_blue():
    for channel, weight in enumerate((0.299, 0.587, 0.114)):
        face = np.zeros((60, 60, 3), np.uint8)
        face[..., channel] = 200
        assert np.abs(preprocessing.to_gray48(face) - 200.0 * weight).max() <= 0.5001


def test_grey_as_three_channels_equals_grey(noise):
    gray = noise[..., 0]
    received = preprocessing.to_gray48(np.dstack([gray] * 3))
    np.testing.assert_array_equal(received, preprocessing.to_gray48(gray))


@pytest.mark.parametrize("shape", [(24, 24), (24, 100), (47, 48), (300, 31), (48, 48), (1000, 1000)])
def test_any_size_from_24_px_becomes_48(shape):
    face = np.full(shape, 77, np.uint8)
    np.testing.assert_array_equal(preprocessing.to_gray48(face), np.full((48, 48), 77))


def test_small_faces_are_stretched_smoothly():
    ramp = np.tile(np.linspace(0, 240, 24).astype(np.uint8), (24, 1))
    stretched = preprocessing.to_gray48(ramp).astype(int)
    assert (np.diff(stretched, axis=1) >= 0).all()
    assert len(np.unique(stretched[0])) > 40


def test_views_that_are_not_contiguous_are_accepted(noise):
    np.testing.assert_array_equal(
        preprocessing.to_gray48(noise[:, ::-1]), preprocessing.to_gray48(noise[:, ::-1].copy())
    )


def test_the_input_is_left_as_it_was(noise):
    before = noise.copy()
    batch = preprocessing.to_gray48_batch(noise[None, :48, :48, 0])
    batch[:] = 0
    preprocessing.to_gray48(noise)
    np.testing.assert_array_equal(noise, before)


def test_a_batch_equals_its_faces_one_by_one(noise):
    faces = np.stack([noise, noise[::-1]])
    expected = np.stack([preprocessing.to_gray48(face) for face in faces])
    np.testing.assert_array_equal(preprocessing.to_gray48_batch(faces), expected)


def test_a_list_may_mix_sizes_and_colours(noise):
    batch = preprocessing.to_gray48_batch([noise, noise[:30, :30, 0]])
    np.testing.assert_array_equal(batch[1], preprocessing.to_gray48(noise[:30, :30, 0]))
    assert batch.shape == (2, 48, 48)


def test_the_networks_own_input_shape_is_accepted(noise):
    faces = noise[None, :48, :48, :1]
    np.testing.assert_array_equal(preprocessing.to_gray48_batch(faces), faces[..., 0])


@pytest.mark.parametrize("faces", [[], np.empty((0, 48, 48), np.uint8), np.empty((0, 60, 60, 3), np.uint8)])
def test_no_faces_give_an_empty_batch(faces):
    assert preprocessing.to_gray48_batch(faces).shape == (0, 48, 48)


@pytest.mark.parametrize(
    ("face", "received"),
    [
        (np.zeros((48, 48), np.float32), "float32"),
        (np.zeros((48, 48, 4), np.uint8), r"\(48, 48, 4\)"),
        (np.zeros(48, np.uint8), r"\(48,\)"),
        (np.zeros((23, 48), np.uint8), "48×23 px"),
        (np.zeros((0, 0), np.uint8), "0×0 px"),
        ([[0] * 48] * 48, "list"),
    ],
)
def test_other_types_shapes_and_sizes_are_refused(face, received):
    with pytest.raises(DataError, match=received):
        preprocessing.to_gray48(face)


def test_the_message_names_the_face_of_a_list(noise):
    with pytest.raises(DataError, match="Face 1 of 2"):
        preprocessing.to_gray48_batch([noise, noise[:10]])


@pytest.mark.parametrize("shape", [(48, 48), (48, 48, 3)])
def test_a_single_face_in_place_of_a_batch_is_explained(shape):
    with pytest.raises(DataError, match=r"face\[None\]"):
        preprocessing.to_gray48_batch(np.zeros(shape, np.uint8))


def test_bgr_and_rgb_are_not_the_same(noise):
    assert (preprocessing.to_gray48(noise) != preprocessing.to_gray48(cv2.cvtColor(noise, cv2.COLOR_BGR2RGB))).any()


def test_pil_pictures_are_faces_whatever_their_colours_and_depth(noise):
    face = np.ascontiguousarray(noise[:48, :48, 0])
    deep = Image.fromarray(face.astype(np.uint16) * 257)
    opaque = Image.merge("LA", (Image.fromarray(face), Image.new("L", face.shape, 255)))
    batch = preprocessing.to_gray48_batch([Image.fromarray(face), deep, opaque])
    np.testing.assert_array_equal(batch, [face] * 3)
