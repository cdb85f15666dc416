"""Apply a finished network to a split of FER2013: PrivateTest once, or any split again to check a record.

Test-time augmentation is part of it: answers averaged over views of a face, as it is, moved by two pixels, each also
mirrored. Probabilities are averaged, so that every view counts alike however sure the network is of it. It costs ten
times the computation; the live cell does not do it.
"""

import dataclasses
import datetime
import functools
from collections.abc import Callable, Iterator

import numpy as np
from scipy import special

from emotion_detection.data import FaceDataset
from emotion_detection.data.dataset import TEST_SPLITS
from emotion_detection.errors import DataError
from emotion_detection.evaluation import calibration, ferplus_scores, metrics
from emotion_detection.runs import store

SHIFTS_PX = ((0, 0), (2, 0), (-2, 0), (0, 2), (0, -2))
"""How far each view is moved right and down; the edge is repeated."""


def finalise(name: str, dataset: FaceDataset, *, labels_ferplus: np.ndarray | None = None) -> store.Run:
    """Predict PrivateTest with a finished run's network and write it into the record, with the time.

    The temperature is chosen here too, on PublicTest. Answers averaged over views of each face are recorded for both
    splits, and FER+ scores where the votes are at hand.

    Args:
        name: the run.
        dataset: the faces that the run was trained on.
        labels_ferplus: int8 by row: FER2013's class, 7 for contempt, -1 without strict majority.

    Raises:
        DataError: PrivateTest is recorded already, or the data set is another than the run's.
        MissingFileError: the run's network is not on this machine.
    """
    run = store.load_run(name)
    check_not_final(run)
    if run.info["recipe"].get("pool_all_splits_as_published"):
        raise DataError(
            f"{run.name} has learned from rows of PrivateTest (all splits pooled, as published), so it has no score on "
            "it. Its record holds the rows that it never saw: evaluate it with --split unseen."
        )
    if dataset.fingerprint != run.info["data"]["fingerprint"]:
        raise DataError(
            f"{run.name} was trained on data {run.info['data']['fingerprint'][:12]}…, this set is "
            f"{dataset.fingerprint[:12]}…. Use the same copy of {run.info['data']['name']}, or train again."
        )
    logits_of = _trained_logits(run)
    predictions = run.predictions | {"PrivateTest": _predict(dataset, "PrivateTest", logits_of)}
    for split in TEST_SPLITS:
        part, averaged = f"{split}{store.VIEWS}", functools.partial(averaged_over_views, logits_of)
        predictions[part] = store.as_recorded(_predict(dataset, split, averaged), part=part)
    info = dict(run.info)
    info["temperature"] = round(float(calibration.fit_temperature(predictions["PublicTest"])), 4)
    info["metrics"] = info["metrics"] | {"PrivateTest": {"accuracy": metrics.accuracy(predictions["PrivateTest"])}}
    info["final"] = {"at": datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()}
    if labels_ferplus is not None:
        info["ferplus"] = {
            part: ferplus_scores.ferplus_strict(values, labels_ferplus[values.row])
            for part, values in predictions.items()
        }
    store.write_run(run.name, info, run.history, predictions)
    return dataclasses.replace(run, info=info, predictions=predictions)


def check_not_final(run: store.Run) -> None:
    """Raise DataError if PrivateTest is recorded already."""
    if run.is_final:
        raise DataError(
            f"PrivateTest is recorded for {run.name} since {run.info['final']['at']}; it is reported once. Read it: "
            f"python -m emotion_detection evaluate {run.name}. To start over, train the run again with --retrain."
        )


def recompute(run: store.Run, dataset: FaceDataset, *, split: str) -> store.Predictions:
    """Run a network over one split again, with a progress bar, and return what it answers.

    It is the network that training left in `data/cache/`, else the shipped or kept one: always Keras, as in training.

    Raises:
        MissingFileError: the run's network is not on this machine.
    """
    return _predict(dataset, split, _trained_logits(run))


def _predict(dataset: FaceDataset, split: str, logits_of: Callable[[np.ndarray], np.ndarray]) -> store.Predictions:
    faces = dataset.labelled_split(split)
    return store.Predictions(split, np.asarray(faces.row), np.asarray(faces.emotion), logits_of(faces.pixels))


def _trained_logits(run: store.Run) -> Callable[[np.ndarray], np.ndarray]:
    """Return what a run's network answers, as a function of faces."""
    path = store.trained_network(run.name)
    from emotion_detection.training import backends, mobilenet

    return functools.partial(backends.predict_logits, mobilenet.load_network(path), progress=run.name)


def ten_views(faces: np.ndarray) -> Iterator[np.ndarray]:
    """Yield ten views of faces, each uint8 (n, h, w) like `faces`: five shifts, then the same mirrored."""
    reach = max(abs(shift) for pair in SHIFTS_PX for shift in pair)
    height, width = faces.shape[1:]
    for turned in (faces, faces[:, :, ::-1]):
        padded = np.pad(turned, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
        for right, down in SHIFTS_PX:
            yield padded[:, reach - down : reach - down + height, reach - right : reach - right + width]


def averaged_over_views(logits_of: Callable[[np.ndarray], np.ndarray], faces: np.ndarray) -> np.ndarray:
    """Return the logarithm of the probabilities averaged over all views: float32 (n, 7), to be used like logits.

    `logits_of` goes from uint8 faces (n, h, w), grey, 0–255, to logits (n, 7).
    """
    probabilities = [special.softmax(logits_of(view).astype(np.float64), axis=1) for view in ten_views(faces)]
    return np.log(np.maximum(np.mean(probabilities, axis=0), 1e-12)).astype(np.float32)


def with_averaged_answers(run: store.Run) -> store.Run:
    """Return a run with the averaged answers in the place of the plain ones, for any score or table.

    Raises:
        DataError: none are recorded.
    """
    parts = {key: values for key, values in run.predictions.items() if key.endswith(store.VIEWS)}
    if not parts:
        raise DataError(
            f"The record of {run.name} holds no answers averaged over views; they are made when PrivateTest is: "
            f"python -m emotion_detection evaluate {run.name} --final (if it was final before: train it again)."
        )
    ferplus = {
        key.removesuffix(store.VIEWS): values for key, values in run.info.get("ferplus", {}).items() if key in parts
    }
    info = {key: value for key, value in run.info.items() if key != "temperature"} | {"ferplus": ferplus}
    predictions = {key.removesuffix(store.VIEWS): values for key, values in parts.items()}
    return dataclasses.replace(run, info=info, predictions=predictions)
