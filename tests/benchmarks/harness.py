"""What the benchmarks share: each way of doing something in a process of its own, taking turns.

A file of ways ends with `harness.serve(WAYS)`: run as a script with a way's name, it prepares that way, then does it
once for each line that it is sent, which says with which arguments. The ways of one comparison live side by side and
take turns, so that whatever slows the machine for a while slows all of them; while one works, the others sleep.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ANSWER = "answer "
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1", "PYTHONUNBUFFERED": "1"}


def serve(ways: dict[str, Callable[[dict], Callable[..., object]]]) -> None:
    """Be the process of one way: `python ways_….py NAME SETTINGS`; each line on standard input asks for one turn.

    A line holds the turn's arguments by name, as JSON.
    """
    settings = json.loads(sys.argv[2])
    turn = ways[sys.argv[1]](settings)
    print(ANSWER + json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        arguments = json.loads(line)
        began = time.perf_counter()
        extra = turn(**arguments)
        seconds = time.perf_counter() - began
        extra = extra if isinstance(extra, dict) else {}
        print(ANSWER + json.dumps({"seconds": seconds, "peak_mb": peak_mb(), **extra}), flush=True)


def peak_mb() -> float:
    """Return the highest memory that this process has had, in MB.

    Linux is asked for this program's own peak: what `getrusage` tells includes that of the process that started it.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


class Way:
    """One way of doing something, in a process of its own, which is started at once and gets ready by itself.

    Args:
        script: the file of ways, such as "ways_faces.py".
        name: of the way in it.
        settings: for the way; JSON.
        python: the interpreter, where the way has a virtual environment of its own.
        environment: further variables.
    """

    def __init__(
        self,
        script: str,
        name: str,
        settings: dict | None = None,
        *,
        python: Path | None = None,
        environment: dict[str, str] | None = None,
    ):
        self.name, self.turns, self._is_ready = name, [], False
        command = [str(python or sys.executable), str(FOLDER / script), name, json.dumps(settings or {})]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._process = subprocess.Popen(command, text=True, env=os.environ | QUIET | (environment or {}), **pipes)

    def wait(self) -> None:
        """Return once it is ready to take turns."""
        if not self._is_ready:
            self._answer()
            self._is_ready = True

    def turn(self, **arguments) -> dict:
        """Do it once, with these arguments; return "seconds", "peak_mb" and what else the way tells."""
        self.wait()
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        self.turns.append(self._answer())
        return self.turns[-1]

    def _answer(self) -> dict:
        for line in self._process.stdout:
            if line.startswith(ANSWER):
                return json.loads(line.removeprefix(ANSWER))
        raise RuntimeError(f"{self.name} ended with {self._process.wait()}: {self._process.stderr.read()[-2000:]}")

    @property
    def seconds(self) -> list[float]:
        """Of each turn, as the way itself measured it."""
        return [turn["seconds"] for turn in self.turns]

    @property
    def peak_mb(self) -> float:
        """Highest memory of its process so far."""
        return max(turn["peak_mb"] for turn in self.turns)

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._process.stderr.close()


def alternate(ways: list[Way], *, rounds: int, warm_up: bool = True, say: str = "", **arguments) -> None:
    """Let ways take turns, with these arguments; the first turn of each, which loads and compiles, is not kept."""
    for way in ways:
        if warm_up:
            way.turn(**arguments)
        way.turns.clear()
    for number in range(rounds):
        for way in ways:
            way.turn(**arguments)
        progress(f"{say} round {number + 1}/{rounds}: " + ", ".join(f"{w.name} {shown(w.seconds[-1])}" for w in ways))


def shown(seconds: float) -> str:
    """Return a time in fitting units."""
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def progress(words: str) -> None:
    """Print a line, at once."""
    print(words, flush=True)


@contextlib.contextmanager
def closing(*started: Way):
    """Hand on ways once all are ready (they get ready side by side), and end them when the block ends."""
    try:
        for way in started:
            way.wait()
        yield started
    finally:
        for way in started:
            way.close()
