"""Files are written whole or not at all, by one process at a time, in the place of nothing else."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from emotion_detection import files, locks
from emotion_detection.errors import DataError

only_on_posix = pytest.mark.skipif(os.name == "nt", reason="links, modes and devices are POSIX's")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def inputs(tmp_path):
    """A picture under three names, a folder, and a file where a folder would be needed."""
    (tmp_path / "in.jpg").write_bytes(b"picture")
    (tmp_path / "linked.jpg").symlink_to("in.jpg")
    (tmp_path / "hard.jpg").hardlink_to(tmp_path / "in.jpg")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@only_on_posix
@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (["in.jpg"], "is read, too"),
        (["linked.jpg"], "is read, too"),
        (["hard.jpg"], "is read, too"),
        (["folder/../in.jpg"], "is read, too"),
        (["a.csv", "folder/../a.csv"], "are one file"),
        (["folder"], "is a folder"),
        (["/dev/null"], "is a device"),
        (["pipe"], "is a device or a pipe"),
        (["in.jpg/a.csv"], "cannot be written"),
        (["n" * 300], "cannot be written"),
    ],
)
def test_outputs_that_would_destroy_something_or_cannot_be_are_refused_before_any_work(inputs, outputs, said):
    before = names(inputs)
    with pytest.raises(DataError, match=said):
        files.check_outputs([inputs / output for output in outputs], inputs=[inputs / "in.jpg"])
    assert names(inputs) == before


@only_on_posix
def test_outputs_that_can_be_written_are_let_through(inputs):
    files.check_outputs([inputs / "new" / "a.csv", None, inputs / "b.csv"], inputs=[inputs / "in.jpg"])
    assert names(inputs / "new") == []


@only_on_posix
def test_a_device_stays_and_a_link_stays_a_link(inputs):
    with pytest.raises(DataError, match="is a device"):
        files.write_text(Path("/dev/null"), "text")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    files.write_text(inputs / "linked.jpg", "text")
    assert (inputs / "linked.jpg").is_symlink()
    assert (inputs / "in.jpg").read_text() == "text"


@only_on_posix
@pytest.mark.parametrize(("umask", "private", "mode"), [(0o022, False, 0o644), (0o077, False, 0o600), (0, True, 0o600)])
def test_modes_are_those_of_the_umask_but_what_is_private_is_its_owners(tmp_path, umask, private, mode):
    before = os.umask(umask)
    try:
        files.write_text(tmp_path / "a.txt", "text", private=private)
        with locks.folder_beside(tmp_path / "folder"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o777 & ~umask


def test_names_that_are_not_utf_8_are_written_as_the_bytes_that_they_are(tmp_path):
    files.write_text(tmp_path / "a.csv", "caf\udce9.jpg,笑顔.jpg\n")
    assert (tmp_path / "a.csv").read_bytes() == b"caf\xe9.jpg," + "笑顔.jpg\n".encode()
    files.write_json(tmp_path / "a.json", {"name": "caf\udce9.jpg"})
    assert files.read_json(tmp_path / "a.json", remake="")["name"] == "caf\udce9.jpg"


def test_without_room_the_earlier_file_stays_and_the_error_names_the_file(tmp_path, small_disk):
    path = tmp_path / "array.npy"
    path.write_text("earlier")
    with (
        pytest.raises(DataError, match=r"array\.npy was not written to its end"),
        files.written_beside(path) as new,
    ):
        np.save(new, np.zeros(100_000))
    assert path.read_text() == "earlier"
    assert names(tmp_path) == ["array.npy"]


def test_errors_about_other_files_are_passed_on(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), files.written_beside(tmp_path / "a"):
        (tmp_path / "other").read_bytes()
    assert names(tmp_path) == []


# --- locks ----------------------------------------------------------------------------------------------------------


def test_one_process_at_a_time_writes_an_output(tmp_path):
    with locks.locked(tmp_path / "a.csv", None):
        with locks.locked(tmp_path / "b.csv"):
            pass
        with pytest.raises(DataError, match=r"a\.csv is being written"), locks.locked(tmp_path / "a.csv"):
            pytest.fail("locked twice")
    with locks.locked(tmp_path / "a.csv"):
        pass
    assert names(tmp_path) == []


WRITES = """
import pathlib, sys, time
from emotion_detection import files, locks
folder = pathlib.Path(sys.argv[1])
with locks.locked(folder / "a"), files.written_beside(folder / "b") as b, locks.folder_beside(folder / "c") as c:
    b.write_text("half")
    (c / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""


def test_what_a_process_was_writing_is_deleted_once_it_is_dead_and_not_before(tmp_path):
    (tmp_path / ".mine").write_text("not a left-over")
    with subprocess.Popen([sys.executable, "-c", WRITES, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        before = names(tmp_path)
        assert len(before) == 4
        locks.clear_abandoned(tmp_path)
        assert names(tmp_path) == before
        with pytest.raises(DataError, match="another process"), locks.locked(tmp_path / "a"):
            pytest.fail("locked twice")
        writer.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    with locks.locked(tmp_path / "a"):
        pass
    files.require_writable(tmp_path)
    assert names(tmp_path) == [".mine"]


# --- folders --------------------------------------------------------------------------------------------------------


def replace(folder: Path, content: str) -> None:
    with locks.folder_beside(folder) as new:
        (new / "one").write_text(content)
        (new / "two").write_text(content)


def test_killed_between_the_two_renames_the_new_folder_is_there_at_the_next_start(tmp_path, monkeypatch):
    folder = tmp_path / "record"
    replace(folder, "earlier")

    class Killed(BaseException):
        pass

    rename_as_ever = Path.rename

    def rename(path, target):
        if target == folder:
            raise Killed
        rename_as_ever(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        patch.setattr(locks, "_release", lambda left, handle: os.close(handle))  # a killed process does nothing more
        with pytest.raises(Killed):
            replace(folder, "new")
    assert not folder.exists()
    found = locks.read_steadily(folder, lambda each: (each / "one").read_text())
    assert found == "new"
    assert names(tmp_path) == ["record"]


def test_a_reader_finds_one_of_both_folders_whole_while_they_are_replaced(tmp_path):
    folder = tmp_path / "record"
    replace(folder, "0")
    ended = threading.Event()

    def write():
        for number in range(1, 100):
            replace(folder, str(number))
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not ended.is_set():
        one, two = locks.read_steadily(folder, lambda each: [(each / name).read_text() for name in ("one", "two")])
        assert one == two
    writer.join()
    assert names(tmp_path) == ["record"]


def test_a_folder_that_is_not_there_is_not_waited_for(tmp_path):
    with pytest.raises(FileNotFoundError):
        locks.read_steadily(tmp_path / "record", lambda each: (each / "one").read_text())
