"""From the frames of a stream to answers: faces are found once, every network is asked, identities are kept."""

import dataclasses
import time
from typing import Protocol

import numpy as np

from emotion_detection.emotions import EMOTIONS
from emotion_detection.faces import detection
from emotion_detection.inference import class_activation, pipeline, tracking
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.inference.tracking import FaceTracker, TrackedFace

ANSWER = "answer"  # evidence is asked for whatever each face's answer is
HEAT_CELLS = 12  # side of the heat that goes to the page: enough for the browser to smooth between, few bytes
COLUMNS = ("time_s", "face", "x", "y", "width", "height", *EMOTIONS, "label", "network")
"""Of the table: seconds since the first frame, identity, box as shares of the frame, probabilities, label."""


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


class FrameSource(Protocol):
    """What every source has."""

    name: str
    in_browser: bool

    def open(self) -> None:
        """Open the camera, file or stream; raise CameraError if that fails."""

    def read(self, timeout_s: float) -> Frame | None:
        """Return the next frame, None if there is none yet; raise CameraError when there will be none."""

    def close(self) -> None:
        """Release it; closing twice does no harm."""


@dataclasses.dataclass(frozen=True, eq=False)
class Heat:
    """Where in a face the evidence for an emotion is."""

    square: tuple[float, float, float]  # left edge, upper edge and side of what the network saw, in pixels of the frame
    values: np.ndarray  # float32 (12, 12), 0–1, from `class_activation.heat`, over the square


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
        heats: why the first network says so, one for each face; empty unless asked for.
        crops: what the networks saw of each face: uint8 arrays (h, w), grey, or (h, w, 3), RGB.
    """

    sequence: int
    time_s: float
    size: tuple[int, int]
    faces: list[TrackedFace]
    by_network: dict[str, list[TrackedFace]]
    timings_ms: dict[str, float]
    heats: tuple[Heat, ...] = ()
    crops: tuple[np.ndarray, ...] = ()


class Engine:
    """From a frame to a `LiveResult`: find the faces once, ask every network about each, keep identities.

    Not for several threads at once.

    Args:
        classifiers: name → network with `predict_proba`; the first is the one whose labels are shown.
        detector: from `detection.load_detector`.
        smoothing_s: time constant of the smoothing.
        minimum_confidence: below this a label is "not sure".
        remembered_s: a face that is not found for longer is forgotten.
        explained: `ANSWER` or an emotion: evidence for it comes with each answer; None: it does not.
    """

    def __init__(
        self,
        classifiers: dict[str, EmotionClassifier],
        detector: detection.Detector,
        *,
        smoothing_s: float = 0.5,
        minimum_confidence: float = 0.0,
        remembered_s: float = tracking.REMEMBERED_S,
        explained: str | None = None,
    ):
        self.classifiers, self.detector, self.explained = classifiers, detector, explained
        settings = {"smoothing_s": smoothing_s, "minimum_confidence": minimum_confidence, "remembered_s": remembered_s}
        self._trackers = {name: FaceTracker(**settings) for name in classifiers}

    def set(
        self,
        *,
        classifiers: dict[str, EmotionClassifier],
        smoothing_s: float,
        minimum_confidence: float,
        explained: str | None = None,
    ) -> None:
        """Change the settings from the next frame on; networks keep their names, and faces their numbers."""
        self.classifiers, self.explained = classifiers, explained
        for tracker in self._trackers.values():
            tracker.smoothing_s, tracker.minimum_confidence = smoothing_s, minimum_confidence

    @property
    def can_explain(self) -> bool:
        """Whether the first network can say why."""
        return class_activation.can_explain(next(iter(self.classifiers.values())))

    def answer(self, frame: Frame) -> LiveResult:
        """Return what is in a frame."""
        began = time.perf_counter()
        networks, explained = self.classifiers, self.explained  # another thread may change the settings meanwhile
        first_network = next(iter(networks.values()))
        boxes, crops = pipeline.find_faces(frame.bgr, self.detector, first_network)
        detected = time.perf_counter()
        asked = explained is not None and crops and class_activation.can_explain(first_network)
        scores, maps = class_activation.evidence(first_network, crops) if asked else (None, None)
        found = {}
        for name, network in networks.items():
            known = scores if network is first_network else None  # it is not asked again
            seen = pipeline.classify(boxes, crops, network, scores=known)
            found[name] = self._trackers[name].update(seen, time_s=frame.time_s)
        first = next(iter(found.values()))
        heats = self._heats(first, maps, explained) if asked else ()
        timings = {"detect": 1e3 * (detected - began), "classify": 1e3 * (time.perf_counter() - detected)}
        return LiveResult(
            frame.sequence, frame.time_s, frame.bgr.shape[1::-1], first, found, timings, heats, tuple(crops)
        )

    def _heats(self, found: list[TrackedFace], maps: np.ndarray, explained: str) -> tuple[Heat, ...]:
        """Return the heat of each face, for the emotion asked for or for the one that its bars show highest."""
        heats = []
        for face, by_class in zip(found, maps, strict=True):
            index = face.probabilities.argmax() if explained == ANSWER else EMOTIONS.index(explained)
            size, angle_deg = (HEAT_CELLS, HEAT_CELLS), face.box.angle_deg
            values = class_activation.heat(by_class[..., index], size, angle_deg=angle_deg)
            heats.append(Heat(self.detector.framing.square(face.box), values))
        return tuple(heats)
