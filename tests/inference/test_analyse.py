"""`analyse`: pictures, folders, videos and arrays become tables; the tables become files."""

import logging

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import emotion_detection
import making_videos
from emotion_detection import paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.faces import cropping, detection, images
from emotion_detection.inference import analyse, face_table, pipeline
from stand_ins import HAPPY, AlwaysHappy, OneBox

PORTRAIT = paths.sample_dir() / "astronaut.webp"
BOX = (180, 60, 96, 96)


def analysed(pictures, *boxes):
    return analyse.analyse_pictures(pictures, detector=OneBox(*boxes), classifier=AlwaysHappy())


# --- any source -----------------------------------------------------------------------------------------------------


def seen(source, *boxes, **settings):
    classifier = AlwaysHappy()
    return analyse.analyse(source, detector=OneBox(*boxes), classifier=classifier, **settings), classifier.crops


def test_a_path_an_array_and_a_pil_picture_are_the_same_face():
    bgr = images.read_picture(PORTRAIT)
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    expected, [crop] = seen(str(PORTRAIT), BOX)
    assert tuple(expected.columns) == face_table.columns() and expected["source"].item() == PORTRAIT.as_posix()
    alike = [rgb, Image.fromarray(rgb), PORTRAIT.read_bytes(), PORTRAIT, Image.open(PORTRAIT)]
    names = ["picture 0"] * 3 + [PORTRAIT.as_posix()] * 2
    for source, name in zip(alike, names, strict=True):
        table, [received] = seen(source, BOX)
        np.testing.assert_array_equal(received, crop)
        pd.testing.assert_frame_equal(table, expected.assign(source=name), check_flags=False)
    table, crops = seen(alike, BOX)
    np.testing.assert_array_equal(crops, [crop] * 5)
    assert table["source"].tolist() == ["picture 0", "picture 1", "picture 2", *names[3:]]
    gray, [received] = seen(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), BOX)
    assert np.abs(received.astype(int) - crop).max() <= 2
    assert gray["label"].tolist() == ["happy"]


def test_the_public_name_takes_the_shipped_network():
    table = emotion_detection.analyse(PORTRAIT)
    assert table["label"].tolist() == ["happy"]
    assert table.attrs["without_face"] == [] and table.attrs["failed"] == {}


def test_labels_choose_what_a_classifier_answers_with():
    class Either(AlwaysHappy):
        labels, classes = "votes", EMOTIONS

        def with_labels(self, labels):
            other = Either()
            other.labels, other.classes = labels, (*EMOTIONS[:-1], labels)
            return other

    tools = {"detector": OneBox(BOX), "classifier": Either()}
    assert tuple(analyse.analyse(PORTRAIT, **tools).columns) == face_table.columns()
    assert analyse.analyse(PORTRAIT, **tools, labels="fer2013").columns[-1] == "fer2013"


def test_a_folder_is_searched_with_its_folders_and_what_cannot_be_read_is_told(tmp_path, caplog):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("b.png", "in/A.JPG", "in/deep/c.webp"):
        Image.new("RGB", (200, 200), "white").save(tmp_path / name)
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no picture")
    (tmp_path / "in" / "letter.txt").write_text("no picture")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "b-checkpoint.png").write_bytes((tmp_path / "b.png").read_bytes())
    with caplog.at_level(logging.WARNING):
        table, _ = seen(tmp_path, (20, 20, 96, 96))
    assert table["source"].tolist() == [
        (tmp_path / name).as_posix() for name in ("b.png", "in/A.JPG", "in/deep/c.webp")
    ]
    assert list(table.attrs["failed"]) == [(tmp_path / "in" / "bad.jpg").as_posix()]
    assert "bad.jpg" in caplog.text and "1 hidden" in caplog.text


def test_faces_that_are_not_found_are_told(tmp_path, caplog):
    Image.new("RGB", (200, 200), "white").save(tmp_path / "blank.png")
    with caplog.at_level(logging.WARNING):
        table, _ = seen(tmp_path / "blank.png")
    assert tuple(table.columns) == face_table.columns() and len(table) == 0
    assert table.attrs["without_face"] == [(tmp_path / "blank.png").as_posix()]
    assert "No face was found" in caplog.text and "blank.png" in caplog.text


def test_a_video_gives_the_table_of_recordings(tmp_path, caplog):
    path = making_videos.write(tmp_path / "a.mp4", 10)
    table, _ = seen(path, (5, 5, 40, 40), every_ms=100, progress=False)
    assert tuple(table.columns) == face_table.columns() and len(table) == 4
    assert table["time_s"].round(2).tolist() == [0, 0.12, 0.2, 0.32] and set(table["face"]) == {1}
    assert table.attrs["summary"]["frames"] == 4
    with caplog.at_level(logging.WARNING):
        empty, _ = seen(str(path), progress=False)
    assert len(empty) == 0 and "a.mp4" in caplog.text


@pytest.mark.parametrize(
    ("source", "received"),
    [
        (np.zeros((50, 50, 3)), "float64"),
        (np.zeros((2, 50, 50, 3), np.uint8), r"\(2, 50, 50, 3\)"),
        (np.zeros((0, 0), np.uint8), r"\(0, 0\)"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_may_be_passed(source, received):
    with pytest.raises(DataError, match=f"{received}.*Pass the path"):
        seen(source, BOX)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"detector": "haar"}, "detector is 'haar'"),
        ({"classifier": "int8"}, "classifier is 'int8'"),
        ({"minimum_confidence": 5}, "minimum_confidence is 5"),
        ({"minimum_confidence": "a"}, "Pass 0 to 1"),
    ],
)
def test_tools_and_confidences_that_cannot_be_are_refused(settings, said):
    with pytest.raises(DataError, match=said):
        analyse.analyse(PORTRAIT, **settings)


def test_what_does_not_go_with_the_source_or_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="every_ms is for videos"):
        seen(PORTRAIT, BOX, every_ms=100)
    with pytest.raises(DataError, match=r"no setting label\. Use detector"):
        seen(PORTRAIT, BOX, label="votes")
    with pytest.raises(DataError, match="holds no picture"):
        seen(tmp_path, BOX)
    with pytest.raises(MissingFileError, match="nowhere"):
        seen(tmp_path / "nowhere.jpg", BOX)
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot be read"):
        seen(tmp_path / "bad.jpg", BOX)
    (tmp_path / "worse.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="None of 2 pictures"):
        seen(tmp_path, BOX)


def test_what_a_folder_holds_beside_pictures_is_told(tmp_path, caplog):
    for name in ("a.gif", "b.txt", "c"):
        (tmp_path / name).touch()
    Image.new("L", (60, 40)).save(tmp_path / "d.png")
    assert analyse.pictures_in(tmp_path) == [tmp_path / "d.png"]
    assert "other files (3), by how their names end (.gif, .txt, no ending)" in caplog.text


# --- tables of pictures ---------------------------------------------------------------------------------------------


def test_the_table_has_a_row_per_face():
    table = analysed([PORTRAIT], (180, 60, 96.04, 110), (10, 10, 60, 60))
    assert tuple(table.columns) == face_table.columns()
    assert table["face"].tolist() == [1, 2] and table["time_s"].isna().all()
    assert table["source"].tolist() == [PORTRAIT.as_posix()] * 2
    assert table.loc[0, ["x", "y", "width", "height"]].tolist() == [180, 60, 96, 110]
    np.testing.assert_allclose(table[list(EMOTIONS)].to_numpy(float), np.tile(HAPPY, (2, 1)), rtol=1e-6)
    assert set(table["label"]) == {"happy"} and table.attrs["detector"] == "one box"


def test_below_the_minimum_confidence_the_label_is_not_sure():
    for minimum, label in ((0.79, "happy"), (0.81, "not sure")):
        table, _ = seen(PORTRAIT, BOX, minimum_confidence=minimum)
        assert table["label"].tolist() == [label]


def test_pictures_without_a_face_are_reported(tmp_path):
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((100, 100, 3), 200, np.uint8))
    table = analyse.analyse_pictures([blank], detector=detection.HaarDetector(), classifier=AlwaysHappy())
    assert len(table) == 0 and tuple(table.columns) == face_table.columns()
    assert table.attrs["without_face"] == [blank.as_posix()]
    assert analysed([PORTRAIT], (180, 60, 96, 96)).attrs["without_face"] == []


def test_a_missing_or_damaged_picture_does_not_stop_the_others(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    making_videos.write(tmp_path / "clip.mp4", 2)
    reasons = {"nowhere.jpg": "was not found", "bad.jpg": "cannot be read", "clip.mp4": "is a video"}
    table = analysed([PORTRAIT, *(tmp_path / name for name in reasons)], BOX)
    assert table["source"].tolist() == [PORTRAIT.as_posix()]
    for received, (name, reason) in zip(table.attrs["failed"].items(), reasons.items(), strict=True):
        assert received[0].endswith(name) and reason in received[1]


def test_several_pictures_at_once_are_those_one_after_another(tmp_path):
    sizes = range(300, 540, 20)
    pictures = [Image.open(PORTRAIT).resize((size, size)) for size in sizes]
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    together = analyse.analyse_pictures([*pictures[:6], tmp_path / "cut.jpg", *pictures[6:]])
    assert list(together.attrs["failed"]) == [str(tmp_path / "cut.jpg")]
    names = [f"picture {index}" for index in range(13) if index != 6]
    by_itself = [analyse.analyse_pictures([picture]) for picture in pictures]
    assert together.attrs["without_face"] == [
        name for name, table in zip(names, by_itself, strict=True) if not len(table)
    ]
    expected = [table.assign(source=name) for name, table in zip(names, by_itself, strict=True) if len(table)]
    assert len(expected) > 6
    pd.testing.assert_frame_equal(together, pd.concat(expected, ignore_index=True), check_exact=True, check_flags=False)


def test_an_interruption_keeps_what_is_done(tmp_path, monkeypatch):
    looked = []

    def frame_bgr(picture):
        looked.append(picture)
        if len(looked) > 4:
            raise KeyboardInterrupt
        return np.zeros((100, 100, 3), np.uint8)

    monkeypatch.setattr(analyse, "_frame_bgr", frame_bgr)
    table = analyse.analyse_pictures(["a.png"] * 40, detector=OneBox(), classifier=AlwaysHappy(), keep_interrupted=True)
    assert table.attrs["interrupted"] == 4


def test_the_csv_reads_back(tmp_path):
    table = analysed([PORTRAIT], (180, 60, 96, 110))
    path = analyse.write_csv(table, tmp_path / "made" / "faces.csv")
    read = pd.read_csv(path)
    assert tuple(read.columns) == face_table.columns()
    np.testing.assert_allclose(read[list(EMOTIONS)], table[list(EMOTIONS)], atol=5e-5)
    assert b"\r" not in path.read_bytes()


def test_the_table_of_the_portrait_with_what_is_shipped(tmp_path):
    table = analyse.analyse_pictures([PORTRAIT])
    assert table["label"].tolist() == ["happy"]
    assert table.attrs["detector"] == ("YuNet" if detection.find_yunet() else "Haar")
    assert analyse.write_annotated(table, tmp_path)[0].is_file()


# --- files -----------------------------------------------------------------------------------------------------------


def test_annotated_pictures_are_written_beside_each_other(tmp_path):
    table = analysed([PORTRAIT], (180, 60, 96, 110))
    written = analyse.write_annotated(table, tmp_path / "out")
    assert written == [tmp_path / "out" / "astronaut-annotated.jpg"]
    assert list((tmp_path / "out").iterdir()) == written
    expected = pipeline.annotate(
        images.read_picture(PORTRAIT), [pipeline.FaceEmotion(cropping.FaceBox(180, 60, 96, 110), HAPPY)]
    )
    assert np.abs(images.read_picture(written[0]).astype(int) - expected).mean() < 4


def test_two_pictures_of_one_name_do_not_overwrite_each_other(tmp_path):
    twin = tmp_path / "astronaut.png"
    cv2.imwrite(str(twin), images.read_picture(PORTRAIT)[:300])
    written = analyse.write_annotated(analysed([PORTRAIT, twin], (180, 60, 96, 110)), tmp_path / "out")
    assert [path.name for path in written] == ["astronaut-annotated.jpg", "astronaut-2-annotated.jpg"]
    assert [images.read_picture(path).shape[0] for path in written] == [512, 300]
