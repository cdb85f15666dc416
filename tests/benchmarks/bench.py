"""The speed benchmark: ours against what one would use instead, side by side; limits; growth. `make bench`.

    python tests/benchmarks/bench.py [GROUP …] [--record]

Each comparison takes turns in one run, so what counts are its ratios, not its times. Writes `output/bench/speed.json`
and `ratios.png`, and prints what the recorded benchmark (`data/results/benchmarks/speed.json`, appendix A) has in the
same place; `--record` replaces these groups in it. Exits 1 if a target is missed. A quarter of an hour on two
idle cores; how cost grows, which compares nothing, takes three minutes more and is measured when it is named.
"""

import argparse
import contextlib
import dataclasses
import datetime
import importlib.metadata
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import comparison
import cv2
import fer_environment
import growth
import harness
from comparison import Row
from harness import Way

from emotion_detection import files, paths
from emotion_detection.errors import MissingFileError
from emotion_detection.faces import detection
from emotion_detection.live import demo_clip
from emotion_detection.runs import registry
from emotion_detection.studies import baselines

N_FRAMES = 24
FRAME_TARGET_S = {"yunet": 0.015, "haar": 0.025}
ROUNDS = 2
SHORT_ROUNDS = 6
"""For turns of a few seconds: what slows the machine for a moment then spoils one of several."""

REPEATS = 6
"""Our classifier answers so many times in a turn for one answer of the others: it is that much faster."""


def fer_python() -> Path | None:
    """Return the interpreter of `fer`'s environment; None, with a line that says why, where it cannot be made."""
    folder = paths.project_root() / "output" / "bench" / "fer"
    if reason := fer_environment.install(folder):
        harness.progress(reason)
        return None
    return fer_environment.python_in(folder)


def detectors() -> list[str]:
    """Return the face detectors that are at hand."""
    if detection.find_yunet() is None:
        harness.progress("YuNet's file is not here: its rows are left out (`make setup` fetches it)")
        return ["haar"]
    return ["yunet", "haar"]


def compared(group: str, name: str, ours: Way, other: Way, words: tuple[str, str], units: int, **more) -> Row:
    """Return the comparison of two ways by the turns that they had last; `words` say what each of them is."""
    per = more.pop("per", (1, 1))
    seconds = ([each / count for each in way.seconds] for way, count in zip((ours, other), per, strict=True))
    return Row(group, name, *words, *seconds, units, ours.peak_mb, other.peak_mb, **more)


def loading(folder: Path, machine: dict) -> list[Row]:
    """Load FER2013 from CSV and from cache, against the two usual ways."""
    csv = folder / "fer2013.csv"
    name, count = growth.write_csv(csv, growth.ALL_ROWS)
    cached = {"csv": str(csv), "cache": True}
    with harness.closing(
        Way("ways_loading.py", "package", cached | {"cache": False}),
        Way("ways_loading.py", "package", cached),
        Way("ways_loading.py", "lists", cached),
        Way("ways_loading.py", "pandas", cached),
        Way("ways_loading.py", "bytes", {"file": str(csv)}),
    ) as (parse, cache, lists, pandas, read):
        cache.turn()  # writes the cache
        read.turn()  # brings the file into memory
        parse.turn()  # imports
        harness.alternate([parse, cache, lists, pandas, read], rounds=1, warm_up=False, say="loading")
        for way in (parse, cache, read) * (ROUNDS - 1):
            way.turn()
    growth.forget(csv)
    limit = {"what": "reading the CSV's bytes", "seconds": statistics.median(read.seconds)}
    rows = []
    for ours, words, other, target in (
        (parse, "parse the CSV", lists, {"ratio": 4, "mb": 1500}),
        (parse, "parse the CSV", pandas, None),
        (cache, "from the cache", lists, {"ratio": 100}),
        (cache, "from the cache", pandas, {"ratio": 100}),
    ):
        words_of_other = {"lists": "lists of ints, then float64 RGB", "pandas": "pandas and split"}[other.name]
        more = {"limit": limit if ours is parse else None, "target": target}
        name_of_row = f"{name}, {words}, against {other.name}"
        rows.append(compared("loading", name_of_row, ours, other, ("this package", words_of_other), count, **more))
    return rows


def training(folder: Path, machine: dict) -> list[Row]:
    """Three regimes against `Model.fit` by the same recipe, and the loop of TL whole against its bare step."""
    plans = (("tl_top", {"epochs": 40}, 25.0), ("tl_100", {}, 1.3), ("tl_whole", {"epochs": 3}, None))
    machine = machine | {"forward_s": forward_s()}
    return [row for plan in plans for row in regime(*plan, machine)] + [loop(machine)]


def forward_s() -> float:
    """Return what a face takes through the whole network in one direction, in batches, as Keras is called for it."""
    settings = {"recipe": "tl_whole", "rows": 2000}
    with harness.closing(Way("ways_training.py", "forward", settings)) as (forward,):
        forward.turn()
        seconds = min(forward.turn()["seconds"] for _ in range(2)) / settings["rows"]
    harness.progress(f"forward rate {1 / seconds:.0f} faces a second")
    return seconds


TRAINING_ROWS = {
    "tl_top": "TL top, 40 epochs",
    "tl_100": "TL 100, 6 epochs",
    "tl_whole": "TL whole, 3 epochs",
    "later_epochs": "TL whole, an epoch of them, once compiled",
    "loop": "TL whole, the loop itself",
}


def regime(name: str, changes: dict, target: float | None, machine: dict) -> list[Row]:
    """Compare one regime from the first face to the scored network; the slow side, which takes minutes, has one round.

    TL whole has one round, and a second row for its epochs but the first: few epochs of few faces are compiled for
    nearly as long as they learn.
    """
    rows = {"tl_100": 800, "tl_whole": 400}.get(name, 2000)
    rounds = {"tl_top": 3, "tl_whole": 1}.get(name, ROUNDS)
    settings = {"recipe": name, "rows": rows, "changes": changes}
    with harness.closing(Way("ways_training.py", "package", settings), Way("ways_training.py", "fit", settings)) as (
        ours,
        fit,
    ):
        for number in range(rounds):
            ours.turn()
            theirs = f", fit {harness.shown(fit.turn()['seconds'])}" if not number else ""
            words = f"training {name} round {number + 1}/{rounds}: ours {harness.shown(ours.seconds[-1])}"
            harness.progress(words + theirs)
    accuracy = {"ours": ours.turns[-1]["accuracy"], "other": fit.turns[-1]["accuracy"]}
    accuracy |= {"other_anew": fit.turns[-1]["accuracy_anew"], "faces": rows // 4, "of": ours.turns[-1]["dataset"]}
    more = {"limit": training_limit(name, settings, machine), "target": target and {"ratio": target}}
    words = ("this package", "Model.fit")
    whole = compared("training", TRAINING_ROWS[name], ours, fit, words, rows, accuracy=accuracy, **more)
    if name != "tl_whole":
        return [whole]
    later = dataclasses.replace(
        whole,
        name=TRAINING_ROWS["later_epochs"],
        ours_seconds=ours.turns[-1]["epoch_s"][1:],
        other_seconds=fit.turns[-1]["epoch_s"][1:],
        limit=training_limit(name, settings, machine, epochs=1),
    )
    return [whole, later]


def training_limit(name: str, settings: dict, machine: dict, *, epochs: int | None = None) -> dict:
    """Return what a regime's multiplications take at the machine's matrix rate, each done no oftener than needed.

    For TL top: what one pass of each face takes at the measured forward rate, since nearly all of its work is that.
    The frozen part is gone through once, where nothing augments the faces; what is trained goes forwards and, at twice
    the cost, backwards in every epoch; PublicTest goes through the trained part after each.
    """
    if name == "tl_top":
        seconds = settings["rows"] * 1.25 * machine["forward_s"]
        return {"what": "one pass of each face at the measured forward rate", "seconds": seconds}
    work = machine["work"][name]
    rows, epochs = settings["rows"], epochs or work["epochs"]
    products = rows * 1.25 * work["frozen"] + epochs * work["trained"] * rows * (3 + 0.25)
    seconds = 2 * products / (1e9 * machine["matrix_gflops"])
    return {"what": "its multiplications at the machine's matrix rate", "seconds": seconds}


def loop(machine: dict) -> Row:
    """Compare an epoch of TL whole with its bare steps, in many short turns."""
    settings = {"recipe": "tl_whole", "rows": 768}
    with harness.closing(Way("ways_training.py", "epoch", settings)) as (epoch,):
        harness.alternate([epoch], rounds=5, say="the loop of TL whole")
    bare_s = [turn["bare_s"] for turn in epoch.turns]
    return Row(
        "training",
        TRAINING_ROWS["loop"],
        "an epoch: batches, augmentation, steps, its share of a checkpoint",
        "bare steps on one batch",
        epoch.seconds,
        bare_s,
        settings["rows"],
        epoch.peak_mb,
        epoch.peak_mb,
        limit={"what": "the bare steps", "seconds": statistics.median(bare_s)},
        target={"share": 0.95},
    )


def one_face(folder: Path, machine: dict) -> list[Row]:
    """One face, and 32 at once, from pixels to probabilities."""
    words = {"predict": "Model.predict", "call": "model(x)", "function": "tf.function"}
    started = [Way("ways_faces.py", "package", {"repeats": REPEATS})]
    started += [Way("ways_faces.py", name) for name in words]
    with contextlib.suppress(MissingFileError):
        started.append(Way("ways_faces.py", "oarriaga", {"file": str(baselines.find("mini_XCEPTION"))}))
        words["oarriaga"] = "mini_XCEPTION (oarriaga), predict"
    if machine["fer"] is not None:
        started.append(Way("ways_fer.py", "face", python=machine["fer"]))
        words["face"] = "the fer package's network"
    rows = []
    with harness.closing(*started):
        for group, count, calls, rounds in (("one face", 1, 10, SHORT_ROUNDS), ("batch of 32", 32, 4, ROUNDS)):
            harness.alternate(started, rounds=rounds, say=group, faces=count, calls=calls)
            seconds = 2 * machine["multiply_adds"] * count / (1e9 * machine["matrix_gflops"])
            limit = {"what": "its multiplications at the machine's matrix rate", "seconds": seconds}
            for other in started[1:]:
                said = ("EmotionClassifier", words[other.name])
                is_predict = other.name == "predict" and count == 1
                more = {"limit": limit, "target": {"ratio": 40, "seconds": 0.0015} if is_predict else None}
                per = (calls * REPEATS, calls)
                rows.append(compared(group, f"against {said[1]}", started[0], other, said, count, per=per, **more))
    return rows


def formats(folder: Path, machine: dict) -> list[Row]:
    """The shipped network in int8 against the same in float16, with one thread and with two."""
    accuracies = {form: values["PublicTest"]["accuracy"] for form, values in registry.read_card()["formats"].items()}
    rows = []
    calls = 60
    for threads in (1, 2):
        with harness.closing(
            Way("ways_faces.py", "package", {"threads": threads, "network": "int8"}),
            Way("ways_faces.py", "package", {"threads": threads, "network": "float16"}),
        ) as (int8, float16):
            say = f"formats, {threads} threads"
            harness.alternate([int8, float16], rounds=SHORT_ROUNDS, say=say, faces=1, calls=calls)
        name = f"one face, {threads} {'thread' if threads == 1 else 'threads'}"
        accuracy = {"ours": accuracies["int8"], "other": accuracies["float16"]}
        more = {"per": (calls, calls), "accuracy": accuracy}
        rows.append(compared("formats", name, int8, float16, ("int8", "float16"), 1, **more))
    return rows


def frames(folder: Path, machine: dict) -> list[Row]:
    """A 640×480 JPEG with no, one or five faces, from bytes to answers."""
    rows = []
    for count in (0, 1, 5):
        names = write_frames(folder / f"faces{count}", count)
        wanted = [("package", {"files": names, "detector": detector}) for detector in detectors()]
        started = [Way("ways_frames.py", *each) for each in [*wanted, ("old script", {"files": names})]]
        if machine["fer"] is not None:
            started.append(Way("ways_fer.py", "frames", {"files": names}, python=machine["fer"]))
        with harness.closing(*started):
            harness.alternate(started, rounds=SHORT_ROUNDS if count == 1 else ROUNDS, say=f"frames with {count} faces")
        ours, others = started[: len(wanted)], started[len(wanted) :]
        for detector, own in zip(detectors(), ours, strict=True):
            for other in others:
                rows.append(frame_row(detector, own, other, count))
    return rows


def frame_row(detector: str, ours: Way, other: Way, count: int) -> Row:
    """Return the comparison of one detector of ours with one other way."""
    word = {"frames": "the fer package", "old script": "the old script's way"}[other.name]
    target = None
    if count == 1 and other.name == "frames":
        target = {"seconds": FRAME_TARGET_S[detector]} | ({"ratio": 4} if detector == "yunet" else {})
    name = f"{count} {'face' if count == 1 else 'faces'}, {'YuNet' if detector == 'yunet' else 'Haar'}, against {word}"
    found = [statistics.mean(way.turns[-1]["faces"]) for way in (ours, other)]
    harness.progress(f"frame, {name}: faces found a frame: ours {found[0]:.1f}, theirs {found[1]:.1f}")
    per, said = (N_FRAMES, N_FRAMES), ("the live cell's engine", word)
    return compared("frame", name, ours, other, said, N_FRAMES, per=per, target=target)


def write_frames(folder: Path, count: int) -> list[str]:
    """Write the sample clip's frames, with so many faces, as JPEG files; return their paths."""
    folder.mkdir()
    names = []
    for number in range(N_FRAMES):
        path = folder / f"{number:03}.jpg"
        frame = growth.frame_with_faces(number * demo_clip.PERIOD_S / N_FRAMES, count)
        cv2.imwrite(str(path), frame, [cv2.IMWRITE_JPEG_QUALITY, 90])
        names.append(str(path))
    return names


def start(folder: Path, machine: dict) -> list[Row]:
    """From a new process to the first answer about a picture."""
    picture = folder / "first.png"
    cv2.imwrite(str(picture), demo_clip.frame_at(0.0))
    commands = {
        "ours": [sys.executable, "start.py", "package", str(picture)],
        "keras": [sys.executable, "start.py", "keras", str(picture)],
    }
    if machine["fer"] is not None:
        commands["fer"] = [str(machine["fer"]), "start.py", "fer", str(picture)]
    turns = {name: [] for name in commands}
    for number in range(ROUNDS + 1):
        for name, command in commands.items():
            turns[name].append(growth.run_once(command))
        if number:
            times = ", ".join(f"{name} {harness.shown(each[-1]['seconds'])}" for name, each in turns.items())
            harness.progress(f"start round {number}/{ROUNDS}: {times}")
    ours, *others = ({"name": name, "turns": each[1:]} for name, each in turns.items())
    words = {"keras": "the same network in Keras", "fer": "the fer package"}
    return [
        Row(
            "start",
            f"import to first answer, against {words[other['name']]}",
            "this package",
            words[other["name"]],
            [turn["seconds"] for turn in ours["turns"]],
            [turn["seconds"] for turn in other["turns"]],
            1,
            max(turn["peak_mb"] for turn in ours["turns"]),
            max(turn["peak_mb"] for turn in other["turns"]),
            target={"seconds": 0.8, "mb": 200},
        )
        for other in others
    ]


def video(folder: Path, machine: dict) -> list[Row]:
    """A video of a minute, every frame of it, into a CSV; `fer` on the first five seconds, by the frame."""
    minute, part = (demo_clip.write(folder / f"{seconds}.mp4", seconds=seconds) for seconds in (60, 5))
    started = [
        Way(
            "ways_frames.py",
            "video",
            {"file": str(minute), "csv": str(folder / f"{detector}.csv"), "detector": detector},
        )
        for detector in detectors()
    ]
    if machine["fer"] is not None:
        started.append(Way("ways_fer.py", "video", {"file": str(part)}, python=machine["fer"]))
    with harness.closing(*started):
        harness.alternate(started, rounds=ROUNDS, warm_up=False, say="video")
    fer = started[-1] if machine["fer"] is not None else None
    rows = []
    for detector, ours in zip(detectors(), started, strict=False):
        frames = ours.turns[-1]["frames"]
        row = Row(
            "video",
            f"60 s at 30 frames a second, {'YuNet' if detector == 'yunet' else 'Haar'}",
            "this package",
            "the fer package, frame by frame" if fer else "real time",
            [each / frames for each in ours.seconds],
            [turn["seconds"] / turn["frames"] for turn in fer.turns] if fer else [60 / frames] * ROUNDS,
            frames,
            ours.peak_mb,
            fer.peak_mb if fer else None,
            target={"seconds": 60 / frames},
        )
        rows.append(row)
    return rows


GROUPS = {
    "loading": loading,
    "training": training,
    "faces": one_face,
    "formats": formats,
    "frames": frames,
    "start": start,
    "video": video,
}


def measure_machine() -> dict:
    """Return what limits are computed from: the matrix rate, and the multiplications of the networks."""
    settings = {"size": 2048, "products": 10}
    with harness.closing(Way("ways_training.py", "matrix", settings)) as (matrix,):
        matrix.turn()
        gflops = max(matrix.turn()["gflops"] for _ in range(5))
    harness.progress(f"matrix rate {gflops:.0f} GFLOP/s")
    work = growth.work_of_recipes()
    return {"matrix_gflops": gflops, "work": work, "multiply_adds": work["tl_whole"]["trained"], "fer": fer_python()}


def timed(group: str, measure, *arguments):
    """Measure a group; say what that took."""
    began = time.perf_counter()
    found = measure(*arguments)
    harness.progress(f"{group}: measured in {time.perf_counter() - began:.0f} s")
    return found


def main() -> int:
    """Run the groups asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", help=f"of {', '.join((*GROUPS, 'growth'))}; all but growth if none")
    parser.add_argument("--record", action="store_true", help="replace these groups in the recorded benchmark")
    arguments = parser.parse_args()
    unknown = set(arguments.groups) - {*GROUPS, "growth"}
    if unknown:
        parser.error(f"no group {', '.join(unknown)}")
    began, rows = time.perf_counter(), []
    machine = measure_machine()
    with tempfile.TemporaryDirectory() as name:
        for group, measure in GROUPS.items():
            if group in (arguments.groups or GROUPS):
                folder = Path(name) / group
                folder.mkdir()
                rows += timed(group, measure, folder, machine)
        grown = timed("growth", growth.measure, Path(name)) if "growth" in arguments.groups else []
    for row in rows:
        harness.progress(row.sentence())
    comparison.compare_with_record(rows)
    values = {
        "measured": datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat(),
        "hardware": comparison.hardware(),
        "packages": {
            name: importlib.metadata.version(name)
            for name in ("tensorflow", "keras", "ai-edge-litert", "opencv-python-headless", "numpy", "pandas")
        }
        | ({"fer": fer_environment.FER.partition("==")[2]} if machine["fer"] else {}),
        "matrix_gflops": machine["matrix_gflops"],
        "multiply_adds": {"96": machine["multiply_adds"]},
        "rows": [row.record() for row in rows],
        "growth": grown,
    }
    write(comparison.rounded(values), record=arguments.record)
    missed = [row for row in rows if row.holds is False]
    harness.progress(f"{(time.perf_counter() - began) / 60:.1f} minutes; {len(missed)} targets missed")
    return 1 if missed else 0


def write(values: dict, *, record: bool) -> None:
    """Write the benchmark and its figure to `output/bench/`, or as the recorded one."""
    from emotion_detection import plots
    from emotion_detection.plots import style
    from emotion_detection.studies import speed

    folder = paths.project_root() / "output" / "bench"
    path = speed.benchmark_path() if record else folder / "speed.json"
    if record and path.is_file():
        values = comparison.merged(json.loads(path.read_text(encoding="utf-8")), values)
    files.write_json(path, values)
    harness.progress(f"written: {paths.displayed(path)}")
    if values["rows"]:
        figure = plots.speed_ratios(speed.load_benchmark(path).comparisons)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ratios.png").write_bytes(style.png_bytes(figure, dpi=style.NOTEBOOK_DPI))


if __name__ == "__main__":
    sys.exit(main())
