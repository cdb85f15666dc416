"""Sweeps: trainings over recipes and seeds, one run record each, one after another or on Ray's workers.

A recipe with folds is one job, which trains its folds in turn. What a job needs and makes travels through Ray: the
faces once to each machine, checkpoints, networks and records back, so that the machines need no folder in common.
"""

import contextlib
import dataclasses
import logging
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from emotion_detection import cluster, files, paths
from emotion_detection.data import FaceDataset
from emotion_detection.errors import MissingFileError, ProjectError, UnknownNameError
from emotion_detection.runs import store
from emotion_detection.training import catalog

log = logging.getLogger(__name__)

ENGINES = ("ray", "plain")
ENDED = ("recorded", "done", "failed")


@dataclasses.dataclass(frozen=True)
class Job:
    """One training: a recipe and its seed."""

    recipe: catalog.Recipe
    seed: int = store.FIRST_SEED

    @property
    def name(self) -> str:
        """Name of the run that it makes."""
        return f"{self.recipe.name}-s{self.seed}"

    @property
    def needs(self) -> list[str]:
        """Names of the runs whose networks it starts from or learns from, each once."""
        before = [f"{self.recipe.continues}-s{self.seed}"] if self.recipe.continues else []
        return list(dict.fromkeys([*before, *map(store.full_name, self.recipe.teachers)]))

    @property
    def epochs(self) -> int:
        """Epochs at most, over all folds."""
        return self.recipe.epochs * max(1, self.recipe.folds)


@dataclasses.dataclass
class Progress:
    """Where a job is.

    Args:
        job: which.
        state: "waiting", "running", "recorded" (before this sweep), "done" or "failed".
        epoch: finished epochs, over all folds.
        accuracy: after the last epoch, on PublicTest (in folds, on the fold held out), 0–1.
        ends_at_s: when it will end at the latest, on the clock of `time.monotonic`.
        reason: why it failed.
        restarts: how often it was started again because its worker died.
    """

    job: Job
    state: str = "waiting"
    epoch: int = 0
    accuracy: float | None = None
    ends_at_s: float | None = None
    reason: str = ""
    restarts: int = 0

    @property
    def left_s(self) -> float | None:
        """Seconds to its end at the latest, or None where that is not known."""
        return None if self.ends_at_s is None else max(0.0, self.ends_at_s - time.monotonic())


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What a job reports after an epoch; the checkpoint comes along (name and bytes) from another machine."""

    name: str
    epoch: int
    accuracy: float | None
    left_s: float | None
    checkpoint: tuple[str, bytes] | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a job ends with: its run and network (none in folds), or the reason why it failed, and what it logged."""

    run: store.Run | None = None
    network: bytes | None = None
    reason: str = ""
    logged: tuple[tuple[int, str], ...] = ()


def jobs(names: Iterable[str], *, seeds: Sequence[int] = (store.FIRST_SEED,)) -> list[Job]:
    """Return the jobs of some recipes with some seeds, each once.

    Raises:
        UnknownNameError: there is no such recipe.
    """
    return list(dict.fromkeys(Job(catalog.get_recipe(name), seed) for name in names for seed in seeds))


def with_needed(wanted: Sequence[Job]) -> list[Job]:
    """Return jobs after those whose networks they start from or learn from, and so on, each once."""
    found: dict[Job, None] = {}
    for job in wanted:
        before = [Job(catalog.get_recipe(recipe), seed) for recipe, seed in map(store.split_name, job.needs)]
        found |= dict.fromkeys([*with_needed(before), job])
    return list(found)


def train(
    wanted: Sequence[Job],
    dataset: FaceDataset | None,
    *,
    engine: str = "ray",
    address: str | None = None,
    workers: int | None = None,
    threads: int = 1,
    on_change: Callable[[list[Progress]], None] = lambda states: None,
) -> list[Progress]:
    """Train what is not recorded yet and record each run as soon as it ends.

    A job that fails does not stop the others. A call that is interrupted goes on from the last finished epochs, and so
    does a job whose worker dies. A job waits for those of the sweep that it continues or is taught by.

    Args:
        wanted: from `jobs`.
        dataset: faces with the official split; may be None if all is recorded.
        engine: "ray", or "plain" for one job after another in this process, with the threads that it has.
        address: of a Ray cluster; None: worker processes on this machine.
        workers: jobs at a time; None: as many as there are cores for.
        threads: cores of each job on Ray, and threads that it uses; the same number gives the same bits.
        on_change: called with the state of all jobs, in the order of `wanted`, when one has changed.

    Returns:
        The state in which each job ended.

    Raises:
        UnknownNameError: no such engine.
        MissingFileError: Ray is not installed.
        DataError: the results cannot be written, or the cluster does not answer.
    """
    if engine not in ENGINES:
        raise UnknownNameError(f"There is no engine {engine!r}. {store.nearest(engine, list(ENGINES))}")
    states = {
        job.name: Progress(job, "recorded" if store.is_recorded(job.name, here=True) else "waiting") for job in wanted
    }
    sweep = _Sweep(states, on_change)
    sweep.changed()
    if sweep.waiting():
        for folder in (paths.results_dir(), paths.run_cache_dir() / "checkpoints", paths.run_cache_dir() / "weights"):
            files.require_writable(folder)
        if engine == "plain":
            _one_after_another(sweep, dataset)
        else:
            _on_ray(sweep, dataset, address=address, workers=workers, threads=threads)
    return list(states.values())


class _Sweep:
    """The states of all jobs, and what is done when one changes."""

    def __init__(self, states: dict[str, Progress], on_change: Callable[[list[Progress]], None]):
        self.states, self.on_change = states, on_change

    def changed(self) -> None:
        self.on_change(list(self.states.values()))

    def waiting(self) -> list[str]:
        return [name for name, state in self.states.items() if state.state == "waiting"]

    def is_ready(self, name: str) -> bool:
        """Return whether the runs that a job needs have ended, or are not of this sweep."""
        return all(self.states[each].state in ENDED for each in self.states[name].job.needs if each in self.states)

    def heard(self, epoch: Epoch) -> None:
        """Take a report of a running job; keep its checkpoint, with which it goes on elsewhere."""
        state = self.states[epoch.name]
        state.state, state.epoch, state.accuracy = "running", epoch.epoch, epoch.accuracy
        state.ends_at_s = None if epoch.left_s is None else time.monotonic() + epoch.left_s
        if epoch.checkpoint:
            name, content = epoch.checkpoint
            with files.written_beside(paths.run_cache_dir() / "checkpoints" / name) as temporary:
                temporary.write_bytes(content)
        self.changed()

    def lost(self, name: str) -> None:
        """Note that a job's worker died and that it starts again."""
        state = self.states[name]
        state.state, state.ends_at_s, state.restarts = "waiting", None, state.restarts + 1
        self.changed()

    def ended(self, name: str, outcome: Outcome) -> None:
        """Write the network and the record of a job that is through, or note why it failed."""
        state = self.states[name]
        for level, line in outcome.logged:
            log.log(level, "%s: %s", name, line)
        if outcome.run is not None:
            _record(state.job, outcome)
        state.state, state.reason = "done" if outcome.run is not None else "failed", outcome.reason
        state.ends_at_s = None
        self.changed()


def _record(job: Job, outcome: Outcome) -> None:
    """Write what `training.train` would have written, in the same order."""
    if outcome.network is not None:
        with files.written_beside(store.weights_path(job.name)) as temporary:
            temporary.write_bytes(outcome.network)
    store.write_run(job.name, outcome.run.info, outcome.run.history, outcome.run.predictions, replace=True)
    for path in _checkpoints(job):
        path.unlink(missing_ok=True)


def _checkpoints(job: Job) -> list[Path]:
    """Return the checkpoints of a job, or of its folds, that are on this machine."""
    folder, fold = paths.run_cache_dir() / "checkpoints", "_fold*" if job.recipe.folds else ""
    return sorted(folder.glob(f"{job.recipe.name}{fold}-s{job.seed}-*.npz"))


def _one_after_another(sweep: _Sweep, dataset: FaceDataset) -> None:
    while sweep.waiting():
        name = next(name for name in sweep.waiting() if sweep.is_ready(name))
        sweep.ended(name, trained(sweep.states[name].job, dataset, report=sweep.heard))


def _on_ray(sweep: _Sweep, dataset: FaceDataset, *, address: str | None, workers: int | None, threads: int) -> None:
    with cluster.connected(address, workers=workers, threads=threads):
        import ray
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )  # no other machine's end takes the reports along
        reports = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        faces, call = ray.put(dataset), cluster.remote(_trained_by_worker, threads=threads)

        def start(name: str):
            job = sweep.states[name].job
            return call.remote(job, faces, carried(job), reports, _place())

        calls = cluster.results(start, sweep.waiting(), at_once=workers, is_ready=sweep.is_ready, on_lost=sweep.lost)
        for name, outcome in calls:
            for epoch in reports.get_nowait_batch(reports.qsize()):
                sweep.heard(epoch)
            if name is not None:
                lost = isinstance(outcome, cluster.Lost)
                sweep.ended(name, Outcome(reason=str(outcome)) if lost else outcome)


def carried(job: Job) -> dict[str, bytes]:
    """Return what a job needs in a cache, path below it → bytes: checkpoints, networks that it begins or learns from.

    Networks that are kept or shipped are sent, too, since another machine may have another version of the project.
    """
    found = {path: path for path in _checkpoints(job)}
    for name in job.needs:
        with contextlib.suppress(MissingFileError):  # the job says what is missing
            found[store.weights_path(name)] = store.trained_network(name)
    root = paths.run_cache_dir()
    return {place.relative_to(root).as_posix(): path.read_bytes() for place, path in found.items()}


def _place() -> tuple[str, str]:
    """Return what tells this machine, and its folder of checkpoints and networks, from others."""
    import ray

    return ray.get_runtime_context().get_node_id(), str(paths.run_cache_dir())


def _trained_by_worker(job: Job, dataset: FaceDataset, cache: dict[str, bytes], reports, home: tuple) -> Outcome:
    """Train a job in a process of Ray's; where the caller's cache is another one, with what it needs of that."""
    is_away = _place() != home
    for name, content in cache.items() if is_away else ():
        with files.written_beside(paths.run_cache_dir() / name) as temporary:
            temporary.write_bytes(content)
    with _logged() as lines:
        outcome = trained(job, dataset, report=reports.put, sends_checkpoints=is_away)
    return dataclasses.replace(outcome, logged=tuple(lines))


def trained(job: Job, dataset: FaceDataset, *, report: Callable, sends_checkpoints: bool = False) -> Outcome:
    """Train a job without recording it.

    Args:
        job: which.
        dataset: faces with the official split.
        report: called with an `Epoch` at the start and after each epoch.
        sends_checkpoints: whether each report carries the checkpoint.

    Returns:
        Its run and network; if it fails, the reason.
    """
    try:
        from emotion_detection.training import cross_validation

        reporter = _Reporter(job, report, sends_checkpoints=sends_checkpoints)
        hooks = {"on_epoch": reporter.epoch, "on_trained": reporter.keep}
        run = cross_validation.train(job.recipe, dataset, seed=job.seed, record=False, **hooks)
    except ProjectError as error:
        return Outcome(reason=str(error))
    except Exception as error:  # whatever a job fails of, the others go on
        log.error("%s", traceback.format_exc())
        return Outcome(reason=f"{type(error).__name__}: {error}")
    for path in reporter.histories if sends_checkpoints else ():
        path.unlink(missing_ok=True)
    return Outcome(run, reporter.network)


class _Reporter:
    """Turns what training tells of its epochs, fold after fold, into reports; keeps the network."""

    def __init__(self, job: Job, report: Callable, *, sends_checkpoints: bool):
        self.job, self.report, self.sends_checkpoints = job, report, sends_checkpoints
        self.histories: dict[Path, list[dict]] = {}
        self.network: bytes | None = None

    def epoch(self, history: list[dict], checkpoint: Path) -> None:
        """Report what is finished so far."""
        self.histories[checkpoint] = list(history)
        lines = [line for each in self.histories.values() for line in each]
        seconds = sum(line["seconds"] for line in lines) / len(lines) if lines else None
        sent = self.sends_checkpoints and checkpoint.is_file()
        self.report(
            Epoch(
                self.job.name,
                len(lines),
                lines[-1]["val_accuracy"] if lines else None,
                seconds and seconds * (self.job.epochs - len(lines)),
                (checkpoint.name, checkpoint.read_bytes()) if sent else None,
            )
        )

    def keep(self, network) -> None:
        """Keep a trained network as the bytes of its file; those of folds are not recorded."""
        if self.job.recipe.folds:
            return
        from emotion_detection.training import mobilenet

        with tempfile.TemporaryDirectory() as folder:
            self.network = mobilenet.save_model(network, Path(folder) / "network.keras").read_bytes()


@contextlib.contextmanager
def _logged():
    """Collect what this package logs, as (level, line), for another process to log."""
    lines: list[tuple[int, str]] = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: lines.append((record.levelno, record.getMessage()))
    logger = logging.getLogger("emotion_detection")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
