"""TL top for 40 epochs: frozen features computed once, against fitting the full network every epoch.

Both in one run, same seed, same batches, same faces: 2,000 of Training and 500 of PublicTest (`--rows` for more; the
gain grows with the number of epochs, not with that of rows). Prints the ratio of the times, feature extraction
included, and how far the two histories are apart. `python tests/benchmarks/bench_tl_top.py`
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np

from emotion_detection import models, paths, recipes, training
from emotion_detection.datasets import FaceDataset, load_fer2013, load_sample
from emotion_detection.errors import MissingFileError


def some_faces(rows: int) -> FaceDataset:
    """Return the first `rows` Training faces and a quarter as many of PublicTest, of FER2013 or of the drawn sample."""
    try:
        dataset = load_fer2013()
    except MissingFileError:
        dataset = load_sample(int(rows * 1.3))
    chosen = [
        np.flatnonzero(dataset.usage == "Training")[:rows],
        np.flatnonzero(dataset.usage == "PublicTest")[: rows // 4],
    ]
    return dataset[np.concatenate(chosen)]


def timed(recipe: recipes.Recipe, dataset: FaceDataset, *, cache_features: bool):
    """Train in a folder of its own, so that nothing is cached before; return seconds and history."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(paths, "run_cache_dir", lambda: Path(folder)):
        began = time.perf_counter()
        run = training.train(recipe, dataset, record=False, cache_features=cache_features)
        return time.perf_counter() - began, run.history


def main() -> int:
    """Run both ways and print what they took and where they ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    recipe = dataclasses.replace(recipes.TL_TOP, epochs=arguments.epochs)
    try:
        models.find_imagenet_weights()
    except MissingFileError:
        print("ImageNet weights not found: random ones are used; the times are the same, the accuracy is not a result.")
        recipe = dataclasses.replace(recipe, weights=None)
    dataset = some_faces(arguments.rows)
    print(f"{dataset}, {recipe.epochs} epochs")
    cached_s, cached = timed(recipe, dataset, cache_features=True)
    full_s, full = timed(recipe, dataset, cache_features=False)
    apart = np.abs(cached[["loss", "val_loss"]] - full[["loss", "val_loss"]]).to_numpy().max()
    print(f"frozen part once:   {cached_s:7.1f} s, PublicTest {cached['val_accuracy'].iloc[-1]:.4f}")
    print(f"full network:       {full_s:7.1f} s, PublicTest {full['val_accuracy'].iloc[-1]:.4f}")
    ratio = full_s / cached_s
    print(f"ratio {ratio:.1f}, goal 10 over 40 epochs; losses at most {apart:.2g} apart in any epoch")
    return 0 if ratio >= 10 and apart < 1e-3 else 1


if __name__ == "__main__":
    sys.exit(main())
