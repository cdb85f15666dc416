"""What the tests of the command line share."""

import os
import sys

import pytest

from emotion_detection.cli import main


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
