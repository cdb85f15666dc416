"""The command line in this process, and a made-up run."""

import os
import sys

import numpy as np
import pandas as pd
import pytest

from emotion_detection.cli import main
from emotion_detection.runs import store
from emotion_detection.training import catalog


@pytest.fixture
def call(capsys, monkeypatch):
    """Call the command line in this process; return exit code, standard output, standard error."""

    def _call(*arguments: str):
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv(
            "TQDM_DISABLE", os.environ.get("TQDM_DISABLE", "")
        )  # `sweep` sets it; put back after each test
        monkeypatch.setattr(sys, "argv", ["emotion_detection", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main.main()
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, captured.err

    return _call


def predictions(split: str, n: int = 140, seed: int = 0) -> store.Predictions:
    generator = np.random.default_rng(seed)
    label = np.arange(n, dtype=np.int8) % 7
    logits = generator.normal(size=(n, 7)).astype(np.float32)
    logits[np.arange(n), label] += 1.5
    return store.Predictions(split, np.arange(n, dtype=np.int32), label, logits)


@pytest.fixture
def recorded(isolated):
    """A made-up run, recorded in the test's own folder."""
    info = {
        "run": "tl_top-s0",
        "recipe": catalog.TL_TOP.settings() | {"display_name": "TL top"},
        "seed": 0,
        "data": {"name": "drawn sample", "fingerprint": "0" * 64},
        "metrics": {},
        "parameters": {"all": 10, "trained": 7},
        "hardware": {"system": "Linux", "cores": 2, "devices": ["cpu:0"]},
        "temperature": 1.3,
        "final": {"at": "2026-01-01T00:00:00+00:00"},
        "wall_time_s": 90.0,
    }
    history = pd.DataFrame(
        {"epoch": [1], "loss": [1.5], "accuracy": [0.4], "val_loss": [1.6], "val_accuracy": [0.3], "seconds": [90.0]}
    )
    found = {split: predictions(split) for split in ("PublicTest", "PrivateTest")}
    store.write_run("tl_top", info, history, found)
    return isolated
