"""Which rows a recipe learns from: the official split, or what was published, under unmistakable names."""

import dataclasses

import numpy as np
import pytest

from emotion_detection.data import load_sample
from emotion_detection.emotions import EMOTIONS
from emotion_detection.training import augmentation, catalog, splits


@pytest.fixture(scope="module")
def faces():
    return load_sample(350, seed=0)


def test_our_recipes_keep_the_official_split(faces):
    for recipe in (catalog.TL_TOP, catalog.TL_100, catalog.TL_WHOLE, catalog.HONEST_TOP, catalog.HONEST_100):
        parts = splits.parts(recipe, faces, seed=0)
        assert set(parts.training.usage) == {"Training"}
        assert set(parts.validation.usage) == {"PublicTest"}
        assert list(parts.scored) == ["PublicTest"]
        assert not parts.watched
        assert splits.describe(recipe.settings()) == "official split"


def test_only_recipes_that_say_so_by_name_see_other_rows():
    fields = ("val_is_train_as_published", "pool_all_splits_as_published", "augment_before_split_as_published")
    odd = {name for name, recipe in catalog.RECIPES.items() if any(getattr(recipe.protocol, field) for field in fields)}
    assert odd == {name for name in catalog.RECIPES if name.startswith(("published_", "gap_", "augmented_before"))}


def test_the_published_protocol_validates_on_pooled_rows_that_it_learned_from(faces):
    parts = splits.parts(catalog.PUBLISHED_WHOLE, faces, seed=0)
    assert parts.validation is parts.training
    assert set(parts.training.usage) == {"Training", "PublicTest", "PrivateTest"}
    learned, unseen = parts.scored["Training"].row, parts.scored["Unseen"].row
    assert len(learned) == int(0.8 * len(faces))
    assert np.array_equal(np.sort(np.concatenate([learned, unseen])), np.sort(faces.row))


def test_the_regimes_of_one_replay_share_their_rows(faces):
    first, second = (splits.parts(each, faces, seed=3) for each in (catalog.PUBLISHED_TOP, catalog.PUBLISHED_100))
    assert np.array_equal(first.training.row, second.training.row)
    assert not np.array_equal(first.training.row, splits.parts(catalog.PUBLISHED_TOP, faces, seed=4).training.row)


def test_augmenting_before_splitting_puts_copies_of_learned_faces_into_validation(faces):
    parts = splits.parts(catalog.get_recipe("augmented_before_split"), faces, seed=0)
    rare = parts.validation.emotion == EMOTIONS.index("disgust")
    assert np.isin(parts.validation.row[rare], parts.training.row).mean() > 0.8
    assert set(parts.scored) == {"Unseen", "PublicTest"}


def test_private_test_is_watched_only_where_the_recipe_says_so(faces):
    parts = splits.parts(catalog.HONEST_WHOLE, faces, seed=0)
    assert set(parts.watched["private_accuracy_for_audit"].usage) == {"PrivateTest"}
    watching = [name for name, recipe in catalog.RECIPES.items() if recipe.protocol.watch_private_test_for_audit]
    assert watching == ["honest_whole"]


def test_copies_of_rare_emotions_keep_label_and_row(faces):
    copies = augmentation.with_copies_of_rare(faces, augmentation.PUBLISHED_COPIES)
    before, after = (np.bincount(each.emotion, minlength=7) for each in (faces, copies))
    factors = dict(zip(EMOTIONS, after / before, strict=True))
    assert factors == dict.fromkeys(EMOTIONS, 1.0) | {"disgust": 6.0, "surprise": 2.0}
    disgust = faces[faces.emotion == EMOTIONS.index("disgust")]
    added = copies[len(faces) :]
    first = added.pixels[: len(disgust)].astype(int)
    assert np.array_equal(first, np.minimum(disgust.pixels.astype(int) + 76, 255))
    turned = added[3 * len(disgust) : 4 * len(disgust)]
    assert np.array_equal(turned.row, disgust.row)
    assert np.array_equal(turned.pixels[0], np.rot90(disgust.pixels[0]))


@pytest.mark.parametrize("kind", list(augmentation.COPIES))
def test_every_kind_of_copies_adds_as_many(faces, kind):
    copies = augmentation.with_copies_of_rare(faces, augmentation.COPIES[kind])
    per_emotion = np.bincount(faces.emotion, minlength=7)
    assert len(copies) == len(faces) + 5 * per_emotion[1] + per_emotion[5]
    assert copies.pixels.dtype == np.uint8


def test_sensible_copies_leave_the_middle_of_a_face_where_it_is(faces):
    tilted = augmentation._tilted(faces.pixels[:4], 10)
    assert np.abs(tilted[:, 23:25, 23:25].astype(int) - faces.pixels[:4, 23:25, 23:25]).mean() < 12
    assert not np.array_equal(tilted, faces.pixels[:4])


def test_copies_join_training_only_and_an_epoch_stays_as_long(faces):
    recipe = catalog.get_recipe("tl_100_48_published")
    parts = splits.parts(recipe, faces, seed=0)
    assert parts.faces_per_epoch == len(faces.training) < len(parts.training)
    assert np.array_equal(parts.validation.row, faces.public_test.row)


def test_a_recipe_says_its_protocol_in_words():
    assert splits.describe(catalog.PUBLISHED_TOP.settings()) == "all splits pooled, validated on its training rows"
    assert splits.describe(catalog.HONEST_WHOLE.settings()) == "official split, PrivateTest watched"


@pytest.fixture(scope="module")
def with_twins():
    """280 drawn faces, of which Training's second half repeats its first."""
    sample = load_sample(280, seed=0)
    at = np.flatnonzero(sample.usage == "Training")
    half = len(at) // 2
    pixels, emotion = sample.pixels.copy(), sample.emotion.copy()
    pixels[at[half : 2 * half]], emotion[at[half : 2 * half]] = pixels[at[:half]], emotion[at[:half]]
    return dataclasses.replace(sample, pixels=pixels, emotion=emotion)


def test_folds_hold_every_face_once_and_keep_twins_together(with_twins):
    part = with_twins.training
    folds = splits.folds(part, 5, seed=0)
    held_out = np.concatenate([fold.public_test.row for fold in folds])
    assert np.array_equal(np.sort(held_out), np.sort(part.row))
    for fold in folds:
        learned = {face.tobytes() for face in fold.training.pixels}
        assert not any(face.tobytes() in learned for face in fold.public_test.pixels)
        assert len(fold.private_test) == 0


def test_folds_depend_on_the_seed_alone(with_twins):
    first, again, other = (splits.folds(with_twins.training, 3, seed=seed)[0].usage for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
