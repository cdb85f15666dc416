"""A live session without camera, browser or clock: the sample clip, looked at frame by frame. For figures and tests."""

import numpy as np
import pandas as pd

from emotion_detection.evaluation import calibration
from emotion_detection.inference import following
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.live import demo_clip
from emotion_detection.live.sources import Frame
from emotion_detection.live.timeline import Timeline
from emotion_detection.live.worker import Engine


def rehearse(
    *, seconds: float = demo_clip.PERIOD_S, frames_per_s: float = 10.0, detector: str = "haar"
) -> pd.DataFrame:
    """Return the timeline of the sample clip, as `LiveView.timeline()` would.

    Args:
        seconds: how much of the clip.
        frames_per_s: how many frames of a second are looked at.
        detector: name for `following.live_detector`; the Haar cascade is on every machine, so numbers are the same.
    """
    classifier = EmotionClassifier.load()
    name = classifier.metadata["name"]
    engine = Engine(
        {name: classifier},
        following.live_detector(detector),
        minimum_confidence=calibration.threshold_of(classifier.metadata),
    )
    timeline = Timeline()
    for sequence, time_s in enumerate(np.arange(0, seconds, 1 / frames_per_s)):
        timeline.add(engine.answer(Frame(demo_clip.frame_at(float(time_s)), float(time_s), sequence)))
    return timeline.table()


class QuickReplay:
    """The sample clip as a source that does not wait: its times go on by a frame's length at each look.

    Args:
        frames_per_s: pace of the clip.
    """

    name = "the sample clip, without waiting"
    in_browser = False

    def __init__(self, *, frames_per_s: float = 10.0):
        self._frame_s = 1 / frames_per_s
        self._sequence = 0

    def open(self) -> None:
        """Begin the clip."""
        self._sequence = 0

    def read(self, timeout_s: float) -> Frame:
        """Return the next frame, at once."""
        time_s = self._sequence * self._frame_s
        self._sequence += 1
        return Frame(demo_clip.frame_at(time_s), time_s, self._sequence)

    def close(self) -> None:
        """Do nothing: nothing is held."""
