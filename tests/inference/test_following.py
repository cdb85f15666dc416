"""Detection in a stream: as good as frame by frame, with most of the work left out."""

import cv2
import numpy as np
import pytest

from emotion_detection.errors import DataError
from emotion_detection.faces import detection
from emotion_detection.inference import following, tracking
from emotion_detection.live import demo_clip

FRAMES_PER_S = 15


def haar() -> detection.HaarDetector:
    return detection.load_detector("haar", haar_long_side_px=detection.LIVE_LONG_SIDE_PX)


class Counting:
    """A detector that knows where faces are, and counts how it is asked."""

    name, framing = "Counting", detection.HaarDetector.framing

    def __init__(self, boxes: list[detection.FaceBox]):
        self.boxes, self.whole, self.near = boxes, 0, 0

    def detect(self, frame_bgr, *, near=None):
        if near is None:
            self.whole += 1
            return list(self.boxes)
        self.near += 1
        return [box for box in self.boxes if any(tracking.overlap(box, face) > 0.1 for face in near)]


FRAME = np.zeros((480, 640, 3), np.uint8)
FIRST, SECOND = detection.FaceBox(50, 60, 120, 120), detection.FaceBox(400, 100, 90, 90)


def near_the_face(boxes: list[detection.FaceBox], time_s: float) -> detection.FaceBox:
    return max(boxes, key=lambda box: tracking.overlap(box, demo_clip.face_at(time_s)))


def test_boxes_of_a_moving_face_are_those_of_frame_by_frame_detection():
    follows, each_frame = following.FollowingDetector(haar()), haar()
    overlaps = []
    for time_s in np.arange(0, demo_clip.PERIOD_S, 1 / FRAMES_PER_S):
        frame = demo_clip.frame_at(time_s)
        received, expected = (near_the_face(each.detect(frame), time_s) for each in (follows, each_frame))
        overlaps.append(tracking.overlap(received, expected))
    assert min(overlaps) > 0.7
    assert np.mean(overlaps) > 0.9


def test_the_whole_frame_is_searched_every_so_many_frames_and_the_surroundings_between():
    counting = Counting([FIRST])
    follows = following.FollowingDetector(counting, every=5)
    for _ in range(20):
        assert follows.detect(FRAME) == [FIRST]
    assert (counting.whole, counting.near) == (4, 16)


def test_a_face_that_is_gone_is_looked_for_in_the_whole_frame_at_once():
    counting = Counting([FIRST])
    follows = following.FollowingDetector(counting, every=5)
    follows.detect(FRAME)
    counting.boxes = [SECOND]
    assert follows.detect(FRAME) == [SECOND]
    counting.boxes = []
    assert follows.detect(FRAME) == []
    assert counting.whole == 3


def test_a_new_face_is_found_at_the_next_look_at_the_whole_frame():
    counting = Counting([FIRST])
    follows = following.FollowingDetector(counting, every=5)
    follows.detect(FRAME)
    counting.boxes = [FIRST, SECOND]
    seen = [len(follows.detect(FRAME)) for _ in range(5)]
    assert seen == [1, 1, 1, 1, 2]


def test_without_a_face_every_frame_is_searched():
    counting = Counting([])
    follows = following.FollowingDetector(counting, every=5)
    for _ in range(3):
        assert follows.detect(FRAME) == []
    assert (counting.whole, counting.near) == (3, 0)


def test_another_size_of_frame_starts_anew():
    counting = Counting([FIRST])
    follows = following.FollowingDetector(counting, every=5)
    follows.detect(FRAME)
    follows.detect(FRAME[:240])
    assert (counting.whole, counting.near) == (2, 0)


def test_two_faces_side_by_side_stay_two():
    portrait = cv2.resize(demo_clip.frame_at(0.0)[60:360, 180:460], None, fx=0.8, fy=0.8)
    frame = np.concatenate([portrait, portrait], axis=1)
    follows, each_frame = following.FollowingDetector(haar()), haar()
    expected = each_frame.detect(frame)
    assert len(expected) == 2
    for _ in range(3):
        received = follows.detect(frame)
        assert len(received) == 2
        assert tracking.overlap(*received) < 0.1


def test_a_face_at_the_very_edge_is_followed():
    time_s = 0.0
    face = demo_clip.face_at(time_s)
    cut = np.ascontiguousarray(demo_clip.frame_at(time_s)[:, int(face.x) - 10 :])
    follows = following.FollowingDetector(haar())
    first, second = follows.detect(cut), follows.detect(cut)
    assert tracking.overlap(first[0], second[0]) > 0.7


def test_a_stream_of_the_cascade_is_followed_and_says_so():
    detector = following.live_detector("haar")
    assert isinstance(detector, following.FollowingDetector)
    assert "whole picture every 5 frames" in detector.name


def test_yunet_is_used_as_it_is():
    if detection.find_yunet() is None:
        pytest.skip("YuNet not found: run make setup or set EMOTION_DATA_DIR")
    assert isinstance(following.live_detector("yunet"), detection.YuNetDetector)


def test_a_rhythm_below_one_is_refused():
    with pytest.raises(DataError, match="from 1 on"):
        following.FollowingDetector(haar(), every=0)
