"""Face detectors, and the crop that is framed as FER2013's faces are."""

import dataclasses
import hashlib
import logging
import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_detection import paths
from emotion_detection.errors import DataError, DownloadError, MissingFileError, UnknownNameError
from emotion_detection.faces import cropping, detection, images, preprocessing

GOLDEN = Path(__file__).parents[1] / "golden" / "astronaut_crops.npz"
FACE = (224, 118, 105)  # centre and height of the portrait's face in pixels, read off by eye
needs_yunet = pytest.mark.skipif(
    detection.find_yunet() is None, reason="YuNet not found: run make setup or set EMOTION_DATA_DIR"
)


@pytest.fixture(scope="module")
def portrait():
    return images.read_picture(paths.sample_dir() / "astronaut.webp")


@pytest.fixture(params=[pytest.param("yunet", marks=needs_yunet), "haar"])
def detector(request):
    return detection.load_detector(request.param)


def square(frame, x, y, side):
    """Cut with a framing that changes nothing."""
    return cropping.crop_face(frame, cropping.FaceBox(x, y, side, side), framing=cropping.Framing(1.0, 0.0, 0.0))


def test_the_portraits_face_is_found_where_it_is(detector, portrait):
    box = detector.detect(portrait)[0]
    center_x, center_y, height = FACE
    assert abs(box.x + box.width / 2 - center_x) < 15
    assert abs(box.y + box.height / 2 - center_y) < 20
    assert 0.75 < box.height / height < 1.4
    assert box.score > (0.6 if detector.name == "YuNet" else 2.0)


@needs_yunet
def test_both_detectors_lead_to_the_same_square(portrait):
    detectors = [detection.load_detector(name) for name in ("yunet", "haar")]
    squares = [np.array(detector.framing.square(detector.detect(portrait)[0])) for detector in detectors]
    centers = [square[:2] + square[2] / 2 for square in squares]
    assert np.abs(centers[0] - centers[1]).max() < 10
    assert 0.75 < squares[0][2] / squares[1][2] < 1.33


def test_the_portraits_crop_is_the_recorded_one(detector, portrait):
    crop = cropping.crop_face(portrait, detector.detect(portrait)[0], framing=detector.framing)
    with np.load(GOLDEN) as golden:
        difference = np.abs(crop.astype(int) - golden[detector.name])
    assert np.quantile(difference, 0.9) <= 2, "another OpenCV may shift a box by a pixel at most"


@pytest.mark.parametrize("factor", [0.5, 2.0, 4.0])
def test_boxes_are_in_pixels_of_the_frame_at_any_size(detector, portrait, factor):
    resized = cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    expected, received = detector.detect(portrait)[0], detector.detect(resized)[0]
    assert received.x / factor == pytest.approx(expected.x, abs=14)
    assert received.y / factor == pytest.approx(expected.y, abs=14)
    assert received.height / factor == pytest.approx(expected.height, rel=0.2)


def test_frames_that_are_not_square_keep_their_proportions(detector, portrait):
    wide = cv2.copyMakeBorder(portrait, 0, 0, 300, 211, cv2.BORDER_CONSTANT)
    expected, received = detector.detect(portrait)[0], detector.detect(wide)[0]
    assert received.x - 300 == pytest.approx(expected.x, abs=12)
    assert received.y == pytest.approx(expected.y, abs=12)


@needs_yunet
def test_landmarks_lie_in_the_face(portrait):
    box = detection.load_detector("yunet").detect(portrait)[0]
    points = np.array(box.landmarks)
    assert points.shape == (5, 2)
    right_eye, left_eye, nose, right_mouth, left_mouth = points
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])


def test_the_largest_face_comes_first(detector, portrait):
    small = cv2.resize(portrait, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    frame = np.zeros((512, 512 + small.shape[1], 3), np.uint8)
    frame[: small.shape[0], : small.shape[1]] = small
    frame[:, small.shape[1] :] = portrait
    boxes = detector.detect(frame)
    assert len(boxes) == 2
    assert boxes[0].x > small.shape[1] > boxes[1].x
    assert [box.area for box in boxes] == sorted((box.area for box in boxes), reverse=True)


@pytest.mark.parametrize("shape", [(240, 320, 3), (1, 1, 3), (3, 900, 3), (900, 3, 3), (31, 31, 3)])
def test_a_frame_without_a_face_gives_an_empty_list(detector, shape):
    for _ in range(20):  # what lies in unused memory differs from call to call
        assert detector.detect(np.full(shape, 128, np.uint8)) == []


@pytest.mark.parametrize(
    "frame", [np.zeros((48, 48), np.uint8), np.zeros((48, 48, 3)), np.zeros((0, 9, 3), np.uint8), None]
)
def test_what_is_no_frame_is_refused(detector, frame):
    with pytest.raises(DataError, match="A frame"):
        detector.detect(frame)


def test_the_framing_scales_and_shifts_in_units_of_the_box():
    box = cropping.FaceBox(x=100, y=50, width=40, height=90)
    left, top, side = cropping.Framing(scale=1.5, offset_x=0.1, offset_y=-0.2).square(box)
    assert side == pytest.approx(90)
    assert (left + side / 2, top + side / 2) == pytest.approx((120 + 6, 95 - 12))


def test_a_crop_is_the_square_area_averaged_to_grey(portrait):
    gray = cv2.cvtColor(portrait[60:156, 180:276], cv2.COLOR_BGR2GRAY)
    expected = gray.astype(float).reshape(48, 2, 48, 2).mean(axis=(1, 3))
    assert np.abs(square(portrait, 180, 60, 96) - expected).max() <= 0.5001


def test_a_crop_equals_what_the_classifier_does_with_rgb(portrait):
    rgb = cv2.cvtColor(portrait, cv2.COLOR_BGR2RGB)[60:170, 180:290]
    np.testing.assert_array_equal(square(portrait, 180, 60, 110), preprocessing.to_gray48(rgb))


@pytest.mark.parametrize(("x", "y"), [(-20, 10), (10, -20), (480, 30), (30, 490), (-30, -30)])
def test_the_outermost_pixels_are_repeated_beyond_the_edge(portrait, x, y):
    padded = cv2.copyMakeBorder(portrait, 60, 60, 60, 60, cv2.BORDER_REPLICATE)
    np.testing.assert_array_equal(square(portrait, x, y, 48), square(padded, x + 60, y + 60, 48))


@pytest.mark.parametrize(("x", "y"), [(-60, 0), (0, -60), (600, 0), (0, 600)])
def test_a_square_outside_of_the_frame_is_refused(portrait, x, y):
    with pytest.raises(DataError, match="lies outside of the frame of 512×512 px"):
        square(portrait, x, y, 48)


@needs_yunet
def test_auto_takes_yunet_where_its_file_is_found(caplog):
    with caplog.at_level(logging.INFO, logger=detection.logger.name):
        assert detection.load_detector().name == "YuNet"
    assert "YuNet" in caplog.text


def test_auto_takes_the_cascade_where_yunet_is_not_found_and_says_so(isolated, caplog):
    with caplog.at_level(logging.INFO, logger=detection.logger.name):
        assert detection.load_detector("auto").name == "Haar"
    assert "Haar" in caplog.text


def test_yunet_asked_for_by_name_is_never_replaced(isolated):
    with pytest.raises(MissingFileError, match="data fetch yunet"):
        detection.load_detector("yunet")


def test_an_opencv_without_cascades_is_explained(monkeypatch):
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(MissingFileError, match="below 5"):
        detection.load_detector("haar")


def test_an_unknown_detector_is_refused():
    with pytest.raises(UnknownNameError, match="auto, yunet, haar"):
        detection.load_detector("dlib")


def test_a_damaged_yunet_file_is_refused(isolated):
    (isolated / "data" / "raw" / detection.YUNET_FILE).write_bytes(b"not a network")
    with pytest.raises(DataError, match="13 bytes"):
        detection.load_detector()


@pytest.mark.parametrize("folder", ["data/raw", "user_cache"])
def test_yunet_is_found_in_its_folders(isolated, folder):
    path = isolated / folder / detection.YUNET_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    assert detection.find_yunet().resolve() == path.resolve()


def test_without_a_network_the_cascade_takes_over_and_one_warning_says_how_to_get_yunet(isolated, caplog):
    assert [detection.load_detector().name for _ in range(2)] == ["Haar", "Haar"]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert detection.YUNET_URL in warning and str(paths.user_cache_dir()) in warning and "\n" not in warning
    assert not list((isolated / "user_cache").rglob("*.onnx"))


def test_yunet_is_downloaded_when_it_is_first_needed(isolated, monkeypatch, served):
    content = b"stands for the detector"
    monkeypatch.setattr(detection, "YUNET_URL", served({"yunet.onnx": content}) + "yunet.onnx")
    monkeypatch.setattr(detection, "YUNET_SHA256", hashlib.sha256(content).hexdigest())
    assert detection.fetch_yunet() == isolated / "user_cache" / detection.YUNET_FILE == detection.find_yunet()


def test_a_download_with_another_checksum_is_thrown_away(isolated, monkeypatch, served):
    monkeypatch.setattr(detection, "YUNET_URL", served({"yunet.onnx": b"not the detector"}) + "yunet.onnx")
    with pytest.raises(DownloadError, match="hash"):
        detection.fetch_yunet()
    assert detection.find_yunet() is None
    assert not list((isolated / "user_cache").rglob("*.onnx"))


def test_what_is_there_is_not_downloaded_again(isolated, monkeypatch):
    (isolated / "data" / "raw" / detection.YUNET_FILE).write_bytes(b"")
    monkeypatch.setattr("pooch.retrieve", lambda *_, **__: pytest.fail("downloaded"))
    assert detection.fetch_yunet().parent == isolated / "data" / "raw"


@needs_yunet
def test_yunet_is_loaded_from_a_path_that_is_not_utf8(tmp_path, portrait):
    path = tmp_path / os.fsdecode(b"caf\xe9.onnx")
    path.write_bytes(detection.find_yunet().read_bytes())
    assert len(detection.YuNetDetector(path).detect(portrait)) == 1


@pytest.mark.parametrize("angle_deg", [-90, -40, -16, 16, 40, 135, 180])
def test_a_face_is_cropped_upright_by_the_angle_of_its_box(portrait, angle_deg):
    expected = square(portrait, 178, 64, 96)
    matrix = cv2.getRotationMatrix2D((225.5, 111.5), -angle_deg, 1.0)  # clockwise
    frame = cv2.warpAffine(portrait, matrix, portrait.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    box, framing = cropping.FaceBox(178, 64, 96, 96, angle_deg=angle_deg), cropping.Framing(1.0, 0.0, 0.0)
    crop = cropping.crop_face(frame, box, framing=framing)
    assert np.abs(crop.astype(int) - expected).mean() < 3
    as_it_lies = square(frame, 178, 64, 96)
    assert np.abs(as_it_lies.astype(int) - expected).mean() > 10
    slightly = dataclasses.replace(box, angle_deg=15.0)
    np.testing.assert_array_equal(cropping.crop_face(frame, slightly, framing=framing), as_it_lies)


@pytest.mark.parametrize(("eyes_deg", "side"), [(0, 110), (-14, 110), (40, 100), (-90, 100)])
def test_the_eyes_tell_how_a_face_is_turned_and_boxes_of_tilted_faces_are_reduced(eyes_deg, side):
    dx, dy = 20 * math.cos(math.radians(eyes_deg)), 20 * math.sin(math.radians(eyes_deg))
    row = np.array([40, 60, 110, 110, 60 - dx, 80 - dy, 60 + dx, 80 + dy, 60, 90, 50, 100, 70, 100, 0.9])
    box = detection._yunet_box(row, np.array([1.0, 1.0]))
    assert box.angle_deg == pytest.approx(eyes_deg)
    assert (box.width, box.height) == (pytest.approx(side), pytest.approx(side))
    assert box.x + box.width / 2 == pytest.approx(95) and box.y + box.height / 2 == pytest.approx(115)


@needs_yunet
def test_the_yunet_file_is_the_one_that_is_pinned():
    assert hashlib.sha256(detection.find_yunet().read_bytes()).hexdigest() == detection.YUNET_SHA256


# --- turned back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("angle_deg", "turn_deg"), [(-15, 0), (16, 16), (74, 74), (80, 90), (-100, -90), (172, 180)])
def test_a_tilt_is_left_whichever_way_the_picture_lies(angle_deg, turn_deg):
    assert cropping.turn_back_deg(angle_deg) == turn_deg


def test_a_picture_turned_by_a_quarter_has_the_same_crops():
    frame, framing = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8), cropping.Framing(1.0, 0.0, 0.0)
    upright = cropping.crop_face(frame, cropping.FaceBox(60, 40, 48, 48, angle_deg=9), framing=framing)
    clockwise = np.ascontiguousarray(np.rot90(frame, -1))
    box = cropping.FaceBox(120 - 40 - 48, 60, 48, 48, angle_deg=99)
    np.testing.assert_array_equal(cropping.crop_face(clockwise, box, framing=framing), upright)
