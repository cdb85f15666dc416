"""From a LiteRT network in float32 to float16 weights, or to int8: all of it, or all but the first convolutions.

MobileNetV2's first block reads small differences of grey out of large sums, and what its values are rounded by is
carried, enlarged, through all that follows. Its three convolutions do 7 % of the multiplications and hold some thousand
weights. Of the recipe TL whole, on PublicTest faces, a logit changed by so much (root mean square):

- int8: 0.20 with all but resizing in integers, 0.15 with scaling in float32, too, 0.14 with the first convolution, too,
  0.08 with the whole first block (898 faces);
- float16: 0.009 with all weights rounded (3,589 faces), 0.003 with those of the first block left alone (898 faces).

Making channels alike in size (Nagel et al. 2019, arXiv:1906.04721), narrowing the ranges to the least squared error,
and the last layer in float32 did not help int8. Fitting the last layer anew to what the float network answers on all
Training faces halved what int8 throughout costs on PublicTest (TL taught: 1.2 points to 0.6), which was not enough. TL
best needs none of this: in integers throughout it loses 0.4 points.
"""

import numpy as np

from emotion_detection.errors import DataError

FIRST_BLOCK = 3
"""So many convolutions has the first block of MobileNetV2, with the one before it."""

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def quantized(calibrated: bytes, *, convolutions_in_float: int = 0) -> bytes:
    """Return a calibrated network in int8: weights with a scale per channel, values between layers with one a layer.

    Args:
        calibrated: a float32 LiteRT network with the ranges of its values, as the converter leaves it before rounding.
        convolutions_in_float: so many, from the first on, stay in float32, and all before them: casting, resizing and
            scaling the faces. With 0 only what has no int8 version stays.
    """
    from tensorflow.lite.python import convert

    if not convolutions_in_float:
        return convert.mlir_quantize(calibrated)
    return convert.mlir_quantize(calibrated, denylisted_nodes=set(first_operations(calibrated, convolutions_in_float)))


def first_operations(network: bytes, convolutions: int) -> list[str]:
    """Return the names of a LiteRT network's operations up to one of its first convolutions (all, if it has fewer)."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=network, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    found, seen = [], 0
    for operation in interpreter._get_ops_details():
        if seen == convolutions:
            break
        found.append(names[operation["outputs"][0]])
        seen += operation["op_name"] in CONVOLUTIONS
    return found


def with_first_weights(float16: bytes, float32: bytes, *, convolutions: int = FIRST_BLOCK) -> bytes:
    """Return a network with float16 weights in which the first convolutions have their float32 weights again.

    Args:
        float16: a LiteRT network whose weights the converter rounded: each comes out of an operation that widens it.
        float32: the same network with unrounded weights.
        convolutions: so many, from the first on.

    Raises:
        DataError: the networks are not the same.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    rounded, exact = (flatbuffer_utils.read_model_from_bytearray(bytearray(each)) for each in (float16, float32))
    graph, operators = rounded.subgraphs[0], _operators(rounded)
    widened = {op.outputs[0]: op for op, code in operators if code == schema.BuiltinOperator.DEQUANTIZE}
    pairs = zip(_convolutions(rounded)[:convolutions], _convolutions(exact)[:convolutions], strict=True)
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
