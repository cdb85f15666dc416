"""What a notebook calls: recorded runs by name, experiments of one's own, tables and figures."""

import dataclasses
import logging
import sys

import pandas as pd

from emotion_detection import paths
from emotion_detection.data import FaceDataset, selection
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.evaluation import ferplus_scores, formatting
from emotion_detection.runs import store
from emotion_detection.training import catalog, trial

log = logging.getLogger(__name__)

FAST_BANNER = (
    "**FAST mode: the drawn sample, one epoch, random first weights.** "
    "This shows that the code runs; no number below is a result."
)


@dataclasses.dataclass
class _Mode:
    fast: bool = False
    retrain: bool = False


_mode = _Mode()
"""What the notebook's parameters ask for; `setup` writes it."""


def setup(*, fast: bool = False, retrain: bool = False) -> None:
    """Prepare a notebook, and display where its numbers come from.

    Args:
        fast: train on the drawn sample for seconds; all output goes to a folder of its own, `output/fast`.
        retrain: have `get_run` train again what is recorded (hours; needs FER2013).
    """
    for name, value in {"fast": fast, "retrain": retrain}.items():
        if not isinstance(value, bool):
            raise DataError(f"{name} is {value!r}. Pass True or False.")
    _mode.fast, _mode.retrain = fast, retrain
    if fast and paths.output_dir() is None:
        paths.use_output_dir(paths.project_root() / "output" / "fast")
    _tell(_provenance())


def _provenance() -> str:
    """Return in a sentence or two what the notebook's numbers come from, in Markdown."""
    if paths.pictures_dir() is not None:
        fast = " FAST mode: one epoch, random first weights, so no number below is a result." if _mode.fast else ""
        pictures, results = paths.pictures_dir().name, paths.displayed(paths.results_dir())
        return (
            f"**Your own pictures, {formatting.code(pictures)}, in FER2013's place.** Runs on them are read from "
            f"{formatting.code(results)}, or trained; what the text says of FER2013 is not about them.{fast}"
        )
    if _mode.fast:
        return FAST_BANNER
    where = f"Figures go to {formatting.code(paths.displayed(paths.figures_dir()))}."
    if _mode.retrain:
        return (
            "**RETRAIN: what this notebook makes is made again from FER2013**, runs where it trains them (hours), "
            f"summaries where it counts; what another notebook makes is read. {where}"
        )
    return f"Numbers come from the recorded runs in `data/results/`. {where}"


def get_run(name: str, *, train: bool = False, retrain: bool | None = None) -> store.Run:
    """Return a recorded run. It is looked for in `EMOTION_OUTPUT_DIR` first, then in the project.

    Nothing is trained unless it is asked for; then what is trained, and for how long, is said first. In FAST mode
    (`setup(fast=True)`) a run of the drawn sample is trained in seconds.

    Args:
        name: a recipe, such as "tl_whole", which means its first seed; a run, such as "tl_whole-s1"; or "shipped".
        train: train the run if it is not recorded.
        retrain: train it even if it is; None: as `setup` was asked.

    Raises:
        UnknownNameError: there is neither a run nor a recipe of this name.
        MissingFileError: the run is not recorded and `train` is not set, or training needs faces that are not there.
    """
    again = _mode.retrain if retrain is None else retrain
    recorded = _recorded(name)
    if recorded is not None and not again:
        return recorded
    recipe_name, seed = store.split_name(name)
    recipe = catalog.get_recipe(recipe_name)
    if not (train or again or _mode.fast or paths.pictures_dir() is not None):
        raise MissingFileError(
            f"The run {store.full_name(name)!r} is recorded neither in the output folder nor in the project. Train it: "
            f"get_run({name!r}, train=True), or python -m emotion_detection train {recipe_name} --seed {seed}."
        )
    return _train(recipe, seed, final=_mode.fast or (recorded is not None and recorded.is_final))


def _recorded(name: str) -> store.Run | None:
    """Return a run as recorded, or None; those of the drawn sample or of other pictures are not mixed with ours."""
    here = _mode.fast or paths.pictures_dir() is not None
    if not store.is_recorded(name, here=here):
        return None
    check_same_pictures(name)
    return store.load_run(name, here=here)


def _train(recipe: catalog.Recipe, seed: int, *, final: bool) -> store.Run:
    """Say what is trained and for how long, train it, and make it final where that is wanted."""
    name = f"{recipe.name}-s{seed}"
    dataset = _faces_for(name, fast=_mode.fast)
    if _mode.fast:
        recipe = recipe.replace(continues=None).fast()
        _tell(f"Training {recipe.display_name} on {len(dataset.training):,} drawn faces: seconds.")
    else:
        expected = trial.expected_time(recipe.name, recipe, len(dataset.training))
        _tell(f"Training {recipe.display_name} (`{name}`) on {len(dataset.training):,} faces: {expected}.")
    from emotion_detection.training import trainer  # with Keras, which takes seconds

    trainer.train(recipe, dataset, seed=seed, replace=True)
    final = final and not recipe.protocol.folds and not recipe.protocol.pool_all_splits_as_published
    return finalise(name, fast=_mode.fast) if final else store.load_run(name)


def try_recipe(base: str, *, name: str | None = None, faces: int | None = None, seed: int = 0, **changes) -> store.Run:
    """Train a recipe with changes of your own on some faces, and record it under a name of its own.

    All of PublicTest is kept, so the result can be held against the recorded run. The record goes to the output folder
    (`output/`, or `EMOTION_OUTPUT_DIR`). The same call again reads it; other changes get another name. What is trained,
    and for how long, is said first. Without FER2013 drawn faces are learned from, and that is said too.

    Args:
        base: recipe to start from, such as "tl_100".
        name: of the new recipe; by default `<base>_try`, numbered where that is taken by other settings.
        faces: how many Training faces to learn from, drawn by `seed` with the shares of the emotions kept; None: all.
        seed: of the faces drawn and of the network.
        changes: settings of the recipe, such as `learning_rate=3e-4` or `epochs=2`.

    Raises:
        UnknownNameError: there is no such recipe, or no such setting.
        DataError: `name` is taken by a record with other settings, or there are not so many faces.
    """
    planned = trial.plan(base, name=name, faces=faces, seed=seed, fast=_mode.fast, **changes)
    _tell(planned.announcement)
    return planned.run()


def show(frame: pd.DataFrame, *, fold: str | None = None) -> None:
    """Display a numeric table as readers want it: percent, intervals, units, headers in words.

    Args:
        frame: numeric, snake_case columns.
        fold: a title, under which the table is folded away until a reader opens it.
    """
    table = formatting.to_markdown(formatting.format_table(frame))
    _tell(table if fold is None else f"<details><summary>{fold}</summary>\n\n{table}\n</details>")


def save_figure(name: str, figure, *, source: str | None = None):
    """Write a figure and the numbers plotted in it, `<name>.png` and `<name>.json`; return it, so that a cell shows it.

    They go to `output/figures/`; run by `make figures` or `make notebooks` to the project's `figures/`.

    Args:
        name: such as "05_f1_by_emotion".
        figure: from a function of `plots`.
        source: what it is made from, one of `plots.saving.SOURCES`; by default a recorded run, or the drawn sample.
    """
    from emotion_detection.plots import saving, style

    usual = style.FAST if _mode.fast else saving.RECORDED_RUN
    saving.save(figure, name, source=source or figure.source or usual)
    return figure


def _tell(text: str) -> None:
    """Show Markdown in a notebook; on a terminal, write it as it is."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if getattr(shell, "kernel", None) is not None:
        from IPython.display import Markdown, display

        display(Markdown(text))
    else:
        sys.stdout.write(f"{text.rstrip()}\n")


def finalise(name: str, *, fast: bool = False) -> store.Run:
    """Predict PrivateTest for a finished run and record it, with counts against FER+ where the votes are at hand."""
    from emotion_detection.training import finalize

    finalize.check_not_final(store.load_run(name))

    dataset = selection.chosen_dataset(fast=fast)
    labels = selection.ferplus_labels(dataset)
    run = finalize.finalise(name, dataset, labels_ferplus=labels)
    return run if labels is None else ferplus_scores.record(name)


def recompute(name: str, split: str) -> store.Run:
    """Return a recorded run with one split's predictions, and its FER+ score where votes are there, made again.

    Raises:
        UnknownNameError: PrivateTest is asked for, and the run is not final.
        MissingFileError: the network or the faces are not on this machine.
    """
    from emotion_detection.training import finalize

    run = store.load_run(name)
    if split == "PrivateTest" and not run.is_final:
        raise UnknownNameError(
            f"{run.name} is not final. Predict PrivateTest first: python -m emotion_detection evaluate {run.name} "
            "--final"
        )
    store.trained_network(run.name)  # before the faces are read: raises where it is not on this machine
    dataset = selection.chosen_dataset()
    if dataset.fingerprint != run.info["data"]["fingerprint"]:
        log.warning("%s as it is here is not what %s was trained on.", dataset.name, run.name)
    predictions = finalize.recompute(run, dataset, split=split)
    data = {field: getattr(dataset, field) for field in ("name", "fingerprint", "has_official_rows")}
    info = run.info | {"data": data | {"notes": list(dataset.notes)}, "ferplus": {}}
    if (labels := selection.ferplus_labels(dataset)) is not None:
        strict = ferplus_scores.ferplus_strict(predictions, labels[predictions.row])
        info["ferplus"] = {split: strict | {"source": "recomputed"}}
    return dataclasses.replace(run, info=info, predictions={**run.predictions, split: predictions})


def check_same_pictures(name: str) -> None:
    """Raise DataError where a run is recorded for other pictures than the chosen folder holds now."""
    if paths.pictures_dir() is None:
        return
    trained, present = store.load_run(name).info["data"], selection.chosen_dataset()
    if trained["fingerprint"] != present.fingerprint:
        raise DataError(
            f"{store.full_name(name)} was trained on {sum(trained['counts'].values()):,} faces that are not the "
            f"{len(present):,} of {paths.pictures_dir()} as it is now. Train it again (--retrain), rename the folder "
            "to keep both, or put its pictures back."
        )


def _faces_for(name: str, *, fast: bool) -> FaceDataset:
    try:
        return selection.chosen_dataset(fast=fast)
    except MissingFileError as error:
        if paths.pictures_dir() is not None:
            raise  # it says itself what is missing
        raise MissingFileError(
            f"The run {name!r} is not recorded here, and training it needs FER2013. {error}"
        ) from error
