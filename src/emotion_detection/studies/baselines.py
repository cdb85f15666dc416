"""Networks of other repositories, answering the same faces as ours by the same code; their answers are recorded.

Their files are not part of this project (`paths.find_file` looks for them); what they answered is, in
`data/results/baselines/<name>/`: `predictions.npz`, laid out as in a run's record, and `baseline.json`.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from emotion_detection import files, paths
from emotion_detection.data import FaceDataset, ferplus
from emotion_detection.data.dataset import TEST_SPLITS
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.evaluation import ferplus_scores, metrics
from emotion_detection.reporting.reports import percent, points
from emotion_detection.runs import store

SOURCE = "github.com/oarriaga/face_classification"
FILES = {
    "mini_XCEPTION": "fer2013_mini_XCEPTION.102-0.66.hdf5",
    "big_XCEPTION": "fer2013_big_XCEPTION.54-0.66.hdf5",
}
"""Name → file of networks of oarriaga/face_classification, looked for in `EMOTION_DATA_DIR` and its `baselines/`.

Its training script validates on the last fifth of the CSV, which is PublicTest and PrivateTest, and keeps the best
epoch by that: these networks were chosen on the faces that they are scored on here.

Reference: Arriaga, Valdenegro-Toro, Plöger: Real-time Convolutional Neural Networks for Emotion and Gender
Classification. 2017, arXiv:1710.07557.
"""


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A network of another repository, loaded.

    Args:
        name: a key of `FILES`.
        probabilities: from uint8 faces (n, 48, 48) to float32 (n, 7), in the order of `EMOTIONS`.
        parameters: how many it has.
        sha256: of its file.
    """

    name: str
    probabilities: Callable[[np.ndarray], np.ndarray]
    parameters: int
    sha256: str


def find(name: str) -> Path:
    """Return a baseline's file.

    Raises:
        UnknownNameError: there is no such baseline.
        MissingFileError: it is not on this machine.
    """
    if name not in FILES:
        raise UnknownNameError(f"{name!r} is no baseline. {store.nearest(name, list(FILES))}")
    path = paths.find_file(FILES[name], f"baselines/{FILES[name]}")
    if path is None:
        raise MissingFileError(
            f"The baseline {name} is not on this machine: {FILES[name]} was looked for in the folders of "
            "EMOTION_DATA_DIR and their baselines/. Get it from the repository oarriaga/face_classification "
            "(trained_models/emotion_models), put it there, or leave it out."
        )
    return path


def load(name: str) -> Baseline:
    """Load a baseline; it sees faces as in its repository: enlarged to 64×64 by OpenCV, scaled to −1–1.

    Raises:
        UnknownNameError: there is no such baseline.
        MissingFileError: it is not on this machine.
    """
    path = find(name)
    import keras

    from emotion_detection.training import backends

    model = keras.models.load_model(path, compile=False)
    size = tuple(model.input_shape[1:3])

    def probabilities(pixels: np.ndarray) -> np.ndarray:
        resized = np.stack([cv2.resize(face, size) for face in pixels])[..., None]
        return backends.predict_logits(model, (resized.astype(np.float32) / 255 - 0.5) * 2)

    return Baseline(name, probabilities, int(model.count_params()), files.sha256(path))


def folder(name: str) -> Path:
    """Return the folder of a baseline's record."""
    return paths.project_root() / "data" / "results" / "baselines" / name


def measure(name: str, dataset: FaceDataset) -> Path:
    """Let a baseline answer PublicTest and PrivateTest, and record what it says.

    Nothing of ours is chosen by it. Where FER+'s votes are at hand, the answers are counted against them, too.

    Args:
        name: a key of `FILES`.
        dataset: FER2013 with the official rows.

    Returns:
        The record's folder.

    Raises:
        UnknownNameError: there is no such baseline.
        MissingFileError: it is not on this machine.
        DataError: a split has no labels, or the row numbers are not FER2013's.
    """
    find(name)
    parts = {split: dataset.labelled_split(split) for split in TEST_SPLITS}
    if not dataset.has_official_rows:
        raise DataError(
            f"Baselines are compared on the official rows of {' and '.join(TEST_SPLITS)}, but {dataset.name} lost its "
            "row numbers. Use fer2013.csv (data/README.md)."
        )
    network = load(name)
    predictions = {
        split: store.as_recorded(
            store.Predictions(split, faces.row, faces.emotion, np.log(network.probabilities(faces.pixels) + 1e-12))
        )
        for split, faces in parts.items()
    }
    info = {
        "network": name,
        "sha256": network.sha256,
        "parameters": network.parameters,
        "data": {"name": dataset.name, "fingerprint": dataset.fingerprint},
    }
    if ferplus.find() is not None:
        votes, twins = ferplus.load_ferplus(), metrics.load_twins()
        info["ferplus"] = {split: ferplus_scores.counts_of(each, votes, twins) for split, each in predictions.items()}
    folder(name).mkdir(parents=True, exist_ok=True)
    store.write_predictions(folder(name) / "predictions.npz", predictions)
    files.write_json(folder(name) / "baseline.json", info)
    return folder(name)


# From records alone


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a baseline answered: the record's `baseline.json` and its predictions by split."""

    name: str
    info: dict
    predictions: dict[str, store.Predictions]


def recorded() -> dict[str, Answers]:
    """Return what is recorded of the baselines, by name.

    Raises:
        MissingFileError: half of a record is not there.
        DataError: a record is damaged.
    """
    found = {}
    for name in FILES:
        path = folder(name) / "baseline.json"
        if path.is_file():
            remake = f"python -m emotion_detection baselines {name} (needs FER2013 and {FILES[name]})"
            predictions = store.read_predictions(folder(name) / "predictions.npz", remake=remake)
            if set(predictions) != set(TEST_SPLITS):
                received = f"it holds {', '.join(predictions) or 'nothing'}, expected {' and '.join(TEST_SPLITS)}"
                raise files.damaged(folder(name) / "predictions.npz", received, remake=remake)
            found[name] = Answers(name, files.read_json(path, remake=remake, keys=("parameters",)), predictions)
    return found


def compared(run: store.Run, *, split: str = "PrivateTest") -> pd.DataFrame:
    """Return the baselines beside a run of ours, on the same faces.

    Args:
        run: of ours; its answers on `split` are recorded.
        split: "PublicTest" or "PrivateTest".

    Returns:
        A row per network, ours first: `network`, `parameters`, `accuracy`, `low`, `high` (95 % bootstrap),
        `deduplicated`, `macro_f1`, `ferplus` (strict majority; None where the votes were not at hand), and ours minus
        theirs on the same faces: `ahead`, `ahead_low`, `ahead_high` (paired; NaN in our own row), all 0–1.

    Raises:
        MissingFileError: no baseline is recorded.
    """
    known = recorded()
    if not known:
        raise MissingFileError(
            "No baseline is recorded in data/results/baselines/. Restore it (git checkout -- data/results/baselines), "
            "or record it: python -m emotion_detection baselines"
        )
    own, twins = run.predictions[split], metrics.load_twins()
    lines = [_line(metrics.display_name(run), run.info, own, twins, split) | dict.fromkeys(AHEAD, np.nan)]
    for each in known.values():
        theirs = each.predictions[split]
        between = metrics.compare(own, theirs)
        ahead = (between.difference, *between.difference_ci)
        lines.append(_line(each.name, each.info, theirs, twins, split) | dict(zip(AHEAD, ahead, strict=True)))
    return pd.DataFrame(lines)


AHEAD = ("ahead", "ahead_low", "ahead_high")


def _line(name: str, info: dict, answers: store.Predictions, twins: dict, split: str) -> dict:
    low, high = metrics.bootstrap(answers).accuracy
    parameters = info["parameters"]
    return {
        "network": name,
        "parameters": parameters["all"] if isinstance(parameters, dict) else parameters,
        "accuracy": metrics.accuracy(answers),
        "low": low,
        "high": high,
        "deduplicated": metrics.accuracy(metrics.without_twins(answers, twins)),
        "macro_f1": metrics.macro_f1(answers),
        "ferplus": (info.get("ferplus") or {}).get(split, {}).get("accuracy"),
    }


def table(found: pd.DataFrame) -> pd.DataFrame:
    """Return a comparison as text.

    Args:
        found: as `compared` returns it.
    """
    return pd.DataFrame(
        {
            "Network": line.network,
            "Parameters": f"{line.parameters / 1e6:.2f} M",
            "Accuracy": f"{percent(line.accuracy)} ({100 * line.low:.1f}–{100 * line.high:.1f})",
            "De-duplicated": percent(line.deduplicated),
            "Macro-F1": percent(line.macro_f1),
            "FER+, strict majority": "–" if pd.isna(line.ferplus) else percent(line.ferplus),
            "Ours is better by, points": "–"
            if pd.isna(line.ahead)
            else points(line.ahead, (line.ahead_low, line.ahead_high)),
        }
        for line in found.itertuples(index=False)
    )
