"""What a recipe is: everything that decides a training's result, as validated data in nested parts."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json

from emotion_detection.errors import DataError, UnknownNameError

LAST_FROZEN_LAYER = {"top": "out_relu", "100": "block_11_expand", "whole": None}
"""Regime → the last layer of MobileNetV2 that stays as ImageNet left it; None: every layer is trained."""

CHOICES = {
    "regime": tuple(LAST_FROZEN_LAYER),
    "backbone": ("mobilenetv2", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"),
    "scaling": ("symmetric", "unit"),
    "head": ("linear", "two_dense"),
    "last_stride": (1, 2),
    "pooling": ("average", "weighted"),
    "frozen_batch_norm": ("inference", "batch_statistics", "batch_statistics_averages_kept"),
    "optimizer": ("adamw", "sgd", "rmsprop"),
    "schedule": ("cosine", "constant"),
    "copies": (None, "published", "sensible", "repeated"),
}
"""Setting → its possible values."""

SHARES = [
    "dropout",
    "label_smoothing",
    "ferplus_blend",
    "distillation",
    "ema",
    "start_share",
    "batch_norm_momentum",
    "poor_camera",
    "each_fault",
    "erasing",
    "mixup",
    "cutmix",
]
"""Settings that are shares, 0–1."""

COUNTS = ("epochs", "batch_size", "input_px", "cycles", "validate_every")
"""Settings that are whole numbers of 1 or more."""

RETIRED = ("stages", "stem_stride", "sharpness_radius", "randaugment", "randaugment_magnitude", "views")
"""Settings of recorded arms whose code is gone; such a record's `code` names the last commit that has it."""


def _later(default):
    """Return a field that joined when runs were recorded already: `settings()` leaves it out at its default."""
    return dataclasses.field(default=default, metadata={"later": True})


class _Part:
    """A part of a recipe: its values are checked when it is made."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            is_possible, expected = _checked(field.name, value)
            if not is_possible:
                raise DataError(f"The recipe's {field.name} is {value!r}. Give {expected}.")


def _checked(name: str, value) -> tuple[bool, str]:
    """Return whether a setting may have this value, and what is expected of it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in CHOICES:
        return value in CHOICES[name], f"one of {', '.join(map(repr, CHOICES[name]))}"
    if name in SHARES:
        return is_number and 0 <= value <= 1, "a share, 0 to 1"
    if name in COUNTS:
        return isinstance(value, int) and value >= 1, "a whole number of 1 or more"
    if name == "jpeg_quality":
        return isinstance(value, int) and 1 <= value <= 100, "1 to 100; 100 compresses nothing"
    return name != "learning_rate" or (is_number and value >= 0), "a number of 0 or more"


@dataclasses.dataclass(frozen=True)
class Network(_Part):
    """The network, and where its training begins.

    Args:
        regime: which layers are trained: "top", "100" or "whole" (see `LAST_FROZEN_LAYER`).
        input_px: side of the square picture that MobileNetV2 sees.
        scaling: "symmetric" (pixels to [−1, 1], as the ImageNet weights expect) or "unit" (to [0, 1]).
        head: "linear" (pooling, dropout, 7 logits) or "two_dense" (the older repository's 128-128-7).
        dropout: share of features dropped in the head.
        weights: "imagenet", or None for random weights (tests only).
        continues: name of the recipe whose trained network (same seed) this one starts from; None: from `weights`.
        batch_norm_momentum: of the moving statistics of trained batch norms (Keras' MobileNetV2 has 0.999).
        frozen_batch_norm: "inference" (moving averages, as Keras 3 does), "batch_statistics" (gamma and beta held,
            statistics of each training batch, averages follow) or "batch_statistics_averages_kept" (the same, but
            ImageNet's averages stay for inference, as in some early versions of Keras; see keras-team/keras#9965).
        last_stride: 2, or 1: the last stage then keeps the size of the one before, 6×6 instead of 3×3 at 96 px.
        pooling: "average" of the last map, or "weighted": each channel weighs the places of the map by itself.
        backbone: "mobilenetv2", or a larger network to teach it: a key of `efficientnet_lite.SCALES`.
    """

    regime: str
    input_px: int = 96
    scaling: str = "symmetric"
    head: str = "linear"
    dropout: float = 0.2
    weights: str | None = "imagenet"
    continues: str | None = None
    batch_norm_momentum: float = 0.999
    frozen_batch_norm: str = "inference"
    last_stride: int = _later(2)
    pooling: str = _later("average")
    backbone: str = _later("mobilenetv2")

    def __post_init__(self):
        super().__post_init__()
        if self.backbone != "mobilenetv2" and self.regime != "whole":
            raise DataError(
                f"The recipe's regime is {self.regime!r} and its backbone {self.backbone!r}. Give the regime 'whole': "
                "only MobileNetV2 has layers to freeze by name."
            )


@dataclasses.dataclass(frozen=True)
class Targets(_Part):
    """What the network learns to answer (see the module `targets`).

    Args:
        label_smoothing: share of the target that is spread evenly over the classes.
        class_weights: weigh each face's loss by the inverse frequency of its class.
        ferplus_blend: share of FER+'s distribution of votes in the targets of Training faces, 0–1.
        ferplus_only: learn from FER+'s votes alone; faces without votes for any of the seven emotions are left out.
        ferplus_auxiliary: weight of a second loss, by which the pooled features also learn FER+'s eight classes from a
            linear head of their own; the head is dropped when the network is saved.
        teachers: names of trained runs whose averaged answers on Training faces are learned, too; of a run in folds
            those on the faces held out.
        distillation: share of the teachers' answers in the targets, 0–1.
        distillation_temperature: the teachers' logits are divided by it, which makes their answers softer.
    """

    label_smoothing: float = 0.0
    class_weights: bool = False
    ferplus_blend: float = _later(0.0)
    ferplus_only: bool = _later(False)
    ferplus_auxiliary: float = _later(0.0)
    teachers: tuple[str, ...] = _later(())
    distillation: float = _later(0.0)
    distillation_temperature: float = _later(1.0)

    def __post_init__(self):
        super().__post_init__()
        if bool(self.teachers) != (self.distillation > 0):
            raise DataError(
                f"The recipe names {len(self.teachers)} teachers and learns a share of {self.distillation} from them. "
                "Give both `teachers` and `distillation`, or neither."
            )

    @property
    def uses_ferplus(self) -> bool:
        """Whether FER+'s votes on Training faces are learned from."""
        return self.ferplus_only or self.ferplus_blend > 0 or self.ferplus_auxiliary > 0


@dataclasses.dataclass(frozen=True)
class Optimisation(_Part):
    """How the weights change from step to step.

    Args:
        epochs: how often each face is learned from.
        batch_size: faces in a step.
        learning_rate: its highest value.
        optimizer: "adamw", "sgd" (Nesterov momentum 0.9) or "rmsprop".
        weight_decay: of kernels; biases and batch norms are spared.
        schedule: "cosine" (to zero, after a linear warm-up) or "constant".
        warmup_epochs: epochs over which the learning rate rises from zero.
        batch_norm_batches: batches of unchanged Training faces on which the batch-norm statistics are estimated anew
            after each epoch; 0 keeps the moving averages of training.
        ema: decay of a moving average of the weights, which is what is evaluated and saved; 0 keeps the last weights.
            The decay rises from 0.1 to this value over the first steps.
        cycles: in so many cycles of equal length the cosine schedule falls to zero. With more than one, each begins
            anew at `learning_rate`, without a warm-up, and what is evaluated and saved is the mean of the weights that
            the cycles ended with (Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
            Generalization", 2018, arXiv:1803.05407).
        start_share: share of the weights that training began with in what is evaluated and saved, 0–1: a network that
            learned something new keeps more of what it knew (Wortsman et al., "Robust Fine-Tuning of Zero-Shot
            Models", 2022, arXiv:2109.01903).
        full_batches: leave out what an epoch has beyond its full batches, other faces each time: an accelerator
            compiles the step anew for each size of a batch.
    """

    epochs: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    schedule: str = "cosine"
    warmup_epochs: float = 0.5
    batch_norm_batches: int = 60
    ema: float = _later(0.0)
    cycles: int = _later(1)
    start_share: float = _later(0.0)
    full_batches: bool = _later(False)

    def __post_init__(self):
        super().__post_init__()
        if self.cycles > 1 and (self.epochs % self.cycles or self.schedule != "cosine" or self.ema):
            raise DataError(
                f"The recipe has {self.cycles} cycles in {self.epochs} epochs, schedule {self.schedule!r}, ema "
                f"{self.ema:g}. Give epochs that the cycles share equally, the schedule 'cosine', and no `ema`: the "
                "cycles' ends are averaged."
            )

    @property
    def averages_weights(self) -> bool:
        """Whether the network that is evaluated and saved has an average of the weights, not the last ones."""
        return self.ema > 0 or self.cycles > 1 or self.start_share > 0


@dataclasses.dataclass(frozen=True)
class Protocol(_Part):
    """Which faces are learned from and watched, and when training ends. What only the audit may do says so.

    Args:
        folds: cross-validate inside Training in so many folds; 0 trains on all of it.
        validate_every: look at PublicTest after every so many epochs, and after the last.
        drop_conflicting: leave out Training faces that are constant, or identical to one with another label.
        copies: None, or which copies of rare emotions join Training: a key of `augmentation.COPIES`.
        stop_at_training_accuracy: end before `epochs` once accuracy on the rows learned from is this high, 0–1: as
            watched, where these are validated on, else while learning.
        val_is_train_as_published: validate on the training rows, as the published 96.9 % did. Only for the audit.
        pool_all_splits_as_published: shuffle the official splits together first. Only for the audit.
        augment_before_split_as_published: add copies of rare emotions, then split. Only for the audit.
        watch_private_test_for_audit: take PrivateTest's accuracy after every epoch. Only for the audit.
    """

    folds: int = 0
    validate_every: int = _later(1)
    drop_conflicting: bool = _later(False)
    copies: str | None = None
    stop_at_training_accuracy: float | None = None
    val_is_train_as_published: bool = False
    pool_all_splits_as_published: bool = False
    augment_before_split_as_published: bool = False
    watch_private_test_for_audit: bool = False


@dataclasses.dataclass(frozen=True)
class Augmentation(_Part):
    """Random changes of each Training face, drawn anew every epoch.

    Args:
        flip: whether to mirror every other face.
        rotation_deg: largest rotation to either side.
        shift: largest shift to either side, as a share of the width.
        zoom: largest change of scale, as a share.
        contrast: largest change of contrast, as a share.
        brightness: largest change of brightness, as a share of the full range.
        shear: largest slant to either side, as the tangent of its angle.
        blur_px: largest standard deviation of a Gaussian blur, in pixels of the 48-px face.
        noise: largest standard deviation of Gaussian noise, as a share of the full range.
        jpeg_quality: lowest quality to which a face is compressed as JPEG, 1–100; 100: none is.
        poor_camera: share of the faces that are blurred, noisy or compressed, where these are asked for.
        each_fault: of these faces, the share that has each of the three faults; 1: all of them, more or less.
        erasing: share of the faces in which a rectangle is replaced by noise.
        mixup: share of the batches in which each face is blended with another one, and so are their targets.
        cutmix: share of the batches in which each face gets a rectangle of another one; targets by area.
    """

    flip: bool = True
    rotation_deg: float = 15.0
    shift: float = 0.1
    zoom: float = 0.1
    contrast: float = 0.0
    brightness: float = 0.0
    shear: float = _later(0.0)
    blur_px: float = _later(0.0)
    noise: float = _later(0.0)
    jpeg_quality: int = _later(100)
    poor_camera: float = _later(1.0)
    each_fault: float = _later(1.0)
    erasing: float = _later(0.0)
    mixup: float = _later(0.0)
    cutmix: float = _later(0.0)


NO_CHANGES = Augmentation(flip=False, rotation_deg=0.0, shift=0.0, zoom=0.0)
"""What a recipe without augmentation does to a face."""


@dataclasses.dataclass(frozen=True)
class Expected:
    """The result that was measured: accuracy in percent on a part of the record, with the seed that is shipped."""

    split: str
    accuracy_percent: float

    SPREAD_POINTS = 1.5
    """By so much another training of a recipe may differ: about half the 95 % interval of PrivateTest."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train one network.

    Args:
        name: snake-case name; runs are called `<name>-s<seed>`.
        display_name: the name in figures and tables.
        network: see `Network`.
        optimisation: see `Optimisation`.
        targets: see `Targets`.
        protocol: see `Protocol`.
        augmentation: None lets the frozen part be computed once and cached.
        expected: the result to expect; None as long as nothing was measured.

    Example:
        >>> catalog.TL_100.replace(name="tl_100_slow", learning_rate=3e-4, epochs=2)
    """

    name: str
    display_name: str
    network: Network
    optimisation: Optimisation
    targets: Targets = Targets()
    protocol: Protocol = Protocol()
    augmentation: Augmentation | None = None
    expected: Expected | None = None

    def replace(self, **changes) -> Recipe:
        """Return a recipe with some settings changed, each by its own name, whichever part it is of.

        `augmentation=None` switches augmentation off; in a recipe without one, a setting of it, such as `mixup=0.5`,
        leaves all others off. What was measured of this recipe does not hold for the result: `expected` is None.

        Raises:
            UnknownNameError: there is no such setting; the message names the nearest.
            DataError: a value is impossible.
        """
        values = {"expected": None} | {name: changes.pop(name) for name in list(changes) if name in _OWN}
        for part, kind in PARTS.items():
            fields = {field.name for field in dataclasses.fields(kind)}
            own = {name: changes.pop(name) for name in list(changes) if name in fields}
            if own:
                base = values.get(part, getattr(self, part))
                values[part] = dataclasses.replace(NO_CHANGES if base is None else base, **own)
        for name in changes:
            known = [*_OWN, *(field.name for kind in PARTS.values() for field in dataclasses.fields(kind))]
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise UnknownNameError(f"A recipe has no setting {name!r}. Did you mean {nearest!r}?")
        return dataclasses.replace(self, **values)

    def settings(self) -> dict:
        """Return what decides the result, as `run.json` holds it: flat, but for `augmentation`.

        Names in figures are left out, and so are settings that joined later, where they are off: a record or
        checkpoint made before them still fits its recipe.
        """
        found = {"name": self.name}
        for part in ("network", "optimisation", "targets", "protocol"):
            found |= _recorded(getattr(self, part))
        found["augmentation"] = None if self.augmentation is None else _recorded(self.augmentation)
        return json.loads(json.dumps(found))

    def key(self) -> str:
        """Return a short hash of `settings()`; checkpoints of another version of a recipe are never resumed."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()[:12]

    def flat(self) -> dict:
        """Return each setting by its name, those of augmentation as `augmentation.<name>`."""
        found = {}
        for part in ("network", "optimisation", "targets", "protocol"):
            found |= dataclasses.asdict(getattr(self, part))
        changes = dataclasses.asdict(self.augmentation or NO_CHANGES)
        return found | {f"augmentation.{name}": value for name, value in changes.items()}

    def fast(self) -> Recipe:
        """Return a recipe that runs in seconds and shows only that the code works: one epoch, 48 px, random weights.

        Folds are two at most; FER+'s votes and teachers, which are not of the drawn sample, are left out.
        """
        return self.replace(
            epochs=1,
            cycles=1,
            input_px=48,
            batch_size=32,
            weights=None,
            batch_norm_batches=4,
            warmup_epochs=0.0,
            folds=min(self.protocol.folds, 2),
            ferplus_blend=0.0,
            ferplus_only=False,
            ferplus_auxiliary=0.0,
            teachers=(),
            distillation=0.0,
        )


PARTS = {
    "network": Network,
    "optimisation": Optimisation,
    "targets": Targets,
    "protocol": Protocol,
    "augmentation": Augmentation,
}
_OWN = tuple(field.name for field in dataclasses.fields(Recipe))


def _recorded(part: _Part) -> dict:
    """Return a part's settings as a record holds them."""
    return {
        field.name: getattr(part, field.name)
        for field in dataclasses.fields(part)
        if not (field.metadata.get("later") and getattr(part, field.name) == field.default)
    }


def from_settings(recorded: dict) -> Recipe:
    """Return the recipe that a record's `recipe` describes; what joined later is at its default.

    Settings whose code is gone (`RETIRED`) are left out: the result is not what ran, but what is left of it.
    """
    parts = {}
    for part, kind in PARTS.items():
        values = (recorded.get("augmentation") or {}) if part == "augmentation" else recorded
        known = {field.name: values[field.name] for field in dataclasses.fields(kind) if field.name in values}
        if "teachers" in known:
            known["teachers"] = tuple(known["teachers"])
        parts[part] = kind(**known) if part != "augmentation" or values else None
    return Recipe(recorded["name"], recorded.get("display_name", recorded["name"]), **parts)


def differing(recipe: Recipe, base: Recipe) -> dict[str, tuple]:
    """Return which settings of a recipe are not those of another: name → (the recipe's, the other's)."""
    own, others = recipe.flat(), base.flat()
    return {name: (own[name], others[name]) for name in own if own[name] != others[name]}
