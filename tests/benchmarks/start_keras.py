"""First answer about a picture by the same network in Keras, in a new process."""

import sys

import harness

from emotion_detection import paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.faces import detection
from emotion_detection.inference import pipeline
from emotion_detection.runs import registry
from emotion_detection.training import mobilenet

frame_bgr = pipeline.read_picture(sys.argv[1])
_, crops = pipeline.find_faces(frame_bgr, detection.load_detector())
network = mobilenet.load_network(paths.models_dir() / f"{registry.SHIPPED}.keras")
logits = network.predict(crops[0][None, :, :, None], verbose=0)
print(EMOTIONS[int(logits[0].argmax())], harness.peak_mb())
