"""The recorded checks of the explanations, in `data/results/explanations/`: figures need no FER2013 and no Keras.

`record()` makes them from the shipped network and PublicTest; `load` and `load_averages` read them. No single face is
in them: means over hundreds of faces, and maps averaged over all faces with the same answer.
"""

import datetime
import zipfile
from pathlib import Path

import numpy as np
import tqdm

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.inference import class_activation
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs import registry
from emotion_detection.studies import explanation_checks
from emotion_detection.training import grad_cam

FOLDER = "explanations"
DELETION_FACES = 300
SANITY_FACES = 150
SEED = 0
COMMAND = "python -m emotion_detection explain --record"
REMAKE = f"{COMMAND} (needs FER2013)"
SAVE_NOTEBOOK = "python -m emotion_detection.reporting.notebooks --save 09"
WANTED_MS = 2.0
"""What a map may cost beyond the plain answer, for each face, in the live cell."""

KEYS = ("network", "recorded", "data", "layer", "fine_layer", "shift_cells", "averages", "sanity", "deletion")
SPEED_KEYS = ("measured", "hardware", "wanted_ms", "face", "frame", "keras_grad_cam_ms")

EARLY = 0.2
"""Share of the face up to which deletion counts as early. That small cells are better there was seen on the first
`EXPLORED` faces of the drawn order, which are left out here."""

EXPLORED = 200
CENTRE, AVERAGE, AVERAGE_FINE = "centre", "average", "average_fine"
"""Orders that know the answer or nothing, but not the face: from the middle outwards, the answer's average maps."""

TILED = "tiled"
"""The default layer's map, stretched as if each cell had seen its tile alone."""

SHIFT_FACES = 48

RANDOM = {3: "random_3", 6: "random_6"}
"""Cells a side → name of the order by chance with patches of that size."""

CELLS = dict(zip(grad_cam.LAYERS, (3, 6, 6), strict=True))
CONTROLS = (*RANDOM.values(), CENTRE, AVERAGE, AVERAGE_FINE, TILED)
FINE, COARSE = grad_cam.FINE_LAYER, grad_cam.LAST_MAP
KINDS = {"right": COARSE, "all": COARSE, "right_fine": FINE, "all_fine": FINE}
"""Averages that are recorded, over the faces rightly called so or over all called so → the layer. Those of the last map
are class activations on LiteRT, as the live cell shows them."""


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
    from emotion_detection.data import load_fer2013
    from emotion_detection.training import mobilenet

    dataset = dataset if dataset is not None else load_fer2013()
    model = mobilenet.load_network(paths.models_dir() / f"{registry.SHIPPED}.keras")
    classifier = EmotionClassifier.load(threads=1)
    faces = dataset.public_test
    logits, maps = class_activation.evidence(classifier, faces.pixels)
    answer = logits.argmax(axis=1)
    layers = {
        "": maps[np.arange(len(maps)), :, :, answer],
        "_fine": grad_cam.grad_cam(model, faces.pixels, answer, layer=grad_cam.FINE_LAYER),
    }
    averages, counts = _averages(layers, answer, right=answer == faces.emotion)
    drawn = np.random.default_rng(SEED).permutation(len(faces))[EXPLORED:]
    some, few = drawn[:DELETION_FACES], drawn[:SANITY_FACES]
    known = {AVERAGE: averages["all"][answer[some]], AVERAGE_FINE: averages["all_fine"][answer[some]]}
    values = {
        "network": _network(),
        "recorded": datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat(),
        "data": {"name": dataset.name, "split": "PublicTest", "fingerprint": dataset.fingerprint},
        "layer": grad_cam.LAYER,
        "fine_layer": grad_cam.FINE_LAYER,
        "shift_cells": {
            layer: explanation_checks.measured_shift(model, faces.pixels[drawn[:SHIFT_FACES]], layer)
            for layer in (grad_cam.LAYER, grad_cam.FINE_LAYER)
        },
        "averages": counts,
        "sanity": _sanity(model, faces.pixels[few], answer[few]),
        "deletion": _deletion(model, classifier, faces.pixels[some], known),
    }
    with files.written_beside(folder() / "averages.npz") as temporary:
        np.savez_compressed(temporary, **averages)
    files.write_json(folder() / "checks.json", _rounded(values))
    return folder()


def _network() -> dict:
    """Return what tells the shipped network from every other."""
    card = registry.read_card()
    digests = {name: entry["sha256"] for name, entry in card["files"].items()}
    return {"name": card["name"], "run": card["run"], "finished": card["finished"], "sha256": digests}


def _averages(layers: dict[str, np.ndarray], answer: np.ndarray, *, right: np.ndarray) -> tuple[dict, dict]:
    """Return the mean heat of each answer, named as in `KINDS`, and the numbers of faces; `layers`: ending → maps."""
    averages, counts = {}, {}
    for kind, chosen in (("right", right), ("all", None)):
        for ending, maps in layers.items():
            averages[kind + ending], n = explanation_checks.average_heat(maps, answer, chosen=chosen)
        counts[kind] = dict(zip(EMOTIONS, n, strict=True))
    return averages, counts


def _deletion(model, classifier: EmotionClassifier, faces: np.ndarray, known: dict[str, np.ndarray]) -> dict:
    """Return the deletion curves of all orders and the paired differences of the areas under them."""
    maps = {layer: grad_cam.grad_cam(model, faces, layer=layer) for layer in grad_cam.LAYERS}
    chance = {
        name: explanation_checks.random_importance(len(faces), cells, seed=SEED) for cells, name in RANDOM.items()
    }
    orders = {name: explanation_checks.over_faces(each) for name, each in (maps | chance | known).items()}
    orders[CENTRE] = explanation_checks.centre_importance(len(faces))
    orders[TILED] = explanation_checks.tiled_over_faces(maps[grad_cam.LAYER])
    curves = explanation_checks.deletion_curves(classifier.predict_proba, faces, orders)
    return {
        "n": len(faces),
        "seed": SEED,
        "blur_px": explanation_checks.BLUR_PX,
        "shares": list(explanation_checks.SHARES),
        "curves": {name: _curve(curve) for name, curve in curves.items()},
        "whole": _compared(curves, 1.0),
        "early": _compared(curves, EARLY),
    }


def _compared(curves: dict[str, np.ndarray], up_to: float) -> dict:
    """Return the areas of all orders, and how far those of the maps are from the controls' and the default's."""
    interval = explanation_checks.mean_with_interval
    areas = {name: explanation_checks.areas(curve, up_to=up_to) for name, curve in curves.items()}
    return {
        "up_to": up_to,
        "areas": {name: interval(area) for name, area in areas.items()},
        "differences": {
            layer: {control: interval(areas[layer] - areas[control]) for control in CONTROLS}
            for layer in grad_cam.LAYERS
        },
        "to_default": {
            layer: interval(areas[layer] - areas[grad_cam.LAYER])
            for layer in grad_cam.LAYERS
            if layer != grad_cam.LAYER
        },
    }


def _curve(curve: np.ndarray) -> dict[str, list[float]]:
    points = [explanation_checks.mean_with_interval(column) for column in curve.T]
    return {key: [point[key] for point in points] for key in ("mean", "low", "high")}


def _sanity(model, faces: np.ndarray, answer: np.ndarray) -> dict:
    """Return how like the network's maps those of ever more shuffled networks are, for the same emotions."""
    layers = (grad_cam.LAYER, grad_cam.FINE_LAYER)
    own = {layer: grad_cam.grad_cam(model, faces, answer, layer=layer) for layer in layers}
    found = {layer: {"steps": [], "another_face": _of_another_face(model, faces, answer, layer)} for layer in layers}
    cascade = explanation_checks.shuffled_cascade(model, seed=SEED)
    for step, shuffled in tqdm.tqdm(cascade, desc="Shuffling", unit="step", total=len(explanation_checks.CASCADE)):
        for layer in layers:
            maps = grad_cam.grad_cam(shuffled, faces, answer, layer=layer)
            values = {"down_to": step, "constant_maps": _constant(maps), **_likeness(own[layer], maps)}
            found[layer]["steps"].append(values)
    return {"n": len(faces), "seed": SEED, "layers": found}


def _of_another_face(model, faces: np.ndarray, answer: np.ndarray, layer: str) -> dict:
    """Return how like maps for the same emotion are that the network gives of a face and of another one."""
    own, others = (grad_cam.grad_cam(model, each, answer, layer=layer) for each in (faces, np.roll(faces, 1, axis=0)))
    return _likeness(own, others)


def _constant(maps: np.ndarray) -> int:
    return int((np.ptp(maps, axis=(1, 2)) == 0).sum())


def _likeness(maps: np.ndarray, others: np.ndarray) -> dict:
    interval = explanation_checks.mean_with_interval
    return {
        "rank_correlation": interval(explanation_checks.rank_correlations(maps, others)),
        "similarity": interval(explanation_checks.structural_similarities(maps, others)),
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
    return files.read_json(folder() / "checks.json", remake=REMAKE, keys=KEYS)


def load_speed() -> dict:
    """Return what a map costs beyond the plain answer, as it was measured.

    Raises:
        MissingFileError: it was not recorded.
        DataError: it is damaged.
    """
    remake = "python tests/benchmarks/bench_explain.py --record"
    return files.read_json(speed_path(), remake=remake, keys=SPEED_KEYS)


def load_averages() -> dict[str, np.ndarray]:
    """Return float32 arrays (7, h, w), 0–1, for each of `KINDS`: the mean heat of each answer.

    Raises:
        MissingFileError: they are not there.
        DataError: they are damaged.
    """
    path = folder() / "averages.npz"
    files.require(path, remake=REMAKE)
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {kind: archive[kind] for kind in KINDS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise files.damaged(path, f"it cannot be read ({error})", remake=REMAKE) from error


def is_current(values: dict) -> bool:
    """Return whether recorded checks are of the network that is shipped now."""
    return values["network"] == _network()
