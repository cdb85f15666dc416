"""Grad-CAM of a Keras network: that maps are what they claim, and agree with those of LiteRT."""

import numpy as np
import pytest

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.inference import class_activation
from emotion_detection.studies import explanations
from emotion_detection.training import grad_cam


@pytest.fixture(scope="module")
def tiny():
    """A Keras network of three layers, and a path past the second, named as `mobilenet.build_model` names its own."""
    keras = pytest.importorskip("keras")

    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, 1), dtype="uint8", name="faces")
    values = keras.layers.Rescaling(1 / 255)(inputs)
    first = keras.layers.Conv2D(4, 8, strides=8, activation="relu", name="first")(values)
    second = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="second")(first)
    added = keras.layers.Add(name="added")([first, second])
    pooled = keras.layers.GlobalAveragePooling2D(name="features")(added)
    return keras.Model(inputs, keras.layers.Dense(7, name="logits")(pooled))


def test_grad_cam_of_the_last_map_is_the_class_activation_of_the_same_weights(model, drawn_faces):
    from emotion_detection.training import mobilenet

    kernel, bias = model.get_layer("logits").get_weights()
    before, _ = mobilenet.split_at(model, grad_cam.LAST_MAP)
    activations = np.asarray(before(drawn_faces[..., None], training=False))
    for emotion in ("happy", "sad"):
        index = EMOTIONS.index(emotion)
        class_activation = activations @ kernel[:, index] + bias[index]
        maps = grad_cam.grad_cam(model, drawn_faces, emotion, layer=grad_cam.LAST_MAP)
        np.testing.assert_allclose(9 * maps + bias[index], class_activation, atol=1e-3)


def test_keras_and_litert_explain_alike(model, classifier, drawn_faces):
    classifier = classifier.with_labels("fer2013")
    classes = classifier.logits(drawn_faces).argmax(axis=1)
    on_keras = grad_cam.grad_cam(model, drawn_faces, classes, layer=grad_cam.LAST_MAP)
    on_litert = class_activation.activation_maps(classifier, drawn_faces, classes)
    np.testing.assert_allclose(9 * on_keras + classifier.head[1][classes][:, None, None], on_litert, atol=0.15)
    for one, other in zip(on_keras, on_litert, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.999


def test_grad_cam_weighs_channels_by_their_mean_gradient(tiny, drawn_faces):
    """Checked by differences: raising a channel everywhere raises the logit by its weight, times the places."""
    from emotion_detection.training import mobilenet

    before, after = mobilenet.split_at(tiny, "first")
    activations = np.asarray(before(drawn_faces[:1, ..., None], training=False))
    places, step, expected = activations.shape[1] * activations.shape[2], 1e-2, 0
    for channel in range(activations.shape[-1]):
        raised = activations.copy()
        raised[..., channel] += step
        slope = np.asarray(after(raised) - after(activations))[0, 3] / step
        expected = expected + slope / places * activations[0, ..., channel]
    maps = grad_cam.grad_cam(tiny, drawn_faces[:1], "happy", layer="first")
    np.testing.assert_allclose(maps[0], expected, atol=2e-3)


@pytest.mark.parametrize("layer", grad_cam.LAYERS)
def test_grad_cam_has_the_cells_of_its_layer(model, drawn_faces, layer):
    maps = grad_cam.grad_cam(model, drawn_faces[:2], layer=layer)
    cells = explanations.LAYERS[layer]
    assert maps.shape == (2, cells, cells) and maps.dtype == np.float32
    assert np.ptp(maps, axis=(1, 2)).min() > 0


def test_many_faces_are_explained_as_each_alone(tiny):
    many = np.random.default_rng(1).integers(0, 256, (grad_cam.BATCH + 3, 48, 48), np.uint8)
    together = grad_cam.grad_cam(tiny, many, layer="first")
    np.testing.assert_allclose(together[-1], grad_cam.grad_cam(tiny, many[-1:], layer="first")[0], atol=1e-5)


def test_a_layer_that_something_passes_by_is_refused(tiny, drawn_faces):
    with pytest.raises(DataError, match="does not cut the network in two"):
        grad_cam.grad_cam(tiny, drawn_faces, layer="second")
    with pytest.raises(UnknownNameError, match="no layer 'nowhere'"):
        grad_cam.grad_cam(tiny, drawn_faces, layer="nowhere")


def test_no_faces_have_no_maps(tiny):
    assert len(grad_cam.grad_cam(tiny, np.empty((0, 48, 48), np.uint8), layer="first")) == 0
