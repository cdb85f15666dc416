"""First answer about a picture by the `fer` package, in a new process of its own environment."""

import sys

import cv2
import harness
from fer.fer import FER

found = FER().detect_emotions(cv2.imread(sys.argv[1]))
print(max(found[0]["emotions"], key=found[0]["emotions"].get), harness.peak_mb())
