"""The `fer` package in a virtual environment of its own, because its pins are not ours."""

import os
import subprocess
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
