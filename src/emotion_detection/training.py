"""Run a recipe: seeds, cached frozen features, a checkpoint every epoch, exact resume, an atomic run record."""

import collections
import datetime
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import psutil
from scipy import special
from sklearn.utils import class_weight
from tqdm.auto import tqdm

from emotion_detection import augmentation, fast_layers, files, models, paths, protocols, recipes, runs
from emotion_detection.datasets import FaceDataset
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import MissingFileError

log = logging.getLogger(__name__)

PREDICT_BATCH = 128
RECORDED_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless")


class FaceBatches:
    """One epoch of shuffled batches; its content depends on seed and epoch alone, not on what ran before.

    Augmenting a batch of 64 costs 0.3 % of the training step, so batches are made when they are asked for. A
    `keras.utils.PyDataset` is avoided on purpose: TensorFlow's generator op lowers malloc's trim threshold for the
    whole process, and every training step then takes more than twice the processor time.

    Args:
        inputs: uint8 faces (n, 48, 48), or float32 features of the frozen part.
        labels: int8 array (n,), FER2013 order.
        recipe: gives batch size, augmentation and input size.
        seed: the run's seed.
        epoch: number of the epoch, from 0.
        faces: how many of them make an epoch; None: all.
    """

    def __init__(
        self, inputs: np.ndarray, labels: np.ndarray, *, recipe: recipes.Recipe, seed: int, epoch: int, faces=None
    ):
        self.inputs, self.recipe, self.seed, self.epoch = inputs, recipe, seed, epoch
        self.targets = np.eye(7, dtype=np.float32)[labels]
        self.order = np.random.default_rng([seed, epoch]).permutation(len(labels))[:faces]
        self.weights = _class_weights(labels)[labels] if recipe.class_weights else None

    def __len__(self) -> int:
        return -(-len(self.order) // self.recipe.batch_size)

    def __getitem__(self, index: int):
        rows = self.order[index * self.recipe.batch_size : (index + 1) * self.recipe.batch_size]
        return self._inputs(rows, index), self.targets[rows], None if self.weights is None else self.weights[rows]

    def _inputs(self, rows: np.ndarray, index: int) -> np.ndarray:
        if self.inputs.dtype != np.uint8:
            return self.inputs[rows]
        if self.recipe.augmentation is None:
            return self.inputs[rows][..., None]
        rng = np.random.default_rng([self.seed, self.epoch, index])
        return augmentation.augment(self.inputs[rows], self.recipe.augmentation, size_px=self.recipe.input_px, rng=rng)[
            ..., None
        ]


def _class_weights(labels: np.ndarray) -> np.ndarray:
    """Return float32 (7,): weights inverse to the frequency of each class, 1 on average over the faces."""
    present = np.unique(labels)
    weights = np.ones(len(EMOTIONS), np.float32)
    weights[present] = class_weight.compute_class_weight("balanced", classes=present, y=labels)
    return weights


def train(
    recipe: recipes.Recipe,
    dataset: FaceDataset,
    *,
    seed: int = runs.SHIPPED_SEED,
    record: bool = True,
    cache_features: bool = True,
    stop_after: int | None = None,
    on_epoch=lambda history, checkpoint: None,
    on_trained=lambda network: None,
) -> runs.Run:
    """Train one network on Training, watch it on PublicTest, record the run.

    A checkpoint is written after every epoch. Killed at any moment, the same call goes on from the last finished
    epoch and ends with the same history. PrivateTest is not touched, but by recipes of the audit that say so by name.

    Args:
        recipe: what to train.
        dataset: faces with the official split.
        seed: decides the head's first weights, the order of the faces, augmentation and dropout.
        record: whether to write `data/results/<run>/`.
        cache_features: whether to compute the frozen part once, where the recipe allows it, or in every step.
        stop_after: leave after so many epochs as if interrupted (no record); for tests and staged runs.
        on_epoch: called before the first epoch and after each with the history so far and the checkpoint's path.
        on_trained: called with the trained network.

    Raises:
        OverlapError: a PublicTest row is also a Training row.
        DataError: a split has no faces, or a folder that the run needs cannot be written.
        MissingFileError: the network that the recipe continues is not on this machine.
    """
    parts = protocols.parts(recipe, dataset, seed=seed)
    session = _Session(recipe, dataset, seed)
    prepared, network = _PixelInputs(), session.model
    if cache_features and _has_constant_features(recipe):
        frozen_part, network = models.split_at(session.model, models.CACHE_POINT[recipe.regime])
        prepared = _CachedInputs(frozen_part, recipe)
    trained_part = fast_layers.arranged(network)
    began = time.perf_counter()
    for faces in (parts.training, parts.validation, *parts.watched.values()):
        prepared(faces)
    session.features_s = round(time.perf_counter() - began, 1)
    faces_per_epoch = parts.faces_per_epoch or len(parts.training)
    _compile(trained_part, recipe, steps_per_epoch=-(-faces_per_epoch // recipe.batch_size))
    history = session.restore(trained_part)
    on_epoch(history, session.path)
    while len(history) < recipe.epochs and not _is_enough(history, recipe):
        if stop_after is not None and len(history) >= stop_after:
            raise KeyboardInterrupt(f"Stopped after {stop_after} epochs, as asked.")
        history.append(_run_epoch(trained_part, prepared, parts, session, epoch=len(history)))
        session.checkpoint(trained_part, history)
        on_epoch(history, session.path)
    session.close()
    fast_layers.copy_back(trained_part, network)
    on_trained(session.model)
    predictions = {
        name: runs.as_recorded(
            runs.Predictions(name, faces.row, faces.emotion, predict_logits(trained_part, prepared(faces)))
        )
        for name, faces in parts.scored.items()
    }
    return _finish(session, history, predictions, dataset, record=record)


def _has_constant_features(recipe: recipes.Recipe) -> bool:
    """Return whether the frozen part makes the same of a face in every epoch, so that it can be computed once."""
    constant = recipe.augmentation is None and recipe.frozen_batch_norm == "inference"
    return constant and recipe.regime in models.CACHE_POINT


def _is_enough(history: list[dict], recipe: recipes.Recipe) -> bool:
    """Return whether the recipe's accuracy on the rows learned from is reached."""
    goal = recipe.stop_at_training_accuracy
    column = "val_accuracy" if recipe.val_is_train_as_published else "accuracy"
    return goal is not None and bool(history) and history[-1][column] >= goal


class _PixelInputs:
    """What the trained part sees of faces: their pixels."""

    def __call__(self, faces: FaceDataset) -> np.ndarray:
        return faces.pixels


class _CachedInputs:
    """What the trained part sees of faces: what the frozen part makes of them, computed once."""

    def __init__(self, frozen_part: keras.Model, recipe: recipes.Recipe):
        self.frozen_part, self.recipe, self.known = frozen_part, recipe, {}

    def __call__(self, faces: FaceDataset) -> np.ndarray:
        if faces.fingerprint not in self.known:
            self.known[faces.fingerprint] = frozen_features(self.frozen_part, faces, self.recipe)
        return self.known[faces.fingerprint]


def _compile(model: keras.Model, recipe: recipes.Recipe, *, steps_per_epoch: int) -> None:
    """Compile with the recipe's optimiser and schedule; XLA only on JAX (on the CPU it is several times slower)."""
    rate = _schedule(recipe, steps_per_epoch)
    if recipe.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    elif recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay)
    else:
        optimizer = keras.optimizers.RMSprop(rate)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=[
            keras.metrics.CategoricalAccuracy(name="accuracy"),
            keras.metrics.CategoricalCrossentropy(from_logits=True, name="cross_entropy"),
        ],
        jit_compile=keras.backend.backend() == "jax",
    )
    optimizer.build(model.trainable_variables)


def _schedule(recipe: recipes.Recipe, steps_per_epoch: int):
    if recipe.schedule == "constant":
        return recipe.learning_rate
    warmup_steps = round(recipe.warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else recipe.learning_rate,
        decay_steps=max(1, recipe.epochs * steps_per_epoch - warmup_steps),
        warmup_target=recipe.learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )


def _run_epoch(model, prepared, parts: protocols.Parts, session: "_Session", *, epoch: int) -> dict:
    """Train one epoch, estimate the batch-norm statistics anew, look at PublicTest; return the history's line."""
    inputs = prepared(parts.training)
    recipe, began = session.recipe, time.perf_counter()
    _reseed_dropout(model, session.seed, epoch)
    settings = {"recipe": recipe, "seed": session.seed, "epoch": epoch, "faces": parts.faces_per_epoch}
    batches = FaceBatches(inputs, parts.training.emotion, **settings)
    bar = session.progress_bar(len(batches), epoch)
    logs = _train_on_all(model, batches, bar)
    if recipe.batch_norm_batches:
        session.forward = session.forward or compiled_forward(model)
        settings = {"n_batches": recipe.batch_norm_batches, "seed": session.seed, "forward": session.forward}
        reestimate_batch_norm(model, inputs, **settings)
    validation = _loss_and_accuracy(predict_logits(model, prepared(parts.validation)), parts.validation.emotion)
    bar.set_postfix(validation=f"{validation[1]:.1%}")
    watched = {
        column: _loss_and_accuracy(predict_logits(model, prepared(faces)), faces.emotion)[1]
        for column, faces in parts.watched.items()
    }
    return {
        "epoch": epoch + 1,
        "loss": logs["cross_entropy"],
        "accuracy": logs["accuracy"],
        "objective": logs["loss"],
        "val_loss": validation[0],
        "val_accuracy": validation[1],
        **watched,
        "learning_rate": float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)),
        "seconds": time.perf_counter() - began,
    }


def _train_on_all(model: keras.Model, batches: FaceBatches, bar: tqdm) -> dict[str, float]:
    """Train on each batch once; return the metrics' means over the faces (Keras resets its own at every batch)."""
    sums, faces = collections.Counter(), 0
    for index in range(len(batches)):
        inputs, targets, weights = batches[index]
        logs = model.train_on_batch(inputs, targets, sample_weight=weights, return_dict=True)
        sums.update({name: float(value) * len(targets) for name, value in logs.items()})
        faces += len(targets)
        bar.update()
    return {name: total / faces for name, total in sums.items()}


def _reseed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the state of every dropout layer from seed and epoch, so that a resumed run draws the same masks."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
            layer.seed_generator.state.assign(np.array([seed, epoch << 16], np.uint32))


def reestimate_batch_norm(
    model: keras.Model, inputs: np.ndarray, *, n_batches: int, seed: int = 0, forward=None
) -> None:
    """Replace the moving statistics of the trained batch norms by plain means over unchanged Training faces.

    With Keras' momentum of 0.999 they lag behind the weights, which costs MobileNetV2 about four points of accuracy
    on FER2013.

    Args:
        model: the network, or its trained part.
        inputs: uint8 faces (n, 48, 48), or features of the frozen part.
        n_batches: how many batches of 64 to average over.
        seed: decides which faces.
        forward: from `compiled_forward(model)`, so that it is compiled once for all epochs.
    """
    layers = models.batch_norm_layers(model)
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0  # each batch then leaves its own statistics behind
    statistics = [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]
    sums = [np.zeros(variable.shape) for variable in statistics]
    forward, batches = forward or compiled_forward(model), _batches_of_64(inputs, n_batches, seed)
    for batch in batches:
        forward(batch)
        for total, variable in zip(sums, statistics, strict=True):
            total += keras.ops.convert_to_numpy(variable)
    for total, variable in zip(sums, statistics, strict=True):
        variable.assign(total / len(batches))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def _batches_of_64(inputs: np.ndarray, n_batches: int, seed: int) -> list[np.ndarray]:
    """Return up to `n_batches` full batches of random inputs (one smaller batch if there are fewer than 64)."""
    order = np.random.default_rng([seed, 7]).permutation(len(inputs))
    chosen = [np.sort(order[start * 64 : (start + 1) * 64]) for start in range(n_batches)]
    batches = [inputs[rows] for rows in chosen if len(rows) == min(64, len(inputs))]
    return [batch[..., None] if batch.dtype == np.uint8 else batch for batch in batches]


def compiled_forward(model: keras.Model):
    """Return a function that runs the network in training mode; as a graph on TensorFlow, where that is much faster."""
    if keras.backend.backend() != "tensorflow":
        return lambda batch: model(batch, training=True)
    import tensorflow as tf

    return tf.function(lambda batch: model(batch, training=True))


def predict_logits(model: keras.Model, inputs: np.ndarray, *, progress: str | None = None) -> np.ndarray:
    """Return float32 logits (n, 7) of uint8 faces (n, 48, 48) or of features; with a bar named `progress` if given."""
    starts = range(0, len(inputs), PREDICT_BATCH)
    chunks = []
    for start in tqdm(starts, desc=progress, disable=progress is None, unit="batch"):
        batch = np.ascontiguousarray(inputs[start : start + PREDICT_BATCH])
        chunks.append(model.predict_on_batch(batch[..., None] if batch.dtype == np.uint8 else batch))
    return np.concatenate(chunks).astype(np.float32)


def _loss_and_accuracy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy."""
    log_probabilities = special.log_softmax(logits.astype(np.float64), axis=1)
    loss = -log_probabilities[np.arange(len(labels)), labels].mean()
    return float(loss), float((logits.argmax(axis=1) == labels).mean())


def frozen_features(frozen_part: keras.Model, faces: FaceDataset, recipe: recipes.Recipe) -> np.ndarray:
    """Return what the frozen part makes of each face, computed once and kept under `data/cache/features/`.

    The cache is keyed by the faces, the frozen weights and the input stage; a change of any makes a new one, and a
    file that cannot be read is made again.

    Returns:
        float32 array (n, …), memory-mapped.
    """
    digest = hashlib.sha256(f"{faces.fingerprint} {recipe.input_px} {recipe.scaling}".encode())
    for weight in frozen_part.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    path = paths.run_cache_dir() / "features" / f"{recipe.regime}-{digest.hexdigest()[:16]}.npy"
    shape = (len(faces), *frozen_part.output.shape[1:])
    cached = _cached_array(path, shape)
    if cached is not None:
        return cached
    with files.written_beside(path) as temporary:
        array = np.lib.format.open_memmap(temporary, "w+", np.float32, shape)
        for start in tqdm(range(0, len(faces), PREDICT_BATCH), desc="frozen features", unit="batch"):
            batch = faces.pixels[start : start + PREDICT_BATCH, :, :, None]
            array[start : start + PREDICT_BATCH] = frozen_part.predict_on_batch(np.ascontiguousarray(batch))
        array.flush()
        del array  # Windows renames no open file
    return np.load(path, mmap_mode="r")


def _cached_array(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return a cached array, memory-mapped; None if there is none, or a damaged one (which is logged)."""
    if not path.exists():
        return None
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        log.warning("The cached features %s are damaged (%s): computing them anew.", paths.displayed(path), error)
        return None
    return array if array.shape == shape else None


class _Session:
    """What one run keeps from epoch to epoch: the network, its checkpoint file, the bar."""

    def __init__(self, recipe: recipes.Recipe, dataset: FaceDataset, seed: int):
        self.recipe, self.seed = recipe, seed
        self.name = f"{recipe.name}-s{seed}"
        for folder in (paths.run_cache_dir() / "checkpoints", paths.run_cache_dir() / "weights", paths.results_dir()):
            files.require_writable(folder)
        self.model = models.build_model(recipe, seed=seed)
        if recipe.continues:
            self.model.set_weights(models.load_network(_network_of(f"{recipe.continues}-s{seed}")).get_weights())
        backend = keras.backend.backend()
        self.key = {"recipe": recipe.key(), "seed": seed, "data": dataset.fingerprint, "backend": backend}
        digest = hashlib.sha256(json.dumps(self.key, sort_keys=True).encode()).hexdigest()[:12]
        self.path = paths.run_cache_dir() / "checkpoints" / f"{self.name}-{digest}.npz"
        self.bar, self.forward, self.features_s = None, None, 0.0

    def progress_bar(self, steps: int, epoch: int) -> tqdm:
        """Return the bar over all steps of the run, made at the first epoch of this process."""
        if self.bar is None:
            total = steps * self.recipe.epochs
            self.bar = tqdm(total=total, initial=steps * epoch, unit="step", smoothing=0.02, mininterval=1.0)
        self.bar.set_description(f"{self.name} epoch {epoch + 1}/{self.recipe.epochs}")
        return self.bar

    def close(self) -> None:
        """Finish the bar."""
        if self.bar is not None:
            self.bar.close()

    def checkpoint(self, model: keras.Model, history: list[dict]) -> None:
        """Write weights, optimiser state and history as one file, atomically."""
        arrays = {f"v{i:04d}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_state(model))}
        with files.written_beside(self.path) as temporary:
            np.savez(temporary, history=np.frombuffer(json.dumps(history).encode(), np.uint8), **arrays)

    def restore(self, model: keras.Model) -> list[dict]:
        """Load the last checkpoint into `model`, if there is one; return the history so far."""
        if not self.path.exists():
            return []
        try:
            with self.path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                arrays = [archive[f"v{index:04d}"] for index in range(len(_state(model)))]
                history = json.loads(archive["history"].tobytes())
        except Exception as error:  # zipfile, zlib, numpy and json each raise their own
            log.warning("The checkpoint %s is damaged (%s): starting anew.", paths.displayed(self.path), error)
            return []
        for array, variable in zip(arrays, _state(model), strict=True):
            variable.assign(array)
        log.info("%s goes on after epoch %d of %d", self.name, len(history), self.recipe.epochs)
        return history


def _network_of(name: str) -> Path:
    """Return the file of a trained network that another recipe starts from."""
    path = runs.weights_path(name)
    if not path.is_file():
        recipe, seed = runs.split_name(name)
        raise MissingFileError(
            f"The network of {name}, from which this recipe goes on, is not on this machine: {paths.displayed(path)} "
            f"does not exist. Train it first: python -m emotion_detection train {recipe} --seed {seed} --retrain"
        )
    return path


def _state(model: keras.Model) -> list:
    """Return all variables that the next step depends on: weights, statistics, optimiser."""
    return [*model.weights, *model.optimizer.variables]


def _finish(session: _Session, history: list[dict], predictions: dict, dataset, *, record: bool) -> runs.Run:
    """Keep the weights under `data/cache/weights/`, write the record, drop the checkpoint."""
    table = pd.DataFrame(history)
    info = {
        "run": session.name,
        "recipe": session.recipe.settings() | {"display_name": session.recipe.display_name},
        "protocol": protocols.describe(session.recipe.settings()),
        "seed": session.seed,
        "data": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "counts": {split: int(n) for split, n in dataset.counts().sum().items()},
            "notes": list(dataset.notes),
            "has_official_rows": dataset.has_official_rows,
        },
        "imagenet_weights": models.IMAGENET_CHECKPOINT if session.recipe.weights == "imagenet" else None,
        "parameters": {
            "all": session.model.count_params(),
            "trained": int(sum(np.prod(v.shape) for v in session.model.trainable_variables)),
        },
        "packages": {name: importlib.metadata.version(name) for name in RECORDED_PACKAGES},
        "backend": session.key["backend"],
        "python": platform.python_version(),
        "hardware": hardware(),
        "finished": _now(),
        "features_s": session.features_s,
        "wall_time_s": round(float(table["seconds"].sum()) + session.features_s, 1),
        "metrics": {
            name: dict(zip(("loss", "accuracy"), _loss_and_accuracy(each.logits, each.label), strict=True))
            for name, each in predictions.items()
        },
    }
    run = runs.Run(session.name, info, table, predictions)
    if record:
        models.save_model(session.model, runs.weights_path(session.name))
        runs.write_run(run.name, info, table, predictions)
        session.path.unlink(missing_ok=True)
    return run


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()


def hardware() -> dict:
    """Return what a reader needs to judge the times: system, cores of this process, memory, devices that Keras sees."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores,
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "devices": _devices(),
    }


def _devices() -> list[str]:
    """Return the names of the devices that Keras sees; on torch, whose backend lists none, those that torch names."""
    if keras.backend.backend() != "torch":
        return [str(device) for device in keras.distribution.list_devices()]
    import torch

    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())] or ["cpu:0"]
