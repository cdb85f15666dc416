"""The arranged network is the same function with the same gradients, and gives its weights back."""

import dataclasses

import keras
import numpy as np
import pytest

from emotion_detection import fast_layers, models, recipes
from emotion_detection.datasets import load_sample

tensorflow_only = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="arranged for TensorFlow only")


def network(regime: str, **changes) -> keras.Model:
    recipe = dataclasses.replace(recipes.TL_WHOLE, regime=regime, weights=None, dropout=0.0, **changes)
    return models.build_model(recipe, seed=1)


@pytest.fixture(scope="module")
def faces():
    return load_sample(70, seed=0)


def after_one_step(model: keras.Model, faces) -> tuple[float, list[np.ndarray]]:
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    loss = model.train_on_batch(faces.pixels[:32, ..., None], np.eye(7, dtype=np.float32)[faces.emotion[:32]])
    return float(loss), model.get_weights()


@tensorflow_only
@pytest.mark.parametrize("input_px", [48, pytest.param(96, marks=pytest.mark.slow)])
def test_the_arranged_network_learns_the_same_from_a_batch(faces, input_px):
    model = network("whole", input_px=input_px)
    copy = fast_layers.arranged(model)
    assert sum(isinstance(layer, fast_layers.PointwiseConv2D) for layer in copy.layers) == 34
    assert not any(isinstance(layer, keras.layers.ZeroPadding2D) for layer in copy.layers)
    batch = faces.pixels[:8, ..., None]
    np.testing.assert_allclose(copy(batch), model(batch), atol=1e-5)
    (loss, weights), (expected_loss, expected) = (after_one_step(each, faces) for each in (copy, model))
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


@tensorflow_only
@pytest.mark.parametrize("regime", ["top", "100"])
def test_what_is_frozen_stays_frozen_in_whole_networks_and_parts(regime):
    model = network(regime, frozen_batch_norm="batch_statistics_averages_kept")
    copy = fast_layers.arranged(model)
    assert [v.path for v in copy.trainable_variables] == [v.path for v in model.trainable_variables]
    momenta = [[layer.momentum for layer in models.batch_norm_layers(each)] for each in (copy, model)]
    assert momenta[0] == momenta[1] and 1.0 in momenta[0]
    _, part = models.split_at(network(regime), models.CACHE_POINT[regime])
    assert len(fast_layers.arranged(part).trainable_variables) == len(part.trainable_variables)


@tensorflow_only
def test_weights_go_back_into_the_network_that_is_saved(faces):
    model = network("100")
    _, part = models.split_at(model, models.CACHE_POINT["100"])
    copy = fast_layers.arranged(part)
    copy.set_weights([weight + 0.5 for weight in copy.get_weights()])
    before = np.asarray(model(faces.pixels[:2, ..., None]))
    fast_layers.copy_back(copy, part)
    np.testing.assert_array_equal(part.get_weights()[0], copy.get_weights()[0])
    assert not np.allclose(model(faces.pixels[:2, ..., None]), before)


def test_other_backends_train_the_network_as_it_is(monkeypatch):
    model = network("top")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert fast_layers.arranged(model) is model
    fast_layers.copy_back(model, model)
