"""Damaged inputs raise the project's errors and nothing else, soon, in bounded memory; see `fuzzing` for more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fuzzing.py")


def fuzz(tmp_path, inputs: int) -> None:
    command = [sys.executable, str(SCRIPT), "--inputs", str(inputs), "--keep", str(tmp_path / "failures")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]


def test_damaged_files_raise_the_projects_errors_and_nothing_else(tmp_path):
    fuzz(tmp_path, 300)


@pytest.mark.slow
def test_many_damaged_files_do_so_too(tmp_path):
    """FUZZ_INPUTS says how many."""
    fuzz(tmp_path, int(os.environ.get("FUZZ_INPUTS", "6000")))
