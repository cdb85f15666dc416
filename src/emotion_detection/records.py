"""Reading the project's recorded measurements, JSON files in `data/results/`, with errors that say what to do."""

import json
from pathlib import Path

from emotion_detection import paths
from emotion_detection.errors import DataError, MissingFileError


def read(path: Path, *, remake: str, keys: tuple[str, ...] = ()) -> dict:
    """Return what a record holds.

    Args:
        path: of the record.
        remake: how to make it again, such as a command, for the message.
        keys: that it must have.

    Raises:
        MissingFileError: it is not there.
        DataError: it is no JSON object, or lacks one of the keys.
    """
    require(path, remake=remake)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise damaged(path, f"it is not valid JSON ({error})", remake=remake) from error
    if not isinstance(values, dict):
        raise damaged(path, f"it holds {type(values).__name__}, expected an object", remake=remake)
    lacking = [key for key in keys if key not in values]
    if lacking:
        raise damaged(path, f"it lacks {', '.join(lacking)}", remake=remake)
    return values


def require(path: Path, *, remake: str) -> None:
    """Raise MissingFileError, with what to do, if a record is not there."""
    if not path.is_file():
        raise missing(path, remake=remake)


def missing(path: Path, *, remake: str) -> MissingFileError:
    """Return the error that says that a record is not there."""
    return MissingFileError(f"The record {paths.displayed(path)} is missing. {_remedy(path, remake)}")


def damaged(path: Path, received: str, *, remake: str) -> DataError:
    """Return the error that says what is wrong with a record."""
    return DataError(f"The record {paths.displayed(path)} is damaged: {received}. {_remedy(path, remake)}")


def _remedy(path: Path, remake: str) -> str:
    return f"Restore it (git checkout -- {paths.displayed(path)}) or make it again: {remake}"
