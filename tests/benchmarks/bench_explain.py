"""What a map costs beyond the plain answer: one face on LiteRT, as in the live cell, and Grad-CAM by Keras instead.

    python tests/benchmarks/bench_explain.py [--record]

The plain answer and the answer with its map take turns on the same crop. Prints the medians, and the median and 95th
percentile of the difference of neighbours; `--record` writes `data/results/benchmarks/explain.json`. Half a minute on
two idle cores.
"""

import argparse
import datetime
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import comparison
import harness
import numpy as np

from emotion_detection import files, paths
from emotion_detection.faces import cropping, detection
from emotion_detection.inference import class_activation, stream
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.live import demo_clip
from emotion_detection.runs import registry
from emotion_detection.training import grad_cam, mobilenet

TURNS = 400
KERAS_TURNS = 20
WARM_UP = 20
WANTED_MS = 2.0
"""What a map may cost beyond the plain answer, for each face, in the live cell."""


def milliseconds(work) -> float:
    """Return how long some work takes."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def one_face(network: EmotionClassifier, crop: np.ndarray) -> dict:
    """Measure the answer to one crop, and the answer with the heat of its emotion, in turns."""

    def with_map():
        logits, maps = class_activation.evidence(network, [crop])
        heat = class_activation.heat(maps[0, ..., logits.argmax()], (stream.HEAT_CELLS,) * 2)
        return network.calibrated(logits), heat

    def plain():
        return network.predict_proba([crop])

    pairs = np.array([(milliseconds(plain), milliseconds(with_map)) for _ in range(WARM_UP + TURNS)])[WARM_UP:]
    plain_ms, with_map_ms = np.median(pairs, axis=0)
    more_ms = pairs[:, 1] - pairs[:, 0]
    return {
        "turns": TURNS,
        "plain_ms": float(plain_ms),
        "with_map_ms": float(with_map_ms),
        "more_ms": float(np.median(more_ms)),
        "more_p95_ms": float(np.percentile(more_ms, 95)),
    }


def keras_ms(crop: np.ndarray) -> float:
    """Return the median time of Grad-CAM of one face by Keras, once everything is loaded."""
    model = mobilenet.load_network(paths.models_dir() / f"{registry.SHIPPED}.keras")
    times_ms = [milliseconds(lambda: grad_cam.grad_cam(model, crop[None])) for _ in range(1 + KERAS_TURNS)]
    return float(np.median(times_ms[1:]))


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="replace the recorded measurement")
    record = parser.parse_args().record
    frame_bgr, detector = demo_clip.frame_at(0.0), detection.load_detector("haar")
    crop = cropping.crop_face(frame_bgr, detector.detect(frame_bgr)[0], framing=detector.framing)
    face = one_face(EmotionClassifier.load(), crop)
    measured = {"face": face, "keras_grad_cam_ms": keras_ms(crop)}
    harness.progress(
        f"one face: {face['plain_ms']:.2f} ms plain, {face['with_map_ms']:.2f} ms with its map: {face['more_ms']:.2f} "
        f"ms more (95th percentile {face['more_p95_ms']:.2f}); wanted at most {WANTED_MS:g}"
    )
    harness.progress(f"Grad-CAM of one face by Keras: {measured['keras_grad_cam_ms']:.0f} ms")
    if record:
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()
        head = {"measured": now, "hardware": comparison.hardware(), "wanted_ms": WANTED_MS}
        folder = paths.project_root() / "data" / "results" / "benchmarks"
        files.write_json(folder / "explain.json", comparison.rounded(head | measured))
    return 0 if face["more_ms"] <= WANTED_MS else 1


if __name__ == "__main__":
    sys.exit(main())
