"""What a map costs beyond the plain answer: one face on LiteRT, as in the live cell, and Grad-CAM by Keras instead.

    python tests/benchmarks/bench_explain.py [--record]

The plain answer and the answer with its map take turns, face by face, on the same crop. Prints the medians, and the
median and 95th percentile of the difference of neighbours; `--record` writes `data/results/benchmarks/explain.json`. A
minute on two idle cores.
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
from emotion_detection.faces import detection
from emotion_detection.inference import class_activation, stream
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.live import demo_clip
from emotion_detection.runs import registry
from emotion_detection.training import grad_cam

TURNS = 400
KERAS_TURNS = 20
WARM_UP = 20
WANTED_MS = 2.0
"""What a map may cost beyond the plain answer, for each face, in the live cell."""


def milliseconds(work) -> tuple[float, float]:
    """Return how long some work takes, by the clock and in processor time of all threads."""
    began, began_cpu = time.perf_counter(), time.process_time()
    work()
    return 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - began_cpu)


def in_turns(plain, with_map) -> dict:
    """Measure two ways in turns; return medians and what the second costs beyond the first."""
    for _ in range(WARM_UP):
        plain(), with_map()
    pairs = np.array([(milliseconds(plain), milliseconds(with_map)) for _ in range(TURNS)])
    (plain_ms, _), (with_map_ms, _) = np.median(pairs, axis=0)
    more, more_cpu = (pairs[:, 1] - pairs[:, 0]).T
    return {
        "turns": TURNS,
        "plain_ms": float(plain_ms),
        "with_map_ms": float(with_map_ms),
        "more_ms": float(np.median(more)),
        "more_p95_ms": float(np.percentile(more, 95)),
        "more_cpu_ms": float(np.median(more_cpu)),
    }


def one_face(network: EmotionClassifier, crop: np.ndarray) -> dict:
    """Measure the answer to one crop, and the answer with the heat of its emotion."""

    def with_map():
        logits, maps = class_activation.evidence(network, [crop])
        return network.calibrated(logits), class_activation.heat(
            maps[0, ..., logits.argmax()], (stream.HEAT_CELLS,) * 2
        )

    return in_turns(lambda: network.predict_proba([crop]), with_map)


def one_frame(
    network: EmotionClassifier, frame_bgr: np.ndarray, box: detection.FaceBox, framing: detection.Framing
) -> dict:
    """Measure the live cell's engine on a frame whose face is known, so that finding it takes no time."""

    class Known:
        name = "known"

        def detect(self, _frame_bgr):
            return [box]

    Known.framing = framing
    looking = {asked: stream.Engine({"shipped": network}, Known(), explained=asked) for asked in (None, stream.ANSWER)}
    frame = stream.Frame(frame_bgr, 0.0, 0)
    return in_turns(lambda: looking[None].answer(frame), lambda: looking[stream.ANSWER].answer(frame))


def keras_ms(crop: np.ndarray) -> float:
    """Return the median time of Grad-CAM of one face by Keras, once everything is loaded."""
    from emotion_detection.training import mobilenet

    model = mobilenet.load_network(paths.models_dir() / f"{registry.SHIPPED}.keras")
    grad_cam.grad_cam(model, crop[None])
    return float(np.median([milliseconds(lambda: grad_cam.grad_cam(model, crop[None]))[0] for _ in range(KERAS_TURNS)]))


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="replace the recorded measurement")
    record = parser.parse_args().record
    frame_bgr, detector = demo_clip.frame_at(0.0), detection.load_detector("haar")
    box = detector.detect(frame_bgr)[0]
    crop = detection.crop_face(frame_bgr, box, framing=detector.framing)
    network = EmotionClassifier.load()
    measured = {
        "face": one_face(network, crop),
        "frame": one_frame(network, frame_bgr, box, detector.framing),
        "keras_grad_cam_ms": keras_ms(crop),
    }
    for name in ("face", "frame"):
        row = measured[name]
        harness.progress(
            f"one {name}: {row['plain_ms']:.2f} ms plain, {row['with_map_ms']:.2f} ms with its map: "
            f"{row['more_ms']:.2f} ms more (95th percentile {row['more_p95_ms']:.2f}; "
            f"processor time {row['more_cpu_ms']:.2f}); "
            f"wanted at most {WANTED_MS:g}"
        )
    harness.progress(f"Grad-CAM of one face by Keras: {measured['keras_grad_cam_ms']:.0f} ms")
    if record:
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()
        head = {"measured": now, "hardware": comparison.hardware(), "wanted_ms": WANTED_MS}
        files.write_json(
            paths.project_root() / "data" / "results" / "benchmarks" / "explain.json",
            comparison.rounded(head | measured),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
