"""Apply a finished network to a split of FER2013: PrivateTest once, or any split again to check a record."""

import dataclasses
import datetime
import functools
from collections.abc import Callable

import numpy as np

from emotion_detection.data import FaceDataset
from emotion_detection.data.dataset import TEST_SPLITS
from emotion_detection.errors import DataError
from emotion_detection.evaluation import metrics
from emotion_detection.runs import store
from emotion_detection.training import views


def finalise(name: str, dataset: FaceDataset, *, labels_ferplus: np.ndarray | None = None) -> store.Run:
    """Predict PrivateTest with a finished run's network and write it into the record, with the time.

    The temperature is chosen here too, on PublicTest. Answers averaged over views of each face are recorded for both
    splits, and FER+ scores where the votes are at hand.

    Args:
        name: the run.
        dataset: the faces that the run was trained on.
        labels_ferplus: int8 array (len(dataset),) by row: FER2013 class, 7 for contempt, -1 without strict majority.

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
        part, averaged = f"{split}{store.VIEWS}", functools.partial(views.averaged, logits_of)
        predictions[part] = store.as_recorded(_predict(dataset, split, averaged), part=part)
    info = dict(run.info)
    info["temperature"] = round(float(metrics.fit_temperature(predictions["PublicTest"])), 4)
    info["metrics"] = info["metrics"] | {"PrivateTest": {"accuracy": _accuracy(predictions["PrivateTest"])}}
    info["final"] = {"at": datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()}
    if labels_ferplus is not None:
        info["ferplus"] = {
            part: metrics.ferplus_strict(values, labels_ferplus[values.row]) for part, values in predictions.items()
        }
    store.write_run(run.name, info, run.history, predictions)
    return dataclasses.replace(run, info=info, predictions=predictions)


def check_not_final(run: store.Run) -> None:
    """Raise DataError if PrivateTest is recorded already."""
    if run.is_final:
        raise DataError(
            f"PrivateTest is recorded for {run.name} since {run.info['final']['at']}; it is reported once. "
            "Read it with: evaluate RUN. To start over: train RECIPE --retrain."
        )


def _accuracy(predictions: store.Predictions) -> float:
    return float((predictions.predicted == predictions.label).mean())


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
    """Return what a run's network answers, as a function of faces; the network is loaded once, when it is asked."""

    @functools.cache
    def network():
        path = store.trained_network(run.name)
        from emotion_detection.training import mobilenet

        return mobilenet.load_network(path)

    def logits_of(pixels: np.ndarray) -> np.ndarray:
        model = network()
        from emotion_detection.training import forward

        return forward.predict_logits(model, pixels, progress=run.name)

    return logits_of
