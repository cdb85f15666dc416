"""The sample clip: the public-domain portrait, moving and turning."""

import functools
import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from emotion_detection import files, paths
from emotion_detection.faces import images
from emotion_detection.inference import video_io

WIDTH_PX, HEIGHT_PX = 640, 480
PERIOD_S = 12.0  # then the clip is where it began

# In `eventful_frame_at`: from when to when, and the standard deviation of the blur at its strongest.
UNFOCUSED_S, LARGEST_BLUR_PX = (2.0, 6.0), 22.0
NOTHING_S = (7.5, 9.5)

FACE_CENTER = (224.5, 118.0)  # in the portrait (512×512)


@functools.cache
def portrait_bgr() -> np.ndarray:
    """Return the portrait: uint8 array (512, 512, 3), BGR, read-only."""
    portrait = images.read_picture(paths.sample_dir() / "astronaut.webp")
    portrait.flags.writeable = False
    return portrait


def frame_at(time_s: float) -> np.ndarray:
    """Return the clip's frame at a time: uint8 array (480, 640, 3), BGR."""
    size = (WIDTH_PX, HEIGHT_PX)
    return cv2.warpAffine(
        portrait_bgr(), placement(time_s), size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def eventful_frame_at(time_s: float) -> np.ndarray:
    """Return the frame as `frame_at`, with two mishaps: the camera loses focus for a while, later it sees nothing."""
    if NOTHING_S[0] <= time_s < NOTHING_S[1]:
        return np.full((HEIGHT_PX, WIDTH_PX, 3), 40, np.uint8)
    begin_s, end_s = UNFOCUSED_S
    if not begin_s < time_s < end_s:
        return frame_at(time_s)
    blur_px = LARGEST_BLUR_PX * math.sin(math.pi * (time_s - begin_s) / (end_s - begin_s)) ** 2
    return cv2.GaussianBlur(frame_at(time_s), (0, 0), max(0.3, blur_px))


def write(
    path: Path | str,
    *,
    seconds: float = PERIOD_S,
    frames_per_s: float = 30.0,
    frame_at: Callable[[float], np.ndarray] = frame_at,
) -> Path:
    """Write the clip as a video, atomically; return its path, whose ending is one of `video_io.WRITTEN_AS`.

    `frame_at` gives the frame of a time in seconds; `eventful_frame_at` has something happen.
    """
    video_io.check_writable_as_video(path)
    with files.written_beside(Path(path)) as temporary, video_io.Writer(temporary, frames_per_s=frames_per_s) as writer:
        for number in range(round(seconds * frames_per_s)):
            time_s = number / frames_per_s
            writer.add(frame_at(time_s), time_s=time_s)
    return Path(path)


def placement(time_s: float) -> np.ndarray:
    """Return the affine map, float64 (2, 3), from the portrait to the frame: a slow walk, a nod to either side."""
    phase = 2 * math.pi * time_s / PERIOD_S
    scale = 1.9 + 0.2 * math.sin(phase)
    matrix = cv2.getRotationMatrix2D(FACE_CENTER, 10 * math.sin(2 * phase), scale)
    target = (WIDTH_PX / 2 + 55 * math.sin(phase), 190 + 12 * math.cos(2 * phase))
    matrix[:, 2] += np.array(target) - FACE_CENTER
    return matrix
