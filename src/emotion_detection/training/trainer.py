"""Run a recipe: seeds, cached frozen features, a checkpoint every epoch, exact resume, an atomic run record."""

import collections
import datetime
import functools
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
from tqdm.auto import tqdm

from emotion_detection import files, paths
from emotion_detection.data import FaceDataset, ferplus
from emotion_detection.runs import store
from emotion_detection.training import (
    batches,
    catalog,
    fast_layers,
    forward,
    jax_passes,
    mobilenet,
    optimizers,
    sharpness,
    splits,
    targets,
)

log = logging.getLogger(__name__)

RECORDED_PACKAGES = ("tensorflow", "jax", "torch", "keras", "numpy", "opencv-python-headless")
"""Packages whose versions a record names: of the backends, the one that was used."""


def train(
    recipe: catalog.Recipe,
    dataset: FaceDataset,
    *,
    seed: int = store.FIRST_SEED,
    record: bool = True,
    replace: bool = False,
    cache_features: bool = True,
    stop_after: int | None = None,
    on_epoch=lambda history, checkpoint: None,
    on_trained=lambda network: None,
) -> store.Run:
    """Train one network on Training, watch it on PublicTest, record the run.

    A checkpoint is written after every epoch. Killed at any moment, the same call goes on from the last finished
    epoch and ends with the same history. PrivateTest is not touched, but by recipes of the audit that say so by name.

    Args:
        recipe: what to train.
        dataset: faces with the official split.
        seed: decides the head's first weights, the order of the faces, augmentation and dropout.
        record: whether to write `data/results/<run>/`.
        replace: overwrite a record of the same name that has other settings.
        cache_features: whether to compute the frozen part once, where the recipe allows it, or in every step.
        stop_after: leave after so many epochs as if interrupted (no record); for tests and staged runs.
        on_epoch: called before the first epoch and after each with the history so far and the checkpoint's path.
        on_trained: called with the trained network.

    Raises:
        OverlapError: a PublicTest row is also a Training row.
        DataError: a split has no faces, a record of other settings has the name, or a folder that the run needs cannot
            be written.
        MissingFileError: the network that the recipe continues is not on this machine.
    """
    if record and not replace:
        store.check_overwrite(f"{recipe.name}-s{seed}", _settings(recipe))
    parts = splits.parts(recipe, dataset, seed=seed)
    session = _Session(recipe, dataset, seed)
    answers = targets.targets_of(recipe, parts.training)
    for at_size, last_epoch in recipe.by_stage():
        stage = _Stage(session, at_size, parts, cache_features=cache_features)
        history = session.restore(stage.trained_part)
        on_epoch(history, session.path)
        while len(history) < last_epoch and not _is_enough(history, recipe):
            if stop_after is not None and len(history) >= stop_after:
                raise KeyboardInterrupt(f"Stopped after {stop_after} epochs, as asked.")
            history.append(_run_epoch(stage, parts, answers, session, epoch=len(history)))
            session.checkpoint(stage.trained_part, history)
            on_epoch(history, session.path)
    session.close()
    stage.settle(parts.training)
    on_trained(session.model)
    predictions = {
        name: store.as_recorded(store.Predictions(name, faces.row, faces.emotion, stage.logits(faces)))
        for name, faces in parts.scored.items()
    }
    return _finish(session, history, predictions, dataset, record=record)


class _Stage:
    """The network at one size: what is trained of it, what that sees of faces, and what it answers.

    The next stage builds the network anew for its size and takes weights and optimiser from the checkpoint, as a run
    that goes on does.
    """

    def __init__(self, session: "_Session", recipe: catalog.Recipe, parts: splits.Parts, *, cache_features: bool):
        self.recipe, self.seed = recipe, session.seed
        self.network = session.build(recipe)
        self.prepared = _PixelInputs()
        if cache_features and _has_constant_features(recipe):
            frozen_part, self.network = mobilenet.split_at(self.network, mobilenet.CACHE_POINT[recipe.regime])
            self.prepared = _CachedInputs(frozen_part, recipe)
        if recipe.ferplus_auxiliary:
            classes = len(ferplus.CLASSES)
            self.network = mobilenet.with_second_task(self.network, classes=classes, seed=session.seed)
        self.trained_part = sharpness.aware(fast_layers.arranged(self.network), recipe)
        self.answering_part = mobilenet.answering_part(self.trained_part)
        began = time.perf_counter()
        for faces in (parts.training, parts.validation, *parts.watched.values()):
            self.prepared(faces)
        session.features_s += round(time.perf_counter() - began, 1)
        faces_per_epoch = parts.faces_per_epoch or len(parts.training)
        steps_per_epoch = batches.steps_per_epoch(faces_per_epoch, recipe)
        optimizers.compile_for(self.trained_part, recipe, steps_per_epoch=steps_per_epoch)
        self.forward = None

    def logits(self, faces: FaceDataset) -> np.ndarray:
        """Return float32 (n, 7)."""
        return forward.predict_logits(self.answering_part, self.prepared(faces))

    def estimate_batch_norm(self, training: FaceDataset) -> None:
        """Estimate the batch-norm statistics anew, where the recipe asks for it."""
        if self.recipe.batch_norm_batches:
            self.forward = self.forward or forward.compiled_forward(self.trained_part)
            settings = {"n_batches": self.recipe.batch_norm_batches, "seed": self.seed, "forward": self.forward}
            forward.reestimate_batch_norm(self.trained_part, self.prepared(training), **settings)

    def settle(self, training: FaceDataset) -> None:
        """Give the network that is saved its weights: their average, if one is kept, with its own statistics."""
        if self.recipe.averages_weights:
            optimizers.take_average(self.trained_part)
            self.estimate_batch_norm(training)
        fast_layers.copy_back(self.trained_part, self.network)


def _has_constant_features(recipe: catalog.Recipe) -> bool:
    """Return whether the frozen part makes the same of a face in every epoch, so that it can be computed once."""
    constant = recipe.augmentation is None and recipe.frozen_batch_norm == "inference"
    return constant and recipe.regime in mobilenet.CACHE_POINT


def _is_enough(history: list[dict], recipe: catalog.Recipe) -> bool:
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

    def __init__(self, frozen_part: keras.Model, recipe: catalog.Recipe):
        self.frozen_part, self.recipe, self.known = frozen_part, recipe, {}
        self.quick = functools.cache(lambda: fast_layers.folded(frozen_part))

    def __call__(self, faces: FaceDataset) -> np.ndarray:
        if faces.fingerprint not in self.known:
            self.known[faces.fingerprint] = frozen_features(self.frozen_part, faces, self.recipe, quick=self.quick)
        return self.known[faces.fingerprint]


def _run_epoch(
    stage: _Stage, parts: splits.Parts, answers: targets.Targets, session: "_Session", *, epoch: int
) -> dict:
    """Train one epoch, estimate the batch-norm statistics anew, look at PublicTest; return the history's line."""
    model, began = stage.trained_part, time.perf_counter()
    _reseed_dropout(model, session.seed, epoch)
    inputs = stage.prepared(parts.training)
    settings = {"recipe": stage.recipe, "seed": session.seed, "epoch": epoch, "faces": parts.faces_per_epoch}
    shuffled = batches.FaceBatches(inputs, answers.outputs, weights=answers.weights, **settings)
    bar = session.progress_bar(len(shuffled), epoch)
    logs = _train_on_all(model, shuffled, bar)
    is_watched = (epoch + 1) % session.recipe.validate_every == 0 or epoch + 1 == session.recipe.epochs
    watched = dict.fromkeys(("val_loss", "val_accuracy", *parts.watched), np.nan)
    if is_watched:
        watched = _watch(stage, parts)
        bar.set_postfix(validation=f"{watched['val_accuracy']:.1%}")
    return {
        "epoch": epoch + 1,
        "loss": logs["cross_entropy"],
        "accuracy": logs["accuracy"],
        "objective": logs["loss"],
        **watched,
        "learning_rate": float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)),
        "seconds": time.perf_counter() - began,
    }


def _watch(stage: _Stage, parts: splits.Parts) -> dict[str, float]:
    """Return loss and accuracy on the validation faces, and accuracy on others that are watched."""
    with optimizers.averaged(stage.trained_part):
        stage.estimate_batch_norm(parts.training)
        loss, accuracy = _loss_and_accuracy(stage.logits(parts.validation), parts.validation.emotion)
        others = {
            column: _loss_and_accuracy(stage.logits(faces), faces.emotion)[1] for column, faces in parts.watched.items()
        }
    return {"val_loss": loss, "val_accuracy": accuracy, **others}


def _train_on_all(model: keras.Model, shuffled: batches.FaceBatches, bar: tqdm) -> dict[str, float]:
    """Train on each batch once; return the metrics' means over the faces.

    `train_on_batch` resets the metrics every time, which takes a quarter of a small step. On TensorFlow, and on one
    device of JAX, it is called for the first batch only, and the metrics add up by themselves.
    """
    backend, sums, faces = keras.backend.backend(), collections.Counter(), 0
    stays_on_device = backend == "jax" and keras.distribution.distribution() is None
    for index in range(len(shuffled)):
        if index and stays_on_device:
            jax_passes.train_on_rest(model, shuffled, _as_keras, bar)
            break
        batch = _as_keras(shuffled[index])
        if index and backend == "tensorflow":
            model.train_function(iter([batch]))
        else:
            logs = model.train_on_batch(*batch, return_dict=True)
            sums.update({name: float(value) * len(batch[0]) for name, value in logs.items()})
            faces += len(batch[0])
        bar.update()
    adds_up = stays_on_device or backend == "tensorflow"
    means = model.get_metrics_result() if adds_up else {name: total / faces for name, total in sums.items()}
    of_answers = {name: means.get(f"logits_{name}", means.get(name)) for name in ("accuracy", "cross_entropy")}
    return {name: float(value) for name, value in ({"loss": means["loss"]} | of_answers).items()}


def _as_keras(batch: tuple[np.ndarray, list[np.ndarray], np.ndarray | None]) -> tuple:
    """Return inputs, targets and weights as a network with one output, or with several, takes them."""
    inputs, answers, weights = batch
    if len(answers) == 1:
        return inputs, answers[0], weights
    return inputs, answers, None if weights is None else [weights] * len(answers)


def _reseed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the state of every dropout layer from seed and epoch, so that a resumed run draws the same masks."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
            layer.seed_generator.state.assign(np.array([seed, epoch << 16], np.uint32))


def _loss_and_accuracy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy."""
    log_probabilities = special.log_softmax(logits.astype(np.float64), axis=1)
    loss = -log_probabilities[np.arange(len(labels)), labels].mean()
    return float(loss), float((logits.argmax(axis=1) == labels).mean())


def frozen_features(frozen_part: keras.Model, faces: FaceDataset, recipe: catalog.Recipe, *, quick=None) -> np.ndarray:
    """Return what the frozen part makes of each face, computed once and kept under `data/cache/features/`.

    The cache is keyed by the faces, the frozen weights and the input stage; a change of any makes a new one, and a
    file that cannot be read is made again.

    Args:
        frozen_part: from uint8 faces to features.
        faces: whose features are wanted.
        recipe: names the cache.
        quick: gives the folded copy of the frozen part (`fast_layers.folded`), so that it is made once.

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
    network = quick() if quick is not None else fast_layers.folded(frozen_part)
    with files.written_beside(path) as temporary:
        array = np.lib.format.open_memmap(temporary, "w+", np.float32, shape)
        start = 0
        for features in forward.answers_in_batches(network, faces.pixels, progress="frozen features"):
            array[start : start + len(features)] = features
            start += len(features)
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

    def __init__(self, recipe: catalog.Recipe, dataset: FaceDataset, seed: int):
        self.recipe, self.seed = recipe, seed
        self.name = f"{recipe.name}-s{seed}"
        for folder in (paths.run_cache_dir() / "checkpoints", paths.run_cache_dir() / "weights", paths.results_dir()):
            files.require_writable(folder)
        self.model = None
        self.sources = targets.sources(recipe)
        backend = keras.backend.backend()
        self.key = {"recipe": recipe.key(), "seed": seed, "data": dataset.fingerprint, "backend": backend}
        if self.sources:
            self.key["sources"] = self.sources
        digest = hashlib.sha256(json.dumps(self.key, sort_keys=True).encode()).hexdigest()[:12]
        self.path = paths.run_cache_dir() / "checkpoints" / f"{self.name}-{digest}.npz"
        self.bar, self.features_s = None, 0.0

    def build(self, recipe: catalog.Recipe) -> keras.Model:
        """Return the network that is trained, for the size that `recipe` has now."""
        self.model = mobilenet.build_model(recipe, seed=self.seed)
        if recipe.continues:
            role = f"{recipe.name} goes on where another run ended, but the network of"
            before = store.trained_network(f"{recipe.continues}-s{self.seed}", role=role)
            self.model.set_weights(mobilenet.load_network(before).get_weights())
        return self.model

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


def _state(model: keras.Model) -> list:
    """Return all variables that the next step depends on: weights, statistics, optimiser."""
    return [*model.weights, *model.optimizer.variables]


def _finish(session: _Session, history: list[dict], predictions: dict, dataset, *, record: bool) -> store.Run:
    """Keep the weights under `data/cache/weights/`, write the record, drop the checkpoint."""
    table = pd.DataFrame(history)
    info = {
        "run": session.name,
        "recipe": _settings(session.recipe),
        "protocol": splits.describe(session.recipe.settings()),
        "seed": session.seed,
        "data": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "counts": {split: int(n) for split, n in dataset.counts().sum().items()},
            "notes": list(dataset.notes),
            "has_official_rows": dataset.has_official_rows,
            **_classes_of(dataset),
        },
        **({"learned_from": session.sources} if session.sources else {}),
        "imagenet_weights": mobilenet.IMAGENET_CHECKPOINT if session.recipe.weights == "imagenet" else None,
        "parameters": {
            "all": session.model.count_params(),
            "trained": int(sum(np.prod(v.shape) for v in session.model.trainable_variables)),
        },
        "packages": _packages(session.key["backend"]),
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
    run = store.Run(session.name, info, table, predictions)
    if record:
        mobilenet.save_model(session.model, store.weights_path(session.name))
        store.write_run(run.name, info, table, predictions, replace=True)  # checked before training
        session.path.unlink(missing_ok=True)
    return run


def _settings(recipe: catalog.Recipe) -> dict:
    return recipe.settings() | {"display_name": recipe.display_name}


def _classes_of(dataset: FaceDataset) -> dict:
    """Return which emotions a data set has, where it lacks one."""
    counts = dataset.counts().sum(axis=1)
    present = counts.index[counts > 0].tolist()
    return {} if len(present) == len(counts) else {"classes": present}


def _packages(backend: str) -> dict[str, str]:
    """Return name → version of the packages that decide a result, of the backends the one that is used."""
    others = {"tensorflow", "jax", "torch"} - {backend}
    return {name: importlib.metadata.version(name) for name in RECORDED_PACKAGES if name not in others}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()


def hardware() -> dict:
    """Return what a reader needs to judge the times.

    These are system, cores of this process, memory, devices that Keras sees, threads where TensorFlow was given a
    number, and how many processes wanted the machine in the last minute (more than `cores`: others slowed this one).
    """
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores,
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "devices": _devices(),
        **({"threads": int(threads)} if threads else {}),
        **({"load": round(os.getloadavg()[0], 1)} if hasattr(os, "getloadavg") else {}),
    }


def _devices() -> list[str]:
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
