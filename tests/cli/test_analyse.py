"""The commands `analyse` and `explain`: what they print and write, and their exit codes."""

import importlib.util
import types

import numpy as np
import pandas as pd
import PIL.Image
import pytest

import making_videos
from stand_ins import AlwaysHappy, OneBox


def test_a_picture_without_a_face_is_named_and_exits_1(isolated, call, monkeypatch):
    PIL.Image.new("RGB", (64, 64), "white").save(isolated / "blank.png")
    monkeypatch.setattr("emotion_detection.faces.detection.find_yunet", lambda: None)
    nobody = types.SimpleNamespace(predict_proba=lambda crops: np.empty((0, 7), np.float32))
    monkeypatch.setattr("emotion_detection.inference.classifier.EmotionClassifier.load", lambda *arguments: nobody)
    code, out, err = call("analyse", "blank.png")
    assert (code, out) == (1, "")
    assert "No face was found in blank.png" in err


def test_a_place_that_cannot_be_written_is_named(isolated, call, monkeypatch):
    def refused(*arguments, **keywords):
        raise PermissionError(13, "Permission denied", "table.csv")

    monkeypatch.setattr("emotion_detection.inference.analyse.analyse_pictures", refused)
    code, _, err = call("analyse", "face.jpg")
    assert code == 1
    assert "table.csv" in err
    assert "Permission denied" in err


@pytest.fixture
def short_clip(tmp_path, monkeypatch):
    """Half a second of the sample clip, and the Haar cascade as the detector."""
    from emotion_detection.live import demo_clip

    monkeypatch.setattr("emotion_detection.faces.detection.find_yunet", lambda: None)
    return str(demo_clip.write(tmp_path / "clip.mp4", seconds=0.5))


def test_a_video_becomes_table_plot_and_annotated_video(short_clip, tmp_path, call):
    outputs = {"--csv": "a.csv", "--plot": "a.png", "--annotated": "a.mp4"}
    options = [part for option, name in outputs.items() for part in (option, str(tmp_path / name))]
    code, out, _ = call("analyse", short_clip, "--every-ms", "100", *options)
    assert code == 0
    assert out == "5 frames up to 0:00.4 were looked at; 5 show a face (1 told apart). Answers: happy 100%.\n"
    assert pd.read_csv(tmp_path / "a.csv")["label"].tolist() == ["happy"] * 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.mp4", "a.png", "clip.mp4"]


def test_a_video_without_outputs_is_told_about(short_clip, call):
    code, out, _ = call("analyse", short_clip, "--every-ms", "250")
    assert code == 0
    assert "2 frames" in out


def test_an_interrupted_analysis_says_what_is_kept(short_clip, tmp_path, call, monkeypatch):
    def interrupted(*arguments, summary, **keywords):
        summary.seconds = 3.0
        raise KeyboardInterrupt

    monkeypatch.setattr("emotion_detection.inference.recording.write_recording", interrupted)
    code, _, err = call("analyse", short_clip, "--csv", str(tmp_path / "a.csv"), "--annotated", str(tmp_path / "a.mp4"))
    assert code == 130
    assert "up to 0:03.0" in err and "a.csv" in err and "a.mp4" in err
    code, _, err = call("analyse", short_clip)
    assert code == 130
    assert "nothing is kept" in err


def test_without_pyarrow_a_parquet_file_is_refused_before_any_work(short_clip, call, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pyarrow" else find(name))
    code, _, err = call("analyse", short_clip, "--parquet", "rows.parquet")
    assert code == 1
    assert "pyarrow" in err and "pip install" in err


def test_a_folder_is_analysed_and_what_cannot_be_read_is_named(isolated, call, monkeypatch):
    (isolated / "in").mkdir()
    PIL.Image.new("RGB", (64, 64), "white").save(isolated / "in" / "blank.png")
    (isolated / "in" / "bad.jpg").write_bytes(b"no picture")
    monkeypatch.setattr("emotion_detection.inference.classifier.EmotionClassifier.load", lambda *arguments: None)
    code, _, err = call("analyse", "in", "--csv", "faces.csv")
    assert code == 1
    assert "blank.png" in err and "bad.jpg" in err
    assert len(pd.read_csv("faces.csv")) == 0


def test_damage_is_noted_and_a_video_without_a_face_exits_1(isolated, call):
    making_videos.cut(making_videos.write(isolated / "a.avi", 60, codec="MJPG"), 0.6)
    nobody = types.SimpleNamespace(name="nobody", detect=lambda frame: [], framing=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotion_detection.inference.tracking.live_detector", lambda **settings: nobody)
        patch.setattr("emotion_detection.inference.classifier.EmotionClassifier.load", lambda *arguments: nobody)
        code, out, err = call("analyse", "a.avi", "--plot", "a.png")
    assert code == 1
    assert "no face was found" in out
    assert (isolated / "a.png").read_bytes().startswith(b"\x89PNG")  # empty, and it says so
    assert "Note: It can be read up to" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.mp4", "b.jpg"), "a.mp4 is a video, and 1 more were given"),
        (("a.mp4", "b.mp4"), "one at a time"),
        (("b.jpg", "--every-ms", "100"), "--every-ms"),
        (("b.jpg", "--plot", "a.png"), "This is for videos"),
        (("b.jpg", "--parquet", "a.parquet"), "This is for videos"),
        (("a.mp4", "--every-ms", "0"), "--every-ms"),
    ],
)
def test_options_that_do_not_go_with_the_files_are_refused(isolated, call, arguments, said):
    code, _, err = call("analyse", *arguments)
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"), [(("a.mp4",), "a.mp4 was not found"), (("t.mp4",), "holds text (5 bytes). Pass a video")]
)
def test_a_video_that_cannot_be_read_is_named(isolated, call, arguments, said):
    (isolated / "t.mp4").write_text("hello")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotion_detection.inference.classifier.EmotionClassifier.load", lambda *arguments: object())
        code, _, err = call("analyse", *arguments, "--csv", "rows.csv")
    assert code == 1
    assert said in err
    assert not list(isolated.glob("rows*"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "Name a picture"),
        (("a.png", "--record"), 2, "one of both"),
        (("--record", "--emotion", "sad"), 2, "--emotion"),
        (("a.png",), 2, "--out"),
        (("nowhere.png", "--out", "b.png"), 1, "nowhere.png"),
    ],
)
def test_explaining_without_a_picture_or_a_place_for_it_is_answered_with_a_sentence(call, arguments, code, said):
    received, _, err = call("explain", *arguments)
    assert received == code and said in err


def test_a_table_never_takes_the_place_of_a_picture_that_is_no_input(isolated, call):
    for name in ("a.png", "b.png"):
        PIL.Image.new("RGB", (64, 64), "white").save(isolated / name)
    before = (isolated / "a.png").read_bytes()
    code, _, err = call("analyse", "--csv", "a.png", "b.png")
    assert code == 1 and "a.png is there and is no table" in err
    assert (isolated / "a.png").read_bytes() == before


def test_one_bad_picture_of_a_batch_is_told_at_the_end_and_the_rest_is_kept(isolated, call, monkeypatch):
    monkeypatch.setattr("emotion_detection.faces.stills.load_detector", lambda *names: OneBox((5, 5, 40, 40)))
    monkeypatch.setattr(
        "emotion_detection.inference.classifier.EmotionClassifier.load", lambda *arguments, **settings: AlwaysHappy()
    )
    (isolated / "in" / "deep").mkdir(parents=True)
    for name in ("a.png", "a.jpg", "deep/a.png"):
        PIL.Image.new("RGB", (64, 64), "white").save(isolated / "in" / name)
    (isolated / "in" / "bad.jpg").write_bytes(b"no picture")
    code, out, err = call("analyse", "in", "nowhere.jpg", "--csv", "faces.csv", "--annotated", "drawn")
    assert code == 1
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["in/a.jpg", "in/a.png", "in/deep/a.png"]
    assert "bad.jpg" in err.splitlines()[-2] and "nowhere.jpg" in err.splitlines()[-1]
    assert len(pd.read_csv("faces.csv")) == len(list((isolated / "drawn").iterdir())) == 3


@pytest.mark.parametrize("drawn", ["in/drawn", "in/deep", "in"])
def test_a_folder_is_analysed_again_without_the_copies_that_were_drawn_into_it(isolated, call, monkeypatch, drawn):
    monkeypatch.setattr("emotion_detection.faces.stills.load_detector", lambda *names: OneBox((5, 5, 40, 40)))
    monkeypatch.setattr(
        "emotion_detection.inference.classifier.EmotionClassifier.load", lambda *arguments, **settings: AlwaysHappy()
    )
    (isolated / "in" / "deep").mkdir(parents=True)
    originals = ["in/a.png", "in/deep/b.png"]
    for name in originals:
        PIL.Image.new("RGB", (64, 64), "white").save(isolated / name)
    for _ in range(2):
        code, out, _ = call("analyse", "in", "--annotated", drawn)
        assert code == 0 and [line.split()[0] for line in out.splitlines()[1:]] == originals
    copies = sorted(path.name for path in (isolated / drawn).iterdir() if path.name.endswith("-annotated.jpg"))
    assert copies == ["a-annotated.jpg", "b-annotated.jpg"]
