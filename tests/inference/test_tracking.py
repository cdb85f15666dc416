"""Identities and smoothing: a face keeps its number, and smoothing does not depend on the frame rate."""

import json

import numpy as np
import pytest

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.faces.detection import FaceBox
from emotion_detection.inference import tracking
from emotion_detection.inference.pipeline import FaceEmotion


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
    tracker.forget()
    assert tracker.update([face(0)], time_s=2.6)[0].identity == 3


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


def test_a_tracker_that_takes_over_anothers_state_gives_the_same_to_the_last_bit():
    tracker, other = tracking.FaceTracker(), tracking.FaceTracker()
    for step in range(5):
        tracker.update([face(7 * step, sure=0.7 + step / 30), face(300, "sad", sure=0.6)], time_s=step / 30)
    other.restore(json.loads(json.dumps(tracker.state())))
    for step in range(5, 9):
        found = [face(7 * step, "fear", sure=0.77), face(300, "sad", sure=0.61), face(900, "angry")]
        expected, received = (each.update(found, time_s=step / 30) for each in (tracker, other))
        assert [each.identity for each in received] == [each.identity for each in expected] == [1, 2, 3]
        for one, two in zip(expected, received, strict=True):
            np.testing.assert_array_equal(one.probabilities, two.probabilities)
