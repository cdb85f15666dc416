"""Ways from faces (uint8, 48×48, grey) to emotions, one face or many at a time."""

from pathlib import Path

import harness
import numpy as np

from emotion_detection import cards, paths
from emotion_detection.classifier import EmotionClassifier


def some_faces(settings: dict) -> np.ndarray:
    """Return uint8 (n, 48, 48): noise, which costs what faces cost."""
    return np.random.default_rng(0).integers(0, 256, (settings["faces"], 48, 48), np.uint8)


def repeated(function, settings: dict):
    """Return a turn that calls a function so many times."""

    def turn():
        for _ in range(settings["calls"]):
            function()

    return turn


def package(settings: dict):
    """This package: the shipped network on LiteRT, in the format and with the threads that are asked for, if any."""
    classifier = EmotionClassifier.load(settings.get("network"), threads=settings.get("threads"))
    faces = some_faces(settings)
    return repeated(lambda: classifier.predict_proba(faces), settings)


def keras_network(settings: dict, way: str):
    """The same network in Keras, called as people call networks."""
    import tensorflow as tf

    from emotion_detection import models

    network = models.load_network(paths.models_dir() / f"{cards.SHIPPED}.keras")
    batch = some_faces(settings)[..., None]
    if way == "predict":
        return repeated(lambda: network.predict(batch, verbose=0), settings)
    if way == "call":
        return repeated(lambda: np.asarray(network(batch, training=False)), settings)
    compiled = tf.function(lambda values: network(values, training=False))
    tensor = tf.constant(batch)
    return repeated(lambda: compiled(tensor).numpy(), settings)


def oarriaga(settings: dict):
    """A network of oarriaga/face_classification, called by `predict` as there."""
    import keras

    network = keras.models.load_model(Path(settings["file"]), compile=False)
    batch = np.random.default_rng(0).uniform(-1, 1, (settings["faces"], *network.input_shape[1:])).astype(np.float32)
    return repeated(lambda: network.predict(batch, verbose=0), settings)


WAYS = {
    "package": package,
    "predict": lambda settings: keras_network(settings, "predict"),
    "call": lambda settings: keras_network(settings, "call"),
    "function": lambda settings: keras_network(settings, "function"),
    "oarriaga": oarriaga,
}

if __name__ == "__main__":
    harness.serve(WAYS)
