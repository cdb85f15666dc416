"""Compare one face through `EmotionClassifier` with `keras.Model.predict` on the same network, in turns in one run.

    python tests/benchmarks/bench_one_face.py

Prints the median of each, in milliseconds, and their ratio; exits 1 if the ratio is below 20. Times of a busy machine
mean nothing, ratios little: run it alone.
"""

import statistics
import sys
import time

import numpy as np

from emotion_detection import cards, models, paths
from emotion_detection.classifier import EmotionClassifier

ROUNDS = 60
TARGET_RATIO = 20.0


def time_ms(function):
    """Return how long one call takes, in milliseconds."""
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) * 1000


def main():
    network = models.load_network(paths.models_dir() / f"{cards.SHIPPED}.keras")
    classifier = EmotionClassifier.load()
    face = np.random.default_rng(0).integers(0, 256, (1, 48, 48), np.uint8)
    ways = {
        "keras.Model.predict": lambda: network.predict(face[..., None], verbose=0),
        "EmotionClassifier.predict_proba": lambda: classifier.predict_proba(face),
    }
    times_ms = {name: [] for name in ways}
    for index in range(ROUNDS + 5):
        for name, way in ways.items():
            elapsed_ms = time_ms(way)
            if index >= 5:  # the first calls compile and allocate
                times_ms[name].append(elapsed_ms)
    medians = {name: statistics.median(values) for name, values in times_ms.items()}
    for name, median in medians.items():
        print(f"{name:32} median {median:7.2f} ms, fastest {min(times_ms[name]):7.2f} ms, {ROUNDS} calls")
    ratio = medians["keras.Model.predict"] / medians["EmotionClassifier.predict_proba"]
    print(f"ratio {ratio:.1f}, target {TARGET_RATIO:.0f}")
    sys.exit(0 if ratio >= TARGET_RATIO else 1)


if __name__ == "__main__":
    main()
