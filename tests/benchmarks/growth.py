"""How cost grows with work: rows, faces in a frame, length of a video, seeds. What the benchmarks write and read."""

import functools
import os
import shutil
import subprocess
import time
from pathlib import Path

import cv2
import harness
import numpy as np
from harness import Way

from emotion_detection import paths
from emotion_detection.live import demo_clip

ALL_ROWS = 35_887
ROWS = (1_000, 6_000, 36_000, 360_000)
FACES = (0, 1, 2, 4, 8)
VIDEO_SECONDS = (10, 60, 300)
SEEDS = (1, 2, 4)


def write_csv(path: Path, n_rows: int) -> tuple[str, int]:
    """Write `n_rows` of FER2013, or of drawn faces, over and over, as CSV; return the name of what was written."""
    dataset, texts = _faces_as_text()
    known = min(n_rows, len(dataset))
    with path.open("w") as stream:
        stream.write("emotion,pixels,Usage\n")
        for row in range(n_rows):
            index = row % known
            stream.write(f"{max(dataset.emotion[index], 0)},{texts[index]},{dataset.usage[index]}\n")
    return dataset.name, n_rows


@functools.cache
def _faces_as_text():
    """Return FER2013, or drawn faces without it, and each face's pixels as a CSV has them."""
    from emotion_detection.data import load_fer2013, load_sample
    from emotion_detection.errors import MissingFileError

    try:
        dataset = load_fer2013(allow_altered=True)
    except MissingFileError:
        dataset = load_sample()
    return dataset, [" ".join(map(str, face.ravel().tolist())) for face in np.asarray(dataset.pixels)]


def forget(csv: Path) -> None:
    """Delete the cache of a temporary CSV."""
    from emotion_detection.data import fer2013

    shutil.rmtree(paths.cache_dir() / "fer2013" / fer2013.find_source(csv).key, ignore_errors=True)


def run_once(command: list[str]) -> dict:
    """Run a script to its end; return seconds, as a user waits, and the highest memory that it tells."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=harness.FOLDER, env=os.environ | harness.QUIET, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{command[1]} ended with {done.returncode}: {done.stderr[-1000:]}")
    return {"seconds": seconds, "peak_mb": float(done.stdout.split()[-1])}


def multiply_adds(model, *, trained_only: bool = False) -> int:
    """Return how many multiplications (each with an addition) the network's products take for one face.

    Convolutions and dense layers are counted, as is usual; what batch norms, activations and resizing take is not.

    Args:
        model: a Keras network, functional, with inputs of a known size from its first convolution on.
        trained_only: count the layers that are trained only.
    """
    import keras

    total = 0
    for layer in model.layers:
        if trained_only and not layer.trainable_variables:
            continue
        if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D):
            total += int(np.prod(layer.output.shape[1:3])) * int(np.prod(layer.kernel.shape))
        elif isinstance(layer, keras.layers.Dense):
            total += int(np.prod(layer.kernel.shape))
    return total


def work_of_recipes() -> dict[str, dict]:
    """Return recipe → its epochs and the multiplications a face takes in its frozen and in its trained part."""

    from emotion_detection.training import catalog, mobilenet

    found = {}
    for name, epochs in (("tl_top", 40), ("tl_100", 6), ("tl_whole", 3)):
        recipe = catalog.get_recipe(name).replace(weights=None)
        model = mobilenet.build_model(recipe)
        trained = multiply_adds(model, trained_only=True)
        found[name] = {"epochs": epochs, "trained": trained, "frozen": multiply_adds(model) - trained}
    return found


def frame_with_faces(time_s: float, count: int) -> np.ndarray:
    """Return a frame of 640×480 px, BGR, with the portrait's face so many times: uint8 array (480, 640, 3)."""
    if count == 1:
        return demo_clip.frame_at(time_s)
    lower_half = demo_clip.portrait_bgr()[256:]  # a suit and a flag: something to look at, and no face
    frame = cv2.resize(lower_half, (demo_clip.WIDTH_PX, demo_clip.HEIGHT_PX), interpolation=cv2.INTER_LINEAR)
    face = demo_clip.frame_at(time_s)[20:380, 160:480]
    height, width = 200, 155
    for index in range(count):
        top, left = 30 + 220 * (index // 4), 3 + 160 * (index % 4)
        frame[top : top + height, left : left + width] = cv2.resize(face, (width, height), interpolation=cv2.INTER_AREA)
    return frame


def measure(folder: Path) -> list[dict]:
    """Measure all growths; each has its points one after another in processes of their own."""
    return [rows_of_a_csv(folder), faces_in_a_frame(folder), length_of_a_video(folder), number_of_seeds()]


def _grown(name: str, x_label: str, points: list[tuple], start, *, turns: int = 1, per: float = 1) -> dict:
    """Take turns at every point, each in a process that `start` makes of what is given; keep the best turn of each."""
    seconds, peaks = [], []
    for x, given in points:
        with harness.closing(start(given)) as (way,):
            for _ in range(turns):
                way.turn()
        seconds.append(min(way.seconds) / per)
        peaks.append(way.peak_mb)
        harness.progress(f"growth, {name}: {x} {x_label} {harness.shown(seconds[-1])}, {peaks[-1]:.0f} MB")
    return {"name": name, "x_label": x_label, "x": [x for x, _ in points], "seconds": seconds, "peak_mb": peaks}


def rows_of_a_csv(folder: Path) -> dict:
    """Parse CSVs of growing length."""
    points = []
    for n_rows in ROWS:
        csv = folder / f"{n_rows}.csv"
        write_csv(csv, n_rows)
        points.append((n_rows, {"csv": str(csv), "cache": False}))
    grown = _grown("rows of a CSV", "rows", points, functools.partial(Way, "ways_loading.py", "package"))
    for _, settings in points:
        Path(settings["csv"]).unlink()
    return grown


def faces_in_a_frame(folder: Path) -> dict:
    """Answer frames with a growing number of faces, with the detector that is at hand."""
    from emotion_detection.faces import detection

    detector = "yunet" if detection.find_yunet() is not None else "haar"
    points = []
    for count in FACES:
        path = folder / f"faces{count}.jpg"
        cv2.imwrite(str(path), frame_with_faces(0.0, count), [cv2.IMWRITE_JPEG_QUALITY, 90])
        points.append((count, {"files": [str(path)] * 30, "detector": detector}))
    return _grown("faces in a frame", "faces", points, _frames_way("package"), turns=3, per=30)


def length_of_a_video(folder: Path) -> dict:
    """Analyse ever longer videos, five frames of each second."""
    points = []
    for seconds in VIDEO_SECONDS:
        file = demo_clip.write(folder / f"long{seconds}.mp4", seconds=seconds)
        points.append(
            (seconds, {"file": str(file), "csv": str(folder / "long.csv"), "detector": "haar", "every_ms": 200})
        )
    return _grown("length of a video", "seconds", points, _frames_way("video"))


def _frames_way(name: str):
    return functools.partial(Way, "ways_frames.py", name)


def number_of_seeds() -> dict:
    """Train a small recipe with more and more seeds, one after another in one process."""
    points = [(count, {"seeds": count}) for count in SEEDS]
    return _grown("seeds", "seeds", points, functools.partial(Way, "ways_training.py", "seeds"))
