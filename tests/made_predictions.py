"""Predictions and runs made up for tests of scores."""

import numpy as np
import pandas as pd

from emotion_detection.runs.run import Predictions, Run

TWINS = {"PublicTest_identical": [0], "PublicTest_near": [0, 1], "PrivateTest_identical": [2], "PrivateTest_near": [2]}
TWINS = {key: np.array(rows, np.int32) for key, rows in TWINS.items()}


def predictions_of(label, predicted, *, split="PublicTest", logit=5.0, row=None):
    """Predictions with the given answers, each with the same logit."""
    label, predicted = np.asarray(label, np.int8), np.asarray(predicted, int)
    logits = np.zeros((len(label), 7), np.float32)
    logits[np.arange(len(label)), predicted] = logit
    row = np.arange(len(label), dtype=np.int32) if row is None else np.asarray(row, np.int32)
    return Predictions(split, row, label, logits)


def random_predictions(n=3000, *, seed=0, scale=1.0, right=0.6, split="PublicTest"):
    """Predictions of which about `right` are right, over unequal classes."""
    rng = np.random.default_rng(seed)
    label = rng.choice(7, n, p=[0.14, 0.02, 0.14, 0.25, 0.16, 0.12, 0.17]).astype(np.int8)
    logits = rng.normal(size=(n, 7))
    chosen = np.where(rng.random(n) < right, label, rng.integers(0, 7, n))
    logits[np.arange(n), chosen] += 3.0
    return Predictions(split, np.arange(n, dtype=np.int32), label, (scale * logits).astype(np.float32))


def calibrated_predictions(n=10000, *, scale=1.0, seed=0):
    """Predictions whose labels are drawn from their own probabilities, then with logits multiplied by `scale`."""
    rng = np.random.default_rng(seed)
    logits = 2.0 * rng.normal(size=(n, 7))
    label = (logits + rng.gumbel(size=(n, 7))).argmax(axis=1).astype(np.int8)
    return Predictions("PublicTest", np.arange(n, dtype=np.int32), label, (scale * logits).astype(np.float32))


def run_of(*predictions, recipe="TL whole", seed=0, data="FER2013", **info):
    record = {"run": "tl_whole-s0", "recipe": {"name": "tl_whole", "display_name": recipe}, "seed": seed}
    record |= {"data": {"name": data}, "metrics": {}} | info
    return Run(f"tl_whole-s{seed}", record, pd.DataFrame(), {each.split: each for each in predictions})


# Three angry faces (two right, one called fear), two fear (one right), one happy (called angry).
SMALL = predictions_of([0, 0, 0, 2, 2, 3], [0, 0, 2, 2, 0, 0])
