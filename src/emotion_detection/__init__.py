"""Facial emotion recognition on FER2013: data, networks, honest scores, and a live cell for notebooks.

What most readers need is here by name: faces (`load_fer2013`, `load_sample`, `load_pictures`), the shipped network
(`analyse`, `EmotionClassifier`, `LiveView`), recorded and own experiments (`get_run`, `try_recipe`), what a notebook
calls (`setup`, `show`, `save_figure`), and the modules `metrics`, `recipes`, `plots` and `studies`.

Each name is imported when it is first used, so importing this package costs milliseconds: neither TensorFlow nor a
plotting library is loaded until something needs it.
"""

import importlib

__version__ = "0.1.0"

_PLACES = {
    "load_fer2013": "emotion_detection.data",
    "load_sample": "emotion_detection.data",
    "load_pictures": "emotion_detection.data",
    "EmotionClassifier": "emotion_detection.inference.classifier",
    "analyse": "emotion_detection.inference.analyse",
    "LiveView": "emotion_detection.live",
    "get_run": "emotion_detection.notebook",
    "try_recipe": "emotion_detection.notebook",
    "setup": "emotion_detection.notebook",
    "show": "emotion_detection.notebook",
    "save_figure": "emotion_detection.notebook",
}
"""Public name → the module that has it."""

_MODULES = {
    "metrics": "emotion_detection.evaluation.metrics",
    "recipes": "emotion_detection.training.catalog",
    "plots": "emotion_detection.plots",
    "studies": "emotion_detection.studies",
}
"""Public name → the module that it is."""

__all__ = [*_PLACES, *_MODULES]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}. It offers {', '.join(__all__)}.")
    try:
        module = importlib.import_module(_PLACES.get(name) or _MODULES[name])
    except ModuleNotFoundError as error:
        from emotion_detection.errors import missing_package

        raise missing_package(error) from error
    value = getattr(module, name) if name in _PLACES else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__", "__doc__", "__file__", "__name__", "__path__"]
