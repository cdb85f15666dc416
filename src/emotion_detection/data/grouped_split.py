"""Cut faces into the three splits so that what belongs together (twins, one person's pictures) stays in one of them."""

from collections.abc import Hashable, Sequence

import numpy as np

from emotion_detection.data import duplicates
from emotion_detection.data.dataset import SPLITS, FaceDataset

TEST_SHARE = 0.1
LEAST_GROUPS = len(SPLITS)
"""A class needs so many groups: one for each split."""


def groups(faces: FaceDataset, keys: Sequence[Hashable | None] = ()) -> np.ndarray:
    """Return which faces must stay together: twins (identical or near), faces of one key, and chains of both.

    Args:
        faces: whose pixels are compared.
        keys: for each face what it belongs to, such as a person; None where that is not known. Empty: none is known.

    Returns:
        int32 array (n,): the number of each face's group.
    """
    pairs = np.concatenate([duplicates.near_pairs(faces.pixels), _pairs_of_one_key(keys)])
    return duplicates.twin_clusters(len(faces), pairs, duplicates.identical_ids(faces))


def _pairs_of_one_key(keys: Sequence[Hashable | None]) -> np.ndarray:
    """Return int32 (m, 2): each face with the one before it that has the same key."""
    last, pairs = {}, []
    for position, key in enumerate(keys):
        if key is not None and key in last:
            pairs.append((last[key], position))
        last[key] = position
    return np.array(pairs, np.int32).reshape(-1, 2)


def groups_per_class(emotion: np.ndarray, group: np.ndarray) -> dict[int, int]:
    """Return label → in how many groups it occurs."""
    return {int(label): len(np.unique(group[emotion == label])) for label in np.unique(emotion)}


def split(emotion: np.ndarray, group: np.ndarray, *, test_share: float = TEST_SHARE, seed: int = 0) -> np.ndarray:
    """Return the split of each face: like shares of each class in all, groups whole.

    The faces are cut into 1 / `test_share` folds, or as many as the class with the fewest groups allows (at least
    three): the first is PublicTest, the second PrivateTest, the others are Training.

    Args:
        emotion: int8 array (n,), labels.
        group: int array (n,), as `groups` returns it; each class has at least three.
        test_share: of each of the two test splits, 0–1/3.
        seed: another one, another cut.

    Returns:
        str array (n,) of names in `SPLITS`.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    count = min(round(1 / test_share), *groups_per_class(emotion, group).values())
    splitter = StratifiedGroupKFold(max(count, LEAST_GROUPS), shuffle=True, random_state=seed)
    folds = [held_out for _, held_out in splitter.split(np.zeros(len(emotion)), emotion, group)]
    usage = np.full(len(emotion), "Training", "<U11")
    usage[folds[0]], usage[folds[1]] = "PublicTest", "PrivateTest"
    return usage
