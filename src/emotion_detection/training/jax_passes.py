"""Passes over batches on JAX: the state stays on the device from step to step, and batches are made one ahead.

Keras' own `train_on_batch` brings every variable back and waits for the metrics after each step, which takes longer on
an accelerator than the step itself.
"""

import concurrent.futures

import keras
import numpy as np
from tqdm.auto import tqdm

STATE = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
"""What a training step of Keras on JAX takes and returns, in its order."""


def train_on_rest(model: keras.Model, shuffled, as_batch, bar: tqdm) -> None:
    """Train on all batches but the first, by which `train_on_batch` has built the step; metrics add up.

    Args:
        model: compiled, its first step done.
        shuffled: batches by their index, two or more.
        as_batch: makes of one of them what Keras' training step takes.
        bar: moves by one after each.
    """
    state = model._get_jax_state(**dict.fromkeys(STATE, True), purge_model_variables=False)
    model._jax_state_synced = False
    with concurrent.futures.ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(shuffled.__getitem__, 1)
        for index in range(1, len(shuffled)):
            batch = as_batch(coming.result())
            coming = ahead.submit(shuffled.__getitem__, index + 1) if index + 1 < len(shuffled) else None
            _, state = model.train_function(state, iter([batch]))
            bar.update()
    model._jax_state = dict(zip(STATE, state, strict=True))
    model.jax_state_sync()


def compiled_forward(model: keras.Model):
    """Return a function that runs the network on a batch in training mode, so that its statistics follow."""
    import jax

    @jax.jit
    def run(trained, others, batch):
        return model.stateless_call(trained, others, batch, training=True)[1]

    def forward(batch: np.ndarray) -> None:
        trained, others = (
            [each.value for each in found] for found in (model.trainable_variables, model.non_trainable_variables)
        )
        for variable, value in zip(model.non_trainable_variables, run(trained, others, batch), strict=True):
            variable.assign(value)

    return forward
