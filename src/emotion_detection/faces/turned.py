"""Faces that lie on their side or upside down: they are looked for in turned copies, where they are upright.

On 360 photographs of `studies/photographs` as they are and turned in their plane, how often a face is found, how often
it is a clear find (`Scores.clear`), and how often the network takes it for upright, by YuNet and by the cascade at
320 px (tests/benchmarks/measure_turned.py):

    turned by             0°     15°    30°    45°    90°   180°   270°
    YuNet                .99     .98    .88    .52    .24    .84    .26
    ... clear            .83     .69    .14    .00    .00    .01    .00
    ... upright          .95     .92    .79    .37    .00    .06    .00
    Haar                 .71     .65    .16    .02    .07    .07    .06
    ... clear            .57     .50    .07    .00    .02    .02    .01
    ... upright          .70     .63    .13    .01    .01    .01    .00

YuNet's landmarks call faces that lie upside down upright, so only a clear find is known to be upright;
of the others the network is asked (`pipeline.find_faces`).
"""

import dataclasses
import math
from collections.abc import Iterable

import cv2
import numpy as np

from emotion_detection.faces import cropping, detection
from emotion_detection.faces.cropping import FaceBox

SAME_FACE = 0.5  # a box that shares so much of the smaller one's area with another is the same face, or lies in it
TURNS_DEG = tuple(range(45, 360, 45))


@dataclasses.dataclass(frozen=True)
class Scores:
    """What a detector's scores say of how a face lies.

    Args:
        clear: faces that reach it are upright; if one does not, turned copies are looked at.
        turned: what a face in a turned copy needs to be one.
        ahead: by how much its score in the copy needs to exceed that in the picture as it lies.
    """

    clear: float
    turned: float
    ahead: float

    def are_clear(self, found: list[FaceBox]) -> bool:
        """Return whether there are faces, and all of those found are known to be upright."""
        return bool(found) and min(box.score for box in found) >= self.clear


# On 160 of these photographs, turned in steps of 15°: of faces that lie upside down 99 % have a score below 0.91, which
# 90 % of upright ones reach there, and for 98 % YuNet's score is the largest in the copy in which they are upright.
SCORES = {"YuNet": Scores(clear=0.91, turned=0.8, ahead=0.03), "Haar": Scores(clear=4.5, turned=4.5, ahead=1.0)}
"""By a detector's name."""


def look(
    bgr: np.ndarray,
    found: list[FaceBox],
    detector: detection.YuNetDetector | detection.HaarDetector,
    turns_deg: Iterable[int] = TURNS_DEG,
) -> tuple[list[FaceBox], tuple[int, ...]]:
    """Look for faces in small copies that are turned anticlockwise.

    Args:
        bgr: uint8 array (h, w, 3), BGR, 0–255.
        found: the faces found in it as it lies.
        detector: of frames.
        turns_deg: by how much the copies are turned.

    Returns:
        Each face once, the largest first, as it was found or from the copy in which it is clearer; and the turns of the
        copies that faces came from.
    """
    scores = SCORES[detector.name]
    turned = [(turn, box) for turn, box in _in_copies(bgr, turns_deg, detector) if box.score >= scores.turned]
    ranked = [(box.score + scores.ahead, 0, box) for box in found] + [(box.score, turn, box) for turn, box in turned]
    ranked.sort(key=lambda each: -each[0])
    kept = each_once([], [box for _, _, box in ranked])
    turns = {turn for _, turn, box in ranked if turn and any(box is other for other in kept)}
    return sorted(kept, key=lambda box: -box.area), tuple(sorted(turns))


def _in_copies(
    bgr: np.ndarray, turns_deg: Iterable[int], detector: detection.YuNetDetector | detection.HaarDetector
) -> list[tuple[int, FaceBox]]:
    """Return each face found in a copy: by how much the copy is turned, and the box in the picture."""
    ratio = min(1.0, detector.long_side_px / max(bgr.shape))
    size = [max(1, round(side * ratio)) for side in bgr.shape[1::-1]]
    small, found = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), []
    center = (np.array(size) - 1) / 2
    for turn_deg in turns_deg:
        matrix = cv2.getRotationMatrix2D(center, turn_deg, 1.0)
        turned_size = np.ceil(np.abs(matrix[:, :2]) @ size - 1e-6).astype(int)
        matrix[:, 2] += (turned_size - 1) / 2 - center
        copy = cv2.warpAffine(small, matrix, turned_size, borderMode=cv2.BORDER_REPLICATE)
        back = cv2.invertAffineTransform(matrix)
        back[:, 2] += 0.5 - back[:, :2] @ (0.5, 0.5)  # a pixel's middle is at half a pixel from its edge
        back /= ratio
        found += [(turn_deg, _turned_back(box, back, turn_deg, ratio)) for box in detector.detect(copy)]
    return found


def each_once(known: list[FaceBox], found: list[FaceBox]) -> list[FaceBox]:
    """Return the known faces, and of the found ones, in their order, those that are not there yet."""
    kept = list(known)
    for box in found:
        if all(cropping.shared_area(box, other) < SAME_FACE * min(box.area, other.area) for other in kept):
            kept.append(box)
    return kept


def _turned_back(box: FaceBox, back: np.ndarray, turn_deg: float, ratio: float) -> FaceBox:
    """Return where a face found in a turned copy is in the picture.

    Args:
        box: in the copy.
        back: affine map, float64 (2, 3), from places in the copy to places in the picture, edges at whole numbers.
        turn_deg: by how much the copy is turned anticlockwise: the face is turned clockwise by so much more.
        ratio: size of the copy, in units of the picture's.
    """
    points = [(box.x + box.width / 2, box.y + box.height / 2), *(box.landmarks or ())]
    (x, y), *landmarks = (tuple(back @ (*point, 1.0)) for point in points)
    angle_deg = math.remainder(box.angle_deg + turn_deg, 360)
    sides = (box.width / ratio, box.height / ratio)
    width, height = sides if abs(math.sin(math.radians(angle_deg))) < 0.71 else sides[::-1]
    return FaceBox(x - width / 2, y - height / 2, width, height, box.score, tuple(landmarks) or None, angle_deg)
