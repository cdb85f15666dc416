"""A network that bears 8-bit integers: its weights are moved a little, so that rounding changes few of its answers.

Rounding weights and values to 8 bits changes about one answer in twenty. So a rounded copy of the network learns from
the unrounded one, on Training faces that are changed at random, some of them spoiled as by a poor camera. No label is
needed.

Reference: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
2018, arXiv:1712.05877.
"""

import numpy as np
from tqdm.auto import tqdm

from emotion_detection.training import batches, catalog, fast_layers, import_keras

keras = import_keras()

STEPS = 1600
LEARNING_RATE = 1e-5
PASSES = 4  # over the faces at most
RECIPE = catalog.BEST.replace(
    name="rounding", batch_size=64, full_batches=True, blur_px=1.0, noise=0.08, jpeg_quality=20, poor_camera=0.3
)
"""What is done to the faces."""

BATCH = 125
KINDS = (
    keras.layers.ReLU,
    keras.layers.Add,
    keras.layers.Resizing,
    keras.layers.GlobalAveragePooling2D,
    fast_layers.Unchanged,
)
"""Layers whose outputs are held in 8 bits; of what was a batch norm, where no ReLU follows."""


def taught(model: keras.Model, faces: np.ndarray, seen: np.ndarray, *, steps: int = STEPS) -> keras.Model:
    """Return the network with its batch norms folded and its weights moved, so that 8 bits change few of its answers.

    Args:
        model: functional, from uint8 faces (n, 48, 48, 1) to logits, with a pooling layer named "features".
        faces: to learn from, uint8 (n, 48, 48).
        seen: those from which the range of each value is taken, as LiteRT's converter does, uint8 (n, 48, 48).
        steps: how many batches of faces to learn from; fewer where there are few faces.
    """
    import tensorflow as tf

    folded = _with_grey_input(fast_layers.folded(model))
    exact = keras.Model(folded.input, [folded.outputs[0], folded.get_layer("features").output])
    before_relu = {id(layer.input) for layer in exact.layers if isinstance(layer, keras.layers.ReLU)}
    rounded = keras.models.clone_model(exact, clone_function=lambda layer: _rounding_layer(layer, before_relu))
    rounded.set_weights(exact.get_weights())
    for layer in rounded.layers:
        layer.trainable = not isinstance(layer, keras.layers.Dense)  # the files of all formats share their last layers
    _look(rounded, seen)
    shuffled = batches.FaceBatches(faces, [np.zeros((len(faces), 0), np.float32)], recipe=RECIPE, seed=0, epoch=0)
    steps = min(steps, PASSES * len(shuffled))
    weights, others = rounded.trainable_variables, rounded.non_trainable_variables
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps))
    optimizer.build(weights)

    @tf.function(reduce_retracing=True)
    def step(batch):
        wanted, wanted_features = exact(batch, training=False)
        with tf.GradientTape() as tape:
            values = [_in_8_bits(each) for each in weights]
            (answers, features), _ = rounded.stateless_call(values, others, batch, training=False)
            loss = keras.losses.kl_divergence(tf.nn.softmax(wanted), tf.nn.softmax(answers))
            loss = tf.reduce_mean(loss) + tf.reduce_mean(tf.square(features - wanted_features))
        optimizer.apply(tape.gradient(loss, [each.value for each in weights]), weights)

    for index in tqdm(range(steps), desc="teach 8 bits", unit="step"):
        step(shuffled[index % len(shuffled)][0])
    for layer in rounded.layers:
        folded.get_layer(layer.name).set_weights(layer.get_weights())
    return folded


def _with_grey_input(folded: keras.Model) -> keras.Model:
    """Return the network with an input stage that rounds once, where it has that of `mobilenet.build_model`.

    Resized, scaled and shifted one after the other, grey values would be rounded three times. Here they are shifted by
    128, which needs no rounding, and resized; scale, the rest of the shift and the sum over three equal channels go
    into the first convolution.
    """
    if [layer.name for layer in folded.layers[:5]] != ["faces", "resize", "gray_to_rgb", "scale", "Conv1"]:
        return folded
    scale, first = folded.get_layer("scale"), folded.get_layer("Conv1")
    shift = keras.layers.Rescaling(1.0, -128.0, name="shift")

    def call(layer, *inputs, **settings):
        if layer.name in ("gray_to_rgb", "scale"):
            return inputs[0][0] if isinstance(inputs[0], list) else inputs[0]
        return layer(shift(inputs[0]), **settings) if layer.name == "resize" else layer(*inputs, **settings)

    def fresh(layer):
        return type(layer).from_config(layer.get_config())

    grey = keras.models.clone_model(folded, clone_function=fresh, call_function=call)
    for layer in grey.layers:
        if layer.weights and layer.name != first.name:
            layer.set_weights(folded.get_layer(layer.name).get_weights())
    kernel, bias = first.get_weights()
    kernel = kernel.sum(axis=2, keepdims=True)
    bias = bias + kernel.sum(axis=(0, 1, 2)) * (128 * scale.scale + scale.offset)
    grey.get_layer(first.name).set_weights([kernel * scale.scale, bias])
    return grey


def _in_8_bits(weight: keras.Variable):
    """Return a kernel rounded to 8 bits with a scale per channel; a bias as it is."""
    import tensorflow as tf

    if len(weight.shape) < 2:
        return weight.value
    is_depthwise = len(weight.shape) == 4 and weight.shape[-1] == 1
    kernel = tf.squeeze(weight.value, -1) if is_depthwise else weight.value
    largest = tf.stop_gradient(tf.reduce_max(tf.abs(kernel), axis=list(range(len(kernel.shape) - 1))))
    kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(kernel, -largest, largest, narrow_range=True)
    return kernel[..., None] if is_depthwise else kernel


class Rounding:
    """Rounds a layer's outputs to 8 bits within the range of those that it was shown."""

    is_looking = False
    lowest = highest = 0.0

    def call(self, inputs, *args, **settings):
        """Return the rounded outputs, or, as long as it looks, exact ones."""
        import tensorflow as tf

        outputs = super().call(inputs, *args, **settings)
        if not self.is_looking:
            return tf.quantization.fake_quant_with_min_max_vars(outputs, self.lowest, self.highest)
        self.lowest = min(self.lowest, float(tf.reduce_min(outputs)))
        self.highest = max(self.highest, float(tf.reduce_max(outputs)))
        return outputs


def _look(network: keras.Model, faces: np.ndarray) -> None:
    """Let each layer see the range of its outputs."""
    layers = [layer for layer in network.layers if isinstance(layer, Rounding)]
    for is_looking in (True, False):
        for layer in layers:
            layer.is_looking = is_looking
        for start in range(0, len(faces), BATCH) if is_looking else ():
            network(faces[start : start + BATCH, ..., None], training=False)


def _rounding_layer(layer: keras.layers.Layer, before_relu: set[int]) -> keras.layers.Layer:
    """Return a new layer like the one given; where the file will hold its outputs in 8 bits, one that rounds them."""
    arranged = fast_layers.arranged_layer(layer)
    if type(layer) not in KINDS or id(layer.output) in before_relu:
        return arranged
    kind = type(layer)
    return type(f"Rounding{kind.__name__}", (Rounding, kind), {}).from_config(layer.get_config())
