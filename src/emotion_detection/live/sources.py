"""Where frames come from, behind one interface: the reader's browser, a camera of the kernel's machine, a file.

A source is opened, read and closed by one thread, the worker's; `close` may be called from any.
"""

import contextlib
import dataclasses
import io
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from emotion_detection import paths
from emotion_detection.errors import CameraError, DataError, ProjectError
from emotion_detection.inference import video_io
from emotion_detection.inference.stream import Frame
from emotion_detection.live import demo_clip

LARGEST_SIDE_PX = 4096  # a frame with a longer side is refused before it is decoded
OPEN_TIMEOUT_MS = 5000
DEVICE_TIMEOUT_S = 2  # for a picture of a Linux camera; OpenCV's own ten seconds are longer than Stop may take
CLIP_FRAMES_PER_S = 25.0
LATE_S = 0.2  # a file's frame that is due for longer is left out: its pace goes before its frames


def decode_jpeg(data: bytes) -> np.ndarray:
    """Return a JPEG's pixels: uint8 array (h, w, 3), BGR; a grey one is repeated over the three channels.

    Raises:
        DataError: the bytes are no JPEG, are damaged, or the picture is larger than 4,096 px.
    """
    try:
        with PIL.Image.open(io.BytesIO(data), formats=["JPEG"]) as header:
            width, height = header.size
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise DataError(
            f"A frame of {len(data):,} bytes is no JPEG ({type(error).__name__}). Send frames as JPEG."
        ) from error
    if max(width, height) > LARGEST_SIDE_PX:
        raise DataError(
            f"A frame has {width:,}×{height:,} px, at most {LARGEST_SIDE_PX:,} per side are read. Send smaller frames."
        )
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise DataError(f"A frame of {len(data):,} bytes is a damaged JPEG. Send it again.")
    return bgr


@dataclasses.dataclass(frozen=True)
class _Received:
    jpeg: bytes
    sequence: int
    time_s: float


class BrowserCamera:
    """The camera of the browser in which the cell is looked at; its frames arrive as messages.

    Of frames that arrive while one is looked at only the newest waits: answers are about now. `put` is called by the
    widget, `read` by the worker.
    """

    name = "this browser's camera"
    in_browser = True

    def __init__(self):
        self._waiting: _Received | None = None
        self._condition = threading.Condition()

    def open(self) -> None:
        """Do nothing: the browser asks the reader, and opens the camera."""

    def put(self, jpeg: bytes, *, sequence: int) -> int | None:
        """Take a frame; return the number of the one that it displaces, which will never be answered, or None."""
        with self._condition:
            displaced = self._waiting
            self._waiting = _Received(bytes(jpeg), sequence, time.monotonic())
            self._condition.notify()
        return displaced.sequence if displaced else None

    def read(self, timeout_s: float) -> Frame | None:
        """Return the newest frame that waits; BadFrameError if it cannot be decoded."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting is not None, timeout_s)
            received, self._waiting = self._waiting, None
        if received is None:
            return None
        try:
            bgr = decode_jpeg(received.jpeg)
        except DataError as error:
            raise BadFrameError(str(error), sequence=received.sequence) from error
        return Frame(bgr, received.time_s, received.sequence, received.jpeg)

    def close(self) -> None:
        """Forget the frame that waits."""
        with self._condition:
            self._waiting = None


class BadFrameError(DataError):
    """One frame cannot be used; the stream goes on."""

    def __init__(self, message: str, *, sequence: int):
        super().__init__(message)
        self.sequence = sequence


class KernelCamera:
    """A camera or stream that OpenCV opens on the machine where the kernel runs, perhaps in another room, or a file.

    A file is shown at its own pace: frames that come too late to be looked at are left out.

    Args:
        device: number of a camera, from 0, the path of a video or device, or a URL such as
            rtsp://user:password@host/stream. Of a URL only its kind is ever shown: secrets may be in any part of it.

    Raises:
        CameraError: on `open`, if there is no such camera or file, or it is busy; on `read`, if it stops giving
            frames.
    """

    in_browser = False

    def __init__(self, device: int | str | os.PathLike = 0):
        device = device if isinstance(device, int) else os.fspath(device)
        number = None if isinstance(device, int) else re.fullmatch(r"/dev/video(\d+)", device)
        self._device = int(number[1]) if number else device
        is_number = isinstance(self._device, int)
        self.name = f"the kernel's camera {self._device}" if is_number else public_name(self._device)
        self._is_file = not is_number and "://" not in self._device
        self._opened: cv2.VideoCapture | video_io.Recording | None = None
        self._lock = threading.Lock()
        self._sequence = 0

    def open(self) -> None:
        """Open the device."""
        opened = self._open_file() if self._is_file else self._open_device()
        with self._lock:
            self._opened = opened
            self._began_s = self._next_s = None
            self._times = opened.times() if self._is_file else None

    def _open_file(self) -> video_io.Recording:
        if not Path(self._device).is_file():
            received = self.name if {"@", "\0"} & set(self._device) else f"{paths.displayed(self._device)!r}"
            raise CameraError(
                f"There is no video {received}. Pass the path of a file, or a URL that begins with rtsp:// or http://."
            )
        try:
            return video_io.Recording(self._device)
        except ProjectError as error:
            raise CameraError(str(error)) from error

    def _open_device(self) -> cv2.VideoCapture:
        if isinstance(self._device, str) and not self._device.isprintable():  # it would end the process
            raise CameraError(f"{_capitalised(self.name)} has an address with unprintable characters. Type it again.")
        # OpenCV reads this limit from the environment alone.
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(DEVICE_TIMEOUT_S))
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, OPEN_TIMEOUT_MS]
        with _quiet_opencv():
            is_number = isinstance(self._device, int)
            capture = cv2.VideoCapture(self._device, *([] if is_number else [cv2.CAP_FFMPEG, limits]))
        if capture.isOpened():
            return capture
        capture.release()
        if not is_number:
            raise CameraError(
                f"{_capitalised(self.name)} does not open as a video within {OPEN_TIMEOUT_MS / 1000:.0f} s. Check the "
                "address, name and password, or the file's format."
            )
        there = Path(f"/dev/video{self._device}").exists()
        reason = "another program uses it, or it may not be read" if there else "none was found"
        raise CameraError(
            f"{_capitalised(self.name)} does not open: {reason}. Close what uses it, choose another number, or take "
            "this browser's camera."
        )

    def read(self, timeout_s: float) -> Frame | None:
        """Return the next frame; those of a file come at the pace at which they were taken."""
        if self._is_file:
            return self._read_file(timeout_s)
        with self._lock:
            if self._opened is None:
                return None
            there, bgr = self._opened.read()
        if not there or bgr is None:
            raise CameraError(
                f"{_capitalised(self.name)} gives no more frames: unplugged, or taken by another program. Start again."
            )
        bgr = bgr if bgr.ndim == 3 else cv2.cvtColor(bgr, cv2.COLOR_GRAY2BGR)
        return self._numbered(bgr, time.monotonic())

    def _read_file(self, timeout_s: float) -> Frame | None:
        with self._lock:
            self._began_s = self._began_s or time.monotonic()
            while self._opened and (self._next_s is None or self._next_s < time.monotonic() - LATE_S):
                time_s = next(self._times, None)
                if time_s is None:
                    raise CameraError(f"{_capitalised(self.name)} has ended. Start shows it again.")
                self._next_s = self._began_s + time_s
        wait_s = (self._next_s or 0.0) - time.monotonic()
        time.sleep(min(max(0.0, wait_s), timeout_s))
        with self._lock:
            if self._opened is None or wait_s > timeout_s:
                return None
            due_s, self._next_s = self._next_s, None
            return self._numbered(self._opened.picture_bgr(), due_s)

    def _numbered(self, bgr: np.ndarray, time_s: float) -> Frame:
        self._sequence += 1
        return Frame(bgr, time_s, self._sequence)

    def close(self) -> None:
        """Release the device, so that it can be opened again at once."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.close() if self._is_file else opened.release()


class FileReplay:
    """The sample clip, again and again: the public-domain portrait moving and turning. Needs no camera.

    Args:
        frames_per_s: pace of the clip.
        waits: False gives every frame at once, for figures and tests: its times still go on by a frame's length.
    """

    name = "the sample clip"
    in_browser = False

    def __init__(self, *, frames_per_s: float = CLIP_FRAMES_PER_S, waits: bool = True):
        self._frame_s, self._waits = 1 / frames_per_s, waits
        self._began_s: float | None = None
        self._sequence = 0

    def open(self) -> None:
        """Begin the clip."""
        self._began_s, self._sequence = time.monotonic(), 0
        demo_clip.portrait_bgr()

    def read(self, timeout_s: float) -> Frame | None:
        """Return the frame whose time has come; frames that came too early to be looked at are left out."""
        if self._began_s is None:
            return None
        if not self._waits:
            time_s, self._sequence = self._sequence * self._frame_s, self._sequence + 1
            return Frame(demo_clip.frame_at(time_s), time_s, self._sequence)
        due_s = self._began_s + self._sequence * self._frame_s
        wait_s = due_s - time.monotonic()
        if wait_s > timeout_s:
            time.sleep(timeout_s)
            return None
        time.sleep(max(0.0, wait_s))
        now_s = time.monotonic()
        self._sequence = max(self._sequence + 1, int((now_s - self._began_s) / self._frame_s) + 1)
        return Frame(demo_clip.frame_at(now_s - self._began_s), now_s, self._sequence)

    def close(self) -> None:
        """End the clip."""
        self._began_s = None


def public_name(address: str) -> str:
    """Return what a path or URL is called in messages: a file's name, a stream's kind, nothing that may be a secret.

    Cameras have their password before an @, in the path or in the query, and people type addresses wrongly.
    """
    kind, separator, _ = address.partition("://")
    if separator:
        return f"the {kind.lower()} stream" if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,9}", kind) else "the stream"
    return "that file" if "@" in address else Path(address).name


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


@contextlib.contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV and FFmpeg from writing to the terminal what they think of a camera or address."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
