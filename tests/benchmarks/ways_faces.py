"""Ways from faces (uint8, 48×48, grey) to emotions: a turn says how many at a time, and how often.

The setting "repeats" is for a way so fast that it does all of that several times in a turn.
"""

import functools
from pathlib import Path

import harness
import numpy as np

from emotion_detection import paths
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs import registry


@functools.cache
def some_faces(count: int) -> np.ndarray:
    """Return uint8 (count, 48, 48): noise, which costs what faces cost."""
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), np.uint8)


def repeated(function, settings: dict):
    """Return a turn that calls a function of a number of faces."""

    def turn(faces: int, calls: int):
        for _ in range(calls * settings.get("repeats", 1)):
            function(faces)

    return turn


def package(settings: dict):
    """This package: the shipped network on LiteRT, in the format and with the threads that are asked for, if any."""
    classifier = EmotionClassifier.load(settings.get("network"), threads=settings.get("threads"))
    return repeated(lambda count: classifier.predict_proba(some_faces(count)), settings)


def keras_network(settings: dict, way: str):
    """The same network in Keras, called as people call networks."""
    import tensorflow as tf

    from emotion_detection.training import mobilenet

    network = mobilenet.load_network(paths.models_dir() / f"{registry.SHIPPED}.keras")
    if way == "predict":
        return repeated(lambda count: network.predict(some_faces(count)[..., None], verbose=0), settings)
    if way == "call":
        return repeated(lambda count: np.asarray(network(some_faces(count)[..., None], training=False)), settings)
    compiled = tf.function(lambda values: network(values, training=False))
    tensor = functools.cache(lambda count: tf.constant(some_faces(count)[..., None]))
    return repeated(lambda count: compiled(tensor(count)).numpy(), settings)


def oarriaga(settings: dict):
    """A network of oarriaga/face_classification, called by `predict` as there."""
    import keras

    network = keras.models.load_model(Path(settings["file"]), compile=False)
    shape, rng = network.input_shape[1:], np.random.default_rng(0)
    batch = functools.cache(lambda count: rng.uniform(-1, 1, (count, *shape)).astype(np.float32))
    return repeated(lambda count: network.predict(batch(count), verbose=0), settings)


def litert(settings: dict):
    """The network of a LiteRT file on one thread, a face of noise at a time; what wants floats gets it resized."""
    import cv2
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=settings["file"], num_threads=1)
    wanted = interpreter.get_input_details()[0]
    height, width, _ = wanted["shape"][1:]
    interpreter.resize_tensor_input(wanted["index"], (1, height, width, 1))
    interpreter.allocate_tensors()
    face = some_faces(1)[0]

    def prepared() -> np.ndarray:
        if wanted["dtype"] == np.uint8:
            return face[None, ..., None]
        return (cv2.resize(face, (width, height)).astype(np.float32) / 255 - 0.5)[None, ..., None] * 2

    def turn():
        for _ in range(settings["calls"]):
            interpreter.set_tensor(wanted["index"], prepared())
            interpreter.invoke()

    return turn


WAYS = {
    "litert": litert,
    "package": package,
    "predict": lambda settings: keras_network(settings, "predict"),
    "call": lambda settings: keras_network(settings, "call"),
    "function": lambda settings: keras_network(settings, "function"),
    "oarriaga": oarriaga,
}

if __name__ == "__main__":
    harness.serve(WAYS)
