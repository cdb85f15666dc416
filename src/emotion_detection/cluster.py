"""Ray, an optional engine: worker processes here or on a cluster; calls on a worker that dies start again elsewhere."""

import collections
import contextlib
import importlib.util
import logging
import os
from collections.abc import Callable, Hashable, Iterable, Iterator

from emotion_detection.errors import DataError, MissingFileError

log = logging.getLogger(__name__)

ATTEMPTS = 4
"""So often a call is started in all when its worker or machine dies under it."""

POLL_S = 0.5
OBJECT_STORE_BYTES = 512 * 1024**2
"""Memory shared by the workers of one machine: FER2013 takes 83 MB of it, and is there once."""

LOCAL_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray then binds to 127.0.0.1 on Linux, too
    "RAY_AUTH_MODE": "token",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""What Ray's own processes are told where we start them."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "TQDM_DISABLE": "1"}


class Lost(Exception):
    """The worker of a call died `ATTEMPTS` times."""


def require_ray() -> None:
    """Make sure that Ray is installed.

    Raises:
        MissingFileError: it is not; the message says how to install it.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingFileError(
            "Several processes or machines are driven by Ray, which is not installed here: it is the extra `cluster`. "
            'Run `pip install -e ".[cluster]"` in the project\'s folder; without it, `sweep --engine plain` trains one '
            "job after another, and `analyse` without --workers runs in one process."
        )


def own_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def connected(address: str | None = None, *, workers: int | None = None, threads: int = 1) -> Iterator[None]:
    """Start Ray on this machine's loopback, or join the cluster at `address`; leave it at the end.

    Where the process is connected already, that connection is used and kept.

    Args:
        address: such as "192.0.2.7:6379", as `ray start --head` prints it; None: start worker processes here.
        workers: how many are started here; None: as many as cores. A cluster has as many as its machines' cores.
        threads: cores of each worker.

    Raises:
        MissingFileError: Ray is not installed.
        DataError: no cluster answers at the address, or none of its machines has `threads` cores.
    """
    require_ray()
    logging.getLogger("ray").setLevel(logging.ERROR)
    if address is None:
        os.environ.update({name: os.environ.get(name, value) for name, value in LOCAL_VARIABLES.items()})
    import ray

    if ray.is_initialized():
        yield _check_cores(threads)
        return
    _join(address) if address else _start(threads * (workers or max(1, own_cores() // threads)))
    try:
        yield _check_cores(threads)
    finally:
        ray.shutdown()


def _start(cores: int) -> None:
    """Start Ray's processes on this machine."""
    import ray

    settings = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    ray.init("local", num_cpus=cores, object_store_memory=OBJECT_STORE_BYTES, **settings)


def _join(address: str) -> None:
    """Join a running cluster."""
    import ray

    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise DataError(
            f"No Ray cluster can be joined at {address} ({str(error).strip().splitlines()[0]}). Start one with `ray "
            "start --head` and pass the address that it prints; Ray and Python need the same versions on all machines."
        ) from error


def _check_cores(threads: int) -> None:
    import ray

    largest = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
    if threads > largest:
        raise DataError(
            f"A job asks for {threads} cores, but the largest machine that Ray has offers {largest:g}. Ask for fewer "
            "threads."
        )


def remote(function: Callable, *, threads: int):
    """Return a function to be called with `.remote(…)` on a worker that has `threads` cores and uses no more threads.

    Workers that call it are kept apart from others, since TensorFlow reads its number of threads once, at its start.
    """
    import ray

    backend = {"KERAS_BACKEND": os.environ["KERAS_BACKEND"]} if "KERAS_BACKEND" in os.environ else {}
    variables = dict.fromkeys(THREAD_VARIABLES, str(threads)) | QUIET | backend
    options = {"num_cpus": threads, "max_retries": 0, "runtime_env": {"env_vars": variables}}
    return ray.remote(**options)(function)


def results(
    start: Callable[[Hashable], object],
    keys: Iterable[Hashable],
    *,
    at_once: int | None = None,
    is_ready: Callable[[Hashable], bool] = lambda key: True,
    on_lost: Callable[[Hashable], None] = lambda key: None,
) -> Iterator[tuple]:
    """Start a call for each key and yield (key, result) as they end, and (None, None) every half second between.

    A call whose worker dies is started anew by `start`, which may give it what has arrived since. (Ray's own
    `max_retries` would repeat the call with its first arguments.)

    Args:
        start: key → the reference that `.remote(…)` returns.
        keys: in the order in which they are started.
        at_once: so many run at a time; None: as many as there are cores for.
        is_ready: whether a key can be started yet.
        on_lost: called with a key whose worker died.

    Yields:
        (key, result); instead of a result a `Lost`, where the worker died `ATTEMPTS` times.
    """
    import ray

    waiting, running, lost = list(keys), {}, collections.Counter()
    while waiting or running:
        for key in [key for key in waiting if is_ready(key)][: None if at_once is None else at_once - len(running)]:
            waiting.remove(key)
            running[start(key)] = key
        ended, _ = ray.wait(list(running), timeout=POLL_S)
        if not ended:
            yield None, None
        for reference in ended:
            key = running.pop(reference)
            try:
                yield key, ray.get(reference)
            except ray.exceptions.RayError as error:
                if isinstance(error, ray.exceptions.RayTaskError):
                    raise
                lost[key] += 1
                log.warning("The worker of %s died (%s).", key, type(error).__name__)
                if lost[key] == ATTEMPTS:
                    yield key, Lost(f"its worker died {ATTEMPTS} times ({type(error).__name__}: out of memory?)")
                    continue
                waiting.insert(0, key)
                on_lost(key)
