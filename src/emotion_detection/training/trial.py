"""Experiments of one's own: a recipe with changes, on some of the faces, recorded under a name of its own.

A record overwrites no other. All of PublicTest is kept, so a trial can be held against the recorded run. It goes to the
output folder (`output/`, or `EMOTION_OUTPUT_DIR`).
"""

import contextlib
import dataclasses
import numbers

import numpy as np
from sklearn.model_selection import train_test_split

from emotion_detection import paths
from emotion_detection.data import FaceDataset, load_sample, selection
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.evaluation import formatting
from emotion_detection.runs import store
from emotion_detection.training import catalog
from emotion_detection.training.recipe import Recipe

OVERHEAD_MINUTES = 0.4


@dataclasses.dataclass(frozen=True)
class Trial:
    """What is to be trained, or was: a recipe under a free name, the faces, and the run if it is recorded already."""

    recipe: Recipe
    dataset: FaceDataset
    seed: int
    recorded: store.Run | None
    announcement: str
    """What is trained, on what, and for how long, or where it was read; Markdown."""

    def run(self) -> store.Run:
        """Return the recorded run; train it if there is none."""
        if self.recorded is not None:
            return self.recorded
        from emotion_detection.training import trainer

        with _output():
            return trainer.train(self.recipe, self.dataset, seed=self.seed)


def plan(
    base: str, *, name: str | None = None, faces: int | None = None, seed: int = 0, fast: bool = False, **changes
) -> Trial:
    """Return what would be trained; arguments and errors are those of `emotion_detection.try_recipe`.

    With `fast` it is one epoch from random weights on the drawn sample.
    """
    if not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**31:
        raise DataError(f"The seed is {seed!r}. Pass a whole number of 0 or more.")
    original = catalog.get_recipe(base)
    recipe = (original.replace(continues=None).fast() if fast else original).replace(**changes)
    dataset = _faces_or_sample(fast=fast)
    is_drawn = "sample" in dataset.name
    lacks = is_drawn and faces is not None and faces > len(dataset.training)
    if faces is not None and not lacks:
        dataset = _fewer_training_faces(dataset, faces, seed)
    if is_drawn and paths.find_file(*paths.IMAGENET_FILES) is None:
        recipe = recipe.replace(weights=None)
    with _output():
        recipe, recorded = _free_name(recipe, name, dataset, seed)
        where = formatting.code(paths.displayed(paths.results_dir()))
    if recorded is not None:
        drawn = " It learned from **drawn faces**, so no score is a result." if recorded.is_sample else ""
        said = f"Read as it was trained before: `{recorded.name}` in {where}.{drawn}"
    else:
        first = "" if recipe.network.weights else ", random first weights"
        kind = f"**drawn faces{first}** (no FER2013, so no score is a result)" if is_drawn else "faces"
        kind += f", all that there are ({faces:,} were asked for)" if lacks else ""
        duration = "seconds" if fast else expected_time(base, recipe, len(dataset.training))
        said = f"Training `{recipe.name}-s{seed}` on {len(dataset.training):,} {kind}: {duration}."
    return Trial(recipe, dataset, seed, recorded, said)


def expected_time(base: str, recipe: Recipe, faces: int) -> str:
    """Return in words how long a training takes, going by the record of the recipe that it is made from."""
    if not store.is_recorded(base):
        return "how long is not known, since this recipe was not recorded yet"
    run = store.load_run(base)
    recorded = run.info["data"]["counts"]["Training"] * len(run.history) * run.info["recipe"]["input_px"] ** 2
    minutes = run.minutes * faces * recipe.optimisation.epochs * recipe.network.input_px**2 / recorded
    minutes += OVERHEAD_MINUTES  # building the network, and PublicTest
    cores = run.info["hardware"]["cores"]
    return f"about {max(1, round(minutes))} min, if this machine is like the record's ({cores} cores)"


def _output() -> contextlib.AbstractContextManager:
    """Within the block, write to the output folder."""
    return paths.writing_to(paths.scratch_dir()) if paths.output_dir() is None else contextlib.nullcontext()


def _faces_or_sample(*, fast: bool) -> FaceDataset:
    """Return what an experiment learns from: as everywhere, but drawn faces where FER2013 is not there."""
    try:
        return selection.chosen_dataset(fast=fast)
    except MissingFileError:
        if paths.pictures_dir() is not None:
            raise
        return load_sample()


def _free_name(recipe: Recipe, name: str | None, dataset: FaceDataset, seed: int) -> tuple[Recipe, store.Run | None]:
    """Name a changed recipe so that it overwrites no record of another; return it, and its record if there is one."""
    if name in catalog.RECIPES:
        raise DataError(f"{name!r} is a recipe of the project. Give your experiment another name.")
    for number in range(1, 1000):
        chosen_name = name or f"{recipe.name}_try{number if number > 1 else ''}"
        label = name or f"{recipe.display_name}, tried{f' ({number})' if number > 1 else ''}"
        named = recipe.replace(name=chosen_name, display_name=label)
        if not store.is_recorded(f"{chosen_name}-s{seed}", here=True):
            return named, None
        run = store.load_run(f"{chosen_name}-s{seed}", here=True)
        same = named.settings() | {"display_name": label} == run.info["recipe"]
        if same and run.info["data"]["fingerprint"] == dataset.fingerprint:
            return named, run
        if name is not None:
            raise DataError(
                f"{run.name} is recorded in {paths.displayed(paths.results_dir())} with other settings or faces, and "
                "an experiment overwrites no other. Give another name, or delete its folder."
            )
    raise DataError(f"There are 999 experiments named {recipe.name}_try. Give this one a name of its own: name=….")


def _fewer_training_faces(dataset: FaceDataset, count: int, seed: int) -> FaceDataset:
    """Keep some Training faces, with the shares of the emotions, and all of the other splits."""
    training = np.flatnonzero(dataset.usage == "Training")
    if count == len(training):
        return dataset
    labels = dataset.emotion[training]
    least = len(np.unique(labels))
    most = len(training) - least
    if not isinstance(count, numbers.Integral) or not least <= count <= most:
        raise DataError(
            f"{count!r} faces were asked for. {dataset.name} has {len(training):,} Training faces of {least} emotions, "
            f"whose shares are kept: ask for {least} to {most:,}, or for all."
        )
    chosen, _ = train_test_split(training, train_size=count, stratify=labels, random_state=seed)
    kept = dataset[np.sort(np.concatenate([chosen, np.flatnonzero(dataset.usage != "Training")]))]
    note = f"{count:,} of {len(training):,} Training faces, drawn by seed {seed}"
    return dataclasses.replace(kept, notes=(*dataset.notes, note))
