"""Identities, smoothing, and detection in a stream: as good as frame by frame, with most of the work left out."""

import cv2
import numpy as np
import pytest

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.faces import detection
from emotion_detection.faces.cropping import FaceBox
from emotion_detection.inference import tracking
from emotion_detection.inference.pipeline import FaceEmotion
from emotion_detection.live import demo_clip
from stand_ins import face_at


def face(x: float, emotion: str = "happy", *, y: float = 0, side: float = 100, sure: float = 1.0) -> FaceEmotion:
    probabilities = np.full(7, (1 - sure) / 6, np.float32)
    probabilities[EMOTIONS.index(emotion)] = sure
    return FaceEmotion(FaceBox(x, y, side, side), probabilities)


def test_a_moving_face_keeps_its_identity():
    tracker = tracking.FaceTracker()
    seen = [tracker.update([face(10 * step)], time_s=0.1 * step)[0].identity for step in range(30)]
    assert set(seen) == {1}


def test_five_faces_keep_their_identities_whatever_their_order():
    tracker = tracking.FaceTracker()
    first = tracker.update([face(150 * index) for index in range(5)], time_s=0)
    assert [each.identity for each in first] == [1, 2, 3, 4, 5]
    again = tracker.update([face(150 * index + 20) for index in (3, 0, 4, 2, 1)], time_s=0.1)
    assert [each.identity for each in again] == [4, 1, 5, 3, 2]


def test_two_faces_that_pass_close_by_are_matched_together_not_one_by_one():
    tracker = tracking.FaceTracker()
    tracker.update([face(0), face(80)], time_s=0)
    moved = tracker.update([face(45), face(125)], time_s=0.1)
    assert [each.identity for each in moved] == [1, 2]


def test_a_face_is_remembered_for_a_second_and_then_new():
    tracker = tracking.FaceTracker()
    tracker.update([face(0)], time_s=0)
    tracker.update([], time_s=0.5)
    assert tracker.update([face(0)], time_s=0.9)[0].identity == 1
    assert tracker.update([face(0)], time_s=2.5)[0].identity == 2


@pytest.mark.parametrize("frames_per_second", [5, 15, 60])
def test_smoothing_follows_a_change_by_63_percent_in_its_time_constant_at_any_frame_rate(frames_per_second):
    tracker = tracking.FaceTracker(smoothing_s=0.4)
    tracker.update([face(0, "sad")], time_s=0)
    for step in range(1, round(0.4 * frames_per_second) + 1):
        [seen] = tracker.update([face(0, "happy")], time_s=step / frames_per_second)
    assert seen.probabilities[EMOTIONS.index("happy")] == pytest.approx(1 - np.exp(-1), abs=1e-3)
    assert seen.probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_without_smoothing_the_answer_is_that_of_the_frame():
    tracker = tracking.FaceTracker(smoothing_s=0)
    tracker.update([face(0, "sad")], time_s=0)
    assert tracker.update([face(0, "happy")], time_s=0.01)[0].label == "happy"


def test_a_label_below_the_minimum_confidence_is_not_sure():
    tracker = tracking.FaceTracker(minimum_confidence=0.6)
    assert tracker.update([face(0, sure=0.59)], time_s=0)[0].label == "not sure"
    assert tracker.update([face(300, sure=0.6)], time_s=0)[0].label == "happy"


@pytest.mark.parametrize("arguments", [{"smoothing_s": -1}, {"minimum_confidence": 1.5}, {"smoothing_s": float("nan")}])
def test_settings_out_of_range_are_refused(arguments):
    with pytest.raises(DataError, match="0 or more seconds"):
        tracking.FaceTracker(**arguments)


def test_overlap_is_intersection_over_union():
    assert tracking.overlap(FaceBox(0, 0, 2, 2), FaceBox(1, 0, 2, 2)) == pytest.approx(1 / 3)
    assert tracking.overlap(FaceBox(0, 0, 2, 2), FaceBox(2, 0, 2, 2)) == 0


def test_a_face_is_remembered_for_as_long_as_asked():
    tracker = tracking.FaceTracker(remembered_s=4.0)
    tracker.update([face(0)], time_s=0)
    assert tracker.update([face(0)], time_s=3.9)[0].identity == 1
    assert tracker.update([face(0)], time_s=8.0)[0].identity == 2


# --- following faces ------------------------------------------------------------------------------------------------


FRAMES_PER_S = 15


def haar() -> detection.HaarDetector:
    return detection.load_detector("haar", haar_long_side_px=detection.LIVE_LONG_SIDE_PX)


class Counting:
    """A detector that knows where faces are, and counts how it is asked."""

    name, framing = "Counting", detection.HaarDetector.framing

    def __init__(self, boxes: list[FaceBox]):
        self.boxes, self.whole, self.near = boxes, 0, 0

    def detect(self, frame_bgr, *, near=None):
        if near is None:
            self.whole += 1
            return list(self.boxes)
        self.near += 1
        return [box for box in self.boxes if any(tracking.overlap(box, face) > 0.1 for face in near)]


FRAME = np.zeros((480, 640, 3), np.uint8)
FIRST, SECOND = FaceBox(50, 60, 120, 120), FaceBox(400, 100, 90, 90)


def near_the_face(boxes: list[FaceBox], time_s: float) -> FaceBox:
    return max(boxes, key=lambda box: tracking.overlap(box, face_at(time_s)))


def test_boxes_of_a_moving_face_are_those_of_frame_by_frame_detection():
    follows, each_frame = tracking.FollowingDetector(haar()), haar()
    overlaps = []
    for time_s in np.arange(0, demo_clip.PERIOD_S, 1 / FRAMES_PER_S):
        frame = demo_clip.frame_at(time_s)
        received, expected = (near_the_face(each.detect(frame), time_s) for each in (follows, each_frame))
        overlaps.append(tracking.overlap(received, expected))
    assert min(overlaps) > 0.7
    assert np.mean(overlaps) > 0.9


def test_the_whole_frame_is_searched_every_so_many_frames_and_the_surroundings_between():
    counting = Counting([FIRST])
    follows = tracking.FollowingDetector(counting)
    for _ in range(20):
        assert follows.detect(FRAME) == [FIRST]
    assert (counting.whole, counting.near) == (4, 16)


def test_a_face_that_is_gone_is_looked_for_in_the_whole_frame_at_once():
    counting = Counting([FIRST])
    follows = tracking.FollowingDetector(counting)
    follows.detect(FRAME)
    counting.boxes = [SECOND]
    assert follows.detect(FRAME) == [SECOND]
    counting.boxes = []
    assert follows.detect(FRAME) == []
    assert counting.whole == 3


def test_a_new_face_is_found_at_the_next_look_at_the_whole_frame():
    counting = Counting([FIRST])
    follows = tracking.FollowingDetector(counting)
    follows.detect(FRAME)
    counting.boxes = [FIRST, SECOND]
    seen = [len(follows.detect(FRAME)) for _ in range(5)]
    assert seen == [1, 1, 1, 1, 2]


def test_without_a_face_every_frame_is_searched():
    counting = Counting([])
    follows = tracking.FollowingDetector(counting)
    for _ in range(3):
        assert follows.detect(FRAME) == []
    assert (counting.whole, counting.near) == (3, 0)


def test_another_size_of_frame_starts_anew():
    counting = Counting([FIRST])
    follows = tracking.FollowingDetector(counting)
    follows.detect(FRAME)
    follows.detect(FRAME[:240])
    assert (counting.whole, counting.near) == (2, 0)


def test_two_faces_side_by_side_stay_two():
    portrait = cv2.resize(demo_clip.frame_at(0.0)[60:360, 180:460], None, fx=0.8, fy=0.8)
    frame = np.concatenate([portrait, portrait], axis=1)
    follows, each_frame = tracking.FollowingDetector(haar()), haar()
    expected = each_frame.detect(frame)
    assert len(expected) == 2
    for _ in range(3):
        received = follows.detect(frame)
        assert len(received) == 2
        assert tracking.overlap(*received) < 0.1


def test_a_face_at_the_very_edge_is_followed():
    time_s = 0.0
    face = face_at(time_s)
    cut = np.ascontiguousarray(demo_clip.frame_at(time_s)[:, int(face.x) - 10 :])
    follows = tracking.FollowingDetector(haar())
    first, second = follows.detect(cut), follows.detect(cut)
    assert tracking.overlap(first[0], second[0]) > 0.7


def test_a_stream_of_the_cascade_is_followed_and_says_so():
    detector = tracking.live_detector("haar")
    assert isinstance(detector, tracking.FollowingDetector)
    assert "whole picture every 5 frames" in detector.name
