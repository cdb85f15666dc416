"""The average of the weights: what it is, and that it can be looked through and taken."""

import dataclasses

import keras
import numpy as np
import pytest

from emotion_detection import optimizers, recipes


def network(**changes) -> keras.Model:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(7, name="logits")(inputs))
    recipe = dataclasses.replace(recipes.TL_WHOLE, schedule="constant", learning_rate=0.1, **changes)
    optimizers.compile_for(model, recipe, steps_per_epoch=3)
    return model


def kernel(model: keras.Model) -> np.ndarray:
    return model.get_weights()[0]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop"])
def test_the_average_has_a_decay_that_rises_to_the_one_asked_for(optimizer):
    model = network(ema=0.2, optimizer=optimizer)
    inputs, answers = np.random.default_rng(0).random((8, 3), np.float32), np.eye(7, dtype=np.float32)[[0, 1] * 4]
    expected = None
    for decay in (0.0, 2 / 11, 0.2, 0.2):  # the first step begins the average
        model.train_on_batch(inputs, answers)
        expected = decay * (0 if expected is None else expected) + (1 - decay) * kernel(model)
    own = kernel(model)
    with optimizers.averaged(model):
        assert kernel(model) == pytest.approx(expected, abs=1e-6)
        assert not np.allclose(kernel(model), own, atol=1e-4)
    assert np.array_equal(kernel(model), own)
    optimizers.take_average(model)
    assert kernel(model) == pytest.approx(expected, abs=1e-6)


def test_without_an_average_the_weights_stay_as_they_are():
    model = network()
    before = kernel(model)
    with optimizers.averaged(model):
        assert np.array_equal(kernel(model), before)
