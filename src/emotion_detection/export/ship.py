"""Put a finished network into `data/models/`: `.keras`, LiteRT in float16 and int8, and the card's `.json`."""

import contextlib
import dataclasses
import shutil
from pathlib import Path

import numpy as np

from emotion_detection import files, paths
from emotion_detection.data import FaceDataset
from emotion_detection.data.dataset import TEST_SPLITS
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.evaluation import calibration as confidence
from emotion_detection.evaluation import formatting
from emotion_detection.export import litert, quantization
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs import registry, store
from emotion_detection.training import catalog, mobilenet

LARGEST_DIFFERENCE = {"float16": 0.001, "int8": 0.005}
"""Format → how far its accuracy may be from Keras' on each test split (0–1)."""

LARGEST_BYTES = {"float16": 5_000_000, "int8": 3_000_000}

MOST_IN_FLOAT = quantization.FIRST_BLOCK
"""At most so many first convolutions of the int8 file stay in float32."""


def ship(name: str, dataset: FaceDataset) -> dict:
    """Write a final run's network to `data/models/` and return its card.

    Each LiteRT file answers all faces of PublicTest and PrivateTest and is compared with what Keras answered when
    the run was evaluated. Nothing is written unless all agree.

    Args:
        name: a run whose PrivateTest is recorded and whose network is on this machine; the shipped run's network is.
        dataset: its Training faces calibrate int8, its test faces check the files.

    Raises:
        DataError: the run is not final, or a file answers otherwise than Keras or is too large.
        MissingFileError: the run's network is not on this machine.
    """
    run = store.load_run(name)
    if not run.is_final:
        raise DataError(f"{run.name} is not final: run `evaluate {run.name} --final` before shipping its network.")
    trained, calibration = store.trained_network(name), litert.calibration_of(dataset)
    model = mobilenet.load_network(trained)
    folder = paths.models_dir()
    folder.mkdir(parents=True, exist_ok=True)
    keras_file = folder / f"{registry.SHIPPED}.keras"
    with contextlib.ExitStack() as stack:
        written = stack.enter_context(files.written_beside(keras_file))
        shutil.copyfile(trained, written)
        says, formats = litert.describe(model, run=run, keras_file=written, name=registry.SHIPPED), {}
        for form in registry.SUFFIXES:
            temporary = stack.enter_context(files.written_beside(registry.network_path(form)))
            if form == "int8":
                formats[form] = _int8(model, temporary, says, calibration, run, dataset)
            else:
                litert.export_litert(model, temporary, says=says)
                formats[form] = checked(form, temporary, run, dataset)
    card = _card(run, litert.outputs_of(model), formats, [keras_file, *map(registry.network_path, registry.SUFFIXES)])
    files.write_json(registry.card_path(), card)
    return card


def _int8(model, path: Path, says: dict, calibration: litert.Calibration, run: store.Run, dataset: FaceDataset) -> dict:
    """Write int8 with the fewest first convolutions in float32, none if possible, with which it agrees with Keras.

    Returns:
        As `checked`, and `calibration`, `convolutions_in_float`, and `tried`: with fewer, the difference on each split.
    """
    tried = []
    for in_float in range(MOST_IN_FLOAT + 1):
        chosen = dataclasses.replace(calibration, convolutions_in_float=in_float)
        litert.export_litert(model, path, says=says, calibration=chosen)
        try:
            found = checked("int8", path, run, dataset)
            break
        except DisagreementError as error:
            if in_float == MOST_IN_FLOAT:
                raise
            tried.append({"convolutions_in_float": in_float, **error.differences})
    return found | {"calibration": calibration.description, "convolutions_in_float": in_float, "tried": tried}


class DisagreementError(DataError):
    """A file answers otherwise than Keras; `differences` holds how far its accuracy is off on each split, −1–1."""

    def __init__(self, message: str, differences: dict[str, float]):
        super().__init__(message)
        self.differences = differences


def checked(form: str, path: Path, run: store.Run, dataset: FaceDataset) -> dict:
    """Return how a LiteRT file answers both test splits, compared with the run's recorded answers (Keras').

    Returns:
        For each split `n`, `accuracy`, `difference` (to Keras' accuracy), `agree` (share of equal answers) and
        `largest_difference` (of a probability); 0–1.

    Raises:
        DisagreementError: the accuracy differs by more than `LARGEST_DIFFERENCE`.
        DataError: the file is too large.
    """
    size = path.stat().st_size
    if size > LARGEST_BYTES[form]:
        raise DataError(
            f"The {form} file has {size:,} bytes, at most {LARGEST_BYTES[form]:,} are allowed. Nothing was shipped: "
            "look at the export."
        )
    found = {split: compared(path, run.predictions[split], dataset) for split in TEST_SPLITS}
    differences = {split: values["difference"] for split, values in found.items()}
    for split, difference in differences.items():
        if abs(difference) > LARGEST_DIFFERENCE[form]:
            raise DisagreementError(
                f"On {split} the {form} file's accuracy differs from Keras' by "
                f"{formatting.points(difference, digits=2)} points, allowed "
                f"{100 * LARGEST_DIFFERENCE[form]:.1f}. Nothing was shipped: look at the export.",
                differences,
            )
    return found


def compared(path: Path, expected: store.Predictions, dataset: FaceDataset) -> dict:
    """Compare a LiteRT file's answers with recorded ones on the same faces.

    Raises:
        DataError: the faces are not those that were recorded.
    """
    faces = dataset.split(expected.split)
    if not np.array_equal(faces.row, expected.row) or not np.array_equal(faces.emotion, expected.label):
        raise DataError(
            f"{expected.split} has {len(faces):,} faces that are not the {len(expected):,} recorded ones. Use the copy "
            "of FER2013 that the run was trained on."
        )
    classifier = EmotionClassifier(path, temperature=1.0)
    logits = classifier.logits(faces.pixels)
    received = store.Predictions(expected.split, expected.row, expected.label, logits)
    right = [float((each.predicted == each.label).mean()) for each in (received, expected)]
    differences = np.abs(received.probabilities() - expected.probabilities())
    return {
        "n": len(expected),
        "accuracy": round(right[0], 6),
        "difference": round(right[0] - right[1], 6),
        "agree": round(float((received.predicted == expected.predicted).mean()), 6),
        "largest_difference": round(float(differences.max()), 5),
    }


def _card(run: store.Run, outputs: dict, formats: dict, network_files: list[Path]) -> dict:
    recipe = catalog.get_recipe(store.split_name(run.name)[0])
    return {
        "name": registry.SHIPPED,
        "run": run.name,
        "finished": run.info["finished"],
        "recipe": recipe.name,
        "classes": list(EMOTIONS),
        "input": "uint8 (n, 48, 48, 1) grey",
        "outputs": outputs,
        "temperature": run.info["temperature"],
        "confidence": confidence.of_run(run),
        "parameters": run.info["parameters"]["all"],
        "formats": formats,
        "files": {path.name: {"sha256": files.sha256(path), "bytes": path.stat().st_size} for path in network_files},
    }
