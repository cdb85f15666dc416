"""The same network out of layers that train faster: equal weights, equal results.

On TensorFlow three changes, found by profiling a training step of MobileNetV2 on two cores. Keras computes a batch norm
from about thirty passes over the feature map, forwards and backwards; TensorFlow has an operation for it that needs
eight, and batch norms were more than half of the step. A 1×1 convolution is a matrix product, and the gradient of
TensorFlow's matrix product is several times faster than that of its convolution on feature maps as small as these. And
padding by a layer of its own, before a convolution with stride 2, copies the largest feature maps twice for what the
convolution's own padding does.

On JAX with an accelerator one: the gradient of a depthwise convolution is slow there, and nine products of the map,
shifted, with the nine weights of each channel give the same.
"""

import numpy as np

from emotion_detection.training import import_keras

keras = import_keras()


@keras.saving.register_keras_serializable("emotion_detection")
class PointwiseConv2D(keras.layers.Conv2D):
    """A 1×1 convolution with stride 1, computed as a matrix product; weights are those of `Conv2D`."""

    def call(self, inputs):
        """Return the convolution of float32 (n, height, width, channels)."""
        kernel = keras.ops.reshape(self.kernel, self.kernel.shape[2:])
        pixels = keras.ops.reshape(inputs, (-1, kernel.shape[0]))
        outputs = keras.ops.reshape(keras.ops.matmul(pixels, kernel), (*keras.ops.shape(inputs)[:-1], kernel.shape[1]))
        if self.use_bias:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)


@keras.saving.register_keras_serializable("emotion_detection")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch norm of float32 (n, height, width, channels) in one operation of TensorFlow; weights are Keras' own."""

    def call(self, inputs, training=None, mask=None):
        """Return the normalised inputs; in training the moving statistics follow those of the batch, as Keras' do."""
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        outputs, mean, unbiased = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=self.gamma, offset=self.beta, mean=[], variance=[], epsilon=self.epsilon, is_training=True
        )[:3]
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], unbiased.dtype)
        for variable, value in ((self.moving_mean, mean), (self.moving_variance, unbiased * (count - 1) / count)):
            variable.assign(variable * self.momentum + value * (1 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable("emotion_detection")
class ShiftedDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """A depthwise convolution as one product per weight of its kernel, added up; weights are those of Keras' own."""

    def call(self, inputs):
        """Return the convolution of float32 (n, height, width, channels), without bias or activation."""
        (rows, columns), (down, right) = self.kernel_size, self.strides
        if self.padding == "same":
            sides = zip(inputs.shape[1:3], self.kernel_size, self.strides, strict=True)
            inputs = keras.ops.pad(inputs, [(0, 0), *(_same_padding(*each) for each in sides), (0, 0)])
        height, width = (inputs.shape[1] - rows) // down + 1, (inputs.shape[2] - columns) // right + 1
        total = 0.0
        for row in range(rows):
            for column in range(columns):
                last_row, last_column = row + (height - 1) * down + 1, column + (width - 1) * right + 1
                total = total + inputs[:, row:last_row:down, column:last_column:right] * self.kernel[row, column, :, 0]
        return total


def _same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return how much TensorFlow's "same" pads before and after."""
    missing = max(0, (-(-side // stride) - 1) * stride + kernel - side)
    return missing // 2, missing - missing // 2


REPLACED = (
    keras.layers.BatchNormalization,
    keras.layers.Conv2D,
    keras.layers.ZeroPadding2D,
    keras.layers.DepthwiseConv2D,
)
"""Kinds of layers that `arranged` replaces."""


def arranged(model: keras.Model, *, kept: tuple[type, ...] = ()) -> keras.Model:
    """Return a copy of MobileNetV2, or of a part of it, that trains faster on this backend and device, or `model`.

    Weights are copied, in the same order, and so is what is frozen; `copy_back` returns them when training is done.

    Args:
        model: functional, as `mobilenet.build_model` or `mobilenet.split_at` make it.
        kept: kinds of `REPLACED` that stay Keras' own, to measure what each is worth (padding and depthwise
            convolutions belong together).
    """
    if keras.backend.backend() == "tensorflow":
        copy = keras.models.clone_model(model, clone_function=lambda layer: arranged_layer(layer, kept))
    elif keras.backend.backend() == "jax" and _has_accelerator():
        copy = keras.models.clone_model(model, clone_function=_shifted_layer)
    else:
        return model
    copy.set_weights(model.get_weights())
    for layer, original in zip(copy.layers, model.layers, strict=True):
        layer.trainable = original.trainable
        for variable, of_original in zip(layer.weights, original.weights, strict=True):
            variable.trainable = of_original.trainable
    return copy


def _has_accelerator() -> bool:
    import jax

    return jax.default_backend() != "cpu"


def _shifted_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    is_depthwise = type(layer) is keras.layers.DepthwiseConv2D
    return (ShiftedDepthwiseConv2D if is_depthwise else type(layer)).from_config(layer.get_config())


def copy_back(copy: keras.Model, model: keras.Model) -> None:
    """Give `model` the weights of its arranged copy."""
    if copy is not model:
        model.set_weights(copy.get_weights())


def arranged_layer(layer: keras.layers.Layer, kept: tuple[type, ...] = ()) -> keras.layers.Layer:
    """Return a new layer that does what the one given does, faster on TensorFlow, without its weights."""
    config = layer.get_config()
    if type(layer) in kept:
        return type(layer).from_config(config)
    if type(layer) is keras.layers.Conv2D and layer.kernel_size == layer.strides == (1, 1):
        return PointwiseConv2D.from_config(config)
    if type(layer) is keras.layers.BatchNormalization:
        return FusedBatchNormalization.from_config(config)
    if type(layer) is keras.layers.ZeroPadding2D:
        return keras.layers.Identity(name=layer.name)
    if type(layer) is keras.layers.DepthwiseConv2D:  # those with stride 2 are padded by the layer before
        return keras.layers.DepthwiseConv2D.from_config(config | {"padding": "same"})
    return type(layer).from_config(config)


class Unchanged(keras.layers.Layer):
    """Where a batch norm was: takes what that is called with, and returns its inputs."""

    def call(self, inputs, training=None, mask=None):
        """Return the inputs."""
        return inputs


def folded(model: keras.Model) -> keras.Model:
    """Return a copy for inference only, its batch norms folded into the convolutions before them.

    A convolution with a bias then does what convolution and batch norm did; TensorFlow computes it with the activation
    in one operation. Answers differ by rounding. Each batch norm follows a convolution without bias, as in MobileNetV2.
    """
    makers = {id(layer.output): layer.name for layer in model.layers}
    norms = {
        makers[id(layer.input)]: layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)
    }
    copy = keras.models.clone_model(model, clone_function=lambda layer: _folded_layer(layer, layer.name in norms))
    for layer in copy.layers:
        original = model.get_layer(layer.name)
        if layer.name in norms:
            layer.set_weights(_folded_weights(original, norms[layer.name]))
        elif layer.weights:
            layer.set_weights(original.get_weights())
    return copy


def _folded_layer(layer: keras.layers.Layer, is_normed: bool) -> keras.layers.Layer:
    """Return a new layer for the one given: with a bias if a batch norm follows, nothing for the batch norm."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return Unchanged(name=layer.name)
    return type(layer).from_config(layer.get_config() | ({"use_bias": True} if is_normed else {}))


def _folded_weights(convolution: keras.layers.Layer, norm: keras.layers.Layer) -> list[np.ndarray]:
    """Return kernel and bias of the convolution that does what convolution and batch norm do."""
    (kernel,) = convolution.get_weights()
    gamma, beta, mean, variance = norm.get_weights()
    scale = gamma / np.sqrt(variance + norm.epsilon)
    is_depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
    return [kernel * (scale[:, None] if is_depthwise else scale), beta - mean * scale]
