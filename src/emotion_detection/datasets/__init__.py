"""Data sets of 48×48 grey faces: FER2013, its relabelling FER+, and a drawn sample that needs no download."""

from emotion_detection.datasets.dataset import SPLITS, FaceDataset
from emotion_detection.datasets.fer2013 import load_fer2013

__all__ = ["SPLITS", "FaceDataset", "load_fer2013"]
