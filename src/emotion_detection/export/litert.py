"""A Keras network on LiteRT, which runs without Keras: weights in float16, or all of it in 8-bit integers.

MobileNetV2's first block reads small differences of grey out of large sums, and what its values are rounded by is
carried, enlarged, through all that follows. Its three convolutions hold some thousand weights, so in float16 they are
left alone: a logit of TL whole changes by 0.003 instead of 0.009 (root mean square, 898 PublicTest faces).

For int8 the network is taught to bear it first (see `rounding`). Tried and left out: making channels alike in size
(Nagel et al. 2019, arXiv:1906.04721), ranges narrowed to the least squared error, the last layer or the first block in
float32, the last layer fitted anew.
"""

import copy
import dataclasses
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from emotion_detection import files
from emotion_detection.data import FaceDataset
from emotion_detection.errors import DataError
from emotion_detection.runs import network_metadata

CALIBRATION_FACES = 1000
CALIBRATION_SEED = 0

FIRST_BLOCK = 3  # so many convolutions has the first block of MobileNetV2, with the one before it
CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """What fits a network into 8 bits.

    Args:
        faces: uint8 (n, 48, 48), from which the converter learns how large values get.
        learned_from: uint8 (n, 48, 48), on which the network learns to bear it.
        description: where they are from, for the file and the card.
    """

    faces: np.ndarray
    learned_from: np.ndarray
    description: dict


def calibration_of(dataset: FaceDataset, *, n: int = CALIBRATION_FACES, seed: int = CALIBRATION_SEED) -> Calibration:
    """Return what int8 needs: all Training faces, and `n` random ones, or fewer; `seed` decides which.

    Raises:
        DataError: there is no Training face.
    """
    training = dataset.training
    if not len(training):
        raise DataError(
            f"int8 is calibrated on Training faces, and {dataset.name} has 0 of them. Use FER2013 (see data/README.md)."
        )
    chosen = np.sort(np.random.default_rng(seed).permutation(len(training))[:n])
    description = {"data": dataset.name, "split": "Training", "faces": len(chosen), "seed": seed}
    return Calibration(np.asarray(training.pixels[chosen]), np.asarray(training.pixels), description)


def export_litert(model, path: Path, *, says: dict | None = None, calibration: Calibration | None = None) -> Path:
    """Write a Keras network as LiteRT, in int8 if calibrated, else in float16; outputs by name. Returns the path.

    In float16 weights are rounded, but for the first block's, and the arithmetic is float32. In int8 weights (one scale
    per channel) and values between layers are 8-bit integers. The file's signature has the input
    `faces`, uint8 (n, 48, 48, 1), and the float32 outputs `logits` (n, 7), `votes` (n, 8) if the model has them,
    `features` (n, 1280) and `feature_map` (n, 3, 3, 1280 at 96 px). What the file says about itself, and the last
    layers, are put into it as `network_metadata` says.

    Args:
        model: Keras functional model from uint8 faces to logits, or to logits and votes, with a pooling layer named
            "features".
        path: ends in `.tflite`; written atomically.
        says: as `ship.describe` makes it; nothing is put into the file if None.
        calibration: what fits the network into 8 bits, which takes minutes; None: float16.

    Raises:
        DataError: the model has no layer "features", or an operation that LiteRT does not have.
    """
    from tensorflow.lite.python import convert

    from emotion_detection.export import rounding

    taught = rounding.taught(model, calibration.learned_from, calibration.faces) if calibration else model
    apart = _heads(model) if calibration else {}
    named = with_named_outputs(taught, without=apart)
    with files.written_beside(path) as temporary:
        try:
            if calibration is None:
                float16, float32 = (_converted(named, temporary, **_float_options(half=half)) for half in (True, False))
                content = _with_first_weights(float16, float32)
            else:
                calibrated = _converted(named, temporary, **_calibrate_options(calibration))
                content = convert.mlir_quantize(calibrated)
            temporary.write_bytes(content)
            for name, layer in apart.items():
                add_head(temporary, name, *layer.get_weights())
        except convert.ConverterError as error:
            raise DataError(
                f"The network {model.name!r} cannot be written as LiteRT: {str(error)[:300]}. Replace the operation "
                f"that it names (bilinear resizing works, bicubic does not)."
            ) from error
        if says is not None:
            arithmetic = {"format": "int8", "calibration": calibration.description} if calibration else {}
            network_metadata.write(temporary, {"format": "float16"} | says | arithmetic, heads_of(model))
    return Path(path)


def _converted(named, path: Path, **options) -> bytes:
    """Return what the converter makes of a network with named outputs; `path` is written on the way."""
    import tensorflow as tf

    signature = [tf.TensorSpec((None, 48, 48, 1), tf.uint8, name="faces")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter uses what TensorFlow is about to drop
        named.export(path, format="litert", input_signature=signature, verbose=False, **options)
    return path.read_bytes()


def _float_options(*, half: bool) -> dict:
    """Return the converter's settings for weights in float16, or in float32."""
    import tensorflow as tf

    target = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]} | ({"supported_types": [tf.float16]} if half else {})
    return {"target_spec": target, "optimizations": [tf.lite.Optimize.DEFAULT] if half else []}


def _calibrate_options(calibration: Calibration) -> dict:
    """Return the converter's settings for float32 with the ranges of all values, with which int8 begins."""
    import tensorflow as tf

    faces = calibration.faces[:, None, :, :, None]
    return {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
        "representative_dataset": lambda: ({"faces": face} for face in faces),
        "_experimental_calibrate_only": True,
    }


def _with_first_weights(float16: bytes, float32: bytes) -> bytes:
    """Return a network with float16 weights in which those of the first block have their float32 weights again.

    The converter rounded the weights of `float16`: each comes out of an operation that widens it. `float32` is the same
    network with unrounded weights.

    Raises:
        DataError: the networks are not the same.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    rounded, exact = (flatbuffer_utils.read_model_from_bytearray(bytearray(each)) for each in (float16, float32))
    graph, operators = rounded.subgraphs[0], _operators(rounded)
    widened = {op.outputs[0]: op for op, code in operators if code == schema.BuiltinOperator.DEQUANTIZE}
    pairs = zip(_convolutions(rounded)[:FIRST_BLOCK], _convolutions(exact)[:FIRST_BLOCK], strict=True)
    dropped = []
    for of_rounded, of_exact in pairs:
        for index, of_index in zip(of_rounded.inputs[1:], of_exact.inputs[1:], strict=True):
            if index not in widened:
                continue
            data = exact.buffers[exact.subgraphs[0].tensors[of_index].buffer].data
            half = rounded.buffers[graph.tensors[widened[index].inputs[0]].buffer]
            _check_same(half.data, data)
            graph.operators.remove(widened.pop(index))
            dropped.append(half)
            graph.tensors[index].buffer = len(rounded.buffers)
            rounded.buffers.append(schema.BufferT(data=data))
    used = [graph.tensors[index].buffer for operator in graph.operators for index in operator.inputs if index >= 0]
    for half in dropped:  # at the end: layers with equal weights share a buffer
        if not any(rounded.buffers[index] is half for index in used):
            half.data = None
    return bytes(flatbuffer_utils.convert_object_to_bytearray(rounded))


def _operators(model) -> list[tuple]:
    """Return the operators of a LiteRT network with their builtin codes, in their order."""
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    return [(operator, codes[operator.opcodeIndex]) for operator in model.subgraphs[0].operators]


def _convolutions(model) -> list:
    from ai_edge_litert import schema_py_generated as schema

    kinds = {getattr(schema.BuiltinOperator, name) for name in CONVOLUTIONS}
    return [operator for operator, code in _operators(model) if code in kinds]


def _check_same(float16: np.ndarray, float32: np.ndarray) -> None:
    narrow, wide = np.frombuffer(bytes(float16), np.float16), np.frombuffer(bytes(float32), np.float32)
    if narrow.size != wide.size or not np.array_equal(narrow, wide.astype(np.float16)):
        raise DataError(
            f"A layer has {narrow.size} float16 weights that are not its {wide.size} float32 weights rounded. Convert "
            "both networks from the same one."
        )


def add_head(path: Path, name: str, kernel: np.ndarray, bias: np.ndarray) -> Path:
    """Give a LiteRT file the output `name`: a linear layer in float32 on its output `features`.

    Nothing else in the file changes, so that its other outputs stay the same to the last bit. An output of this name
    that such a layer makes is replaced.

    Args:
        path: a LiteRT network with an output "features"; rewritten atomically.
        name: "logits" or "votes".
        kernel: float32 array (features, classes).
        bias: float32 array (classes,).
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(Path(path).read_bytes()))
    graph, outputs = model.subgraphs[0], model.signatureDefs[0].outputs
    places = {output.name.decode(): output.tensorIndex for output in outputs}
    weights = [np.frombuffer(np.ascontiguousarray(each, np.float32), np.uint8) for each in (kernel.T, bias)]
    if name in places:
        layer = next(operator for operator in graph.operators if places[name] in operator.outputs)
        for index, data in zip(layer.inputs[1:], weights, strict=True):
            model.buffers[graph.tensors[index].buffer].data = data
    else:
        inputs = [places["features"]]
        parts = zip((f"{name}/kernel", f"{name}/bias"), weights, (kernel.T.shape, bias.shape), strict=True)
        for part, data, shape in parts:
            inputs.append(len(graph.tensors))
            graph.tensors.append(schema.TensorT(shape=list(shape), buffer=len(model.buffers), name=part))
            model.buffers.append(schema.BufferT(data=data))
        output = copy.deepcopy(graph.tensors[places["features"]])
        output.name, output.shape = name, [*output.shape[:-1], len(bias)]
        if output.shapeSignature is not None:
            output.shapeSignature = [*output.shapeSignature[:-1], len(bias)]
        output.buffer = len(model.buffers)
        model.buffers.append(schema.BufferT())
        code = schema.BuiltinOperator.FULLY_CONNECTED
        layer = schema.OperatorT(opcodeIndex=len(model.operatorCodes), inputs=inputs, outputs=[len(graph.tensors)])
        layer.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        layer.builtinOptions = schema.FullyConnectedOptionsT()
        model.operatorCodes.append(schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=1))
        outputs.append(schema.TensorMapT(name=name, tensorIndex=len(graph.tensors)))
        graph.outputs = [*graph.outputs, len(graph.tensors)]
        graph.tensors.append(output)
        graph.operators.append(layer)
    with files.written_beside(path) as temporary:
        temporary.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    return Path(path)


def with_named_outputs(model, *, without: Iterable[str] = ()):
    """Return a Keras model with the outputs that a file has, by name, that shares `model`'s weights.

    Args:
        model: functional, with a pooling layer named "features".
        without: outputs to leave out.

    Raises:
        DataError: the model has no layer named "features".
    """
    import keras

    if "features" not in (layer.name for layer in model.layers):
        raise DataError(
            f"The network {model.name!r} has no layer 'features', expected the pooling layer to be called so. "
            f"Build networks with emotion_detection.training.mobilenet.build_model."
        )
    pooling = model.get_layer("features")
    answers = dict(zip(("logits", "votes"), model.outputs, strict=False))
    outputs = answers | {"features": pooling.output, "feature_map": pooling.input}
    outputs = {name: output for name, output in outputs.items() if name not in without}
    return keras.Model(model.input, outputs, name=model.name)


def _heads(model) -> dict:
    """Return the last layers, those for logits and votes, by name; none unless each is all that follows the pooling."""
    import keras

    dense = {layer.name: layer for layer in model.layers if isinstance(layer, keras.layers.Dense)}
    return dense if set(dense) <= set(network_metadata.HEADS) else {}


def heads_of(model) -> dict[str, np.ndarray]:
    """Return weights and biases of the last layers by `network_metadata.HEADS`, of each that follows the pooling."""
    pairs = [
        zip(network_metadata.HEADS[name], layer.get_weights(), strict=True) for name, layer in _heads(model).items()
    ]
    return {name: values for pair in pairs for name, values in pair}


def outputs_of(model) -> dict[str, str]:
    """Return type and shape of each output that a network's files have, in words, such as "float32 (n, 7)"."""
    shapes = {name: output.shape[1:] for name, output in with_named_outputs(model).output.items()}
    return {name: f"float32 ({', '.join(['n', *map(str, shape)])})" for name, shape in shapes.items()}
