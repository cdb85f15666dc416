"""Ray, for jobs side by side: processes on this machine, or a cluster of machines."""

import contextlib
import importlib.util
import logging
import os
import socket
from collections.abc import Iterator

from emotion_detection import files
from emotion_detection.errors import DataError, MissingFileError

RETRIES = 3
"""How often Ray starts a job again whose worker or machine died."""


@contextlib.contextmanager
def connected(address: str | None, *, cores: int | None = None) -> Iterator[None]:
    """Join the cluster at an address, or start Ray's processes on this machine's loopback, for the length of a block.

    A connection that is there already is used, and kept.

    Args:
        address: as `ray start --head` prints it; None: this machine.
        cores: how many of this machine's to use; None: all.

    Raises:
        MissingFileError: Ray is not installed.
        DataError: the cluster does not answer, or Ray's processes do not start.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingFileError(
            "Several processes or machines are driven by Ray, which is not installed here: it is the extra `cluster`. "
            "Run `python -m pip install 'emotion-detection[cluster]'`, or leave out --workers and --address: then one "
            "process does the work, without Ray."
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # for Ray's own processes; it has no other switch
    import ray

    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            ray.init("local", num_cpus=cores, include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
        else:
            host, _, port = address.removeprefix("ray://").rpartition(":")
            if port.isdecimal():  # Ray itself tries for minutes where nothing listens
                socket.create_connection((host, int(port)), timeout=5).close()
            ray.init(address, **quiet)
    except (ray.exceptions.RayError, OSError, RuntimeError, ValueError) as error:
        reason = files.reason_of(error)
        if address is None:
            raise DataError(f"Ray's workers do not start here ({reason}). Try fewer --workers, or none.") from error
        raise DataError(
            f"No Ray cluster can be joined at {address} ({reason}). Start one with `ray start --head` and pass the "
            "address that it prints; Ray and Python need the same versions on all machines."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def why_lost(error: Exception) -> str:
    """Return why a job has no result, from Ray's error: its worker died each time that it was started."""
    return f"its worker died {RETRIES + 1} times ({type(error).__name__}: out of memory?)"
