"""From a calibrated LiteRT network to int8, all of it but the first convolutions.

MobileNetV2's first block reads small differences of grey out of large sums, and the rounding of its 8-bit values is
carried, enlarged, through all that follows. Of the recipe TL whole, on 898 PublicTest faces, int8 changed a logit by so
much (root mean square): 0.20 with all but resizing in integers, 0.15 with scaling in float32, too, 0.14 with the first
convolution, too, 0.08 with all three convolutions of the first block, which do 7 % of the multiplications. Making
channels alike in size (Nagel et al. 2019, arXiv:1906.04721), narrowing the ranges to the least squared error, and the
last layer in float32 did not help.
"""

CONVOLUTIONS_IN_FLOAT = 3
"""So many convolutions, from the first on, stay in float32."""

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def quantized(calibrated: bytes, *, convolutions_in_float: int = CONVOLUTIONS_IN_FLOAT) -> bytes:
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
