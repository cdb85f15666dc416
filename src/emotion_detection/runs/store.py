"""Reading and writing recorded runs: `data/results/<run>/` with `run.json`, `history.csv` and `predictions.npz`.

A run is named `<recipe>-s<seed>`; a bare recipe name means the run of it that is shipped, else its first seed, and
"shipped" the run whose network is shipped. Runs are read from `EMOTION_OUTPUT_DIR` first, then from the project, then
from `output/`, where experiments are recorded; they are written to `EMOTION_OUTPUT_DIR` alone, where it is set.

`predictions.npz` holds, for each split that was predicted, `<split>_row` int32 (n,), `<split>_label` int8 (n,)
(FER2013 labels) and `<split>_logits` float32 (n, 7). PrivateTest is in it only once the run is final.
"""

import dataclasses
import difflib
import functools
import shlex
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection import files, locks, paths
from emotion_detection.data import tables
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.runs import registry
from emotion_detection.runs.registry import RUN_NAME, SHIPPED_RUN
from emotion_detection.runs.run import Predictions, Run

FIRST_SEED = registry.FIRST_SEED
VIEWS = "_views"
"""Ends the name of a part whose answers are averaged over several views of each face (see `training.finalize`)."""

RECORDED_PARTS = (
    "PublicTest",
    "PrivateTest",
    "Training",
    "Unseen",
    "Folds",
    f"PublicTest{VIEWS}",
    f"PrivateTest{VIEWS}",
)
"""What predictions may be about: the official test splits; in the audit also the rows that a network learned from, and
those that it never saw, and all of Training predicted in folds; and the test splits once more, averaged over views.
Logits of all but the first two are kept in half precision."""

REMAKE = "python -m emotion_detection train RECIPE --retrain"


def split_name(name: str) -> tuple[str, int]:
    """Return recipe and seed of a run's name; a bare recipe name gets the seed that is shipped, else `FIRST_SEED`."""
    match = RUN_NAME.fullmatch(registry.read_card()["run"] if name == SHIPPED_RUN else name)
    if match is None:
        raise UnknownNameError(
            f"{name!r} is not a run's name. Runs are named <recipe> or <recipe>-s<seed>, such as tl_whole-s0; "
            f"{SHIPPED_RUN!r} is the one whose network is shipped."
        )
    recipe, seed = match["recipe"], match["seed"]
    return recipe, int(seed) if seed is not None else registry.usual_seed(recipe)


def full_name(name: str) -> str:
    """Return `<recipe>-s<seed>` for a run's name with or without its seed."""
    recipe, seed = split_name(name)
    return f"{recipe}-s{seed}"


def run_dir(name: str) -> Path:
    """Return the folder that a run is written to, whether it exists or not; an experiment stays where it is."""
    folder, tried = paths.results_dir() / full_name(name), paths.scratch_dir() / "results" / full_name(name)
    return tried if tried.is_dir() and not folder.is_dir() else folder


def find_dir(name: str, *, here: bool = False) -> Path | None:
    """Return the folder that records a run, or None: where it is written to, else, unless `here`, the project's."""
    found = (folder / full_name(name) for folder in _folders(here, tried=True))
    is_there = functools.partial(locks.read_steadily, read=lambda folder: (folder / "run.json").is_file())
    return next(filter(is_there, found), None)


def _folders(here: bool, *, tried: bool = False) -> list[Path]:
    """Return the folders of recorded runs, in order, with `tried` that of experiments as the last.

    Those of a reader's own pictures are not mixed with FER2013's.
    """
    if here or paths.pictures_dir() is not None:
        return [paths.results_dir()]
    project = [paths.project_root() / "data" / "results", paths.scratch_dir() / "results"]
    return list(dict.fromkeys([paths.results_dir(), *project[: 1 + tried]]))


def weights_path(name: str) -> Path:
    """Return where training leaves a run's network on this machine (ignored by git)."""
    return paths.run_cache_dir() / "weights" / f"{full_name(name)}.keras"


def kept_path(name: str) -> Path:
    """Return where a run's network is in the repository, if it was kept (see `kept`)."""
    return paths.models_dir() / "kept" / f"{full_name(name)}.keras"


def trained_network(name: str, *, role: str = "The network of") -> Path:
    """Return the file of a run's network: what training left here, else what is shipped, or was kept, of the same run.

    Raises:
        MissingFileError: it is not here; the message begins with `role` and says how to train it.
    """
    path, output = weights_path(name), paths.scratch_dir()
    if find_dir(name) == output / "results" / path.stem:
        path = output / "cache" / "weights" / path.name
    if path.is_file():
        return path
    if is_recorded(name):
        run = load_run(name)
        shipped, kept = registry.card_path().with_suffix(".keras"), kept_path(name)
        if shipped.is_file() and registry.is_shipped(run):
            return shipped
        if kept.is_file() and _comment(kept) == run.info["finished"]:
            return kept
    recipe, seed = split_name(name)
    raise MissingFileError(
        f"{role} {full_name(name)} is not on this machine: {paths.displayed(path)} does not exist (the repository has "
        "the network of the shipped run, and those that were kept). Train it: "
        f"python -m emotion_detection train {recipe} --seed {seed} --retrain"
    )


def _comment(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment.decode()
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError):
        return ""


def recorded(*, here: bool = False, tried: bool = False) -> list[str]:
    """Return the names of recorded runs, sorted; with `here` only those where runs are written to, with `tried` also
    experiments."""
    found = {path.parent.name for folder in _folders(here, tried=tried) for path in folder.glob("*/run.json")}
    return sorted(name for name in found if not name.startswith("."))


def final_seeds(recipe: str) -> list[Run]:
    """Return the final runs of a recipe, by seed."""
    found = [load_run(name) for name in recorded() if split_name(name)[0] == recipe]
    return sorted((run for run in found if run.is_final), key=lambda run: run.info["seed"])


def is_recorded(name: str, *, here: bool = False) -> bool:
    """Return whether a run of this name is recorded; with `here` whether it is where runs are written to."""
    return find_dir(name, here=here) is not None


def nearest(name: str, known: list[str]) -> str:
    """Return a sentence that names the known name nearest to `name`, or lists all that are known."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else f"Known are: {', '.join(known) or 'none'}."


def load_run(name: str, *, here: bool = False) -> Run:
    """Read a recorded run; with `here` only from where runs are written to.

    Raises:
        UnknownNameError: no run of this name is recorded; the message names the nearest.
        DataError: a file of the record is damaged or missing.
    """
    return locks.read_steadily(_existing_dir(name, here=here), _read_run)


def _read_run(folder: Path) -> Run:
    run = Run(
        name=folder.name,
        info=_read_info(folder / "run.json"),
        history=_read_history(folder / "history.csv"),
        predictions=read_predictions(folder / "predictions.npz"),
    )
    if run.is_final and "final" not in run.info:
        raise files.damaged(folder / "run.json", "it lacks final, but predictions.npz holds PrivateTest", remake=REMAKE)
    return run


def load_info(name: str) -> dict:
    """Read the `run.json` of a recorded run alone.

    Raises:
        UnknownNameError: no run of this name is recorded.
        DataError: it is damaged.
    """
    return _read_info(_existing_dir(name) / "run.json")


def _existing_dir(name: str, *, here: bool = False) -> Path:
    folder = find_dir(name, here=here)
    if folder is None:
        recipe, seed = split_name(name)
        known, short = recorded(tried=True), [SHIPPED_RUN]
        searched = " or ".join(map(paths.displayed, _folders(here)))
        if not known and paths.pictures_dir() is not None:
            raise UnknownNameError(
                f"No run {name!r} is recorded in {searched}, nor any other on these pictures. Train one first: python "
                f"-m emotion_detection train {recipe} --pictures {shlex.quote(str(paths.pictures_dir()))}"
            )
        if not known:
            raise UnknownNameError(
                f"No run {name!r} is recorded in {searched}, nor any other. Work in the project's folder (git clone), "
                "which holds the recorded runs; an installed package does not."
            )
        short += dict.fromkeys(split_name(each)[0] for each in known)
        is_trained_before = recipe in short
        train = f"python -m emotion_detection train {recipe} --seed {seed} makes it."
        raise UnknownNameError(
            f"No run {name!r} is recorded in {searched}. {nearest(name, known if '-s' in name else short)} "
            + (train if is_trained_before else "`python -m emotion_detection runs` lists them all.")
        )
    return folder


def check_overwrite(name: str, recipe: dict) -> None:
    """Raise DataError where a run of this name is recorded, in the place that it is written to, with other settings."""
    path = run_dir(name) / "run.json"
    if not path.is_file():
        return
    earlier = _read_info(path)["recipe"]
    differing = sorted(key for key in earlier.keys() | recipe.keys() if earlier.get(key) != recipe.get(key))
    if differing:
        raise DataError(
            f"{full_name(name)} is recorded in {paths.displayed(path.parent)} with other settings "
            f"({', '.join(differing[:4])}), and a record is not overwritten. Give the recipe another name, set "
            "EMOTION_OUTPUT_DIR to another folder, or ask for it: --retrain (in Python replace=True)."
        )


def write_run(
    name: str, info: dict, history: pd.DataFrame, predictions: dict[str, Predictions], *, replace: bool = False
) -> Path:
    """Record a run: its files are written into a folder beside, which then takes the name.

    An interruption leaves no half record, and an earlier record of the same name stays until the new one is whole.

    Args:
        info: what goes into `run.json`.
        history: a row per epoch.
        replace: overwrite a record of this name that was made with other settings; else it raises DataError.
    """
    if not replace:
        check_overwrite(name, info["recipe"])
    with locks.folder_beside(run_dir(name)) as folder:
        write_predictions(folder / "predictions.npz", predictions)
        csv = history.to_csv(index=False, lineterminator="\n", float_format="%.6g")
        files.write_text(folder / "history.csv", csv)
        files.write_json(folder / "run.json", info)
    return run_dir(name)


def write_predictions(path: Path, predictions: dict[str, Predictions]) -> None:
    """Write predictions as one `.npz`, packed with LZMA: the pooled runs of the audit then stay below 500 kB."""
    arrays = {}
    for split, values in predictions.items():
        arrays[f"{split}_row"] = values.row.astype(np.int32)
        arrays[f"{split}_label"] = values.label.astype(np.int8)
        arrays[f"{split}_logits"] = values.logits.astype(_precision(split))
    with files.written_beside(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def as_recorded(predictions: Predictions, *, part: str | None = None) -> Predictions:
    """Return predictions with their logits as a record keeps them under the name `part` (None: that of their split)."""
    rounded = predictions.logits.astype(_precision(part or predictions.split)).astype(np.float32)
    return dataclasses.replace(predictions, logits=rounded)


def _precision(split: str) -> type:
    return np.float32 if split.endswith("Test") else np.float16


def _read_info(path: Path) -> dict:
    return files.read_json(path, remake=REMAKE, schema=INFO)


def _object(*required: str, **properties: dict) -> dict:
    return {"type": "object", "required": list(required), "properties": properties}


COUNT, POSITIVE = {"type": "integer", "minimum": 1}, {"type": "number", "exclusiveMinimum": 0}
TEXT, TEXTS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
ROW = {"type": "array", "minItems": 7, "maxItems": 7, "items": {"type": "integer", "minimum": 0}}
CONFUSION = {"type": "array", "minItems": 8, "maxItems": 8, "items": ROW}
SCORES = {"n": COUNT, "accuracy": {"type": "number"}, "confusion": CONFUSION}
INFO = _object(
    *("run", "recipe", "seed", "data", "metrics", "parameters", "hardware", "wall_time_s"),
    run=TEXT,
    recipe=_object(name=TEXT, display_name=TEXT, teachers=TEXTS, continues={"type": ["string", "null"]}),
    seed={"type": "integer", "minimum": 0},
    data=_object("name", "fingerprint", name=TEXT, fingerprint=TEXT, classes={"items": {"enum": list(EMOTIONS)}}),
    metrics={"type": "object", "additionalProperties": {"additionalProperties": {"type": "number"}}},
    parameters=_object("all", "trained", all=COUNT, trained={"type": "integer", "minimum": 0}),
    hardware=_object("cores", "devices", "system", cores=COUNT, threads=COUNT, devices=TEXTS, system=TEXT),
    wall_time_s=POSITIVE,
    temperature=POSITIVE,
    final=_object("at"),
    ferplus={
        "type": "object",
        "additionalProperties": _object("n", "accuracy", **SCORES, deduplicated=_object(**SCORES)),
    },
)
"""What readers of records rely on in run.json, as JSON Schema."""

HISTORY = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"]


def _read_history(path: Path) -> pd.DataFrame:
    files.require(path, remake=REMAKE)
    history = tables.read(path, HISTORY, remedy=f"Restore the record or make it again: {REMAKE}")
    text = [name for name in history if not pd.api.types.is_numeric_dtype(history[name])]
    if text:
        raise files.damaged(path, f"{text[0]} holds something other than finite numbers", remake=REMAKE)
    counts_up = (history["epoch"].diff().dropna() > 0).all()
    shares = history[["accuracy", "val_accuracy"]].stack()  # without the epochs that were not validated
    if not counts_up or not shares.dropna().between(0, 1).all():
        raise files.damaged(path, "its epochs do not count up, or an accuracy is not within 0–1", remake=REMAKE)
    return history


ARRAYS = {"row": ("iu", (None,)), "label": ("iu", (None,)), "logits": ("f", (None, len(EMOTIONS)))}


def read_predictions(path: Path, *, remake: str = REMAKE) -> dict[str, Predictions]:
    """Read a `predictions.npz`; `remake` says in errors how to make it again.

    Raises:
        MissingFileError: it is not there.
        DataError: it is damaged.
    """
    known = {f"{split}_{part}": what for split in RECORDED_PARTS for part, what in ARRAYS.items()}
    arrays = files.read_arrays(path, expected={}, optional=known, remake=remake)
    predictions = {}
    for split in RECORDED_PARTS:
        found = {part: arrays[f"{split}_{part}"] for part in ARRAYS if f"{split}_{part}" in arrays}
        if not found:
            continue
        if len(found) < len(ARRAYS) or len({len(array) for array in found.values()}) > 1:
            received = ", ".join(f"{len(array)} of {part}" for part, array in found.items())
            raise files.damaged(path, f"{split} has {received}, expected as many of each", remake=remake)
        row, label, logits = found.values()
        twice = "Test" in split and len(np.unique(row)) < len(row)  # the audit's other parts hold copies
        if not np.isin(label, range(len(EMOTIONS))).all() or (row < 0).any() or twice:
            raise files.damaged(path, f"{split} has labels outside 0–6, or a row below 0 or twice", remake=remake)
        predictions[split] = Predictions(split.removesuffix(VIEWS), row, label, logits.astype(np.float32))
    return predictions
