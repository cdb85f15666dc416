"""Summaries of FER2013 in `data/results/fer2013/`: numbers that figures and scores need when the faces are not there.

`record()` writes them from the data set; the `load_…` functions read them with neither data set nor Keras. No single
face is in them: counts, row numbers and averages over hundreds of faces.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection import files, paths
from emotion_detection.data import duplicates, fer2013, ferplus, verification
from emotion_detection.data.dataset import SPLITS, FaceDataset
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError

FOLDER = "fer2013"
REMAKE = "emotion_detection.data.summaries.record(), with FER2013"
TWINS = tuple(f"{split}_{kind}" for split in duplicates.TEST_SPLITS for kind in ("identical", "near"))


def folder() -> Path:
    """Return the folder in which the summaries are recorded, whether it exists or not."""
    return paths.project_root() / "data" / "results" / FOLDER


def record(dataset: FaceDataset | None = None) -> Path:
    """Write all summaries of FER2013, and return their folder; about two minutes, most of it for near twins.

    They are `counts.json`, `averages.npz`, `quality.json`, `twins.npz`, `clusters.npz` and, where the votes are at
    hand, `ferplus.json`.

    Args:
        dataset: the faces; None loads FER2013, which must be exact.

    Raises:
        DataError: the copy of FER2013 at hand is not exact, so its summaries are not FER2013's.
    """
    if dataset is None:
        dataset, checked = fer2013.load_verified(fer2013.find_source())
        if checked.verdict != "exact":
            raise DataError(
                f"Summaries are recorded from an exact FER2013 only; this is {checked.source}: "
                f"{checked.sentences[0]} Get the original (see data/README.md)."
            )
    else:
        checked = verification.verify(dataset)
    pairs, identical = duplicates.near_pairs(dataset.pixels), duplicates.identical_ids(dataset)
    found = duplicates.twins(dataset, pairs=pairs, identical=identical)
    _write_arrays("clusters.npz", pairs=dataset.row[pairs], identical=_by_row(identical, dataset.row))
    _write_arrays("averages.npz", averages=class_averages(dataset.training))
    _write_arrays("twins.npz", **found)
    verified = dataset[~np.isin(dataset.row, verification.facts()["inexact_rows"])]
    leaks = {
        "near_pairs": len(pairs),
        "random_split": duplicates.random_split_leaks(pairs, identical),
        "without_unverified_rows": duplicates.identical_counts(verified),
    }
    files.write_json(folder() / "quality.json", duplicates.counts(dataset, found) | leaks)
    if ferplus.find() is not None:
        files.write_json(folder() / "ferplus.json", _agreement(dataset, ferplus.load_ferplus()))
    facts = {"name": dataset.name, "n": len(dataset), "verdict": checked.verdict}
    facts |= {"unverified_rows": checked.n_unverified, "counts": checked.counts}
    files.write_json(folder() / "counts.json", facts)
    return folder()


def _by_row(values: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return values indexed by row number; -1 for rows that are not there."""
    ordered = np.full(int(row.max()) + 1, -1, values.dtype)
    ordered[row] = values
    return ordered


def class_averages(dataset: FaceDataset) -> np.ndarray:
    """Return the average face of each emotion: float32 array (7, 48, 48), 0–255."""
    return np.stack([dataset.pixels[dataset.emotion == label].mean(axis=0) for label in range(len(EMOTIONS))]).astype(
        np.float32
    )


def _agreement(dataset: FaceDataset, votes: ferplus.FerPlus) -> dict:
    """Return, per split, counts of FER2013's labels against FER+'s strict majority (columns, contempt last)."""
    values = {"rule": "single votes discarded; strict: more than half of the votes left; plurality: most votes"}
    for split in SPLITS:
        part = dataset.split(split)
        strict = votes.majority(strict=True)[part.row]
        confusion = np.zeros((len(EMOTIONS), len(ferplus.CLASSES)), int)
        np.add.at(confusion, (part.emotion[strict >= 0], strict[strict >= 0]), 1)
        n, agree = confusion.sum(axis=1).tolist(), np.diag(confusion).tolist()
        values[split] = {
            "n": len(part),
            "n_strict": sum(n),
            "n_contempt": int((strict == ferplus.CONTEMPT).sum()),
            "n_plurality": int((votes.majority(strict=False)[part.row] >= 0).sum()),
            "agree": sum(agree),
            "emotions": {name: {"n": n[label], "agree": agree[label]} for label, name in enumerate(EMOTIONS)},
            "confusion": confusion.tolist(),
        }
    return values


def load_counts() -> pd.DataFrame:
    """Return the recorded counts: a row per emotion, a column per split."""
    counts = _read_json("counts.json")
    return pd.DataFrame(counts["counts"], index=pd.Index(EMOTIONS, name="emotion"))[list(SPLITS)]


def load_averages() -> np.ndarray:
    """Return the recorded average face of each emotion in Training: float32 array (7, 48, 48), 0–255."""
    return _read_arrays("averages.npz", averages=("f", (len(EMOTIONS), 48, 48)))["averages"]


def load_quality() -> dict:
    """Return the recorded counts of duplicates, leaks, conflicting labels and constant pictures."""
    return _read_json("quality.json")


def load_twins() -> dict[str, np.ndarray]:
    """Return the recorded rows of test faces with a twin in Training; the keys are those of `duplicates.twins`."""
    return _read_arrays("twins.npz", **{key: ("iu", (None,)) for key in TWINS})


def load_clusters() -> dict[str, np.ndarray]:
    """Return `pairs`, int32 (m, 2) of rows, and `identical`, int32 by row, for `duplicates.has_twin_among`."""
    return _read_arrays("clusters.npz", pairs=("iu", (None, 2)), identical=("iu", (None,)))


def load_agreement() -> dict:
    """Return the recorded agreement of FER2013's labels with FER+, per split."""
    return _read_json("ferplus.json")


def _write_arrays(name: str, **arrays: np.ndarray) -> None:
    with files.written_beside(folder() / name) as temporary:
        np.savez_compressed(temporary, **arrays)


def _read_json(name: str) -> dict:
    return files.read_json(folder() / name, remake=REMAKE)


def _read_arrays(name: str, **expected: tuple) -> dict[str, np.ndarray]:
    return files.read_arrays(folder() / name, expected=expected, remake=REMAKE)
