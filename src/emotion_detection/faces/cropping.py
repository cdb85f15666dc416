"""Cropping a face from a frame, framed as FER2013's faces are, for the network's 48×48 grey input.

Detectors draw boxes of different sizes and positions; each carries its own measured `Framing`, which leads from its box
to the square that FER2013 would have cut.
"""

import dataclasses
import math

import cv2
import numpy as np

from emotion_detection.errors import DataError
from emotion_detection.faces import preprocessing

UPRIGHT_WITHIN_DEG = 15.0
"""Faces tilted by less are cropped with their tilt: FER2013 has such, and turning them upright gains nothing."""


@dataclasses.dataclass(frozen=True)
class FaceBox:
    """Where a face is, in pixels of the frame; it may reach beyond the frame's edge.

    Args:
        x, y: left and upper edge.
        width, height: of the detector's box.
        score: the detector's own confidence: 0–1 for YuNet, the weight of the last stage for Haar, 2 and more.
        landmarks: five (x, y) points (the person's right eye, left eye, nose, right and left mouth corner), or None.
        angle_deg: by how much the face is turned clockwise in the frame's plane, -180 to 180, as far as is known.
        is_upright: whether its crop is that of an upright face, as far as is known (see `pipeline.find_faces`).
    """

    x: float
    y: float
    width: float
    height: float
    score: float = 1.0
    landmarks: tuple[tuple[float, float], ...] | None = None
    angle_deg: float = 0.0
    is_upright: bool = True

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height


def shared_area(first: FaceBox, second: FaceBox) -> float:
    """Return the area, in square pixels, that lies in both boxes."""
    width = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    height = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    return max(0.0, width) * max(0.0, height)


@dataclasses.dataclass(frozen=True)
class Framing:
    """How to get from a detector's box to the square that FER2013 would have cut.

    Args:
        scale: side of the square, in units of the box' size, the root of its area.
        offset_x, offset_y: from the box' centre to the square's, in the same units, to the right and downwards.
    """

    scale: float
    offset_x: float
    offset_y: float

    def square(self, box: FaceBox) -> tuple[float, float, float]:
        """Return left edge, upper edge and side of the square for a box, in pixels of the frame."""
        size = math.sqrt(box.area)
        side = self.scale * size
        center_x = box.x + box.width / 2 + self.offset_x * size
        center_y = box.y + box.height / 2 + self.offset_y * size
        return center_x - side / 2, center_y - side / 2, side


def crop_face(frame_bgr: np.ndarray, box: FaceBox, *, framing: Framing) -> np.ndarray:
    """Cut a face out of a frame, framed as FER2013's faces are, and bring it to the network's input.

    A face that is turned is turned back (see `turn_back_deg`). Where the square reaches beyond the frame, the
    frame's outermost pixels are repeated.

    Args:
        frame_bgr: uint8 array (h, w, 3), BGR, 0–255.
        box: the face, as the detector found it in this frame.
        framing: the detector's `framing`.

    Returns:
        uint8 array (48, 48), grey, 0–255.

    Raises:
        DataError: the frame is of another type or shape, or the square lies outside of it.
    """
    check_frame(frame_bgr)
    square_bgr = cut_upright(frame_bgr, *framing.square(box), box.angle_deg)
    return preprocessing.to_gray48(cv2.cvtColor(square_bgr, cv2.COLOR_BGR2GRAY))


def cut_square(frame: np.ndarray, left: float, top: float, side: float) -> np.ndarray:
    """Cut a square out of a frame, rounded to whole pixels; beyond the edge the outermost pixels are repeated.

    Args:
        frame: uint8 array (h, w, 3) or (h, w); the result is a copy, (side, side, 3) or (side, side).
        left, top, side: of the square, in pixels; the edges may be negative.

    Raises:
        DataError: the square and the frame do not overlap.
    """
    height, width = frame.shape[:2]
    x, y, side = round(left), round(top), max(1, round(side))
    inside = frame[max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)]
    if inside.size == 0:
        raise DataError(
            f"A face's square at x {x}, y {y}, side {side} px lies outside of the frame of {width}×{height} px. "
            f"Pass the box together with the frame in which it was found."
        )
    above, before = max(-y, 0), max(-x, 0)
    below, after = side - above - inside.shape[0], side - before - inside.shape[1]
    return cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_REPLICATE)


def cut_upright(frame: np.ndarray, left: float, top: float, side: float, angle_deg: float) -> np.ndarray:
    """Cut a square as `cut_square`, about its middle turned back by `turn_back_deg` of the face's angle, clockwise."""
    turn_deg = turn_back_deg(angle_deg)
    if not turn_deg:
        return cut_square(frame, left, top, side)
    inner_px = max(1, round(side))
    margin = math.ceil(0.21 * inner_px) + 1  # the square on its corner is longer by the root of 2
    outer = cut_square(frame, round(left) - margin, round(top) - margin, inner_px + 2 * margin)
    middle = (outer.shape[0] - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), turn_deg, 1.0)
    matrix[:, 2] -= margin
    return cv2.warpAffine(outer, matrix, (inner_px, inner_px), borderMode=cv2.BORDER_REPLICATE)


def turn_back_deg(angle_deg: float) -> float:
    """Return by how much a face is turned back: whole quarters where a tilt of at most 15° is left, else all of it.

    So a face keeps its tilt in whichever of four ways the picture lies.
    """
    quarters = 90.0 * round(angle_deg / 90)
    return quarters if abs(angle_deg - quarters) <= UPRIGHT_WITHIN_DEG else angle_deg


def check_frame(frame_bgr: np.ndarray) -> None:
    """Raise DataError unless `frame_bgr` is a uint8 array (h, w, 3) that is not empty."""
    if not isinstance(frame_bgr, np.ndarray) or frame_bgr.dtype != np.uint8 or frame_bgr.ndim != 3:
        received = f"{frame_bgr.dtype} {frame_bgr.shape}" if isinstance(frame_bgr, np.ndarray) else type(frame_bgr)
        raise DataError(f"A frame is {received}, expected uint8 (h, w, 3), BGR, 0–255. Convert it first.")
    if frame_bgr.shape[2] != 3 or frame_bgr.size == 0:
        raise DataError(f"A frame has shape {frame_bgr.shape}, expected (h, w, 3), BGR. Convert it first.")
