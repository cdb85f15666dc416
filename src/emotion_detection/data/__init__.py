"""Data sets of 48×48 grey faces: FER2013, its relabelling FER+, your own pictures, and drawn faces without download."""

from emotion_detection.data.dataset import SPLITS, FaceDataset
from emotion_detection.data.fer2013 import load_fer2013
from emotion_detection.data.ferplus import load_ferplus
from emotion_detection.data.own_pictures import load_pictures
from emotion_detection.data.synthetic import load_sample

__all__ = ["SPLITS", "FaceDataset", "load_fer2013", "load_ferplus", "load_pictures", "load_sample"]
