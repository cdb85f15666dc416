"""A live session without camera, browser or clock: the sample clip, looked at frame by frame. For figures and tests."""

import numpy as np
import pandas as pd

from emotion_detection import confidence, faces
from emotion_detection.classifier import EmotionClassifier
from emotion_detection.live import clip
from emotion_detection.live.sources import Frame
from emotion_detection.live.timeline import Timeline
from emotion_detection.live.worker import Engine


def rehearse(*, seconds: float = clip.PERIOD_S, frames_per_s: float = 10.0, detector: str = "haar") -> pd.DataFrame:
    """Return the timeline of the sample clip, as `LiveView.timeline()` would.

    Args:
        seconds: how much of the clip.
        frames_per_s: how many frames of a second are looked at.
        detector: name for `faces.load_detector`; the Haar cascade is on every machine, so that numbers are the same.
    """
    classifier = EmotionClassifier.load()
    threshold = classifier.metadata.get("confidence", {}).get("threshold", 0.0)
    name = classifier.metadata["name"]
    engine = Engine({name: classifier}, faces.load_detector(detector), minimum_confidence=threshold)
    timeline = Timeline()
    for sequence, time_s in enumerate(np.arange(0, seconds, 1 / frames_per_s)):
        timeline.add(engine.answer(Frame(clip.frame_at(float(time_s)), float(time_s), sequence)))
    return timeline.table()


def card_coverage(card: dict) -> pd.DataFrame:
    """Return what a model card says about minimum confidences.

    Returns:
        Columns threshold, split, coverage, accuracy (0–1; NaN where no face reaches the threshold).
    """
    known = card["confidence"]
    tables = [
        pd.DataFrame({"threshold": known["thresholds"], "split": split, **known[split]}).astype({"accuracy": float})
        for split in ("PublicTest", "PrivateTest")
    ]
    return pd.concat(tables, ignore_index=True)


def threshold_in_words(card: dict) -> str:
    """Return in words which minimum confidence a model card chose, and what it is worth."""
    known = card["confidence"]
    return (
        f"The slider begins at **{known['threshold']:.0%}**, the smallest minimum confidence at which answers on "
        f"PublicTest are right {known['wanted_accuracy']:.0%} of the time. {confidence.told(card, known['threshold'])}"
    )
