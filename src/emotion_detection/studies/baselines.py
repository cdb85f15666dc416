"""Networks of other repositories on the same faces as ours: their answers are recorded, and what they cost.

Their files are not part of this project (`paths.find_file` looks for them); what they answered is, in
`data/results/baselines/<name>/`: `predictions.npz`, laid out as in a run's record, and `baseline.json`. Bytes and
times, theirs and ours, are in `data/results/benchmarks/networks.json`.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from emotion_detection import files, paths
from emotion_detection.data import FaceDataset, ferplus, summaries
from emotion_detection.data.dataset import TEST_SPLITS
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.evaluation import comparison, ferplus_scores, leakage, metrics, resampling
from emotion_detection.runs import registry, store
from emotion_detection.runs.run import Predictions, Run

SPLIT = "PrivateTest"
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

AHEAD = ("difference", "difference_low", "difference_high")
OURS = {form: f"shipped_{form}" for form in registry.SUFFIXES}
"""Format of a shipped file → its name in the record of costs."""


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A network of another repository, loaded.

    Args:
        probabilities: from uint8 faces (n, 48, 48) to float32 (n, 7), in the order of `EMOTIONS`.
        parameters: how many it has.
        sha256: of its file.
    """

    probabilities: Callable[[np.ndarray], np.ndarray]
    parameters: int
    sha256: str


def find(name: str) -> Path:
    """Return a baseline's file; UnknownNameError or MissingFileError says that there is none."""
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
    """Load a baseline that `find` finds.

    It sees faces as in its repository: enlarged to 64×64 by OpenCV, scaled to −1–1.
    """
    path = find(name)
    import keras

    from emotion_detection.training import backends

    model = keras.models.load_model(path, compile=False)
    size = tuple(model.input_shape[1:3])

    def probabilities(pixels: np.ndarray) -> np.ndarray:
        resized = np.stack([cv2.resize(face, size) for face in pixels])[..., None]
        return backends.predict_logits(model, (resized.astype(np.float32) / 255 - 0.5) * 2)

    return Baseline(probabilities, int(model.count_params()), files.sha256(path))


def folder(name: str) -> Path:
    """Return the folder of a baseline's record."""
    return paths.project_root() / "data" / "results" / "baselines" / name


def measure(name: str, dataset: FaceDataset) -> Path:
    """Let a baseline answer PublicTest and PrivateTest, and record what it says.

    Nothing of ours is chosen by it. Where FER+'s votes are at hand, the answers are counted against them, too. The
    record's folder is returned.

    Raises:
        DataError: a split has no labels, or the row numbers are not FER2013's; besides, all that `find` raises.
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
            Predictions(split, faces.row, faces.emotion, np.log(network.probabilities(faces.pixels) + 1e-12))
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
        votes, twins = ferplus.load_ferplus(), summaries.load_twins()
        info["ferplus"] = {split: ferplus_scores.counts_of(each, votes, twins) for split, each in predictions.items()}
    folder(name).mkdir(parents=True, exist_ok=True)
    store.write_predictions(folder(name) / "predictions.npz", predictions)
    files.write_json(folder(name) / "baseline.json", info)
    return folder(name)


# From records alone


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a baseline answered: the record's `baseline.json` and its predictions by split."""

    info: dict
    predictions: dict[str, Predictions]


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
            found[name] = Answers(files.read_json(path, remake=remake, keys=("parameters",)), predictions)
    return found


def compared(run: Run) -> pd.DataFrame:
    """Return the baselines beside a final run of ours, on the faces of PrivateTest.

    Returns:
        A row per network, ours first: `network`, `parameters`, `accuracy`, `accuracy_low`, `accuracy_high` (95 %
        bootstrap), `accuracy_deduplicated`, `macro_f1`, `accuracy_ferplus` (strict majority; NaN where the votes were
        not at hand), and ours minus theirs on the same faces: `difference`, `difference_low`, `difference_high`
        (paired; NaN in our own row), all 0–1.

    Raises:
        MissingFileError: no baseline is recorded.
    """
    known = recorded()
    if not known:
        raise MissingFileError(
            "No baseline is recorded in data/results/baselines/. Restore it (git checkout -- data/results/baselines), "
            "or record it: python -m emotion_detection baselines"
        )
    own, twins = run.predictions[SPLIT], summaries.load_twins()
    networks = {run.display_name: (run.info, own)}
    networks |= {name: (each.info, each.predictions[SPLIT]) for name, each in known.items()}
    lines = []
    for name, (info, answers) in networks.items():
        ferplus = (info.get("ferplus") or {}).get(SPLIT, {}).get("accuracy")
        between, parameters = comparison.compare(own, answers), info["parameters"]
        lines.append(
            {
                "network": name,
                "parameters": parameters["all"] if isinstance(parameters, dict) else parameters,
                **metrics.accuracy_with_interval(answers),
                "accuracy_deduplicated": metrics.accuracy(leakage.without_twins(answers, twins)),
                "macro_f1": metrics.macro_f1(answers),
                "accuracy_ferplus": np.nan if ferplus is None else ferplus,
                **{key: np.nan if answers is own else between[key] for key in AHEAD},
            }
        )
    return pd.DataFrame(lines)


# What networks cost, as `tests/benchmarks/bench_networks.py` records it


def costs_path() -> Path:
    """Return the path of the record of what networks cost."""
    return paths.project_root() / "data" / "results" / "benchmarks" / "networks.json"


def read_costs() -> pd.DataFrame:
    """Return what each measured network costs, as `cost_table` gives it."""
    remake = "python tests/benchmarks/bench_networks.py --record"
    networks = files.read_json(costs_path(), remake=remake, keys=("networks",))["networks"]
    for name, entry in networks.items():
        if not {"ms", "bytes", "parameters", "sha256"} <= set(entry):
            raise files.damaged(costs_path(), f"{name} has {', '.join(entry)}", remake=remake)
    return cost_table(networks)


def cost_table(networks: dict[str, dict]) -> pd.DataFrame:
    """Return what networks cost for one face on one thread of LiteRT.

    Args:
        networks: name → `ms` (of each round), `bytes`, `parameters`.

    Returns:
        By name: `ms` (median over the rounds), `ms_least`, `ms_most`, `mb` (10⁶ bytes), `parameters`.
    """
    table = pd.DataFrame.from_dict(networks, orient="index")
    rounds = table["ms"].map(np.array)
    return pd.DataFrame(
        {
            "ms": rounds.map(np.median),
            "ms_least": rounds.map(np.min),
            "ms_most": rounds.map(np.max),
            "mb": table["bytes"] / 1e6,
            "parameters": table["parameters"],
        }
    )


def costs_and_accuracy() -> pd.DataFrame:
    """Return cost and accuracy on PrivateTest of the shipped files and of the baselines.

    Returns:
        A row per network: `network`, `accuracy`, `accuracy_low`, `accuracy_high` (95 % Wilson interval,
        0–1), and the columns of `cost_table`.
    """
    costs, lines = read_costs(), []
    formats = registry.read_card()["formats"]
    known = {
        OURS[form]: (f"ours, {form}", formats[form][SPLIT]["accuracy"], formats[form][SPLIT]["n"]) for form in OURS
    }
    for name, answers in recorded().items():
        theirs = answers.predictions[SPLIT]
        known[name] = (name, metrics.accuracy(theirs), len(theirs))
    for name, (network, accuracy, n) in known.items():
        if name in costs.index:
            low, high = resampling.share_interval(round(accuracy * n), n)
            line = {"network": network, "accuracy": accuracy}
            lines.append(line | {"accuracy_low": low, "accuracy_high": high, **costs.loc[name].to_dict()})
    return pd.DataFrame(lines).astype({"parameters": int})
