"""A network in a LiteRT file, asked for one face at a time on one thread."""

import cv2
import harness
import numpy as np
from ai_edge_litert.interpreter import Interpreter


def litert(settings: dict):
    """The file's network, by LiteRT's interpreter, from a 48×48 face of noise; what wants floats gets it resized."""
    interpreter = Interpreter(model_path=settings["file"], num_threads=1)
    wanted = interpreter.get_input_details()[0]
    height, width, _ = wanted["shape"][1:]
    interpreter.resize_tensor_input(wanted["index"], (1, height, width, 1))
    interpreter.allocate_tensors()
    face = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)

    def prepared() -> np.ndarray:
        if wanted["dtype"] == np.uint8:
            return face[None, ..., None]
        return (cv2.resize(face, (width, height)).astype(np.float32) / 255 - 0.5)[None, ..., None] * 2

    def turn():
        for _ in range(settings["calls"]):
            interpreter.set_tensor(wanted["index"], prepared())
            interpreter.invoke()

    return turn


if __name__ == "__main__":
    harness.serve({"litert": litert})
