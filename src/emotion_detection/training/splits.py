"""Which faces a recipe learns from, watches while it learns, and is scored on.

All but the audited recipes keep the official split. The others repeat what was published, under names that say so.
"""

import dataclasses

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from emotion_detection.data import FaceDataset, duplicates, ferplus
from emotion_detection.errors import DataError, OverlapError
from emotion_detection.training import augmentation
from emotion_detection.training.recipe import Recipe

LEARNED_SHARE = 0.8
"""Share of the faces that the published recipe learns from (`int(n * 0.8)` of them); the rest it never sees."""


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """The faces of one run.

    Args:
        training: to learn from.
        validation: watched after every epoch.
        scored: name in the record → faces that are predicted when training ends.
        watched: name of a column of the history → more faces whose accuracy is taken after every epoch.
        faces_per_epoch: how many of `training`, drawn anew, make an epoch; None: all. With copies added, an epoch has
            no more faces than before, so that all arms of a comparison have the same budget.
    """

    training: FaceDataset
    validation: FaceDataset
    scored: dict[str, FaceDataset]
    watched: dict[str, FaceDataset] = dataclasses.field(default_factory=dict)
    faces_per_epoch: int | None = None


def parts(recipe: Recipe, dataset: FaceDataset, *, seed: int) -> Parts:
    """Return the faces that a recipe learns from, watches and is scored on.

    Raises:
        OverlapError: a validation row is also a Training row, and the recipe does not ask for that by name.
        DataError: a part has no faces, or faces without a label.
    """
    if recipe.protocol.pool_all_splits_as_published:
        training, unseen = _shuffled_split(dataset, seed)
        found = Parts(training, training, {"Training": training, "Unseen": unseen})
    elif recipe.protocol.augment_before_split_as_published:
        copies = augmentation.with_copies_of_rare(dataset.training, augmentation.PUBLISHED_COPIES)
        training, unseen = _shuffled_split(copies, seed)
        found = Parts(training, unseen, {"Unseen": unseen, "PublicTest": dataset.public_test})
    else:
        public = dataset.public_test
        found = Parts(dataset.training, public, {"PublicTest": public})
    if recipe.protocol.drop_conflicting:
        found = dataclasses.replace(found, training=_without_conflicts(found.training))
    if recipe.targets.ferplus_only:
        found = dataclasses.replace(found, training=ferplus.with_votes(found.training))
    if recipe.protocol.copies:
        enlarged = augmentation.with_copies_of_rare(found.training, augmentation.COPIES[recipe.protocol.copies])
        found = dataclasses.replace(found, training=enlarged, faces_per_epoch=len(found.training))
    if recipe.protocol.val_is_train_as_published:
        found = dataclasses.replace(found, validation=found.training)
    if recipe.protocol.watch_private_test_for_audit:
        found = dataclasses.replace(found, watched={"private_accuracy_for_audit": dataset.private_test})
    _check(found, recipe)
    return found


def _shuffled_split(dataset: FaceDataset, seed: int) -> tuple[FaceDataset, FaceDataset]:
    """Shuffle all faces, whatever their official split, and cut: `LEARNED_SHARE` to learn from, the rest unseen."""
    order = np.random.default_rng([seed, 8]).permutation(len(dataset))
    cut = int(LEARNED_SHARE * len(dataset))
    return dataset[np.sort(order[:cut])], dataset[np.sort(order[cut:])]


def _without_conflicts(training: FaceDataset) -> FaceDataset:
    """Leave out pictures that are constant, or identical to one of the same faces with another label."""
    conflicting = duplicates.groups_with_conflicting_labels(training)
    kept = ~np.isin(training.row, duplicates.constant_pictures(training))
    kept[np.concatenate([*conflicting, np.array([], np.int64)])] = False
    return training[kept]


def folds(faces: FaceDataset, count: int, *, seed: int = 0) -> list[FaceDataset]:
    """Cut labelled faces into folds of like class shares that keep twins (identical or near) together.

    Returns:
        `count` data sets of all faces, in which one fold has the usage PublicTest and the others Training.
    """
    clusters = duplicates.twin_clusters(
        len(faces), duplicates.near_pairs(faces.pixels), duplicates.identical_ids(faces)
    )
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    found = []
    for _, held_out in splitter.split(np.zeros(len(faces)), faces.emotion, clusters):
        usage = np.full(len(faces), "Training", dtype="<U11")
        usage[held_out] = "PublicTest"
        found.append(dataclasses.replace(faces, usage=usage))
    return found


def _check(found: Parts, recipe: Recipe) -> None:
    for name, part in (("Training", found.training), ("PublicTest", found.validation)):
        if not len(part) or (part.emotion < 0).any():
            raise DataError(
                f"{name} has {len(part)} faces, {np.count_nonzero(part.emotion < 0)} of them without a label; "
                "training needs labelled faces in both. Use a source with the official split (see data/README.md)."
            )
    shared = np.intersect1d(found.training.row, found.validation.row)
    if len(shared) and not (
        recipe.protocol.val_is_train_as_published or recipe.protocol.augment_before_split_as_published
    ):
        raise OverlapError(
            f"{len(shared)} rows are in both Training and PublicTest (first: {shared[:3].tolist()}). A score on "
            "training rows says nothing: correct the split of the data set."
        )


def describe(recipe: dict) -> str:
    """Return the protocol of a recorded recipe in a few words, for tables; "official split" where nothing is odd."""
    words = []
    if recipe.get("pool_all_splits_as_published"):
        words.append("all splits pooled")
    if recipe.get("augment_before_split_as_published"):
        words.append("augmented before splitting")
    if recipe.get("val_is_train_as_published"):
        words.append("validated on its training rows")
    if recipe.get("watch_private_test_for_audit"):
        words.append("official split, PrivateTest watched")
    if recipe.get("folds"):
        words.append(f"{recipe['folds']} folds of Training")
    return ", ".join(words) or "official split"
