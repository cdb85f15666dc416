"""Data sets of 48×48 grey faces: FER2013, its relabelling FER+, and a drawn sample that needs no download."""

from emotion_detection.datasets.dataset import SPLITS, FaceDataset

__all__ = ["SPLITS", "FaceDataset"]
