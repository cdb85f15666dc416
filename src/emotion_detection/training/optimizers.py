"""How weights change from step to step: optimiser, learning rate, losses, and an average of the weights."""

import contextlib

import numpy as np

from emotion_detection.training import import_keras, targets
from emotion_detection.training.recipe import Optimisation, Recipe

keras = import_keras()


def compile_for(model: keras.Model, recipe: Recipe, *, steps_per_epoch: int) -> None:
    """Compile with the recipe's optimiser, schedule, losses; XLA only on JAX (on the CPU it is several times slower).

    The network, or its trained part, has one output, or FER+'s classes as a second one.
    """
    optimizer = _optimizer(recipe.optimisation, steps_per_epoch)
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=targets.smoothing_in_loss(recipe.targets)
    )
    metrics = [
        keras.metrics.CategoricalAccuracy(name="accuracy"),
        keras.metrics.CategoricalCrossentropy(from_logits=True, name="cross_entropy"),
    ]
    losses = {"loss": loss, "metrics": metrics}
    if len(model.outputs) == 2:
        second = keras.losses.CategoricalCrossentropy(from_logits=True)
        weights = [1.0, recipe.targets.ferplus_auxiliary]
        losses = {"loss": [loss, second], "loss_weights": weights, "metrics": [metrics, []]}
    model.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax", **losses)
    optimizer.build(model.trainable_variables)


def _optimizer(settings: Optimisation, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    kind, options = {
        "adamw": (keras.optimizers.AdamW, {"weight_decay": settings.weight_decay}),
        "sgd": (keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": settings.weight_decay}),
        "rmsprop": (keras.optimizers.RMSprop, {}),
    }[settings.optimizer]
    if settings.averages_weights:
        kind, options = _averaging(kind, _decay(settings, steps_per_epoch)), options | {"use_ema": True}
    optimizer = kind(_schedule(settings, steps_per_epoch), **options)
    if settings.optimizer in ("adamw", "sgd"):
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _averaging(kind: type, decay) -> type:
    """Return a kind of optimiser that keeps an average of the weights, whose decay depends on the step.

    `decay` goes from the number of finished steps, an integer tensor, to the decay in the next step, 0–1.
    """

    class Averaging(kind):
        """The optimiser, with such a decay."""

        @property
        def ema_momentum(self):
            return decay(self.iterations)

        @ema_momentum.setter
        def ema_momentum(self, value: float):
            """Keras sets one number for all steps; it is not used."""

    return Averaging


def _decay(settings: Optimisation, steps_per_epoch: int):
    """Return how the decay of the recipe's average depends on the number of finished steps.

    A moving average's is (1 + t) / (10 + t) at step t, up to the one asked for: it soon forgets the first weights. With
    cycles it is 1 but in the last step of each, where the n-th end gets a share of 1 / n.
    """

    def rising(finished):
        step = keras.ops.cast(finished, "float32")
        return keras.ops.minimum(settings.ema, (1 + step) / (10 + step))

    def at_ends(finished):
        ends = keras.ops.cast((finished + 1) // steps_of_cycle, "float32")
        return keras.ops.where((finished + 1) % steps_of_cycle == 0, 1 - 1 / keras.ops.maximum(ends, 1.0), 1.0)

    steps_of_cycle = settings.epochs * steps_per_epoch // settings.cycles
    return rising if settings.ema else at_ends


def _schedule(settings: Optimisation, steps_per_epoch: int):
    if settings.schedule == "constant":
        return settings.learning_rate
    steps = settings.epochs * steps_per_epoch
    if settings.cycles > 1:
        schedules = keras.optimizers.schedules
        return schedules.CosineDecayRestarts(settings.learning_rate, steps // settings.cycles, t_mul=1.0, m_mul=1.0)
    warmup_steps = round(settings.warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else settings.learning_rate,
        decay_steps=max(1, steps - warmup_steps),
        warmup_target=settings.learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )


def weights_of(model: keras.Model) -> list[np.ndarray]:
    """Return copies of what is trained of a network."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in model.trainable_variables]


def take_average(model: keras.Model, *, start: list[np.ndarray] | None = None, start_share: float = 0.0) -> None:
    """Give the network for good the average of its weights that its optimiser keeps.

    `start`, weights as `weights_of` returns them, get `start_share` in the result, 0–1.
    """
    model.optimizer.finalize_variable_values(model.trainable_variables)
    if start_share:
        for variable, before in zip(model.trainable_variables, start, strict=True):
            variable.assign(start_share * before + (1 - start_share) * variable)


@contextlib.contextmanager
def averaged(model: keras.Model, **start):
    """Let the network have what `take_average` gives it as long as the block runs, where its optimiser keeps one."""
    if not model.optimizer.use_ema:
        yield
        return
    own = weights_of(model)
    take_average(model, **start)
    yield
    for variable, value in zip(model.trainable_variables, own, strict=True):
        variable.assign(value)
