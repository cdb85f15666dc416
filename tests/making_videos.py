"""Videos for tests: made with OpenCV or PyAV, some changed in their bytes to be what phones and accidents make."""

import fractions
import struct
from pathlib import Path

import av
import cv2
import numpy as np

WIDTH_PX, HEIGHT_PX, FRAMES_PER_S = 96, 64, 25


def frame(number: int, *, size=(WIDTH_PX, HEIGHT_PX)) -> np.ndarray:
    """A grey frame with a white upper left corner, whose brightness counts from 40 in steps of 4."""
    bgr = np.full((size[1], size[0], 3), 40 + 4 * (number % 40), np.uint8)
    bgr[: size[1] // 4, : size[0] // 4] = 255
    return bgr


def number_of(bgr: np.ndarray) -> int:
    """Which `frame` this is, after a codec, which makes it darker by one to three."""
    height, width = bgr.shape[:2]
    return round((float(bgr[height // 2, width // 2].mean()) + 2 - 40) / 4)


def write(path: Path, frames: int = 30, *, codec: str = "mp4v", size=(WIDTH_PX, HEIGHT_PX)) -> Path:
    """A video of `frame`s."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), FRAMES_PER_S, size)
    for number in range(frames):
        writer.write(frame(number, size=size))
    writer.release()
    return path


def timed(path: Path, times_ms, *, kind: str = "webm", codec: str = "libvpx", rate: int = 25) -> Path:
    """A video of `frame`s due at these times; `rate` is what it claims."""
    options = {"deadline": "realtime", "cpu-used": "8", "crf": "4", "b": "4M"} if codec == "libvpx" else {}
    with path.open("wb") as stream, av.open(stream, "w", format=kind) as container:
        video = container.add_stream(codec, rate=rate, options=options)
        video.width, video.height, video.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        video.codec_context.time_base = fractions.Fraction(1, 1000 if codec == "libvpx" else rate)
        for number, time_ms in enumerate(times_ms):
            picture = av.VideoFrame.from_ndarray(frame(number), format="bgr24")
            picture.pts, picture.time_base = time_ms, fractions.Fraction(1, 1000)
            container.mux(video.encode(picture.reformat(format="yuv420p")))
        container.mux(video.encode())
    return path


def cut(path: Path, share: float) -> Path:
    """Keep the first part of a file."""
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def overwrite(path: Path, begin: float, end: float) -> Path:
    """Fill a part of a file with zeros."""
    data = bytearray(path.read_bytes())
    first, last = int(len(data) * begin), int(len(data) * end)
    data[first:last] = bytes(last - first)
    path.write_bytes(data)
    return path


def turned(path: Path) -> Path:
    """Say in an MP4's header that it is to be shown turned by 90° clockwise, as phones do."""
    data = path.read_bytes()
    place = data.index(b"tkhd") + 4 + 4 + 36
    one = 1 << 16
    matrix = struct.pack(">9i", 0, one, 0, -one, 0, 0, HEIGHT_PX * one, 0, 1 << 30)
    path.write_bytes(data[:place] + matrix + data[place + 36 :])
    return path


def with_durations(path: Path, durations_ms: list[int]) -> Path:
    """Give each frame of an MP4 a duration of its own: a variable frame rate."""
    data = path.read_bytes()
    place = data.index(b"mdhd") - 4
    scale = struct.unpack(">I", data[place + 20 : place + 24])[0]
    ticks = [duration * scale // 1000 for duration in durations_ms]
    entries = b"".join(struct.pack(">II", 1, tick) for tick in ticks)
    data = data[: place + 24] + struct.pack(">I", sum(ticks)) + data[place + 28 :]
    shown = data.index(b"elst") + 4 + 8  # the edit list would end where the even frames did
    data = data[:shown] + struct.pack(">I", sum(durations_ms)) + data[shown + 4 :]
    begin = data.index(b"stts") - 4
    size = struct.unpack(">I", data[begin : begin + 4])[0]
    box = struct.pack(">I4sII", 16 + len(entries), b"stts", 0, len(ticks)) + entries
    data = data[:begin] + box + data[begin + size :]
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):  # it is behind the frames, so that none moves
        data = _longer(data, name, len(box) - size)
    path.write_bytes(data)
    return path


def _longer(data: bytes, name: bytes, by: int) -> bytes:
    place = data.index(name) - 4
    size = struct.unpack(">I", data[place : place + 4])[0]
    return data[:place] + struct.pack(">I", size + by) + data[place + 4 :]


def without_pictures(path: Path) -> Path:
    """Declare the track of an MP4 to be sound."""
    path.write_bytes(path.read_bytes().replace(b"vide", b"soun"))
    return path
