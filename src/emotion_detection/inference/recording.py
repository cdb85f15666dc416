"""From a recording to a table, a row per face and frame looked at, and from the table to what happened when."""

import contextlib
import copy
import csv as csv_format
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import tqdm

from emotion_detection import files, locks, paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.faces import detection
from emotion_detection.inference import face_table, pipeline, tracking, video_io
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.inference.stream import Engine, Frame, LiveResult

PROGRESS_AFTER_S = 2.0
PLOTTED_MOMENTS = 4000  # more than a page has pixels
SHORTEST_GAP_S = 1.0  # a face that is not seen for longer has left

APPEARS, LEAVES, LABEL = "appears", "leaves", "label"
EVENT_COLUMNS = ("time_s", "face", "event", "label")


@dataclasses.dataclass
class Summary:
    """What an analysis did; grows while it goes on, and is small."""

    frames: int = 0  # looked at
    with_face: int = 0  # of these
    seconds: float = 0.0  # up to which time of the recording
    faces: int = 0  # told apart
    labels: dict[str, int] = dataclasses.field(default_factory=dict)  # label → rows
    notes: list[str] = dataclasses.field(default_factory=list)  # sentences about damage and the like

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        return sum(self.labels.values())

    def add(self, result: LiveResult) -> None:
        """Count one frame."""
        self.frames, self.seconds = self.frames + 1, result.time_s
        self.with_face += bool(result.faces)
        for face in result.faces:
            self.faces = max(self.faces, face.identity)
            self.labels[face.label] = self.labels.get(face.label, 0) + 1


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
            of it, see `write_recording`.
        every_ms: a frame is looked at when so many milliseconds have begun anew; every frame if None.
        smoothing_s: time constant in seconds over which probabilities are smoothed; 0 for each frame by itself.
        minimum_confidence: below this a label is "not sure"; the network's own threshold if None.
        detector: finds the faces; YuNet where it is found, else the Haar cascade following faces, if None.
        classifier: the shipped network if None.
        progress: show a bar once it takes more than two seconds.

    Returns:
        A row per face and frame looked at, with the columns `face_table.columns`; `time_s` as a player shows it.
        `table.attrs["summary"]` is a `Summary` as a dict.

    Raises:
        MissingFileError: the recording, or the shipped network, is missing.
        DataError: the recording cannot be read, or a setting is out of range.
    """
    engine = _engine(every_ms, smoothing_s, minimum_confidence, detector, classifier)
    summary, rows = Summary(), []
    with video_io.Recording(path) as recording:
        for result in _answers(recording, engine, summary, every_ms=every_ms, progress=progress):
            rows += _rows(path, result)
    table = face_table.from_rows(rows, _classes(engine))
    table.attrs["summary"] = dataclasses.asdict(summary)
    return table


def write_recording(
    path: Path | str,
    *,
    csv: Path | str | None = None,
    annotated: Path | str | None = None,
    every_ms: float | None = None,
    smoothing_s: float = 0.5,
    minimum_confidence: float | None = None,
    detector: detection.Detector | None = None,
    classifier: EmotionClassifier | None = None,
    progress: bool = True,
    summary: Summary | None = None,
) -> Summary:
    """Analyse a recording of any length into files, in constant memory.

    Rows are written as they are found. After an interruption (KeyboardInterrupt) both files hold what was done.

    Args:
        path: as for `analyse_recording`, as are the settings below.
        csv: the table, numbers with four decimals; `read_csv` reads it.
        annotated: a video, without sound, with the answers drawn on it; frames not looked at carry the last ones.
        summary: filled as the work goes on, so that it tells after an interruption how far it got; returned.

    Raises:
        MissingFileError: the recording, or the shipped network, is missing.
        DataError: the recording cannot be read, or an output cannot be written.
    """
    if annotated is not None:
        video_io.check_writable_as_video(annotated)
    files.check_outputs([annotated], table=csv, inputs=[path])
    engine = _engine(every_ms, smoothing_s, minimum_confidence, detector, classifier)
    summary = summary if summary is not None else Summary()
    interrupted = None
    with contextlib.ExitStack() as opened:
        opened.enter_context(locks.locked(csv, annotated))
        recording = opened.enter_context(video_io.Recording(path))
        video = opened.enter_context(files.written_beside(Path(annotated))) if annotated is not None else None
        output = opened.enter_context(_Output(csv, video, recording, _classes(engine)))
        try:
            for result in _answers(recording, engine, summary, every_ms=every_ms, progress=progress, output=output):
                output.add_rows(result)
        except KeyboardInterrupt as error:
            if not summary.frames:
                raise
            interrupted = error
    if interrupted is not None:
        raise interrupted
    return summary


def read_csv(path: Path | str) -> pd.DataFrame:
    """Return the table of a CSV that `write_recording` or `analyse.write_csv` wrote, with the types that it had.

    Raises:
        DataError: it is another table, or a damaged one.
    """
    encoding = {"encoding": files.CSV["encoding"], "encoding_errors": files.CSV["errors"]}
    types = face_table.column_types() | {"source": "object"}
    try:
        table = pd.read_csv(path, dtype=types, **encoding)
        if lacking := types.keys() - set(table):
            raise ValueError(f"it lacks {', '.join(sorted(lacking))}")
    except ValueError as error:
        raise DataError(
            f"{paths.displayed(path)} is no table of faces ({error}). Write it again: python -m emotion_detection "
            "analyse VIDEO --csv F.csv"
        ) from error
    return face_table.typed(table)


def thinned(table: pd.DataFrame, moments: int = PLOTTED_MOMENTS) -> pd.DataFrame:
    """Return the first row of each face in each of so many equal parts of the time: enough for a plot."""
    step_s = max(float(table["time_s"].max()) / moments, 1e-9)
    parts = table[["face"]].assign(part=table["time_s"] // step_s)
    return table[~parts.duplicated()]


def _a_second(every_ms: float | None) -> int:
    """Return how many looks make a second, as far as turned faces go."""
    return tracking.COPIES_EVERY if every_ms is None else max(1, min(tracking.COPIES_EVERY, round(1000 / every_ms)))


def _engine(every_ms, smoothing_s, minimum_confidence, detector, classifier) -> Engine:
    """Return an engine that has seen nothing yet; refuse settings that are out of range before any work."""
    if every_ms is not None and not 0 < every_ms < float("inf"):
        raise DataError(f"A frame was to be looked at every {every_ms} ms. Pass more than 0, or None for all.")
    classifier = classifier if classifier is not None else EmotionClassifier.load()
    card = getattr(classifier, "metadata", None) or {}
    return Engine(
        {card.get("name", type(classifier).__name__): classifier},
        copy.copy(detector) if detector is not None else tracking.live_detector(every=_a_second(every_ms)),
        smoothing_s=smoothing_s,
        minimum_confidence=getattr(classifier, "threshold", 0.0) if minimum_confidence is None else minimum_confidence,
        remembered_s=max(tracking.REMEMBERED_S, 2 * (every_ms or 0) / 1000),
    )


class _Output:
    """The files that a recording's analysis is written to."""

    def __init__(
        self,
        csv: Path | str | None,
        annotated: Path | str | None,
        recording: video_io.Recording,
        classes: Sequence[str],
    ):
        self._rows = self._video = None
        self._csv, self._source = csv, recording.path
        with contextlib.ExitStack() as opened:
            if annotated is not None:
                self._video = opened.enter_context(video_io.Writer(annotated, frames_per_s=recording.frames_per_s))
            if csv is not None:
                opened.enter_context(files.naming_what_lacks_room(csv))
                stream = opened.enter_context(Path(csv).open("w", buffering=1, newline="", **files.CSV))
                self._rows = csv_format.writer(stream, lineterminator="\n")
                self._rows.writerow(face_table.columns(classes))
            self._opened = opened.pop_all()

    def __enter__(self) -> "_Output":
        return self

    def __exit__(self, *_) -> None:
        self._opened.close()

    def add_rows(self, result: LiveResult) -> None:
        """Append the rows of one frame."""
        if self._rows is not None:
            rows = _rows(self._source, result)
            with files.naming_what_lacks_room(self._csv):
                self._rows.writerows(
                    [f"{value:.4f}" if isinstance(value, float) else value for value in row] for row in rows
                )

    def add_picture(self, recording: video_io.Recording, last: LiveResult) -> None:
        """Append the frame at which a recording is, with the last answers drawn on it."""
        if self._video is not None:
            bgr = recording.picture_bgr()
            names = [str(face.identity) for face in last.faces]
            drawn = pipeline.annotate(bgr, last.faces, names=names, bars=False) if last.faces else bgr
            self._video.add(drawn, time_s=recording.time_s)


def _answers(
    recording: video_io.Recording,
    engine: Engine,
    summary: Summary,
    *,
    every_ms: float | None,
    progress: bool,
    output: _Output | None = None,
) -> Iterator[LiveResult]:
    """Go through a recording; yield the answer to each frame that is looked at, and count it."""
    last_interval, last = None, None
    settings = {"total": recording.announced_frames, "unit": "frame", "delay": PROGRESS_AFTER_S}
    for time_s in tqdm.tqdm(recording.times(), desc="Analysing", disable=not progress, **settings):
        interval = None if every_ms is None else int((1000 * time_s + 0.5) // every_ms)
        if interval is None or interval != last_interval:
            last = engine.answer(Frame(recording.picture_bgr(), time_s, recording.frames))
            summary.add(last)
            yield last
        last_interval = interval
        if output is not None:
            output.add_picture(recording, last)
    summary.notes = recording.notes()


def _rows(path: Path | str, result: LiveResult) -> list[tuple]:
    """Return the rows of one frame, values in the order of `face_table.columns`."""
    return [face_table.row(Path(path).as_posix(), result.time_s, face.identity, face) for face in result.faces]


def _classes(engine: Engine) -> Sequence[str]:
    return getattr(next(iter(engine.classifiers.values())), "classes", EMOTIONS)


def events(table: pd.DataFrame, *, end_s: float | None = None) -> pd.DataFrame:
    """Return what happened in a timeline, in order of time: faces appear and leave, their labels change.

    Args:
        table: columns time_s, face, label, of one network; such as a live timeline or an analysed recording.
        end_s: when looking ended; the last time of the table if None. A face that was seen until then has not left.

    Returns:
        Columns time_s, face; event: "appears" or "leaves", when a face is seen for the first or last time before or
        after a gap, or "label" when its label changes; label: the one from then on (at "leaves", until then).
    """
    gap_s = longest_gap_s(table)
    end_s = table["time_s"].max() if end_s is None else end_s
    found = [_events_of_face(rows.sort_values("time_s"), gap_s, end_s) for _, rows in table.groupby("face")]
    all_events = pd.concat(found) if found else pd.DataFrame(columns=list(EVENT_COLUMNS))
    return all_events.sort_values(["time_s", "face"], kind="stable", ignore_index=True)


def longest_gap_s(table: pd.DataFrame) -> float:
    """Return how long a face may be unseen, in seconds, without having left: at least three steps between frames."""
    times = np.unique(table["time_s"].to_numpy())
    usual_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return max(SHORTEST_GAP_S, 3 * usual_s)


def _events_of_face(rows: pd.DataFrame, gap_s: float, end_s: float) -> pd.DataFrame:
    time_s, label = rows["time_s"].to_numpy(), rows["label"].to_numpy()
    begins = np.r_[True, np.diff(time_s) > gap_s]
    ends = np.r_[begins[1:], end_s - time_s[-1] > gap_s]
    changes = np.r_[False, label[1:] != label[:-1]] & ~begins
    kinds = ((begins, APPEARS), (changes, LABEL), (ends, LEAVES))
    found = [rows.loc[which, ["time_s", "face", "label"]].assign(event=event) for which, event in kinds]
    return pd.concat(found)[list(EVENT_COLUMNS)]
