"""Terminals of any code page get readable text, and commands in messages work as they are typed."""

import io
import os
import signal
import subprocess
import sys

import pytest

from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.reporting import terminal

TEXT = "70.4–73.3 % of 48×48 … −1.2 ≥ 笑顔.jpg caf\udce9.jpg"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", r"70.4-73.3 % of 48x48 ... -1.2 >= \u7b11\u9854.jpg caf\xe9.jpg"),
        ("cp437", r"70.4-73.3 % of 48x48 ... -1.2 ≥ \u7b11\u9854.jpg caf\xe9.jpg"),
        ("cp1252", r"70.4–73.3 % of 48×48 … -1.2 >= \u7b11\u9854.jpg caf\xe9.jpg"),
        ("cp932", r"70.4-73.3 % of 48×48 … －1.2 >= 笑顔.jpg caf\xe9.jpg"),
        ("utf-8", r"70.4–73.3 % of 48×48 … −1.2 ≥ 笑顔.jpg caf\xe9.jpg"),
    ],
)
def test_signs_that_a_code_page_lacks_are_written_in_another_way(monkeypatch, encoding, expected):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    terminal.make_readable()
    for stream in (sys.stdout, sys.stderr):
        stream.write(TEXT)
        stream.flush()
        assert stream.buffer.getvalue().decode(encoding) == expected


@pytest.mark.parametrize("encoding", ["ascii", "cp932"])
def test_a_command_writes_its_tables_in_any_code_page(encoding):
    done = subprocess.run(
        [sys.executable, "-m", "emotion_detection", "runs"],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert b"tl_whole-s0" in done.stdout


MESSAGE = "Make it: python -m emotion_detection train tl_top."


@pytest.mark.parametrize(
    ("executable", "on_path", "expected"),
    [
        ("{here}/.venv/bin/python", None, ".venv/bin/python -m emotion_detection train"),
        ("{here}/.venv/bin/python3.12", "{here}/.venv/bin/python", "Make it: python -m emotion_detection train"),
        ("/opt/a b/bin/python", None, "'/opt/a b/bin/python' -m emotion_detection train"),
        ("/opt/bin/python", "/usr/bin/python", "/opt/bin/python -m emotion_detection train"),
        ("", None, "Make it: python -m emotion_detection train"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="paths are POSIX's")
def test_a_command_in_an_error_is_called_as_this_python_was(tmp_path, monkeypatch, executable, on_path, expected):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", executable.format(here=tmp_path))
    monkeypatch.setattr("shutil.which", lambda name: on_path and on_path.format(here=tmp_path))
    for kind in (DataError, UnknownNameError):
        assert expected in str(kind(MESSAGE))
        assert str(kind(f"Failed: {kind(MESSAGE)}")) == f"Failed: {kind(MESSAGE)}"


WAITS = """
import sys, tempfile, time, typer
from emotion_detection.cli import main

@main.app.command("wait")
def wait():
    open(tempfile.mkstemp()[1], "w").write("half")
    print("waiting", flush=True)
    time.sleep(600)

sys.argv[1:] = ["wait"]
main.main()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_command_that_is_ended_leaves_no_temporary_file_behind(tmp_path, number):
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, as under nohup, and by what is started here")

    def started():
        command = subprocess.Popen(
            [sys.executable, "-c", WAITS], env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE
        )
        command.stdout.readline()
        return command

    with started() as command:
        assert len(list(tmp_path.rglob("tmp*"))) == 1
        command.send_signal(number)
    if number == signal.SIGKILL:  # nobody can do anything then: the next command does
        with started() as command:
            command.terminate()
    assert list(tmp_path.iterdir()) == []
