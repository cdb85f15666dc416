"""The table of faces that `analyse` gives: one set of columns for stills and videos."""

from collections.abc import Sequence

import pandas as pd

from emotion_detection.emotions import EMOTIONS
from emotion_detection.inference import pipeline

BOX = ("x", "y", "width", "height")


def columns(classes: Sequence[str] = EMOTIONS) -> tuple[str, ...]:
    """Return the columns of the table of faces, of stills and videos alike.

    `source`: the file; `time_s`: of the frame, NaN for a still; `face`: from 1, in a still the largest first, in a
    video in order of appearance; `label`: an emotion or "not sure"; the box in pixels; a probability of each class.
    """
    return ("source", "time_s", "face", "label", *BOX, *classes)


def column_types(classes: Sequence[str] = EMOTIONS) -> dict[str, str]:
    """Return the type of each of `columns`."""
    types = {"source": "str", "face": "int64", "label": "str"} | dict.fromkeys(("time_s", *BOX), "float64")
    return {name: types.get(name, "float32") for name in columns(classes)}


def row(source: str, time_s: float, number: int, face: pipeline.FaceEmotion) -> tuple:
    """Return a face's values in the order of `columns`."""
    box = (round(float(getattr(face.box, side)), 1) for side in BOX)
    return (source, time_s, number, face.label, *box, *face.probabilities.tolist())


def from_rows(rows: Sequence[tuple], classes: Sequence[str] = EMOTIONS) -> pd.DataFrame:
    """Return rows of `row` as a table."""
    return typed(pd.DataFrame(rows, columns=list(columns(classes)), dtype=object), classes)


def typed(table: pd.DataFrame, classes: Sequence[str] = EMOTIONS) -> pd.DataFrame:
    """Return a table with the types of its columns; names of files that are not UTF-8 stay Python's own text."""
    try:
        return table.astype(column_types(classes))
    except UnicodeEncodeError:  # PyArrow, which pandas keeps text in, knows no surrogates
        return table.astype(column_types(classes) | {"source": "object"})
