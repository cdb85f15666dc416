"""Commands killed at any moment: no name holds half a file, and the next start leaves nothing of them behind."""

import collections
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emotion_detection import paths
from emotion_detection.data import load_sample
from emotion_detection.live import demo_clip

KILLS = 5  # of each command
SEED = 0

PROGRAM = """
import pathlib, sys
from emotion_detection import paths
paths.project_root = lambda: pathlib.Path.cwd()
from emotion_detection.cli import main
main.main()
"""

COMMANDS = {
    "train": "train tl_top --epochs 2 --faces 280",
    "pictures": "analyse pictures --csv faces.csv --annotated drawn",
    "video": "analyse clip.mp4 --csv rows.csv --annotated drawn.mp4 --plot rows.png",
    "export": "export float16 --output exported/network.tflite",
    "check": "data check sample.csv",
}


def project(folder: Path) -> Path:
    """A project of its own with the shipped networks, pictures, a video and drawn faces as a FER2013 of 210 rows."""
    for name in ("data/raw", "pictures", "temporary", "home"):
        (folder / name).mkdir(parents=True)
    for name in ("models", "sample", "results"):
        (folder / "data" / name).symlink_to(paths.project_root() / "data" / name)
    for number in range(4):
        shutil.copy(paths.sample_dir() / "astronaut.webp", folder / "pictures" / f"{number}.webp")
    demo_clip.write(folder / "clip.mp4", seconds=1.5)
    drawn = load_sample(210)
    rows = zip(drawn.emotion, drawn.pixels, drawn.usage, strict=True)
    lines = [f"{emotion},{' '.join(map(str, pixels.reshape(-1)))},{usage}" for emotion, pixels, usage in rows]
    (folder / "sample.csv").write_text("\n".join(["emotion,pixels,Usage", *lines, ""]))
    return folder


def start(command: str, folder: Path) -> subprocess.Popen:
    ours = {"EMOTION_OUTPUT_DIR": str(folder / "output"), "TMPDIR": str(folder / "temporary"), "OMP_NUM_THREADS": "1"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("EMOTION_")}
    environment = kept | ours | {"XDG_CACHE_HOME": str(folder / "home"), "HOME": str(folder / "home")}
    arguments = [sys.executable, "-c", PROGRAM, *command.split()]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(arguments, cwd=folder, env=environment, start_new_session=True, **quiet)


def files_in(folder: Path) -> dict[str, list[int]]:
    """Name → size of each file, in folders that are the project's own; digests in names are left out."""
    found = collections.defaultdict(list)
    for root, folders, names in os.walk(folder):  # does not follow links
        folders[:] = [name for name in folders if name != "home"]
        for path in (Path(root) / name for name in names):
            found[re.sub(r"[0-9a-f]{12,}", "#", str(path.relative_to(folder)))].append(path.stat().st_size)
    return found


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_killed_at_random_moments_a_command_leaves_nothing_behind_after_the_next_start(tmp_path, command):
    undisturbed, killed = project(tmp_path / "undisturbed"), project(tmp_path / "killed")
    began = time.monotonic()
    code = start(command, undisturbed).wait()
    duration_s, expected = time.monotonic() - began, files_in(undisturbed)
    moments = random.Random(f"{SEED} {command}")
    before, stopped = files_in(killed), 0
    while stopped < KILLS:
        running = start(command, killed)
        time.sleep(moments.uniform(0.2, 1) * duration_s)
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            stopped += 1
        else:  # a run that is recorded is not trained again
            shutil.rmtree(killed / "output", ignore_errors=True)
        running.wait()
        for name in files_in(killed).keys() & expected.keys() - before.keys():
            if not name.endswith((".json", ".csv", "rows.png")):  # times; rows are written as they are found
                for size in files_in(killed)[name]:
                    assert any(size == pytest.approx(whole, rel=0.01) for whole in expected[name]), name
    assert start(command, killed).wait() == code
    left = files_in(killed)
    assert {name: len(left[name]) for name in left} == {name: len(expected[name]) for name in expected}
