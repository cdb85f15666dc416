"""Sweeps: trainings over recipes and seeds, one run record each, one after another here or side by side on Ray.

A recipe with folds is one job, which trains its folds in turn. On a cluster the machines share a folder: the project,
or `EMOTION_OUTPUT_DIR`, lies on storage that all of them see under the same path (NFS, say). Checkpoints, networks and
records are in it, so that a job whose worker or machine dies goes on elsewhere from its last epoch.
"""

import dataclasses
import logging
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tqdm.auto import tqdm

from emotion_detection import files, paths
from emotion_detection.data import FaceDataset
from emotion_detection.errors import DataError, ProjectError
from emotion_detection.runs import cluster, store
from emotion_detection.training import catalog
from emotion_detection.training.recipe import Recipe

log = logging.getLogger(__name__)

PASSED_VARIABLES = ("KERAS_BACKEND", "EMOTION_OUTPUT_DIR", "EMOTION_PICTURES")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@dataclasses.dataclass(frozen=True)
class Job:
    """One training: a recipe and its seed."""

    recipe: Recipe
    seed: int = store.FIRST_SEED

    @property
    def name(self) -> str:
        """Name of the run that it makes."""
        return f"{self.recipe.name}-s{self.seed}"

    @property
    def needs(self) -> list[str]:
        """Names of the runs whose networks it starts from or learns from, each once."""
        continues = self.recipe.network.continues
        before = [f"{continues}-s{self.seed}"] if continues else []
        return list(dict.fromkeys([*before, *map(store.full_name, self.recipe.targets.teachers)]))


def jobs(names: Iterable[str], *, seeds: Sequence[int] = (store.FIRST_SEED,), needed: bool = False) -> list[Job]:
    """Return the jobs of the recipes of these names with these seeds, each once.

    `needed` puts those before whose networks they start from or learn from, and so on.

    Raises:
        UnknownNameError: there is no such recipe.
    """
    wanted = list(dict.fromkeys(Job(catalog.get_recipe(name), seed) for name in names for seed in seeds))
    return _with_needed(wanted) if needed else wanted


def _with_needed(wanted: Sequence[Job]) -> list[Job]:
    found: dict[Job, None] = {}
    for job in wanted:
        before = [Job(catalog.get_recipe(recipe), seed) for recipe, seed in map(store.split_name, job.needs)]
        found |= dict.fromkeys([*_with_needed(before), job])
    return list(found)


def train(
    wanted: Sequence[Job],
    dataset: FaceDataset | None,
    *,
    address: str | None = None,
    workers: int | None = None,
    threads: int = 1,
) -> dict[str, str]:
    """Train what is not recorded yet; each run is recorded as soon as it ends.

    A job that fails does not stop the others. A call that is interrupted goes on from the last finished epochs, and so
    does a job whose worker dies. A job waits for those of the sweep that it continues or is taught by.

    Args:
        wanted: from `jobs`.
        dataset: faces with the official split; None will do if all is recorded.
        address: of a Ray cluster, as `ray start --head` prints it; its machines share a folder (see above).
        workers: jobs at a time in processes of Ray's on this machine. With neither, one job after another is trained in
            this process, with all its cores and without Ray.
        threads: cores of each job on Ray, and threads that it uses; the same number gives the same bits.

    Returns:
        Name of each job that failed → why.

    Raises:
        MissingFileError: Ray is asked for and not installed.
        DataError: the results cannot be written, or the cluster does not answer.
    """
    waiting = [job for job in wanted if not store.is_recorded(job.name, here=True)]
    if not waiting:
        return {}
    for folder in (paths.results_dir(), paths.run_cache_dir() / "checkpoints", paths.run_cache_dir() / "weights"):
        files.require_writable(folder)
    if address or workers:
        ended = _on_ray(waiting, dataset, address=address, workers=workers, threads=threads)
    else:
        ended = ((job.name, _trained(job, dataset)) for job in _in_order(waiting))
    failed = {}
    with tqdm(total=len(waiting), desc="sweep", unit="run") as bar:
        for name, reason in ended:
            bar.update()
            bar.write(f"{name}: {f'failed: {reason}' if reason else 'recorded'}")
            if reason:
                failed[name] = reason
    return failed


def _in_order(waiting: Sequence[Job]) -> list[Job]:
    """Return jobs so that each comes after those of them that it needs."""
    by_name, found = {job.name: job for job in waiting}, {}

    def add(job: Job) -> None:
        for name in job.needs:
            if name in by_name:
                add(by_name[name])
        found[job.name] = job

    for job in waiting:
        add(job)
    return list(found.values())


def _trained(job: Job, dataset: FaceDataset) -> str:
    """Train and record a job; return why it failed, or an empty text."""
    try:
        from emotion_detection.training import trainer

        trainer.train(job.recipe, dataset, seed=job.seed)
    except ProjectError as error:
        return str(error)
    except Exception as error:  # whatever a job fails of, the others go on
        log.exception("%s failed", job.name)
        return f"{type(error).__name__}: {error}"
    return ""


def _on_ray(
    waiting: Sequence[Job], dataset: FaceDataset, *, address: str | None, workers: int | None, threads: int
) -> Iterator[tuple[str, str]]:
    """Train jobs side by side; yield the name of each as it ends, and why it failed."""
    shared = paths.run_cache_dir() / f"sweep-{uuid.uuid4().hex}"
    with cluster.connected(address, cores=threads * (workers or 1)):
        import ray

        largest = max(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"])
        if threads > largest:
            raise DataError(f"A job asks for {threads} cores, but the largest machine has {largest:g}. Ask for fewer.")
        passed = {name: os.environ[name] for name in PASSED_VARIABLES if name in os.environ}
        variables = dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"TQDM_DISABLE": "1"} | passed
        call = ray.remote(num_cpus=threads, max_retries=cluster.RETRIES, runtime_env={"env_vars": variables})(
            _trained_by_worker
        )
        faces, started = ray.put(dataset), {}
        shared.touch()
        try:
            for job in _in_order(waiting):
                before = [started[name] for name in job.needs if name in started]
                started[job.name] = call.remote(job, faces, shared.name, str(shared.parent), *before)
            names = {reference: name for name, reference in started.items()}
            while names:
                (reference,), _ = ray.wait(list(names))
                try:
                    reason = ray.get(reference)
                except ray.exceptions.RayError as error:
                    reason = cluster.why_lost(error)
                yield names.pop(reference), reason
        finally:
            shared.unlink(missing_ok=True)


def _trained_by_worker(job: Job, dataset: FaceDataset, mark: str, folder: str, *before: str) -> str:
    """Train a job in a process of Ray's, once the jobs that it needs have ended; return why it failed."""
    if store.is_recorded(job.name, here=True):  # by a worker that died before it could say so
        return ""
    if not (Path(folder) / mark).is_file() or not (paths.run_cache_dir() / mark).is_file():
        return (
            f"the machine that was to train it does not see {folder}. Put the project on storage that all machines "
            "share under the same path, or set EMOTION_OUTPUT_DIR to a folder on such storage"
        )
    return _trained(job, dataset)
