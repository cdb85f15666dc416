"""Passes over many faces, on whichever backend Keras runs: training, answers, batch-norm statistics; several devices.

On TensorFlow and JAX a step is compiled once and called batch by batch; on JAX the state stays on the device from step
to step, and each batch is made while the one before is learned from. Keras' own `train_on_batch` resets its metrics
every time, which takes a quarter of a small step, and on JAX waits for every variable.
"""

import collections
import concurrent.futures
import contextlib
import functools
from collections.abc import Iterator

import numpy as np
from tqdm.auto import tqdm

from emotion_detection.errors import DataError
from emotion_detection.training import batches, import_keras, mobilenet

keras = import_keras()

PREDICT_BATCH = 128
STATISTICS_BATCH = 64


class Passes:
    """What is done with one compiled network again and again; what can be compiled is compiled once."""

    def __init__(self, model: keras.Model):
        self.model = model

    def train(self, shuffled: batches.FaceBatches, bar: tqdm) -> dict[str, float]:
        """Learn from each batch of an epoch once; return means of `loss`, `accuracy`, `cross_entropy` over the faces.

        The bar moves by one after each batch.
        """
        backend = keras.backend.backend()
        if backend == "tensorflow" or (backend == "jax" and keras.distribution.distribution() is None):
            self._prepare_metrics(_as_keras(shuffled[0]))
            (self._train_on_tensorflow if backend == "tensorflow" else self._train_on_jax)(shuffled, bar)
            means = self.model.get_metrics_result()
        else:
            means = self._train_by_keras(shuffled, bar)
        of_answers = {name: means.get(f"logits_{name}", means.get(name)) for name in ("accuracy", "cross_entropy")}
        return {name: float(value) for name, value in ({"loss": means["loss"]} | of_answers).items()}

    def _prepare_metrics(self, batch: tuple) -> None:
        """Let the metrics make their variables, which a compiled step cannot, and set them to zero."""
        inputs, answers, weights = batch
        outputs = [np.zeros((len(inputs), output.shape[-1]), np.float32) for output in self.model.outputs]
        outputs = outputs if len(outputs) > 1 else outputs[0]
        self.model.compute_loss(inputs, answers, outputs, weights)
        self.model.compute_metrics(inputs, answers, outputs, weights)
        self.model.reset_metrics()

    @functools.cached_property
    def _tensorflow_step(self):
        import tensorflow as tf

        return tf.function(self.model.train_step, reduce_retracing=True)

    def _train_on_tensorflow(self, shuffled: batches.FaceBatches, bar: tqdm) -> None:
        for index in range(len(shuffled)):
            self._tensorflow_step(_as_keras(shuffled[index]))
            bar.update()

    @functools.cached_property
    def _jax_step(self):
        import jax

        return jax.jit(self.model.train_step, donate_argnums=0)

    def _train_on_jax(self, shuffled: batches.FaceBatches, bar: tqdm) -> None:
        model = self.model
        variables = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        state = tuple([variable.value for variable in each] for each in variables)
        with concurrent.futures.ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(shuffled.__getitem__, 0)
            for index in range(len(shuffled)):
                batch = _as_keras(coming.result())
                coming = ahead.submit(shuffled.__getitem__, index + 1) if index + 1 < len(shuffled) else None
                _, state = self._jax_step(state, batch)
                bar.update()
        for each, values in zip(variables, state, strict=True):
            for variable, value in zip(each, values, strict=True):
                variable.assign(value)

    def _train_by_keras(self, shuffled: batches.FaceBatches, bar: tqdm) -> dict[str, float]:
        sums, faces = collections.Counter(), 0
        for index in range(len(shuffled)):
            batch = _as_keras(shuffled[index])
            logs = self.model.train_on_batch(*batch, return_dict=True)
            sums.update({name: float(value) * len(batch[0]) for name, value in logs.items()})
            faces += len(batch[0])
            bar.update()
        return {name: total / faces for name, total in sums.items()}

    @functools.cached_property
    def _forward(self):
        """A function that runs the network on a batch in training mode, so that its statistics follow."""
        model, backend = self.model, keras.backend.backend()
        if backend == "tensorflow":
            import tensorflow as tf

            return tf.function(lambda batch: model(batch, training=True))
        if backend != "jax":
            return lambda batch: model(batch, training=True)
        import jax

        run = jax.jit(lambda trained, others, batch: model.stateless_call(trained, others, batch, training=True)[1])

        def forward(batch: np.ndarray) -> None:
            trained = [variable.value for variable in model.trainable_variables]
            others = [variable.value for variable in model.non_trainable_variables]
            for variable, value in zip(model.non_trainable_variables, run(trained, others, batch), strict=True):
                variable.assign(value)

        return forward

    def estimate_batch_norm(self, inputs: np.ndarray, *, n_batches: int, seed: int = 0) -> None:
        """Replace the moving statistics of the trained batch norms by plain means over unchanged Training faces.

        With Keras' momentum of 0.999 they lag behind the weights, which costs MobileNetV2 about four points of
        accuracy on FER2013. The means are over `n_batches` batches of 64 faces, uint8 (n, 48, 48), or
        features; `seed` decides which.
        """
        layers = mobilenet.batch_norm_layers(self.model)
        if not layers:
            return
        momenta = [layer.momentum for layer in layers]
        for layer in layers:
            layer.momentum = 0.0  # each batch then leaves its own statistics behind
        statistics = [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]
        sums, chosen = [np.zeros(variable.shape) for variable in statistics], _random_batches(inputs, n_batches, seed)
        for batch in chosen:
            self._forward(batch)
            for total, variable in zip(sums, statistics, strict=True):
                total += keras.ops.convert_to_numpy(variable)
        for total, variable in zip(sums, statistics, strict=True):
            variable.assign(total / len(chosen))
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def _as_keras(batch: tuple[np.ndarray, list[np.ndarray], np.ndarray | None]) -> tuple:
    """Return inputs, targets and weights as a network with one output, or with several, takes them."""
    inputs, answers, weights = batch
    if len(answers) == 1:
        return inputs, answers[0], weights
    return inputs, answers, None if weights is None else [weights] * len(answers)


def _random_batches(inputs: np.ndarray, n_batches: int, seed: int) -> list[np.ndarray]:
    """Return up to `n_batches` full batches of random inputs (one smaller batch if there are fewer than 64)."""
    size, order = STATISTICS_BATCH, np.random.default_rng([seed, 7]).permutation(len(inputs))
    chosen = [np.sort(order[start * size : (start + 1) * size]) for start in range(n_batches)]
    found = [inputs[rows] for rows in chosen if len(rows) == min(size, len(inputs))]
    return [batch[..., None] if batch.dtype == np.uint8 else batch for batch in found]


def predict_logits(model: keras.Model, inputs: np.ndarray, *, progress: str | None = None) -> np.ndarray:
    """Return float32 logits (n, 7) of uint8 faces (n, 48, 48) or of features; with a bar named `progress` if given."""
    chunks = list(answers_in_batches(model, inputs, progress=progress))
    return np.concatenate(chunks).astype(np.float32)


def answers_in_batches(model: keras.Model, inputs: np.ndarray, *, progress: str | None = None) -> Iterator[np.ndarray]:
    """Yield what a network with one output answers to uint8 faces (n, 48, 48) or features, batch by batch.

    The last batch is filled up, so that one graph serves all. `progress` names a progress bar.
    """
    size = min(PREDICT_BATCH, len(inputs))
    for start in tqdm(range(0, len(inputs), size or 1), desc=progress, disable=progress is None, unit="batch"):
        batch = np.ascontiguousarray(inputs[start : start + size])
        missing = size - len(batch)
        filled = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch
        answers = model.predict_on_batch(filled[..., None] if filled.dtype == np.uint8 else filled)
        yield answers[: len(batch)]


class DataParallel(keras.distribution.DataParallel):
    """Keras' data parallelism, with batches that cannot be shared out evenly (the last of an epoch) on every device."""

    def get_data_layout(self, data_shape):
        """Return how a batch of this shape lies on the devices."""
        layout = super().get_data_layout(data_shape)
        if data_shape[0] % self.num_model_replicas == 0:
            return layout
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


@contextlib.contextmanager
def several_devices(devices: int | None = None) -> Iterator[DataParallel]:
    """Share out each batch over devices while the block runs: `trainer.train` inside it needs no change.

    The batch of the recipe is the global one, so that recipe and result are those of one device but for the order of
    floating-point sums. Batch norm takes its statistics over the global batch: the step is one program over all
    devices. `devices` says how many; None: all that JAX sees.

    Raises:
        DataError: Keras runs on another backend, or there are fewer devices.

    Reference:
        Keras: Distributed training with Keras 3. https://keras.io/guides/distribution
    """
    if keras.backend.backend() != "jax":
        raise DataError(
            f"Keras runs on {keras.backend.backend()}, but shares out batches only on JAX. Install the extra `jax` "
            "(python -m pip install 'emotion-detection[jax]') and set KERAS_BACKEND=jax before Python starts."
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


def device_names() -> list[str]:
    """Return the names of the devices that Keras sees; accelerators on JAX and torch by their maker's name."""
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())] or ["cpu:0"]
    if backend == "jax":
        import jax

        found = jax.devices()
        return [f"cpu:{device.id}" if device.platform == "cpu" else device.device_kind for device in found]
    return [str(device) for device in keras.distribution.list_devices()]
