"""From a recording to a table: a row per face and frame looked at. `recording_files` writes it, at any length."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import tqdm

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.faces import detection
from emotion_detection.inference import pipeline, tracking, video_io
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.inference.stream import COLUMNS, Engine, Frame, LiveResult
from emotion_detection.runs import registry

if TYPE_CHECKING:  # imported where a table is made
    import pandas as pd

PART_FRAMES = 100
"""After so many frames looked at, the detector begins anew and an analysis can go on: a second or three of work."""

PROGRESS_AFTER_S = 2.0


@dataclasses.dataclass
class Summary:
    """What an analysis did; grows while it goes on, and is small.

    Args:
        frames: how many were looked at.
        with_face: how many of these have a face.
        seconds: up to which time of the recording.
        faces: how many faces were told apart.
        labels: label → how many rows have it.
        notes: sentences about damage and what else was not as it should be.
    """

    frames: int = 0
    with_face: int = 0
    seconds: float = 0.0
    faces: int = 0
    labels: dict[str, int] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        return sum(self.labels.values())

    @property
    def unsure_share(self) -> float:
        """Share of the rows, 0–1, whose label is "not sure"; 0 without any."""
        return self.labels.get(tracking.NOT_SURE, 0) / max(1, self.rows)

    def in_words(self) -> str:
        """Return what was found, in a sentence or two."""
        looked = f"{self.frames:,} frames up to {video_io.clock(self.seconds)} were looked at"
        if not self.rows:
            return f"{looked}, and no face was found. Try a recording with larger or more frontal faces."
        often = sorted(self.labels.items(), key=lambda item: (-item[1], item[0]))
        shares = ", ".join(f"{label} {count / self.rows:.0%}" for label, count in often)
        return f"{looked}; {self.with_face:,} show a face ({self.faces} told apart). Answers: {shares}."

    def add(self, result: LiveResult) -> None:
        """Count one frame."""
        self.frames, self.seconds = self.frames + 1, result.time_s
        self.with_face += bool(result.faces)
        for face in result.faces:
            self.faces = max(self.faces, face.identity)
            self.labels[face.label] = self.labels.get(face.label, 0) + 1


class Analyst:
    """Looks at the frames of recordings: detector, network and settings in one.

    Args:
        every_ms: a frame is looked at when so many milliseconds have begun anew; every frame if None.
        smoothing_s: time constant in seconds over which probabilities are smoothed; 0 for each frame by itself.
        minimum_confidence: below this a label is "not sure"; the network's own threshold if None.
        detector: finds the faces; `default_detector()` if None.
        classifier: the shipped network if None.

    Raises:
        DataError: a setting is out of range.
    """

    def __init__(
        self,
        *,
        every_ms: float | None = None,
        smoothing_s: float = 0.5,
        minimum_confidence: float | None = None,
        detector: detection.Detector | None = None,
        classifier: EmotionClassifier | None = None,
    ):
        if every_ms is not None and not 0 < every_ms < float("inf"):
            raise DataError(f"A frame was to be looked at every {every_ms} ms. Pass more than 0, or None for all.")
        self.every_ms, self.smoothing_s = every_ms, smoothing_s
        self.classifier = classifier if classifier is not None else EmotionClassifier.load()
        self.detector = detector if detector is not None else default_detector()
        self._card = getattr(self.classifier, "metadata", None) or {}
        known = minimum_confidence is None
        self.minimum_confidence = registry.threshold_of(self._card) if known else minimum_confidence
        self.new_engine()  # refuses settings that are out of range before any work

    def new_engine(self) -> Engine:
        """Return an engine that has seen nothing yet."""
        name = self._card.get("name", type(self.classifier).__name__)
        return Engine(
            {name: self.classifier},
            copy.copy(self.detector),
            smoothing_s=self.smoothing_s,
            minimum_confidence=self.minimum_confidence,
            remembered_s=max(tracking.REMEMBERED_S, 2 * (self.every_ms or 0) / 1000),
        )

    def settings(self) -> dict:
        """Return what the rows depend on, besides the recording: plain values, fit for JSON."""
        return {
            "every_ms": self.every_ms,
            "smoothing_s": self.smoothing_s,
            "minimum_confidence": self.minimum_confidence,
            "detector": self.detector.name,
            "network": [self._card.get(key) for key in ("name", "run", "finished")],
            "part_frames": PART_FRAMES,
        }

    def answers(
        self, recording: video_io.Recording, engine: Engine, *, after_frame: int = 0, progress: bool = False
    ) -> Iterator[LiveResult]:
        """Look at a recording; yield the answer to each frame that is looked at.

        Args:
            recording: open, at its beginning; `recording.frames` counts on.
            engine: from `new_engine`; every `PART_FRAMES` frames its detector begins anew, so that an analysis that
                goes on from such a frame gives what an uninterrupted one does.
            after_frame: frames up to this number (from 1) are passed without a look.
            progress: show a bar once it takes more than two seconds.
        """
        looked_at = 0
        for time_s in self._due_times(recording, progress=progress):
            looked_at += 1
            if recording.frames <= after_frame:
                continue
            if (looked_at - 1) % PART_FRAMES == 0:
                engine.detector = copy.copy(self.detector)
            bgr = recording.picture_bgr()
            damaged = LiveResult(recording.frames, time_s, (1, 1), [], {}, {})
            yield damaged if bgr is None else engine.answer(Frame(bgr, time_s, recording.frames))

    def _due_times(self, recording: video_io.Recording, *, progress: bool) -> Iterator[float]:
        """Go through the frames and stop at those to be looked at."""
        last = None
        for time_s in times_with_progress(recording, "Analysing", shown=progress):
            due = due_number(time_s, self.every_ms)
            if due is None or due != last:
                yield time_s
            last = due


def default_detector() -> detection.Detector:
    """Return the detector for the frames of a recording: YuNet where it is found, else Haar following faces."""
    return tracking.live_detector()


def due_number(time_s: float, every_ms: float | None) -> int | None:
    """Return which interval a time is in: the first frame of each is looked at. None where all are."""
    return None if every_ms is None else int((1000 * time_s + 0.5) // every_ms)


def analyse_recording(
    path: Path | str,
    *,
    every_ms: float | None = None,
    smoothing_s: float = 0.5,
    minimum_confidence: float | None = None,
    detector: detection.Detector | None = None,
    classifier: EmotionClassifier | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Find, follow and classify the faces of a recording; the table is held in memory.

    Args:
        path: of a video that FFmpeg reads: MP4, MOV, AVI, MKV, WebM and more; pictures are turned upright. For hours
            of it, see `recording_files.write_recording`.
        every_ms, smoothing_s, minimum_confidence, detector, classifier: as for `Analyst`.
        progress: show a bar once it takes more than two seconds.

    Returns:
        A row per face and frame looked at, with the columns `engine.COLUMNS`: `time_s` as a player shows it, `face`
        counting from 1 in order of appearance, the box as shares of the frame, calibrated probabilities 0–1, the
        label or "not sure". `table.attrs["summary"]` is a `Summary` as a dict.

    Raises:
        MissingFileError: the recording, or the shipped network, is missing.
        DataError: the recording cannot be read, or a setting is out of range.
    """
    analyst = Analyst(
        every_ms=every_ms,
        smoothing_s=smoothing_s,
        minimum_confidence=minimum_confidence,
        detector=detector,
        classifier=classifier,
    )
    rows: list[tuple] = []
    summary = look_through(path, analyst, progress=progress, take=lambda result: rows.extend(rows_of(result)))
    table = _typed(rows)
    table.attrs["summary"] = dataclasses.asdict(summary)
    return table


def look_through(
    path: Path | str,
    analyst: Analyst,
    *,
    progress: bool = True,
    take: Callable[[LiveResult], None] = lambda result: None,
) -> Summary:
    """Look at a whole recording, hand each answer to `take`, and return what was done; constant memory."""
    summary = Summary()
    with video_io.Recording(path) as recording:
        for result in analyst.answers(recording, analyst.new_engine(), progress=progress):
            summary.add(result)
            take(result)
        summary.notes = recording.notes()
    return summary


def rows_of(result: LiveResult) -> list[tuple]:
    """Return the rows of one frame, values in the order of `COLUMNS`."""
    width, height = result.size
    return [
        (
            result.time_s,
            face.identity,
            *(face.box.x / width, face.box.y / height, face.box.width / width, face.box.height / height),
            *face.probabilities.tolist(),
            face.label,
            network,
        )
        for network, found in result.by_network.items()
        for face in found
    ]


def times_with_progress(recording: video_io.Recording, words: str, *, shown: bool) -> Iterator[float]:
    """Go through the times of a recording behind a bar that tells how long it will take."""
    settings = {"total": recording.announced_frames, "unit": "frame", "delay": PROGRESS_AFTER_S}
    yield from tqdm.tqdm(recording.times(), desc=words, disable=not shown, **settings)


def column_types() -> dict:
    """Return column → type of the table."""
    numbers = dict.fromkeys((*pipeline.BOX_COLUMNS, *EMOTIONS), "float32")
    return {"time_s": "float64", "face": "int64", "label": "str", "network": "str"} | numbers


def _typed(rows: list[tuple]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(column_types())
