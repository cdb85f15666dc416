"""Grad-CAM: maps of the places in a face that speak for an emotion, by the gradients of a Keras network.

`inference/class_activation` draws such maps, and has those of the last layer without Keras.
"""

import numpy as np
import tqdm

from emotion_detection.emotions import Emotion, classes_of
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.faces import preprocessing

LAST_MAP = "out_relu"
"""The layer before pooling: 3×3 cells. Grad-CAM of it is the class activation that LiteRT gives, up to a constant."""

LAYERS = (LAST_MAP, "block_13_expand_relu", "block_12_add")
"""Layers that were compared by their deletion curves (see `studies/explanations`): 3×3, 6×6 and 6×6 cells."""

LAYER = LAST_MAP  # default of `grad_cam`: of these the lowest area under the whole deletion curve on PublicTest
FINE_LAYER = "block_13_expand_relu"
"""Smaller cells, which find small places sooner: the lowest deletion curve while little of the face is gone."""

BATCH = 64
COMPILED_FROM_FACES = 1000  # from so many faces on, compiling the step (seconds) pays, and a progress bar is shown


def grad_cam(model, faces: preprocessing.Faces, emotion: Emotion = None, *, layer: str = LAYER) -> np.ndarray:
    """Return Grad-CAM maps of a Keras network, before the cut at 0 that `class_activation.heat` makes.

    The channels of a layer's output are added up, each weighed by the mean of its gradient: how much the emotion's
    logit would rise if the channel rose everywhere.

    Args:
        model: a Keras network from uint8 faces to logits (n, 7).
        faces: as for `EmotionClassifier.predict_proba`.
        emotion: whose evidence: a name, an int array (n,) of classes, or None for each face's most probable one.
        layer: at which the network falls into two parts, such as those of `LAYERS`. The maps, float32 (n, h, w), have
            as many cells as it has.

    Raises:
        UnknownNameError: there is no such emotion or layer.
        DataError: the layer does not cut the network in two, or Keras does not run on TensorFlow.

    Reference:
        Selvaraju et al.: Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization. ICCV 2017.
    """
    batch = preprocessing.to_gray48_batch(faces)
    before, after = _cut(model, layer)
    many = len(batch) >= COMPILED_FROM_FACES
    step = _grad_cam_step(before, after, compiled=many)
    classes = None if emotion is None else classes_of(emotion, len(batch))
    parts = []
    for start in tqdm.trange(0, len(batch), BATCH, desc="Explaining", unit="batch", disable=not many):
        part = batch[start : start + BATCH, :, :, None]
        asked = np.full(len(part), -1) if classes is None else classes[start : start + BATCH]
        parts.append(np.asarray(step(part, asked.astype(np.int32))))
    cells = tuple(before.output.shape[1:3])
    return np.concatenate(parts) if parts else np.empty((0, *(side or 0 for side in cells)), np.float32)


def _grad_cam_step(before, after, *, compiled: bool):
    """Return a function from uint8 faces (n, 48, 48, 1) and classes (-1: the most probable) to maps (n, h, w)."""
    import tensorflow as tf

    def step(part, asked):
        activations = before(part, training=False)
        with tf.GradientTape() as tape:
            tape.watch(activations)
            logits = after(activations, training=False)
            classes = tf.where(asked < 0, tf.argmax(logits, axis=1, output_type=tf.int32), asked)
            chosen = tf.gather(logits, classes, batch_dims=1)
        weights = tf.reduce_mean(tape.gradient(chosen, activations), axis=(1, 2), keepdims=True)
        return tf.reduce_sum(weights * activations, axis=-1)

    return tf.function(step, reduce_retracing=True) if compiled else step


def _cut(model, layer: str):
    """Return the parts of a Keras network before and after a layer's output."""
    import keras

    from emotion_detection.training import mobilenet

    if keras.backend.backend() != "tensorflow":
        raise DataError(
            f"Grad-CAM takes its gradients from TensorFlow, and Keras runs on {keras.backend.backend()}. Set "
            "KERAS_BACKEND=tensorflow before Keras is imported."
        )
    if layer not in (each.name for each in model.layers):
        raise UnknownNameError(f"The network {model.name!r} has no layer {layer!r}. Use one of {', '.join(LAYERS)}.")
    try:
        return mobilenet.split_at(model, layer)
    except ValueError as error:
        raise DataError(
            f"The layer {layer!r} does not cut the network in two: something passes it by. Use a layer that all goes "
            f"through, such as {', '.join(LAYERS)} or another block's last."
        ) from error
