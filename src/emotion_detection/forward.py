"""Run a network over many faces: its answers, and the batch-norm statistics that belong to its weights."""

import keras
import numpy as np
from tqdm.auto import tqdm

from emotion_detection import models

PREDICT_BATCH = 128


def reestimate_batch_norm(
    model: keras.Model, inputs: np.ndarray, *, n_batches: int, seed: int = 0, forward=None
) -> None:
    """Replace the moving statistics of the trained batch norms by plain means over unchanged Training faces.

    With Keras' momentum of 0.999 they lag behind the weights, which costs MobileNetV2 about four points of accuracy
    on FER2013.

    Args:
        model: the network, or its trained part.
        inputs: uint8 faces (n, 48, 48), or features of the frozen part.
        n_batches: how many batches of 64 to average over.
        seed: decides which faces.
        forward: from `compiled_forward(model)`, so that it is compiled once for all epochs.
    """
    layers = models.batch_norm_layers(model)
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0  # each batch then leaves its own statistics behind
    statistics = [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]
    sums = [np.zeros(variable.shape) for variable in statistics]
    forward, batches = forward or compiled_forward(model), _batches_of_64(inputs, n_batches, seed)
    for batch in batches:
        forward(batch)
        for total, variable in zip(sums, statistics, strict=True):
            total += keras.ops.convert_to_numpy(variable)
    for total, variable in zip(sums, statistics, strict=True):
        variable.assign(total / len(batches))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def _batches_of_64(inputs: np.ndarray, n_batches: int, seed: int) -> list[np.ndarray]:
    """Return up to `n_batches` full batches of random inputs (one smaller batch if there are fewer than 64)."""
    order = np.random.default_rng([seed, 7]).permutation(len(inputs))
    chosen = [np.sort(order[start * 64 : (start + 1) * 64]) for start in range(n_batches)]
    batches = [inputs[rows] for rows in chosen if len(rows) == min(64, len(inputs))]
    return [batch[..., None] if batch.dtype == np.uint8 else batch for batch in batches]


def compiled_forward(model: keras.Model):
    """Return a function that runs the network in training mode; as a graph on TensorFlow, where that is much faster."""
    if keras.backend.backend() != "tensorflow":
        return lambda batch: model(batch, training=True)
    import tensorflow as tf

    return tf.function(lambda batch: model(batch, training=True))


def predict_logits(model: keras.Model, inputs: np.ndarray, *, progress: str | None = None) -> np.ndarray:
    """Return float32 logits (n, 7) of uint8 faces (n, 48, 48) or of features; with a bar named `progress` if given."""
    starts = range(0, len(inputs), PREDICT_BATCH)
    chunks = []
    for start in tqdm(starts, desc=progress, disable=progress is None, unit="batch"):
        batch = np.ascontiguousarray(inputs[start : start + PREDICT_BATCH])
        chunks.append(model.predict_on_batch(batch[..., None] if batch.dtype == np.uint8 else batch))
    return np.concatenate(chunks).astype(np.float32)
