"""A network trained here as a file that `EmotionClassifier.load` and `LiveView` run: LiteRT, and its card beside it."""

from pathlib import Path

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.evaluation import calibration, metrics
from emotion_detection.export import litert
from emotion_detection.runs import store
from emotion_detection.training import mobilenet


def write(name: str) -> Path:
    """Write a run's network as LiteRT with a card: its temperature and, where PrivateTest is known, its threshold.

    It goes to `models/` in the output folder (`EMOTION_OUTPUT_DIR`; with your own pictures `output/pictures/<name>/`),
    never to `data/models/`.

    Args:
        name: of a run whose network training left on this machine.

    Returns:
        The path of the `.tflite` file; the card is the `.json` of the same name.

    Raises:
        UnknownNameError: no such run is recorded.
        MissingFileError: its network is not on this machine.

    Example:
        >>> LiveView(classifier=EmotionClassifier.load(own_network.write("tl_whole")))
    """
    run, trained = store.load_run(name), store.trained_network(name)
    path = (paths.output_dir() or paths.project_root() / "output") / "models" / f"{run.name}.tflite"
    litert.export_litert(mobilenet.load_network(trained), path)
    files.write_json(path.with_suffix(".json"), _card(run, path))
    return path


def _card(run: store.Run, path: Path) -> dict:
    public = run.predictions.get("PublicTest")
    temperature = run.info.get("temperature") or (metrics.fit_temperature(public) if public is not None else 1.0)
    return {
        "name": run.name,
        "run": run.name,
        "finished": run.info["finished"],
        "data": run.info["data"]["name"],
        "classes": list(EMOTIONS),
        "input": "uint8 (n, 48, 48, 1) grey",
        "temperature": round(float(temperature), 4),
        "parameters": run.info["parameters"]["all"],
        "files": {path.name: {"sha256": files.sha256(path), "bytes": path.stat().st_size}},
        **_confidence(run),
    }


def _confidence(run: store.Run) -> dict:
    """Return what the card says about minimum confidences; nothing where the run is not final, or none is enough."""
    try:
        return {"confidence": calibration.of_run(run)} if run.is_final else {}
    except DataError:
        return {}
