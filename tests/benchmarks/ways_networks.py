"""A network in a LiteRT file, asked for one face at a time on one thread."""

import harness
import numpy as np
from ai_edge_litert.interpreter import Interpreter


def litert(settings: dict):
    """The file's network, by LiteRT's own interpreter, on noise of its input's shape and type."""
    interpreter = Interpreter(model_path=settings["file"], num_threads=1)
    wanted = interpreter.get_input_details()[0]
    shape = (1, *wanted["shape"][1:])
    interpreter.resize_tensor_input(wanted["index"], shape)
    interpreter.allocate_tensors()
    noise = np.random.default_rng(0).integers(0, 256, shape)
    values = noise.astype(wanted["dtype"]) if wanted["dtype"] == np.uint8 else (noise / 127.5 - 1).astype(np.float32)

    def turn():
        for _ in range(settings["calls"]):
            interpreter.set_tensor(wanted["index"], values)
            interpreter.invoke()

    return turn


if __name__ == "__main__":
    harness.serve({"litert": litert})
