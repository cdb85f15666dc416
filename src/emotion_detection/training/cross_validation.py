"""Cross-validation inside Training: every face is predicted once, by a network that saw neither it nor a twin of it."""

import dataclasses

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from emotion_detection.data import FaceDataset, duplicates
from emotion_detection.evaluation import metrics
from emotion_detection.runs import store
from emotion_detection.training import catalog, trainer


def train(
    recipe: catalog.Recipe,
    dataset: FaceDataset,
    *,
    seed: int = store.FIRST_SEED,
    record: bool = True,
    replace: bool = False,
    **hooks,
) -> store.Run:
    """Train a recipe as it asks: in `recipe.folds` folds of Training, or, without folds, on all of it.

    Each fold goes through `trainer.train` with its own checkpoint, so an interrupted call goes on where it was. The
    record of a run in folds holds the predictions on all of Training ("Folds") and the mean history of the folds.

    Args:
        recipe: what to train.
        dataset: faces with the official split.
        seed: of folds and networks.
        record: whether to write `data/results/<run>/`.
        replace: overwrite a record of the same name that has other settings.
        hooks: `on_epoch` and `on_trained` of `trainer.train`, which are called in every fold.
    """
    if not recipe.folds:
        return trainer.train(recipe, dataset, seed=seed, record=record, replace=replace, **hooks)
    settings = recipe.settings() | {"display_name": recipe.display_name}
    if record and not replace:
        store.check_overwrite(f"{recipe.name}-s{seed}", settings)
    found = []
    for number, part in enumerate(folds(dataset.training, recipe.folds, seed=seed)):
        fold = dataclasses.replace(recipe, name=f"{recipe.name}_fold{number}")
        found.append(trainer.train(fold, part, seed=seed, record=False, **hooks))
    predictions = store.as_recorded(_joined([run.predictions["PublicTest"] for run in found]))
    history = pd.concat([run.history for run in found]).groupby("epoch", as_index=False).mean()
    info = found[0].info | {
        "run": f"{recipe.name}-s{seed}",
        "recipe": settings,
        "wall_time_s": round(sum(run.info["wall_time_s"] for run in found), 1),
        "metrics": {"Folds": {"accuracy": metrics.accuracy(predictions)}},
    }
    info["data"] = info["data"] | {"fingerprint": dataset.fingerprint, "counts": _counts(dataset)}
    run = store.Run(info["run"], info, history, {"Folds": predictions})
    if record:
        store.write_run(run.name, info, history, run.predictions, replace=True)  # checked before training
    return run


def folds(faces: FaceDataset, count: int, *, seed: int = 0) -> list[FaceDataset]:
    """Cut faces into folds of like class shares that keep twins (identical or near) together.

    Args:
        faces: labelled, usually Training.
        count: number of folds.
        seed: decides the cut.

    Returns:
        `count` data sets of all faces, in which one fold has the usage PublicTest and the others Training.
    """
    clusters = duplicates.twin_clusters(
        len(faces), duplicates.near_pairs(faces.pixels), duplicates.identical_ids(faces)
    )
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    found = []
    for _, held_out in splitter.split(np.zeros(len(faces)), faces.emotion, clusters):
        usage = np.full(len(faces), "Training", dtype="<U11")
        usage[held_out] = "PublicTest"
        found.append(dataclasses.replace(faces, usage=usage))
    return found


def _joined(parts: list[store.Predictions]) -> store.Predictions:
    """Return the predictions of all folds as one part, in the order of rows."""
    row, label, logits = (
        np.concatenate([getattr(part, field) for part in parts]) for field in ("row", "label", "logits")
    )
    order = np.argsort(row, kind="stable")
    return store.Predictions("Folds", row[order], label[order], logits[order])


def _counts(dataset: FaceDataset) -> dict[str, int]:
    return {split: int(n) for split, n in dataset.counts().sum().items()}
