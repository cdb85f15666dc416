"""First answer about a picture by this package, in a new process."""

import sys

import harness

from emotion_detection import analysis, faces
from emotion_detection.classifier import EmotionClassifier

frame_bgr = analysis.read_picture(sys.argv[1])
found = analysis.analyse_frame(frame_bgr, detector=faces.load_detector(), classifier=EmotionClassifier.load())
print(found[0].label, harness.peak_mb())
