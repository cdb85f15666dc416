"""Time and memory of loading FER2013: this package's parser and cache against a list of ints per row.

    python tests/benchmarks/bench_loading.py [--rounds N] [--rows N]

The reference is the way of many notebooks: split each row's pixels into a Python list of ints, then make a float64
RGB array of 35,887 × 48 × 48 × 3 (2 GB). Everything is measured in one run, alternating, each step in a process of
its own, so that peak memory is its own; what counts are the ratios. Without FER2013, drawn faces repeated to its full
size are written as CSV.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

N_ROWS = 35887
STEPS = ("reference", "parse", "cache")


def reference(path: Path) -> tuple[int, ...]:
    """Read the CSV as a list of ints per row, then as float64 RGB; return the shape."""
    with path.open() as stream:
        next(stream)
        rows = [[int(pixel) for pixel in line.split(",")[1].split()] for line in stream]
    gray = np.array(rows, dtype=np.float64).reshape(-1, 48, 48, 1)
    return np.repeat(gray, 3, axis=3).shape


def run_step(step: str, path: Path) -> dict:
    """Run one step in this process; return its seconds and this process's peak memory."""
    if step != "reference":
        from emotion_detection.datasets import load_fer2013
    start = time.perf_counter()
    if step == "reference":
        reference(path)
    else:
        load_fer2013(path=path, allow_altered=True, use_cache=step == "cache")
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """Return the highest memory that this process has had."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(step: str, path: Path) -> dict:
    """Run one step in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--step", step, "--csv", str(path)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | {"TQDM_DISABLE": "1"})
    return json.loads(answer.stdout)


def write_csv(path: Path, n_rows: int) -> str:
    """Write `n_rows` of FER2013, or of drawn faces over and over, as CSV; return what was written."""
    from emotion_detection.datasets import load_fer2013, load_sample
    from emotion_detection.errors import MissingFileError

    try:
        dataset = load_fer2013(allow_altered=True)
    except MissingFileError:
        dataset = load_sample()
    texts = [" ".join(map(str, face.ravel().tolist())) for face in np.asarray(dataset.pixels[:n_rows])]
    with path.open("w") as stream:
        stream.write("emotion,pixels,Usage\n")
        for row in range(n_rows):
            index = row % len(texts)
            stream.write(f"{max(dataset.emotion[index], 0)},{texts[index]},{dataset.usage[index]}\n")
    return dataset.name


def report(name: str, path: Path, rounds: int) -> dict:
    """Measure all steps in turn; return the medians and the ratios."""
    measure("cache", path)  # writes the cache
    results = {step: [] for step in STEPS}
    for _ in range(rounds):
        for step in STEPS:
            results[step].append(measure(step, path))
    seconds = {step: float(np.median([one["seconds"] for one in results[step]])) for step in STEPS}
    return {
        "data": f"{name}, {path.stat().st_size / 1e6:.0f} MB",
        "seconds": {step: round(value, 4) for step, value in seconds.items()},
        "peak_mb": {step: round(max(one["peak_bytes"] for one in results[step]) / 1e6) for step in STEPS},
        "parse_is_faster_by": round(seconds["reference"] / seconds["parse"], 1),
        "cache_is_faster_by": round(seconds["reference"] / seconds["cache"], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=N_ROWS, help="fewer for a quick look; the goals are for all")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--csv", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(run_step(arguments.step, arguments.csv)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fer2013.csv"
        values = report(write_csv(path, arguments.rows), path, arguments.rounds)
        forget(path)
    print(json.dumps(values, indent=1))
    passed = (
        values["parse_is_faster_by"] >= 10
        and values["peak_mb"]["parse"] <= 1500
        and values["seconds"]["cache"] < 0.05
        and values["cache_is_faster_by"] >= 100
    )
    print("goals met" if passed else "goals missed: parse ≥ 10 times, ≤ 1,500 MB; cache < 50 ms, ≥ 100 times")
    return 0 if passed else 1


def forget(path: Path) -> None:
    """Delete the cache of the temporary file."""
    import shutil

    from emotion_detection import paths
    from emotion_detection.datasets import fer2013

    shutil.rmtree(paths.cache_dir() / "fer2013" / fer2013.find_source(path).key, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
