"""Working folders and locks: what is half written lies beside its place, and is deleted once its process is dead.

What is written lies in a working folder beside its place, `.writing-…`, until it is whole; then it takes its name. The
process that made a working folder holds a lock in it for its life, so that the next one knows what dead processes left
behind, and deletes it.
"""

import contextlib
import functools
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from emotion_detection.errors import DataError

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None

log = logging.getLogger(__name__)
Read = TypeVar("Read")

WORKING = ".writing-"
"""Begins the names of working folders and of locks; they are deleted once no process holds them."""

EARLIER = ".earlier"
"""In a working folder: where a folder waits while the one that replaces it takes its name."""

EXCHANGE_S = 5.0
"""How long a reader waits for a folder that is being replaced; that takes two renames."""


@contextlib.contextmanager
def folder_beside(folder: Path) -> Iterator[Path]:
    """Yield an empty folder, which takes the name `folder` when the block ends well, in place of an earlier one.

    Killed at any moment, the earlier one or the new one is there, at the latest once `clear_abandoned` was called.
    """
    with working_folder(folder.parent) as working:
        new = working / folder.name
        new.mkdir()
        yield new
        if folder.exists():
            (working / EARLIER).mkdir()
            folder.rename(working / EARLIER / folder.name)
        new.rename(folder)


def read_steadily(folder: Path, read: Callable[[Path], Read]) -> Read:
    """Return `read(folder)`, read again where `folder_beside` replaced the folder meanwhile."""
    while True:
        before = _facts_once_there(folder)
        try:
            found = read(folder)
        except Exception:
            if _facts_once_there(folder) == before:
                raise
        else:
            if _facts_once_there(folder) == before:
                return found


def _facts_once_there(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from one that replaces it; one that is being replaced is awaited. None for none."""
    until = time.monotonic() + EXCHANGE_S
    while True:
        with contextlib.suppress(FileNotFoundError):
            facts = folder.stat()
            return facts.st_ino, facts.st_ctime_ns
        waiting = (working / EARLIER / folder.name for working in folder.parent.glob(f"{WORKING}*"))
        if time.monotonic() > until or not any(earlier.exists() for earlier in waiting):
            return None
        clear_abandoned(folder.parent)
        time.sleep(0.01)


@contextlib.contextmanager
def locked(*outputs: Path | str | None) -> Iterator[None]:
    """Be the only one that writes these files or folders for as long as the block takes; None is left out.

    Raises:
        DataError: another process, or this one elsewhere, is writing one of them.
    """
    with contextlib.ExitStack() as held:
        for output in (each for each in outputs if each is not None):
            path = Path(os.path.realpath(output))
            make_folder(path.parent)
            lock = path.with_name(WORKING + hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16])
            try:
                held.callback(_release, lock, _lock(lock))
            except BlockingIOError as error:
                raise DataError(
                    f"{output} is being written by another process. Wait until it has ended, or name another file."
                ) from error
            except OSError as error:
                log.warning("%s cannot be locked (%s): let one process write it at a time.", output, error)
        yield


def _lock(path: Path) -> int:
    """Open and lock a file until its handle is closed, by this process or by its death; return the handle.

    Raises:
        BlockingIOError: somebody holds the lock.
        FileNotFoundError: its folder was deleted.
        OSError: this file system has no locks.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                _lock_on_windows(handle)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(handle)):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # whoever held it has just deleted it


def _lock_on_windows(handle: int) -> None:
    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except PermissionError as error:
        raise BlockingIOError(*error.args) from error


def _release(left: Path, handle: int) -> None:
    """Delete a working folder, or a lock, while its lock is held: so nobody takes what is about to go."""
    if fcntl is None:  # Windows deletes no open file
        os.close(handle)
    try:
        if left.is_dir():
            _remove_working(left)
        else:
            left.unlink(missing_ok=True)
    finally:
        if fcntl is not None:
            os.close(handle)


def _remove_working(working: Path) -> None:
    for earlier in (working / EARLIER).glob("*"):
        place, new = working.parent / earlier.name, working / earlier.name
        if not place.exists():
            (new if new.exists() else earlier).rename(place)
    shutil.rmtree(working, ignore_errors=True)


@contextlib.contextmanager
def working_folder(parent: Path) -> Iterator[Path]:
    """Yield an empty folder in `parent`, held by a lock in it; delete it in the end."""
    make_folder(parent)
    _clear_once(parent)
    with contextlib.ExitStack() as held:
        while True:
            try:
                folder = Path(tempfile.mkdtemp(dir=parent, prefix=WORKING))
            except OSError as error:
                raise not_writable(parent, error) from error
            try:
                held.callback(_release, folder, _lock(folder / "lock"))
            except (BlockingIOError, FileNotFoundError):  # taken for abandoned before it was locked
                continue
            except OSError:  # no locks here, so nobody will take it for abandoned
                held.callback(_remove_working, folder)
            break
        yield folder


def clear_abandoned(folder: Path) -> None:
    """Delete what processes that died while writing have left in a folder; one that they replaced is there again."""
    for left in (each for each in folder.glob(f"{WORKING}*") if not each.is_symlink()):
        with contextlib.suppress(OSError):  # held, or not ours to delete
            _release(left, _lock(left / "lock" if left.is_dir() else left))


_clear_once = functools.cache(clear_abandoned)


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise DataError(
            f"{folder} cannot be written to: a file has its name, or that of a folder above it. Choose another place."
        ) from error
    except OSError as error:
        raise not_writable(folder, error) from error


def not_writable(path: Path | str, error: OSError) -> DataError:
    return DataError(
        f"{path} cannot be written ({error.strerror or error}). Make it writable, or choose another place (by "
        "EMOTION_OUTPUT_DIR, where no file is named)."
    )
