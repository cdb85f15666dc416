"""Finding the faces of a still, for which there is more time than for a camera's frame: small ones and turned ones.

Mean recall over six emotions (no fear) on 360 photographs of `studies/photographs` that were turned in their plane, by
YuNet and the shipped network's votes; no face found is an error (tests/benchmarks/measure_turned.py FOLDER 60):

    turned by                        0°    15°    30°    45°    90°   180°   270°
    a frame, cropped as it lies    .592   .558   .472   .233   .042   .144   .050
    a frame, cropped upright       .589   .575   .514   .272   .042   .144   .053
    a still                        .589   .583   .558   .581   .592   .589   .578
    the third frame of a stream    .589   .583   .558   .581   .592   .589   .578

A stream's frames are looked at by `tracking.UprightDetector`.
"""

import numpy as np

from emotion_detection.faces import cropping, detection, turned
from emotion_detection.faces.cropping import FaceBox

SECOND_LOOK = {"YuNet": (0.5, 1600), "Haar": (1.0, 1920)}
"""Name of a detector → size of its second look, as a share of the still's longer side, and at most in pixels."""


class StillDetector:
    """Looks at a still twice, the second time for small faces, and at turned copies where a face may not be upright.

    Args:
        detector: for frames.
    """

    def __init__(self, detector: detection.YuNetDetector | detection.HaarDetector):
        self._detector = detector
        self.name, self.framing = detector.name, detector.framing

    def detect(self, bgr: np.ndarray) -> list[FaceBox]:
        """Return the faces in a still; see `detection.Detector`."""
        cropping.check_frame(bgr)
        found = self._detector.detect(bgr)
        share, largest_px = SECOND_LOOK[self.name]
        size_px = int(min(share * max(bgr.shape), largest_px))
        if size_px > self._detector.long_side_px:
            found = turned.each_once(found, self._detector.detect(bgr, long_side_px=size_px))
        if not turned.SCORES[self.name].are_clear(found):
            found, _ = turned.look(bgr, found, self._detector)
        return sorted(found, key=lambda box: -box.area)


def load_detector(name: str = "auto") -> StillDetector:
    """Return a face detector for stills; names and errors are those of `detection.load_detector`."""
    return StillDetector(detection.load_detector(name))
