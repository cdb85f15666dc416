"""From a trained Keras network to files that run without Keras: LiteRT in float16 and int8, ONNX."""

import dataclasses
import shutil
import warnings
from pathlib import Path

import numpy as np

from emotion_detection import files, paths
from emotion_detection.data import FaceDataset
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.export import quantization
from emotion_detection.inference.classifier import EmotionClassifier, softmax
from emotion_detection.runs import network_metadata, registry, store

SUFFIXES = {"keras": ".keras", **registry.SUFFIXES, "onnx": ".onnx"}
"""Format → how the name of its file ends."""

CALIBRATION_FACES = 1000
CALIBRATION_SEED = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """Faces from which the converter learns how large the values between the layers get, to fit them into 8 bits.

    Args:
        faces: uint8 array (n, 48, 48), grey, 0–255.
        description: where they are from, for the file and the card.
        convolutions_in_float: so many, from the first on, stay in float32 (see `quantization`).
    """

    faces: np.ndarray
    description: dict
    convolutions_in_float: int = 0


def calibration_of(dataset: FaceDataset, *, n: int = CALIBRATION_FACES, seed: int = CALIBRATION_SEED) -> Calibration:
    """Return random Training faces to calibrate int8 with.

    Args:
        dataset: its Training faces are drawn from.
        n: how many; fewer if there are fewer.
        seed: decides which.

    Raises:
        DataError: there is no Training face.
    """
    training = dataset.training
    if not len(training):
        raise DataError(
            f"int8 is calibrated on Training faces, and {dataset.name} has 0 of them. Use FER2013 (see data/README.md)."
        )
    chosen = np.sort(np.random.default_rng(seed).permutation(len(training))[:n])
    description = {"data": dataset.name, "split": "Training", "faces": len(chosen), "seed": seed}
    return Calibration(np.asarray(training.pixels[chosen]), description)


def export(model, path: Path, *, form: str, says: dict | None = None, calibration: Calibration | None = None) -> Path:
    """Write a network in one of the formats of `SUFFIXES`.

    Args:
        model: Keras functional model from uint8 faces to logits, with a pooling layer named "features".
        path: ends as the format wants; written atomically.
        form: "keras", "float16", "int8" or "onnx".
        says: what the file is to say about itself, as `describe` makes it; not for "keras".
        calibration: for "int8".

    Raises:
        UnknownNameError: there is no such format.
        MissingFileError: a package that the format needs is not installed.
        DataError: int8 without calibration, or the network cannot be written in this format.
    """
    if form not in SUFFIXES:
        raise UnknownNameError(f"{form!r} is no format of networks. Use one of {', '.join(SUFFIXES)}.")
    if form == "keras":
        from emotion_detection.training import mobilenet

        return mobilenet.save_model(model, path)
    if form == "onnx":
        from emotion_detection.export import onnx

        return onnx.export_onnx(model, path, says=says)
    return export_litert(model, path, says=says, calibration=_needed(calibration) if form == "int8" else None)


def _needed(calibration: Calibration | None) -> Calibration:
    if calibration is None:
        raise DataError("int8 was asked for without faces to calibrate it with. Pass `calibration_of(load_fer2013())`.")
    return calibration


def export_litert(model, path: Path, *, says: dict | None = None, calibration: Calibration | None = None) -> Path:
    """Write a Keras network as LiteRT, in int8 if calibrated, else in float16; outputs by name.

    In float16 weights are rounded, but for the first block's, and the arithmetic is float32. In int8 weights (one scale
    per channel) and values between layers are 8-bit integers, but for the first convolutions where the calibration says
    so. The file's
    signature has the input `faces`, uint8 (n, 48, 48, 1), and the float32 outputs `logits` (n, 7), `features` (n, 1280)
    and `feature_map` (n, 3, 3, 1280 at 96 px). What the file says about itself, and the last layer, are put into it as
    `network_metadata` says.

    Args:
        model: Keras functional model from uint8 faces to logits, with a pooling layer named "features".
        path: ends in `.tflite`; written atomically.
        says: as `describe` makes it; nothing is put into the file if None.
        calibration: faces to fit 8 bits to; None: float16.

    Returns:
        The path.

    Raises:
        DataError: the model has no layer "features", or an operation that LiteRT does not have.
    """
    from tensorflow.lite.python.convert import ConverterError

    named = with_named_outputs(model)
    with files.written_beside(path) as temporary:
        try:
            if calibration is None:
                float16, float32 = (_converted(named, temporary, **_float_options(half=half)) for half in (True, False))
                content = quantization.with_first_weights(float16, float32)
            else:
                calibrated = _converted(named, temporary, **_calibrate_options(calibration))
                in_float = calibration.convolutions_in_float
                content = quantization.quantized(calibrated, convolutions_in_float=in_float)
            temporary.write_bytes(content)
        except ConverterError as error:
            raise DataError(
                f"The network {model.name!r} cannot be written as LiteRT: {str(error)[:300]}. Replace the operation "
                f"that it names (bilinear resizing works, bicubic does not)."
            ) from error
        if says is not None:
            arithmetic = _int8_facts(calibration) if calibration else {}
            network_metadata.write(temporary, {"format": "float16"} | says | arithmetic, head_of(model))
    return Path(path)


def _int8_facts(calibration: Calibration) -> dict:
    in_float = {"convolutions_in_float": calibration.convolutions_in_float}
    return {"format": "int8", "calibration": calibration.description} | in_float


def _converted(named, path: Path, **options) -> bytes:
    """Return what the converter makes of a network with named outputs; `path` is written on the way."""
    import tensorflow as tf

    signature = [tf.TensorSpec((None, 48, 48, 1), tf.uint8, name="faces")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter uses what TensorFlow is about to drop
        named.export(path, format="litert", input_signature=signature, verbose=False, **options)
    return path.read_bytes()


def _float_options(*, half: bool) -> dict:
    """Return the converter's settings for weights in float16, or in float32."""
    import tensorflow as tf

    target = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]} | ({"supported_types": [tf.float16]} if half else {})
    return {"target_spec": target, "optimizations": [tf.lite.Optimize.DEFAULT] if half else []}


def _calibrate_options(calibration: Calibration) -> dict:
    """Return the converter's settings for float32 with the ranges of all values, with which int8 begins."""
    import tensorflow as tf

    faces = calibration.faces[:, None, :, :, None]
    return {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
        "representative_dataset": lambda: ({"faces": face} for face in faces),
        "_experimental_calibrate_only": True,
    }


def with_named_outputs(model):
    """Return a Keras model with the outputs `logits`, `features` and `feature_map` that shares `model`'s weights.

    Raises:
        DataError: the model has no layer named "features".
    """
    import keras

    if "features" not in (layer.name for layer in model.layers):
        raise DataError(
            f"The network {model.name!r} has no layer 'features', expected the pooling layer to be called so. "
            f"Build networks with emotion_detection.training.mobilenet.build_model."
        )
    pooling = model.get_layer("features")
    outputs = {"logits": model.output, "features": pooling.output, "feature_map": pooling.input}
    return keras.Model(model.input, outputs, name=model.name)


def head_of(model) -> dict[str, np.ndarray]:
    """Return weights and biases of the last layer by `network_metadata.HEAD`, where it alone follows the pooling."""
    import keras

    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    if len(dense) != 1:
        return {}
    return dict(zip(network_metadata.HEAD, dense[0].get_weights(), strict=True))


def outputs_of(model) -> dict[str, str]:
    """Return type and shape of each output that a network's files have, in words, such as "float32 (n, 7)"."""
    shapes = {name: output.shape[1:] for name, output in with_named_outputs(model).output.items()}
    return {name: f"float32 ({', '.join(['n', *map(str, shape)])})" for name, shape in shapes.items()}


def describe(model, *, run: store.Run, keras_file: Path, name: str) -> dict:
    """Return what a network's files say about themselves: labels, input, outputs, temperature, where they are from.

    Args:
        model: the network.
        run: that it is of.
        keras_file: with the weights; its SHA-256 is named.
        name: of the network.
    """
    return {
        "name": name,
        "run": run.name,
        "finished": run.info.get("finished"),
        "classes": list(EMOTIONS),
        "input": {
            "name": "faces",
            "type": "uint8 (n, 48, 48, 1), 0–255",
            "color": "grey (ITU-R BT.601 weights of red, green, blue)",
            "framing": "as FER2013's faces: emotion_detection.faces.detection.crop_face, then area-averaged to 48×48",
            "inside": f"bilinear resizing to {run.info['recipe']['input_px']} px, grey to RGB, scaling",
        },
        "outputs": outputs_of(model),
        "probabilities": "softmax of logits / temperature, in the order of classes",
        "temperature": run.info.get("temperature", 1.0),
        "temperature_from": "PublicTest" if "temperature" in run.info else "nothing: the run is not final",
        "keras_sha256": files.sha256(keras_file),
    }


def export_run(name: str, *, form: str, path: Path | None = None, calibration: Calibration | None = None) -> Path:
    """Write the network of a run in one of the formats, the shipped network's as well as one trained here.

    Args:
        name: of the run.
        form: a key of `SUFFIXES`.
        path: of the file; None: in `output/export/`.
        calibration: for "int8".

    Raises:
        MissingFileError: the run's network is not on this machine.
    """
    from emotion_detection.training import mobilenet

    if form not in SUFFIXES:
        raise UnknownNameError(f"{form!r} is no format of networks. Use one of {', '.join(SUFFIXES)}.")
    run, trained = store.load_run(name), store.trained_network(name)
    path = Path(path) if path is not None else export_dir() / f"{run.name}{SUFFIXES[form]}"
    if form == "keras":
        with files.written_beside(path) as temporary:
            shutil.copyfile(trained, temporary)
        return path
    model, is_shipped = mobilenet.load_network(trained), registry.is_shipped(run)
    if calibration is not None and is_shipped:  # the same file as the shipped one
        in_float = registry.read_card()["formats"]["int8"]["convolutions_in_float"]
        calibration = dataclasses.replace(calibration, convolutions_in_float=in_float)
    says = describe(model, run=run, keras_file=trained, name=registry.SHIPPED if is_shipped else run.name)
    return export(model, path, form=form, says=says, calibration=calibration)


def export_dir() -> Path:
    """Return the folder of networks exported by command; under `EMOTION_OUTPUT_DIR` if that is set."""
    return (paths.output_dir() or paths.project_root() / "output") / "export"


def parity(model, path: Path, faces: np.ndarray) -> float:
    """Return the largest absolute difference between the probabilities of a Keras network and of its LiteRT file.

    Args:
        model: the Keras network, from uint8 faces (n, 48, 48, 1) to logits (n, 7).
        path: the `.tflite` file.
        faces: uint8 array (n, 48, 48), grey, 0–255.
    """
    expected = softmax(np.asarray(model.predict(faces[..., None], verbose=0)))
    received = EmotionClassifier(path, temperature=1.0).predict_proba(faces)
    return float(np.abs(expected - received).max())
