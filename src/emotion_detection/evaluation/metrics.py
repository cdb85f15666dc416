"""Scores of recorded runs, from their predictions alone: no network, no pictures, no Keras."""

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn import metrics

from emotion_detection import files
from emotion_detection.data import duplicates, summaries
from emotion_detection.data.dataset import TEST_SPLITS
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError, ProjectError
from emotion_detection.evaluation import calibration, leakage
from emotion_detection.evaluation.resampling import RESAMPLES, SEED, percentile_interval, resampled_confusions
from emotion_detection.runs import lineage, registry, store
from emotion_detection.runs.run import Predictions, Run

logger = logging.getLogger(__name__)

DEFAULT_PARTS = ("PrivateTest", "PublicTest", "Unseen", "Folds")
TWIN_FREE = {"identical": "deduplicated", "near": "near_twin_free"}
"""Kind of twin that is left out → how scores without it are named."""

DECIMALS = 6
"""Scores are rounded to so many decimals, which hides differences between machines in the last bits."""

CLASS_INDICES = np.arange(len(EMOTIONS))


def confusion(predictions: Predictions) -> np.ndarray:
    """Count answers per class: int64 array (7, 7), a row per FER2013 label, a column per answer.

    Raises:
        DataError: there are no predictions.
    """
    if not len(predictions):
        raise DataError(f"There is nothing to score: {predictions.split} has 0 predictions. Choose rows that exist.")
    return metrics.confusion_matrix(predictions.label, predictions.predicted, labels=CLASS_INDICES)


def confusion_table(predictions: Predictions) -> pd.DataFrame:
    """Return `confusion` as a table: a row per label, a column per answer, by their names."""
    return pd.DataFrame(confusion(predictions), pd.Index(EMOTIONS, name="label"), list(EMOTIONS))


def accuracy(predictions: Predictions) -> float:
    """Return the share of faces whose label has the highest logit, 0–1."""
    return float(accuracy_of(confusion(predictions)))


def macro_f1(predictions: Predictions, *, classes: Sequence[str] = EMOTIONS) -> float:
    """Return the mean F1 of the classes, 0–1; one without faces and without answers counts as 0."""
    return float(per_class(predictions)["f1"][list(classes)].mean())


def weighted_f1(predictions: Predictions) -> float:
    """Return the mean F1 of the classes, weighted by their number of faces, 0–1."""
    table = per_class(predictions)
    return float(np.average(table["f1"], weights=table["support"]))


def per_class(predictions: Predictions) -> pd.DataFrame:
    """Return precision, recall and F1 (0–1) and support (number of faces), one row per emotion."""
    if not len(predictions):
        confusion(predictions)  # raises
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        predictions.label, predictions.predicted, labels=CLASS_INDICES, zero_division=0.0
    )
    columns = {"precision": precision, "recall": recall, "f1": f1, "support": support}
    return pd.DataFrame(columns, index=pd.Index(EMOTIONS, name="emotion"))


def accuracy_of(counts: np.ndarray) -> np.ndarray:
    """Return accuracy of confusion matrices (..., 7, 7)."""
    return np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1))


def f1_of(counts: np.ndarray) -> np.ndarray:
    """Return the seven F1 of confusion matrices (..., 7, 7), 0 where a class has neither faces nor answers."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    seen = counts.sum(axis=-1) + counts.sum(axis=-2)
    return 2 * right / np.maximum(seen, 1)


@dataclasses.dataclass(frozen=True)
class Intervals:
    """95 % bootstrap intervals (low, high) of the scores of one set of predictions, each 0–1.

    Args:
        f1: float64 array (7, 2), a row per emotion; the others are two floats each.
    """

    accuracy: tuple[float, float]
    macro_f1: tuple[float, float]
    f1: np.ndarray


def bootstrap(
    predictions: Predictions, *, resamples: int = RESAMPLES, seed: int = SEED, classes: Sequence[str] = EMOTIONS
) -> Intervals:
    """Return 95 % intervals of accuracy, macro-F1 (over `classes`) and the F1 of each class."""
    counts = confusion(predictions)
    drawn = resampled_confusions(counts, resamples=resamples, seed=seed)
    f1 = f1_of(drawn)
    return Intervals(
        accuracy=percentile_interval(accuracy_of(drawn)),
        macro_f1=percentile_interval(f1[:, [EMOTIONS.index(name) for name in classes]].mean(axis=1)),
        f1=np.array([percentile_interval(f1[:, index]) for index in CLASS_INDICES]),
    )


def accuracy_with_interval(predictions: Predictions, *, name: str = "accuracy") -> dict[str, float]:
    """Return accuracy and its 95 % interval under `name`, `…_low` and `…_high`, 0–1."""
    return _with_ends(name, accuracy(predictions), bootstrap(predictions).accuracy)


def f1_with_intervals(predictions: Predictions) -> pd.DataFrame:
    """Return `per_class` with two more columns, `f1_low` and `f1_high`: the 95 % interval of each F1."""
    intervals = bootstrap(predictions)
    return per_class(predictions).assign(f1_low=intervals.f1[:, 0], f1_high=intervals.f1[:, 1])


def of_split(run: Run, split: str | None = None) -> Predictions:
    """Return a run's predictions on a part; by default PrivateTest where that is recorded, else PublicTest or Unseen.

    Raises:
        DataError: that split is not recorded.
    """
    split = split or next((part for part in DEFAULT_PARTS if part in run.predictions), "PublicTest")
    if split not in run.predictions:
        recorded = ", ".join(run.predictions) or "none"
        remedy = f"Use one of these: {recorded}."
        if split == "PrivateTest":
            remedy = f"Once it is finished, make them: python -m emotion_detection evaluate {run.name} --final"
        raise DataError(f"Run {run.name} has no predictions on {split}; recorded: {recorded}. {remedy}")
    return run.predictions[split]


def scores(run: Run, *, split: str | None = None, twins: dict[str, np.ndarray] | None = None) -> dict:
    """Return all scores of a recorded run as plain numbers, ready for JSON.

    Args:
        run: a recorded run.
        split: a part of the record, such as "PublicTest"; by default as `of_split` chooses it.
        twins: as `summaries.load_twins` returns them, which is the default.

    Returns:
        `run, split, labels, n, accuracy, accuracy_ci, macro_f1, macro_f1_ci, weighted_f1, f1, n_deduplicated,
        accuracy_deduplicated, n_near_twin_free, accuracy_near_twin_free, ferplus_strict, ferplus_source, ece,
        temperature, notes`. Scores are 0–1, intervals [low, high]; what is not known is None and a sentence in
        `notes` says why.

    Raises:
        DataError: that split is not recorded.
    """
    predictions, notes, classes = of_split(run, split), [], run.classes
    table, intervals = per_class(predictions).loc[classes], bootstrap(predictions, classes=classes)
    if len(classes) < len(EMOTIONS):
        notes.append(f"Macro-F1 is over the {len(classes)} emotions of this data set: {', '.join(classes)}.")
    if predictions.split == "Training":
        notes.append("Not a result: these are the rows that the network learned from.")
    without_twins = _without_twins(run, predictions, notes, twins)
    values = {
        "run": run.name,
        "split": predictions.split,
        "labels": "drawn sample" if run.is_sample else run.data_name if run.is_own_pictures else "FER2013",
        "n": len(predictions),
        "accuracy": accuracy(predictions),
        "accuracy_ci": list(intervals.accuracy),
        "macro_f1": table["f1"].mean(),
        "macro_f1_ci": list(intervals.macro_f1),
        "weighted_f1": weighted_f1(predictions),
        "f1": table["f1"].to_dict(),
        **{f"n_{name}": None if kept is None else len(kept) for name, kept in without_twins.items()},
        **{f"accuracy_{name}": None if kept is None else accuracy(kept) for name, kept in without_twins.items()},
        **_recorded_ferplus(run, predictions.split, notes),
        **_calibration(run, predictions, notes),
        "notes": notes,
    }
    return files.rounded(values, decimals=DECIMALS)


def _without_twins(
    run: Run, predictions: Predictions, notes: list[str], twins: dict[str, np.ndarray] | None = None
) -> dict[str, Predictions | None]:
    """Return the answers without twins, by the names of `TWIN_FREE`; None where twins are not known, and a note why."""
    twins = _twins_of(run, notes) if twins is None else twins
    if twins and f"{predictions.split}_near" not in twins:
        notes.append(f"No list of twins is recorded for {predictions.split}.")
        twins = None
    return {
        name: leakage.without_twins(predictions, twins, kind=kind) if twins else None
        for kind, name in TWIN_FREE.items()
    }


def _twins_of(run: Run, notes: list[str]) -> dict[str, np.ndarray] | None:
    if run.is_sample:
        notes.append("Drawn sample: not a result; the recorded twins are about FER2013, so no score without twins.")
        return None
    if run.is_own_pictures:
        notes.append("Twins among these pictures are in one split, so no face that is scored has one in Training.")
        kinds = ("identical", "near")
        return {f"{split}_{kind}": np.empty(0, np.int32) for split in TEST_SPLITS for kind in kinds}
    if run.info["recipe"].get("pool_all_splits_as_published"):
        return _twins_of_unseen(run, notes)
    if not run.info["data"].get("has_official_rows", True):
        notes.append("The copy of FER2013 has no official row numbers, so no score without twins.")
        return None
    try:
        return summaries.load_twins()
    except MissingFileError as error:
        logger.warning("No scores without twins: %s", error)
        notes.append(f"No scores without twins: {error}")
        return None


def _twins_of_unseen(run: Run, notes: list[str]) -> dict[str, np.ndarray] | None:
    """Return the unseen rows with a twin among those learned from, where all splits were pooled."""
    rows = run.predictions["Unseen"].row
    try:
        found = duplicates.has_twin_among(rows, run.predictions["Training"].row, **summaries.load_clusters())
    except MissingFileError as error:
        notes.append(f"No scores without twins: {error}")
        return None
    return {f"Unseen_{kind}": rows[each] for kind, each in found.items()}


def _recorded_ferplus(run: Run, split: str, notes: list[str]) -> dict:
    recorded = run.ferplus(split)
    if not recorded:
        notes.append(f"run.json holds no FER+ score on {split}.")
        return {"ferplus_strict": None, "ferplus_source": None}
    origin = recorded.get("source", "recorded")
    if origin == "recorded":
        notes.append("The FER+ score is the one recorded in run.json: FER+ votes are not part of a record.")
    return {"ferplus_strict": {key: recorded[key] for key in ("n", "accuracy")}, "ferplus_source": origin}


def _calibration(run: Run, predictions: Predictions, notes: list[str]) -> dict:
    temperature = float(run.info.get("temperature", 1.0))
    origin = "recorded in run.json" if "temperature" in run.info else "none recorded"
    notes.append(
        f"ece is at temperature {temperature:.4g} ({origin}), in {calibration.CALIBRATION_BINS} equal-width bins."
    )
    table = calibration.reliability(predictions, temperature=temperature)
    return {"ece": calibration.expected_calibration_error(table), "temperature": temperature}


def summary(runs: list[Run], *, split: str = "PrivateTest") -> pd.DataFrame:
    """Return the scores of several runs, a row per run: what README and notebook 05 show.

    Returns:
        Indexed by `name`: `n`, `accuracy` and `macro_f1` of all faces; `n_deduplicated` and `accuracy_deduplicated` of
        those without a pixel-identical twin in Training; `n_near_twin_free` and `accuracy_near_twin_free` of those
        without a near one; `n_ferplus` and `accuracy_ferplus` against the strict majority of FER+'s votes; `minutes`
        of training, with the runs that the network goes on from, and `teacher_minutes` of the runs that taught it.
        Scores are 0–1, each of the first four with `…_low` and `…_high` (95 % bootstrap interval). What is not known,
        as on the drawn sample, is NaN.

    Raises:
        DataError: a run has no predictions on the split.
    """
    return pd.DataFrame([_summary_row(run, split) for run in runs]).set_index("name")


def recorded_runs() -> pd.DataFrame:
    """Return all recorded runs, a row each.

    Returns:
        Indexed by `run`: `recipe` (as figures name it; "damaged record" where it cannot be read), `protocol`, `epochs`,
        `accuracy_publictest`, `accuracy_privatetest` (0–1), `minutes` and `shipped`. What is not known is NaN.
    """
    rows = []
    for name in store.recorded(tried=True):
        try:
            run = store.load_run(name)
        except ProjectError as error:
            logger.warning("%s", error)
            rows.append({"run": name, "recipe": "damaged record"})
            continue
        found = {split: accuracy(run.predictions[split]) for split in TEST_SPLITS if split in run.predictions}
        rows.append(
            {
                "run": name,
                "recipe": run.display_name,
                "protocol": "drawn faces, no result" if run.is_sample else run.info.get("protocol", "official split"),
                "epochs": len(run.history),
                "accuracy_publictest": found.get("PublicTest"),
                "accuracy_privatetest": found.get("PrivateTest"),
                "minutes": run.minutes,
                "shipped": registry.is_shipped(run),
            }
        )
    columns = ("recipe", "protocol", "epochs", "accuracy_publictest", "accuracy_privatetest", "minutes", "shipped")
    return pd.DataFrame(rows, columns=["run", *columns]).set_index("run")


def _summary_row(run: Run, split: str) -> dict:
    predictions = of_split(run, split)
    intervals, recorded = bootstrap(predictions, classes=run.classes), run.ferplus(split)
    row = {"name": run.display_name, "n": len(predictions)}
    row |= _with_ends("accuracy", accuracy(predictions), intervals.accuracy)
    row |= _with_ends("macro_f1", macro_f1(predictions, classes=run.classes), intervals.macro_f1)
    for name, kept in _without_twins(run, predictions, []).items():
        column = f"accuracy_{name}"
        row[f"n_{name}"] = np.nan if kept is None else len(kept)
        unknown = _with_ends(column, np.nan, (np.nan, np.nan))
        row |= unknown if kept is None else accuracy_with_interval(kept, name=column)
    n, score = recorded.get("n", np.nan), recorded.get("accuracy", np.nan)
    ends = _ferplus_interval(recorded["confusion"]) if "confusion" in recorded else (np.nan, np.nan)
    row |= {"n_ferplus": n, **_with_ends("accuracy_ferplus", score, ends)}
    return row | {"minutes": lineage.training_minutes(run), "teacher_minutes": lineage.teaching_minutes(run) or np.nan}


def _ferplus_interval(confusion_counts: list[list[int]]) -> tuple[float, float]:
    """Return the interval of the accuracy of a recorded confusion with FER+'s labels; contempt has no answer."""
    counts = np.array(confusion_counts)
    square = np.pad(counts, ((0, 0), (0, len(counts) - counts.shape[1])))
    return percentile_interval(accuracy_of(resampled_confusions(square)))


def _with_ends(name: str, value: float, ends: tuple[float, float]) -> dict[str, float]:
    return {name: value, f"{name}_low": ends[0], f"{name}_high": ends[1]}
