"""What analyses are written to: nothing is overwritten, nothing done is lost, names survive, a full disk is told."""

import shutil

import numpy as np
import pandas as pd
import pytest

import making_videos
from emotion_detection import locks, paths
from emotion_detection.errors import DataError
from emotion_detection.inference import analyse, recording, video_io
from stand_ins import AlwaysHappy, OneBox

PORTRAIT = paths.sample_dir() / "astronaut.webp"
BOX = (180, 60, 96, 96)
NAMES = ["2024-05-01T10:30.webp", "-x.webp", "caf\udce9.webp", "笑顔.webp", "a,b\"c'.webp", "<b>`x`.webp"]


def analysed(pictures, **settings) -> pd.DataFrame:
    return analyse.analyse_pictures(pictures, detector=OneBox(BOX), classifier=AlwaysHappy(), **settings)


def test_names_of_files_survive_the_table_and_excel_takes_it_for_utf_8(tmp_path):
    sources = [shutil.copy(PORTRAIT, tmp_path / name) for name in NAMES]
    path = analyse.write_csv(analysed(sources), tmp_path / "faces.csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbfsource,")
    assert b"caf\xe9.webp" in path.read_bytes()
    assert recording.read_csv(path)["source"].tolist() == [source.as_posix() for source in sources]
    assert len(analyse.write_annotated(analysed(sources), tmp_path / "out")) == len(list((tmp_path / "out").iterdir()))


def test_pictures_of_one_name_get_names_of_their_own(tmp_path):
    pictures = [f"{folder}/{name}" for folder in "abc" for name in ("x.jpg", "x-2.jpg", "y.jpg")]
    names = [path.name.removesuffix("-annotated.jpg") for path in analyse.annotated_paths(pictures, tmp_path).values()]
    assert names == ["x", "x-2", "y", "x-3", "x-2-2", "y-2", "x-4", "x-2-3", "y-3"]
    many = analyse.annotated_paths((f"{number}/x.jpg" for number in range(16_000)), tmp_path)
    assert len(set(many.values())) == 16_000


def test_an_annotated_picture_never_takes_the_place_of_a_picture(tmp_path):
    for name in ("x.webp", "x-annotated.jpg"):
        shutil.copy(PORTRAIT, tmp_path / name)
    table = analysed([tmp_path / "x.webp", tmp_path / "x-annotated.jpg"])
    with pytest.raises(DataError, match="is read, too"):
        analyse.write_annotated(table, tmp_path)
    assert (tmp_path / "x-annotated.jpg").read_bytes() == PORTRAIT.read_bytes()


def test_pictures_that_were_done_are_kept_at_an_interruption_if_that_is_asked_for(monkeypatch):
    class Interrupting(AlwaysHappy):
        def predict_proba(self, crops):
            if len(self.crops) == 2:
                raise KeyboardInterrupt
            return super().predict_proba(crops)

    tools = {"detector": OneBox(BOX), "classifier": Interrupting()}
    table = analyse.analyse_pictures([PORTRAIT] * 5, **tools, keep_interrupted=True)
    assert (len(table), table.attrs["interrupted"]) == (2, 2)
    with pytest.raises(KeyboardInterrupt):
        analyse.analyse_pictures([PORTRAIT] * 5, **tools)


@pytest.fixture
def video(tmp_path):
    """Noise, which no codec makes small."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 240, 320, 3), np.uint8)
    with video_io.Writer(tmp_path / "video.mp4", frames_per_s=25) as writer:
        for number, frame in enumerate(noise):
            writer.add(frame, time_s=number / 25)
    return tmp_path / "video.mp4"


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm"])
def test_on_a_full_disk_an_earlier_video_stays_and_the_error_names_it(tmp_path, video, small_disk, suffix):
    path = tmp_path / f"marked{suffix}"
    path.write_bytes(b"earlier")
    with pytest.raises(DataError, match=rf"marked\{suffix} was not written to its end"):
        recording.write_recording(video, annotated=path, detector=OneBox((5, 5, 40, 40)), classifier=AlwaysHappy())
    assert path.read_bytes() == b"earlier"
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([path.name, "video.mp4"])


def test_on_a_full_disk_the_rows_that_fit_are_kept_and_the_error_names_the_table(tmp_path, video, small_disk):
    boxes = [(number, 5, 40, 40) for number in range(40)]
    with pytest.raises(DataError, match=r"rows\.csv was not written to its end: No space"):
        recording.write_recording(
            video, csv=tmp_path / "rows.csv", detector=OneBox(*boxes), classifier=AlwaysHappy(), progress=False
        )
    assert (tmp_path / "rows.csv").stat().st_size == 100_000


def test_two_analyses_do_not_write_one_table(tmp_path):
    video = making_videos.write(tmp_path / "video.mp4", 3)

    class Second(AlwaysHappy):
        def predict_proba(self, crops):
            with pytest.raises(DataError, match="is being written by another process"):
                recording.write_recording(video, csv=tmp_path / "rows.csv", classifier=AlwaysHappy())
            return super().predict_proba(crops)

    tools = {"detector": OneBox((5, 5, 40, 40)), "classifier": Second()}
    recording.write_recording(video, csv=tmp_path / "rows.csv", **tools, progress=False)
    assert len(recording.read_csv(tmp_path / "rows.csv")) == 3
    assert not list(tmp_path.glob(f"{locks.WORKING}*"))


def test_the_annotated_video_has_its_name_only_once_it_can_be_played(tmp_path):
    video = making_videos.write(tmp_path / "video.mp4", 10)

    class Looking(AlwaysHappy):
        def predict_proba(self, crops):
            assert not (tmp_path / "marked.mp4").exists()
            return super().predict_proba(crops)

    tools = {"detector": OneBox((5, 5, 40, 40)), "classifier": Looking()}
    recording.write_recording(video, annotated=tmp_path / "marked.mp4", **tools, progress=False)
    with video_io.Recording(tmp_path / "marked.mp4") as marked:
        assert len(list(marked.times())) == 10
