"""The recorded checks of explanations, in `data/results/explanations/`: figures need no FER2013 and no Keras.

`record` makes them from the shipped network and PublicTest; `load_checks` and `load_average_heat` read them. No single
face is in them: means over hundreds of faces, and maps averaged over all faces with the same answer.
"""

import datetime
import logging
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import tqdm

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.inference import class_activation
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs import registry
from emotion_detection.studies import explanation_checks

log = logging.getLogger(__name__)

DELETION_FACES = 300
SANITY_FACES = 150
SHIFT_FACES = 48
SEED = 0
COMMAND = "python -m emotion_detection explain --record"
REMAKE = f"{COMMAND} (needs FER2013)"
SAVE_NOTEBOOK = "python -m emotion_detection.reporting.notebooks --save B"
KEYS = ("network", "recorded", "data", "layer", "fine_layer", "shift_cells", "averages", "sanity", "deletion")

EARLY = 0.2
"""Share of the face up to which deletion counts as early. That small cells are better there was seen on the first
`EXPLORED` faces of the drawn order, which are left out here."""

EXPLORED = 200
LAYERS = {"out_relu": 3, "block_13_expand_relu": 6, "block_12_add": 6}
"""Layers whose maps are checked (`grad_cam.LAYERS`) → cells a side; the first is the default, the second the finer."""

COARSE, FINE, _ = LAYERS
RANDOM = {"random_3": 3, "random_6": 6}
"""Orders by chance → cells a side of their patches."""

CONTROLS = (*RANDOM, "centre", "average", "average_fine", "tiled")
"""Orders of deletion that the maps are compared with: by chance; from the middle outwards; by the average maps of the
answer, of 3×3 and of 6×6 cells, which know no face; and by the default's own map, stretched as if each cell had seen
its tile alone."""

KINDS = {"right": COARSE, "all": COARSE, "right_fine": FINE, "all_fine": FINE}
"""Averages that are recorded, over the faces rightly called so or over all called so → the layer. Those of the last map
are class activations on LiteRT, as the live cell shows them."""


def folder() -> Path:
    """Return the folder of the record, whether it exists or not."""
    return paths.project_root() / "data" / "results" / "explanations"


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
    from emotion_detection.training import grad_cam, mobilenet

    dataset = dataset if dataset is not None else load_fer2013()
    model = mobilenet.load_network(paths.models_dir() / f"{registry.SHIPPED}.keras")
    classifier = EmotionClassifier.load(threads=1)
    faces = dataset.public_test
    logits, maps = class_activation.evidence(classifier, faces.pixels)
    answer = logits.argmax(axis=1)
    heat = {
        COARSE: maps[np.arange(len(maps)), :, :, answer],
        FINE: grad_cam.grad_cam(model, faces.pixels, answer, layer=FINE),
    }
    averages, counts = {}, {}
    for kind, layer in KINDS.items():
        chosen = answer == faces.emotion if kind.startswith("right") else None
        averages[kind], n = explanation_checks.average_heat(heat[layer], answer, chosen=chosen)
        counts[kind.removesuffix("_fine")] = dict(zip(EMOTIONS, n, strict=True))
    drawn = np.random.default_rng(SEED).permutation(len(faces))[EXPLORED:]
    some, few = drawn[:DELETION_FACES], drawn[:SANITY_FACES]
    known = {"average": averages["all"][answer[some]], "average_fine": averages["all_fine"][answer[some]]}
    values = {
        "network": _network(),
        "recorded": datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat(),
        "data": {"name": dataset.name, "split": "PublicTest", "fingerprint": dataset.fingerprint},
        "layer": COARSE,
        "fine_layer": FINE,
        "shift_cells": {
            layer: explanation_checks.measured_shift(model, faces.pixels[drawn[:SHIFT_FACES]], layer)
            for layer in (COARSE, FINE)
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


def _deletion(model, classifier: EmotionClassifier, faces: np.ndarray, known: dict[str, np.ndarray]) -> dict:
    """Return the deletion curves of all orders and the paired differences of the areas under them."""
    from emotion_detection.training import grad_cam

    maps = {layer: grad_cam.grad_cam(model, faces, layer=layer) for layer in LAYERS}
    chance = {
        name: explanation_checks.random_importance(len(faces), cells, seed=SEED) for name, cells in RANDOM.items()
    }
    orders = {name: explanation_checks.over_faces(each) for name, each in (maps | chance | known).items()}
    orders["centre"] = explanation_checks.centre_importance(len(faces))
    orders["tiled"] = explanation_checks.tiled_over_faces(maps[COARSE])
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
            layer: {control: interval(areas[layer] - areas[control]) for control in CONTROLS} for layer in LAYERS
        },
        "to_default": {layer: interval(areas[layer] - areas[COARSE]) for layer in LAYERS if layer != COARSE},
    }


def _curve(curve: np.ndarray) -> dict[str, list[float]]:
    points = [explanation_checks.mean_with_interval(column) for column in curve.T]
    return {key: [point[key] for point in points] for key in ("mean", "low", "high")}


def _sanity(model, faces: np.ndarray, answer: np.ndarray) -> dict:
    """Return how like the network's maps those of ever more shuffled networks are, for the same emotions.

    Beside them, how like maps for the same emotion are that the network gives of a face and of another one.
    """
    from emotion_detection.training import grad_cam

    own = {layer: grad_cam.grad_cam(model, faces, answer, layer=layer) for layer in (COARSE, FINE)}
    others = {layer: grad_cam.grad_cam(model, np.roll(faces, 1, axis=0), answer, layer=layer) for layer in own}
    found = {layer: {"steps": [], "another_face": _likeness(own[layer], others[layer])} for layer in own}
    cascade = explanation_checks.shuffled_cascade(model, seed=SEED)
    for step, shuffled in tqdm.tqdm(cascade, desc="Shuffling", unit="step", total=len(explanation_checks.CASCADE)):
        for layer in own:
            maps = grad_cam.grad_cam(shuffled, faces, answer, layer=layer)
            constant = int((np.ptp(maps, axis=(1, 2)) == 0).sum())
            found[layer]["steps"].append({"down_to": step, "constant_maps": constant, **_likeness(own[layer], maps)})
    return {"n": len(faces), "seed": SEED, "layers": found}


def _likeness(maps: np.ndarray, others: np.ndarray) -> dict:
    correlations = explanation_checks.rank_correlations(maps, others)
    return {"rank_correlation": explanation_checks.mean_with_interval(correlations)}


def _rounded(value):
    """Return plain values, floats to four digits after the point: more than the faces that were taken tell."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


def load_checks() -> dict:
    """Return the recorded checks; a warning is logged where they are of another network than the shipped one.

    Raises:
        MissingFileError: they are not there.
        DataError: they are damaged.
    """
    values = files.read_json(folder() / "checks.json", remake=REMAKE, keys=KEYS)
    if values["network"] != _network():
        log.warning(
            "The checks of explanations are of the run %s, and another network is shipped by now. Record them again: "
            "%s.",
            values["network"]["run"],
            REMAKE,
        )
    return values


def load_average_heat() -> dict[str, np.ndarray]:
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


def heat_by_place(values: dict, heat: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return where the average heat of each right answer lies.

    Args:
        values: from `load_checks`.
        heat: from `load_average_heat`.

    Returns:
        A row per emotion: `emotion`, `n` (faces rightly called so), `lower_third_share` (of the heat of the 3×3 map,
        stretched over the face; the mouth is there), `corners_share` (of the heat of the 6×6 map, in its four corner
        cells, a ninth of the area: hair and background).
    """
    faces, fine = explanation_checks.over_faces(heat["right"]), heat["right_fine"]
    third = faces.shape[1] // 3
    lower = faces[:, -third:].sum(axis=(1, 2)) / np.maximum(faces.sum(axis=(1, 2)), 1e-9)
    corners = fine[:, [0, 0, -1, -1], [0, -1, 0, -1]].sum(axis=1) / np.maximum(fine.sum(axis=(1, 2)), 1e-9)
    counts = [values["averages"]["right"][emotion] for emotion in EMOTIONS]
    return pd.DataFrame(
        {"emotion": EMOTIONS, "n": counts, "lower_third_share": lower, "corners_share": corners},
    )


def sanity_table(values: dict) -> pd.DataFrame:
    """Return how like the network's own maps those of ever more shuffled networks are.

    Args:
        values: from `load_checks`.

    Returns:
        A row per step, and one, first, of the same network on another face: `shuffled` (the layer down to which, from
        the answer on, or "nothing: another face"), and for the maps of 3×3 and 6×6 cells the mean rank correlation,
        `correlation_3x3` and `correlation_6x6`, with `_low` and `_high` of its 95 % interval.
    """
    layers = dict(zip(("correlation_3x3", "correlation_6x6"), values["sanity"]["layers"].values(), strict=True))
    steps = [step["down_to"] for step in layers["correlation_3x3"]["steps"]]
    rows = [{"shuffled": name} for name in ("nothing: another face", *steps)]
    for column, found in layers.items():
        for row, each in zip(rows, (found["another_face"], *found["steps"]), strict=True):
            correlation = each["rank_correlation"]
            row |= {column: correlation["mean"], f"{column}_low": correlation["low"]}
            row[f"{column}_high"] = correlation["high"]
    return pd.DataFrame(rows)
