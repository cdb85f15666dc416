"""Recorded runs: `data/results/<run>/` with `run.json`, `history.csv` and `predictions.npz`, read without Keras.

A run is named `<recipe>-s<seed>`; a bare recipe name means the run of it that is shipped, else its
first seed (`FIRST_SEED`).

`predictions.npz` holds, for each split that was predicted, `<split>_row` int32 (n,), `<split>_label` int8 (n,)
(FER2013 labels) and `<split>_logits` float32 (n, 7). PrivateTest is in it only once the run is final.
"""

import dataclasses
import difflib
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from emotion_detection import files, paths, records
from emotion_detection.errors import MissingFileError, UnknownNameError
from emotion_detection.runs import registry

FIRST_SEED = 0
VIEWS = "_views"
"""Ends the name of a part whose answers are averaged over several views of each face (see `views`)."""

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

RUN_NAME = re.compile(r"(?P<recipe>[a-z0-9_]+?)(?:-s(?P<seed>\d+))?")
REMAKE = "python -m emotion_detection train RECIPE --retrain"
REQUIRED = ("run", "recipe", "seed", "data", "metrics", "parameters", "hardware", "wall_time_s")


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a network answered on one split.

    Args:
        split: one of `RECORDED_PARTS`, without `VIEWS`.
        row: int32 array (n,), FER2013 row numbers.
        label: int8 array (n,), FER2013 labels.
        logits: float32 array (n, 7), before softmax and before any temperature.
    """

    split: str
    row: np.ndarray
    label: np.ndarray
    logits: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    @property
    def predicted(self) -> np.ndarray:
        """int64 array (n,): the class with the highest logit."""
        return self.logits.argmax(axis=1)

    def probabilities(self, temperature: float = 1.0) -> np.ndarray:
        """Return float64 (n, 7): softmax of the logits divided by `temperature`."""
        return special.softmax(self.logits.astype(np.float64) / temperature, axis=1)


@dataclasses.dataclass(frozen=True)
class Run:
    """A recorded run: its `run.json` as a dict, its history as a DataFrame, its predictions per split."""

    name: str
    info: dict
    history: pd.DataFrame
    predictions: dict[str, Predictions]

    @property
    def is_final(self) -> bool:
        """Whether PrivateTest has been predicted."""
        return "PrivateTest" in self.predictions

    @property
    def minutes(self) -> float:
        """Minutes of the median epoch times their number, and what came before the first.

        A run that stood still for a while is not a slow one.
        """
        seconds = self.history["seconds"]
        before_s = max(0.0, self.info["wall_time_s"] - seconds.sum())
        return float((before_s + len(seconds) * seconds.median()) / 60)


def split_name(name: str) -> tuple[str, int]:
    """Return recipe and seed of a run's name; a bare recipe name gets the seed that is shipped, else `FIRST_SEED`."""
    match = RUN_NAME.fullmatch(name)
    if match is None:
        raise UnknownNameError(
            f"{name!r} is not a run's name. Runs are named <recipe> or <recipe>-s<seed>, such as tl_whole-s0."
        )
    return match["recipe"], int(match["seed"]) if match["seed"] is not None else usual_seed(match["recipe"])


def usual_seed(recipe: str) -> int:
    """Return the seed that a bare recipe name means: the shipped one of the recipe that is shipped, else the first."""
    shipped = RUN_NAME.fullmatch(registry.read_card()["run"]) if registry.card_path().is_file() else None
    return int(shipped["seed"]) if shipped is not None and shipped["recipe"] == recipe else FIRST_SEED


def full_name(name: str) -> str:
    """Return `<recipe>-s<seed>` for a run's name with or without its seed."""
    recipe, seed = split_name(name)
    return f"{recipe}-s{seed}"


def run_dir(name: str) -> Path:
    """Return the folder in which a run is recorded, whether it exists or not."""
    return paths.results_dir() / full_name(name)


def weights_path(name: str) -> Path:
    """Return where training leaves a run's network on this machine (ignored by git)."""
    return paths.run_cache_dir() / "weights" / f"{full_name(name)}.keras"


def kept_path(name: str) -> Path:
    """Return where a run's network is in the repository, if it was kept (see `kept`)."""
    return paths.models_dir() / "kept" / f"{full_name(name)}.keras"


def trained_network(name: str, *, role: str = "The network of") -> Path:
    """Return the file of a run's network: what training left here, else what is shipped, or was kept, of the same run.

    Args:
        name: of the run.
        role: how the message begins, such as "The network of the teacher".

    Raises:
        MissingFileError: it is not here; the message says how to train it.
    """
    path = weights_path(name)
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


def recorded() -> list[str]:
    """Return the names of all recorded runs, sorted."""
    found = (path.parent.name for path in paths.results_dir().glob("*/run.json"))
    return sorted(name for name in found if not name.startswith("."))


def is_recorded(name: str) -> bool:
    """Return whether a run of this name is recorded."""
    return (run_dir(name) / "run.json").is_file()


def nearest(name: str, known: list[str]) -> str:
    """Return a sentence that names the known name nearest to `name`, or lists all that are known."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known are: {', '.join(known) or 'none'}."


def load_run(name: str) -> Run:
    """Read a recorded run.

    Raises:
        UnknownNameError: no run of this name is recorded; the message names the nearest.
        DataError: a file of the record is damaged or missing.
    """
    folder = run_dir(name)
    if not (folder / "run.json").is_file():
        raise UnknownNameError(
            f"No run {name!r} is recorded in {paths.displayed(paths.results_dir())}. {nearest(name, recorded())} "
            f"To make it: python -m emotion_detection train {split_name(name)[0]} --seed {split_name(name)[1]}"
        )
    return _read_run(folder)


def has_project_run(name: str) -> bool:
    """Return whether the project records a run of this name, also where `EMOTION_OUTPUT_DIR` hides it (FAST mode)."""
    return (_project_dir(name) / "run.json").is_file()


def _project_dir(name: str) -> Path:
    return paths.project_root() / "data" / "results" / full_name(name)


def project_run(name: str) -> Run:
    """Return a run that the project records, also where `EMOTION_OUTPUT_DIR` hides it (FAST mode).

    Raises:
        MissingFileError: it is not there.
        DataError: it is damaged.
    """
    project_info(name)
    return _read_run(_project_dir(name))


def with_earlier(run: Run) -> list[Run]:
    """Return the runs that a network went through, this one last: each goes on from the network of the one before.

    Raises:
        MissingFileError: an earlier one is not recorded.
        DataError: its record is damaged.
    """
    if not (recipe := run.info["recipe"].get("continues")):
        return [run]
    return [*with_earlier(_here_or_project(f"{recipe}-s{run.info['seed']}")), run]


def teachers_of(run: Run) -> list[Run]:
    """Return the runs that taught those of `with_earlier`, with the runs that these went through, each once.

    Runs that the network itself went through are left out: their time is its own.

    Raises:
        MissingFileError: one is not recorded.
        DataError: its record is damaged.
    """
    own = with_earlier(run)
    names = [name for each in own for name in each.info["recipe"].get("teachers", ())]
    found = {each.name: each for name in names for each in with_earlier(_here_or_project(name))}
    for teacher in list(found.values()):
        found |= {each.name: each for each in teachers_of(teacher)}
    return [each for name, each in found.items() if name not in {mine.name for mine in own}]


def _here_or_project(name: str) -> Run:
    return load_run(name) if is_recorded(name) else project_run(name)


def _read_run(folder: Path) -> Run:
    run = Run(
        name=folder.name,
        info=_read_info(folder / "run.json"),
        history=_read_history(folder / "history.csv"),
        predictions=read_predictions(folder / "predictions.npz"),
    )
    if run.is_final and "final" not in run.info:
        raise records.damaged(
            folder / "run.json", "it lacks final, but predictions.npz holds PrivateTest", remake=REMAKE
        )
    return run


def project_info(name: str) -> dict:
    """Return the `run.json` of a run that the project records, also where `EMOTION_OUTPUT_DIR` hides it (FAST mode).

    Raises:
        MissingFileError: it is not there.
        DataError: it is damaged.
    """
    path = _project_dir(name) / "run.json"
    records.require(path, remake=REMAKE)
    return _read_info(path)


def write_run(name: str, info: dict, history: pd.DataFrame, predictions: dict[str, Predictions]) -> Path:
    """Record a run: its files are written into a folder beside, which then takes the name.

    An interruption leaves no half record, and an earlier record of the same name stays until the new one is whole.
    """
    folder = run_dir(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        write_predictions(temporary / "predictions.npz", predictions)
        csv = history.to_csv(index=False, lineterminator="\n", float_format="%.6g")
        files.write_text(temporary / "history.csv", csv)
        files.write_json(temporary / "run.json", info)
        temporary.chmod(0o755)
        earlier = temporary.with_name(f"{temporary.name}-earlier")
        if folder.exists():
            folder.rename(earlier)
        temporary.rename(folder)
        shutil.rmtree(earlier, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


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
    """Return predictions with their logits rounded as a record keeps them, so that scores before and after agree.

    Args:
        predictions: to be recorded.
        part: under which name; by default that of their split.
    """
    rounded = predictions.logits.astype(_precision(part or predictions.split)).astype(np.float32)
    return dataclasses.replace(predictions, logits=rounded)


def _precision(split: str) -> type:
    return np.float32 if split.endswith("Test") else np.float16


def _read_info(path: Path) -> dict:
    info = records.read(path, remake=REMAKE, keys=REQUIRED)
    wrong = [key for key, right in CHECKS.items() if key in info and not right(info[key])]
    if wrong:
        raise records.damaged(path, f"{wrong[0]} is {str(info[wrong[0]])[:80]}", remake=REMAKE)
    return info


def _is_positive(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _is_ferplus(value) -> bool:
    return isinstance(value, dict) and all(
        isinstance(each, dict) and {"n", "accuracy"} <= set(each) for each in value.values()
    )


CHECKS = {
    "recipe": lambda value: isinstance(value, dict),
    "seed": lambda value: isinstance(value, int),
    "data": lambda value: isinstance(value, dict) and {"name", "fingerprint"} <= set(value),
    "parameters": lambda value: isinstance(value, dict) and {"all", "trained"} <= set(value),
    "hardware": lambda value: isinstance(value, dict) and {"cores", "devices", "system"} <= set(value),
    "final": lambda value: isinstance(value, dict) and "at" in value,
    "metrics": lambda value: isinstance(value, dict),
    "temperature": _is_positive,
    "wall_time_s": _is_positive,
    "ferplus": _is_ferplus,
}
"""Key of run.json → whether its value is of the kind that readers of records rely on."""


def _read_history(path: Path) -> pd.DataFrame:
    try:
        history = pd.read_csv(path)
    except FileNotFoundError as error:
        raise records.missing(path, remake=REMAKE) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise records.damaged(path, f"it is not a table ({error})", remake=REMAKE) from error
    missing = sorted({"epoch", "accuracy", "loss", "val_accuracy", "val_loss", "seconds"} - set(history.columns))
    if missing or history.select_dtypes("number").shape[1] != history.shape[1]:
        found = f"columns are {list(history.columns)}" + (f", without {missing}" if missing else "")
        raise records.damaged(path, found, remake=REMAKE)
    return history


def read_predictions(path: Path, *, remake: str = REMAKE) -> dict[str, Predictions]:
    """Read a `predictions.npz`.

    Args:
        path: of the file.
        remake: how to make it again, for the message.

    Raises:
        MissingFileError: it is not there.
        DataError: it is damaged.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except FileNotFoundError as error:
        raise records.missing(path, remake=remake) from error
    except Exception as error:  # zipfile, lzma, zlib and numpy each raise their own
        raise records.damaged(path, f"it cannot be read ({type(error).__name__}: {error})", remake=remake) from error
    predictions = {}
    for split in RECORDED_PARTS:
        keys = [f"{split}_{part}" for part in ("row", "label", "logits")]
        if not any(key in arrays for key in keys):
            continue
        missing = [key for key in keys if key not in arrays]
        if missing:
            raise records.damaged(path, f"it lacks {', '.join(missing)}", remake=remake)
        row, label, logits = (arrays[key] for key in keys)
        if logits.dtype.kind != "f" or logits.shape != (row.size, 7) or label.shape != row.shape:
            found = f"{split} has {row.size} rows, {label.size} labels, logits {logits.dtype} {logits.shape}"
            raise records.damaged(path, found, remake=remake)
        logits = logits.astype(np.float32)
        if not np.isfinite(logits).all() or not np.isin(label, range(7)).all():
            raise records.damaged(path, f"{split} has labels outside 0–6 or logits that are not finite", remake=remake)
        predictions[split] = Predictions(split.removesuffix(VIEWS), row, label, logits)
    return predictions
