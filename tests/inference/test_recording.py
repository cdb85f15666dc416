"""From a recording to rows and files, which an interruption leaves with what was done; and what happened when."""

import dataclasses
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
from emotion_detection.faces import cropping, detection
from emotion_detection.inference import face_table, recording, video_io
from emotion_detection.inference.pipeline import NOT_SURE
from emotion_detection.live import demo_clip
from making_videos import FRAMES_PER_S
from stand_ins import face_at


class Wandering:
    """Finds a face that moves a pixel a frame, counted by itself: a detector that remembers the last frame."""

    name = "wandering"
    framing = cropping.Framing(1.0, 0.0, 0.0)

    def __init__(self):
        self.seen = 0

    def detect(self, frame_bgr):
        self.seen += 1
        return [cropping.FaceBox(self.seen % 40, 8.5, 30.0, 40.0)]


class Nobody(Wandering):
    def detect(self, frame_bgr):
        return []


class ByBrightness:
    """Happier the brighter the face: probabilities that differ from frame to frame."""

    metadata, threshold = {"name": "by_brightness", "run": "r", "finished": "f"}, 0.5

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


def analysed(path, detector=None, **settings) -> pd.DataFrame:
    return recording.analyse_recording(
        path, detector=detector or Wandering(), classifier=ByBrightness(), progress=False, **settings
    )


def write(path, detector=None, classifier=None, **settings) -> recording.Summary:
    tools = {"detector": detector or Wandering(), "classifier": classifier or ByBrightness()}
    return recording.write_recording(path, **tools, progress=False, **settings)


@pytest.fixture
def video(tmp_path):
    return making_videos.write(tmp_path / "video.mp4", 60)


# --- rows -----------------------------------------------------------------------------------------------------------


def test_a_row_tells_time_face_box_probabilities_and_label(video):
    table = analysed(video, smoothing_s=0)
    assert tuple(table.columns) == face_table.columns()
    np.testing.assert_allclose(table["time_s"], np.arange(60) / FRAMES_PER_S, atol=0.001)
    assert set(table["source"]) == {video.as_posix()} and table["face"].iloc[0] == 1
    assert table.loc[0, ["x", "y", "width", "height"]].tolist() == [1, 8.5, 30, 40]
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
        truth = face_at(row["time_s"])
        center = (row["x"] + row["width"] / 2, row["y"] + row["height"] / 2)
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
    assert tuple(table.columns) == face_table.columns() and table.empty
    summary = recording.Summary(**table.attrs["summary"])
    assert (summary.frames, summary.with_face, summary.rows) == (60, 0, 0)


def test_the_summary_counts_what_the_table_holds(video):
    table = analysed(video)
    summary = recording.Summary(**table.attrs["summary"])
    assert summary.labels == table["label"].value_counts().to_dict()
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
    read, table = recording.read_csv(tmp_path / "made" / "rows.csv"), analysed(video)
    assert list((tmp_path / "made").iterdir()) == [tmp_path / "made" / "rows.csv"]
    pd.testing.assert_frame_equal(read, table, atol=5.1e-5, rtol=0, check_flags=False)
    assert dataclasses.asdict(summary) == table.attrs["summary"]


def test_the_annotated_video_has_the_same_frames_with_boxes_on_those_looked_at(video, tmp_path):
    write(video, every_ms=1000, csv=tmp_path / "rows.csv", annotated=tmp_path / "marked.mp4")
    with video_io.Recording(video) as plain, video_io.Recording(tmp_path / "marked.mp4") as marked:
        for before_s, after_s in zip(plain.times(), marked.times(), strict=True):
            assert after_s == pytest.approx(before_s, abs=0.001)
            before, after = plain.picture_bgr().astype(int), marked.picture_bgr().astype(int)
            assert (np.abs(before - after).max(axis=2) > 60).mean() > 0.01
    rows = recording.read_csv(tmp_path / "rows.csv")
    assert len(rows) == 3


def test_frames_without_a_face_are_left_as_they_are_in_the_annotated_video(video, tmp_path):
    write(video, Nobody(), annotated=tmp_path / "plain.avi")
    with video_io.Recording(video) as before, video_io.Recording(tmp_path / "plain.avi") as after:
        for _ in zip(before.times(), after.times(), strict=True):
            assert np.abs(before.picture_bgr().astype(int) - after.picture_bgr()).mean() < 4


def test_thinning_keeps_every_face():
    one = pd.DataFrame({"time_s": np.arange(60) / FRAMES_PER_S, "face": 1})
    both = pd.concat([one, one.assign(face=2)]).sort_values("time_s")
    assert recording.thinned(both, 12).groupby("face").size().tolist() == [13, 13]  # the last moment is a part's own
    assert len(recording.thinned(both)) == len(both)


def test_without_a_face_there_is_a_csv_with_columns(video, tmp_path):
    summary = write(video, Nobody(), csv=tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text(encoding="utf-8-sig") == ",".join(face_table.columns()) + "\n"
    assert summary.rows == 0


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"csv": "video.mp4"}, "is read, too"),
        ({"csv": "same.mp4", "annotated": "same.mp4"}, "are one file"),
        ({"annotated": "marked.gif"}, r"marked\.gif, whose ending"),
        ({"csv": "video.mp4/rows.csv"}, "cannot be written"),
    ],
)
def test_outputs_that_cannot_be_written_are_refused_before_any_work(video, tmp_path, outputs, said):
    with pytest.raises(DataError, match=said):
        write(video, None, InterruptedAfter(0), **{name: tmp_path / path for name, path in outputs.items()})
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]


def test_a_missing_recording_leaves_no_file_behind(tmp_path):
    with pytest.raises(MissingFileError):
        write(tmp_path / "nowhere.mp4", csv=tmp_path / "rows.csv")
    assert list(tmp_path.iterdir()) == []


# --- interruptions --------------------------------------------------------------------------------------------------


def test_an_interruption_keeps_the_rows_and_the_video_up_to_there(video, tmp_path):
    summary = recording.Summary()
    outputs = {"csv": tmp_path / "rows.csv", "annotated": tmp_path / "marked.mp4"}
    with pytest.raises(KeyboardInterrupt):
        write(video, None, InterruptedAfter(20), **outputs, summary=summary)
    assert (summary.frames, summary.seconds) == (20, pytest.approx(19 / FRAMES_PER_S))
    pd.testing.assert_frame_equal(
        recording.read_csv(outputs["csv"]), analysed(video)[:20], atol=5.1e-5, rtol=0, check_flags=False
    )
    with video_io.Recording(outputs["annotated"]) as marked:
        assert len(list(marked.times())) == 20


def test_rows_are_there_while_the_analysis_goes_on(video, tmp_path):
    class Reading(ByBrightness):
        def predict_proba(self, crops):
            seen.append((tmp_path / "rows.csv").read_text().count("\n"))
            return super().predict_proba(crops)

    seen: list[int] = []
    write(video, None, Reading(), csv=tmp_path / "rows.csv")
    assert seen == list(range(1, 61))


def heed_interrupts() -> None:
    """Undo what a shell's background jobs inherit, and hand on: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_exits_130_and_says_what_is_kept(tmp_path):
    path = demo_clip.write(tmp_path / "clip.mp4", seconds=12)
    rows = tmp_path / "rows.csv"
    command = [sys.executable, "-m", "emotion_detection", "analyse", str(path), "--csv", str(rows)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = subprocess.Popen(command, text=True, preexec_fn=None if os.name == "nt" else heed_interrupts, **pipes)
    until = time.monotonic() + 120
    while not (rows.is_file() and rows.read_text().count("\n") > 5) and time.monotonic() < until:
        time.sleep(0.02)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 130, err
    assert "Interrupted: what was done up to 0:0" in err and "rows.csv" in err
    assert 5 <= len(recording.read_csv(rows)) < 360


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
    assert len(recording.read_csv(tmp_path / "3000.csv")) == 3000


# --- what happened --------------------------------------------------------------------------------------------------


def rows_of_face(face: int, times, labels) -> pd.DataFrame:
    """A face's rows: nine in ten for its label, even where not sure."""
    table = pd.DataFrame({"time_s": np.asarray(times, float), "face": face, "label": labels, "network": "n"})
    for emotion in EMOTIONS:
        table[emotion] = np.where(table["label"] == emotion, 0.9, np.where(table["label"] == NOT_SURE, 1 / 7, 0.1 / 6))
    return table


def told(table, **settings) -> list[tuple]:
    return [
        tuple(row) for row in recording.events(table, **settings)[list(recording.EVENT_COLUMNS)].to_numpy().tolist()
    ]


def test_a_face_that_stays_appears_and_does_not_leave():
    assert told(rows_of_face(1, np.arange(0, 5, 0.1), "happy")) == [(0.0, 1, "appears", "happy")]


def test_changes_of_label_are_events_and_so_are_stretches_of_not_sure():
    table = rows_of_face(1, [0, 0.1, 0.2, 0.3, 0.4], ["happy", NOT_SURE, NOT_SURE, "sad", "sad"])
    assert told(table) == [(0.0, 1, "appears", "happy"), (0.1, 1, "label", NOT_SURE), (0.3, 1, "label", "sad")]


def test_a_face_that_is_gone_for_longer_than_a_second_has_left():
    times = np.r_[0:1:0.1, 3:4:0.1]
    table = pd.concat([rows_of_face(2, times, "sad"), rows_of_face(1, np.arange(0, 8, 0.1), "happy")])
    assert [event[:3] for event in told(table) if event[1] == 2] == [
        (0.0, 2, "appears"),
        (pytest.approx(0.9), 2, "leaves"),
        (3.0, 2, "appears"),
        (pytest.approx(3.9), 2, "leaves"),
    ]


def test_where_frames_are_looked_at_seldom_a_step_is_no_gap():
    assert len(told(rows_of_face(1, np.arange(0, 60, 5), "happy"))) == 1


def test_the_end_of_the_recording_tells_whether_the_last_face_left():
    table = rows_of_face(1, np.arange(0, 5, 0.1), "happy")
    assert told(table, end_s=20)[-1][2] == "leaves"


def test_an_empty_timeline_has_no_events():
    assert told(rows_of_face(1, [], "happy")) == []
