"""From a recording to rows, and to files that survive interruptions."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest

import making_videos
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.faces import detection
from emotion_detection.inference import recording, recording_files, video_io
from emotion_detection.inference.stream import COLUMNS
from emotion_detection.inference.tracking import NOT_SURE
from emotion_detection.live import demo_clip
from making_videos import FRAMES_PER_S, HEIGHT_PX, WIDTH_PX


class Wandering:
    """Finds a face that moves a pixel a frame, counted by itself: a detector that remembers the last frame."""

    name = "wandering"
    framing = detection.Framing(1.0, 0.0, 0.0)

    def __init__(self):
        self.seen = 0

    def detect(self, frame_bgr):
        self.seen += 1
        return [detection.FaceBox(self.seen % 40, 8.5, 30.0, 40.0)]


class Nobody(Wandering):
    def detect(self, frame_bgr):
        return []


class ByBrightness:
    """Happier the brighter the face: probabilities that differ from frame to frame."""

    metadata = {"name": "by_brightness", "run": "r", "finished": "f", "confidence": {"threshold": 0.5}}  # noqa: RUF012

    def predict_proba(self, crops):
        happy = np.array([0.2 + 0.7 * crop.mean() / 255 for crop in crops])
        rest = np.repeat((1 - happy)[:, None] / 6, 7, axis=1)
        rest[:, EMOTIONS.index("happy")] = happy
        return rest.astype(np.float32)


class InterruptedAfter(ByBrightness):
    """Somebody presses Ctrl-C at this face."""

    def __init__(self, faces_seen: int):
        self.left = faces_seen

    def predict_proba(self, crops):
        self.left -= len(crops)
        if self.left < 0:
            raise KeyboardInterrupt
        return super().predict_proba(crops)


def analyst(classifier=None, detector=None, **settings) -> recording.Analyst:
    return recording.Analyst(detector=detector or Wandering(), classifier=classifier or ByBrightness(), **settings)


def analysed(path, detector=None, **settings) -> pd.DataFrame:
    return recording.analyse_recording(
        path, detector=detector or Wandering(), classifier=ByBrightness(), progress=False, **settings
    )


def write(path, who=None, **outputs) -> recording.Summary:
    return recording_files.write_recording(path, analyst=who or analyst(), progress=False, **outputs)


@pytest.fixture
def video(tmp_path):
    return making_videos.write(tmp_path / "video.mp4", 60)


# --- rows -----------------------------------------------------------------------------------------------------------


def test_a_row_tells_time_face_box_probabilities_and_label(video):
    table = analysed(video, smoothing_s=0)
    assert tuple(table.columns) == COLUMNS
    np.testing.assert_allclose(table["time_s"], np.arange(60) / FRAMES_PER_S, atol=0.001)
    assert set(table["network"]) == {"by_brightness"}
    first = table.iloc[0]
    box = [1 / WIDTH_PX, 8.5 / HEIGHT_PX, 30 / WIDTH_PX, 40 / HEIGHT_PX]
    np.testing.assert_allclose(first[["x", "y", "width", "height"]].to_numpy(float), box, rtol=1e-6)
    np.testing.assert_allclose(table[list(EMOTIONS)].sum(axis=1), 1, atol=1e-5)
    assert set(table["label"]) == {"happy", NOT_SURE}
    assert ((table["label"] == "happy") == (table["happy"] >= 0.5)).all()


def test_the_portraits_clip_is_happy_from_its_first_frame_to_its_last(tmp_path):
    path = demo_clip.write(tmp_path / "clip.mp4", seconds=2)
    table = recording.analyse_recording(path, every_ms=200, detector=detection.load_detector("haar"))
    face = table[table["face"] == 1]
    assert len(face) == 10
    assert set(face["label"]) == {"happy"}
    for row in face.to_dict("records"):
        truth = demo_clip.face_at(row["time_s"])
        center = (
            (row["x"] + row["width"] / 2) * demo_clip.WIDTH_PX,
            (row["y"] + row["height"] / 2) * demo_clip.HEIGHT_PX,
        )
        assert np.hypot(center[0] - truth.x - truth.width / 2, center[1] - truth.y - truth.height / 2) < 40


def test_every_ms_looks_at_the_first_frame_of_each_interval(video):
    assert analysed(video, every_ms=100)["time_s"].round(2).tolist() == [0.0, 0.12, 0.2, 0.32, 0.4, 0.52] + [
        round(second + part, 2) for second, part in ((0.6, 0), (0.7, 0.02), (0.8, 0), (0.9, 0.02))
    ] + [round(t, 2) for t in (1, 1.12, 1.2, 1.32, 1.4, 1.52, 1.6, 1.72, 1.8, 1.92, 2, 2.12, 2.2, 2.32)]
    assert len(analysed(video, every_ms=1)) == 60
    assert len(analysed(video, every_ms=60_000)) == 1


def test_at_a_variable_frame_rate_rows_carry_the_times_of_the_frames(tmp_path):
    durations_ms = [40, 500, 20, 20, 1000, 40]
    path = making_videos.with_durations(making_videos.write(tmp_path / "a.mp4", 6), durations_ms)
    seen_s = np.cumsum([0, *durations_ms[:-1]]) / 1000
    np.testing.assert_allclose(analysed(path)["time_s"], seen_s, atol=0.001)
    np.testing.assert_allclose(analysed(path, every_ms=500)["time_s"], seen_s[[0, 2, 5]], atol=0.001)


def test_a_face_looked_at_every_two_seconds_is_still_the_same(tmp_path):
    path = making_videos.write(tmp_path / "long.mp4", 200)
    assert analysed(path, every_ms=2000)["face"].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("every_ms", [0, -5, float("nan"), float("inf")])
def test_an_impossible_interval_is_refused(video, every_ms):
    with pytest.raises(DataError, match="more than 0"):
        analysed(video, every_ms=every_ms)


def test_a_recording_without_a_face_gives_an_empty_table_and_says_how_much_was_looked_at(video):
    table = analysed(video, detector=Nobody())
    assert tuple(table.columns) == COLUMNS and table.empty
    summary = recording.Summary(**table.attrs["summary"])
    assert (summary.frames, summary.with_face, summary.rows) == (60, 0, 0)
    assert "60 frames up to 0:02.4 were looked at, and no face was found" in summary.in_words()


def test_the_summary_counts_what_the_table_holds(video):
    table = analysed(video)
    summary = recording.Summary(**table.attrs["summary"])
    assert summary.labels == table["label"].value_counts().to_dict()
    assert summary.unsure_share == pytest.approx((table["label"] == NOT_SURE).mean())
    assert (summary.frames, summary.with_face, summary.faces) == (60, 60, table["face"].max())


def test_a_recording_cut_short_is_analysed_up_to_there_and_the_summary_says_so(tmp_path):
    path = making_videos.cut(making_videos.write(tmp_path / "a.avi", 60, codec="MJPG"), 0.6)
    table = analysed(path)
    assert 3 <= len(table) < 50
    (note,) = table.attrs["summary"]["notes"]
    assert "of 0:02.4" in note


# --- files ----------------------------------------------------------------------------------------------------------


def test_the_csv_is_the_table(video, tmp_path):
    summary = write(video, csv=tmp_path / "made" / "rows.csv")
    read, table = recording_files.read_csv(tmp_path / "made" / "rows.csv"), analysed(video)
    assert list((tmp_path / "made").iterdir()) == [tmp_path / "made" / "rows.csv"]
    pd.testing.assert_frame_equal(read, table, atol=5.1e-5, rtol=0, check_flags=False)
    assert dataclasses.asdict(summary) == table.attrs["summary"]


def test_the_parquet_is_the_csv(video, tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow not found: the extra `parquet` installs it")
    monkeypatch.setattr(recording_files, "CHUNK_ROWS", 17)
    write(video, csv=tmp_path / "rows.csv", parquet=tmp_path / "rows.parquet")
    assert parquet.ParquetFile(tmp_path / "rows.parquet").num_row_groups == 4
    read = pd.read_parquet(tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(read, recording_files.read_csv(tmp_path / "rows.csv"))


def test_without_pyarrow_a_parquet_file_is_refused_before_any_work(video, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    classifier = InterruptedAfter(0)
    with pytest.raises(DataError, match="pyarrow, which writes it, is not installed"):
        write(video, analyst(classifier), parquet=tmp_path / "rows.parquet")


def test_the_annotated_video_has_the_same_frames_with_boxes_on_those_looked_at(video, tmp_path):
    write(video, analyst(every_ms=1000), csv=tmp_path / "rows.csv", annotated=tmp_path / "marked.mp4")
    with video_io.Recording(video) as plain, video_io.Recording(tmp_path / "marked.mp4") as marked:
        for before_s, after_s in zip(plain.times(), marked.times(), strict=True):
            assert after_s == pytest.approx(before_s, abs=0.001)
            before, after = plain.picture_bgr().astype(int), marked.picture_bgr().astype(int)
            assert (np.abs(before - after).max(axis=2) > 60).mean() > 0.01
    rows = recording_files.read_csv(tmp_path / "rows.csv")
    assert len(rows) == 3


def test_frames_without_a_face_are_left_as_they_are_in_the_annotated_video(video, tmp_path):
    write(video, analyst(detector=Nobody()), annotated=tmp_path / "plain.avi")
    with video_io.Recording(video) as before, video_io.Recording(tmp_path / "plain.avi") as after:
        for _ in zip(before.times(), after.times(), strict=True):
            assert np.abs(before.picture_bgr().astype(int) - after.picture_bgr()).mean() < 4


def test_the_plot_of_a_recording_is_a_picture_and_thinning_keeps_every_face(video, tmp_path):
    write(video, csv=tmp_path / "rows.csv", plot=tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    one = recording_files.read_csv(tmp_path / "rows.csv").assign(face=1)
    both = pd.concat([one, one.assign(face=2)]).sort_values("time_s")
    assert recording_files._thinned(both, 0.2).groupby("face").size().tolist() == [12, 12]
    assert len(recording_files._thinned(both, 2.4 / recording_files.PLOTTED_TIMES)) == len(both)


def test_without_a_face_there_is_a_csv_with_columns_and_no_plot(video, tmp_path):
    summary = write(video, analyst(detector=Nobody()), csv=tmp_path / "rows.csv", plot=tmp_path / "plot.png")
    assert (tmp_path / "rows.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert not (tmp_path / "plot.png").exists()
    assert summary.rows == 0


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({}, "Nothing is to be written"),
        ({"csv": "video.mp4"}, "are the same file"),
        ({"csv": "same.png", "plot": "same.png"}, "are the same file"),
        ({"annotated": "marked.gif"}, r"marked\.gif, whose ending"),
        ({"csv": "video.mp4/rows.csv"}, "cannot be written"),
    ],
)
def test_outputs_that_cannot_be_written_are_refused_before_any_work(video, tmp_path, outputs, said):
    with pytest.raises(DataError, match=said):
        write(video, analyst(InterruptedAfter(0)), **{name: tmp_path / path for name, path in outputs.items()})
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]


def test_a_missing_recording_leaves_no_file_behind(tmp_path):
    with pytest.raises(MissingFileError):
        write(tmp_path / "nowhere.mp4", csv=tmp_path / "rows.csv")
    assert list(tmp_path.iterdir()) == []


# --- interruptions --------------------------------------------------------------------------------------------------


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(recording, "PART_FRAMES", 8)


@pytest.mark.parametrize("every_ms", [None, 70])
def test_an_analysis_gone_on_with_gives_the_rows_of_an_uninterrupted_one(video, tmp_path, small_parts, every_ms):
    write(video, analyst(every_ms=every_ms), csv=tmp_path / "whole.csv", annotated=tmp_path / "whole.avi")
    said, output = [], tmp_path / "rows.csv"
    for after in (5, 20, 13):
        with pytest.raises(KeyboardInterrupt):
            who = analyst(InterruptedAfter(after), every_ms=every_ms)
            write(video, who, csv=output, annotated=tmp_path / "rows.avi", say=said.append)
        assert not output.exists()
    assert "kept in rows.csv.partial" in recording_files.kept(output)
    summary = write(video, analyst(every_ms=every_ms), csv=output, annotated=tmp_path / "rows.avi", say=said.append)
    assert len(said) == 2 and all(sentence.startswith("Going on at 0:0") for sentence in said)
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert (tmp_path / "rows.avi").read_bytes() == (tmp_path / "whole.avi").read_bytes()
    assert summary.frames == len(analysed(video, every_ms=every_ms))
    assert not list(tmp_path.glob("*.partial*"))


def test_what_was_finished_is_not_looked_at_again(video, tmp_path, small_parts):
    with pytest.raises(KeyboardInterrupt):
        write(video, analyst(InterruptedAfter(45)), csv=tmp_path / "rows.csv")
    classifier = InterruptedAfter(1000)
    write(video, analyst(classifier), csv=tmp_path / "rows.csv", say=lambda _: None)
    assert 1000 - classifier.left == 60 - 40


def test_rows_of_a_part_that_was_not_finished_are_dropped(video, tmp_path, small_parts):
    write(video, csv=tmp_path / "whole.csv")
    with pytest.raises(KeyboardInterrupt):
        write(video, analyst(InterruptedAfter(20)), csv=tmp_path / "rows.csv")
    with (tmp_path / "rows.csv.partial").open("ab") as stream:  # killed while the next part was written
        stream.write(b"0.6400,1,0.17")
    write(video, csv=tmp_path / "rows.csv", say=lambda _: None)
    assert (tmp_path / "rows.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("change", ["settings", "recording", "file of rows", "state"])
def test_an_unfinished_analysis_of_something_else_is_begun_anew(video, tmp_path, small_parts, change):
    said, output = [], tmp_path / "rows.csv"
    with pytest.raises(KeyboardInterrupt):
        write(video, analyst(InterruptedAfter(20)), csv=output)
    if change == "recording":
        making_videos.write(video, 50)
    elif change == "file of rows":
        (tmp_path / "rows.csv.partial").unlink()
    elif change == "state":
        (tmp_path / "rows.csv.partial.json").write_text("{")
    who = analyst(every_ms=80) if change == "settings" else analyst()
    write(video, who, csv=output, say=said.append)
    told = [] if change == "state" else [f"its {change} changed: starting anew"]
    assert len(said) == len(told) and all(part in sentence for part, sentence in zip(told, said, strict=True))
    expected = analysed(video, every_ms=who.every_ms)
    pd.testing.assert_frame_equal(recording_files.read_csv(output), expected, atol=5.1e-5, rtol=0, check_flags=False)


def test_an_analysis_interrupted_while_drawing_only_draws_again(video, tmp_path, monkeypatch):
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(recording_files, "_annotated", interrupted)
        write(video, csv=tmp_path / "rows.csv", annotated=tmp_path / "a.mp4")
    assert "the analysis itself is complete" in recording_files.kept(tmp_path / "rows.csv")
    write(video, analyst(InterruptedAfter(0)), csv=tmp_path / "rows.csv", annotated=tmp_path / "a.mp4")
    assert (tmp_path / "rows.csv").is_file() and (tmp_path / "a.mp4").is_file()


def heed_interrupts() -> None:
    """Undo what a shell's background jobs inherit, and hand on: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_exits_130_keeps_what_was_done_and_the_same_command_ends_it(tmp_path):
    path = demo_clip.write(tmp_path / "clip.mp4", seconds=12)
    command = [sys.executable, "-m", "emotion_detection", "analyse", str(path), "--csv", str(tmp_path / "rows.csv")]
    state = tmp_path / "rows.csv.partial.json"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = subprocess.Popen(command, text=True, preexec_fn=None if os.name == "nt" else heed_interrupts, **pipes)
    until = time.monotonic() + 120
    while not state.is_file() and started.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 130, err
    assert "Interrupted. What was found up to 0:0" in err and "rows.csv.partial" in err
    done = subprocess.run([*command[:-2], "--every-ms", "100", *command[-2:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "its settings changed: starting anew" in done.stderr
    assert len(recording_files.read_csv(tmp_path / "rows.csv")) >= 119


# --- length ---------------------------------------------------------------------------------------------------------


def peak_bytes(path, output) -> int:
    tracemalloc.start()
    try:
        write(path, csv=output)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_length(tmp_path):
    short, long = (making_videos.write(tmp_path / f"{frames}.avi", frames, codec="MJPG") for frames in (300, 3000))
    peak_bytes(short, tmp_path / "warm.csv")
    received = [peak_bytes(path, tmp_path / f"{path.stem}.csv") for path in (short, long)]
    assert received[1] < received[0] + 200_000, "2,700 rows more in memory take more than a megabyte"
    assert len(recording_files.read_csv(tmp_path / "3000.csv")) == 3000


def test_a_state_is_small_and_fit_for_json(video, tmp_path, small_parts):
    with pytest.raises(KeyboardInterrupt):
        write(video, analyst(InterruptedAfter(50)), csv=tmp_path / "rows.csv")
    state = tmp_path / "rows.csv.partial.json"
    assert state.stat().st_size < 5000
    assert json.loads(state.read_text(encoding="utf-8"))["summary"]["frames"] == 48
