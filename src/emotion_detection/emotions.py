"""The classes of FER2013 and of FER+, in one order: names, colours, and how they map to each other."""

from collections.abc import Sequence

import numpy as np

from emotion_detection.errors import DataError, UnknownNameError

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Class names; the index is FER2013's label."""

VOTES = (*EMOTIONS, "contempt")
"""What ten people could vote for: the eight classes of FER+ in FER2013's order, contempt last."""

DISPLAY_NAMES = {name: name.capitalize() for name in VOTES}

# Okabe and Ito's colour-blind-safe palette, yellow darkened so that it reads on white.
COLORS = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#7B4FA3",
    "happy": "#E6A700",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#7A7A7A",
    "contempt": "#8C564B",
}
"""One colour per emotion (RGB hex), the same in every figure and in the live cell."""

FERPLUS_EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
"""The eight emotions of FER+, in the order of its columns (the columns "unknown" and "NF" follow)."""

FERPLUS_TO_FER2013 = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprise",
    "sadness": "sad",
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
}
"""FER+ name → FER2013 name; contempt has no counterpart."""

Emotion = str | Sequence[int] | np.ndarray | None
"""Which emotion is asked about: a name, a class for each face, or None for each face's most probable one."""


def classes_of(emotion: Emotion, count: int, names: Sequence[str] = EMOTIONS) -> np.ndarray:
    """Return int array (count,): the class, of `names`, that is asked for of each face, from a name or from classes."""
    if isinstance(emotion, str):
        if emotion not in names:
            raise UnknownNameError(f"There is no emotion {emotion!r}. Use one of {', '.join(names)}.")
        return np.full(count, names.index(emotion))
    classes = np.asarray(emotion)
    whole = np.issubdtype(classes.dtype, np.integer)
    if classes.shape != (count,) or not whole or not np.isin(classes, range(len(names))).all():
        raise DataError(
            f"Emotions are {classes.dtype} of shape {classes.shape}, expected a name or {count} classes "
            f"0–{len(names) - 1}, one for each face. Pass None to take each face's most probable emotion."
        )
    return classes
