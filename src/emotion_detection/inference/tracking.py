"""Who is who from frame to frame, and answers that do not flicker: identities by overlap, smoothing in seconds."""

import dataclasses

import numpy as np

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.faces.detection import FaceBox
from emotion_detection.inference.pipeline import FaceEmotion

SMALLEST_OVERLAP = 0.2
"""Two boxes of consecutive frames that overlap less (intersection over union) are two faces."""

REMEMBERED_S = 1.0
"""A face that is not found for so long is forgotten: when it comes back, it is a new one."""

NOT_SURE = "not sure"


@dataclasses.dataclass(frozen=True, eq=False)
class TrackedFace:
    """One face of a frame, with its identity.

    Args:
        identity: counts from 1 in the order in which faces appear; kept from frame to frame.
        box: where the face is, in pixels of the frame.
        probabilities: float32 array (7,), calibrated and smoothed, summing to 1, classes in FER2013 order.
        minimum_confidence: below this the label is "not sure".
    """

    identity: int
    box: FaceBox
    probabilities: np.ndarray
    minimum_confidence: float = 0.0

    @property
    def confidence(self) -> float:
        """Probability of the most probable emotion, 0–1."""
        return float(self.probabilities.max())

    @property
    def label(self) -> str:
        """Name of the most probable emotion, or "not sure" where its probability is below the minimum."""
        sure = self.confidence >= self.minimum_confidence
        return EMOTIONS[int(self.probabilities.argmax())] if sure else NOT_SURE


@dataclasses.dataclass
class _Track:
    identity: int
    box: FaceBox
    probabilities: np.ndarray
    seen_s: float


class FaceTracker:
    """Gives faces identities and smooths their probabilities over time.

    Faces of consecutive frames are matched by the overlap of their boxes, all at once (Hungarian method). Smoothing is
    exponential with a time constant in seconds, so that it is the same at any frame rate: after `smoothing_s` seconds
    a sudden change of expression has been followed by 63 %, after three times that by 95 %.

    Args:
        smoothing_s: time constant in seconds; 0 switches smoothing off.
        minimum_confidence: below this probability a label is "not sure".
        remembered_s: a face that is not found for longer is forgotten.

    Raises:
        DataError: an argument is out of range.
    """

    def __init__(
        self, *, smoothing_s: float = 0.5, minimum_confidence: float = 0.0, remembered_s: float = REMEMBERED_S
    ):
        if not 0 <= smoothing_s < float("inf") or not 0 <= minimum_confidence <= 1:
            raise DataError(
                f"A tracker was asked for with smoothing_s {smoothing_s} and minimum_confidence {minimum_confidence}. "
                "Smoothing is 0 or more seconds, the confidence 0–1."
            )
        self.smoothing_s, self.minimum_confidence = smoothing_s, minimum_confidence
        self._remembered_s = remembered_s
        self._tracks: list[_Track] = []
        self._identities = 0

    def update(self, found: list[FaceEmotion], *, time_s: float) -> list[TrackedFace]:
        """Take the faces of one frame; return them with identities and smoothed probabilities, in the same order.

        Args:
            found: the faces of the frame, as `analysis.analyse_frame` returns them.
            time_s: time of the frame; not before that of the last one.
        """
        self._tracks = [track for track in self._tracks if time_s - track.seen_s <= self._remembered_s]
        matches = self._matched(found)
        tracks = []
        for index, face in enumerate(found):
            track = matches.get(index) or self._new(face, time_s)
            self._follow(track, face, time_s)
            tracks.append(track)
        return [
            TrackedFace(track.identity, track.box, track.probabilities, self.minimum_confidence) for track in tracks
        ]

    def forget(self) -> None:
        """Forget all faces; identities go on counting."""
        self._tracks = []

    def state(self) -> dict:
        """Return what is remembered as plain values, fit for JSON, without any loss."""
        tracks = [
            {
                "identity": track.identity,
                "box": [track.box.x, track.box.y, track.box.width, track.box.height],
                "probabilities": track.probabilities.tolist(),
                "seen_s": track.seen_s,
            }
            for track in self._tracks
        ]
        return {"identities": self._identities, "tracks": tracks}

    def restore(self, state: dict) -> None:
        """Remember what another tracker's `state` says, and nothing else."""
        self._identities = state["identities"]
        self._tracks = [
            _Track(
                track["identity"],
                FaceBox(*track["box"]),
                np.array(track["probabilities"], np.float32),
                track["seen_s"],
            )
            for track in state["tracks"]
        ]

    def _matched(self, found: list[FaceEmotion]) -> dict[int, _Track]:
        """Return index in `found` → the track of the same face."""
        if not found or not self._tracks:
            return {}
        overlaps = np.array([[overlap(face.box, track.box) for track in self._tracks] for face in found])
        pairs = _best_pairs(overlaps)
        return {face: self._tracks[track] for face, track in pairs if overlaps[face, track] >= SMALLEST_OVERLAP}

    def _new(self, face: FaceEmotion, time_s: float) -> _Track:
        self._identities += 1
        track = _Track(self._identities, face.box, np.asarray(face.probabilities, np.float32), time_s)
        self._tracks.append(track)
        return track

    def _follow(self, track: _Track, face: FaceEmotion, time_s: float) -> None:
        elapsed_s = max(0.0, time_s - track.seen_s)
        share = 1.0 if self.smoothing_s == 0 else -np.expm1(-elapsed_s / self.smoothing_s)
        moved = track.probabilities + share * (face.probabilities - track.probabilities)
        track.box, track.probabilities, track.seen_s = face.box, moved.astype(np.float32), time_s


def _best_pairs(overlaps: np.ndarray) -> list[tuple[int, int]]:
    """Return pairs (row, column) with the greatest sum of overlaps, each row and column once.

    SciPy, which solves it, takes longer to import than many sessions take to need it: one face needs no solving.
    """
    if 1 in overlaps.shape:
        row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
        return [(int(row), int(column))]
    from scipy import optimize

    return list(zip(*optimize.linear_sum_assignment(overlaps, maximize=True), strict=True))


def overlap(first: FaceBox, second: FaceBox) -> float:
    """Return the intersection over union of two boxes, 0–1."""
    width = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    height = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    if width <= 0 or height <= 0:
        return 0.0
    intersection = width * height
    return intersection / (first.area + second.area - intersection)
