"""Duplicates, leaks, conflicting labels, constant pictures and near twins."""

import dataclasses

import numpy as np
import pytest

from emotion_detection.data import duplicates
from emotion_detection.data.synthetic import load_sample


@pytest.fixture(scope="module")
def faces():
    """140 drawn faces with planted faults; row numbers begin at 1000.

    PublicTest's first face is Training's first, PrivateTest's first a brighter copy of Training's second with noise,
    PrivateTest's second a constant picture; Training's third and fourth are identical with different labels.
    """
    sample = load_sample(140, seed=5)
    pixels, emotion = sample.pixels.copy(), sample.emotion.copy()
    at = {split: np.flatnonzero(sample.usage == split) for split in ("Training", "PublicTest", "PrivateTest")}
    training, public, private = at["Training"], at["PublicTest"], at["PrivateTest"]
    pixels[public[0]], emotion[public[0]] = pixels[training[0]], emotion[training[0]]
    noise = np.random.default_rng(0).normal(10, 2, (48, 48))
    pixels[private[0]] = np.clip(pixels[training[1]] * 0.9 + noise, 0, 255)
    pixels[private[1]] = 77
    pixels[training[3]] = pixels[training[2]]
    emotion[training[2]], emotion[training[3]] = 0, 1
    row = np.arange(1000, 1140, dtype=np.int32)
    return dataclasses.replace(sample, pixels=pixels, emotion=emotion, row=row), training, public, private


def twins_of(dataset):
    pairs, identical = duplicates.near_pairs(dataset.pixels), duplicates.identical_ids(dataset)
    return duplicates.twins(dataset, pairs=pairs, identical=identical)


def test_identical_pictures_form_groups(faces):
    dataset, training, public, _ = faces
    groups = {tuple(sorted(group.tolist())) for group in duplicates.identical_groups(dataset)}
    assert groups == {tuple(sorted((training[0], public[0]))), (training[2], training[3])}


def test_groups_across_splits_and_with_conflicting_labels_are_counted_apart(faces):
    dataset, training, public, _ = faces
    (conflicting,) = duplicates.groups_with_conflicting_labels(dataset)
    assert set(conflicting) == {training[2], training[3]}
    counts = duplicates.identical_counts(dataset)
    assert counts["identical_groups"] == {"groups": 2, "rows": 4}
    assert counts["groups_across_splits"] == counts["groups_with_conflicting_labels"] == {"groups": 1, "rows": 2}
    assert counts["share_with_identical_twin"]["PublicTest"] == round(1 / len(public), 6)


def test_constant_pictures_are_given_by_row(faces):
    dataset, _, _, private = faces
    assert duplicates.constant_pictures(dataset).tolist() == [private[1] + 1000]


def test_twins_are_rows_of_the_test_splits_and_near_includes_identical(faces):
    dataset, _, public, private = faces
    found = twins_of(dataset)
    assert found["PublicTest_identical"].tolist() == [public[0] + 1000]
    assert public[0] + 1000 in found["PublicTest_near"]
    assert found["PrivateTest_identical"].tolist() == []
    assert private[0] + 1000 in found["PrivateTest_near"]
    assert all(rows.dtype == np.int32 for rows in found.values())


def test_leaks_are_counted_as_shares_of_the_split(faces):
    dataset, _, _, _ = faces
    leaks = duplicates.counts(dataset, twins_of(dataset))["leaks"]
    (leak,) = [each for each in leaks if (each["split"], each["twin"]) == ("PublicTest", "identical")]
    assert (leak["n"], leak["of"]) == (1, len(dataset.public_test))
    assert leak["share"] == pytest.approx(1 / leak["of"], abs=1e-6)


@pytest.mark.fer2013
def test_the_real_set_has_the_known_faults(fer2013):
    counts = duplicates.identical_counts(fer2013)
    assert counts["share_with_identical_twin"]["PrivateTest"] == pytest.approx(0.081, abs=0.002)
    assert counts["constant_pictures"] in (12, 13)  # all are among the rows that cannot be verified


def test_near_pairs_are_those_of_all_correlations(faces):
    pixels = faces[0].pixels
    flat = pixels.reshape(len(pixels), -1).astype(float)
    with np.errstate(invalid="ignore"):
        above = np.argwhere(np.triu(np.corrcoef(flat), 1) > duplicates.NEAR_CORRELATION)
    np.testing.assert_array_equal(duplicates.near_pairs(pixels), above)


def test_near_pairs_do_not_depend_on_the_blocks(faces, monkeypatch):
    whole = duplicates.near_pairs(faces[0].pixels)
    monkeypatch.setattr(duplicates, "BLOCK_FACES", 32)
    found = duplicates.near_pairs(faces[0].pixels)
    assert sorted(map(tuple, found)) == sorted(map(tuple, whole))


def test_chains_of_twins_are_one_cluster():
    identical = np.array([-1, -1, -1, 0, 0, -1], np.int32)
    clusters = duplicates.twin_clusters(6, np.array([[0, 1], [1, 2], [2, 3]]), identical)
    assert len(set(clusters[:5])) == 1
    assert clusters[5] not in clusters[:5]


def test_a_twin_counts_only_among_the_rows_learned_from():
    identical = np.array([0, 0, 1, 1, -1, -1], np.int32)
    pairs = np.array([[0, 1], [2, 3], [4, 5]])
    found = duplicates.has_twin_among(np.array([0, 2, 4]), np.array([1, 5]), pairs=pairs, identical=identical)
    assert found["identical"].tolist() == [True, False, False]
    assert found["near"].tolist() == [True, False, True]


def test_a_random_split_leaks_what_two_copies_of_each_face_must(faces):
    """With every face there twice, a held-out face's copy is among the other 80 % about 80 times in 100."""
    identical = np.repeat(np.arange(5000), 2).astype(np.int32)
    lines = duplicates.random_split_leaks(np.empty((0, 2), int), identical, seeds=3)
    assert [line["n"] for line in lines] == [2000] * 3
    assert all(line["identical"] == pytest.approx(0.8, abs=0.03) == line["near"] for line in lines)
