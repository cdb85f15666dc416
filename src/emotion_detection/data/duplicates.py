"""What is wrong with FER2013: identical pictures, leaks between splits, conflicting labels, constant pictures, twins.

A *twin* of a test face is a face of Training that a network may have learned by heart: pixel-identical, or *near*,
with a correlation of the pixels above 0.95 (another crop, brightness or compression of the same photograph).
"""

import collections
import hashlib

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from tqdm.auto import tqdm

from emotion_detection.data.dataset import TEST_SPLITS, FaceDataset

NEAR_CORRELATION = 0.95
BLOCK_FACES = 1024


def identical_groups(dataset: FaceDataset) -> list[np.ndarray]:
    """List the groups of pixel-identical pictures: int64 arrays of positions in `dataset`, two or more each."""
    groups = collections.defaultdict(list)
    for position, face in enumerate(dataset.pixels):
        groups[hashlib.blake2b(face.tobytes(), digest_size=16).digest()].append(position)
    return [np.array(positions) for positions in groups.values() if len(positions) > 1]


def groups_with_conflicting_labels(dataset: FaceDataset) -> list[np.ndarray]:
    """List the groups of pixel-identical pictures that carry different labels."""
    return [group for group in identical_groups(dataset) if len(set(dataset.emotion[group])) > 1]


def constant_pictures(dataset: FaceDataset) -> np.ndarray:
    """Return the row numbers of pictures of one grey value: int32 array."""
    flat = dataset.pixels.reshape(len(dataset), -1)
    return dataset.row[flat.min(axis=1) == flat.max(axis=1)]


def near_pairs(faces: np.ndarray) -> np.ndarray:
    """Find all pairs of faces whose correlation is above `NEAR_CORRELATION`; about a minute for FER2013 on two cores.

    Args:
        faces: uint8 array (n, 48, 48), grey.

    Returns:
        int32 array (m, 2) of positions, the first smaller than the second. Constant pictures correlate with nothing.
    """
    flat, pairs = faces.reshape(len(faces), -1).astype(np.float32), []
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)  # so a product of two is their correlation
    for start in tqdm(range(0, len(faces), BLOCK_FACES), desc="compare faces", unit="block", delay=1):
        block = flat[start : start + BLOCK_FACES]
        first, second = np.nonzero(block @ flat[start:].T > NEAR_CORRELATION)
        pairs.append(np.stack([first, second], axis=1)[first < second] + start)
    return np.concatenate(pairs).astype(np.int32)


def identical_ids(dataset: FaceDataset) -> np.ndarray:
    """Return int32 (n,): faces of a group of pixel-identical pictures have the group's number, all others -1."""
    ids = np.full(len(dataset), -1, np.int32)
    for number, group in enumerate(identical_groups(dataset)):
        ids[group] = number
    return ids


def twin_clusters(count: int, pairs: np.ndarray, identical: np.ndarray) -> np.ndarray:
    """Return int32 (count,): the number of each face's cluster, within which chains of twins link all faces.

    `pairs` and `identical` are what `near_pairs` and `identical_ids` return for the `count` faces.
    """
    order = np.argsort(identical, kind="stable")
    same = (identical[order[1:]] >= 0) & (identical[order[:-1]] == identical[order[1:]])
    first = np.concatenate([pairs[:, 0], order[:-1][same]])
    second = np.concatenate([pairs[:, 1], order[1:][same]])
    graph = sparse.coo_matrix((np.ones(len(first), bool), (first, second)), shape=(count, count))
    return csgraph.connected_components(graph, directed=False)[1].astype(np.int32)


def has_twin_among(rows: np.ndarray, learned: np.ndarray, *, pairs: np.ndarray, identical: np.ndarray) -> dict:
    """Return which rows have a twin among the learned ones: "identical" and "near" → bool array (n,).

    Near includes identical.

    Args:
        rows: int array (n,), rows to score on.
        learned: int array (m,), rows that a network has learned from.
        pairs: int array (k, 2) of rows, as `near_pairs` returns them.
        identical: int array by row, as `identical_ids` returns them.
    """
    groups = np.unique(identical[learned])
    same = np.isin(identical[rows], groups[groups >= 0])
    is_learned = np.zeros(len(identical), bool)
    is_learned[learned] = True
    near = np.zeros(len(identical), bool)
    near[pairs[is_learned[pairs[:, 1]], 0]] = True
    near[pairs[is_learned[pairs[:, 0]], 1]] = True
    return {"identical": same, "near": same | near[rows]}


def twins(dataset: FaceDataset, *, pairs: np.ndarray, identical: np.ndarray) -> dict[str, np.ndarray]:
    """Return the test faces of a data set of all splits that have a twin in Training.

    `pairs` and `identical` are what `near_pairs` and `identical_ids` return for the data set.

    Returns:
        int32 arrays of row numbers, sorted: `PublicTest_identical`, `PublicTest_near`, `PrivateTest_identical`,
        `PrivateTest_near`. The near ones include the identical ones.
    """
    training, found = np.flatnonzero(dataset.usage == "Training"), {}
    for split in TEST_SPLITS:
        test = np.flatnonzero(dataset.usage == split)
        for kind, has_twin in has_twin_among(test, training, pairs=pairs, identical=identical).items():
            found[f"{split}_{kind}"] = np.sort(dataset.row[test[has_twin]])
    return found


def random_split_leaks(
    pairs: np.ndarray, identical: np.ndarray, *, held_out: float = 0.2, seeds: int = 5
) -> list[dict]:
    """Return what a random split leaks: for each seed, the share of held-out faces with a twin among the others."""
    lines = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(identical))
        cut = round(held_out * len(identical))
        found = has_twin_among(order[:cut], order[cut:], pairs=pairs, identical=identical)
        lines.append({"seed": seed, "n": cut} | {kind: round(float(each.mean()), 6) for kind, each in found.items()})
    return lines


def identical_counts(dataset: FaceDataset) -> dict:
    """Return the counts that need no correlations: identical groups, constant pictures, shares with identical twins."""
    groups = identical_groups(dataset)
    kinds = {
        "identical_groups": groups,
        "groups_across_splits": [group for group in groups if len(set(dataset.usage[group])) > 1],
        "groups_with_conflicting_labels": [group for group in groups if len(set(dataset.emotion[group])) > 1],
    }
    sizes = {name: {"groups": len(found), "rows": int(sum(map(len, found)))} for name, found in kinds.items()}
    same = twins(dataset, pairs=np.empty((0, 2), np.int32), identical=identical_ids(dataset))
    shares = {}
    for split in TEST_SPLITS:
        n = np.count_nonzero(dataset.usage == split)
        shares[split] = round(len(same[f"{split}_identical"]) / n, 6) if n else None
    constant = len(constant_pictures(dataset))
    return {"n": len(dataset), **sizes, "constant_pictures": constant, "share_with_identical_twin": shares}


def counts(dataset: FaceDataset, found: dict[str, np.ndarray]) -> dict:
    """Return all counts of this module as plain numbers, `found` being what `twins` returned."""
    leaks = []
    for key, rows in found.items():
        split, twin = key.split("_")
        of = int(np.count_nonzero(dataset.usage == split))
        share = round(len(rows) / max(of, 1), 6)
        leaks.append({"split": split, "twin": twin, "n": len(rows), "of": of, "share": share})
    return {**identical_counts(dataset), "near_correlation": NEAR_CORRELATION, "leaks": leaks}
