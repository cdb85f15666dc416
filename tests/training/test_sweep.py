"""Sweeps and bulk analysis: on a Ray cluster of two machines the same as one after another; what dies, goes on."""

import dataclasses
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import psutil
import pytest
from rich.console import Console

from emotion_detection import cluster, paths
from emotion_detection.data import load_sample
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.inference import bulk, pipeline
from emotion_detection.runs import store
from emotion_detection.training import catalog, cross_validation, progress_table, sweep

HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason='Ray not installed: pip install -e ".[cluster]"')
on_cluster = [needs_ray, pytest.mark.slow]

FIRST = dataclasses.replace(catalog.fast_version(catalog.TL_TOP), name="first", epochs=2, batch_norm_batches=1)
SECOND = dataclasses.replace(FIRST, name="second", continues="first")
FOLDS = dataclasses.replace(FIRST, name="in_folds", folds=2)
LONG = dataclasses.replace(FIRST, name="long", epochs=100)
LONGER = dataclasses.replace(FIRST, name="longer", epochs=600, learning_rate=1e-3)  # outlasts the other's start
SHORT_JOBS = [sweep.Job(FIRST), sweep.Job(FIRST, 1), sweep.Job(SECOND), sweep.Job(FOLDS)]
LONG_JOBS = [sweep.Job(LONG), sweep.Job(LONGER), sweep.Job(LONGER, 1)]

PLAIN = """
import sys
sys.path.insert(0, sys.argv[1])
import test_sweep
from emotion_detection.training import sweep
states = sweep.train(test_sweep.SHORT_JOBS + test_sweep.LONG_JOBS, test_sweep.some_faces(), engine="plain")
sys.exit("; ".join(state.reason for state in states if state.state != "done") or None)
"""


def some_faces():
    return load_sample(140, seed=0)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """The records of all jobs, trained one after another by one thread, as Ray's workers have it."""
    folder = tmp_path_factory.mktemp("plain")
    variables = dict.fromkeys(cluster.THREAD_VARIABLES, "1") | {"EMOTION_OUTPUT_DIR": str(folder), "TQDM_DISABLE": "1"}
    subprocess.run([sys.executable, "-c", PLAIN, str(Path(__file__).parent)], env=os.environ | variables, check=True)
    return folder


@pytest.fixture(scope="module")
def two_machines(tmp_path_factory):
    """A Ray cluster on loopback: two nodes of one core, each with a folder of its own; the first is this process's."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.LOCAL_VARIABLES.items():
            patch.setenv(name, value)
        patch.setenv("RAY_AUTH_TOKEN", os.urandom(32).hex())  # else Ray keeps one in the home folder
        patch.setenv("RAY_worker_niceness", "0")  # Ray's 15 lets a busy machine starve the workers
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
        patch.setenv("EMOTION_OUTPUT_DIR", str(tmp_path_factory.mktemp("here")))
        ray_cluster = pytest.importorskip("ray.cluster_utils")
        machines = ray_cluster.Cluster()
        machines.add_node(num_cpus=1, include_dashboard=False)
        there = {"EMOTION_OUTPUT_DIR": str(tmp_path_factory.mktemp("there"))}
        machines.second = machines.add_node(num_cpus=1, include_dashboard=False, env_vars=there)
        yield machines
        machines.shutdown()


def assert_same_run(name: str, *, expected: Path, monkeypatch) -> None:
    """Predictions bit by bit, the history but for seconds, the record but for what tells times."""
    found, network = store.load_run(name), store.weights_path(name)
    with monkeypatch.context() as patch:
        patch.setenv("EMOTION_OUTPUT_DIR", str(expected))
        wanted, wanted_network = store.load_run(name), store.weights_path(name)
    assert found.predictions.keys() == wanted.predictions.keys()
    for part, predictions in wanted.predictions.items():
        assert np.array_equal(found.predictions[part].row, predictions.row)
        assert np.array_equal(found.predictions[part].logits, predictions.logits)
    pd.testing.assert_frame_equal(found.history.drop(columns="seconds"), wanted.history.drop(columns="seconds"))
    assert untimed(found.info) == untimed(wanted.info)
    assert network.is_file() == wanted_network.is_file()
    if network.is_file():
        from emotion_detection.training import mobilenet

        pairs = zip(*(mobilenet.load_network(path).get_weights() for path in (network, wanted_network)), strict=True)
        assert all(np.array_equal(mine, other) for mine, other in pairs)


def untimed(info: dict) -> dict:
    """A run's record without the times it took and how busy the machine was."""
    rest = {key: value for key, value in info.items() if key not in ("finished", "wall_time_s", "features_s")}
    return rest | {"hardware": {key: value for key, value in info["hardware"].items() if key != "load"}}


def workers() -> list[psutil.Process]:
    """The processes of Ray's that train for us at the moment."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "ray::_trained_by_worker" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:  # it has ended meanwhile
            continue
    return found


class TestOnTwoMachines:
    pytestmark = on_cluster

    def test_a_sweep_leaves_the_records_and_networks_of_the_plain_loop(self, two_machines, plain, monkeypatch):
        seen = []
        states = sweep.train(
            SHORT_JOBS, some_faces(), address=two_machines.address, on_change=lambda now: seen.append(max_running(now))
        )
        assert [state.state for state in states] == ["done"] * len(SHORT_JOBS), [state.reason for state in states]
        assert max(seen) == 2
        for job in SHORT_JOBS:
            assert_same_run(job.name, expected=plain, monkeypatch=monkeypatch)

    def test_a_sweep_that_is_repeated_trains_nothing(self, two_machines):
        before = {job.name: (store.run_dir(job.name) / "run.json").stat().st_mtime_ns for job in SHORT_JOBS}
        states = sweep.train(SHORT_JOBS, None, address=two_machines.address)
        assert [state.state for state in states] == ["recorded"] * len(SHORT_JOBS)
        assert before == {job.name: (store.run_dir(job.name) / "run.json").stat().st_mtime_ns for job in SHORT_JOBS}

    def test_a_job_that_fails_stops_no_other_and_says_why(self, two_machines):
        wanted = [
            sweep.Job(dataclasses.replace(FIRST, name="orphan", continues="nothing")),
            sweep.Job(dataclasses.replace(FIRST, name="wrong", optimizer="sgd", learning_rate="fast")),
            sweep.Job(dataclasses.replace(FIRST, name="right", epochs=1)),
        ]
        orphan, wrong, right = sweep.train(wanted, some_faces(), address=two_machines.address)
        assert "network of nothing-s0" in orphan.reason
        assert wrong.state == "failed"
        assert wrong.reason
        assert right.state == "done"
        assert not store.is_recorded("wrong")

    def test_a_worker_that_is_killed_leaves_a_job_that_goes_on_and_ends_right(self, two_machines, plain, monkeypatch):
        epochs, killed = [], []

        def on_change(states):
            epochs.append((states[0].restarts, states[0].epoch))
            if not killed and states[0].epoch:
                killed.extend(workers())
                for process in killed:
                    process.kill()

        (state,) = sweep.train([sweep.Job(LONG)], some_faces(), address=two_machines.address, on_change=on_change)
        assert len(killed) == 1
        assert (state.state, state.restarts) == ("done", 1)
        reported = [epoch for restarts, epoch in epochs if restarts == 1]
        assert min(reported) > 0
        assert_same_run("long", expected=plain, monkeypatch=monkeypatch)

    def test_pictures_give_the_table_of_one_process_and_finished_parts_are_kept(self, two_machines, pictures, tmp_path):
        expected = pipeline.analyse_pictures(pictures)
        settings = {"address": two_machines.address, "folder": tmp_path / "parts", "files_per_part": 2}
        found = bulk.analyse_pictures(pictures, **settings)
        pd.testing.assert_frame_equal(found, expected)
        assert found.attrs == expected.attrs
        assert len(found.attrs["without_face"]) == 2
        again = bulk.analyse_pictures(pictures, **(settings | {"address": "127.0.0.1:1"}))  # Ray is not asked
        pd.testing.assert_frame_equal(again, expected)
        assert again.attrs == expected.attrs

    def test_a_damaged_picture_is_named_and_the_others_are_done(self, two_machines, pictures, tmp_path):
        pictures[2].write_bytes(b"no picture")
        settings = {"address": two_machines.address, "folder": tmp_path / "parts", "files_per_part": 2}
        with pytest.raises(DataError, match=r"(?s)1 of 5 files could not be analysed.*2\.png cannot be read"):
            bulk.analyse_pictures(pictures, **settings)
        assert len(list((tmp_path / "parts").glob("part-*.json"))) == 2

    def test_a_machine_that_goes_leaves_its_job_to_the_other(self, two_machines, plain, monkeypatch):
        gone, epochs = [], []

        def on_change(states):
            epochs.append([(state.restarts, state.epoch) for state in states])
            if not gone and all(state.state == "running" and state.epoch for state in states):
                gone.append(two_machines.second)
                two_machines.remove_node(two_machines.second, allow_graceful=False)

        wanted = LONG_JOBS[1:]
        states = sweep.train(wanted, some_faces(), address=two_machines.address, on_change=on_change)
        assert gone, "the machines never worked at the same time"
        assert [state.state for state in states] == ["done", "done"], [state.reason for state in states]
        (moved,) = [index for index, state in enumerate(states) if state.restarts]
        assert min(each[moved][1] for each in epochs if each[moved][0]) > 0  # by the checkpoint that came home
        for job in wanted:
            assert_same_run(job.name, expected=plain, monkeypatch=monkeypatch)


def max_running(states) -> int:
    return sum(state.state == "running" for state in states)


@pytest.fixture
def pictures(tmp_path) -> list[Path]:
    """The portrait thrice, and two pictures without a face between."""
    made = []
    for index in range(5):
        made.append(tmp_path / f"{index}.png")
        if index % 2:
            cv2.imwrite(str(made[-1]), np.full((60, 80, 3), 40 * index, np.uint8))
        else:
            portrait = cv2.imread(str(paths.sample_dir() / "astronaut.webp"))
            cv2.imwrite(str(made[-1]), cv2.convertScaleAbs(portrait, alpha=1 - 0.1 * index))
    return made


@pytest.fixture
def made_up(isolated, monkeypatch):
    """Training that is over at once; returns the names of what was trained, in order."""
    trained = []

    def train(recipe, dataset, *, seed, record, on_epoch, on_trained):
        trained.append(f"{recipe.name}-s{seed}")
        if recipe.optimizer == "none":
            raise DataError("The optimizer is none.")
        line = {"epoch": 1, "loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.25, "seconds": 3.0}
        checkpoint = paths.run_cache_dir() / "checkpoints" / f"{recipe.name}-s{seed}-0.npz"
        on_epoch([], checkpoint)
        checkpoint.write_bytes(b"")
        on_epoch([line], checkpoint)
        info = {key: {} for key in ("data", "metrics", "parameters", "hardware")} | {"wall_time_s": 3.0, "seed": seed}
        predictions = store.Predictions("PublicTest", *(np.zeros(7, int),) * 2, np.eye(7))
        info |= {"run": trained[-1], "recipe": recipe.settings()}
        return store.Run(trained[-1], info, pd.DataFrame([line]), {"PublicTest": predictions})

    monkeypatch.setattr(cross_validation, "train", train)
    return trained


def test_recorded_runs_are_skipped_and_a_failure_stops_no_other(made_up):
    wanted = [sweep.Job(FIRST, seed) for seed in range(3)]
    sweep.train(wanted[1:2], some_faces(), engine="plain")
    bad = sweep.Job(dataclasses.replace(FIRST, name="bad", optimizer="none"))
    states = sweep.train([bad, *wanted], some_faces(), engine="plain")
    assert [state.state for state in states] == ["failed", "done", "recorded", "done"]
    assert states[0].reason == "The optimizer is none."
    assert made_up == ["first-s1", "bad-s0", "first-s0", "first-s2"]
    assert list((paths.run_cache_dir() / "checkpoints").iterdir()) == []


def test_a_job_waits_for_the_one_that_it_continues(made_up):
    sweep.train([sweep.Job(SECOND), sweep.Job(SECOND, 1), sweep.Job(FIRST)], some_faces(), engine="plain")
    assert made_up == ["second-s1", "first-s0", "second-s0"]


def test_a_job_waits_for_its_teachers(made_up):
    taught = dataclasses.replace(SECOND, name="taught", continues=None, teachers=("first-s1",), distillation=0.5)
    sweep.train([sweep.Job(taught), sweep.Job(FIRST, 1)], some_faces(), engine="plain")
    assert made_up == ["first-s1", "taught-s0"]


def test_what_a_job_needs_comes_before_it():
    best = [sweep.Job(catalog.BEST, seed) for seed in (0, 2)]
    names = [job.name for job in sweep.with_needed(best)]
    rounds = {*catalog.BEST.teachers, *catalog.TAUGHT.teachers, "tl_whole-s2"}
    assert sorted(names) == sorted({"best-s0", "best-s2", *rounds})
    for job in sweep.with_needed(best):
        assert all(names.index(each) < names.index(job.name) for each in job.needs)


def test_jobs_are_recipes_times_seeds_each_once():
    found = sweep.jobs(["tl_top", "tl_100", "tl_top"], seeds=[0, 2])
    assert [job.name for job in found] == ["tl_top-s0", "tl_top-s2", "tl_100-s0", "tl_100-s2"]
    with pytest.raises(UnknownNameError, match="Did you mean 'tl_top'"):
        sweep.jobs(["tl_topp"])


def test_another_machine_is_sent_kept_networks_where_a_job_goes_on_from_them(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "run_cache_dir", lambda: tmp_path)  # no training left a network here
    best = sweep.Job(catalog.BEST)
    sent = sweep.carried(best)
    assert sorted(sent) == sorted(f"weights/{name}.keras" for name in best.needs)
    assert all(sent[f"weights/{name}.keras"] == store.trained_network(name).read_bytes() for name in best.needs)
    alone = dataclasses.replace(best.recipe, teachers=(), distillation=0.0)
    assert sweep.carried(sweep.Job(alone, 99)) == {}  # nothing of that seed is on this machine


def test_an_unknown_engine_is_told():
    with pytest.raises(UnknownNameError, match=r"no engine 'rya'.*'ray'"):
        sweep.train([], None, engine="rya")


def test_without_ray_the_error_says_how_to_install_it(made_up, monkeypatch):
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingFileError, match=r'not installed here.*pip install -e "\.\[cluster\]".*--engine plain'):
        sweep.train([sweep.Job(FIRST)], some_faces())
    with pytest.raises(MissingFileError, match="not installed here"):
        bulk.analyse_pictures(["face.png"])
    assert made_up == []


def test_where_output_goes_to_a_file_each_change_is_a_line(made_up, tmp_path):
    with (tmp_path / "log").open("w") as stream, progress_table.shown(Console(file=stream, width=60)) as on_change:
        sweep.train([sweep.Job(FIRST)], some_faces(), engine="plain", on_change=on_change)
    assert (tmp_path / "log").read_text().splitlines() == [
        "first-s0: waiting",
        "first-s0: epoch 0 of 2",
        "first-s0: epoch 1 of 2, watched 25.0 %, 3 s left",
        "first-s0: done, watched 25.0 %",
    ]


def test_on_a_terminal_a_table_holds_a_row_per_job(tmp_path):
    failed = sweep.Progress(sweep.Job(FIRST), "failed", reason="It broke.", restarts=1)
    running = sweep.Progress(sweep.Job(FOLDS, 3), "running", epoch=3, accuracy=0.5)
    with (tmp_path / "log").open("w") as stream:
        console = Console(file=stream, width=100, force_terminal=True)
        with progress_table.shown(console) as on_change:
            on_change([failed, running])
    shown = (tmp_path / "log").read_text()
    assert "first-s0" in shown
    assert "failed: It broke., restarted once" in shown
    assert "epoch 3 of 4" in shown


def test_a_kept_part_comes_back_bit_by_bit_and_a_damaged_one_is_made_again(tmp_path):
    table = pd.DataFrame({"name": ["a", "b"], "n": [1, 2], "share": np.float32([0.1, 1 / 3]), "x": [0.1, np.nan]})
    table.attrs["without_face"] = ["c.png"]
    bulk.write_table(table, tmp_path / "part.json")
    found = bulk.read_table(tmp_path / "part.json")
    pd.testing.assert_frame_equal(found, table, check_exact=True)
    assert found.attrs == table.attrs
    (tmp_path / "part.json").write_text("{")
    assert bulk.read_table(tmp_path / "part.json") is None


def test_tables_are_joined_in_order_with_the_lists_of_their_attrs():
    tables = [pd.DataFrame({"n": values}) for values in ([1], [], [2, 3])]
    for table, names in zip(tables, (["a"], ["b"], []), strict=True):
        table.attrs["without_face"] = names
    whole = bulk.joined(tables)
    assert whole["n"].tolist() == [1, 2, 3]
    assert whole["n"].dtype == np.int64
    assert whole.attrs == {"without_face": ["a", "b"]}
