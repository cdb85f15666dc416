"""Running notebooks: what the terminal shows beside one line for each."""

import os
import subprocess
import sys

import pytest

from emotion_detection.errors import UnknownNameError
from emotion_detection.reporting import notebooks


def test_what_kernels_write_to_stderr_is_shown_only_where_a_notebook_fails(capfd):
    with notebooks._stderr_kept_aside():
        subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('notice')"], check=True)
    assert capfd.readouterr().err == ""
    with pytest.raises(RuntimeError), notebooks._stderr_kept_aside():
        os.write(2, b"the reason")
        raise RuntimeError
    assert "the reason" in capfd.readouterr().err


def test_appendices_come_after_the_numbered_notebooks():
    names = [path.name.partition("_")[0] for path in notebooks.notebook_paths()]
    assert names[0] == "00" and names[-1] == "D" and names == sorted(names)
    assert [path.name[:2] for path in notebooks.notebook_paths(["A", "05"])] == ["05", "A_"]
    with pytest.raises(UnknownNameError, match="99"):
        notebooks.notebook_paths(["99"])
