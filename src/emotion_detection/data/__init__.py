"""Data sets of 48×48 grey faces: FER2013, its relabelling FER+, your own pictures, and drawn faces without download."""

import importlib

from emotion_detection.errors import missing_package

_PLACES = {
    "SPLITS": "dataset",
    "FaceDataset": "dataset",
    "load_fer2013": "fer2013",
    "load_ferplus": "ferplus",
    "load_pictures": "own_pictures",
    "load_sample": "synthetic",
}
"""Name → the file that has it, imported when it is first used: the live cell starts without scikit-learn."""

__all__ = list(_PLACES)


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}. It offers {', '.join(__all__)}.")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
