"""Which faces are meant: a reader's own pictures, FER2013, or the drawn sample. The order is said, never silent."""

import functools
import logging
from pathlib import Path

import numpy as np

from emotion_detection import files, paths
from emotion_detection.data import ferplus
from emotion_detection.data.dataset import FaceDataset
from emotion_detection.data.fer2013 import load_fer2013
from emotion_detection.data.own_pictures import load_pictures
from emotion_detection.data.synthetic import load_sample
from emotion_detection.errors import MissingFileError, ProjectError

log = logging.getLogger(__name__)

FAST_FACES = 420


def chosen_dataset(*, fast: bool = False) -> FaceDataset:
    """Return what runs are trained on: a reader's own pictures where `EMOTION_PICTURES` names them, else FER2013.

    Args:
        fast: the drawn sample in FER2013's place.
    """
    folder = paths.pictures_dir()
    if folder is not None:
        return _pictures(folder, _state_of(folder))
    return load_sample(FAST_FACES, seed=0) if fast else load_fer2013()


@functools.lru_cache(maxsize=1)
def _pictures(folder: Path, state: int) -> FaceDataset:
    return load_pictures(folder)


def _state_of(folder: Path) -> int:
    """Return a number that changes with any file of a folder, so that pictures are read once and no more."""
    stats = {path: path.stat() for path in files.walk(folder).files}
    return hash(tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()))


def fer2013_or_sample() -> FaceDataset:
    """Return FER2013 where it is found, else the drawn sample; its `name` says which, and so does what shows it."""
    try:
        return load_fer2013()
    except MissingFileError:
        return load_sample()
    except ProjectError as error:  # damaged or altered: that is told
        log.warning("The drawn sample is shown instead of FER2013: %s", error)
        return load_sample()


def ferplus_labels(dataset: FaceDataset) -> np.ndarray | None:
    """Return FER+ strict-majority labels per row of FER2013 (int8; 7 contempt, -1 none).

    None without the votes, or where the faces' row numbers are not FER2013's (a JPEG copy), so that none can be joined.
    """
    if not dataset.has_official_rows or ferplus.find() is None:
        return None
    return ferplus.strict_majority_labels(range(int(dataset.row.max()) + 1))
