"""What two processes buy on this machine: Ray with two workers of one thread against the plain loop with all cores.

    python tests/benchmarks/bench_sweep.py [--rounds N] [--output FILE]

Trainings: two seeds of TL whole at 96 px (random first weights, drawn faces, two epochs), once by the plain loop in a
process of its own, once by Ray's two workers; in turn, on a machine that does nothing else. Told are the seconds from
start to end (Python, TensorFlow and Ray started anew), and those of the second epochs alone: that is what a long sweep
comes to. Pictures: the portrait over and over, in one process and by two workers, all started before.
Writes data/results/benchmarks/sweep.json; `python -m emotion_detection report` puts it into
notebooks/beyond_one_machine.md. Needs Ray: pip install -e ".[cluster]". About three minutes.
"""

import argparse
import dataclasses
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from emotion_detection import cluster, files, paths
from emotion_detection.data import load_sample
from emotion_detection.errors import MissingFileError
from emotion_detection.faces import detection
from emotion_detection.inference import bulk, pipeline
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.reporting import scaling
from emotion_detection.training import catalog, sweep

WORKERS = 2
EPOCHS = 2
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "TQDM_DISABLE": "1"}


def jobs(faces_per_epoch: int) -> tuple[list[sweep.Job], object]:
    """Return two jobs and the drawn faces that they train on."""
    recipe = dataclasses.replace(
        catalog.TL_WHOLE, name="timed", epochs=EPOCHS, weights=None, warmup_epochs=0.0, batch_norm_batches=0
    )
    dataset = load_sample(round(faces_per_epoch / 0.7), seed=0)
    return [sweep.Job(recipe, seed) for seed in range(WORKERS)], dataset


def train(engine: str, faces_per_epoch: int) -> dict:
    """Train the jobs in this process or by Ray; return the seconds of each job's last epoch."""
    from emotion_detection.runs import store

    wanted, dataset = jobs(faces_per_epoch)
    states = sweep.train(wanted, dataset, engine=engine, workers=WORKERS)
    failed = [state.reason for state in states if state.state != "done"]
    if failed:
        sys.exit(f"A job failed: {failed[0]}")
    return {"epoch_s": [float(store.load_run(job.name).history["seconds"].iloc[-1]) for job in wanted]}


def timed_training(engine: str, faces_per_epoch: int) -> dict:
    """Train in a process and folder of its own; return its seconds, and those of the last epochs."""
    command = [sys.executable, str(Path(__file__).resolve()), "--step", engine, "--faces", str(faces_per_epoch)]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        variables = os.environ | QUIET | {"EMOTION_OUTPUT_DIR": folder}
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=variables)
        seconds = time.perf_counter() - began
    return {"total_s": round(seconds, 2), **json.loads(answer.stdout.splitlines()[-1])}


def timed_pictures(count: int, rounds: int) -> list[dict]:
    """Analyse the portrait over and over, in this process and by two workers in turn; all are started before."""
    pictures = [paths.sample_dir() / "astronaut.webp"] * count
    loaded = {"detector": detection.load_detector(), "classifier": EmotionClassifier.load()}
    found = []
    with cluster.connected(workers=WORKERS):
        bulk.analyse_pictures(pictures[: 2 * WORKERS], files_per_part=1)
        pipeline.analyse_pictures(pictures[:4], **loaded)
        for _ in range(rounds):
            began = time.perf_counter()
            pipeline.analyse_pictures(pictures, **loaded)
            middle = time.perf_counter()
            bulk.analyse_pictures(pictures, files_per_part=max(1, count // (4 * WORKERS)))
            found.append({"plain_s": round(middle - began, 3), "ray_s": round(time.perf_counter() - middle, 3)})
    return found


def main() -> int:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--faces", type=int, default=192, help="faces of an epoch")
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--output", type=Path, default=scaling.path(), help="the page reads the default")
    parser.add_argument("--step", choices=sweep.ENGINES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(train(arguments.step, arguments.faces)))
        return 0
    try:
        cluster.require_ray()
    except MissingFileError as error:
        print(f"Not measured: {error}")
        return 0
    os.environ.update(QUIET)
    trainings = [
        {engine: timed_training(engine, arguments.faces) for engine in ("plain", "ray")}
        for _ in range(arguments.rounds)
    ]
    from emotion_detection.training import trainer

    values = {
        "measured": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "hardware": trainer.hardware(),
        "packages": {name: metadata.version(name) for name in ("ray", "tensorflow", "keras", "ai-edge-litert")},
        "workers": WORKERS,
        "trainings": {"jobs": WORKERS, "epochs": EPOCHS, "faces": arguments.faces, "rounds": trainings},
        "pictures": {"count": arguments.pictures, "rounds": timed_pictures(arguments.pictures, arguments.rounds)},
    }
    files.write_json(arguments.output, values)
    print(scaling.block(values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
