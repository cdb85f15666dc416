"""Recordings as files: frames with the time at which each is to be seen, and videos written with the same timing.

PyAV reads and writes them, by FFmpeg's libraries, which come with it.
"""

import fractions
import math
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from emotion_detection import paths
from emotion_detection.errors import DataError, MissingFileError

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".ogv", ".wmv", ".asf", ".flv", ".f4v", ".gif", ".y4m"),
    *(".mpg", ".mpeg", ".vob", ".mts", ".m2ts", ".ts"),
)
"""Endings of names that are taken for recordings, whatever the file holds."""

MARKS = (b"\x1a\x45\xdf\xa3", b"GIF8", b"FLV\1", b"YUV4MPEG2 ", b"\0\0\1\xba", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")
"""What recordings begin with: Matroska and WebM, GIF, FLV, YUV4MPEG2, MPEG programs, ASF."""

H264 = ("libx264", {"preset": "veryfast", "crf": "20"})
WRITTEN_AS = {
    ".mp4": ("mp4", *H264),
    ".mov": ("mov", *H264),
    ".mkv": ("matroska", *H264),
    ".avi": ("avi", "mjpeg", {"qmin": "2", "qmax": "4"}),
    ".webm": ("webm", "libvpx", {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "4M"}),
}
"""Ending → container, encoder and its options, of the videos that are written."""

ENCODER_THREADS = 2  # the bytes of a video depend on their number: the same on all machines
TICKS_PER_S = 90_000  # of the times that are written
MAXIMUM_PIXELS = 40_000_000  # 8K has 33 megapixels, 100 MB a frame
USUAL_FRAMES_PER_S = 25.0  # where a file does not say
LIKELY_FRAMES_PER_S = 240.0  # files with uneven timing claim up to a thousand, which is their clock's
FASTEST_FRAMES_PER_S = 60.0  # of AVI files that are written
LONGEST_GAP_S = 3600.0  # between frames that follow each other; a longer one is a jump of the clock
LONGEST_BROADCAST_GAP_S = 10.0  # in kinds of files that are recorded in pieces, as FFmpeg's own player has it
LONGEST_STEP_BACK_S = 0.5  # frames that come so much too early are only out of order
SHORTEST_LOSS_S, SMALLEST_LOSS = 0.5, 0.01  # in seconds and as a share: what ends so much too early was cut short


READING = {"protocol_whitelist": "", "max_pixels": str(MAXIMUM_PIXELS)}
"""FFmpeg's options: a play list opens nothing else, and larger frames are refused before they are decoded."""


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
        if not self.path.is_file():
            received = "it is a folder" if self.path.is_dir() else "no such file"
            raise MissingFileError(f"{self._name} was not found: {received}. Pass the path of a video file.")
        if self.path.stat().st_size == 0:
            raise DataError(f"{self._name} is empty (0 bytes). Copy it again.")
        self._container, self._file = None, self.path.open("rb")  # FFmpeg takes a name with a colon for an address
        try:
            self._container = av.open(self._file, options=READING, metadata_errors="replace")
        except av.error.FFmpegError as error:
            self.close()
            raise DataError(f"{self._name} cannot be analysed: {_why_not(self.path)}") from error
        self._stream = _moving_pictures(self._container)
        if self._stream is None or self._stream.codec_context is None:  # no stream, or one of an unknown kind
            held = "sound and no pictures" if self._container.streams.audio else "no pictures that can be read"
            self.close()
            raise DataError(f"{self._name} holds {held} ({self.path.stat().st_size:,} bytes). Pass a video.")
        self._stream.thread_type = "AUTO"
        rate = float(self._stream.average_rate or 0)
        self.frames_per_s = rate if 0 < rate <= LIKELY_FRAMES_PER_S else USUAL_FRAMES_PER_S
        in_pieces = self._container.format.flags & av.format.Flags.ts_discont.value
        self._longest_gap_s = LONGEST_BROADCAST_GAP_S if in_pieces else LONGEST_GAP_S
        self._begin_s = float((self._stream.start_time or 0) * self._stream.time_base)
        self.announced_frames = self._stream.frames or None  # None where the header promises no number
        self.frames = 0  # passed
        self.time_s = -math.inf  # of the last frame
        self._lost: list[tuple[float, float]] = []
        self._jumps: list[float] = []
        self._guessed = 0
        self._failed = False
        if not self._stream.width:  # FFmpeg was asked for no larger ones
            self.close()
            raise DataError(
                f"{self._name} has frames of more than {MAXIMUM_PIXELS // 1_000_000} megapixels, or of no size. Reduce "
                "it first."
            )
        self._stream.codec_context.options = {"max_pixels": READING["max_pixels"]}
        self._reformatter = av.video.reformatter.VideoReformatter()  # a frame makes one of its own otherwise: slow
        self._frames = self._decoded()
        self._frame = next(self._frames, None)
        if self._frame is None:
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
        if self._container is not None:
            self._container.close()
        self._file.close()

    @property
    def announced_s(self) -> float | None:
        """Length in seconds as the header says, or None where it does not."""
        if self.announced_frames and self._stream.average_rate:
            return float(self.announced_frames / self._stream.average_rate)
        if not self._container.duration:
            return None
        until_s, begin_s = self._container.duration / av.time_base, (self._container.start_time or 0) / av.time_base
        return until_s - begin_s if until_s > begin_s else until_s  # some kinds count from 0, others from their begin

    def times(self) -> Iterator[float]:
        """Go from frame to frame; yield the time of each in seconds, greater than the last one's."""
        while self._frame is not None:
            before, self.time_s = self.time_s, self._time_s()
            if self._failed:
                self._lost.append((before, self.time_s))
            self._failed = False
            self.frames += 1
            yield self.time_s
            self._frame = next(self._frames, None)

    def picture_bgr(self) -> np.ndarray:
        """Return the frame at which `times` is: uint8 array (h, w, 3), BGR, upright."""
        bgr = self._reformatter.reformat(self._frame, format="bgr24").to_ndarray()
        return np.ascontiguousarray(np.rot90(bgr, round(self._frame.rotation / 90)))

    def notes(self) -> list[str]:
        """Return, once `times` has ended, sentences on what was not as it should be; none if all was well."""
        found = []
        for before, after in self._lost[:3]:
            found.append(f"Damaged after {clock(before)}; it goes on at {clock(after)}.")
        if len(self._lost) > 3:
            found.append(f"{len(self._lost) - 3} more places are damaged.")
        if self._jumps:
            again = f", the first of {len(self._jumps)} times" if len(self._jumps) > 1 else ""
            found.append(f"Its clock jumps after {clock(self._jumps[0])}{again}; what follows is joined without a gap.")
        end_s, said_s = self.time_s + 1 / self.frames_per_s, self.announced_s
        if not self._jumps and said_s is not None and said_s - end_s > max(SHORTEST_LOSS_S, SMALLEST_LOSS * said_s):
            found.append(f"It can be read up to {clock(end_s)} of {clock(said_s)}: the rest is damaged or missing.")
        if self._guessed:
            found.append(
                f"{self._guessed:,} frames carry no time of their own: {self.frames_per_s:.4g} a second are assumed."
            )
        return found

    @property
    def _name(self) -> str:
        return f"The recording {paths.displayed(self.path)}"

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Yield the frames, over what is damaged; a file whose end is missing ends there."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.error.FFmpegError):
                return
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                self._failed = True

    def _time_s(self) -> float:
        """Return the time of the frame: as the file says; after a jump of its clock, or without a time, the next."""
        next_s = self.time_s + 1 / self.frames_per_s if self.frames else 0.0
        if self._frame.pts is None:
            self._guessed += 1
            return next_s
        said_s = float(self._frame.pts * self._frame.time_base) - self._begin_s
        if self.frames == 0:
            return max(0.0, said_s)
        if not -LONGEST_STEP_BACK_S < said_s - self.time_s < self._longest_gap_s:
            self._jumps.append(self.time_s)
            self._begin_s += said_s - next_s
            return next_s
        if said_s <= self.time_s:
            self._guessed += 1
            return next_s
        return said_s


class Writer:
    """Writes a video in which each frame is seen from its own time on, until the next one's.

    An AVI file knows even times only: of frames due at once the first is written.

    Args:
        path: of the file; its ending, one of `WRITTEN_AS`, says which kind.
        frames_per_s: of the video, about.

    Raises:
        DataError: the ending is another.
    """

    def __init__(self, path: Path | str, *, frames_per_s: float):
        check_writable_as_video(path)
        self._path = Path(path)
        even = self._path.suffix.lower() == ".avi"
        rate = fractions.Fraction(min(frames_per_s, FASTEST_FRAMES_PER_S)).limit_denominator(1001)
        self._frames_per_s, self._ticks = rate, rate if even else fractions.Fraction(TICKS_PER_S)
        self._container, self._stream, self._file, self._size = None, None, None, (0, 0)
        self._last = -1

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def add(self, bgr: np.ndarray, *, time_s: float) -> None:
        """Add a frame, uint8 array (h, w, 3), BGR, to be seen from `time_s` on."""
        if self._container is None:
            self._open(bgr)
        due = round(time_s * self._ticks)
        if due <= self._last:
            return
        frame = av.VideoFrame.from_ndarray(self._fitted(bgr), format="bgr24")
        frame.pts, frame.time_base, self._last = due, 1 / self._ticks, due
        self._container.mux(self._stream.encode(frame.reformat(format=self._stream.pix_fmt)))

    def close(self) -> None:
        """Finish the file."""
        if self._container is None:
            return
        container, self._container = self._container, None
        with self._file, container:
            container.mux(self._stream.encode())

    def _open(self, bgr: np.ndarray) -> None:
        kind, encoder, options = WRITTEN_AS[self._path.suffix.lower()]
        height, width = bgr.shape[:2]
        self._size = (width + width % 2, height + height % 2)  # colours are stored for two pixels a side
        self._file = self._path.open("wb")
        self._container = av.open(self._file, "w", format=kind)
        self._stream = self._container.add_stream(encoder, rate=self._frames_per_s, options=options)
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuvj420p" if encoder == "mjpeg" else "yuv420p"
        self._stream.codec_context.time_base = 1 / self._ticks
        self._stream.codec_context.thread_count = ENCODER_THREADS

    def _fitted(self, bgr: np.ndarray) -> np.ndarray:
        """Return a frame in the size of the first, whose odd sides are lengthened by a pixel."""
        height, width = bgr.shape[:2]
        right, below = self._size[0] - width, self._size[1] - height
        if (right, below) == (0, 0):
            return bgr
        if right in (0, 1) and below in (0, 1):
            return cv2.copyMakeBorder(bgr, 0, below, 0, right, cv2.BORDER_REPLICATE)
        return cv2.resize(bgr, self._size)


def _moving_pictures(container: av.container.InputContainer) -> av.VideoStream | None:
    """Return the video to be shown of a file, or None; pictures that are attached to sound as covers are none."""
    cover = av.stream.Disposition.attached_pic
    videos = [stream for stream in container.streams.video if not stream.disposition & cover]
    best = container.streams.best("video")
    return best if best in videos else next(iter(videos), None)


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
    if begin.startswith(MARKS) or begin[8:12] == b"AVI " or _is_sound(begin):
        return True  # sound is refused with better words than a picture's
    is_mp4 = begin[4:8] == b"ftyp" and begin[8:12] not in (b"heic", b"heix", b"avif", b"mif1", b"msf1")
    return is_mp4 or path.suffix.lower() in SUFFIXES


def clock(time_s: float) -> str:
    """Return a time as it is told: 0:03.2, 12:40.0, 1:02:03.0."""
    tenths = round(max(0.0, time_s) * 10)
    hours, minutes, seconds = tenths // 36_000, tenths // 600 % 60, tenths % 600 / 10
    return f"{hours}:{minutes:02d}:{seconds:04.1f}" if hours else f"{minutes}:{seconds:04.1f}"


def _first_bytes(path: Path, count: int = 64) -> bytes:
    with path.open("rb") as stream:
        return stream.read(count)


def _is_sound(begin: bytes) -> bool:
    """Return whether a file that begins so is a common kind that holds sound (Ogg may hold pictures, too)."""
    return begin.startswith((b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xf1", b"OggS")) or begin[8:12] in (b"WAVE", b"M4A ")


def _why_not(path: Path) -> str:
    """Return why FFmpeg may have refused a file, and what to do, as the end of a sentence and another one."""
    begin, size = _first_bytes(path, 512), f"{path.stat().st_size:,} bytes"
    if _is_sound(begin):
        return f"it holds sound and no pictures ({size}). Pass a video."
    if begin[4:8] == b"ftyp":
        return (
            f"its index, which is written last, is missing or damaged ({size}). The recording or the copy was cut "
            "short: copy it again, or repair it with a tool for broken MP4 files."
        )
    if not set(begin) - set(bytes(range(32, 127)) + b"\t\n\r"):
        return f"it holds text ({size}). Pass a video."
    return f"it is damaged, or no video that FFmpeg knows ({size}). Open it in a player to see."
