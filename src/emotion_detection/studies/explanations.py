"""Do maps of evidence mean something? Checks of them on PublicTest, run by `record` and read by the rest.

The record, `data/results/explanations/`, spares its readers FER2013 and Keras. No single face is in it: means over
hundreds of faces, and maps averaged over all faces with the same answer.
"""

import datetime
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tqdm

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.inference import class_activation
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs import registry
from emotion_detection.training import grad_cam

log = logging.getLogger(__name__)

DELETION_FACES = 300
SANITY_FACES = 150
SEED = 0
SIDE_PX = 48
COMMAND = "python -m emotion_detection explain --record"
REMAKE = f"{COMMAND} (needs FER2013)"
SAVE_NOTEBOOK = "python -m emotion_detection.reporting.notebooks --save B"
KEYS = ("network", "recorded", "data", "layer", "fine_layer", "averages", "sanity", "deletion")

SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Shares of a face's area that are deleted."""

EARLY = 0.2
"""Share up to which deletion counts as early. That small cells are better there was seen on the first `EXPLORED` faces
of the drawn order, which are left out here."""

EXPLORED = 200
BLUR_PX = 6.0
"""Standard deviation of the blur that takes the place of what is deleted: of 48 px it leaves light and dark."""

CASCADE = ("logits", "Conv_1", "block_16", "block_14", "block_12", "block_9", "block_6", "block_3", "Conv1")
"""Layers down to which, from the answer on, weights are shuffled: the last step shuffles the whole network."""

LAYERS = dict(zip(grad_cam.LAYERS, (3, 6, 6), strict=True))
"""Layers whose maps are checked → cells a side; the first is the default, the second the finer."""

COARSE, FINE, _ = LAYERS
RANDOM = {"random_3": 3, "random_6": 6}
"""Orders by chance → cells a side of their patches."""

CONTROLS = {
    "random_3": "random patches, 3×3",
    "random_6": "random patches, 6×6",
    "centre": "the middle first",
    "average": "the answer's average map, 3×3",
    "average_fine": "the answer's average map, 6×6",
    "tiled": "the 3×3 map, not aligned",
}
"""Orders of deletion that the maps are compared with → their names in tables. Some are by chance, one from the middle
outwards; the answer's average maps know no face; the last is the default's own map, stretched as if each cell had seen
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
    from emotion_detection.training import mobilenet

    dataset = dataset if dataset is not None else load_fer2013()
    model = mobilenet.load_network(paths.models_dir() / f"{registry.SHIPPED}.keras")
    classifier = EmotionClassifier.load(labels="fer2013", threads=1)
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
        averages[kind], n = average_heat(heat[layer], answer, chosen=chosen)
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
        "averages": counts,
        "sanity": _sanity(model, faces.pixels[few], answer[few]),
        "deletion": _deletion(model, classifier, faces.pixels[some], known),
    }
    with files.written_beside(folder() / "averages.npz") as temporary:
        np.savez_compressed(temporary, **averages)
    files.write_json(folder() / "checks.json", files.rounded(values))
    return folder()


def _network() -> dict:
    """Return what tells the shipped network from every other."""
    card = registry.read_card()
    digests = {name: entry["sha256"] for name, entry in card["files"].items()}
    return {"name": card["name"], "run": card["run"], "finished": card["finished"], "sha256": digests}


def _deletion(model, classifier: EmotionClassifier, faces: np.ndarray, known: dict[str, np.ndarray]) -> dict:
    """Return the deletion curves of all orders and the paired differences of the areas under them."""
    maps = {layer: grad_cam.grad_cam(model, faces, layer=layer) for layer in LAYERS}
    chance = {name: np.random.default_rng(SEED).normal(size=(len(faces), side, side)) for name, side in RANDOM.items()}
    orders = {name: over_faces(each) for name, each in (maps | chance | known).items()}
    orders["centre"] = centre_importance(len(faces))
    orders["tiled"] = tiled_over_faces(maps[COARSE])
    curves = deletion_curves(classifier.predict_proba, faces, orders)
    return {
        "n": len(faces),
        "seed": SEED,
        "blur_px": BLUR_PX,
        "shares": list(SHARES),
        "curves": {name: _curve(curve) for name, curve in curves.items()},
        "whole": _compared(curves, 1.0),
        "early": _compared(curves, EARLY),
    }


def _compared(curves: dict[str, np.ndarray], up_to: float) -> dict:
    """Return the areas under all curves, and how far those of the maps are from the controls', face by face."""
    found = {name: areas(curve, up_to=up_to) for name, curve in curves.items()}
    differences = {
        layer: {control: mean_with_interval(found[layer] - found[control]) for control in CONTROLS} for layer in LAYERS
    }
    return {
        "up_to": up_to,
        "areas": {name: mean_with_interval(area) for name, area in found.items()},
        "differences": differences,
    }


def _curve(curve: np.ndarray) -> dict[str, list[float]]:
    points = [mean_with_interval(column) for column in curve.T]
    return {key: [point[key] for point in points] for key in ("mean", "low", "high")}


def _sanity(model, faces: np.ndarray, answer: np.ndarray) -> dict:
    """Return how like the network's maps those of ever more shuffled networks are, for the same emotions.

    Beside them, how like maps for the same emotion are that the network gives of a face and of another one.
    """
    own = {layer: grad_cam.grad_cam(model, faces, answer, layer=layer) for layer in (COARSE, FINE)}
    others = {layer: grad_cam.grad_cam(model, np.roll(faces, 1, axis=0), answer, layer=layer) for layer in own}
    found = {layer: {"steps": [], "another_face": _likeness(own[layer], others[layer])} for layer in own}
    for step, shuffled in tqdm.tqdm(shuffled_cascade(model), desc="Shuffling", unit="step", total=len(CASCADE)):
        for layer in own:
            maps = grad_cam.grad_cam(shuffled, faces, answer, layer=layer)
            found[layer]["steps"].append({"down_to": step, **_likeness(own[layer], maps)})
    return {"n": len(faces), "seed": SEED, "layers": found}


def _likeness(maps: np.ndarray, others: np.ndarray) -> dict:
    return {"rank_correlation": mean_with_interval(rank_correlations(maps, others))}


def deletion_curves(
    predict: Callable[[np.ndarray], np.ndarray], faces: np.ndarray, importances: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return how the probability of each face's answer falls while what matters most is blurred away.

    Args:
        predict: from uint8 faces (n, 48, 48) to probabilities (n, 7).
        faces: uint8 array (n, 48, 48), grey.
        importances: name → float array (n, 48, 48): the order in which places are deleted, the highest first.

    Returns:
        Name → float array (n, len(SHARES)): the probability of the emotion that was most probable at the beginning.

    Reference:
        Petsiuk et al.: RISE: Randomized Input Sampling for Explanation of Black-box Models. BMVC 2018.
    """
    blurred = np.stack([cv2.GaussianBlur(face, (0, 0), BLUR_PX) for face in faces])
    each, answer = np.arange(len(faces)), predict(faces).argmax(axis=1)
    curves = {}
    for name, importance in tqdm.tqdm(importances.items(), desc="Deleting", unit="order"):
        ranks = deletion_ranks(importance)
        left = [np.where(ranks < round(share * ranks[0].size), blurred, faces) for share in SHARES]
        curves[name] = np.stack([predict(batch)[each, answer] for batch in left], axis=1)
    return curves


def over_faces(maps: np.ndarray) -> np.ndarray:
    """Return maps (n, h, w) stretched to faces by `class_activation.stretched`, float32 (n, 48, 48)."""
    return np.stack([class_activation.stretched(each, (SIDE_PX, SIDE_PX)) for each in maps])


def tiled_over_faces(maps: np.ndarray) -> np.ndarray:
    """Return the same as most code stretches maps: as if each cell had seen its tile, and no more."""
    return np.stack([cv2.resize(np.asarray(each, np.float32), (SIDE_PX, SIDE_PX)) for each in maps])


def deletion_ranks(importance: np.ndarray) -> np.ndarray:
    """Return when each pixel is deleted: int array (n, h, w), 0 first; of equal ones a random one comes first."""
    flat = -importance.reshape(len(importance), -1)
    chance = np.random.default_rng(SEED).random(flat.shape)
    order = np.lexsort((chance, flat), axis=1)
    return np.argsort(order, axis=1).reshape(importance.shape)


def areas(curve: np.ndarray, *, up_to: float = 1.0) -> np.ndarray:
    """Return the mean height of deletion curves (n, len(SHARES)) up to a share of the face: float array (n,)."""
    points = SHARES.index(up_to) + 1
    return np.trapezoid(curve[:, :points], SHARES[:points], axis=1) / up_to


def centre_importance(count: int) -> np.ndarray:
    """Return the order of someone who looks at no face: from the middle outwards, float array (count, 48, 48)."""
    offsets = np.arange(SIDE_PX) - (SIDE_PX - 1) / 2
    return np.repeat(-np.hypot(offsets[:, None], offsets)[None], count, axis=0)


def shuffled_cascade(model) -> Iterator[tuple[str, object]]:
    """Yield a Keras network with more and more of its layers' weights shuffled, from the answer back to the pixels.

    Each weight tensor keeps its values and loses their order, so that activations keep their scale. The network is a
    copy, the same one each time: use it before the next step.

    Args:
        model: as `mobilenet.build_model` makes it; it stays as it is.

    Yields:
        The lowest layer or block that is shuffled, of `CASCADE`, and the network.

    Reference:
        Adebayo et al.: Sanity Checks for Saliency Maps. NeurIPS 2018 (cascading randomisation).
    """
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    generator = np.random.default_rng(SEED)
    weighted = [layer for layer in reversed(copy.layers) if layer.weights]
    for step in CASCADE:
        lowest = max(index for index, layer in enumerate(weighted) if layer.name.startswith(step))
        for layer in weighted[: lowest + 1]:
            layer.set_weights([generator.permutation(w.ravel()).reshape(w.shape) for w in layer.get_weights()])
        weighted = weighted[lowest + 1 :]
        yield step, copy


def rank_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of two maps (n, h, w) of each face: float array (n,), 0 where one is constant."""
    ranks, others = (pd.DataFrame(maps.reshape(len(maps), -1)).rank(axis=1) for maps in (first, second))
    with np.errstate(invalid="ignore"):
        return ranks.corrwith(others, axis=1).fillna(0.0).to_numpy()


def average_heat(
    maps: np.ndarray, answer: np.ndarray, *, chosen: np.ndarray | None = None
) -> tuple[np.ndarray, list[int]]:
    """Return the mean heat of each emotion over the faces that were called so, and their number.

    Each face counts the same: its map is made heat first.

    Args:
        maps: float array (n, h, w), each face's evidence for its answer.
        answer: int array (n,), the classes answered.
        chosen: bool array (n,), the faces that count; None: all.

    Returns:
        float32 array (7, h, w), 0–1, zero for an emotion without faces; and seven counts.
    """
    heats = np.stack([class_activation.heat(each) for each in maps])
    keep = np.ones(len(maps), bool) if chosen is None else chosen
    groups = [heats[keep & (answer == index)] for index in range(len(EMOTIONS))]
    means = [group.mean(axis=0) if len(group) else np.zeros(maps.shape[1:]) for group in groups]
    return np.stack(means).astype(np.float32), [len(group) for group in groups]


def mean_with_interval(values: np.ndarray) -> dict[str, float]:
    """Return the mean of values over faces, and its 95 % interval (normal approximation)."""
    mean, half = float(np.mean(values)), 1.96 * float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def load_checks() -> dict:
    """Return the recorded checks; a warning is logged where they are of another network than the shipped one.

    Raises:
        MissingFileError: they are not there.
        DataError: they are damaged.
    """
    values = files.read_json(folder() / "checks.json", remake=REMAKE, keys=KEYS)
    if values["network"] != _network():
        run = values["network"]["run"]
        log.warning("The checks of explanations are of %s; another network is shipped by now. Run: %s", run, REMAKE)
    return values


def load_average_heat() -> dict[str, np.ndarray]:
    """Return float32 arrays (7, h, w), 0–1, for each of `KINDS`: the mean heat of each answer.

    Raises:
        MissingFileError: they are not there.
        DataError: they are damaged.
    """
    expected = {kind: ("f", (len(EMOTIONS), None, None)) for kind in KINDS}
    return files.read_arrays(folder() / "averages.npz", expected=expected, remake=REMAKE)


def heat_by_place(values: dict, heat: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return where the average heat of each right answer lies, by `load_checks` and `load_average_heat`.

    Returns:
        A row per emotion: `emotion`, `n` (faces rightly called so), `lower_third_share` (of the heat of the 3×3 map,
        stretched over the face; the mouth is there), `corners_share` (of the heat of the 6×6 map, in its four corner
        cells, a ninth of the area: hair and background).
    """
    faces, fine = over_faces(heat["right"]), heat["right_fine"]
    third = faces.shape[1] // 3
    lower = faces[:, -third:].sum(axis=(1, 2)) / np.maximum(faces.sum(axis=(1, 2)), 1e-9)
    corners = fine[:, [0, 0, -1, -1], [0, -1, 0, -1]].sum(axis=1) / np.maximum(fine.sum(axis=(1, 2)), 1e-9)
    counts = [values["averages"]["right"][emotion] for emotion in EMOTIONS]
    return pd.DataFrame({"emotion": EMOTIONS, "n": counts, "lower_third_share": lower, "corners_share": corners})


def sanity_table(values: dict) -> pd.DataFrame:
    """Return how like the network's own maps those of ever more shuffled networks are, by `load_checks`.

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


def deletion_table(values: dict) -> pd.DataFrame:
    """Return how much lower the deletion curves of two maps run than those of controls, by `load_checks`.

    Returns:
        A row per `control`; `difference_3x3`, `difference_6x6` (mean probability while the whole face is blurred, the
        map's minus the control's) and `difference_3x3_early`, `difference_6x6_early` (only while the first fifth is),
        each with `_low` and `_high` of its 95 % interval.
    """
    deletion, rows = values["deletion"], []
    for control, words in CONTROLS.items():
        row = {"control": words}
        for ending, part in (("", "whole"), ("_early", "early")):
            for cells, layer in (("3x3", COARSE), ("6x6", FINE)):
                found, name = deletion[part]["differences"][layer][control], f"difference_{cells}{ending}"
                row |= {name: found["mean"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
        rows.append(row)
    return pd.DataFrame(rows)
