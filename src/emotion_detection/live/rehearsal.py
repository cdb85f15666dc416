"""A live session without camera, browser or clock: the sample clip, frame by frame. For figures and tests."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from emotion_detection.inference import tracking
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.inference.stream import Engine, Frame
from emotion_detection.live import demo_clip
from emotion_detection.live.timeline import Timeline

FRAMES_PER_S = 10


def rehearse(frame_at: Callable[[float], np.ndarray] = demo_clip.frame_at) -> pd.DataFrame:
    """Return the timeline of the sample clip, or of another time in seconds → frame, as `LiveView.timeline()` would.

    The Haar cascade finds the faces: it is on every machine, so the numbers are the same everywhere.
    """
    classifier = EmotionClassifier.load()
    engine = Engine(
        {classifier.metadata["name"]: classifier},
        tracking.live_detector("haar"),
        minimum_confidence=classifier.threshold,
    )
    timeline = Timeline()
    for sequence, time_s in enumerate(np.arange(0, demo_clip.PERIOD_S, 1 / FRAMES_PER_S).tolist()):
        timeline.add(engine.answer(Frame(frame_at(time_s), time_s, sequence)))
    return timeline.table()
