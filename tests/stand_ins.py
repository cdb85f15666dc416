"""A detector and a classifier with known answers."""

import numpy as np

from emotion_detection.faces import cropping

HAPPY = np.array([0.02, 0.02, 0.04, 0.8, 0.03, 0.05, 0.04], np.float32)


class OneBox:
    """A detector that finds the same boxes everywhere."""

    name = "one box"
    framing = cropping.Framing(1.0, 0.0, 0.0)

    def __init__(self, *boxes):
        self.boxes = [cropping.FaceBox(*box) for box in boxes]

    def detect(self, frame_bgr):
        return self.boxes


class AlwaysHappy:
    """A classifier that keeps what it was given and calls it happy."""

    def __init__(self):
        self.crops = []

    def predict_proba(self, crops):
        self.crops += list(crops)
        return np.tile(HAPPY, (len(crops), 1))
