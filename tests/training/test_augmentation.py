"""Augmentation changes faces as it says, repeatably, and leaves them as the network's own resizing would."""

import cv2
import numpy as np
import pytest

from emotion_detection.data import load_sample
from emotion_detection.training import augmentation
from emotion_detection.training.augmentation import augment, mix
from emotion_detection.training.catalog import Augmentation

NOTHING = Augmentation(flip=False, rotation_deg=0, shift=0, zoom=0)


@pytest.fixture(scope="module")
def faces():
    return load_sample(70, seed=3)[:14].pixels


def test_without_changes_a_face_of_the_same_size_stays_as_it_is(faces):
    assert np.array_equal(augment(faces, NOTHING, size_px=48, rng=np.random.default_rng(0)), faces)


def test_without_changes_enlarging_equals_half_pixel_bilinear_resizing(faces):
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


def test_switches_that_are_off_leave_the_random_numbers_of_the_others_alone(faces):
    settings = Augmentation(contrast=0.2)
    plain = augment(faces, settings, size_px=48, rng=np.random.default_rng(7))
    erased = augment(faces, Augmentation(contrast=0.2, erasing=1.0), size_px=48, rng=np.random.default_rng(7))
    changed = (plain != erased).any(axis=(1, 2))
    assert changed.all()
    assert (plain == erased).mean() > 0.7


def test_erasing_replaces_one_rectangle_of_the_size_asked_for(monkeypatch):
    monkeypatch.setattr(augmentation, "ERASED_SHARES", (0.1, 0.2))
    settings = Augmentation(False, 0, 0, 0, erasing=0.5)
    many = np.full((400, 48, 48), 255, np.uint8)
    erased = augment(many, settings, size_px=48, rng=np.random.default_rng(0)) != 255
    hit = erased.any(axis=(1, 2))
    assert 160 < hit.sum() < 240
    for face in erased[hit]:
        rows, columns = np.flatnonzero(face.any(axis=1)), np.flatnonzero(face.any(axis=0))
        area = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1) / face.size
        assert 0.08 < area < 0.22
        assert face[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.97


def test_a_slant_moves_rows_against_each_other_and_leaves_the_middle():
    face = np.zeros((100, 48, 48), np.uint8)
    face[:, :, 22:26] = 255
    settings = Augmentation(False, 0, 0, 0, shear=0.3)
    slanted = augment(face, settings, size_px=48, rng=np.random.default_rng(4)).astype(float)
    place = (slanted * np.arange(48)).sum(axis=2) / slanted.sum(axis=2) - 23.5
    assert np.abs(place[:, 23:25]).max() < 0.5
    slope = (place[:, 40] - place[:, 7]) / 33
    assert 0.25 < np.abs(slope).max() <= 0.31


@pytest.mark.parametrize(("setting", "sharper"), [({"blur_px": 1.5}, False), ({"noise": 0.1}, True)])
def test_blur_takes_and_noise_adds_fine_detail(faces, setting, sharper):
    changed = augment(faces, Augmentation(False, 0, 0, 0, **setting), size_px=48, rng=np.random.default_rng(5))
    before, after = (np.abs(np.diff(each.astype(int), axis=2)).mean() for each in (faces, changed))
    assert (after > before) == sharper


def test_compression_loses_detail_and_reaches_the_quality_asked_for(faces):
    settings = Augmentation(False, 0, 0, 0, jpeg_quality=5)
    many = np.repeat(faces[:1], 200, axis=0)
    lost = np.abs(augment(many, settings, size_px=48, rng=np.random.default_rng(6)) - many.astype(float)).mean((1, 2))
    worst = cv2.imdecode(cv2.imencode(".jpg", faces[0], [cv2.IMWRITE_JPEG_QUALITY, 5])[1], cv2.IMREAD_GRAYSCALE)
    assert lost.max() == pytest.approx(np.abs(worst - faces[0].astype(float)).mean(), rel=0.3)
    assert lost.min() < lost.max() / 5


def test_a_poor_camera_changes_the_face_before_it_is_enlarged(faces):
    settings = Augmentation(False, 0, 0, 0, noise=0.2)
    large = augment(faces, settings, size_px=96, rng=np.random.default_rng(7))
    small = augment(faces, settings, size_px=48, rng=np.random.default_rng(7))
    expected = np.stack([cv2.resize(face, (96, 96), interpolation=cv2.INTER_LINEAR) for face in small])
    assert np.abs(large.astype(int) - expected).max() <= 1


def test_a_share_of_the_faces_comes_from_a_poor_camera(faces):
    settings = Augmentation(False, 0, 0, 0, noise=0.2, jpeg_quality=20, poor_camera=0.25)
    many = np.repeat(faces[:1], 400, axis=0)
    changed = (augment(many, settings, size_px=48, rng=np.random.default_rng(8)) != many).any(axis=(1, 2))
    assert 70 < changed.sum() < 130
    assert (many == faces[0]).all()


def test_each_fault_of_a_poor_camera_falls_on_its_own_share_of_the_faces(faces):
    settings = Augmentation(False, 0, 0, 0, blur_px=2.0, noise=0.2, jpeg_quality=20, each_fault=0.5)
    many = np.repeat(faces[:1], 400, axis=0)
    unchanged = (augment(many, settings, size_px=48, rng=np.random.default_rng(9)) == many).all(axis=(1, 2))
    assert 30 < unchanged.sum() < 90  # an eighth has none of the three; a few have too little of one


def test_mixup_blends_each_face_with_the_one_that_it_names(faces, monkeypatch):
    monkeypatch.setattr(augmentation, "MIXUP_ALPHA", 1.0)
    mixed, other, kept = mix(faces, Augmentation(mixup=1.0), np.random.default_rng(1))
    assert 0 < kept < 1
    assert np.array_equal(np.sort(other), np.arange(len(faces)))
    expected = kept * faces + (1 - kept) * faces[other]
    assert np.abs(mixed - expected).max() <= 0.5


def test_cutmix_pastes_a_rectangle_and_says_how_much_is_left(faces):
    mixed, other, kept = mix(faces, Augmentation(cutmix=1.0), np.random.default_rng(2))
    own, pasted = mixed == faces, mixed == faces[other]
    assert (own | pasted).all()
    differing = faces != faces[other]
    assert (own & differing).sum() / differing.sum() == pytest.approx(kept, abs=0.15)


def test_a_share_of_the_batches_is_mixed_and_the_others_stay(faces):
    settings = Augmentation(mixup=0.3, cutmix=0.2)
    kept = [mix(faces[:4], settings, np.random.default_rng(seed))[2] for seed in range(400)]
    assert np.mean([share < 1 for share in kept]) == pytest.approx(0.5, abs=0.1)
