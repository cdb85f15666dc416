"""Who is who from frame to frame: identities by overlap, answers smoothed in seconds, a detector that follows faces.

`FaceTracker` is for the answers. `FollowingDetector` and `UprightDetector` find the faces: the Haar cascade spends its
time on the parts of a picture where no face is, and in a stream, faces are near, and turned as, a moment ago.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from emotion_detection.errors import DataError
from emotion_detection.faces import cropping, detection, turned
from emotion_detection.faces.cropping import FaceBox
from emotion_detection.inference.pipeline import FaceEmotion

SMALLEST_OVERLAP = 0.2  # two boxes of consecutive frames that overlap less are two faces
WHOLE_FRAME_EVERY = 5  # at 15 frames a second, a new face waits for a third of a second at most
SAME_FACE_OVERLAP = 0.5  # a face found near a known one is the same if their boxes overlap at least so much
COPIES_EVERY = 20  # frames between two looks at all turned copies
COPIES_SOONEST = 5  # ... where a face is new and not clear, or has vanished
REMEMBERED_S = 1.0  # a face that is not found for so long is forgotten: when it comes back, it is a new one


@dataclasses.dataclass(frozen=True, eq=False)
class TrackedFace(FaceEmotion):
    """One face of a frame, with its identity; its probabilities are calibrated and smoothed.

    Args:
        identity: counts from 1 in the order in which faces appear; kept from frame to frame.
    """

    identity: int = 0


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
            found: the faces of the frame, as `pipeline.analyse_frame` returns them.
            time_s: time of the frame; not before that of the last one.
        """
        self._tracks = [track for track in self._tracks if time_s - track.seen_s <= self._remembered_s]
        matches = self._matched(found)
        tracked = []
        for index, face in enumerate(found):
            track = matches.get(index)
            if track is None:
                self._identities += 1
                track = _Track(self._identities, face.box, np.asarray(face.probabilities, np.float32), time_s)
                self._tracks.append(track)
            elapsed_s = max(0.0, time_s - track.seen_s)
            if track.probabilities.shape != face.probabilities.shape:  # contempt was asked for, or no longer
                track.probabilities = face.probabilities
            share = 1.0 if self.smoothing_s == 0 else -np.expm1(-elapsed_s / self.smoothing_s)
            moved = track.probabilities + share * (face.probabilities - track.probabilities)
            track.box, track.probabilities, track.seen_s = face.box, moved.astype(np.float32), time_s
            answer = (face.box, track.probabilities, face.classes, self.minimum_confidence)
            tracked.append(TrackedFace(*answer, track.identity))
        return tracked

    def _matched(self, found: list[FaceEmotion]) -> dict[int, _Track]:
        """Return index in `found` → the track of the same face."""
        if not found or not self._tracks:
            return {}
        overlaps = np.array([[overlap(face.box, track.box) for track in self._tracks] for face in found])
        return {
            face: self._tracks[track]
            for face, track in enumerate(_assigned(overlaps))
            if track < len(self._tracks) and overlaps[face, track] >= SMALLEST_OVERLAP
        }


def _assigned(overlaps: np.ndarray) -> list[int]:
    """Return a track for each face, so that all together overlap most; numbers beyond the tracks mean none.

    Two faces change their tracks as long as that helps: with the few faces of a picture that finds the best.
    """
    size = max(overlaps.shape)
    filled = np.zeros((size, size))
    filled[: overlaps.shape[0], : overlaps.shape[1]] = overlaps
    square = filled.tolist()
    track_of, helps = list(range(size)), True
    while helps:
        helps = False
        for one, other in itertools.combinations(range(size), 2):
            now = square[one][track_of[one]] + square[other][track_of[other]]
            if square[one][track_of[other]] + square[other][track_of[one]] > now + 1e-9:
                track_of[one], track_of[other], helps = track_of[other], track_of[one], True
    return track_of[: len(overlaps)]


def overlap(first: FaceBox, second: FaceBox) -> float:
    """Return the intersection over union of two boxes, 0–1."""
    shared = cropping.shared_area(first, second)
    return shared / (first.area + second.area - shared)


class FollowingDetector:
    """The Haar cascade for the frames of one stream, in order; not for unrelated pictures.

    A face that is not found near where it was is looked for in the whole frame at once, so that none is lost by this.

    Args:
        detector: searches whole frames, or near given faces.
    """

    def __init__(self, detector: detection.HaarDetector):
        self._detector = detector
        self._known: list[FaceBox] = []
        self._size, self._until_whole = None, 0
        self.framing = detector.framing
        self.name = f"{detector.name} (whole picture every {WHOLE_FRAME_EVERY} frames, near known faces between)"

    def detect(self, frame_bgr: np.ndarray) -> list[FaceBox]:
        """Return the faces in the stream's next frame; see `detection.Detector`."""
        cropping.check_frame(frame_bgr)
        found = None
        if self._known and self._until_whole > 0 and frame_bgr.shape == self._size:
            found = _same_faces(self._known, self._detector.detect(frame_bgr, near=self._known))
            self._until_whole -= 1
        if found is None:
            found = self._detector.detect(frame_bgr)
            self._until_whole = WHOLE_FRAME_EVERY - 1
        self._known, self._size = found, frame_bgr.shape
        return found


class UprightDetector:
    """YuNet for the frames of one stream, in order: it finds turned faces, too, so that they are cropped upright.

    Looking at all turned copies of a frame takes ten times as long as looking at the frame. So it is done only where a
    face is not known to be upright, or none is found, and once in `every` frames. In the frames between, only the
    copies that held a face are looked at. A lying face that is not found beside a clear upright one is missed.

    Args:
        detector: searches frames and their copies.
        every: so many frames make about a second.
    """

    def __init__(self, detector: detection.YuNetDetector, *, every: int = COPIES_EVERY):
        self._every = every
        self._detector, self._scores = detector, turned.SCORES[detector.name]
        self._turns: tuple[int, ...] = ()
        self._since, self._unclear, self._had_faces = every, [], False
        self.name, self.framing = detector.name, detector.framing

    def detect(self, frame_bgr: np.ndarray) -> list[FaceBox]:
        """Return the faces in the stream's next frame; see `detection.Detector`."""
        found = as_it_lies = self._detector.detect(frame_bgr)
        self._since += 1
        if self._turns:
            found, _ = turned.look(frame_bgr, as_it_lies, self._detector, self._turns)
        if self._turns or not self._scores.are_clear(found):
            unclear = [box for box in as_it_lies if box.score < self._scores.clear]
            is_new = any(all(overlap(box, known) < SMALLEST_OVERLAP for known in self._unclear) for box in unclear)
            has_vanished = self._had_faces and not found
            if self._since >= (min(COPIES_SOONEST, self._every) if is_new or has_vanished else self._every):
                found, self._turns = turned.look(frame_bgr, as_it_lies, self._detector)
                self._since, self._unclear, self._had_faces = 0, unclear, False
        self._had_faces = self._had_faces or bool(found)
        return found


def live_detector(name: str = "auto", *, every: int = COPIES_EVERY) -> detection.Detector:
    """Return the face detector for one stream of a camera; `.name` tells which, and how it looks.

    Args:
        name: as for `detection.load_detector`: YuNet finds turned faces, too; the Haar cascade works at 320 px and
            follows faces.
        every: how often YuNet looks for turned faces; see `UprightDetector`.

    Raises:
        UnknownNameError: the name is another.
        MissingFileError: the detector asked for by name is not installed.
    """
    detector = detection.load_detector(name, haar_long_side_px=detection.LIVE_LONG_SIDE_PX)
    is_haar = isinstance(detector, detection.HaarDetector)
    return FollowingDetector(detector) if is_haar else UprightDetector(detector, every=every)


def _same_faces(known: Sequence[FaceBox], found: Sequence[FaceBox]) -> list[FaceBox] | None:
    """Return, of the boxes found, the best for each known face, the largest first; None if one has no match."""
    chosen = []
    for face in known:
        left = [box for box in found if box not in chosen]
        best = max(left, key=lambda box, face=face: overlap(box, face), default=None)
        if best is None or overlap(best, face) < SAME_FACE_OVERLAP:
            return None
        chosen.append(best)
    return sorted(chosen, key=lambda box: -box.area)
