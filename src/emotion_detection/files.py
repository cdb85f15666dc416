"""Writing files so that a name never holds half a file, and reading JSON and arrays that may be damaged.

All JSON and all arrays are read here: errors say what is wrong with a file and what to do.
"""

import contextlib
import dataclasses
import errno
import functools
import hashlib
import json
import logging
import math
import numbers
import os
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import fastjsonschema
import numpy as np

from emotion_detection import locks, paths
from emotion_detection.errors import DataError, DownloadError, MissingFileError, ProjectError

DOWNLOAD_TIMEOUT_S = 20
STANDARD_ERROR = 2  # number of the file that a process writes its notices to
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

LARGEST_JSON = 64_000_000
DEEPEST_JSON = 50
MOST_DIGITS = 18
LARGEST_ARRAYS = 2_000_000_000
"""Bounds of what is read: files beyond them are damaged, or made to fill the memory."""


@contextlib.contextmanager
def written_beside(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Yield a temporary path; what is written there takes the name `path` when the block ends well, else it is deleted.

    A link stays, and what it points to is replaced. The temporary name ends as `path` does: some writers go by it.

    Args:
        path: where the file goes; its folder is made.
        private: only this user may read it; else as the umask says.

    Raises:
        DataError: the file cannot be written there, or the disk is full.
    """
    path = Path(os.path.realpath(path))
    _check_kind(path)
    with locks.working_folder(path.parent) as folder, naming_what_lacks_room(path, temporary := folder / path.name):
        yield temporary
        if private:
            temporary.chmod(0o600)
        temporary.replace(path)


@contextlib.contextmanager
def naming_what_lacks_room(path: Path | str, temporary: Path | None = None) -> Iterator[None]:
    """Within the block, have the error of a full disk be a DataError that names the file."""
    try:
        yield
    except Exception as error:
        chain = [error]
        while chain[-1].__context__ is not None:
            chain.append(chain[-1].__context__)
        full, named = any(map(is_full, chain)), getattr(error, "filename", "")
        its_own = named == str(temporary) or (named is None and isinstance(error, OSError))  # numpy's have no name
        if isinstance(error, ProjectError) or not (its_own or full):
            raise
        reason = os.strerror(errno.ENOSPC) if full else getattr(error, "strerror", None) or error
        raise DataError(
            f"{path} was not written to its end: {reason}. Free some room there and where temporary files go (TMPDIR), "
            "or choose another place."
        ) from error


def is_full(error: Exception) -> bool:
    """Return whether an error, of Python's or of another library's, says that a disk is full."""
    return getattr(error, "errno", None) in FULL or any(os.strerror(number) in str(error) for number in FULL)


def check_outputs(
    outputs: Iterable[Path | str | None], *, inputs: Iterable[Path | str] = (), table: Path | str | None = None
) -> None:
    """Check before any work that a command's outputs can be written, and do not overwrite what it reads.

    Args:
        outputs: files to be written; None is left out.
        inputs: files to be read.
        table: one more output, which is text.

    Raises:
        DataError: an output is an input (links followed), another output, a folder, a device, or cannot be written; or
            `table` is there and no text: in `--csv *.jpg` the first picture would be overwritten.
    """
    read, asked = {_identity(path): path for path in inputs}, {}
    for path in (Path(output) for output in (*outputs, table) if output is not None):
        identity = _identity(path)
        if identity in read:
            raise DataError(f"{path} is to be written and is read, too ({read[identity]}). Name another file.")
        if identity in asked:
            raise DataError(f"{asked[identity]} and {path} are one file, and both are to be written. Rename one.")
        asked[identity] = path
        _check_kind(path)
        if path.exists() and not os.access(path, os.W_OK):
            raise DataError(f"{path} is there and is write-protected. Name another file, or allow it to be written.")
        if table is not None and path == Path(table) and path.is_file() and _is_no_text(path):
            raise DataError(f"{path} is there and is no table, which was to be written. Name another file.")
    for folder in {path.parent for path in asked.values()}:
        require_writable(folder)


def _is_no_text(path: Path) -> bool:
    with path.open("rb") as stream:
        return b"\0" in stream.read(4096)


def _identity(path: Path | str) -> tuple | str:
    """Return what is equal for two names of one file, whether it is there or not."""
    try:
        facts = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return os.path.normcase(os.path.realpath(path))
    except OSError as error:
        raise locks.not_writable(path, error) from error
    return facts.st_dev, facts.st_ino


def _check_kind(path: Path) -> None:
    """Raise DataError unless a file may be written in the place of what has this name."""
    if path.is_dir():
        raise DataError(f"{path} is a folder, and a file was to be written. Name a file in it.")
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is a device or a pipe, and a file was to be written. Name a file, or leave it out.")


def require_writable(folder: Path) -> None:
    """Make a folder, and raise DataError where no file can be written into it; clear what dead processes left there."""
    locks.make_folder(folder)
    locks.clear_abandoned(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise locks.not_writable(folder, error) from error


def write_bytes(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file, atomically."""
    with written_beside(path, private=private) as temporary:
        temporary.write_bytes(content)


def write_text(
    path: Path, text: str, *, encoding: str = "utf-8", errors: str = "surrogateescape", private: bool = False
) -> None:
    """Write `text` with Unix line ends, atomically; names of files that are no UTF-8 become the bytes that they are."""
    write_bytes(path, text.encode(encoding, errors), private=private)


CSV = {"encoding": "utf-8-sig", "errors": "surrogateescape"}
"""How tables for people are written: Excel takes them for UTF-8 by the mark at their begin; names of files survive."""


def write_json(path: Path, values: dict) -> None:
    """Write `values` as indented JSON that ends with a newline, atomically."""
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text, errors="backslashreplace")  # \\udce9 is JSON's own way to write a surrogate


def rounded(value, *, decimals: int = 4):
    """Return `value` as a record keeps it: floats in its dicts and lists are rounded, and NaN becomes None."""
    if isinstance(value, dict):
        return {key: rounded(each, decimals=decimals) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each, decimals=decimals) for each in value]
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        return None if math.isnan(value) else round(float(value), decimals)
    return value


@dataclasses.dataclass
class Walk:
    """What a folder holds, sorted: files, and what was left out (a system's own entries, dead links, loops, pipes)."""

    files: list[Path]
    left_out: list[Path]


HOUSEKEEPING = ("__macosx", "@eadir", "thumbs.db", "desktop.ini", "ehthumbs.db", "lost+found", "$recycle.bin")
"""Names, in lower case, of what systems put into folders; what is hidden (".git", "._x.jpg") is left out as well."""


def is_housekeeping(name: str) -> bool:
    """Return whether an entry of a folder is a system's own, not the reader's."""
    return name.startswith((".", "~$")) or name.lower() in HOUSEKEEPING


def walk(folder: Path) -> Walk:
    """List the files of a folder and of the folders in it. Links are followed, but for those that lead back."""
    found, waiting = Walk([], []), [(folder, (folder.resolve(), *folder.resolve().parents))]
    while waiting:
        inside, above = waiting.pop()
        for entry in inside.iterdir():
            if entry.is_dir() and not is_housekeeping(entry.name) and entry.resolve() not in above:
                waiting.append((entry, (*above, entry.resolve())))
            else:
                right = entry.is_file() and not is_housekeeping(entry.name)
                (found.files if right else found.left_out).append(entry)
    return Walk(sorted(found.files), sorted(found.left_out))


def sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def download(url: str, path: Path, *, sha256: str | None, by_hand: str) -> Path:
    """Download a file, checked by its SHA-256, unless it is there already; return its path.

    Args:
        url: of the file.
        path: where it goes; nothing has this name before it is whole.
        sha256: what it must have; None takes any.
        by_hand: how else to get it, for the message; a sentence.

    Raises:
        DownloadError: it cannot be had, or is another file.
    """
    import pooch  # half a second

    pooch.get_logger().setLevel(logging.WARNING)
    known, way = sha256 and f"sha256:{sha256}", pooch.HTTPDownloader(timeout=DOWNLOAD_TIMEOUT_S)
    try:
        return Path(pooch.retrieve(url, known, fname=path.name, path=path.parent, downloader=way))
    except Exception as error:  # a missing network shows in many ways
        raise DownloadError(f"{path.name} could not be downloaded ({reason_of(error)}). {by_hand}") from error


def reason_of(error: Exception) -> str:
    """Return in a few words what an error of another package says."""
    unreachable = re.search(r"host='([^']+)'.*Max retries", str(error))
    if unreachable:
        return f"{unreachable[1]} was not reached"
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no reason given'])[0][:120]}"


def read_json(
    path: Path, *, what: str = "record", remake: str = "", schema: dict | None = None, keys: Iterable[str] = ()
) -> dict:
    """Return what a JSON file holds, an object unless `schema` says otherwise.

    Args:
        path: UTF-8, with or without a byte-order mark, at most `LARGEST_JSON` bytes.
        what: what the file is, for messages: "model card".
        remake: how to make it again, such as a command, for messages.
        schema: JSON Schema that its values must follow.
        keys: that it must have.

    Raises:
        MissingFileError: it is not there.
        DataError: it cannot be read, or holds something else.
    """
    require(path, what=what, remake=remake)
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"it has {path.stat().st_size:,} bytes, at most {LARGEST_JSON:,} are read")
        return parse_json(path.read_bytes(), schema={"type": "object", "required": list(keys)} | (schema or {}))
    except (OSError, ValueError) as error:
        raise damaged(path, str(error), what=what, remake=remake) from error


def parse_json(content: bytes | str, *, schema: dict | None = None) -> object:
    """Return what JSON holds: no NaN, no infinity, no number that int64 cannot hold, at most `DEEPEST_JSON` levels.

    Raises:
        ValueError: it is damaged, or does not follow the schema; the message says why.
    """
    text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    try:
        values = json.loads(text, parse_float=_finite, parse_int=_whole, parse_constant=_finite)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not valid JSON ({error})") from error
    except (RecursionError, MemoryError) as error:
        raise ValueError("its values are nested too deeply") from error
    level, depth = [values], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        level = [child for each in level for child in (each.values() if isinstance(each, dict) else each)]
        depth += 1
    if depth > DEEPEST_JSON:
        raise ValueError(f"its values are nested in {depth} levels, at most {DEEPEST_JSON} are read")
    try:
        _validator(json.dumps(schema or {}))(values)
    except fastjsonschema.JsonSchemaValueException as error:
        problem = re.sub(r"^data\b\.?", lambda found: "" if found[0] == "data." else "it", error.message)
        raise ValueError(f"{problem[:200]}; received {repr(error.value)[:80]}") from error
    return values


@functools.lru_cache
def _validator(schema: str):
    return fastjsonschema.compile(json.loads(schema))


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"it holds {text[:20]}, expected finite numbers")
    return value


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"it holds a number of {len(text):,} digits, at most {MOST_DIGITS} are read")
    return int(text)


Expected = dict[str, tuple[str, tuple[int | None, ...]]]
"""Name of an array → kinds of dtype that it may have ("f", "iu", "U", as numpy has them), and its shape; None: any."""


def read_arrays(
    path: Path,
    *,
    what: str = "record",
    expected: Expected,
    optional: Expected | None = None,
    remake: str = "",
    mapped: bool = False,
) -> dict[str, np.ndarray]:
    """Return the named arrays of an `.npz` file, or the only array of an `.npy` file.

    Args:
        path: of at most `LARGEST_ARRAYS` bytes, unpacked.
        what: what the file is, for messages.
        expected: the arrays that it must have; of an `.npy` file one, whatever its name.
        optional: those that it may have.
        remake: how to make it again, for messages.
        mapped: map an `.npy` file into memory; its numbers are then not looked at.

    Raises:
        MissingFileError: it is not there.
        DataError: it cannot be read, lacks an array, or one has another dtype or shape, or numbers that are not finite.
    """
    require(path, what=what, remake=remake)
    wanted = expected | (optional or {})
    try:
        if path.suffix == ".npy":
            arrays = {next(iter(wanted)): np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)}
        else:
            arrays = _arrays(path, wanted)
    except Exception as error:  # zipfile, lzma, zlib and numpy each raise their own
        received = f"it cannot be read ({type(error).__name__}: {error})"
        raise damaged(path, received, what=what, remake=remake) from error
    wrong = [f"it lacks {name}" for name in expected if name not in arrays]
    wrong += filter(None, (array_fault(name, arrays[name], *wanted[name]) for name in arrays))
    if wrong:
        raise damaged(path, "; ".join(wrong), what=what, remake=remake)
    return arrays


def _arrays(path: Path, wanted: Expected) -> dict[str, np.ndarray]:
    with path.open("rb") as stream:
        with zipfile.ZipFile(stream) as archive:
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
        if sum(sizes.values()) > LARGEST_ARRAYS:
            raise ValueError(f"it unpacks to {sum(sizes.values()):,} bytes, at most {LARGEST_ARRAYS:,} are read")
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in wanted if name in archive.files}


def array_fault(name: str, array: np.ndarray, kinds: str, shape: tuple[int | None, ...]) -> str | None:
    """Return what is wrong with an array's dtype, shape (`Expected`) or numbers, or None."""
    if not isinstance(array, np.ndarray):
        return f"{name} is no array"  # numpy hands over what else an archive holds as bytes
    fits = array.ndim == len(shape) and all(side in (None, got) for side, got in zip(shape, array.shape, strict=True))
    if array.dtype.kind not in kinds or not fits:
        sides = ", ".join("n" if side is None else str(side) for side in shape)
        return f"{name} is {array.dtype} {array.shape}, expected kind {kinds!r} and ({sides})"
    if array.dtype.kind == "f" and not isinstance(array, np.memmap) and not np.isfinite(array).all():
        return f"{name} holds numbers that are not finite"
    return None


def require(path: Path, *, what: str = "record", remake: str) -> None:
    """Raise MissingFileError if a file is not there, DataError if it is a pipe, a device or a folder."""
    if path.is_file():
        return
    if path.exists():
        raise damaged(path, "it is a folder, a pipe or a device, expected a file", what=what, remake=remake)
    raise MissingFileError(f"The {what} {paths.displayed(path)} is missing. {_remedy(path, remake)}")


def damaged(path: Path, received: str, *, what: str = "record", remake: str) -> DataError:
    """Return the error that says what is wrong with a file."""
    return DataError(f"The {what} {paths.displayed(path)} is damaged: {received}. {_remedy(path, remake)}")


def _remedy(path: Path, remake: str) -> str:
    """Say what to do: git has what lies in the project's `data/results` and `data/models`, and nothing else."""
    kept = [paths.project_root() / "data" / each for each in ("results", "models")]
    in_git = any(path.resolve().is_relative_to(each) for each in kept)
    restore = f"Restore it (git checkout -- {paths.displayed(path)})" if in_git else "Restore it"
    return f"{restore} or make it again: {remake}" if remake else f"{restore}, or delete it."


@contextlib.contextmanager
def without_notices() -> Iterator[None]:
    """Keep what libraries in C++ write to standard error from the terminal or cell; they have no switch for that."""
    try:
        kept = os.dup(STANDARD_ERROR)
    except OSError:  # there is none
        yield
        return
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), STANDARD_ERROR)
    try:
        yield
    finally:
        os.dup2(kept, STANDARD_ERROR)
        os.close(kept)
