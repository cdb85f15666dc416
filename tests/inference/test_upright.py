"""Faces in a stream that lie on their side or upside down: cropped upright, and cheap where none does."""

import math

import cv2
import numpy as np
import pytest

from emotion_detection import paths
from emotion_detection.faces import detection, images
from emotion_detection.inference import tracking

pytestmark = pytest.mark.skipif(
    detection.find_yunet() is None, reason="YuNet not found: run make setup or set EMOTION_DATA_DIR"
)
FACE = (224, 113)


@pytest.fixture(scope="module")
def portrait():
    return images.read_picture(paths.sample_dir() / "astronaut.webp")


def turned(portrait: np.ndarray, angle_deg: float) -> np.ndarray:
    """Turn the portrait clockwise about its face."""
    matrix = cv2.getRotationMatrix2D(FACE, -angle_deg, 1.0)
    return cv2.warpAffine(portrait, matrix, portrait.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


class Counting(detection.YuNetDetector):
    """Counts how often it looked."""

    looks = 0

    def detect(self, frame_bgr, **settings):
        self.looks += 1
        return super().detect(frame_bgr, **settings)


@pytest.mark.parametrize("angle_deg", [0, 45, 90, 135, 180, 225, 270])
def test_every_frame_has_its_face_upright(portrait, angle_deg):
    detector, frame = tracking.live_detector("yunet"), turned(portrait, angle_deg)
    upright = detection.find_faces(portrait, detection.load_detector("yunet"))[1][0]
    for _ in range(30):
        [box], [crop] = detection.find_faces(frame, detector)
        assert abs(box.x + box.width / 2 - FACE[0]) < 20 and abs(box.y + box.height / 2 - FACE[1]) < 20
        assert abs(math.remainder(box.angle_deg - angle_deg, 360)) < 30
        assert np.corrcoef(crop.ravel(), upright.ravel())[0, 1] > 0.75


def test_a_face_that_turns_over_is_upright_again_within_a_second(portrait):
    detector = tracking.live_detector("yunet")
    for _ in range(30):
        detector.detect(portrait)
    angles = [detector.detect(turned(portrait, 180))[0].angle_deg for _ in range(tracking.COPIES_EVERY)]
    assert abs(angles[-1]) > 150
    back = [detector.detect(portrait)[0].angle_deg for _ in range(2)]
    assert max(map(abs, back)) < 30


def test_where_faces_are_clear_no_copy_is_looked_at(portrait):
    counting = Counting()
    detector = tracking.UprightDetector(counting)
    for _ in range(30):
        assert len(detector.detect(portrait)) == 1
    assert counting.looks == 30


def test_an_empty_picture_is_turned_once_in_twenty_frames():
    counting = Counting()
    detector = tracking.UprightDetector(counting)
    for _ in range(2 * tracking.COPIES_EVERY):
        assert detector.detect(np.full((240, 320, 3), 90, np.uint8)) == []
    assert counting.looks == 2 * tracking.COPIES_EVERY + 7 * 2


def test_between_only_the_copy_with_the_face_is_looked_at(portrait):
    counting = Counting()
    detector = tracking.UprightDetector(counting)
    for _ in range(tracking.COPIES_EVERY):
        detector.detect(turned(portrait, 180))
    assert counting.looks == 2 * tracking.COPIES_EVERY + 6


def test_a_face_that_lies_down_is_found_again_within_five_frames(portrait):
    detector = tracking.live_detector("yunet")
    for _ in range(12):
        detector.detect(portrait)
    found = [detector.detect(turned(portrait, 90)) for _ in range(tracking.COPIES_SOONEST + 1)]
    assert abs(math.remainder(found[-1][0].angle_deg - 90, 360)) < 30


def test_frames_that_are_far_apart_are_each_looked_at_in_full(portrait):
    detector = tracking.live_detector("yunet", every=1)
    for angle_deg in (0, 180, 90, 270):
        [box] = detector.detect(turned(portrait, angle_deg))
        assert abs(math.remainder(box.angle_deg - angle_deg, 360)) < 30
