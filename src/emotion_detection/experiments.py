"""Ask for a run by name: recorded runs are read, missing ones are trained. What the notebooks call."""

import logging
import os

from emotion_detection import paths, recipes, runs
from emotion_detection.datasets import FaceDataset, ferplus, load_fer2013, load_sample
from emotion_detection.errors import MissingFileError, ProjectError

log = logging.getLogger(__name__)

FAST_FACES = 420
FAST_BANNER = (
    "**FAST mode: the drawn sample, one epoch, random first weights.** "
    "This shows that the code runs; no number below is a result."
)


def begin(*, fast: bool = False, retrain: bool = False):
    """Prepare a notebook: in FAST mode send all output to a folder of its own and return a banner to show.

    Returns:
        IPython Markdown that says what the numbers below come from.
    """
    from IPython.display import Markdown

    if fast:
        os.environ.setdefault("EMOTION_OUTPUT_DIR", str(paths.project_root() / "output" / "fast"))
        return Markdown(FAST_BANNER)
    if retrain:
        return Markdown(
            "**RETRAIN: what this notebook makes is made again from FER2013**, runs where it trains them (hours), "
            "summaries where it counts; what another notebook makes is read."
        )
    return Markdown("Numbers come from the recorded runs in `data/results/`.")


def obtain(name: str, *, fast: bool = False, retrain: bool = False, final: bool = False) -> runs.Run:
    """Return a run: as recorded, or trained when it is not recorded (or when asked for).

    Args:
        name: a run's name, such as "tl_whole" or "tl_whole-s1".
        fast: train on the drawn sample for one epoch with random first weights.
        retrain: train even if the run is recorded.
        final: also predict PrivateTest where that is not done yet; a final run that is trained again is made final.

    Raises:
        UnknownNameError: no recipe of this name.
        MissingFileError: the run must be trained and FER2013 is not there.
    """
    recipe_name, seed = runs.split_name(name)
    recipe = recipes.get_recipe(recipe_name)
    final = final or (runs.is_recorded(name) and runs.load_run(name).is_final)
    if retrain or not runs.is_recorded(name):
        from emotion_detection import crossval

        dataset = fast_sample() if fast else _fer2013_for(name)
        crossval.train(recipes.fast_version(recipe) if fast else recipe, dataset, seed=seed)
    run = runs.load_run(name)
    return finalise(name, fast=fast) if final and not run.is_final else run


def finalise(name: str, *, fast: bool = False) -> runs.Run:
    """Predict PrivateTest for a finished run and record it, with counts against FER+ where the votes are at hand."""
    from emotion_detection import ferplus_scores, final

    final.check_not_final(runs.load_run(name))

    dataset = fast_sample() if fast else load_fer2013()
    labels = None if fast else ferplus_labels(dataset)
    run = final.finalise(name, dataset, labels_ferplus=labels)
    return run if labels is None else ferplus_scores.record(name)


def fast_sample() -> FaceDataset:
    """Return the drawn faces that FAST mode trains on."""
    return load_sample(FAST_FACES, seed=0)


def fer2013_or_sample() -> FaceDataset:
    """Return FER2013 where it is found, else the drawn sample; its `name` says which."""
    try:
        return load_fer2013()
    except ProjectError as error:  # not there, damaged or altered
        log.warning("The drawn sample is shown instead of FER2013: %s", error)
        return load_sample()


def ferplus_labels(dataset: FaceDataset):
    """Return FER+ strict-majority labels per row of FER2013 (int8; 7 contempt, -1 none).

    None without the votes, or where the faces' row numbers are not FER2013's (a JPEG copy), so that none can be joined.
    """
    if not dataset.has_official_rows or ferplus.find() is None:
        return None
    return ferplus.strict_majority_labels(range(int(dataset.row.max()) + 1))


def _fer2013_for(name: str) -> FaceDataset:
    try:
        return load_fer2013()
    except MissingFileError as error:
        raise MissingFileError(
            f"The run {name!r} is not recorded here, and training it needs FER2013. {error}"
        ) from error
