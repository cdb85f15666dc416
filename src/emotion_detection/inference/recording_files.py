"""The analysis of a recording as files, in constant memory: table, plot, annotated video; it survives interruptions.

Rows are written part by part into `<output>.partial`, and after each part a small state into `<output>.partial.json`:
how far it got, and whom it knows. The same call goes on from there and ends with the rows that an uninterrupted one
would have written.
"""

from __future__ import annotations

import copy
import csv as csv_format
import dataclasses
import hashlib
import io
import itertools
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotion_detection import files
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.faces import detection
from emotion_detection.inference import pipeline, video_io
from emotion_detection.inference import recording as recordings
from emotion_detection.inference.recording import Analyst, Summary
from emotion_detection.inference.stream import COLUMNS
from emotion_detection.inference.video_io import clock

if TYPE_CHECKING:  # imported where a table is made
    import pandas as pd

log = logging.getLogger(__name__)

PLOTTED_TIMES = 4000
"""Of a longer table so many moments are plotted, more than a page has pixels."""

CHUNK_ROWS = 50_000
FINGERPRINT_BYTES = 65_536
"""Of the plot: fixed, and per face."""


def write_recording(
    path: Path | str,
    *,
    csv: Path | str | None = None,
    parquet: Path | str | None = None,
    annotated: Path | str | None = None,
    plot: Path | str | None = None,
    analyst: Analyst | None = None,
    progress: bool = True,
    say: Callable[[str], None] = log.info,
) -> Summary:
    """Analyse a recording of any length into files, in constant memory; goes on where an earlier call was interrupted.

    Args:
        path: as for `recordings.analyse_recording`.
        csv: the table, numbers with four decimals.
        parquet: the same table (needs pyarrow).
        annotated: a video, without sound, with the answers drawn on it; frames not looked at carry the last ones.
        plot: the timeline as PNG.
        analyst: detector, network and settings; all as usual if None.
        progress: show bars once something takes more than two seconds.
        say: takes a sentence where an earlier analysis is gone on with, or cannot be.

    Returns:
        What was done. On an interruption (KeyboardInterrupt, or a crash) what is finished stays in `partial_path`.

    Raises:
        MissingFileError: the recording, or the shipped network, is missing.
        DataError: the recording cannot be read, or an output cannot be written; known before the work where it can be.
    """
    outputs = Outputs.checked(path, csv=csv, parquet=parquet, annotated=annotated, plot=plot)
    analyst = analyst if analyst is not None else Analyst()
    with video_io.Recording(path) as recording:
        partial = Partial.opened(outputs.first, path, analyst, say=say)
        if not partial.is_complete:
            _write_rows(recording, analyst, partial, progress=progress)
    if outputs.parquet is not None:
        _write_parquet(partial.path, outputs.parquet)
    if outputs.plot is not None and partial.summary.rows:
        write_plot(partial.path, outputs.plot)
    if outputs.annotated is not None:
        _write_annotated(path, partial.path, outputs.annotated, every_ms=analyst.every_ms, progress=progress)
    partial.finish(outputs.csv)
    return partial.summary


@dataclasses.dataclass(frozen=True)
class Outputs:
    """Where an analysis is to be written; None for what is not."""

    csv: Path | None
    parquet: Path | None
    annotated: Path | None
    plot: Path | None

    @classmethod
    def checked(cls, source: Path | str, **given: Path | str | None) -> Outputs:
        """Return the outputs after looking for what would go wrong after hours of work."""
        outputs = cls(**{name: Path(path) if path is not None else None for name, path in given.items()})
        asked = outputs.asked
        if not asked:
            raise DataError("Nothing is to be written. Name a file: csv, parquet, annotated or plot.")
        resolved = [path.resolve() for path in (Path(source), *asked)]
        if len(set(resolved)) < len(resolved):
            raise DataError(
                f"Two of the recording and its outputs are the same file: {', '.join(path.name for path in resolved)}. "
                "Give each a name of its own."
            )
        if outputs.annotated is not None:
            video_io.check_writable_as_video(outputs.annotated)
        if outputs.parquet is not None:
            _pyarrow()
        for path in asked:
            files.require_writable(path.parent, instead="choose another folder")
        return outputs

    @property
    def asked(self) -> list[Path]:
        """Those that are to be written."""
        return [path for path in (self.csv, self.parquet, self.annotated, self.plot) if path is not None]

    @property
    def first(self) -> Path:
        """The one beside which an unfinished analysis waits."""
        return self.asked[0]


def partial_path(output: Path | str) -> Path:
    """Return where the rows of an unfinished analysis wait, by the first of its outputs."""
    output = Path(output)
    return output.with_name(f"{output.name}.partial")


def kept(output: Path | str) -> str:
    """Return in a sentence what an interrupted analysis left behind, by the first of its outputs."""
    state = _read_state(_state_path(partial_path(output)))
    if not state or not state["frame"]:
        return "Interrupted before anything was finished."
    if state["complete"]:
        return "Interrupted while writing; the analysis itself is complete. The same command goes on from there."
    return (
        f"Interrupted. What was found up to {clock(state['summary']['seconds'])} is kept in "
        f"{partial_path(output).name}; the same command goes on from there."
    )


class Partial:
    """The rows so far and the state that belongs to them, beside the output that they become.

    Args:
        path: of the rows.
        identity: of recording and settings: what the state must have been made from.
    """

    def __init__(self, path: Path, identity: dict):
        self.path, self._identity = path, identity
        self.frame, self.engine_state, self.is_complete = 0, None, False
        self.summary = Summary()
        self._bytes = 0

    @classmethod
    def opened(cls, output: Path, source: Path | str, analyst: Analyst, *, say: Callable[[str], None]) -> Partial:
        """Return what is there of an earlier analysis of the same recording and settings, or an empty one."""
        identity = {"recording": _fingerprint(Path(source)), "settings": analyst.settings()}
        partial = cls(partial_path(output), identity)
        state = _read_state(_state_path(partial.path))
        if state is not None:
            partial._take(state, say)
        if not partial.frame:
            _state_path(partial.path).unlink(missing_ok=True)
        return partial

    def _take(self, state: dict, say: Callable[[str], None]) -> None:
        changed = [part for part in ("recording", "settings") if state[part] != self._identity[part]]
        if changed or not self.path.is_file() or self.path.stat().st_size < state["bytes"]:
            of = " and ".join(changed) or "file of rows"
            say(f"An unfinished analysis waits in {self.path.name}, but its {of} changed: starting anew.")
            return
        self.frame, self.engine_state, self.is_complete = state["frame"], state["engine"], state["complete"]
        self.summary, self._bytes = Summary(**state["summary"]), state["bytes"]
        if self.frame:
            os.truncate(self.path, self._bytes)
            say(f"Going on at {clock(self.summary.seconds)}, where an earlier analysis was interrupted.")

    def add(self, rows: list[tuple], *, frame: int, engine_state: dict, is_complete: bool) -> None:
        """Append the rows of one part and then note how far it got; in between, a crash loses this part only."""
        with self.path.open("ab" if self.frame else "wb") as stream:
            header = [] if self.frame else [COLUMNS]
            stream.write(_csv_bytes([*header, *(_written(row) for row in rows)]))
            stream.flush()
            os.fsync(stream.fileno())
        self._bytes = self.path.stat().st_size
        self.frame, self.engine_state, self.is_complete = frame, engine_state, is_complete
        progress = {"frame": frame, "bytes": self._bytes, "complete": is_complete, "engine": engine_state}
        state = self._identity | progress | {"summary": dataclasses.asdict(self.summary)}
        files.write_json(_state_path(self.path), state)

    def finish(self, csv: Path | None) -> None:
        """Turn the rows into the CSV, or drop them where none was asked for."""
        if csv is not None:
            self.path.replace(csv)
        self.path.unlink(missing_ok=True)
        _state_path(self.path).unlink(missing_ok=True)


def _write_rows(recording: video_io.Recording, analyst: Analyst, partial: Partial, *, progress: bool) -> None:
    """Look at what is left of a recording and append its rows, part by part."""
    engine = analyst.new_engine()
    if partial.engine_state is not None:
        engine.restore(partial.engine_state)
    rows: list[tuple] = []
    summary = copy.deepcopy(partial.summary)
    for result in analyst.answers(recording, engine, after_frame=partial.frame, progress=progress):
        summary.add(result)
        rows += recordings.rows_of(result)
        if summary.frames % recordings.PART_FRAMES == 0:
            partial.summary = copy.deepcopy(summary)
            partial.add(rows, frame=result.sequence, engine_state=engine.state(), is_complete=False)
            rows = []
    summary.notes = recording.notes()
    partial.summary = summary
    partial.add(rows, frame=recording.frames, engine_state=engine.state(), is_complete=True)


def _write_parquet(rows_path: Path, target: Path) -> None:
    """Turn the rows into a Parquet file, some at a time."""
    pyarrow, parquet = _pyarrow()
    writer = None
    with files.written_beside(target) as temporary:
        try:
            for chunk in _chunks(rows_path):
                group = pyarrow.Table.from_pandas(chunk, preserve_index=False)
                writer = writer or parquet.ParquetWriter(temporary, group.schema)
                writer.write_table(group)
        finally:
            if writer is not None:
                writer.close()


def write_plot(rows_path: Path, target: Path) -> None:
    """Draw the timeline of a CSV of rows as PNG; of a long one, the first row of each of some thousand moments."""
    import pandas as pd

    from emotion_detection import plots
    from emotion_detection.plots import saving

    end_s = max(float(chunk["time_s"].max()) for chunk in _chunks(rows_path))
    step_s = end_s / PLOTTED_TIMES
    table = pd.concat([_thinned(chunk, step_s) for chunk in _chunks(rows_path)], ignore_index=True)
    with files.written_beside(target) as temporary:
        temporary.write_bytes(saving.png_bytes(plots.timeline(table), dpi=saving.FILE_DPI))


def _thinned(chunk: pd.DataFrame, step_s: float) -> pd.DataFrame:
    """Return the first row of each face in each step."""
    steps = chunk[["face"]].assign(step=chunk["time_s"] // max(step_s, 1e-9))
    return chunk[~steps.duplicated()]


@dataclasses.dataclass(frozen=True, eq=False)
class _DrawnFace:
    """A face as its row tells, for `pipeline.annotate`."""

    name: str
    box: detection.FaceBox
    probabilities: np.ndarray
    label: str

    @property
    def confidence(self) -> float:
        return float(self.probabilities.max())


def _write_annotated(
    source: Path | str, rows_path: Path, target: Path, *, every_ms: float | None, progress: bool
) -> None:
    """Write the recording anew with the answers of its rows drawn on it."""
    with (
        video_io.Recording(source) as recording,
        files.written_beside(target) as temporary,
        video_io.Writer(temporary, frames_per_s=recording.frames_per_s) as writer,
    ):
        for time_s, rows in _with_rows(recording, rows_path, every_ms, progress=progress):
            bgr = recording.picture_bgr()
            if bgr is not None:
                writer.add(_annotated(bgr, rows), time_s=time_s)


def _with_rows(
    recording: video_io.Recording, rows_path: Path, every_ms: float | None, *, progress: bool
) -> Iterator[tuple[float, list[dict]]]:
    """Go through a recording; yield the time of each frame and the rows of the last one that was looked at."""
    by_time = _rows_by_time(rows_path)
    next_time, next_rows = next(by_time, ("", []))
    rows: list[dict] = []
    last = None
    for time_s in recordings.times_with_progress(recording, "Drawing", shown=progress):
        due = recordings.due_number(time_s, every_ms)
        if due is None or due != last:
            rows = []
            if next_time == _decimals(time_s):
                rows, (next_time, next_rows) = next_rows, next(by_time, ("", []))
        last = due
        yield time_s, rows


def _rows_by_time(rows_path: Path) -> Iterator[tuple[str, list[dict]]]:
    """Yield the time of each frame with faces, as it is written, and its rows."""
    with rows_path.open(encoding="utf-8", newline="") as stream:
        for time_s, rows in itertools.groupby(csv_format.DictReader(stream), key=lambda row: row["time_s"]):
            yield time_s, list(rows)


def _annotated(bgr: np.ndarray, rows: list[dict]) -> np.ndarray:
    found = [_drawn_face(row, bgr.shape[1::-1]) for row in rows]
    return pipeline.annotate(bgr, found, names=[face.name for face in found], bars=False) if found else bgr


def _drawn_face(row: dict, size: tuple[int, int]) -> _DrawnFace:
    """Return the face of a row of the CSV in a frame of a size."""
    x, y, width, height = (float(row[side]) for side in pipeline.BOX_COLUMNS)
    box = detection.FaceBox(x * size[0], y * size[1], width * size[0], height * size[1])
    probabilities = np.array([float(row[emotion]) for emotion in EMOTIONS], np.float32)
    return _DrawnFace(row["face"], box, probabilities, row["label"])


def read_csv(path: Path | str) -> pd.DataFrame:
    """Return the table of a CSV that `write_recording` wrote, with the types of `recordings.analyse_recording`."""
    import pandas as pd

    return pd.read_csv(path, dtype=recordings.column_types())


def _chunks(path: Path) -> Iterator[pd.DataFrame]:
    import pandas as pd

    with pd.read_csv(path, dtype=recordings.column_types(), chunksize=CHUNK_ROWS) as chunks:
        yield from chunks


def _written(row: tuple) -> list[str]:
    return [_decimals(value) if isinstance(value, float) else value for value in row]


def _decimals(value: float) -> str:
    return f"{value:.4f}"


def _csv_bytes(rows: list) -> bytes:
    text = io.StringIO()
    csv_format.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8")


def _state_path(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _read_state(path: Path) -> dict | None:
    """Return a state; None if there is none, or it is damaged."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        Summary(**state["summary"])
        return state if {"recording", "settings", "frame", "bytes", "complete", "engine"} <= set(state) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fingerprint(path: Path) -> dict:
    """Return what tells a recording from others: size, time of the last change, and digests of both ends."""
    if not path.is_file():
        return {}
    status = path.stat()
    with path.open("rb") as stream:
        begin = stream.read(FINGERPRINT_BYTES)
        stream.seek(max(0, status.st_size - FINGERPRINT_BYTES))
        digest = hashlib.sha256(begin + stream.read(FINGERPRINT_BYTES)).hexdigest()
    return {"bytes": status.st_size, "changed_ns": status.st_mtime_ns, "sha256_of_ends": digest}


def _pyarrow():
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(
            "A Parquet file was asked for, and pyarrow, which writes it, is not installed. Install it (pip install "
            "pyarrow, or the project with its extra: pip install -e '.[parquet]'), or write a CSV."
        ) from error
    return pyarrow, pyarrow.parquet
