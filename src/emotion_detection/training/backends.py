"""Data-parallel training of one network: each batch is shared out over devices, by `keras.distribution` on JAX."""

import contextlib
from collections.abc import Iterator

import keras

from emotion_detection.errors import DataError


class DataParallel(keras.distribution.DataParallel):
    """Keras' data parallelism, with batches that cannot be shared out evenly (the last of an epoch) on every device."""

    def get_data_layout(self, data_shape):
        """Return how a batch of this shape lies on the devices."""
        layout = super().get_data_layout(data_shape)
        if data_shape[0] % self.num_model_replicas == 0:
            return layout
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


@contextlib.contextmanager
def over(devices: int | None = None) -> Iterator[DataParallel]:
    """Share out each batch over devices while the block runs: `training.train` inside it needs no change.

    The batch of the recipe is the global one, so that recipe and result are those of one device but for the order of
    floating-point sums. Batch norm takes its statistics over the global batch: the step is one program over all
    devices.

    Args:
        devices: how many; None: all that JAX sees. Processors count as one, unless the variable
            XLA_FLAGS=--xla_force_host_platform_device_count=N is set before JAX is imported.

    Raises:
        DataError: Keras runs on another backend, or there are fewer devices.

    Example:
        >>> with distributed.over():
        ...     training.train(recipes.TL_WHOLE, load_fer2013())

    Reference:
        Keras: Distributed training with Keras 3. https://keras.io/guides/distribution
    """
    if keras.backend.backend() != "jax":
        raise DataError(
            f"Keras runs on {keras.backend.backend()}, but shares out batches only on JAX. Install the extra `jax` "
            '(pip install -e ".[jax]") and set KERAS_BACKEND=jax before Python starts.'
        )
    found = keras.distribution.list_devices()
    if devices is not None and not 1 <= devices <= len(found):
        raise DataError(
            f"{devices} devices are asked for, but JAX sees {len(found)} ({', '.join(found)}). Ask for fewer; "
            "processors count as N devices with XLA_FLAGS=--xla_force_host_platform_device_count=N."
        )
    before = keras.distribution.distribution()
    distribution = DataParallel(devices=found[:devices])
    keras.distribution.set_distribution(distribution)
    try:
        yield distribution
    finally:
        keras.distribution.set_distribution(before)
