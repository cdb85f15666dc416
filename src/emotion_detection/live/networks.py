"""The networks whose answers a view shows: loaded by name, asked for another label set, what their thresholds mean."""

import os
from collections.abc import Mapping

from emotion_detection.errors import DataError
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs import registry

LABEL_SETS = {
    "votes": ("votes", "what most of ten people would call a face"),
    "fer2013": ("FER2013's labels", "what the benchmark scores"),
}
"""What each set of labels is called in the settings, and what it is."""

Given = EmotionClassifier | str | os.PathLike | Mapping[str, EmotionClassifier | str | os.PathLike] | None


class Networks:
    """One network or several, by name; labels and threshold are those of the first."""

    def __init__(self, by_name: dict[str, EmotionClassifier]):
        self.by_name = by_name
        self._first = next(iter(by_name.values()))
        self.labels: str = getattr(self._first, "labels", "fer2013")
        self.contempt: bool = getattr(self._first, "contempt", False)
        self._facts: dict = getattr(self._first, "facts", None) or getattr(self._first, "metadata", None) or {}
        self.threshold = registry.threshold_of(self._facts)
        self.of_votes = {name for name, network in by_name.items() if getattr(network, "labels", None) == "votes"}

    @classmethod
    def from_given(cls, given: Given, *, labels: str | None) -> "Networks":
        """Return what is meant by a network, its name or path, a mapping of names to such, or None for the shipped.

        Raises:
            DataError: it is none of these, an empty mapping, or has no such labels.
            MissingFileError: a network is missing.
        """
        if isinstance(given, Mapping):
            if not given:
                raise DataError("LiveView got an empty mapping of classifiers. Pass at least one network, or None.")
            return cls({str(name): _network(each, labels) for name, each in given.items()})
        network = _network(given, labels)
        return cls({(getattr(network, "metadata", None) or {}).get("name", type(network).__name__): network})

    @property
    def label_sets(self) -> list[list[str]]:
        """Name, shown name and meaning of each label set that the first network can answer with."""
        return [[name, *LABEL_SETS[name]] for name in getattr(self._first, "label_sets", (self.labels,))]

    def answering(self, labels: str, *, contempt: bool) -> "Networks":
        """Return the same networks with other answers; those that know no label sets stay as they are.

        Raises:
            DataError: a network has no votes.
        """
        return Networks(
            {
                name: network.with_labels(labels, contempt=contempt) if hasattr(network, "with_labels") else network
                for name, network in self.by_name.items()
            }
        )

    def worth(self, minimum_confidence: float) -> str:
        """Return what a minimum confidence is worth on FER2013's PrivateTest; empty where no model card says it."""
        found = registry.at_threshold(self._facts, minimum_confidence)
        if found is None:
            return ""
        coverage, accuracy = (f"{100 * share:.0f} %" for share in found)
        return f"On PrivateTest {coverage} of the faces get an answer, and {accuracy} of these are right."


def _network(given, labels: str | None):
    if given is None or isinstance(given, str | os.PathLike):
        return EmotionClassifier.load(given, labels=labels)
    if not hasattr(given, "predict_proba"):
        raise DataError(
            f'LiveView got the classifier {given!r}. Pass "float16", "int8", the path of a .tflite file, or a network '
            "with predict_proba."
        )
    return given
