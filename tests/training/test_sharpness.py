"""Sharpness-aware minimisation: the gradient is taken uphill, and the weights come back."""

import dataclasses

import keras
import numpy as np
import pytest

from emotion_detection.errors import DataError
from emotion_detection.training import catalog, optimizers, sharpness

PLAIN = dataclasses.replace(
    catalog.TL_WHOLE, optimizer="sgd", schedule="constant", learning_rate=0.1, weight_decay=0.0, label_smoothing=0.0
)
AWARE = dataclasses.replace(PLAIN, sharpness_radius=0.5)

needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras does not run on TensorFlow"
)


def network(recipe: catalog.Recipe) -> keras.Model:
    inputs = keras.Input((3,))
    dense = keras.layers.Dense(7, name="logits", kernel_initializer=keras.initializers.GlorotUniform(0))
    model = sharpness.aware(keras.Model(inputs, dense(inputs)), recipe)
    optimizers.compile_for(model, recipe, steps_per_epoch=3)
    return model


def gradient(kernel: np.ndarray, bias: np.ndarray, faces: np.ndarray, answers: np.ndarray) -> list[np.ndarray]:
    """Return the gradient of the mean cross-entropy of a linear layer."""
    logits = faces @ kernel + bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = (odds / odds.sum(axis=1, keepdims=True) - answers) / len(faces)
    return [faces.T @ error, error.sum(axis=0)]


@needs_tensorflow
def test_a_step_takes_the_gradient_at_the_weights_moved_uphill():
    rng = np.random.default_rng(0)
    faces, answers = rng.random((8, 3), np.float32), np.eye(7, dtype=np.float32)[rng.integers(0, 7, 8)]
    model = network(AWARE)
    before = model.get_weights()
    model.train_on_batch(faces, answers)
    first = gradient(*before, faces, answers)
    length = np.sqrt(sum((each**2).sum() for each in first))
    uphill = [weight + 0.5 * each / length for weight, each in zip(before, first, strict=True)]
    learned = gradient(*uphill, faces, answers)
    expected = [
        weight - 0.1 * 1.9 * each for weight, each in zip(before, learned, strict=True)
    ]  # Nesterov's first step
    for weight, wanted in zip(model.get_weights(), expected, strict=True):
        assert weight == pytest.approx(wanted, abs=1e-6)


def test_without_a_radius_the_network_is_left_as_it_is():
    model = network(PLAIN)
    assert sharpness.aware(model, PLAIN) is model


def test_another_backend_is_told(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(DataError, match=r"written for TensorFlow; Keras runs on jax.*KERAS_BACKEND=tensorflow"):
        network(AWARE)
