"""Answers of the `fer` package, in a process of its own: `bench_live.py` sends names of JPEG files and reads times.

It lives in a virtual environment of its own (see `install`), because its pins are not ours.
"""

import json
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

FER = "fer==25.10.3"
NEEDS = (
    "tensorflow>=2.0.0",
    "opencv-contrib-python<5",  # it uses the Haar cascade, which OpenCV 5 does not have
    "setuptools<81",  # it imports pkg_resources, which later setuptools do not have
    "moviepy>=1.0.3,<2.0",
    "ffmpeg-python>=0.2.0",
    "matplotlib",
    "pandas",
    "Pillow",
    "requests",
    "tqdm>=4.62.1",
)
"""What it asks for, but facenet-pytorch and so PyTorch (gigabytes): its MTCNN detector, which is not measured here."""


def python_in(folder: Path) -> Path:
    """Return the interpreter of the virtual environment in a folder."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(folder: Path) -> str | None:
    """Put fer into a virtual environment of its own, once (some minutes); return why that is not possible, or None."""
    done = folder / ".installed"
    if done.is_file() and done.read_text() == FER:
        return None
    print(f"Making a virtual environment for {FER} (some minutes, once) …", flush=True)
    venv.create(folder, clear=True, with_pip=True)
    for wanted in (NEEDS, ("--no-deps", FER)):
        command = [str(python_in(folder)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
        tried = subprocess.run(command, capture_output=True, text=True)
        if tried.returncode:
            lines = tried.stderr.strip().splitlines() or ["no reason given"]
            return f"{FER} cannot be installed, so it is left out: {lines[-1]}"
    done.write_text(FER)
    return None


class Peer:
    """fer in a process of its own, called as a function from JPEG files to milliseconds and faces per frame."""

    def __init__(self, folder: Path):
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        command = [str(python_in(folder)), str(Path(__file__).resolve())]
        self.process = subprocess.Popen(command, text=True, env=environment, **pipes)

    def __call__(self, files: list[Path]) -> dict[str, list]:
        """Return "ms" and "faces", a value per file."""
        self.process.stdin.write(json.dumps([str(path) for path in files]) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("answer "):
                return json.loads(line.removeprefix("answer "))
        raise RuntimeError(f"fer ended with {self.process.wait()}: run peer_fer.py by hand to see why")

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait(20)


def main() -> None:
    """Read a JSON list of JPEG files per line; answer each with a JSON list of milliseconds and of faces found."""
    import cv2
    import numpy as np
    from fer.fer import FER as Detector

    detector = Detector()
    for line in sys.stdin:
        times_ms, faces = [], []
        for path in json.loads(line):
            data = Path(path).read_bytes()
            began = time.perf_counter()
            bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            found = detector.detect_emotions(bgr)
            times_ms.append(1000 * (time.perf_counter() - began))
            faces.append(len(found))
        print("answer", json.dumps({"ms": times_ms, "faces": faces}), flush=True)


if __name__ == "__main__":
    main()
