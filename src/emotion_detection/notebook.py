"""Ask for a run by name: recorded runs are read, missing ones are trained. What the notebooks call."""

import contextlib
import functools
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from emotion_detection import paths
from emotion_detection.data import FaceDataset, ferplus, folders, load_fer2013, load_pictures, load_sample
from emotion_detection.errors import DataError, MissingFileError, ProjectError
from emotion_detection.runs import store
from emotion_detection.training import catalog

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
    if paths.pictures_dir() is not None:
        return Markdown(
            f"**Your own pictures, `{paths.pictures_dir().name}`, in FER2013's place.** Runs on them are read from "
            f"`{paths.displayed(paths.results_dir())}`, or trained; what the text says of FER2013 is not about them."
            + (" FAST mode: one epoch, random first weights, so no number below is a result." if fast else "")
        )
    if fast:
        return Markdown(FAST_BANNER)
    if retrain:
        return Markdown(
            "**RETRAIN: what this notebook makes is made again from FER2013**, runs where it trains them (hours), "
            "summaries where it counts; what another notebook makes is read."
        )
    return Markdown("Numbers come from the recorded runs in `data/results/`.")


def obtain(name: str, *, fast: bool = False, retrain: bool = False, final: bool = False) -> store.Run:
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
    recipe_name, seed = store.split_name(name)
    recipe = catalog.get_recipe(recipe_name)
    final = final or (store.is_recorded(name) and store.load_run(name).is_final)
    if not retrain and store.is_recorded(name):
        check_same_pictures(name)
    else:
        from emotion_detection.training import cross_validation

        cross_validation.train(catalog.fast_version(recipe) if fast else recipe, _faces_for(name, fast=fast), seed=seed)
    run = store.load_run(name)
    return finalise(name, fast=fast) if final and not run.is_final else run


def finalise(name: str, *, fast: bool = False) -> store.Run:
    """Predict PrivateTest for a finished run and record it, with counts against FER+ where the votes are at hand."""
    from emotion_detection.evaluation import ferplus_scores
    from emotion_detection.training import finalize

    finalize.check_not_final(store.load_run(name))

    dataset = chosen_dataset(fast=fast)
    labels = ferplus_labels(dataset)
    run = finalize.finalise(name, dataset, labels_ferplus=labels)
    return run if labels is None else ferplus_scores.record(name)


def chosen_dataset(*, fast: bool = False) -> FaceDataset:
    """Return what runs are trained on: a reader's own pictures where `EMOTION_PICTURES` names them, else FER2013.

    Args:
        fast: the drawn sample in FER2013's place.
    """
    folder = paths.pictures_dir()
    if folder is not None:
        return _pictures(folder, _state_of(folder))
    return fast_sample() if fast else load_fer2013()


@functools.lru_cache(maxsize=1)
def _pictures(folder: Path, state: int) -> FaceDataset:
    return load_pictures(folder)


def _state_of(folder: Path) -> int:
    """Return a number that changes with any file of a folder, so that pictures are read once and no more."""
    stats = {path: path.stat() for path in sorted(folder.rglob("*")) if path.is_file()}
    return hash(tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()))


def check_same_pictures(name: str) -> None:
    """Raise DataError where a run is recorded for other pictures than the chosen folder holds now."""
    if paths.pictures_dir() is None:
        return
    trained, present = store.load_run(name).info["data"], chosen_dataset()
    if trained["fingerprint"] != present.fingerprint:
        raise DataError(
            f"{store.full_name(name)} was trained on {sum(trained['counts'].values()):,} faces that are not the "
            f"{len(present):,} of {paths.pictures_dir()} as it is now. Train it again (--retrain), rename the folder "
            "to keep both, or put its pictures back."
        )


@contextlib.contextmanager
def own_pictures(folder: Path | str) -> Iterator[None]:
    """Have a folder of pictures take FER2013's place: runs are trained on it and recorded apart (see `paths`)."""
    before = os.environ.get("EMOTION_PICTURES", "")
    os.environ["EMOTION_PICTURES"] = str(Path(folder).expanduser().resolve())
    try:
        yield
    finally:
        os.environ["EMOTION_PICTURES"] = before


def drawn_pictures() -> Path:
    """Write drawn faces as a folder of pictures, two of its files no pictures on purpose, to show how one is read.

    Returns:
        The folder `drawn_faces` in `EMOTION_OUTPUT_DIR`, or in `output/`.
    """
    folder = (paths.output_dir() or paths.project_root() / "output") / "drawn_faces"
    folders.write_pictures(fast_sample(), folder)
    (folder / "happy" / "empty.jpg").touch()
    (folder / "sad" / "letter.txt").write_text("This is no picture.", encoding="utf-8")
    return folder


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


def _faces_for(name: str, *, fast: bool) -> FaceDataset:
    try:
        return chosen_dataset(fast=fast)
    except MissingFileError as error:
        if paths.pictures_dir() is not None:
            raise  # it says itself what is missing
        raise MissingFileError(
            f"The run {name!r} is not recorded here, and training it needs FER2013. {error}"
        ) from error
