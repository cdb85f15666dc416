"""Faces of stills: small ones, and turned ones."""

import math

import cv2
import numpy as np
import pytest

from emotion_detection import paths
from emotion_detection.faces import detection, images, stills

needs_yunet = pytest.mark.skipif(
    detection.find_yunet() is None, reason="YuNet not found: run make setup or set EMOTION_DATA_DIR"
)


@pytest.fixture(scope="module")
def portrait():
    return images.read_picture(paths.sample_dir() / "astronaut.webp")


@pytest.fixture(params=[pytest.param("yunet", marks=needs_yunet), "haar"])
def detector(request):
    return stills.load_detector(request.param)


def test_small_faces_of_a_large_still_are_found_once_each(detector, portrait):
    rng = np.random.default_rng(0)
    still = np.full((1500, 2000, 3), (130, 110, 90), np.uint8)
    face = np.ascontiguousarray(portrait[30:220:2, 130:320:2])  # 95 px, the face half of it
    corners = [(x, y) for y in range(60, 1400, 340) for x in range(50, 1850, 240)]
    for x, y in corners:
        still[y : y + 95, x : x + 95] = np.roll(face, rng.integers(-2, 3), axis=1)
    boxes = detector.detect(still)
    centers = np.array([(box.x + box.width / 2, box.y + box.height / 2) for box in boxes])
    nearest = np.abs(centers[:, None] - np.array(corners) - 47).max(axis=2).argmin(axis=1)
    assert len(detection.load_detector(detector.name.lower()).detect(still)) < len(corners) / 2
    assert len(set(nearest)) == len(boxes) == len(corners)


@pytest.mark.parametrize(
    ("name", "angle_deg"),
    [pytest.param("yunet", angle, marks=needs_yunet) for angle in (0, 45, 90, 135, 180, 225, 270)]
    + [("haar", 0), ("haar", 45), ("haar", 180)],
)
def test_a_face_is_cropped_upright_however_the_still_is_turned(portrait, name, angle_deg):
    detector = stills.load_detector(name)
    height, width = portrait.shape[:2]
    matrix = cv2.getRotationMatrix2D((224, 113), -angle_deg, 1.0)  # clockwise about the face
    turned = cv2.warpAffine(portrait, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    [box], [crop] = detection.find_faces(turned, detector)
    assert abs(box.x + box.width / 2 - 224) < 20 and abs(box.y + box.height / 2 - 113) < 20
    off_deg = math.remainder(box.angle_deg - angle_deg, 360)
    assert abs(off_deg) < 30
    upright = detection.find_faces(portrait, detector)[1][0]
    assert np.corrcoef(crop.ravel(), upright.ravel())[0, 1] > 0.75


@needs_yunet
def test_a_turned_face_is_where_it_is_in_a_large_still(portrait):
    still = np.ascontiguousarray(np.rot90(cv2.resize(portrait, (2560, 2560), interpolation=cv2.INTER_LINEAR), -1))
    [box] = stills.load_detector("yunet").detect(still)
    assert abs(box.x + box.width / 2 - 5 * (511 - 118)) < 60 and abs(box.y + box.height / 2 - 5 * 224) < 60
    assert box.angle_deg == pytest.approx(90, abs=15)


def test_a_still_without_a_face_has_none_in_its_turned_copies(detector):
    blank = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert detector.detect(blank) == []
    assert detector.detect(np.full((1, 1300, 3), 90, np.uint8)) == []
