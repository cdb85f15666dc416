"""Sweeps: on a Ray cluster of two machines the same as one after another; what dies, goes on; what fails, is told."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from emotion_detection import paths
from emotion_detection.data import load_sample
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.runs import store
from emotion_detection.training import catalog, sweep, trainer

FIRST = catalog.TL_TOP.fast().replace(name="first", epochs=2, batch_norm_batches=1)
SECOND = FIRST.replace(name="second", continues="first")
FOLDS = FIRST.replace(name="in_folds", folds=2)
LONG = FIRST.replace(name="long", epochs=150)
ORPHAN = FIRST.replace(name="orphan", continues="nothing")
JOBS = [sweep.Job(SECOND), sweep.Job(FIRST), sweep.Job(FIRST, 1), sweep.Job(FOLDS)]
LONG_JOBS = [sweep.Job(LONG), sweep.Job(LONG, 1)]

ONE_AFTER_ANOTHER = """
import sys
sys.path.insert(0, sys.argv[1])
import test_sweep
from emotion_detection.training import sweep
sys.exit(str(sweep.train(test_sweep.JOBS + test_sweep.LONG_JOBS, test_sweep.some_faces()) or "") or None)
"""


def some_faces():
    return load_sample(140, seed=0)


@pytest.fixture(scope="module")
def one_after_another(tmp_path_factory) -> Path:
    """The records of all jobs, trained without Ray by one thread, as Ray's workers have it."""
    folder = tmp_path_factory.mktemp("plain")
    variables = dict.fromkeys(sweep.THREAD_VARIABLES, "1") | {"EMOTION_OUTPUT_DIR": str(folder), "TQDM_DISABLE": "1"}
    command = [sys.executable, "-c", ONE_AFTER_ANOTHER, str(Path(__file__).parent)]
    subprocess.run(command, env=os.environ | variables, check=True)
    return folder


@pytest.fixture(scope="module")
def machines(two_machines, tmp_path_factory):
    """A Ray cluster of two machines that share a folder; the first is this process's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTION_OUTPUT_DIR", str(tmp_path_factory.mktemp("shared")))
        yield two_machines


def assert_same_run(name: str, expected: Path, monkeypatch) -> None:
    """Predictions bit by bit, and the history but for seconds."""
    found = store.load_run(name)
    with monkeypatch.context() as patch:
        patch.setenv("EMOTION_OUTPUT_DIR", str(expected))
        wanted = store.load_run(name)
    for part, predictions in wanted.predictions.items():
        assert np.array_equal(found.predictions[part].logits, predictions.logits)
    pd.testing.assert_frame_equal(found.history.drop(columns="seconds"), wanted.history.drop(columns="seconds"))


def checkpoints(name: str) -> list[Path]:
    return list((paths.run_cache_dir() / "checkpoints").glob(f"{name}-*.npz"))


@pytest.mark.slow
class TestOnTwoMachines:
    def test_a_sweep_leaves_the_records_of_the_plain_loop_and_trains_nothing_twice(
        self, machines, one_after_another, monkeypatch
    ):
        failed = sweep.train([*JOBS, sweep.Job(ORPHAN)], some_faces(), address=machines.address)
        assert list(failed) == ["orphan-s0"], failed
        assert "nothing-s0" in failed["orphan-s0"]
        for job in JOBS:
            assert_same_run(job.name, one_after_another, monkeypatch)
        assert sweep.train(JOBS, None, address=machines.address) == {}

    def test_a_machine_that_does_not_share_the_folder_is_told(self, machines, tmp_path):
        third = machines.add_node(num_cpus=2, include_dashboard=False, env_vars={"HOME": str(tmp_path)})
        reason = sweep._trained_by_worker(sweep.Job(LONG, 7), None, "sweep-0", str(tmp_path))
        assert str(tmp_path) in reason and "EMOTION_OUTPUT_DIR" in reason
        with pytest.raises(DataError, match="Ask for fewer"):
            sweep.train([sweep.Job(LONG, 7)], some_faces(), address=machines.address, threads=64)
        machines.remove_node(third)

    def test_jobs_whose_worker_or_machine_dies_go_on_from_their_last_epoch(
        self, machines, one_after_another, monkeypatch
    ):
        command = [sys.executable, "-c", DRIVER, str(Path(__file__).parent), machines.address]
        with subprocess.Popen(command, env=os.environ) as driver:
            deadline = time.monotonic() + 300
            while not all(checkpoints(job.name) for job in LONG_JOBS) and time.monotonic() < deadline:
                time.sleep(0.05)
            before = {job.name: checkpoints(job.name) for job in LONG_JOBS}
            machines.remove_node(machines.second, allow_graceful=False)
            for process in psutil.Process().children(recursive=True):
                if "ray::_trained_by_worker" in " ".join(process.cmdline()):
                    process.kill()
            assert driver.wait(300) == 0
        assert all(before.values()), "not all jobs had a checkpoint"
        for job in LONG_JOBS:
            assert_same_run(job.name, one_after_another, monkeypatch)


DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
import test_sweep
from emotion_detection.training import sweep
sys.exit(str(sweep.train(test_sweep.LONG_JOBS, test_sweep.some_faces(), address=sys.argv[2]) or "") or None)
"""


@pytest.fixture
def trained(isolated, monkeypatch) -> list[str]:
    """Training that is over at once; the names of what was trained, in order."""
    names = []

    def train(recipe, dataset, *, seed):
        names.append(f"{recipe.name}-s{seed}")
        if recipe.name == "bad":
            raise DataError("It cannot be.")
        line = {"epoch": 1, "loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.25, "seconds": 3.0}
        info = {"run": names[-1], "recipe": recipe.settings(), "seed": seed, "wall_time_s": 3.0, "metrics": {}}
        store.write_run(names[-1], info, pd.DataFrame([line]), {})

    monkeypatch.setattr(trainer, "train", train)
    return names


def test_recorded_runs_are_skipped_and_a_failure_stops_no_other(trained):
    wanted = [sweep.Job(FIRST, seed) for seed in range(3)]
    sweep.train(wanted[1:2], some_faces())
    failed = sweep.train([sweep.Job(FIRST.replace(name="bad")), *wanted], some_faces())
    assert failed == {"bad-s0": "It cannot be."}
    assert trained == ["first-s1", "bad-s0", "first-s0", "first-s2"]


def test_a_job_waits_for_the_one_that_it_continues_and_for_its_teachers(trained):
    taught = FIRST.replace(name="taught", teachers=("first-s1", "second-s0"), distillation=0.5)
    sweep.train([sweep.Job(taught), sweep.Job(SECOND), sweep.Job(FIRST, 1), sweep.Job(FIRST)], some_faces())
    assert trained == ["first-s1", "first-s0", "second-s0", "taught-s0"]


def test_what_a_job_needs_comes_before_it():
    found = sweep.jobs(["best"], seeds=[0, 2], needed=True)
    names = [job.name for job in found]
    rounds = {*catalog.BEST.targets.teachers, *catalog.TAUGHT.targets.teachers, "tl_whole-s2"}
    assert sorted(names) == sorted({"best-s0", "best-s2", *rounds})
    for job in found:
        assert all(names.index(each) < names.index(job.name) for each in job.needs)


def test_jobs_are_recipes_times_seeds_each_once():
    found = sweep.jobs(["tl_top", "tl_100", "tl_top"], seeds=[0, 2])
    assert [job.name for job in found] == ["tl_top-s0", "tl_top-s2", "tl_100-s0", "tl_100-s2"]
    with pytest.raises(UnknownNameError, match="Did you mean 'tl_top'"):
        sweep.jobs(["tl_topp"])
