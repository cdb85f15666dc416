"""Writing files so that a name never holds half a file, and reading recorded measurements.

Writing goes beside and then renames. Records are JSON files in `data/results/`; errors about them say what to do.
"""

import contextlib
import hashlib
import json
import math
import numbers
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from emotion_detection import paths
from emotion_detection.errors import DataError, MissingFileError


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, delete it otherwise.

    The temporary name keeps the suffix, since some writers choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_writable(folder: Path, *, instead: str = "set EMOTION_OUTPUT_DIR to another folder") -> None:
    """Make a folder, and raise DataError where no file can be written into it; `instead` is what else may be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written ({error.strerror or error}). Make it writable, or {instead}."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends, atomically."""
    with written_beside(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json(path: Path, values: dict) -> None:
    """Write `values` as indented JSON that ends with a newline, atomically."""
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def rounded(value, *, decimals: int = 4):
    """Return `value` as a record keeps it: floats in its dicts and lists are rounded, and NaN becomes None."""
    if isinstance(value, dict):
        return {key: rounded(each, decimals=decimals) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each, decimals=decimals) for each in value]
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        return None if math.isnan(value) else round(float(value), decimals)
    return value


def sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_json(path: Path, *, remake: str, keys: tuple[str, ...] = ()) -> dict:
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
