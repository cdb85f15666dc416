"""A network as ONNX, for other runtimes; needs the extra `onnx`."""

import importlib.util
import json
import warnings
from pathlib import Path

from emotion_detection import files
from emotion_detection.errors import MissingFileError
from emotion_detection.export import litert
from emotion_detection.runs import network_metadata

NEEDED = ("tf2onnx", "onnx")
OPSET = 18


def export_onnx(model, path: Path, *, says: dict | None = None) -> Path:
    """Write a Keras network as ONNX in float32, with the inputs and outputs of the LiteRT files; return the path.

    Args:
        model: Keras functional model from uint8 faces to logits, with a pooling layer named "features".
        path: ends in `.onnx`; written atomically.
        says: as `ship.describe` makes it; goes into the file's metadata.

    Raises:
        MissingFileError: a package that this needs is not installed.
        DataError: the model has no layer named "features".
    """
    missing = [package for package in NEEDED if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingFileError(
            f"ONNX needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. Install "
            "the extra: python -m pip install tf2onnx onnx onnxruntime (or `make extras`)"
        )
    import onnx
    import tensorflow as tf

    from emotion_detection.training import fast_layers

    signature = [tf.TensorSpec((None, 48, 48, 1), tf.uint8, name="faces")]
    named = litert.with_named_outputs(fast_layers.folded(model))  # tf2onnx stumbles over batch norms
    with files.written_beside(path) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras asks numpy for a name that it no longer has
            named.export(temporary, format="onnx", input_signature=signature, opset_version=OPSET, verbose=False)
        if says is not None:
            graph = onnx.load(temporary)
            onnx.helper.set_model_props(
                graph, {network_metadata.ENTRY: json.dumps({"format": "onnx"} | says, ensure_ascii=False)}
            )
            onnx.save(graph, temporary)
    return Path(path)
