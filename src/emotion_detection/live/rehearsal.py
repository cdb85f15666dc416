"""A live session without camera, browser or clock: the sample clip, frame by frame. For figures and tests."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from emotion_detection.inference import tracking
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.inference.stream import Engine, Frame
from emotion_detection.live import demo_clip
from emotion_detection.live.timeline import Timeline
from emotion_detection.runs import registry


def rehearse(
    frame_at: Callable[[float], np.ndarray] = demo_clip.frame_at,
    *,
    seconds: float = demo_clip.PERIOD_S,
    frames_per_s: float = 10.0,
    detector: str = "haar",
) -> pd.DataFrame:
    """Return the timeline of the sample clip, as `LiveView.timeline()` would.

    Args:
        frame_at: time in seconds → frame; `demo_clip.eventful_frame_at` loses focus and the face.
        seconds: how much of the clip.
        frames_per_s: how many frames of a second are looked at.
        detector: name for `tracking.live_detector`; the Haar cascade is on every machine, so numbers are the same.
    """
    classifier = EmotionClassifier.load()
    engine = Engine(
        {classifier.metadata["name"]: classifier},
        tracking.live_detector(detector),
        minimum_confidence=registry.threshold_of(classifier.metadata),
    )
    timeline = Timeline()
    for sequence, time_s in enumerate(np.arange(0, seconds, 1 / frames_per_s).tolist()):
        timeline.add(engine.answer(Frame(frame_at(time_s), time_s, sequence)))
    return timeline.table()
