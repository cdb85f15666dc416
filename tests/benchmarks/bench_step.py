"""What makes a training step of MobileNetV2 faster or slower: layers, batch, size, threads, oneDNN, allocator.

    python tests/benchmarks/bench_step.py [--record]

One base, and variants that change one thing of it, each in a process of its own that takes turns with the base. Prints
images a second and the ratio to the base with its spread; `--record` writes `data/results/benchmarks/step.json`.
Some minutes on two idle cores.
"""

import argparse
import datetime
import statistics
import sys

import comparison
import harness
from harness import Way

from emotion_detection import files, paths

BASE = {"input_px": 96, "batch_size": 32, "layers": "all", "optimizer": "adamw"}
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
KEEP_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": "536870912",
}
VARIANTS = (
    ("the base once more", {}, {}),
    ("Keras' own layers", {"layers": "none"}, {}),
    ("Keras' own batch norm only", {"layers": "no fused batch norm"}, {}),
    ("Keras' own 1×1 convolutions only", {"layers": "no matrix products"}, {}),
    ("batches of 16", {"batch_size": 16}, {}),
    ("batches of 64", {"batch_size": 64}, {}),
    ("48 px", {"input_px": 48}, {}),
    ("64 px", {"input_px": 64}, {}),
    ("112 px", {"input_px": 112}, {}),
    ("64 px, batches of 64", {"input_px": 64, "batch_size": 64}, {}),
    ("64 px, SGD", {"input_px": 64, "optimizer": "sgd"}, {}),
    ("one thread", {}, ONE_THREAD),
    ("without oneDNN", {}, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    ("memory is never given back (malloc settings)", {}, KEEP_MEMORY),
    ("XLA", {"xla": True}, {}),
    ("bfloat16", {"policy": "mixed_bfloat16"}, {}),
)
ROUNDS = 2


def compared(name: str, changes: dict, environment: dict, base: Way) -> dict:
    """Measure one variant beside the base; return its row."""
    way = Way("ways_training.py", "one step", BASE | changes, environment=environment)
    with harness.closing(way):
        way.turn()
        rates = [(way.turn()["images_per_s"], base.turn()["images_per_s"]) for _ in range(ROUNDS)]
    ratios = [rate / of_base for rate, of_base in rates]
    row = {
        "name": name,
        "changes": changes,
        "environment": environment,
        "images_per_s": statistics.median(rate for rate, _ in rates),
        "ratio": {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)},
        "peak_mb": way.peak_mb,
    }
    harness.progress(f"{name}: {row['images_per_s']:.0f} images a second, {row['ratio']['median']:.2f} of the base")
    return row


def main() -> int:
    """Measure all variants; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="replace the recorded measurement")
    record = parser.parse_args().record
    base = Way("ways_training.py", "one step", BASE)
    rows, not_run = [], {}
    with harness.closing(base):
        base.turn()
        for variant in VARIANTS:
            try:
                rows.append(compared(*variant, base))
            except RuntimeError as error:  # a variant that does not run is told, and the others go on
                not_run[variant[0]] = str(error).splitlines()[0][:200]
                harness.progress(f"{variant[0]}: does not run ({not_run[variant[0]]})")
    measured = datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()
    values = comparison.rounded(
        {"measured": measured, "hardware": comparison.hardware(), "base": BASE, "rows": rows, "not_run": not_run}
    )
    folder = paths.project_root() / ("data/results/benchmarks" if record else "output/bench")
    files.write_json(folder / "step.json", values)
    return 0


if __name__ == "__main__":
    sys.exit(main())
