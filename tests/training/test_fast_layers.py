"""The arranged network is the same function with the same gradients, and gives its weights back."""

import keras
import numpy as np
import pytest

from emotion_detection.data import load_sample
from emotion_detection.training import catalog, fast_layers, mobilenet

tensorflow_only = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="arranged for TensorFlow only")


def network(regime: str, **changes) -> keras.Model:
    recipe = catalog.TL_WHOLE.replace(regime=regime, weights=None, dropout=0.0, **changes)
    return mobilenet.build_model(recipe, seed=1)


@pytest.fixture(scope="module")
def faces():
    return load_sample(70, seed=0)


def after_one_step(model: keras.Model, faces, order: np.ndarray) -> tuple[float, list[np.ndarray]]:
    """Return the loss of a batch, its faces in this order, and by how much one step moves each weight."""
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    before = model.get_weights()
    loss = model.train_on_batch(faces.pixels[order][..., None], np.eye(7, dtype=np.float32)[faces.emotion[order]])
    return float(loss), [new - old for old, new in zip(before, model.get_weights(), strict=True)]


def apart(moves: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """Return the median over the weights of how far two moves are apart, relative to their length."""
    lengths = [np.linalg.norm(move) for move in expected]
    differences = [np.linalg.norm(one - other) for one, other in zip(moves, expected, strict=True)]
    return float(np.median(np.array(differences) / np.maximum(lengths, 1e-12)))


@tensorflow_only
@pytest.mark.parametrize("input_px", [48, pytest.param(96, marks=pytest.mark.slow)])
def test_the_arranged_network_learns_the_same_from_a_batch(faces, input_px):
    """The same but for rounding, which 52 batch norms in a row magnify: reordering the batch is the yardstick."""
    model, again = (network("whole", input_px=input_px) for _ in range(2))
    copy = fast_layers.arranged(model)
    assert sum(isinstance(layer, fast_layers.PointwiseConv2D) for layer in copy.layers) == 34
    assert sum(isinstance(layer, fast_layers.FusedBatchNormalization) for layer in copy.layers) == 52
    assert not any(isinstance(layer, keras.layers.ZeroPadding2D) for layer in copy.layers)
    batch = faces.pixels[:8, ..., None]
    np.testing.assert_allclose(copy(batch, training=False), model(batch, training=False), atol=1e-5)

    order = np.arange(32)
    expected_loss, expected = after_one_step(model, faces, order)
    loss, moves = after_one_step(copy, faces, order)
    _, reordered = after_one_step(again, faces, order[::-1])
    assert loss == pytest.approx(expected_loss, rel=1e-3)
    assert apart(moves, expected) < 5 * apart(reordered, expected) < 0.5


@tensorflow_only
@pytest.mark.parametrize("shape", [(32, 24, 24, 8), (32, 2, 2, 64), (4, 1, 1, 8), (1, 1, 1, 4)])
def test_the_fused_batch_norm_is_that_of_keras(shape):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    inputs, towards = (tf.constant(3 * rng.normal(size=shape) + 1, tf.float32) for _ in range(2))
    layers = [kind(momentum=0.5) for kind in (keras.layers.BatchNormalization, fast_layers.FusedBatchNormalization)]
    seen = []
    for layer in layers:
        layer.build(shape)
        layer.gamma.assign(rng.normal(size=shape[-1:]) if layer is layers[0] else layers[0].gamma)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
        learned = [inputs, layer.gamma.value, layer.beta.value]
        gradients = tape.gradient(outputs, learned, output_gradients=towards)
        seen.append([outputs, *gradients, layer.moving_mean, layer.moving_variance, layer(inputs, training=False)])
    for expected, received in zip(*(map(keras.ops.convert_to_numpy, each) for each in seen), strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-4)


@tensorflow_only
def test_a_frozen_fused_batch_norm_keeps_its_statistics():
    layer = fast_layers.FusedBatchNormalization()
    layer.build((2, 3, 3, 4))
    layer.trainable = False
    inputs = np.random.default_rng(0).normal(5, 2, (2, 3, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(layer(inputs, training=True), inputs / np.sqrt(1 + layer.epsilon), rtol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, 0)


@tensorflow_only
@pytest.mark.parametrize("regime", ["top", "100"])
def test_what_is_frozen_stays_frozen_in_whole_networks_and_parts(regime):
    model = network(regime, frozen_batch_norm="batch_statistics_averages_kept")
    copy = fast_layers.arranged(model)
    assert [v.path for v in copy.trainable_variables] == [v.path for v in model.trainable_variables]
    momenta = [[layer.momentum for layer in mobilenet.batch_norm_layers(each)] for each in (copy, model)]
    assert momenta[0] == momenta[1] and 1.0 in momenta[0]
    _, part = mobilenet.split_at(network(regime), mobilenet.CACHE_POINT[regime])
    assert len(fast_layers.arranged(part).trainable_variables) == len(part.trainable_variables)


@tensorflow_only
def test_weights_go_back_into_the_network_that_is_saved(faces):
    model = network("100")
    _, part = mobilenet.split_at(model, mobilenet.CACHE_POINT["100"])
    copy = fast_layers.arranged(part)
    copy.set_weights([weight + 0.5 for weight in copy.get_weights()])
    before = np.asarray(model(faces.pixels[:2, ..., None]))
    fast_layers.copy_back(copy, part)
    np.testing.assert_array_equal(part.get_weights()[0], copy.get_weights()[0])
    assert not np.allclose(model(faces.pixels[:2, ..., None]), before)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_train_the_network_as_it_is(backend, monkeypatch):
    model = network("top")
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(fast_layers, "_has_accelerator", lambda: False)
    assert fast_layers.arranged(model) is model
    fast_layers.copy_back(model, model)


@tensorflow_only
@pytest.mark.parametrize("layer_name", ["features", "block_10_project_BN"])
def test_a_folded_network_answers_as_the_network_does(faces, layer_name):
    model = network("whole", input_px=48)
    rng = np.random.default_rng(0)
    for layer in mobilenet.batch_norm_layers(model):
        shape = layer.gamma.shape
        layer.set_weights([rng.uniform(0.5, 1.5, shape), *rng.normal(0, 0.1, (2, *shape)), rng.uniform(0.5, 2, shape)])
    part, _ = mobilenet.split_at(model, layer_name)
    folded = fast_layers.folded(part)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in folded.layers)
    batch = faces.pixels[:8, ..., None]
    expected = np.asarray(part(batch, training=False))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(folded(batch), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("side", "strides", "padding"), [(7, 1, "same"), (8, 2, "same"), (9, 2, "valid"), (6, 1, "valid")]
)
def test_shifted_products_are_a_depthwise_convolution(side, strides, padding):
    inputs = np.random.default_rng(0).normal(size=(2, side, side, 5)).astype(np.float32)
    plain = keras.layers.DepthwiseConv2D(3, strides=strides, padding=padding, use_bias=False)
    expected = plain(inputs)
    shifted = fast_layers.ShiftedDepthwiseConv2D.from_config(plain.get_config())
    shifted.build(inputs.shape)
    shifted.set_weights(plain.get_weights())
    np.testing.assert_allclose(np.asarray(shifted(inputs)), np.asarray(expected), atol=1e-5)
