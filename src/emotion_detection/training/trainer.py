"""Run a recipe: seeds, cached frozen features, a checkpoint every epoch, exact resume, an atomic run record."""

import functools
import hashlib
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special
from tqdm.auto import tqdm

from emotion_detection import files, locks, paths
from emotion_detection.data import FaceDataset, ferplus
from emotion_detection.errors import DataError
from emotion_detection.evaluation import metrics
from emotion_detection.runs import provenance, store
from emotion_detection.training import (
    backends,
    batches,
    fast_layers,
    import_keras,
    mobilenet,
    optimizers,
    splits,
    targets,
)
from emotion_detection.training.recipe import Recipe

keras = import_keras()

log = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    dataset: FaceDataset,
    *,
    seed: int = store.FIRST_SEED,
    record: bool = True,
    replace: bool = False,
) -> store.Run:
    """Train a recipe as it asks, on all of Training or in folds of it, and record the run in `data/results/<run>/`.

    Each fold has a checkpoint of its own, so an interrupted call goes on where it was. The record of a run in folds
    holds the predictions on all of Training ("Folds") and the mean history of the folds. `seed` decides folds, too;
    `replace` overwrites a record of the same name that has other settings.

    Raises:
        DataError: a record of other settings has the name; besides, all that `train_network` raises.
    """
    if record and not replace:
        store.check_overwrite(f"{recipe.name}-s{seed}", _settings(recipe))
    with locks.locked(store.run_dir(f"{recipe.name}-s{seed}") if record else None):
        train_it = _train_in_folds if recipe.protocol.folds else train_network
        return train_it(recipe, dataset, seed=seed, record=record)


def _train_in_folds(recipe: Recipe, dataset: FaceDataset, *, seed: int, record: bool) -> store.Run:
    found = []
    for number, part in enumerate(splits.folds(dataset.training, recipe.protocol.folds, seed=seed)):
        fold = recipe.replace(name=f"{recipe.name}_fold{number}")
        found.append(train_network(fold, part, seed=seed, record=False))
    predictions = store.as_recorded(_joined([run.predictions["PublicTest"] for run in found]))
    history = pd.concat([run.history for run in found]).groupby("epoch", as_index=False).mean()
    info = found[0].info | {
        "run": f"{recipe.name}-s{seed}",
        "recipe": _settings(recipe),
        "wall_time_s": round(sum(run.info["wall_time_s"] for run in found), 1),
        "metrics": {"Folds": {"accuracy": metrics.accuracy(predictions)}},
    }
    info["data"] = info["data"] | {"fingerprint": dataset.fingerprint, "counts": counts(dataset)}
    run = store.Run(info["run"], info, history, {"Folds": predictions})
    if record:
        store.write_run(run.name, info, history, run.predictions, replace=True)  # checked before training
        for path in (paths.run_cache_dir() / "checkpoints").glob(f"{recipe.name}_fold*-s{seed}-*.npz"):
            path.unlink()
    return run


def _joined(parts: list[store.Predictions]) -> store.Predictions:
    """Return the predictions of all folds as one part, in the order of rows."""
    row, label, logits = (
        np.concatenate([getattr(part, field) for part in parts]) for field in ("row", "label", "logits")
    )
    order = np.argsort(row, kind="stable")
    return store.Predictions("Folds", row[order], label[order], logits[order])


def train_network(
    recipe: Recipe,
    dataset: FaceDataset,
    *,
    seed: int = store.FIRST_SEED,
    record: bool = True,
    answers: targets.Answers | None = None,
) -> store.Run:
    """Train one network on Training, watch it on PublicTest, record the run.

    A checkpoint is written after every epoch. Killed at any moment, the same call goes on from the last finished
    epoch and ends with the same history. PrivateTest is not touched, but by recipes of the audit that say so by name.
    `seed` decides the head's first weights, the order of the faces, augmentation and dropout; `answers` is what to
    learn on the Training faces, where that was computed before.

    Raises:
        OverlapError: a PublicTest row is also a Training row.
        DataError: a split has no faces, or a folder that the run needs cannot be written.
        MissingFileError: the network that the recipe continues is not on this machine.
    """
    parts = splits.parts(recipe, dataset, seed=seed)
    sources = {} if answers else targets.sources(recipe.targets)
    checkpoint = _Checkpoint(recipe, dataset, seed, sources)
    if recipe.network.weights == "imagenet" and not recipe.network.continues:
        mobilenet.imagenet_file(recipe.network)  # missing, it is told before teachers are asked, which takes minutes
    answers = answers or targets.targets_of(recipe.targets, parts.training)
    training = _Training(recipe, parts, answers, seed=seed)
    history = checkpoint.restore(training.trained_part)
    steps = batches.steps_per_epoch(parts.faces_per_epoch or len(parts.training), recipe.optimisation)
    total, begin = steps * recipe.optimisation.epochs, steps * len(history)
    with tqdm(total=total, initial=begin, unit="step", smoothing=0.02, mininterval=1.0) as bar:
        while len(history) < recipe.optimisation.epochs and not _is_enough(history, recipe):
            bar.set_description(f"{recipe.name}-s{seed} epoch {len(history) + 1}/{recipe.optimisation.epochs}")
            history.append(training.run_epoch(len(history), bar))
            checkpoint.write(training.trained_part, history)
    training.settle()
    predictions = {
        name: store.as_recorded(store.Predictions(name, faces.row, faces.emotion, training.logits(faces)))
        for name, faces in parts.scored.items()
    }
    name, table = f"{recipe.name}-s{seed}", pd.DataFrame(history)
    info = _info(name, training, sources, dataset, table, predictions)
    if record:
        mobilenet.save_model(training.network, store.weights_path(name))
        store.write_run(name, info, table, predictions, replace=True)  # `train` has checked
        checkpoint.path.unlink(missing_ok=True)
    return store.Run(name, info, table, predictions)


class _Training:
    """A network while it is trained: what is trained of it, what that sees of faces, and what it answers."""

    def __init__(self, recipe: Recipe, parts: splits.Parts, answers: targets.Answers, *, seed: int):
        self.recipe, self.parts, self.answers, self.seed = recipe, parts, answers, seed
        self.network = trained = _first_network(recipe, seed)
        self.inputs = lambda faces: faces.pixels
        if _has_constant_features(recipe):
            frozen_part, trained = mobilenet.split_at(self.network, mobilenet.CACHE_POINT[recipe.network.regime])
            self.inputs = _cached_inputs(frozen_part, recipe)
        if recipe.targets.ferplus_auxiliary:
            trained = mobilenet.with_second_task(trained, classes=len(ferplus.CLASSES), seed=seed)
        self.plain_part, self.trained_part = trained, fast_layers.arranged(trained)
        self.answering_part = mobilenet.answering_part(self.trained_part)
        self.passes = backends.Passes(self.trained_part)
        share = recipe.optimisation.start_share
        self.start = {"start": optimizers.weights_of(self.trained_part), "start_share": share} if share else {}
        began = time.perf_counter()
        for faces in (parts.training, parts.validation, *parts.watched.values()):
            self.inputs(faces)
        self.features_s = round(time.perf_counter() - began, 1)
        faces_per_epoch = parts.faces_per_epoch or len(parts.training)
        steps_per_epoch = batches.steps_per_epoch(faces_per_epoch, recipe.optimisation)
        optimizers.compile_for(self.trained_part, recipe, steps_per_epoch=steps_per_epoch)

    def run_epoch(self, epoch: int, bar: tqdm) -> dict:
        """Train one epoch, estimate the batch-norm statistics anew, look at PublicTest; return the history's line."""
        began, protocol, epochs = time.perf_counter(), self.recipe.protocol, self.recipe.optimisation.epochs
        _reseed_dropout(self.trained_part, self.seed, epoch)
        shuffled = batches.FaceBatches(
            self.inputs(self.parts.training),
            self.answers.outputs,
            weights=self.answers.weights,
            recipe=self.recipe,
            seed=self.seed,
            epoch=epoch,
            faces=self.parts.faces_per_epoch,
        )
        logs = self.passes.train(shuffled, bar)
        watched = dict.fromkeys(("val_loss", "val_accuracy", *self.parts.watched), np.nan)
        if (epoch + 1) % protocol.validate_every == 0 or epoch + 1 == epochs:
            watched = self._watch()
            bar.set_postfix(validation=f"{watched['val_accuracy']:.1%}")
        return {
            "epoch": epoch + 1,
            "loss": logs["cross_entropy"],
            "accuracy": logs["accuracy"],
            "objective": logs["loss"],
            **watched,
            "learning_rate": float(keras.ops.convert_to_numpy(self.trained_part.optimizer.learning_rate)),
            "seconds": time.perf_counter() - began,
        }

    def _watch(self) -> dict[str, float]:
        """Return loss and accuracy on the validation faces, and accuracy on others that are watched."""
        validation = self.parts.validation
        with optimizers.averaged(self.trained_part, **self.start):
            self._estimate_batch_norm()
            loss, accuracy = loss_and_accuracy(self.logits(validation), validation.emotion)
            others = {
                column: loss_and_accuracy(self.logits(faces), faces.emotion)[1]
                for column, faces in self.parts.watched.items()
            }
        return {"val_loss": loss, "val_accuracy": accuracy, **others}

    def logits(self, faces: FaceDataset) -> np.ndarray:
        """Return float32 (n, 7)."""
        return backends.predict_logits(self.answering_part, self.inputs(faces))

    def _estimate_batch_norm(self) -> None:
        n_batches = self.recipe.optimisation.batch_norm_batches
        if n_batches:
            self.passes.estimate_batch_norm(self.inputs(self.parts.training), n_batches=n_batches, seed=self.seed)

    def settle(self) -> None:
        """Give the network that is saved its weights: their average, if one is kept, with its own statistics."""
        if self.recipe.optimisation.averages_weights:
            optimizers.take_average(self.trained_part, **self.start)
            self._estimate_batch_norm()
        fast_layers.copy_back(self.trained_part, self.plain_part)


def _first_network(recipe: Recipe, seed: int) -> keras.Model:
    """Return the network as training begins: from ImageNet's weights, or those that another run ended with."""
    network = mobilenet.build_model(recipe, seed=seed)
    if recipe.network.continues:
        role = f"{recipe.name} goes on where another run ended, but the network of"
        before = store.trained_network(f"{recipe.network.continues}-s{seed}", role=role)
        for layer in mobilenet.load_network(before).layers:
            if layer.weights:
                network.get_layer(layer.name).set_weights(layer.get_weights())
    return network


def _has_constant_features(recipe: Recipe) -> bool:
    """Return whether the frozen part makes the same of a face in every epoch, so that it can be computed once."""
    constant = recipe.augmentation is None and recipe.network.frozen_batch_norm == "inference"
    return constant and recipe.network.regime in mobilenet.CACHE_POINT


def _is_enough(history: list[dict], recipe: Recipe) -> bool:
    """Return whether the recipe's accuracy on the rows learned from is reached."""
    goal = recipe.protocol.stop_at_training_accuracy
    column = "val_accuracy" if recipe.protocol.val_is_train_as_published else "accuracy"
    return goal is not None and bool(history) and history[-1][column] >= goal


def _cached_inputs(frozen_part: keras.Model, recipe: Recipe) -> Callable[[FaceDataset], np.ndarray]:
    """Return a function from faces to what the frozen part makes of them, computed once."""
    known, quick = {}, functools.cache(lambda: fast_layers.folded(frozen_part))

    def inputs(faces: FaceDataset) -> np.ndarray:
        if faces.fingerprint not in known:
            known[faces.fingerprint] = frozen_features(frozen_part, faces, recipe, quick=quick)
        return known[faces.fingerprint]

    return inputs


def _reseed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the state of every dropout layer from seed and epoch, so that a resumed run draws the same masks."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
            layer.seed_generator.state.assign(np.array([seed, epoch << 16], np.uint32))


def loss_and_accuracy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy of logits (n, 7)."""
    log_probabilities = special.log_softmax(logits.astype(np.float64), axis=1)
    loss = -log_probabilities[np.arange(len(labels)), labels].mean()
    return float(loss), float((logits.argmax(axis=1) == labels).mean())


def frozen_features(frozen_part: keras.Model, faces: FaceDataset, recipe: Recipe, *, quick=None) -> np.ndarray:
    """Return what the frozen part makes of uint8 faces: float32 (n, …), memory-mapped, under `data/cache/features/`.

    It is computed once: the cache is keyed by the faces, the frozen weights and the input stage; a change of any makes
    a new one, and a file that cannot be read is made again. `quick` gives the folded copy of the frozen part.
    """
    settings = recipe.network
    digest = hashlib.sha256(f"{faces.fingerprint} {settings.input_px} {settings.scaling}".encode())
    for weight in frozen_part.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    path = paths.run_cache_dir() / "features" / f"{settings.regime}-{digest.hexdigest()[:16]}.npy"
    shape = (len(faces), *frozen_part.output.shape[1:])
    cached = _cached_array(path, shape)
    if cached is not None:
        return cached
    network = quick() if quick is not None else fast_layers.folded(frozen_part)
    with files.written_beside(path) as temporary, temporary.open("wb") as stream:
        # No memory map: where the disk is full, writing to one kills the process; here it is an error.
        header = {"descr": np.dtype(np.float32).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for features in backends.answers_in_batches(network, faces.pixels, progress="frozen features"):
            stream.write(np.ascontiguousarray(features, np.float32))
    return np.load(path, mmap_mode="r")


def _cached_array(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return a cached array, memory-mapped; None if there is none, or a damaged one (which is logged)."""
    if not path.exists():
        return None
    try:
        expected = {"features": ("f", shape)}
        return files.read_arrays(path, what="cache of features", expected=expected, mapped=True)["features"]
    except DataError as error:
        log.warning("%s They are computed anew.", error)
        return None


class _Checkpoint:
    """The file that a run goes on from: weights, optimiser state and history after the last finished epoch."""

    def __init__(self, recipe: Recipe, dataset: FaceDataset, seed: int, sources: dict[str, str]):
        self.name = f"{recipe.name}-s{seed}"
        for folder in (paths.run_cache_dir() / "checkpoints", paths.run_cache_dir() / "weights", paths.results_dir()):
            files.require_writable(folder)
        key = {"recipe": recipe.key(), "seed": seed, "data": dataset.fingerprint, "backend": keras.backend.backend()}
        key |= {"sources": sources} if sources else {}
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
        self.path = paths.run_cache_dir() / "checkpoints" / f"{self.name}-{digest}.npz"

    def write(self, model: keras.Model, history: list[dict]) -> None:
        """Write the state as one file, atomically."""
        arrays = {f"v{i:04d}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_state(model))}
        with files.written_beside(self.path) as temporary:
            np.savez(temporary, history=np.frombuffer(json.dumps(history).encode(), np.uint8), **arrays)

    def restore(self, model: keras.Model) -> list[dict]:
        """Load the last state into `model`, if there is one; return the history so far."""
        if not self.path.exists():
            return []
        state = {f"v{index:04d}": variable for index, variable in enumerate(_state(model))}
        expected = {name: (np.dtype(each.dtype).kind, tuple(each.shape)) for name, each in state.items()}
        try:
            arrays = files.read_arrays(self.path, what="checkpoint", expected=expected | {"history": ("u", (None,))})
            history = json.loads(arrays["history"].tobytes())  # NaN where an epoch was not validated
        except (DataError, ValueError) as error:
            log.warning("%s Training starts anew.", error)
            return []
        for name, variable in state.items():
            variable.assign(arrays[name])
        log.info("%s goes on after epoch %d", self.name, len(history))
        return history


def _state(model: keras.Model) -> list:
    """Return all variables that the next step depends on: weights, statistics, optimiser."""
    return [*model.weights, *model.optimizer.variables]


def _info(
    name: str,
    training: _Training,
    sources: dict[str, str],
    dataset: FaceDataset,
    history: pd.DataFrame,
    predictions: dict[str, store.Predictions],
) -> dict:
    """Return the content of `run.json`."""
    recipe, network = training.recipe, training.network
    return {
        "run": name,
        "recipe": _settings(recipe),
        "protocol": splits.describe(recipe.settings()),
        "seed": training.seed,
        "data": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "counts": counts(dataset),
            "notes": list(dataset.notes),
            "has_official_rows": dataset.has_official_rows,
            **_classes_of(dataset),
        },
        **({"learned_from": sources} if sources else {}),
        "imagenet_weights": mobilenet.imagenet_checkpoint(recipe.network),
        "parameters": {
            "all": network.count_params(),
            "trained": int(sum(np.prod(variable.shape) for variable in network.trainable_variables)),
        },
        **provenance.of_this_process(keras.backend.backend(), backends.device_names()),
        "features_s": training.features_s,
        "wall_time_s": round(float(history["seconds"].sum()) + training.features_s, 1),
        "metrics": {
            part: dict(zip(("loss", "accuracy"), loss_and_accuracy(each.logits, each.label), strict=True))
            for part, each in predictions.items()
        },
    }


def _settings(recipe: Recipe) -> dict:
    return recipe.settings() | {"display_name": recipe.display_name}


def counts(dataset: FaceDataset) -> dict[str, int]:
    """Return the number of faces in each split."""
    return {split: int(n) for split, n in dataset.counts().sum().items()}


def _classes_of(dataset: FaceDataset) -> dict:
    """Return which emotions a data set has, where it lacks one."""
    counts = dataset.counts().sum(axis=1)
    present = counts.index[counts > 0].tolist()
    return {} if len(present) == len(counts) else {"classes": present}
