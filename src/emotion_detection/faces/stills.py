"""Finding the faces of a still, for which there is more time than for a camera's frame: small ones and turned ones.

Mean recall over six emotions (no fear) on 360 photographs of `studies/photographs` that were turned in their plane, by
YuNet and the shipped network's votes; no face found is an error (tests/benchmarks/measure_turned.py FOLDER 60):

    turned by                        0°    15°    30°    45°    90°   180°   270°
    a frame, cropped as it lies    .561   .531   .478   .239   .044   .133   .069
    a frame, cropped upright       .561   .544   .492   .275   .042   .133   .069
    a still                        .561   .547   .536   .569   .564   .556   .583
"""

import dataclasses
import math

import cv2
import numpy as np

from emotion_detection.faces import cropping, detection
from emotion_detection.faces.cropping import FaceBox

SAME_FACE = 0.5  # a box that shares so much of the smaller one's area with another is the same face, or lies in it
TURNS_DEG = range(45, 360, 45)


@dataclasses.dataclass(frozen=True)
class Search:
    """How a detector looks at a still; scores are the detector's own.

    Args:
        size_share, long_side_px: size of the second look, as a share of the still's and at most.
        upright_score: faces that reach it are upright; if one does not, turned copies are looked at.
        turned_score: what a face in a turned copy needs to be one.
        ahead: by how much it needs to be better there than as the still lies.
    """

    size_share: float
    long_side_px: int
    upright_score: float
    turned_score: float
    ahead: float


# On 160 of these photographs, turned in steps of 15°: of faces that lie upside down YuNet finds 84 %, and its landmarks
# call them upright; but 99 % have a score below 0.91, which 90 % of upright ones reach, and for 98 % the score is the
# largest in the copy in which they are upright.
SEARCHES = {
    "YuNet": Search(size_share=0.5, long_side_px=1600, upright_score=0.91, turned_score=0.8, ahead=0.03),
    "Haar": Search(size_share=1.0, long_side_px=1920, upright_score=4.5, turned_score=4.5, ahead=1.0),
}


class StillDetector:
    """Looks at a still twice, the second time for small faces, and at turned copies where a face may not be upright.

    Args:
        detector: for frames.
    """

    def __init__(self, detector: detection.YuNetDetector | detection.HaarDetector):
        self._detector, self._search = detector, SEARCHES[detector.name]
        self.name, self.framing = detector.name, detector.framing

    def detect(self, bgr: np.ndarray) -> list[FaceBox]:
        """Return the faces in a still, the largest first.

        Args:
            bgr: uint8 array (h, w, 3), BGR, 0–255.

        Raises:
            DataError: it is of another type or shape.
        """
        cropping.check_frame(bgr)
        found = self._detector.detect(bgr)
        size_px = int(min(self._search.size_share * max(bgr.shape), self._search.long_side_px))
        if size_px > self._detector.long_side_px:
            found = _each_once(found, self._detector.detect(bgr, long_side_px=size_px))
        if not found or min(box.score for box in found) < self._search.upright_score:
            turned = [box for box in self._in_turned_copies(bgr) if box.score >= self._search.turned_score]
            ranked = [(box.score + self._search.ahead, box) for box in found] + [(box.score, box) for box in turned]
            found = _each_once([], [box for _, box in sorted(ranked, key=lambda pair: -pair[0])])
        return sorted(found, key=lambda box: -box.area)

    def _in_turned_copies(self, bgr: np.ndarray) -> list[FaceBox]:
        """Return the faces in small copies that are turned anticlockwise, where they are in the still."""
        ratio = min(1.0, self._detector.long_side_px / max(bgr.shape))
        size = [max(1, round(side * ratio)) for side in bgr.shape[1::-1]]
        small, found = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), []
        center = (np.array(size) - 1) / 2
        for turn_deg in TURNS_DEG:
            matrix = cv2.getRotationMatrix2D(center, turn_deg, 1.0)
            turned_size = np.ceil(np.abs(matrix[:, :2]) @ size).astype(int)
            matrix[:, 2] += (turned_size - 1) / 2 - center
            copy = cv2.warpAffine(small, matrix, turned_size, borderMode=cv2.BORDER_REPLICATE)
            back = cv2.invertAffineTransform(matrix) / ratio
            found += [_turned_back(box, back, turn_deg, ratio) for box in self._detector.detect(copy)]
        return found


def load_detector(name: str = "auto") -> StillDetector:
    """Return a face detector for stills; names and errors are those of `detection.load_detector`."""
    return StillDetector(detection.load_detector(name))


def _each_once(known: list[FaceBox], found: list[FaceBox]) -> list[FaceBox]:
    """Return the known faces, and of the found ones, in their order, those that are not there yet."""
    kept = list(known)
    for box in found:
        if all(cropping.shared_area(box, other) < SAME_FACE * min(box.area, other.area) for other in kept):
            kept.append(box)
    return kept


def _turned_back(box: FaceBox, back: np.ndarray, turn_deg: float, ratio: float) -> FaceBox:
    """Return where a face found in a turned copy is in the still.

    Args:
        box: in the copy.
        back: affine map, float64 (2, 3), from the copy to the still.
        turn_deg: by how much the copy is turned anticlockwise: the face is turned clockwise by so much more.
        ratio: size of the copy, in units of the still's.
    """
    points = [(box.x + box.width / 2, box.y + box.height / 2), *(box.landmarks or ())]
    (x, y), *landmarks = (tuple(back @ (*point, 1.0)) for point in points)
    angle_deg = math.remainder(box.angle_deg + turn_deg, 360)
    sides = (box.width / ratio, box.height / ratio)
    width, height = sides if abs(math.sin(math.radians(angle_deg))) < 0.71 else sides[::-1]
    return FaceBox(x - width / 2, y - height / 2, width, height, box.score, tuple(landmarks) or None, angle_deg)
