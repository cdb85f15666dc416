"""From the frames of a stream to answers: faces are found once, every network is asked, identities are kept."""

import dataclasses
import time

import numpy as np

from emotion_detection import analysis, faces, tracking
from emotion_detection.classifier import EmotionClassifier
from emotion_detection.emotions import EMOTIONS
from emotion_detection.tracking import FaceTracker, TrackedFace

COLUMNS = ("time_s", "face", "x", "y", "width", "height", *EMOTIONS, "label", "network")
"""Columns of the table: seconds since the first frame, identity, box as shares of the frame, probabilities, label."""


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source.

    Args:
        bgr: uint8 array (h, w, 3), BGR, 0–255.
        time_s: when it was taken or received, by `time.monotonic`; of a recording, seconds since its beginning.
        sequence: its number, given by the browser or counted by the source.
        jpeg: the bytes that it was decoded from; None if it came as pixels.
    """

    bgr: np.ndarray
    time_s: float
    sequence: int
    jpeg: bytes | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class LiveResult:
    """What was found in one frame.

    Args:
        sequence: number of the frame.
        time_s: of the frame.
        size: width and height of the frame in pixels.
        faces: the faces, the largest first, as the first network sees them.
        by_network: name of a network → the same faces as that network sees them.
        timings_ms: "detect" (crops included) and "classify", milliseconds of this frame.
    """

    sequence: int
    time_s: float
    size: tuple[int, int]
    faces: list[TrackedFace]
    by_network: dict[str, list[TrackedFace]]
    timings_ms: dict[str, float]


class Engine:
    """From a frame to a `LiveResult`: find the faces once, ask every network about each, keep identities.

    Not for several threads at once.

    Args:
        classifiers: name → network with `predict_proba`; the first is the one whose labels are shown.
        detector: from `faces.load_detector`.
        smoothing_s: time constant of the smoothing.
        minimum_confidence: below this a label is "not sure".
        remembered_s: a face that is not found for longer is forgotten.
    """

    def __init__(
        self,
        classifiers: dict[str, EmotionClassifier],
        detector: faces.Detector,
        *,
        smoothing_s: float = 0.5,
        minimum_confidence: float = 0.0,
        remembered_s: float = tracking.REMEMBERED_S,
    ):
        self.classifiers, self.detector = classifiers, detector
        settings = {"smoothing_s": smoothing_s, "minimum_confidence": minimum_confidence, "remembered_s": remembered_s}
        self._trackers = {name: FaceTracker(**settings) for name in classifiers}

    def set(self, *, smoothing_s: float, minimum_confidence: float) -> None:
        """Change the settings from the next frame on."""
        for tracker in self._trackers.values():
            tracker.smoothing_s, tracker.minimum_confidence = smoothing_s, minimum_confidence

    def state(self) -> dict:
        """Return what is remembered of the faces seen, by network, as plain values, fit for JSON."""
        return {name: tracker.state() for name, tracker in self._trackers.items()}

    def restore(self, state: dict) -> None:
        """Go on from another engine's `state`; it has the same networks."""
        for name, tracker in self._trackers.items():
            tracker.restore(state[name])

    def answer(self, frame: Frame) -> LiveResult:
        """Return what is in a frame."""
        began = time.perf_counter()
        boxes, crops = analysis.find_faces(frame.bgr, self.detector)
        detected = time.perf_counter()
        found = {
            name: self._trackers[name].update(analysis.classify(boxes, crops, classifier), time_s=frame.time_s)
            for name, classifier in self.classifiers.items()
        }
        timings = {"detect": 1e3 * (detected - began), "classify": 1e3 * (time.perf_counter() - detected)}
        size = frame.bgr.shape[1::-1]
        return LiveResult(frame.sequence, frame.time_s, size, next(iter(found.values())), found, timings)
