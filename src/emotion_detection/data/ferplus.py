"""FER+ (Barsoum et al., 2016): ten people's votes on every face of FER2013, joined by row number.

Three traps lie in the file. The image names are not row numbers (faces that were "not a face" have none), so votes
are joined by position; the names say whether a row was moved. The published rule first discards single votes, then
asks for more than half of what is left; more than half of the ten raw votes would keep 2,729 instead of 3,153 faces
of PrivateTest. And the classes stand in another order than FER2013's: everything here is in FER2013's order, with
contempt as an eighth class.

Reference: Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
Distribution", ICMI 2016, arXiv:1608.01041.
"""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection import paths
from emotion_detection.data import tables
from emotion_detection.data.dataset import SPLITS, FaceDataset
from emotion_detection.emotions import FERPLUS_EMOTIONS, FERPLUS_TO_FER2013, VOTES
from emotion_detection.errors import DataError, MissingFileError, OverlapError

FILE_NAMES = ("fer2013new.csv", "FERPlus/fer2013new.csv", "FERPlus-master/fer2013new.csv")
NAMES = "Image name"
NAMES_SHA256 = "6215afa5820d2f17dc20f0465ada3dbefa38ef127ce083d6a615402e9643f89b"
"""Of the image names in their order, joined by line ends: votes are joined by position, so no row may be moved."""

VOTE_COLUMNS = (*FERPLUS_EMOTIONS, "unknown", "NF")
CLASSES = VOTES
CONTEMPT = 7
OFFICIAL_ROWS = 35887
GET_IT = "Download fer2013new.csv again from the FER+ repository of Microsoft (see data/README.md)."


@dataclasses.dataclass(frozen=True, eq=False)
class FerPlus:
    """The votes on FER2013's faces, and the split of each.

    `votes` is uint8 (n, 10): for the eight classes of `CLASSES`, then "unknown" and "not a face"; `usage` is str (n,).
    """

    votes: np.ndarray
    usage: np.ndarray

    def __len__(self) -> int:
        return len(self.votes)

    def majority(self, *, strict: bool = True) -> np.ndarray:
        """Return one label a face by the rule of FER+.

        Votes that one person alone gave are discarded. Strict: the class needs more than half of the votes left,
        "unknown" and "not a face" included (3,153 labels on PrivateTest). Otherwise the class with the most votes is
        taken, the first in FER+'s order where several have as many (3,546 labels).

        Returns:
            int8 array (n,): index into `CLASSES` (0–6 are FER2013's, 7 is contempt), -1 where there is no label.
        """
        votes = _without_single_votes(self.votes)[:, _FERPLUS_ORDER]
        most = votes.argmax(axis=1)
        count, total = votes.max(axis=1), votes.sum(axis=1)
        has_label = (most < len(CLASSES)) & (count > 0)
        if strict:
            has_label &= 2 * count > total
        return np.where(has_label, np.array(_FERPLUS_ORDER)[most], -1).astype(np.int8)

    def soft_labels(self, *, classes: int = 8) -> np.ndarray:
        """Return the share of votes for each class, single votes discarded.

        `classes` is 8 for FER+'s classes, or 7 for FER2013's alone (votes for contempt are left out).

        Returns:
            float32 array (n, classes), each row summing to 1, or all 0 where nobody voted for any of the classes.
        """
        if classes not in (7, 8):
            raise DataError(f"FER+ has no soft labels over {classes} classes. Ask for classes=8 or classes=7.")
        votes = _without_single_votes(self.votes)[:, :classes].astype(np.float32)
        return votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)


# for each column of the file, its index in `CLASSES` or, from 8 on, of "unknown" and "not a face"
_FERPLUS_ORDER = [*(CLASSES.index(FERPLUS_TO_FER2013.get(name, name)) for name in FERPLUS_EMOTIONS), 8, 9]


def _without_single_votes(votes: np.ndarray) -> np.ndarray:
    return np.where(votes > 1, votes, 0).astype(np.int64)


def find() -> Path | None:
    """Return the file of votes, `fer2013new.csv`, in the folders that `paths.search_folders()` lists, or None."""
    return paths.find_file(*FILE_NAMES)


def load_ferplus(*, path: Path | None = None) -> FerPlus:
    """Load the votes of FER+, one row per row of FER2013.

    Args:
        path: `fer2013new.csv`; None looks in the folders of `EMOTION_DATA_DIR`, then in `data/raw/`.

    Raises:
        MissingFileError: the file is not there.
        DataError: it is not the file of FER+'s votes.
    """
    path = paths.expanded(path) if path is not None else find()
    if path is None or not path.is_file():
        folders = [path] if path else paths.search_folders() or [paths.raw_dir()]
        where = ", ".join(paths.displayed(folder) for folder in folders)
        raise MissingFileError(
            f"The votes of FER+ were not found: looked for {FILE_NAMES[0]} in {where}. Put it "
            "into data/raw/ or set EMOTION_DATA_DIR (see data/README.md)."
        )
    return _checked(
        tables.read(path, ["Usage", NAMES, *VOTE_COLUMNS], remedy=GET_IT, texts=("Usage", NAMES)), path.name
    )


def _checked(table: pd.DataFrame, name: str) -> FerPlus:
    if len(table) != OFFICIAL_ROWS or not table["Usage"].isin(SPLITS).all():
        raise DataError(f"{name} has {len(table):,} rows, expected {OFFICIAL_ROWS:,} of the three splits. {GET_IT}")
    if hashlib.sha256("\n".join(table[NAMES].str.strip()).encode()).hexdigest() != NAMES_SHA256:
        raise DataError(f"{name} has other image names than FER+, or in another order: its rows were moved. {GET_IT}")
    votes = table[list(VOTE_COLUMNS)].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~((votes >= 0) & (votes <= 10) & (votes == np.floor(votes))).all(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        received = ", ".join(str(vote)[:20] for vote in table.iloc[row][list(VOTE_COLUMNS)])
        raise DataError(f"{name} row {row} has the votes {received}, expected whole numbers of 0–10. {GET_IT}")
    ordered = np.empty(votes.shape, np.uint8)
    ordered[:, _FERPLUS_ORDER] = votes
    return FerPlus(ordered, table["Usage"].to_numpy(dtype="<U11"))


def strict_majority_labels(rows: np.ndarray) -> np.ndarray:
    """Return FER+'s strict-majority label of FER2013's rows.

    Args:
        rows: int array (n,), official row numbers, 0–35886.

    Returns:
        int8 array (n,): FER2013's class 0–6; 7 for contempt, which no network of seven classes can get right; -1
        where there is no strict majority or no face.

    Raises:
        MissingFileError: the votes are not there.
    """
    rows = np.asarray(rows)
    if rows.size and (rows.min() < 0 or rows.max() >= OFFICIAL_ROWS):
        raise DataError(
            f"FER+ joins by FER2013's official row numbers, 0–{OFFICIAL_ROWS - 1}; received {rows.min()}–{rows.max()}. "
            "Read FER2013 from a copy that keeps its row numbers (see data/README.md)."
        )
    return load_ferplus().majority(strict=True)[rows]


def votes_on(faces: FaceDataset) -> FerPlus:
    """Return FER+'s votes on Training faces, in their order.

    Raises:
        MissingFileError: the votes are not there.
        DataError: the faces' row numbers are not FER2013's, so that votes cannot be joined.
        OverlapError: some faces are not of Training.
    """
    if not faces.has_official_rows:
        raise DataError(
            f"FER+ joins by FER2013's official row numbers, which this copy of {faces.name} lacks. Train on "
            "fer2013.csv, or choose a recipe without FER+ (see data/README.md)."
        )
    votes = load_ferplus()
    usage = votes.usage[faces.row]
    outside = faces.row[usage != "Training"]
    if len(outside):
        raise OverlapError(
            f"{len(outside)} faces to learn from are not of FER2013's Training (first rows: {outside[:3].tolist()}). "
            "Their FER+ votes are for scores alone: use a recipe that keeps the official split."
        )
    return FerPlus(votes.votes[faces.row], usage)


def with_votes(faces: FaceDataset) -> FaceDataset:
    """Return the Training faces of which FER+'s voters chose one of the seven emotions."""
    return faces[votes_on(faces).soft_labels(classes=7).any(axis=1)]
