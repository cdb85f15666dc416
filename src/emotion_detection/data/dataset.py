"""`FaceDataset`: faces with their emotion, split and row number, whatever they were read from."""

import dataclasses
import functools
import hashlib

import numpy as np
import pandas as pd

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError

SPLITS = ("Training", "PublicTest", "PrivateTest")
"""FER2013's official split: Training to learn, PublicTest to choose, PrivateTest to report once."""

TEST_SPLITS = SPLITS[1:]

UNLABELLED = -1

OWN_PICTURES = "pictures "
"""Begins the name of a data set that was made from a folder of a reader's own pictures; the folder's name follows."""


@dataclasses.dataclass(frozen=True, eq=False)
class FaceDataset:
    """Grey faces and what is known of each; immutable (the arrays are read-only).

    Args:
        pixels: uint8 array (n, 48, 48), grey, 0–255.
        emotion: int8 array (n,), index into `EMOTIONS`; -1 where a source has no label.
        usage: str array (n,), "Training", "PublicTest" or "PrivateTest".
        row: int32 array (n,), FER2013's official row numbers (0–35886), or positions in the source.
        name: what the reader is shown: "FER2013", "drawn sample", or `OWN_PICTURES` and a folder's name.
        notes: sentences on what the source lacks or is unsure of, shown to the reader.
        has_official_rows: whether `row` holds FER2013's numbers, so that FER+ and the recorded twins can be joined.
    """

    pixels: np.ndarray
    emotion: np.ndarray
    usage: np.ndarray
    row: np.ndarray
    name: str = "FER2013"
    notes: tuple[str, ...] = ()
    has_official_rows: bool = True

    def __post_init__(self):
        shapes = {
            "pixels": (self.pixels.shape[1:] == (48, 48) and self.pixels.dtype == np.uint8, "uint8 (n, 48, 48)"),
            "emotion": (self.emotion.dtype == np.int8, "int8 (n,)"),
            "row": (self.row.dtype == np.int32, "int32 (n,)"),
        }
        for field, (right, expected) in shapes.items():
            array = getattr(self, field)
            if not right or len(array) != len(self.usage):
                raise DataError(
                    f"FaceDataset.{field} is {array.dtype} {array.shape}, expected {expected} with "
                    f"n = {len(self.usage)}. Build data sets with the loaders in emotion_detection.data."
                )
        unknown = sorted(set(np.unique(self.usage)) - set(SPLITS))
        if unknown:
            raise DataError(f"Usage holds {unknown}, expected only {list(SPLITS)}. Correct the source's split names.")
        for field in ("pixels", "emotion", "usage", "row"):
            view = getattr(self, field).view()
            view.flags.writeable = False
            object.__setattr__(self, field, view)

    def __len__(self) -> int:
        return len(self.row)

    def __repr__(self) -> str:
        counts = ", ".join(f"{split} {np.count_nonzero(self.usage == split):,}" for split in SPLITS)
        return f"<{self.name}: {len(self):,} faces ({counts})>"

    def __getitem__(self, index) -> "FaceDataset":
        """Return the faces at a slice, an integer array or a boolean mask, as a `FaceDataset`."""
        if isinstance(index, int | np.integer):
            index = slice(index, index + 1 or None)
        fields = {field: getattr(self, field)[index] for field in ("pixels", "emotion", "usage", "row")}
        return dataclasses.replace(self, **fields)

    def split(self, usage: str) -> "FaceDataset":
        """Return the faces of one split: "Training", "PublicTest" or "PrivateTest"."""
        if usage not in SPLITS:
            raise DataError(f"Split {usage!r} does not exist. Use one of {list(SPLITS)}.")
        return self[self.usage == usage]

    def labelled_split(self, usage: str) -> "FaceDataset":
        """Return the faces of one split, to be scored against their labels.

        Raises:
            DataError: there are none, or one has no label.
        """
        faces = self.split(usage)
        if not len(faces) or (faces.emotion == UNLABELLED).any():
            raise DataError(
                f"{usage} of {self.name} has {len(faces)} faces, {np.count_nonzero(faces.emotion == UNLABELLED)} of "
                "them without a label, so it cannot be scored. Use a copy of FER2013 that keeps the official split "
                "(see data/README.md)."
            )
        return faces

    @property
    def training(self) -> "FaceDataset":
        """The faces to learn from."""
        return self.split("Training")

    @property
    def public_test(self) -> "FaceDataset":
        """The faces to choose by (epochs, recipes, temperature)."""
        return self.split("PublicTest")

    @property
    def private_test(self) -> "FaceDataset":
        """The faces to report on, once per finished recipe."""
        return self.split("PrivateTest")

    def counts(self) -> pd.DataFrame:
        """Return a DataFrame: a row per emotion, a column per split, the number of faces in each cell."""
        table = {
            split: np.bincount(self.emotion[(self.usage == split) & (self.emotion >= 0)], minlength=len(EMOTIONS))
            for split in SPLITS
        }
        return pd.DataFrame(table, index=pd.Index(EMOTIONS, name="emotion"))

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 over pixels, labels, splits and row numbers; equal exactly when the content is."""
        digest = hashlib.sha256()
        for array in (self.pixels, self.emotion, self.usage.astype("U11"), self.row):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
