"""Face detection for a stream: the whole frame now and then, and between only the surroundings of the faces known.

The Haar cascade spends its time on the parts of a picture where no face is. In a stream, faces are near where they were
a moment ago; a new one may wait for the next look at the whole frame.
"""

from collections.abc import Sequence

import numpy as np

from emotion_detection.errors import DataError
from emotion_detection.faces import detection
from emotion_detection.inference import tracking

WHOLE_FRAME_EVERY = 5
"""At 15 frames a second, a new face waits for a third of a second at most."""

SMALLEST_OVERLAP = 0.5
"""A face found near a known one is the same if their boxes overlap at least so much (intersection over union)."""


class FollowingDetector:
    """The Haar cascade for the frames of one stream, in order; not for unrelated pictures.

    A face that is not found near where it was is looked for in the whole frame at once, so that none is lost by this.

    Args:
        detector: searches whole frames, or near given faces.
        every: the whole frame is searched once in so many frames.

    Raises:
        DataError: `every` is below 1.
    """

    def __init__(self, detector: detection.HaarDetector, *, every: int = WHOLE_FRAME_EVERY):
        if every < 1:
            raise DataError(f"The whole frame is to be searched every {every} frames. Pass a whole number from 1 on.")
        self._detector, self._every = detector, every
        self._known: list[detection.FaceBox] = []
        self._size, self._until_whole = None, 0
        self.framing = detector.framing
        self.name = f"{detector.name} (whole picture every {every} frames, near known faces between)"

    def detect(self, frame_bgr: np.ndarray) -> list[detection.FaceBox]:
        """Return the faces in the stream's next frame, the largest first.

        Args:
            frame_bgr: uint8 array (h, w, 3), BGR, 0–255.

        Raises:
            DataError: the frame is of another type or shape.
        """
        detection.check_frame(frame_bgr)
        found = None
        if self._known and self._until_whole > 0 and frame_bgr.shape == self._size:
            found = _same_faces(self._known, self._detector.detect(frame_bgr, near=self._known))
            self._until_whole -= 1
        if found is None:
            found = self._detector.detect(frame_bgr)
            self._until_whole = self._every - 1
        self._known, self._size = found, frame_bgr.shape
        return found


def live_detector(name: str = "auto") -> detection.Detector:
    """Return the face detector for one stream of a camera; `.name` tells which, and how it looks.

    Args:
        name: as for `detection.load_detector`: YuNet is used as it is, the Haar cascade at 320 px and following faces.

    Raises:
        UnknownNameError: the name is another.
        MissingFileError: the detector asked for by name is not installed.
    """
    detector = detection.load_detector(name, haar_long_side_px=detection.LIVE_LONG_SIDE_PX)
    return FollowingDetector(detector) if isinstance(detector, detection.HaarDetector) else detector


def _same_faces(
    known: Sequence[detection.FaceBox], found: Sequence[detection.FaceBox]
) -> list[detection.FaceBox] | None:
    """Return, of the boxes found, the best for each known face, the largest first; None if one has no match."""
    chosen = []
    for face in known:
        left = [box for box in found if box not in chosen]
        best = max(left, key=lambda box, face=face: tracking.overlap(box, face), default=None)
        if best is None or tracking.overlap(best, face) < SMALLEST_OVERLAP:
            return None
        chosen.append(best)
    return sorted(chosen, key=lambda box: -box.area)
