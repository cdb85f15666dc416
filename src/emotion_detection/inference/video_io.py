"""Recordings as files: frames with the time at which each is to be seen, and videos written with the same timing.

OpenCV's FFmpeg reads them. What is told about a file that it does not open is found out here, from the file's bytes.
"""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from emotion_detection import paths
from emotion_detection.errors import DataError, MissingFileError

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".wmv", ".3gp")
"""Endings of names that are taken for recordings, whatever the file holds."""

WRITTEN_AS = {".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
"""Ending → codec of the videos that are written: quick to encode, but .webm, which browsers play."""

MAXIMUM_PIXELS = 40_000_000
"""Recordings with larger pictures are refused by their header; 8K has 33 megapixels, 100 MB a frame."""

USUAL_FRAMES_PER_S = 25.0
"""Where a file does not say."""

FASTEST_FRAMES_PER_S = 60.0
"""Of videos that are written; files with uneven timing may claim a thousand."""

FAILURES_IN_A_ROW = 200
"""FFmpeg may fail on damaged frames and go on behind them; after so many failures the recording is over."""

LARGEST_INDEX = 64_000_000
SHORTEST_LOSS_S, SMALLEST_LOSS = 0.5, 0.01
"""A recording that ends so much before what its header says, in seconds and as a share, was cut short."""


class Recording:
    """A video file that is open; frames come upright, in order, once.

    Args:
        path: of the file.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is empty, holds sound only, is damaged, no video, or has no frame or too large ones.

    Example:
        >>> with Recording("talk.mp4") as recording:
        ...     for time_s in recording.times():
        ...         picture_bgr = recording.picture_bgr()
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        _check_file(self.path)
        with quiet_opencv():
            self._capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise DataError(f"{self._name} cannot be analysed: {_why_not(self.path)}")
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        frames_per_s = self._capture.get(cv2.CAP_PROP_FPS)
        self.frames_per_s = frames_per_s if 0 < frames_per_s < 1e5 else USUAL_FRAMES_PER_S
        frames = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.announced_frames = int(frames) if 0 < frames < 1e9 else None
        """How many frames the header promises, or None where it does not."""
        self.frames = 0
        """How many were passed."""
        self.time_s = -math.inf
        """Of the last frame."""
        self._lost: list[tuple[float, float]] = []
        self._guessed = 0
        self._failed = False
        self._check_size()
        if not self._grab():
            self.close()
            raise DataError(
                f"{self._name} holds no frame that can be read ({self.path.stat().st_size:,} bytes). The recording was "
                "cut short, or is damaged: copy it again from where it was made."
            )

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._capture.release()

    @property
    def announced_s(self) -> float | None:
        """Length in seconds as the header says, or None where it does not."""
        return self.announced_frames / self.frames_per_s if self.announced_frames else None

    def times(self) -> Iterator[float]:
        """Go from frame to frame; yield the time of each in seconds, greater than the last one's."""
        there = True
        while there:
            before, self.time_s = self.time_s, self._time_s()
            if self._failed:
                self._lost.append((before, self.time_s))
            self.frames += 1
            yield self.time_s
            there = self._grab()

    def picture_bgr(self) -> np.ndarray | None:
        """Return the frame at which `times` is: uint8 array (h, w, 3), BGR, upright; None if it is damaged."""
        there, bgr = self._capture.retrieve()
        if not there or bgr is None:
            return None
        return bgr if bgr.ndim == 3 else cv2.cvtColor(bgr, cv2.COLOR_GRAY2BGR)

    def notes(self) -> list[str]:
        """Return, once `times` has ended, sentences on what was not as it should be; none if all was well."""
        found = []
        for before, after in self._lost[:3]:
            found.append(f"Damaged after {clock(before)}; it goes on at {clock(after)}.")
        if len(self._lost) > 3:
            found.append(f"{len(self._lost) - 3} more places are damaged.")
        end_s, said_s = self.time_s + 1 / self.frames_per_s, self.announced_s
        if said_s is not None and said_s - end_s > max(SHORTEST_LOSS_S, SMALLEST_LOSS * said_s):
            found.append(f"It can be read up to {clock(end_s)} of {clock(said_s)}: the rest is damaged or missing.")
        if self._guessed:
            found.append(
                f"{self._guessed:,} frames carry no time of their own: {self.frames_per_s:.4g} a second are assumed."
            )
        return found

    @property
    def _name(self) -> str:
        return f"The recording {paths.displayed(self.path)}"

    def _check_size(self) -> None:
        width, height = (int(self._capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAXIMUM_PIXELS:
            self.close()
            raise DataError(
                f"{self._name} has frames of {width:,}×{height:,} px, {width * height / 1e6:.0f} megapixels; at most "
                f"{MAXIMUM_PIXELS // 1_000_000} are read. Reduce it first."
            )

    def _grab(self) -> bool:
        """Go to the next frame, over damaged ones; return whether there is one."""
        self._failed = not self._capture.grab()
        return not self._failed or any(self._capture.grab() for _ in range(FAILURES_IN_A_ROW))

    def _time_s(self) -> float:
        """Return the time of the frame grabbed; where the file gives none that is later, the usual step is taken."""
        time_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if self.frames == 0:
            return max(0.0, time_s)
        if time_s > self.time_s:
            return time_s
        self._guessed += 1
        return self.time_s + 1 / self.frames_per_s


class Writer:
    """Writes a video of even timing: a frame is repeated, or left out, so that each is seen when it should be.

    Args:
        path: of the file; its ending, one of `WRITTEN_AS`, says which kind.
        frames_per_s: of the video.

    Raises:
        DataError: the ending is another, or (on `close`) nothing could be written.
    """

    def __init__(self, path: Path | str, *, frames_per_s: float):
        check_writable_as_video(path)
        self._path = Path(path)
        self._frames_per_s = min(frames_per_s, FASTEST_FRAMES_PER_S)
        self._writer: cv2.VideoWriter | None = None
        self._waiting: np.ndarray | None = None
        self._written = 0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def add(self, bgr: np.ndarray, *, time_s: float) -> None:
        """Add a frame, uint8 array (h, w, 3), BGR, to be seen from `time_s` on."""
        due = round(time_s * self._frames_per_s)
        if self._waiting is None:
            self._open(bgr)
            self._written = due  # the first frame's own time is where the video begins
        else:
            self._write_until(due)
        self._waiting = bgr

    def close(self) -> None:
        """Write what waits and finish the file."""
        if self._waiting is None:
            return
        self._write_until(self._written + 1)
        self._writer.release()
        if not self._path.is_file() or self._path.stat().st_size == 0:
            raise DataError(f"No video could be written to {self._path}. Check the disk, or choose another ending.")

    def _open(self, bgr: np.ndarray) -> None:
        codec = cv2.VideoWriter_fourcc(*WRITTEN_AS[self._path.suffix.lower()])
        self._size = bgr.shape[1::-1]
        with quiet_opencv():
            self._writer = cv2.VideoWriter(str(self._path), cv2.CAP_FFMPEG, codec, self._frames_per_s, self._size)
        if not self._writer.isOpened():
            raise DataError(
                f"No video of {self._size[0]}×{self._size[1]} px can be written to {self._path}. Choose another "
                f"ending ({', '.join(WRITTEN_AS)}) or folder."
            )

    def _write_until(self, due: int) -> None:
        """Write the frame that waits as often as it takes until the next one's turn."""
        while self._written < due:
            same_size = self._waiting.shape[1::-1] == self._size
            self._writer.write(self._waiting if same_size else cv2.resize(self._waiting, self._size))
            self._written += 1


def check_writable_as_video(path: Path | str) -> None:
    """Raise DataError unless a name's ending is one of `WRITTEN_AS`."""
    if Path(path).suffix.lower() not in WRITTEN_AS:
        raise DataError(
            f"A video is to be written to {path}, whose ending says no kind that can be written. Use one of "
            f"{', '.join(WRITTEN_AS)}."
        )


def is_recording(path: Path | str) -> bool:
    """Return whether a file is to be taken for a recording: by its first bytes, or else by its name."""
    path = Path(path)
    begin = _first_bytes(path) if path.is_file() else b""
    if begin.startswith((b"\xff\xd8\xff", b"\x89PNG")) or begin[8:12] == b"WEBP":
        return False
    if begin.startswith(b"\x1a\x45\xdf\xa3") or begin[8:12] == b"AVI " or _is_sound(begin):
        return True  # sound is refused with better words than a picture's
    is_mp4 = begin[4:8] == b"ftyp" and begin[8:12] not in (b"heic", b"heix", b"avif", b"mif1", b"msf1")
    return is_mp4 or path.suffix.lower() in SUFFIXES


def clock(time_s: float) -> str:
    """Return a time as it is told: 0:03.2, 12:40.0, 1:02:03.0."""
    tenths = round(max(0.0, time_s) * 10)
    hours, minutes, seconds = tenths // 36_000, tenths // 600 % 60, tenths % 600 / 10
    return f"{hours}:{minutes:02d}:{seconds:04.1f}" if hours else f"{minutes}:{seconds:04.1f}"


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV and FFmpeg from writing to the terminal what they think of a file or address."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _check_file(path: Path) -> None:
    if not path.is_file():
        received = "it is a folder" if path.is_dir() else "no such file"
        raise MissingFileError(f"The recording {path} was not found: {received}. Pass the path of a video file.")
    if path.stat().st_size == 0:
        raise DataError(f"The recording {paths.displayed(path)} is empty (0 bytes). Copy it again.")


def _first_bytes(path: Path, count: int = 64) -> bytes:
    with path.open("rb") as stream:
        return stream.read(count)


def _is_sound(begin: bytes) -> bool:
    """Return whether a file that begins so is a common kind that holds sound (Ogg may hold pictures, too)."""
    return begin.startswith((b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xf1", b"OggS")) or begin[8:12] in (b"WAVE", b"M4A ")


def _why_not(path: Path) -> str:
    """Return why FFmpeg may have refused a file, and what to do, as the end of a sentence and another one."""
    begin = _first_bytes(path, 512)
    index = _mp4_index(path) if begin[4:8] == b"ftyp" else b""
    if _is_sound(begin) or (index and b"soun" in index and b"vide" not in index):
        return "it holds sound and no pictures. Pass a video."
    size = f"{path.stat().st_size:,} bytes"
    if begin[4:8] == b"ftyp" and not index:
        return (
            f"its index, which is written last, is missing ({size}). The recording or the copy was cut short: copy it "
            "again, or repair it with a tool for broken MP4 files."
        )
    if not set(begin) - set(bytes(range(32, 127)) + b"\t\n\r"):
        return f"it holds text ({size}). Pass a video."
    return f"it is damaged, without pictures, or no video that FFmpeg knows ({size}). Open it in a player to see."


def _mp4_index(path: Path) -> bytes:
    """Return the box `moov` of an MP4 file, at most 64 MB of it; empty if there is none."""
    end = path.stat().st_size
    with path.open("rb") as stream:
        place = 0
        while place + 8 <= end:
            stream.seek(place)
            header = stream.read(16)
            size = int.from_bytes(header[:4])
            size = int.from_bytes(header[8:16]) if size == 1 else size or end - place
            if header[4:8] == b"moov":
                stream.seek(place)
                return stream.read(min(size, LARGEST_INDEX))
            place += max(size, 8)
    return b""
