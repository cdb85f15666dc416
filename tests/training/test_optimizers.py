"""The average of the weights: what it is, and that it can be looked through and taken."""

import keras
import numpy as np
import pytest

from emotion_detection.errors import DataError
from emotion_detection.training import catalog, optimizers


def network(**changes) -> keras.Model:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(7, name="logits")(inputs))
    recipe = catalog.TL_WHOLE.replace(schedule="constant", learning_rate=0.1, **changes)
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


def test_the_ends_of_cycles_are_averaged_and_the_rate_begins_anew():
    recipe = catalog.TL_WHOLE.replace(epochs=6, cycles=3, learning_rate=0.1)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(7, name="logits")(inputs))
    optimizers.compile_for(model, recipe, steps_per_epoch=2)
    faces, answers = np.random.default_rng(0).random((8, 3), np.float32), np.eye(7, dtype=np.float32)[[0, 1] * 4]
    rates, ends = [], []
    for step in range(1, 13):
        rates.append(float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))
        model.train_on_batch(faces, answers)
        if step % 4 == 0:
            ends.append(kernel(model).copy())
        if ends:
            with optimizers.averaged(model):
                assert kernel(model) == pytest.approx(np.mean(ends, axis=0), abs=1e-6)
    assert len(ends) == 3
    assert rates == pytest.approx(3 * [0.1 * (1 + np.cos(np.pi * step / 4)) / 2 for step in range(4)], abs=1e-6)


@pytest.mark.parametrize("changes", [{"cycles": 3}, {"cycles": 2, "schedule": "constant"}, {"cycles": 2, "ema": 0.9}])
def test_cycles_that_cannot_be_are_refused(changes):
    with pytest.raises(DataError, match="Give epochs that the cycles share equally"):
        catalog.TL_WHOLE.replace(epochs=10, **changes)


def test_the_weights_that_training_began_with_keep_their_share():
    model = network(epochs=1, warmup_epochs=0.0, start_share=0.25)
    start = optimizers.weights_of(model)
    for _ in range(3):
        model.train_on_batch(np.ones((8, 3), np.float32), np.eye(7, dtype=np.float32)[[0, 1] * 4])
    own = kernel(model)
    assert not np.allclose(own, start[0], atol=1e-3)
    with optimizers.averaged(model, start=start, start_share=0.25):
        assert kernel(model) == pytest.approx(0.25 * start[0] + 0.75 * own, abs=1e-6)
    assert np.array_equal(kernel(model), own)


def test_without_an_average_the_weights_stay_as_they_are():
    model = network()
    before = kernel(model)
    with optimizers.averaged(model):
        assert np.array_equal(kernel(model), before)
