"""Experiments as data: each recipe says all that decides its result, and the result to expect of it."""

import dataclasses
import hashlib
import itertools
import json

from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.runs import registry, store
from emotion_detection.training import arms

LAST_FROZEN_LAYER = {"top": "out_relu", "100": "block_11_expand", "whole": None}
"""Regime → the last layer of MobileNetV2 that stays as ImageNet left it; None: every layer is trained."""


def _later(default):
    """Return a field that joined when runs were recorded already: `settings()` leaves it out at its default."""
    return dataclasses.field(default=default, metadata={"later": True})


def _settings(values) -> dict:
    """Return the fields of a dataclass as JSON keeps them, later ones at their default left out."""
    found = {}
    for field in dataclasses.fields(values):
        value = getattr(values, field.name)
        if not (field.metadata.get("later") and value == field.default):
            found[field.name] = _settings(value) if dataclasses.is_dataclass(value) else value
    return json.loads(json.dumps(found))


@dataclasses.dataclass(frozen=True)
class Augmentation:
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
        erasing: share of the faces in which a rectangle is replaced by noise.
        erased_least: smallest share of the face's area that a rectangle covers.
        erased_most: largest share.
        mixup: share of the batches in which each face is blended with another one, and so are their targets.
        mixup_alpha: the blend is drawn from Beta(alpha, alpha): small values stay near one of the two faces.
        cutmix: share of the batches in which each face gets a rectangle of another one; targets by area.
        cutmix_alpha: the area is drawn from Beta(alpha, alpha).
        randaugment: how many operations of RandAugment each face goes through (see `randaugment`).
        randaugment_magnitude: how strong each is, 0–1.
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
    erasing: float = _later(0.0)
    erased_least: float = _later(0.02)
    erased_most: float = _later(0.2)
    mixup: float = _later(0.0)
    mixup_alpha: float = _later(0.2)
    cutmix: float = _later(0.0)
    cutmix_alpha: float = _later(1.0)
    randaugment: int = _later(0)
    randaugment_magnitude: float = _later(0.3)

    def __post_init__(self):
        if not 1 <= self.jpeg_quality <= 100:
            raise DataError(f"jpeg_quality is {self.jpeg_quality}. Give 1 to 100; 100 compresses nothing.")


@dataclasses.dataclass(frozen=True)
class Expected:
    """The result to expect: accuracy in percent on a part of the record, its spread, and the commands that make it."""

    split: str
    accuracy_percent: float
    spread_points: float
    command: str


MEASURED = {
    "tl_top": ("PrivateTest", 47.8),
    "tl_100": ("PrivateTest", 65.2),
    "tl_whole": ("PrivateTest", 69.9),
    "published_top": ("Unseen", 40.2),
    "published_100": ("Unseen", 52.0),
    "published_whole": ("Unseen", 59.3),
    "honest_top": ("PublicTest", 38.9),
    "honest_100": ("PublicTest", 51.6),
    "honest_whole": ("PrivateTest", 60.0),
    "gap_top_batch": ("Training", 34.8),
    "gap_top_kept": ("Training", 26.8),
    "gap_100_momentum": ("Training", 78.6),
    "gap_100_batch": ("Training", 72.0),
    "gap_100_both": ("Training", 73.8),
    "gap_100_kept": ("Training", 31.7),
    "augmented_before_split": ("Unseen", 59.8),
    "tl_100_48": ("PrivateTest", 57.0),
    "tl_100_48_repeated": ("PrivateTest", 57.3),
    "tl_100_48_unit": ("PublicTest", 55.2),
    "tl_100_unit": ("PublicTest", 63.5),
    "rare_plain": ("Folds", 52.2),
    "rare_published": ("Folds", 52.3),
    "rare_sensible": ("Folds", 52.4),
    "rare_repeated": ("Folds", 52.6),
    "rare_weights": ("Folds", 50.8),
    "abl_base": ("PublicTest", 60.9),
    "abl_48px": ("PublicTest", 59.0),
    "abl_96px": ("PublicTest", 65.4),
    "abl_progressive": ("PublicTest", 61.4),
    "abl_112px": ("PublicTest", 64.9),
    "abl_stem": ("PublicTest", 64.8),
    "abl_128px": ("PublicTest", 64.5),
    "abl_batch_64": ("PublicTest", 64.2),
    "abl_sgd": ("PublicTest", 26.7),
    "abl_low_rate": ("PublicTest", 61.0),
    "late_base": ("PublicTest", 69.4),
    "late_mixup": ("PublicTest", 68.7),
    "late_stronger": ("PublicTest", 68.4),
    "late_ema": ("PublicTest", 69.2),
    "late_ferplus_blend": ("PublicTest", 65.6),
    "late_poor_camera": ("PublicTest", 65.4),
    "late_erasing": ("PublicTest", 67.4),
    "late_distilled": ("PublicTest", 68.3),
    "late_cutmix": ("PublicTest", 68.7),
    "late_cycles": ("PublicTest", 69.3),
    "late_randaugment": ("PublicTest", 67.9),
    "late_112px": ("PublicTest", 69.0),
    "late_no_smoothing": ("PublicTest", 69.0),
    "late_ferplus_auxiliary": ("PublicTest", 69.4),
    "late_distilled_other": ("PublicTest", 69.0),
    "late_sharpness": ("PublicTest", 68.7),
    "late_drop_conflicting": ("PublicTest", 68.8),
    "whole_longer": ("PublicTest", 68.7),
    "taught": ("PrivateTest", 71.4),
    "taught_ferplus": ("PrivateTest", 61.3),
    "best": ("PrivateTest", 71.7),
    "best_two_cores": ("PublicTest", 72.1),
}
"""Recipe → part of its record, and accuracy on it in percent, when it was trained with the seed that is shipped."""

SPREAD_POINTS = 1.5
"""By so much another training of a recipe may differ: about half the 95 % interval of PrivateTest."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train one network.

    Args:
        name: snake-case name; runs are called `<name>-s<seed>`.
        display_name: the name in figures and tables.
        regime: which layers are trained: "top", "100" or "whole" (see `LAST_FROZEN_LAYER`).
        input_px: side of the square picture that MobileNetV2 sees.
        scaling: "symmetric" (pixels to [−1, 1], as the ImageNet weights expect) or "unit" (to [0, 1]).
        head: "linear" (pooling, dropout, 7 logits) or "two_dense" (the older repository's 128-128-7).
        dropout: share of features dropped in the head.
        optimizer: "adamw", "sgd" (Nesterov momentum 0.9) or "rmsprop".
        schedule: "cosine" (to zero, after a linear warm-up) or "constant".
        warmup_epochs: epochs over which the learning rate rises from zero.
        batch_norm_batches: batches of unchanged Training faces on which the batch-norm statistics are estimated anew
            after each epoch; 0 keeps the moving averages of training.
        augmentation: None lets the frozen part be computed once and cached.
        weights: "imagenet", or None for random weights (tests only).
        continues: name of the recipe whose trained network (same seed) this one starts from; None: from `weights`.
        stop_at_training_accuracy: end before `epochs` once accuracy on the rows learned from is this high, 0–1: as
            watched, where these are validated on, else while learning.
        batch_norm_momentum: of the moving statistics of trained batch norms (Keras' MobileNetV2 has 0.999).
        frozen_batch_norm: "inference" (moving averages, as Keras 3 does), "batch_statistics" (gamma and beta held,
            statistics of each training batch, averages follow) or "batch_statistics_averages_kept" (the same, but
            ImageNet's averages stay for inference, as in some early versions of Keras; see keras-team/keras#9965).
        copies: None, or which copies of rare emotions join Training: a key of `augmentation.COPIES`.
        class_weights: weigh each face's loss by the inverse frequency of its class.
        folds: cross-validate inside Training in so many folds; 0 trains on all of it.
        val_is_train_as_published: validate on the training rows, as the published 96.9 % did. Only for the audit.
        pool_all_splits_as_published: shuffle the official splits together first. Only for the audit.
        augment_before_split_as_published: add copies of rare emotions, then split. Only for the audit.
        watch_private_test_for_audit: take PrivateTest's accuracy after every epoch. Only for the audit.
        ferplus_blend: share of FER+'s distribution of votes in the targets of Training faces, 0–1 (see `targets`).
        ferplus_only: learn from FER+'s votes alone; faces without votes for any of the seven emotions are left out.
        ferplus_auxiliary: weight of a second loss, by which the pooled features also learn FER+'s eight classes from a
            linear head of their own; the head is dropped when the network is saved.
        teachers: names of trained runs whose averaged answers on Training faces are learned, too; of a run in folds
            those on the faces held out.
        distillation: share of the teachers' answers in the targets, 0–1.
        distillation_temperature: the teachers' logits are divided by it, which makes their answers softer.
        ema: decay of a moving average of the weights, which is what is evaluated and saved; 0 keeps the last weights.
            The decay rises from 0.1 to this value over the first steps.
        cycles: in so many cycles of equal length the cosine schedule falls to zero. With more than one, each begins
            anew at `learning_rate`, without a warm-up, and what is evaluated and saved is the mean of the weights that
            the cycles ended with (Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
            Generalization", 2018, arXiv:1803.05407).
        stages: training in sizes that grow, as ((input_px, epochs), …); empty: all epochs at `input_px`.
        validate_every: look at PublicTest after every so many epochs, and after the last.
        full_batches: leave out what an epoch has beyond its full batches, other faces each time: an accelerator
            compiles the step anew for each size of a batch.
        drop_conflicting: leave out Training faces that are constant, or identical to one with another label.
        sharpness_radius: how far against the gradient the weights are moved before the gradient is taken that they
            learn from (sharpness-aware minimisation, see `sharpness`; on TensorFlow only); 0: not at all.
        stem_stride: stride of the first convolution. With 1, a face of 48 px has the feature maps that one of 96 px has
            with MobileNetV2's own stride of 2.
    """

    name: str
    display_name: str
    regime: str
    epochs: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    input_px: int = 96
    scaling: str = "symmetric"
    head: str = "linear"
    dropout: float = 0.2
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    schedule: str = "cosine"
    warmup_epochs: float = 0.5
    label_smoothing: float = 0.0
    batch_norm_batches: int = 60
    augmentation: Augmentation | None = None
    weights: str | None = "imagenet"
    continues: str | None = None
    stop_at_training_accuracy: float | None = None
    batch_norm_momentum: float = 0.999
    frozen_batch_norm: str = "inference"
    copies: str | None = None
    class_weights: bool = False
    folds: int = 0
    val_is_train_as_published: bool = False
    pool_all_splits_as_published: bool = False
    augment_before_split_as_published: bool = False
    watch_private_test_for_audit: bool = False
    ferplus_blend: float = _later(0.0)
    ferplus_only: bool = _later(False)
    ferplus_auxiliary: float = _later(0.0)
    teachers: tuple[str, ...] = _later(())
    distillation: float = _later(0.0)
    distillation_temperature: float = _later(1.0)
    ema: float = _later(0.0)
    cycles: int = _later(1)
    stages: tuple[tuple[int, int], ...] = _later(())
    validate_every: int = _later(1)
    full_batches: bool = _later(False)
    drop_conflicting: bool = _later(False)
    sharpness_radius: float = _later(0.0)
    stem_stride: int = _later(2)

    def __post_init__(self):
        if self.stages and (self.stages[-1][0], sum(epochs for _, epochs in self.stages)) != (
            self.input_px,
            self.epochs,
        ):
            raise DataError(
                f"The stages of {self.name} are {self.stages}, but it has {self.epochs} epochs and ends at "
                f"{self.input_px} px. Make their epochs add up to `epochs`, and the last size `input_px`."
            )
        if self.cycles > 1 and (self.epochs % self.cycles or self.schedule != "cosine" or self.ema):
            raise DataError(
                f"{self.name} has {self.cycles} cycles in {self.epochs} epochs, schedule {self.schedule!r}, ema "
                f"{self.ema:g}. Give epochs that the cycles share equally, the schedule 'cosine', and no `ema`: the "
                "cycles' ends are averaged."
            )
        if bool(self.teachers) != (self.distillation > 0):
            raise DataError(
                f"{self.name} names {len(self.teachers)} teachers and learns a share of {self.distillation} from them. "
                "Give both `teachers` and `distillation`, or neither."
            )

    @property
    def uses_ferplus(self) -> bool:
        """Whether FER+'s votes on Training faces are learned from."""
        return self.ferplus_only or self.ferplus_blend > 0 or self.ferplus_auxiliary > 0

    @property
    def averages_weights(self) -> bool:
        """Whether the network that is evaluated and saved has an average of the weights, not the last ones."""
        return self.ema > 0 or self.cycles > 1

    def by_stage(self) -> list[tuple["Recipe", int]]:
        """List the recipe as it is at each size, with the number of epochs that are finished at the stage's end."""
        if not self.stages:
            return [(self, self.epochs)]
        ends = itertools.accumulate(epochs for _, epochs in self.stages)
        return [
            (dataclasses.replace(self, input_px=size_px, stages=()), end)
            for (size_px, _), end in zip(self.stages, ends, strict=True)
        ]

    @property
    def last_frozen_layer(self) -> str | None:
        """Name of the last frozen layer of MobileNetV2, or None."""
        return LAST_FROZEN_LAYER[self.regime]

    def settings(self) -> dict:
        """Return what decides the result, as `run.json` holds it.

        The name in figures is left out, and so are switches that joined later, where they are off: a record or
        checkpoint made before them still fits its recipe.
        """
        values = _settings(self)
        del values["display_name"]
        return values

    @property
    def expected(self) -> Expected | None:
        """The result to expect of training this recipe, or None as long as nothing was measured."""
        if self.name not in MEASURED:
            return None
        part, accuracy_percent = MEASURED[self.name]
        seed = registry.usual_seed(self.name)
        chosen = f" --seed {seed}" if seed != store.FIRST_SEED else ""
        final = f", then evaluate {self.name} --final" if part == "PrivateTest" else ""
        return Expected(part, accuracy_percent, SPREAD_POINTS, f"train {self.name}{chosen} --retrain{final}")

    def key(self) -> str:
        """Return a short hash of `settings()`; checkpoints of another version of a recipe are never resumed."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()[:12]


TL_TOP = Recipe(
    name="tl_top",
    display_name="TL top",
    regime="top",
    epochs=40,
    learning_rate=2e-3,
)

TL_100 = Recipe(
    name="tl_100",
    display_name="TL 100",
    regime="100",
    epochs=6,
    dropout=0.4,
    label_smoothing=0.1,
)

TL_WHOLE = Recipe(
    name="tl_whole",
    display_name="TL whole",
    regime="whole",
    epochs=10,
    label_smoothing=0.1,
    augmentation=Augmentation(contrast=0.2, brightness=0.1),
)

OLD = {
    "input_px": 48,
    "scaling": "unit",
    "head": "two_dense",
    "dropout": 0.5,
    "optimizer": "rmsprop",
    "weight_decay": 0.0,
    "learning_rate": 1e-4,
    "schedule": "constant",
    "warmup_epochs": 0.0,
    "batch_size": 32,
    "batch_norm_batches": 0,
    "epochs": 10,
}
"""Settings of the older repository (j-truong/Emotion-Detection, 2020); its three regimes train one network in turn."""

PUBLISHED_ACCURACY = 0.969139
"""Its headline: "validation" accuracy, on its training rows."""

AS_PUBLISHED = {"val_is_train_as_published": True, "pool_all_splits_as_published": True}

PUBLISHED_TOP = Recipe("published_top", "TL top as published", "top", **OLD, **AS_PUBLISHED)
PUBLISHED_100 = Recipe("published_100", "TL 100 as published", "100", **OLD, **AS_PUBLISHED, continues="published_top")
PUBLISHED_WHOLE = Recipe(
    "published_whole",
    "TL whole as published",
    "whole",
    **(OLD | {"epochs": 80}),
    **AS_PUBLISHED,
    continues="published_100",
    stop_at_training_accuracy=PUBLISHED_ACCURACY,
)
HONEST_TOP = Recipe("honest_top", "TL top, old settings", "top", **OLD)
HONEST_100 = Recipe("honest_100", "TL 100, old settings", "100", **OLD, continues="honest_top")
HONEST_WHOLE = Recipe(
    "honest_whole",
    "TL whole, old settings",
    "whole",
    **(OLD | {"epochs": 40}),
    continues="honest_100",
    stop_at_training_accuracy=PUBLISHED_ACCURACY,
    watch_private_test_for_audit=True,
)
"""The same settings on the official split: what the published figure would have been."""

_MOMENTUM = {"batch_norm_momentum": 0.9}
_BATCH = {"frozen_batch_norm": "batch_statistics"}
_KEPT = {"frozen_batch_norm": "batch_statistics_averages_kept"}
GAP = tuple(
    dataclasses.replace(replay, name=name, display_name=words, **changes)
    for name, words, replay, changes in (
        ("gap_top_batch", "TL top, batch statistics", PUBLISHED_TOP, _BATCH),
        ("gap_top_kept", "TL top, batch statistics, averages kept", PUBLISHED_TOP, _KEPT),
        ("gap_100_momentum", "TL 100, momentum 0.9", PUBLISHED_100, _MOMENTUM),
        ("gap_100_batch", "TL 100, batch statistics", PUBLISHED_100, _BATCH),
        ("gap_100_both", "TL 100, momentum 0.9 and batch statistics", PUBLISHED_100, _MOMENTUM | _BATCH),
        ("gap_100_kept", "TL 100, batch statistics, averages kept", PUBLISHED_100, _KEPT),
    )
)
"""The replays of TL top and TL 100 with batch norm switched."""

AUGMENTED_BEFORE_SPLIT = dataclasses.replace(
    TL_100,
    name="augmented_before_split",
    display_name="TL 100, augmented before splitting",
    input_px=48,
    augment_before_split_as_published=True,
)
TL_100_48 = dataclasses.replace(TL_100, name="tl_100_48", display_name="TL 100, 48 px", input_px=48)
TL_100_48_UNIT = dataclasses.replace(
    TL_100_48, name="tl_100_48_unit", display_name="TL 100, 48 px, scaled to [0, 1]", scaling="unit"
)
TL_100_UNIT = dataclasses.replace(TL_100, name="tl_100_unit", display_name="TL 100, scaled to [0, 1]", scaling="unit")

RARE_ARMS = {
    "plain": ("nothing", {}),
    "published": ("copies as published", {"copies": "published"}),
    "sensible": ("sensible copies", {"copies": "sensible"}),
    "repeated": ("oversampled", {"copies": "repeated"}),
    "weights": ("class weights", {"class_weights": True}),
}
"""Ways to help Disgust and Surprise: name → words for figures, and what changes in TL 100 at 48 px."""

RARE_FOLDS = tuple(
    dataclasses.replace(TL_100_48, name=f"rare_{arm}", display_name=words, folds=5, **changes)
    for arm, (words, changes) in RARE_ARMS.items()
)
RARE_OFFICIAL = tuple(
    dataclasses.replace(TL_100_48, name=f"tl_100_48_{arm}", display_name=f"TL 100, 48 px, {words}", **changes)
    for arm, (words, changes) in RARE_ARMS.items()
    if changes
)

AUDIT = (
    PUBLISHED_TOP,
    PUBLISHED_100,
    PUBLISHED_WHOLE,
    HONEST_TOP,
    HONEST_100,
    HONEST_WHOLE,
    *GAP,
    AUGMENTED_BEFORE_SPLIT,
    TL_100_48,
    TL_100_48_UNIT,
    TL_100_UNIT,
)
"""The runs of the audit, in an order in which each finds what it starts from."""

ABLATION_BASES = {
    name: Recipe(regime="whole", augmentation=Augmentation(contrast=0.2, brightness=0.1), **settings)
    for name, settings in arms.BASES.items()
}


def _arm(part: str, name: str, words: str, changes: dict) -> Recipe:
    """Return the base of a round with some settings changed; those of augmentation one by one."""
    base = ABLATION_BASES[part]
    augmentation = dataclasses.replace(base.augmentation, **changes.get("augmentation", {}))
    return dataclasses.replace(
        base,
        name=arms.recipe_name(part, name),
        display_name=words,
        **(changes | {"augmentation": augmentation}),
    )


ABLATIONS = tuple(
    recipe
    for part, base in ABLATION_BASES.items()
    for recipe in (base, *(_arm(part, name, *arm) for name, arm in arms.ARMS[part].items()))
)
"""What each change alone is worth (see `ablations`)."""

WHOLE_LONGER = Recipe(
    name="whole_longer",
    display_name="TL whole for longer",
    regime="whole",
    epochs=24,
    learning_rate=1.4e-3,
    warmup_epochs=1.0,
    weight_decay=0.05,
    dropout=0.3,
    label_smoothing=0.1,
    validate_every=4,
    augmentation=Augmentation(
        rotation_deg=20.0,
        zoom=0.15,
        shear=0.1,
        contrast=0.3,
        brightness=0.15,
        blur_px=1.0,
        noise=0.08,
        jpeg_quality=20,
        poor_camera=0.1,
        erasing=0.2,
    ),
)
"""More epochs, from faces that differ more: alone it does not pay, as one of the teachers it does."""

TAUGHT = dataclasses.replace(
    TL_WHOLE,
    name="taught",
    display_name="TL taught",
    continues="tl_whole",
    teachers=("tl_whole-s0", "tl_whole-s1", "whole_longer-s0"),
    distillation=0.5,
    ferplus_auxiliary=0.5,
    label_smoothing=0.0,
    epochs=20,
    cycles=5,
    learning_rate=5e-4,
    warmup_epochs=0.0,
    dropout=0.3,
    validate_every=4,
    augmentation=Augmentation(rotation_deg=20.0, zoom=0.15, shear=0.1, contrast=0.3, brightness=0.15),
)
"""TL whole, then five short cycles whose ends are averaged, taught by three networks that began alone and, by a head
that is dropped afterwards, by FER+'s votes."""

TAUGHT_FERPLUS = dataclasses.replace(
    TAUGHT,
    name="taught_ferplus",
    display_name="TL taught, FER+ targets",
    continues="taught",
    teachers=(),
    distillation=0.0,
    ferplus_auxiliary=0.0,
    ferplus_only=True,
    epochs=8,
    cycles=2,
)
"""Two cycles more on FER+'s votes alone: answers as ten people would give them, not as FER2013's labels have it. Its
aim is FER+'s strict majority."""

BEST = dataclasses.replace(
    TAUGHT,
    name="best",
    display_name="TL best",
    continues="taught",
    teachers=("taught-s0", "taught-s1", "taught-s2"),
    epochs=28,
    cycles=7,
    batch_size=128,
    full_batches=True,
    learning_rate=7e-4,
    validate_every=12,
)
"""The best recipe: TL taught, then seven cycles more, taught by its three seeds together; in batches that suit an
accelerator."""

BEST_TWO_CORES = dataclasses.replace(
    BEST,
    name="best_two_cores",
    display_name="TL best, two cores",
    epochs=20,
    cycles=5,
    batch_size=64,
    full_batches=False,
    learning_rate=5e-4,
    validate_every=4,
)
"""The same in five cycles, on two cores: what it comes to without an accelerator."""

RECIPES = {
    recipe.name: recipe
    for recipe in (
        TL_TOP,
        TL_100,
        TL_WHOLE,
        *AUDIT,
        *RARE_FOLDS,
        *RARE_OFFICIAL,
        *ABLATIONS,
        WHOLE_LONGER,
        TAUGHT,
        TAUGHT_FERPLUS,
        BEST,
        BEST_TWO_CORES,
    )
}
REGIMES = ("tl_top", "tl_100", "tl_whole")
"""The three regimes of transfer learning, in the order in which figures show them."""


def get_recipe(name: str) -> Recipe:
    """Return the recipe of this name.

    Raises:
        UnknownNameError: there is none; the message names the nearest.
    """
    if name not in RECIPES:
        raise UnknownNameError(f"There is no recipe {name!r}. {store.nearest(name, list(RECIPES))}")
    return RECIPES[name]


def differing(recipe: Recipe, base: Recipe) -> dict[str, tuple]:
    """Return which settings of a recipe are not those of another: name → (the recipe's, the other's).

    Settings of augmentation are told apart one by one, as `augmentation.<name>`.
    """
    own, others = _flat(recipe), _flat(base)
    return {name: (own[name], others[name]) for name in own if own[name] != others[name]}


def _flat(recipe: Recipe) -> dict:
    values = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    changes = dataclasses.asdict(
        values.pop("augmentation") or Augmentation(flip=False, rotation_deg=0, shift=0, zoom=0)
    )
    del values["name"], values["display_name"]
    return values | {f"augmentation.{name}": value for name, value in changes.items()}


def from_settings(values: dict) -> Recipe:
    """Return the recipe that a record's `recipe` describes; what joined later is at its default."""
    known = {field.name for field in dataclasses.fields(Recipe)}
    values = {"display_name": values["name"]} | {name: value for name, value in values.items() if name in known}
    if values.get("augmentation"):
        values["augmentation"] = Augmentation(**values["augmentation"])
    values["teachers"] = tuple(values.get("teachers", ()))
    values["stages"] = tuple(map(tuple, values.get("stages", ())))
    return Recipe(**values)


def fast_version(recipe: Recipe) -> Recipe:
    """Return a recipe that runs in seconds and shows only that the code works: one epoch, 48 px, random weights.

    Folds are two at most; FER+'s votes and teachers, which are not of the drawn sample, are left out.
    """
    return dataclasses.replace(
        recipe,
        epochs=1,
        input_px=48,
        batch_size=32,
        weights=None,
        batch_norm_batches=4,
        warmup_epochs=0.0,
        folds=min(recipe.folds, 2),
        stages=(),
        cycles=1,
        ferplus_blend=0.0,
        ferplus_only=False,
        ferplus_auxiliary=0.0,
        teachers=(),
        distillation=0.0,
    )
