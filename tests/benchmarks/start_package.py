"""First answer about a picture by this package, in a new process."""

import sys

import harness

from emotion_detection.faces import detection
from emotion_detection.inference import pipeline
from emotion_detection.inference.classifier import EmotionClassifier

frame_bgr = pipeline.read_picture(sys.argv[1])
found = pipeline.analyse_frame(frame_bgr, detector=detection.load_detector(), classifier=EmotionClassifier.load())
print(found[0].label, harness.peak_mb())
