"""Shuffled, augmented batches of faces, the same whenever and wherever they are asked for."""

import numpy as np

from emotion_detection.training import augmentation
from emotion_detection.training.recipe import NO_CHANGES, Optimisation, Recipe

VIEWS = 16
"""Begins the seeds of views, so that no two are those of an epoch's batches."""


class FaceBatches:
    """One epoch of shuffled batches; its content depends on seed and epoch alone, not on what ran before.

    Augmenting a batch of 64 costs 0.3 % of the training step, so batches are made when they are asked for. A
    `keras.utils.PyDataset` is avoided on purpose: TensorFlow's generator op lowers malloc's trim threshold for the
    whole process, and every training step then takes more than twice the processor time.

    Args:
        inputs: uint8 faces (n, 48, 48), or float32 features of the frozen part, or what `view` returns.
        targets: for each output of the network float32 (n, classes), each row summing to 1.
        epoch: number of the epoch, from 0.
        faces: how many of them make an epoch; None: all.
        weights: float32 (n,), what each face's loss is multiplied by; None: 1.
        are_changed: whether faces are augmented already, and of the network's size.
    """

    def __init__(
        self,
        inputs: np.ndarray,
        targets: list[np.ndarray],
        *,
        recipe: Recipe,
        seed: int,
        epoch: int,
        faces: int | None = None,
        weights: np.ndarray | None = None,
        are_changed: bool = False,
    ):
        self.inputs, self.targets, self.weights = inputs, targets, weights
        self.recipe, self.seed, self.epoch, self.are_changed = recipe, seed, epoch, are_changed
        self.order = np.random.default_rng([seed, epoch]).permutation(len(inputs))[:faces]

    def __len__(self) -> int:
        return steps_per_epoch(len(self.order), self.recipe.optimisation)

    def __getitem__(self, index: int) -> tuple[np.ndarray, list[np.ndarray], np.ndarray | None]:
        """Return inputs, targets of each output and weights (or None) of one batch."""
        size = self.recipe.optimisation.batch_size
        rows = self.order[index * size : (index + 1) * size]
        targets = [each[rows] for each in self.targets]
        weights = None if self.weights is None else self.weights[rows]
        settings = self.recipe.augmentation
        if self.inputs.dtype != np.uint8:
            return self.inputs[rows], targets, weights
        if settings is None:
            return self.inputs[rows][..., None], targets, weights
        rng = np.random.default_rng([self.seed, self.epoch, index])
        faces = self.inputs[rows]
        if not self.are_changed:
            faces = augmentation.augment(faces, settings, size_px=self.recipe.network.input_px, rng=rng)
        if settings.mixup or settings.cutmix:
            faces, other, kept = augmentation.mix(faces, settings, rng)
            targets = [_mixed(each, other, kept) for each in targets]
            weights = None if weights is None else _mixed(weights, other, kept)
        return faces[..., None], targets, weights


def view(faces: np.ndarray, recipe: Recipe, number: int) -> np.ndarray:
    """Return all of uint8 faces (n, 48, 48) augmented, each once: the same for every seed, others for each number."""
    rng = np.random.default_rng([VIEWS, number])
    return augmentation.augment(faces, recipe.augmentation or NO_CHANGES, size_px=recipe.network.input_px, rng=rng)


def steps_per_epoch(faces: int, settings: Optimisation) -> int:
    """Return how many batches an epoch of so many faces has; the last may be smaller, or is left out."""
    whole, rest = divmod(faces, settings.batch_size)
    return whole + (rest > 0 and not (settings.full_batches and whole))


def _mixed(values: np.ndarray, other: np.ndarray, kept: float) -> np.ndarray:
    """Mix float32 targets or weights as their faces were mixed."""
    return (kept * values + (1 - kept) * values[other]).astype(np.float32)
