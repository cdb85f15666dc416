"""The drawn sample: the same data set from the same seed, balanced, varied, learnable."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline

from emotion_detection.data import load_sample
from emotion_detection.errors import DataError


@pytest.fixture(scope="module")
def sample():
    return load_sample()


def test_the_same_seed_draws_the_same_faces():
    assert load_sample(140, seed=3).fingerprint == load_sample(140, seed=3).fingerprint
    assert load_sample(140, seed=3).fingerprint != load_sample(140, seed=4).fingerprint


def test_emotions_are_balanced_in_every_split(sample):
    counts = sample.counts()
    assert counts["Training"].tolist() == [240] * 7
    assert counts["PublicTest"].tolist() == [30] * 7
    assert counts["PrivateTest"].tolist() == [30] * 7


@pytest.mark.parametrize("n", [70, 100, 701])
def test_any_number_of_faces_fills_all_splits(n):
    sample = load_sample(n)
    assert len(sample) == n
    assert (sample.counts().to_numpy() > 0).all()


def test_it_says_that_it_is_drawn(sample):
    assert sample.name == "drawn sample"
    assert "drawn by code" in sample.notes[0]


def test_no_two_faces_are_alike_and_light_varies(sample):
    assert len({face.tobytes() for face in sample.pixels}) == len(sample)
    brightness = sample.pixels.reshape(len(sample), -1).mean(axis=1)
    assert brightness.std() > 20
    assert sample.pixels.reshape(len(sample), -1).std(axis=1).min() > 5


def test_a_plain_classifier_learns_it_from_faces_it_does_not_see_again(sample):
    def flat(part):
        faces = part.pixels.reshape(len(part), -1).astype(np.float32)
        return (faces - faces.mean(axis=1, keepdims=True)) / faces.std(axis=1, keepdims=True)

    model = make_pipeline(PCA(80, svd_solver="randomized", random_state=0), LinearDiscriminantAnalysis())
    model.fit(flat(sample.training), sample.training.emotion)
    assert model.score(flat(sample.public_test), sample.public_test.emotion) > 0.6  # chance: 0.14


def test_too_few_faces_are_refused():
    with pytest.raises(DataError, match="drawn sample of 69 faces is too small"):
        load_sample(69)


def test_a_small_network_learns_it(sample):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    layers = [keras.Input((48, 48, 1)), keras.layers.Rescaling(1 / 127.5, -1.0)]
    for filters in (16, 32, 64):
        layers += [
            keras.layers.Conv2D(filters, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
        ]
    model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dropout(0.4), keras.layers.Dense(7)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(2e-3), loss, metrics=["accuracy"])
    model.fit(sample.training.pixels[..., None], sample.training.emotion, batch_size=32, epochs=8, verbose=0)
    held_out = sample.public_test
    _, accuracy = model.evaluate(held_out.pixels[..., None], held_out.emotion, verbose=0)
    assert accuracy > 0.9
