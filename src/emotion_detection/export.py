"""From a trained Keras network to what is shipped: the LiteRT file, and the check that both agree."""

from pathlib import Path

import numpy as np

from emotion_detection import files
from emotion_detection.classifier import EmotionClassifier, softmax
from emotion_detection.errors import DataError


def export_litert(model, path: Path) -> Path:
    """Write a Keras network as LiteRT: weights in float16, arithmetic in float32, outputs by name.

    Resizing and scaling stay inside. The file's signature has the input `faces`, uint8 (n, 48, 48, 1), and the outputs
    `logits` (n, 7), `features` (n, 1280) and `feature_map` (n, 3, 3, 1280).

    Args:
        model: Keras functional model from uint8 faces to logits, with a pooling layer named "features".
        path: ends in `.tflite`; written atomically.

    Returns:
        The path.

    Raises:
        DataError: the model has no layer "features", or an operation that LiteRT does not have.
    """
    import tensorflow as tf

    signature = [tf.TensorSpec((None, 48, 48, 1), tf.uint8, name="faces")]
    options = {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "target_spec": {"supported_types": [tf.float16], "supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
    }
    named = with_named_outputs(model)
    with files.written_beside(path) as temporary:
        try:
            named.export(temporary, format="litert", input_signature=signature, verbose=False, **options)
        except tf.lite.experimental.ConverterError as error:
            raise DataError(
                f"The network {model.name!r} cannot be written as LiteRT: {str(error)[:300]}. Replace the operation "
                f"that it names (bilinear resizing works, bicubic does not)."
            ) from error
    return Path(path)


def with_named_outputs(model):
    """Return a Keras model with the outputs `logits`, `features` and `feature_map` that shares `model`'s weights.

    Raises:
        DataError: the model has no layer named "features".
    """
    import keras

    if "features" not in (layer.name for layer in model.layers):
        raise DataError(
            f"The network {model.name!r} has no layer 'features', expected the pooling layer to be called so. "
            f"Build networks with emotion_detection.models.build_model."
        )
    pooling = model.get_layer("features")
    outputs = {"logits": model.output, "features": pooling.output, "feature_map": pooling.input}
    return keras.Model(model.input, outputs, name=model.name)


def parity(model, path: Path, faces: np.ndarray) -> float:
    """Return the largest absolute difference between the probabilities of a Keras network and of its LiteRT file.

    Args:
        model: the Keras network, from uint8 faces (n, 48, 48, 1) to logits (n, 7).
        path: the `.tflite` file.
        faces: uint8 array (n, 48, 48), grey, 0–255.
    """
    expected = softmax(np.asarray(model.predict(faces[..., None], verbose=0)))
    received = EmotionClassifier(path).predict_proba(faces)
    return float(np.abs(expected - received).max())
