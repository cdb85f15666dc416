"""Answers averaged over views of a face: as it is, moved by two pixels, each also mirrored (test-time augmentation).

Probabilities are averaged, so that every view counts alike however sure the network is of it. Costs ten times the
computation; the live cell does not do it.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from scipy import special

from emotion_detection.errors import DataError
from emotion_detection.runs import store

SHIFTS_PX = ((0, 0), (2, 0), (-2, 0), (0, 2), (0, -2))
"""How far each view is moved right and down; the edge is repeated."""


def of_faces(faces: np.ndarray) -> Iterator[np.ndarray]:
    """Yield ten views of faces, each uint8 (n, h, w) like `faces`: five shifts, then the same mirrored."""
    reach = max(abs(shift) for pair in SHIFTS_PX for shift in pair)
    height, width = faces.shape[1:]
    for turned in (faces, faces[:, :, ::-1]):
        padded = np.pad(turned, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
        for right, down in SHIFTS_PX:
            yield padded[:, reach - down : reach - down + height, reach - right : reach - right + width]


def averaged(logits_of: Callable[[np.ndarray], np.ndarray], faces: np.ndarray) -> np.ndarray:
    """Return the logarithm of the probabilities averaged over all views: float32 (n, 7), to be used like logits.

    Args:
        logits_of: from uint8 faces (n, h, w) to logits (n, 7).
        faces: uint8 array (n, h, w), grey, 0–255.
    """
    probabilities = [special.softmax(logits_of(view).astype(np.float64), axis=1) for view in of_faces(faces)]
    return np.log(np.maximum(np.mean(probabilities, axis=0), 1e-12)).astype(np.float32)


def of_run(run: store.Run) -> store.Run:
    """Return a run with the averaged answers in the place of the plain ones, for any score or table.

    Raises:
        DataError: none are recorded.
    """
    parts = {key: values for key, values in run.predictions.items() if key.endswith(store.VIEWS)}
    if not parts:
        raise DataError(
            f"The record of {run.name} holds no answers averaged over views; they are made when PrivateTest is: "
            f"evaluate {run.name} --final (for a run that was final before: train it again)."
        )
    ferplus = {
        key.removesuffix(store.VIEWS): values for key, values in run.info.get("ferplus", {}).items() if key in parts
    }
    info = {key: value for key, value in run.info.items() if key != "temperature"} | {"ferplus": ferplus}
    predictions = {key.removesuffix(store.VIEWS): values for key, values in parts.items()}
    return dataclasses.replace(run, info=info, predictions=predictions)
