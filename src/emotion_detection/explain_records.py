"""The recorded checks of the explanations, in `data/results/explanations/`: figures need no FER2013 and no Keras.

`record()` makes them from the shipped network and PublicTest; `load` and `load_averages` read them. No single face is
in them: means over hundreds of faces, and maps averaged over all faces with the same answer.
"""

import datetime
import json
import zipfile
from pathlib import Path

import numpy as np
import tqdm

from emotion_detection import cards, explain, explain_checks, files, paths
from emotion_detection.classifier import EmotionClassifier
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError

FOLDER = "explanations"
DELETION_FACES = 500
SANITY_FACES = 200
SEED = 0
COMMAND = "python -m emotion_detection explain --record"
SAVE_NOTEBOOK = "python -m emotion_detection.notebooks --save 09"
WANTED_MS = 2.0
"""What a map may cost beyond the plain answer, for each face, in the live cell."""

KEYS = {"network", "recorded", "layer", "deletion", "sanity", "averages"}

AVERAGE, CENTRE = "average", "centre"
"""Orders that know the answer or nothing, but not the face: the answer's average map, from the middle outwards."""

RANDOM = {3: "random_3", 6: "random_6"}
"""Cells a side → name of the order by chance with patches of that size."""

CELLS = dict(zip(explain.LAYERS, (3, 6, 6), strict=True))
CONTROLS = (*RANDOM.values(), CENTRE, AVERAGE)


def folder() -> Path:
    """Return the folder of the record, whether it exists or not."""
    return paths.project_root() / "data" / "results" / FOLDER


def speed_path() -> Path:
    """Return the file of what a map costs, as `tests/benchmarks/bench_explain.py --record` writes it."""
    return paths.project_root() / "data" / "results" / "benchmarks" / "explain.json"


def record(dataset=None) -> Path:
    """Run all checks with the shipped network on PublicTest and record them; some minutes.

    Args:
        dataset: the faces; None loads FER2013.

    Returns:
        The folder, which holds `checks.json` and `averages.npz`.

    Raises:
        MissingFileError: FER2013 or the shipped network is not there.
        DataError: the shipped network is damaged.
    """
    from emotion_detection import models
    from emotion_detection.datasets import load_fer2013

    dataset = dataset if dataset is not None else load_fer2013()
    model = models.load_network(paths.models_dir() / f"{cards.SHIPPED}.keras")
    classifier = EmotionClassifier.load()
    faces = dataset.public_test
    maps = explain.grad_cam(model, faces.pixels)
    answer = classifier.logits(faces.pixels).argmax(axis=1)
    averages, counts = _averages(maps, answer, faces.emotion)
    chosen = np.random.default_rng(SEED).permutation(len(faces))
    some, few = chosen[:DELETION_FACES], chosen[:SANITY_FACES]
    values = {
        "network": _network(),
        "recorded": datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat(),
        "data": {"name": dataset.name, "split": "PublicTest", "fingerprint": dataset.fingerprint},
        "layer": explain.LAYER,
        "deletion": _deletion(model, classifier, faces.pixels[some], averages["all"][answer[some]]),
        "sanity": _sanity(model, faces.pixels[few], answer[few], maps[few]),
        "averages": counts,
    }
    with files.written_beside(folder() / "averages.npz") as temporary:
        np.savez_compressed(temporary, **averages)
    files.write_json(folder() / "checks.json", _rounded(values))
    return folder()


def _network() -> dict:
    """Return what tells the shipped network from every other."""
    card = cards.read_card()
    digests = {name: entry["sha256"] for name, entry in card["files"].items()}
    return {"name": card["name"], "run": card["run"], "finished": card["finished"], "sha256": digests}


def _averages(maps: np.ndarray, answer: np.ndarray, label: np.ndarray) -> tuple[dict[str, np.ndarray], dict]:
    """Return the mean heat of each emotion over the faces rightly called so and over all called so; and the counts."""
    right, n_right = explain_checks.average_heat(maps, answer, chosen=answer == label)
    every, n_every = explain_checks.average_heat(maps, answer)
    counts = {kind: dict(zip(EMOTIONS, n, strict=True)) for kind, n in (("right", n_right), ("all", n_every))}
    return {"right": right, "all": every}, counts


def _deletion(model, classifier: EmotionClassifier, faces: np.ndarray, average: np.ndarray) -> dict:
    """Return the deletion curves of all orders and the paired differences of the areas under them."""
    orders = {layer: explain.grad_cam(model, faces, layer=layer) for layer in explain.LAYERS}
    orders |= {name: explain_checks.random_importance(len(faces), cells, seed=SEED) for cells, name in RANDOM.items()}
    orders |= {CENTRE: explain_checks.centre_importance(len(faces)), AVERAGE: average}
    curves = explain_checks.deletion_curves(classifier.predict_proba, faces, orders)
    areas = {name: explain_checks.areas(curve) for name, curve in curves.items()}
    interval = explain_checks.mean_with_interval
    return {
        "n": len(faces),
        "seed": SEED,
        "blur_px": explain_checks.BLUR_PX,
        "shares": list(explain_checks.SHARES),
        "curves": {name: _curve(curve) for name, curve in curves.items()},
        "areas": {name: interval(area) for name, area in areas.items()},
        "differences": {
            layer: {control: interval(areas[layer] - areas[control]) for control in CONTROLS}
            for layer in explain.LAYERS
        },
        "between_layers": {
            layer: interval(areas[layer] - areas[explain.LAYER]) for layer in explain.LAYERS if layer != explain.LAYER
        },
    }


def _curve(curve: np.ndarray) -> dict[str, list[float]]:
    points = [explain_checks.mean_with_interval(column) for column in curve.T]
    return {key: [point[key] for point in points] for key in ("mean", "low", "high")}


def _sanity(model, faces: np.ndarray, answer: np.ndarray, maps: np.ndarray) -> dict:
    """Return how like the network's maps those of ever more shuffled networks are, for the same emotions."""
    steps, total = [], model.count_params()
    cascade = explain_checks.shuffled_cascade(model, seed=SEED)
    for step, shuffled in tqdm.tqdm(cascade, desc="Shuffling", unit="step", total=len(explain_checks.CASCADE)):
        found = explain.grad_cam(shuffled, faces, answer)
        steps.append({"down_to": step, "constant_maps": _constant(found), **_likeness(maps, found)})
    others = explain.grad_cam(model, np.roll(faces, 1, axis=0), answer)
    return {
        "n": len(faces),
        "seed": SEED,
        "parameters": total,
        "steps": steps,
        "another_face": _likeness(maps, others),
    }


def _constant(maps: np.ndarray) -> int:
    return int((np.ptp(maps, axis=(1, 2)) == 0).sum())


def _likeness(maps: np.ndarray, others: np.ndarray) -> dict:
    interval = explain_checks.mean_with_interval
    return {
        "rank_correlation": interval(explain_checks.rank_correlations(maps, others)),
        "similarity": interval(explain_checks.structural_similarities(maps, others)),
    }


def _rounded(value):
    """Return plain values, floats to four digits after the point: more than the faces that were taken tell."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


def load() -> dict:
    """Return the recorded checks.

    Raises:
        MissingFileError: they are not there.
        DataError: they are damaged.
    """
    return _read_json(folder() / "checks.json", KEYS)


def load_speed() -> dict:
    """Return what a map costs beyond the plain answer, as it was measured.

    Raises:
        MissingFileError: it was not recorded.
        DataError: it is damaged.
    """
    return _read_json(speed_path(), {"measured", "hardware", "wanted_ms", "face", "frame", "keras_grad_cam_ms"})


def _read_json(path: Path, keys: set[str]) -> dict:
    _require(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _damaged(path, f"it is not valid JSON ({error})") from error
    if not isinstance(values, dict) or not set(values) >= keys:
        raise _damaged(path, f"it lacks one of {', '.join(sorted(keys))}")
    return values


def load_averages() -> dict[str, np.ndarray]:
    """Return "right" and "all": float32 arrays (7, h, w), 0–1, the mean heat of faces rightly called so, and of all.

    Raises:
        MissingFileError: they are not there.
        DataError: they are damaged.
    """
    path = folder() / "averages.npz"
    _require(path)
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {kind: archive[kind] for kind in ("right", "all")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path, f"it cannot be read ({error})") from error


def is_current(values: dict) -> bool:
    """Return whether recorded checks are of the network that is shipped now."""
    return values["network"] == _network()


def _require(path: Path) -> None:
    if not path.is_file():
        raise MissingFileError(
            f"The record {paths.displayed(path)} is missing. Restore it (git checkout -- {paths.displayed(path)}) or "
            f"make it again: {_command(path)}"
        )


def _command(path: Path) -> str:
    return "python tests/benchmarks/bench_explain.py --record" if path == speed_path() else f"{COMMAND} (needs FER2013)"


def _damaged(path: Path, received: str) -> DataError:
    return DataError(
        f"The record {paths.displayed(path)} is damaged: {received}. Restore it (git checkout -- "
        f"{paths.displayed(path)}) or make it again: {_command(path)}"
    )
