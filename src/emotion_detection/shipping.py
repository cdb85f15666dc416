"""Put a finished network into `data/models/`: `.keras`, `.tflite` and the machine-readable half of the model card."""

import numpy as np

from emotion_detection import cards, confidence, export, files, models, paths, recipes, runs
from emotion_detection.datasets import FaceDataset
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError

LARGEST_DIFFERENCE = 0.02
"""How far a LiteRT probability may be from Keras' (float16 weights)."""


def ship(name: str, dataset: FaceDataset) -> dict:
    """Write a final run's network to `data/models/` and return its card.

    Args:
        name: a run whose PrivateTest is recorded and whose network is on this machine.
        dataset: PublicTest faces check that LiteRT answers as Keras does.

    Raises:
        DataError: the run is not final, or the two networks differ.
        MissingFileError: the run's network is not on this machine.
    """
    run = runs.load_run(name)
    if not run.is_final:
        raise DataError(f"{run.name} is not final: run `evaluate {run.name} --final` before shipping its network.")
    trained = runs.trained_network(name)
    folder = paths.models_dir()
    folder.mkdir(parents=True, exist_ok=True)
    keras_file, litert_file = folder / f"{cards.SHIPPED}.keras", folder / f"{cards.SHIPPED}.tflite"
    model = models.load_network(trained)
    with files.written_beside(litert_file) as temporary:
        export.export_litert(model, temporary)
        difference = export.parity(model, temporary, np.asarray(dataset.public_test.pixels[:200]))
        if difference > LARGEST_DIFFERENCE:
            raise DataError(
                f"LiteRT's probabilities differ from Keras' by up to {difference:.3f}, allowed {LARGEST_DIFFERENCE}. "
                "Nothing was shipped: look at the export."
            )
        models.save_model(model, keras_file)
    card = _card(run, [keras_file, litert_file], difference)
    files.write_json(cards.card_path(), card)
    return card


def _card(run: runs.Run, network_files: list, difference: float) -> dict:
    recipe = recipes.get_recipe(runs.split_name(run.name)[0])
    return {
        "name": cards.SHIPPED,
        "run": run.name,
        "finished": run.info["finished"],
        "recipe": recipe.name,
        "classes": list(EMOTIONS),
        "input": "uint8 (n, 48, 48, 1) grey",
        "outputs": {
            "logits": "float32 (n, 7)",
            "features": "float32 (n, 1280)",
            "feature_map": "float32 (n, 3, 3, 1280)",
        },
        "temperature": run.info["temperature"],
        "confidence": confidence.of_run(run),
        "parameters": run.info["parameters"]["all"],
        "litert_largest_difference": round(difference, 5),
        "files": {path.name: {"sha256": files.sha256(path), "bytes": path.stat().st_size} for path in network_files},
    }
