"""Sharpness-aware minimisation: learn from the gradient at the worst weights nearby, so that minima are flat.

Each step costs two. Reference: Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization",
2020, arXiv:2010.01412.
"""

import keras

from emotion_detection.errors import DataError
from emotion_detection.training import catalog


class SharpnessAware(keras.Model):
    """A network that is moved uphill by a fixed length before each training step, and back after it.

    Weight decay and an average of the weights see the moved weights, which differ from the own ones by `radius` at
    most, in all.
    """

    radius = 0.0

    def train_step(self, data):
        """Train on one batch; return the metrics."""
        steps = self._uphill(data)
        for variable, step in zip(self.trainable_variables, steps, strict=True):
            variable.assign_add(step)
        logs = super().train_step(data)
        for variable, step in zip(self.trainable_variables, steps, strict=True):
            variable.assign_sub(step)
        return logs

    def _uphill(self, data) -> list:
        """Return for each trained variable the way to where the loss is highest, as far as the gradient tells."""
        import tensorflow as tf

        inputs, answers, weights = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            outputs = self(inputs, training=True)
            loss = self.compute_loss(x=inputs, y=answers, y_pred=outputs, sample_weight=weights)
        gradients = tape.gradient(loss, self.trainable_variables)
        scale = self.radius / (tf.linalg.global_norm(gradients) + 1e-12)
        return [scale * gradient for gradient in gradients]


def aware(model: keras.Model, recipe: catalog.Recipe) -> keras.Model:
    """Return a network that shares `model`'s layers and learns as the recipe asks: `model` itself without a radius.

    Raises:
        DataError: the recipe has a radius, and Keras does not run on TensorFlow.
    """
    if not recipe.sharpness_radius:
        return model
    if keras.backend.backend() != "tensorflow":
        raise DataError(
            f"{recipe.name} asks for sharpness-aware minimisation, which is written for TensorFlow; Keras runs on "
            f"{keras.backend.backend()}. Set KERAS_BACKEND=tensorflow, or leave out `sharpness_radius`."
        )
    found = SharpnessAware(model.input, model.output, name=model.name)
    found.radius = recipe.sharpness_radius
    return found
