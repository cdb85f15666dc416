"""A network that is taught to bear 8-bit integers."""

import numpy as np
import pytest

from emotion_detection.data import load_sample

keras = pytest.importorskip("keras")

from emotion_detection.export import rounding  # noqa: E402
from emotion_detection.training import catalog, fast_layers, mobilenet  # noqa: E402


@pytest.fixture(scope="module")
def faces():
    return load_sample(140, seed=0).pixels


@pytest.fixture(scope="module")
def network(faces):
    """MobileNetV2 with drawn weights, and batch norms as if it had seen faces."""
    model = mobilenet.build_model(catalog.TL_WHOLE.replace(name="drawn", weights=None, input_px=48), seed=0)
    for layer in mobilenet.batch_norm_layers(model):
        layer.momentum = 0.0
    model(faces[..., None], training=True)
    return model


def test_kernels_have_255_values_in_each_channel_and_biases_stay():
    kernel = np.random.default_rng(0).normal(size=(1, 1, 500, 3)).astype(np.float32) * np.float32([1, 10, 100])
    rounded = np.asarray(rounding._in_8_bits(keras.Variable(kernel)))
    scale = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    np.testing.assert_allclose(rounded / scale, np.round(rounded / scale), atol=1e-3)
    assert np.abs(rounded - kernel).max(axis=(0, 1, 2)) == pytest.approx(scale / 2, rel=0.05)
    bias = keras.Variable(np.array([0.123, 4.567], np.float32))
    np.testing.assert_array_equal(np.asarray(rounding._in_8_bits(bias)), bias.numpy())


def test_values_are_rounded_in_the_range_that_was_seen():
    inputs = keras.Input((2,))
    layer = type("RoundingSum", (rounding.Rounding, keras.layers.Rescaling), {})(2.0)
    model = keras.Model(inputs, layer(inputs))
    rounding._look(model, np.zeros((0, 48, 48), np.uint8))
    layer.lowest, layer.highest = -1.0, 1.55
    answers = np.asarray(model(np.array([[0.2513, 3.0]], np.float32)))
    assert answers == pytest.approx(np.array([[0.50, 1.55]]), abs=0.0051)


def test_the_taught_network_is_the_folded_one_with_weights_moved_but_for_its_last_layer(network, faces):
    folded = fast_layers.folded(network)
    taught = rounding.taught(network, faces, faces, steps=3)
    assert [layer.name for layer in taught.layers[4:]] == [layer.name for layer in folded.layers[5:]]
    before, after = (each.predict(faces[..., None], verbose=0).ravel() for each in (folded, taught))
    assert not np.array_equal(before, after) and np.corrcoef(before, after)[0, 1] > 0.9
    for model in (network, taught):
        np.testing.assert_array_equal(
            model.get_layer("logits").get_weights()[0], folded.get_layer("logits").get_weights()[0]
        )


def test_values_that_a_relu_follows_are_rounded_once(network):
    folded = fast_layers.folded(network)
    before_relu = {id(layer.input) for layer in folded.layers if isinstance(layer, keras.layers.ReLU)}
    kinds = {layer.name: rounding._rounding_layer(layer, before_relu) for layer in folded.layers}
    rounds = {name for name, layer in kinds.items() if isinstance(layer, rounding.Rounding)}
    assert {"resize", "Conv1_relu", "expanded_conv_project_BN", "block_2_add", "features"} <= rounds
    assert not {"bn_Conv1", "Conv1", "block_1_depthwise_BN", "logits"} & rounds


def test_a_grey_input_gives_the_same_from_one_channel(network, faces):
    folded = fast_layers.folded(network)
    grey = rounding._with_grey_input(folded)
    assert [layer.name for layer in grey.layers[:4]] == ["faces", "shift", "resize", "Conv1"]
    assert grey.get_layer("Conv1").kernel.shape == (3, 3, 1, 32)
    convolved = [keras.Model(each.input, each.get_layer("Conv1").output) for each in (folded, grey)]
    before, after = (each.predict(faces[..., None], verbose=0) for each in convolved)
    np.testing.assert_allclose(before[:, :-1, :-1], after[:, :-1, :-1], atol=1e-4)
    np.testing.assert_allclose(before, after, atol=0.05)  # at the edge 128 is taken for what is outside, not 127.5


def test_a_network_with_another_input_keeps_it():
    inputs = keras.Input((None, None, 1), dtype="uint8", name="faces")
    values = keras.layers.GlobalAveragePooling2D(name="features")(keras.layers.Rescaling(1 / 255)(inputs))
    other = keras.Model(inputs, keras.layers.Dense(7, name="logits")(values))
    assert rounding._with_grey_input(other) is other
