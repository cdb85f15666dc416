"""From pictures to a table, and onto the pictures."""

import json
import warnings
import zlib

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from emotion_detection import paths
from emotion_detection.emotions import COLORS, EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.faces import detection
from emotion_detection.inference import pipeline
from emotion_detection.inference.classifier import EmotionClassifier
from golden import make_golden

PORTRAIT = paths.sample_dir() / "astronaut.webp"
HAPPY = np.array([0.02, 0.02, 0.04, 0.8, 0.03, 0.05, 0.04], np.float32)


class OneBox:
    """A detector that finds the same boxes everywhere."""

    name = "one box"
    framing = detection.Framing(1.0, 0.0, 0.0)

    def __init__(self, *boxes):
        self.boxes = [detection.FaceBox(*box) for box in boxes]

    def detect(self, frame_bgr):
        return self.boxes


class AlwaysHappy:
    """A classifier that keeps what it was given and calls it happy."""

    def __init__(self):
        self.crops = []

    def predict_proba(self, crops):
        self.crops += list(crops)
        return np.tile(HAPPY, (len(crops), 1))


@pytest.fixture
def portrait():
    return pipeline.read_picture(PORTRAIT)


@pytest.fixture(scope="module")
def shipped():
    return EmotionClassifier.load()


@pytest.fixture(params=["yunet", "haar"])
def detector(request):
    if request.param == "yunet" and detection.find_yunet() is None:
        pytest.skip("YuNet not found: run make setup or set EMOTION_DATA_DIR")
    return detection.load_detector(request.param)


def analysed(pictures, *boxes):
    return pipeline.analyse_pictures(pictures, detector=OneBox(*boxes), classifier=AlwaysHappy())


# --- the portrait ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(make_golden.TRANSFORMS))
def test_the_portrait_stays_happy(detector, shipped, portrait, name):
    changed = make_golden.TRANSFORMS[name](portrait)
    found = pipeline.analyse_frame(changed, detector=detector, classifier=shipped)
    assert [face.label for face in found] == ["happy"]


def test_the_portraits_probabilities_are_the_recorded_ones(detector, shipped):
    golden = json.loads(make_golden.PROBABILITIES.read_text(encoding="utf-8"))
    network = {key: shipped.metadata[key] for key in ("run", "finished")}
    assert {key: golden[key] for key in network} == network, "another network: python tests/golden/make_golden.py"
    received = make_golden.probabilities(detector, shipped)
    assert list(received) == list(golden[detector.name])
    for name, values in golden[detector.name].items():
        np.testing.assert_allclose(received[name], values, atol=0.05, err_msg=name)
        assert int(np.argmax(values)) == EMOTIONS.index("happy")
    np.testing.assert_allclose(received["unchanged"], golden[detector.name]["unchanged"], atol=0.02)


def test_the_table_of_the_portrait_with_what_is_shipped(tmp_path):
    table = pipeline.analyse_pictures([PORTRAIT])
    assert table["label"].tolist() == ["happy"]
    assert table["detector"].item() == ("YuNet" if detection.find_yunet() else "Haar")
    assert pipeline.write_annotated(table, tmp_path)[0].is_file()


def test_there_are_ten_transforms_and_each_changes_the_picture(portrait):
    assert len(make_golden.TRANSFORMS) == 10
    for change in make_golden.TRANSFORMS.values():
        changed = change(portrait)
        assert changed.dtype == np.uint8
        assert changed.shape != portrait.shape or np.abs(changed.astype(int) - portrait).mean() > 2


# --- frames ---------------------------------------------------------------------------------------------------------


def test_each_face_is_cropped_by_its_detectors_framing(portrait):
    detector, classifier = OneBox((180, 60, 96, 96), (10, 10, 60, 60)), AlwaysHappy()
    found = pipeline.analyse_frame(portrait, detector=detector, classifier=classifier)
    for face, box, crop in zip(found, detector.boxes, classifier.crops, strict=True):
        assert face.box == box
        np.testing.assert_array_equal(crop, detection.crop_face(portrait, box, framing=detector.framing))


def test_a_face_knows_its_label_and_confidence():
    face = pipeline.FaceEmotion(detection.FaceBox(0, 0, 50, 50), HAPPY)
    assert face.label == "happy"
    assert face.confidence == pytest.approx(0.8)


def test_faces_too_small_to_judge_are_left_out(portrait):
    detector, classifier = OneBox((10, 10, 24, 24), (10, 10, 23, 23)), AlwaysHappy()
    found = pipeline.analyse_frame(portrait, detector=detector, classifier=classifier)
    assert [face.box.width for face in found] == [24]


def test_a_frame_without_a_face_gives_an_empty_list(detector):
    blank = np.full((240, 320, 3), 128, np.uint8)
    assert pipeline.analyse_frame(blank, detector=detector, classifier=AlwaysHappy()) == []


# --- tables ---------------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_per_face():
    table = analysed([PORTRAIT], (180, 60, 96.04, 110), (10, 10, 60, 60))
    assert tuple(table.columns) == pipeline.COLUMNS
    assert table["face"].tolist() == [0, 1]
    assert table["picture"].tolist() == [PORTRAIT.as_posix()] * 2
    assert table.loc[0, ["x", "y", "width", "height"]].tolist() == [180, 60, 96, 110]
    np.testing.assert_allclose(table[list(EMOTIONS)].to_numpy(float), np.tile(HAPPY, (2, 1)), rtol=1e-6)
    assert set(table["label"]) == {"happy"} and set(table["detector"]) == {"one box"}


def test_pictures_without_a_face_are_reported(tmp_path):
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((100, 100, 3), 200, np.uint8))
    table = pipeline.analyse_pictures([blank], detector=detection.HaarDetector(), classifier=AlwaysHappy())
    assert len(table) == 0 and tuple(table.columns) == pipeline.COLUMNS
    assert table.attrs["without_face"] == [blank.as_posix()]
    assert analysed([PORTRAIT], (180, 60, 96, 96)).attrs["without_face"] == []


def test_a_missing_picture_stops_before_any_work(tmp_path):
    classifier = AlwaysHappy()
    with pytest.raises(MissingFileError, match="nowhere"):
        pipeline.analyse_pictures(
            [PORTRAIT, tmp_path / "nowhere.jpg"], detector=OneBox((180, 60, 96, 96)), classifier=classifier
        )
    assert classifier.crops == []


def test_the_csv_reads_back(tmp_path):
    table = analysed([PORTRAIT], (180, 60, 96, 110))
    path = pipeline.write_csv(table, tmp_path / "made" / "faces.csv")
    read = pd.read_csv(path)
    assert tuple(read.columns) == pipeline.COLUMNS
    np.testing.assert_allclose(read[list(EMOTIONS)], table[list(EMOTIONS)], atol=5e-5)
    assert b"\r" not in path.read_bytes()


# --- annotated pictures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [(180, 60, 90, 110), (400, 10, 110, 110), (-30, 450, 90, 90), (0, 0, 512, 512)])
def test_annotating_draws_on_a_copy(portrait, box):
    before = portrait.copy()
    drawn = pipeline.annotate(portrait, [pipeline.FaceEmotion(detection.FaceBox(*box), HAPPY)])
    np.testing.assert_array_equal(portrait, before)
    assert drawn.shape == portrait.shape and drawn.dtype == np.uint8
    changed = (drawn != before).any(axis=2)
    assert 0.01 < changed.mean() < 0.6


def test_bars_are_as_long_as_their_probabilities():
    white = np.full((300, 600, 3), 255, np.uint8)
    drawn = pipeline.annotate(white, [pipeline.FaceEmotion(detection.FaceBox(20, 60, 150, 200), HAPPY)])
    panel = drawn[:, 180:]
    lengths = {}
    for emotion in EMOTIONS:
        bgr = np.array([int(COLORS[emotion][i : i + 2], 16) for i in (5, 3, 1)])
        lengths[emotion] = (panel == bgr).all(axis=2).sum(axis=1).max()
    assert max(lengths, key=lengths.get) == "happy"
    per_unit = lengths["happy"] / 0.8
    for emotion, probability in zip(EMOTIONS, HAPPY, strict=True):
        assert lengths[emotion] == pytest.approx(per_unit * probability, abs=3)


@pytest.mark.parametrize("shape", [(24, 24, 3), (30, 900, 3), (2000, 60, 3)])
def test_annotating_copes_with_odd_frames(shape):
    frame = np.zeros(shape, np.uint8)
    box = detection.FaceBox(0, 0, 24, 24)
    assert pipeline.annotate(frame, [pipeline.FaceEmotion(box, HAPPY)]).shape == shape


def test_annotated_pictures_are_written_beside_each_other(tmp_path):
    table = analysed([PORTRAIT], (180, 60, 96, 110))
    written = pipeline.write_annotated(table, tmp_path / "out")
    assert written == [tmp_path / "out" / "astronaut-annotated.jpg"]
    assert list((tmp_path / "out").iterdir()) == written
    expected = pipeline.annotate(
        pipeline.read_picture(PORTRAIT), [pipeline.FaceEmotion(detection.FaceBox(180, 60, 96, 110), HAPPY)]
    )
    assert np.abs(pipeline.read_picture(written[0]).astype(int) - expected).mean() < 4


def test_two_pictures_of_one_name_do_not_overwrite_each_other(tmp_path):
    twin = tmp_path / "astronaut.png"
    cv2.imwrite(str(twin), pipeline.read_picture(PORTRAIT))
    table = analysed([PORTRAIT, twin], (180, 60, 96, 110))
    with pytest.raises(DataError, match=r"astronaut-annotated\.jpg"):
        pipeline.write_annotated(table, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".webp"])
def test_formats_read_alike(tmp_path, portrait, suffix):
    path = tmp_path / f"picture{suffix}"
    cv2.imwrite(str(path), portrait[100:200, 50:250])
    read = pipeline.read_picture(path)
    assert read.shape == (100, 200, 3) and read.dtype == np.uint8
    assert np.abs(read.astype(int) - portrait[100:200, 50:250]).mean() < 8


def test_colours_come_as_blue_green_red(tmp_path):
    Image.new("RGB", (30, 30), (250, 20, 10)).save(tmp_path / "red.png")
    assert pipeline.read_picture(tmp_path / "red.png")[0, 0].tolist() == [10, 20, 250]


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_pictures_are_turned_upright(tmp_path, orientation, corner):
    image = Image.new("L", (60, 40))
    image.paste(255, (0, 0, 20, 10))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "turned.jpg", exif=exif)
    read = pipeline.read_picture(tmp_path / "turned.jpg")
    assert read.shape[:2] == ((40, 60) if orientation < 5 else (60, 40))
    assert read[corner][0] > 200
    assert (read > 128).any(axis=2).sum() == pytest.approx(200, abs=40)


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("L", 90, [90, 90, 90]),
        ("LA", (90, 255), [90, 90, 90]),
        ("RGBA", (10, 20, 30, 0), [255, 255, 255]),
        ("RGBA", (10, 20, 30, 255), [30, 20, 10]),
        ("1", 1, [255, 255, 255]),
        ("I;16", 90 * 256, [90, 90, 90]),
        ("P", 0, [0, 0, 0]),
    ],
)
def test_grey_transparent_and_deep_pictures_become_bgr(tmp_path, mode, color, expected):
    Image.new(mode, (30, 30), color).save(tmp_path / "picture.png")
    assert pipeline.read_picture(tmp_path / "picture.png")[3, 3].tolist() == expected


def test_a_palette_with_transparency_becomes_bgr(tmp_path):
    image = Image.new("P", (30, 30), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.save(tmp_path / "picture.png", transparency=b"\xff\x00")
    assert pipeline.read_picture(tmp_path / "picture.png")[3, 3].tolist() == [255, 255, 255]


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"nowhere\.jpg was not found"):
        pipeline.read_picture(tmp_path / "nowhere.jpg")
    with pytest.raises(MissingFileError, match="it is a folder"):
        pipeline.read_picture(tmp_path)


def test_an_empty_picture_is_refused(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match="0 bytes"):
        pipeline.read_picture(tmp_path / "empty.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_picture_is_refused(tmp_path, portrait, suffix, share):
    path = tmp_path / f"cut{suffix}"
    cv2.imwrite(str(path), portrait[:128, :128])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match="cannot be read") as caught:
        pipeline.read_picture(path)
    assert "bytes" in str(caught.value) and "save it" in str(caught.value)


@pytest.mark.parametrize("content", [b"hello", b"GIF89a" + bytes(40), b"\x89PNG\r\n\x1a\n", b"BM" + bytes(60)])
def test_what_is_no_jpeg_png_or_webp_is_refused(tmp_path, content):
    (tmp_path / "picture.jpg").write_bytes(content)
    with pytest.raises(DataError, match="not a JPEG, PNG or WebP"):
        pipeline.read_picture(tmp_path / "picture.jpg")


def header_only_png(path, width, height):
    """Write a PNG that claims a size and holds no pixels: a reader that decodes it fails otherwise."""

    def chunk(kind, data):
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = chunk(b"IHDR", width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0, 0, 0, 0]))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    ("size", "received"),
    [
        ((10_000, 10_000), "10,000×10,000 px, 100 megapixels"),
        ((8_001, 8_000), "8,001×8,000 px"),
        ((60_000, 60_000), "more than 178 megapixels"),
    ],
)
def test_a_picture_that_is_too_large_is_refused_by_its_header(tmp_path, size, received):
    header_only_png(tmp_path / "huge.png", *size)
    with warnings.catch_warnings(), pytest.raises(DataError, match="64 megapixels") as caught:
        warnings.simplefilter("error")
        pipeline.read_picture(tmp_path / "huge.png")
    assert received in str(caught.value)


def test_a_picture_at_the_limit_is_not_refused_for_its_size(tmp_path):
    header_only_png(tmp_path / "large.png", 8_000, 8_000)
    with pytest.raises(DataError, match="cannot be read"):
        pipeline.read_picture(tmp_path / "large.png")
