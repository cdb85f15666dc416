"""Recipes, and training them with Keras: the network, its targets, augmentation, the loop, folds, sweeps.

Here, and in `export/`, TensorFlow and Keras are imported; nowhere else. How a trained network is run on pictures is in
`inference/`, which knows nothing of this package.
"""

import functools

from emotion_detection import files


@functools.cache
def import_keras():
    """Import Keras, with what TensorFlow's C++ code writes to stderr when it starts kept from the terminal or cell.

    A `keras.json` of other projects may ask for float16 or channels first; the networks here are of neither.
    """
    with files.without_notices():
        import keras

        keras.config.set_floatx("float32")
        keras.config.set_image_data_format("channels_last")
        if keras.config.backend() == "tensorflow":
            keras.ops.zeros(1)  # it has more to say when it is first used
        return keras
