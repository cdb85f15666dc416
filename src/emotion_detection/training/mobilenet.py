"""MobileNetV2 for 48×48 grey faces: building it, freezing it, finding its ImageNet weights. Keras 3 API only."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.runs import registry
from emotion_detection.training import efficientnet_lite, import_keras
from emotion_detection.training.recipe import LAST_FROZEN_LAYER, Network, Recipe

keras = import_keras()

CACHE_POINT = {"top": "features", "100": "block_10_project_BN"}
"""Regime → the single tensor that feeds everything that is trained (what caching keeps of each face)."""

REGIME_NAMES = {"top": "TL top", "100": "TL 100", "whole": "TL whole"}  # regime → its name in tables and figures


def imagenet_checkpoint(network: Network) -> str | None:
    """Return the name of the ImageNet weights that a network begins at; None if it does not."""
    if network.weights != "imagenet":
        return None
    return efficientnet_lite.WEIGHTS.get(network.backbone, "MobileNetV2 1.0, trained at 224 px")


def imagenet_file(network: Network) -> Path:
    """Return the file of the ImageNet weights that a network begins at; errors are those of `find_imagenet_weights`."""
    if network.backbone in efficientnet_lite.WEIGHTS:
        return efficientnet_lite.find_weights(network.backbone)
    return Path(find_imagenet_weights())


def find_imagenet_weights() -> str:
    """Return the path of the ImageNet weights (224-px checkpoint), fetching them only if no folder holds them.

    Raises:
        MissingFileError: they are in none of the three places.
    """
    found = paths.find_file(*paths.IMAGENET_FILES)
    return str(found) if found else _downloaded_weights()


def _downloaded_weights() -> str:
    """Let Keras download its own copy of the checkpoint (or find the one that it downloaded before)."""
    name, folder = paths.IMAGENET_FILES[1], "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
    try:
        return keras.utils.get_file(name, folder + name, cache_subdir="models")
    except Exception as error:  # urllib, ssl, socket and Keras each raise their own
        raise MissingFileError(
            "The ImageNet weights of MobileNetV2 were not found. Looked for "
            f"{' or '.join(paths.IMAGENET_FILES)} in (1) the folders of EMOTION_DATA_DIR and their models/, (2) "
            f"{paths.displayed(paths.raw_dir())}, (3) Keras' own download, which failed ({error}). "
            "Go online once, or put the file into one of the first two."
        ) from error


def build_model(recipe: Recipe, *, seed: int = 0) -> keras.Model:
    """Build MobileNetV2 (width 1.0) with its input stage and head, the regime's layers frozen.

    The input is uint8 grey (n, height, width, 1), 48×48 or larger: resizing, grey → RGB and scaling are layers of the
    network. Layers of interest: `feature_map` (n, 3, 3, 1280 at 96 px), `features` (n, 1280), and the output, float32
    `logits` (n, 7), no softmax, classes in FER2013 order. `seed` decides the head's first weights and dropout.

    Raises:
        MissingFileError: the ImageNet weights are in none of the three places.
    """
    keras.utils.set_random_seed(seed)
    faces = keras.Input((None, None, 1), dtype="uint8", name="faces")
    network = recipe.network
    inputs = _input_stage(faces, network)
    weights = str(imagenet_file(network)) if network.weights == "imagenet" else network.weights
    if network.backbone == "mobilenetv2":
        values = _mobilenet(inputs, network.input_px, weights).output
    else:
        values = efficientnet_lite.feature_map(inputs, network.backbone)
    model = keras.Model(faces, _head(values, network, seed), name=f"emotion_{network.backbone}")
    if network.last_stride == 1:
        model = _with_larger_last_stage(model)
    if network.backbone != "mobilenetv2" and weights is not None:
        efficientnet_lite.load_imagenet(model, Path(weights))
    freeze(model, network.regime)
    _set_batch_norm(model, network)
    return model


def _mobilenet(inputs, input_px: int, weights: str | None) -> keras.Model:
    """Build the convolutional part on `inputs`, with the ImageNet weights of a file or with random ones."""
    shape = (input_px, input_px, 3)
    try:
        return keras.applications.MobileNetV2(
            input_shape=shape, input_tensor=inputs, include_top=False, weights=weights
        )
    except (OSError, ValueError, KeyError) as error:
        if weights is None:
            raise
        raise DataError(
            f"The ImageNet weights {paths.displayed(weights)} cannot be read ({type(error).__name__}: {error}). "
            "The file is damaged or another one: delete it, and it is found elsewhere or downloaded again."
        ) from error


def _with_larger_last_stage(model: keras.Model) -> keras.Model:
    """Return a copy of MobileNetV2 with equal weights whose last stage has stride 1, and looks as far as before."""

    def layer(original: keras.layers.Layer) -> keras.layers.Layer:
        if original.name == "block_13_pad":
            return keras.layers.Identity(name=original.name)
        changes = {"strides": 1, "padding": "same"} if original.name == "block_13_depthwise" else {}
        if original.name in ("block_14_depthwise", "block_15_depthwise", "block_16_depthwise"):
            changes = {"dilation_rate": 2}  # so that each place sees what it has learned to see
        return type(original).from_config(original.get_config() | changes)

    copy = keras.models.clone_model(model, clone_function=layer)
    copy.set_weights(model.get_weights())
    return copy


@keras.saving.register_keras_serializable("emotion_detection")
class WeightedPooling2D(keras.layers.Layer):
    """A sum over the places of a map, each channel with weights of its own; at first it is the average."""

    def build(self, shape):
        """Make the weights: (height, width, channels)."""
        average = keras.initializers.Constant(1 / (shape[1] * shape[2]))
        self.kernel = self.add_weight(shape=tuple(shape[1:]), initializer=average, name="kernel")

    def call(self, inputs):
        """Return float32 (n, channels) of float32 (n, height, width, channels)."""
        return keras.ops.sum(inputs * self.kernel, axis=(1, 2))


def _input_stage(faces, network: Network):
    """Resize to the network's size, repeat grey as RGB, scale."""
    side = network.input_px
    resized = keras.layers.Resizing(side, side, interpolation="bilinear", name="resize")(faces)
    rgb = keras.layers.Concatenate(name="gray_to_rgb")([resized] * 3)
    scale, offset = {"symmetric": (1 / 127.5, -1.0), "unit": (1 / 255, 0.0)}[network.scaling]
    return keras.layers.Rescaling(scale, offset, name="scale")(rgb)


def _head(feature_map, network: Network, seed: int):
    """Pool the last feature map and map it to seven logits."""
    initializer = keras.initializers.GlorotUniform
    pooling = WeightedPooling2D if network.pooling == "weighted" else keras.layers.GlobalAveragePooling2D
    values = pooling(name="features")(feature_map)
    if network.head == "two_dense":
        values = keras.layers.Dense(128, "relu", name="dense_1", kernel_initializer=initializer(seed + 1))(values)
    values = keras.layers.Dropout(network.dropout, seed=seed, name="dropout")(values)
    if network.head == "two_dense":
        values = keras.layers.Dense(128, "relu", name="dense_2", kernel_initializer=initializer(seed + 2))(values)
    return keras.layers.Dense(len(EMOTIONS), name="logits", kernel_initializer=initializer(seed))(values)


def freeze(model: keras.Model, regime: str) -> None:
    """Freeze the layers up to the regime's cut and thaw the rest.

    A frozen batch norm runs in inference mode in Keras 3, whatever `training` says.
    """
    last_frozen = LAST_FROZEN_LAYER[regime]
    frozen = last_frozen is not None
    for layer in model.layers:
        layer.trainable = not frozen
        if layer.name == last_frozen:
            frozen = False


def _set_batch_norm(model: keras.Model, network: Network) -> None:
    """Set the momentum of the trained batch norms, and what the frozen ones do while the network is trained."""
    trained = batch_norm_layers(model)
    for layer in trained:
        layer.momentum = network.batch_norm_momentum
    if network.frozen_batch_norm == "inference":
        return
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization) and not layer.trainable:
            layer.trainable = True  # Keras 3 uses batch statistics only where a layer is trainable
            kept = network.frozen_batch_norm == "batch_statistics_averages_kept"
            layer.momentum = 1.0 if kept else network.batch_norm_momentum
            layer.gamma.trainable = layer.beta.trainable = False


def split_at(model: keras.Model, layer_name: str) -> tuple[keras.Model, keras.Model]:
    """Split a network at one layer's output into the part before and the part after; both share its weights."""
    cut = model.get_layer(layer_name).output
    return keras.Model(model.input, cut, name="frozen_part"), keras.Model(cut, model.output, name="trained_part")


def with_second_task(model: keras.Model, *, classes: int, seed: int) -> keras.Model:
    """Return the network, or its trained part, with a second output: a linear head of its own on the pooled features.

    The output is called `auxiliary`. Both share their layers, so that training the result trains `model`, which stays
    as it is; `seed` decides the second head's first weights.
    """
    pooled = [layer.output for layer in model.layers if layer.name == "features"]
    initializer = keras.initializers.GlorotUniform(seed + 3)
    head = keras.layers.Dense(classes, name="auxiliary", kernel_initializer=initializer)
    auxiliary = head(pooled[0] if pooled else model.input)
    return keras.Model(model.input, [*model.outputs, auxiliary], name=model.name)


def with_votes(model: keras.Model, kernel: np.ndarray, bias: np.ndarray) -> keras.Model:
    """Return a network of one output with a second one, "votes": a linear layer on its pooled features.

    Args:
        model: from faces to logits, with a pooling layer named "features".
        kernel: float32 array (features, 8).
        bias: float32 array (8,).
    """
    layer = keras.layers.Dense(len(bias), name="votes")
    votes = layer(model.get_layer("features").output)
    layer.set_weights([kernel, bias])
    return keras.Model(model.input, [model.output, votes], name=model.name)


def answering_part(model: keras.Model) -> keras.Model:
    """Return what gives the seven logits alone: the network itself, or all of it but its second head."""
    if len(model.outputs) == 1:
        return model
    part = keras.Model(model.input, model.outputs[0], name=model.name)
    part.jit_compile = keras.backend.backend() == "jax"
    return part


def batch_norm_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the batch-norm layers that are trained (the frozen ones keep their statistics)."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable]


def save_model(model: keras.Model, path: Path) -> Path:
    """Save a network as `.keras`, without the optimiser's state, atomically."""
    uncompiled = keras.Model(model.input, model.output, name=model.name)
    with files.written_beside(Path(path)) as temporary:
        uncompiled.save(temporary)
    return Path(path)


def load_network(path: Path, *, votes: bool = False) -> keras.Model:
    """Load a `.keras` network in Keras' safe mode, its SHA-256 checked where a model card lies beside it.

    Args:
        path: of the file.
        votes: whether to keep a second head, for FER+'s votes, if the network has one; else logits are all it gives.

    Raises:
        MissingFileError: the file does not exist.
        DataError: the file is damaged, or not a Keras network.
    """
    if registry.card_beside(Path(path)).is_file():
        registry.check_against_card(path)
    elif not Path(path).is_file():
        raise MissingFileError(f"There is no network {paths.displayed(path)}. Pass the path of a .keras file.")
    try:
        network = keras.saving.load_model(path, safe_mode=True, compile=False)
    except Exception as error:  # zipfile, h5py, json and Keras each raise their own
        if files.is_full(error):  # of temporary files: the network is not damaged
            raise
        raise DataError(
            f"The network {paths.displayed(path)} cannot be loaded ({type(error).__name__}: {error}). "
            "The file is damaged: restore it (git checkout -- data/models) or train the run again."
        ) from error
    return network if votes else answering_part(network)


def _block_of(layer_name: str) -> str:
    """Return the block that a layer of Keras' MobileNetV2, or of the head behind it, belongs to."""
    if numbered := re.match(r"block_(\d+)_", layer_name):
        return f"block {numbered[1]}"
    if layer_name.startswith("expanded_conv"):
        return "block 0"
    if layer_name in ("Conv1", "bn_Conv1", "Conv1_relu"):
        return "stem"
    return "last conv." if layer_name in ("Conv_1", "Conv_1_bn", "out_relu", "feature_map") else "head"


def blocks(network: keras.Model) -> pd.DataFrame:
    """List the blocks of MobileNetV2 with a head.

    Returns:
        Index `block`, in order; columns `output_px` (side of the feature map; 1 after pooling), `channels`,
        `parameters`, and `trained_top`, `trained_100`, `trained_whole`: parameters that the regime trains.
    """
    layers = _layers(network)
    sums = dict.fromkeys([column for column in layers if column.startswith(("parameters", "trained"))], "sum")
    return layers.groupby("block", sort=False).agg({"output_px": "last", "channels": "last"} | sums)


def regimes(network: keras.Model) -> pd.DataFrame:
    """List what each regime freezes and trains.

    Returns:
        Index `regime`; columns `last_frozen_layer`, `layers_frozen` and `layers_trained` (layers with weights),
        `parameters_trained`, and `share_trained` of the parameters that can be trained.
    """
    layers = _layers(network).query("parameters > 0")
    rows = {}
    for regime, name in REGIME_NAMES.items():
        trained = layers[f"trained_{regime}"]
        rows[name] = {
            "last_frozen_layer": LAST_FROZEN_LAYER[regime] or "none",
            "layers_frozen": int((trained == 0).sum()),
            "layers_trained": int((trained > 0).sum()),
            "parameters_trained": int(trained.sum()),
            "share_trained": trained.sum() / layers["trained_whole"].sum(),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("regime")


def _layers(network: keras.Model) -> pd.DataFrame:
    """List the layers from the first convolution on: block, output, parameters, and those that each regime trains."""
    names = [layer.name for layer in network.layers]
    rows = []
    for index, layer in enumerate(network.layers[names.index("Conv1") :], start=names.index("Conv1")):
        shape, learnable = layer.output.shape, sum(math.prod(weight.shape) for weight in layer.trainable_variables)
        size = {"output_px": shape[1] if len(shape) == 4 else 1, "channels": shape[-1]}
        trained = {
            f"trained_{regime}": learnable if last is None or index > names.index(last) else 0
            for regime, last in LAST_FROZEN_LAYER.items()
        }
        rows.append({"block": _block_of(layer.name)} | size | {"parameters": layer.count_params()} | trained)
    return pd.DataFrame(rows)
