"""First answer about a picture by the same network in Keras, in a new process."""

import sys

import harness

from emotion_detection import analysis, cards, faces, models, paths
from emotion_detection.emotions import EMOTIONS

frame_bgr = analysis.read_picture(sys.argv[1])
_, crops = analysis.find_faces(frame_bgr, faces.load_detector())
network = models.load_network(paths.models_dir() / f"{cards.SHIPPED}.keras")
logits = network.predict(crops[0][None, :, :, None], verbose=0)
print(EMOTIONS[int(logits[0].argmax())], harness.peak_mb())
