"""What made a record: the commit and whether the tree was clean, package versions and their bounds, the hardware."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from emotion_detection import paths

DISTRIBUTION = "emotion-detection"
PACKAGES = ("keras", "numpy", "opencv-python-headless")
"""Packages beside the backend whose versions decide a result, and which a record names."""


def of_this_process(backend: str, devices: list[str]) -> dict:
    """Return the part of `run.json` that says what made it.

    Args:
        backend: of Keras: "tensorflow", "jax" or "torch".
        devices: names of those that it sees.

    Returns:
        `code` (see `code`), `packages` (name → version), `packages_within_bounds` (see `outside_bounds`), `backend`,
        `python`, `hardware`, `finished`.
    """
    packages = {name: importlib.metadata.version(name) for name in (backend, *PACKAGES)}
    return {
        "code": code(),
        "packages": packages,
        "packages_within_bounds": not outside_bounds(packages),
        "backend": backend,
        "python": platform.python_version(),
        "hardware": hardware(devices),
        "finished": datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat(),
    }


def code() -> dict | None:
    """Return the `commit` that is checked out, and whether tracked files are as it has them (`clean`).

    None where the project is no git repository, or git is not installed.
    """
    folder = paths.checkout()  # None if installed as a package: what lies around it may be another's repository
    if folder is None or not (folder / ".git").exists():
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "clean": not _git(folder, "status", "--porcelain", "--untracked-files=no")}
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def outside_bounds(packages: dict[str, str]) -> dict[str, str]:
    """Return name → bounds of the packages whose versions are not within those that the project was installed with."""
    bounds = {found.name: found.specifier for found in map(Requirement, importlib.metadata.requires(DISTRIBUTION))}
    return {
        name: str(bounds[name])
        for name, version in packages.items()
        if name in bounds and not bounds[name].contains(version, prereleases=True)
    }


def hardware(devices: list[str]) -> dict:
    """Return what a reader needs to judge the times.

    These are system, cores of this process, memory, devices that Keras sees, threads where TensorFlow was given a
    number, and how many processes wanted the machine in the last minute (more than `cores`: others slowed this one).
    """
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores,
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "devices": devices,
        **({"threads": int(threads)} if threads else {}),
        **({"load": round(os.getloadavg()[0], 1)} if hasattr(os, "getloadavg") else {}),
    }
