"""A head of your own (experimental): answers corrected by a minute of your face. Features are kept, no pictures.

calibration = lesson.record(KernelCamera(0))    # or the panel "Teach it your face" of the live cell
mine = head.PersonalClassifier(EmotionClassifier.load(), head.fit(calibration))
LiveView(classifier=mine)
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotion_detection import files, paths
from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.faces import preprocessing
from emotion_detection.inference import classifier
from emotion_detection.personal import fitting

if TYPE_CHECKING:  # imported where a table is made: the live cell starts without it
    import pandas as pd

WIDTH = 1280
KIND = "personal head of emotion_detection, version 1"
LEARNED_FRAMES = 16
"""Frames of a clip that are learned from, evenly spaced: those between differ too little to tell more."""

LEARNED_OUTPUTS = ("scores", "features")


@dataclasses.dataclass(frozen=True, eq=False)
class Clip:
    """A few seconds of one expression: float32 features (frames, 1280) and scores (frames, 7) of the network."""

    emotion: str
    features: np.ndarray
    scores: np.ndarray

    def __post_init__(self):
        frames = len(self.features)
        if self.emotion not in EMOTIONS:
            raise UnknownNameError(f"{self.emotion!r} is no emotion. Use one of {', '.join(EMOTIONS)}.")
        if frames < 1 or self.features.shape != (frames, WIDTH) or self.scores.shape != (frames, len(EMOTIONS)):
            raise DataError(
                f"A clip has features {self.features.shape} and scores {self.scores.shape}, expected (n, {WIDTH}) and "
                f"(n, {len(EMOTIONS)}), n from 1 on. Take both from classifier.outputs({LEARNED_OUTPUTS}, faces)."
            )
        if not (np.isfinite(self.features).all() and np.isfinite(self.scores).all()):
            raise DataError(f"A clip of {self.emotion} holds numbers that are not finite. Record it again.")


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """The clips of one person in front of one network (its SHA-256) that answers with one set of labels.

    They live in memory, and no method writes them.
    """

    network: str
    labels: str
    temperature: float
    clips: tuple[Clip, ...] = ()

    @classmethod
    def of(cls, network: classifier.EmotionClassifier | PersonalClassifier) -> Calibration:
        """Return an empty calibration for a network."""
        return cls(network_of(network), network.labels, network.temperature)

    def with_clip(self, clip: Clip) -> Calibration:
        """Return the calibration with one more clip."""
        return dataclasses.replace(self, clips=(*self.clips, clip))

    def without_emotion(self, emotion: str) -> Calibration:
        """Return the calibration without the clips of an emotion, to record them again."""
        return dataclasses.replace(self, clips=tuple(clip for clip in self.clips if clip.emotion != emotion))

    @property
    def frames(self) -> dict[str, list[int]]:
        """Emotion → frames of each of its clips, in FER2013's order; emotions without a clip are left out."""
        counts = {name: [len(clip.features) for clip in self.clips if clip.emotion == name] for name in EMOTIONS}
        return {name: each for name, each in counts.items() if each}


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
    """What is added to the answers of one network with one set of labels: `scores + features @ weights + bias`.

    Args:
        network: SHA-256 of the network's file; on another network the numbers mean nothing.
        labels: "votes" or "fer2013"; with others they mean nothing either.
        weights: float32 array (1280, 7).
        bias: float32 array (7,).
        frames: emotion → frames of each clip that it was learned from.
        note: what the reader should know; empty if nothing.
    """

    network: str
    labels: str
    weights: np.ndarray
    bias: np.ndarray
    frames: dict[str, list[int]]
    note: str = ""

    def corrected(self, scores: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return personal scores from general ones, float32 (n, 7 or 8), and features (n, 1280); contempt stays."""
        found = np.array(scores)
        found[..., : len(EMOTIONS)] += features @ self.weights + self.bias
        return found

    @property
    def privacy(self) -> str:
        """What a file of this head holds: written into it, and shown where it is saved."""
        numbers, frames = self.weights.size + self.bias.size, sum(map(sum, self.frames.values()))
        return (
            f"The file holds {numbers:,} numbers computed from {frames:,} moments of one face, how many moments there "
            "were of which expression, and nothing else: no picture, no name, no single moment's numbers. They were "
            "made from a face all the same: keep the file as you would keep a photograph."
        )


class PersonalClassifier:
    """A network with a personal head that can be switched off; used like `EmotionClassifier`.

    Args:
        general: the network.
        personal_head: made for this network; None answers as the network does.

    Raises:
        DataError: the head was made for another network, or for other labels.
    """

    def __init__(self, general: classifier.EmotionClassifier, personal_head: Head | None = None):
        self.general, self.is_on = general, True
        self.temperature, self.metadata = general.temperature, general.metadata
        self.label_sets, self.labels = general.label_sets, general.labels
        self.contempt, self.prior = general.contempt, general.prior
        self.classes, self.threshold, self.facts = general.classes, general.threshold, general.facts
        self.sha256 = getattr(general, "sha256", None)
        self._personal: Head | None = None
        self.personal_head = personal_head

    @property
    def personal_head(self) -> Head | None:
        """The personal head; setting another takes effect with the next face."""
        return self._personal

    @personal_head.setter
    def personal_head(self, head: Head | None) -> None:
        if head is not None:
            _check_network(head.network, head.labels, self.general, "This personal head")
        self._personal = head

    def with_labels(self, labels: str, *, contempt: bool = False, prior: str | None = None) -> PersonalClassifier:
        """Return the same open network with another answer, as `EmotionClassifier.with_labels`, and the same head.

        Raises:
            DataError: the head was taught for other labels.
        """
        general = self.general.with_labels(labels, contempt=contempt, prior=prior)
        other = PersonalClassifier(general, self.personal_head)
        other.is_on = self.is_on
        return other

    @property
    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights (1280, classes) and biases that give the answers: the network's own, corrected while that is on."""
        weights, biases = self.general.head
        added = self._used()
        if added is not None:
            weights, biases = weights.copy(), biases.copy()
            weights[:, : len(EMOTIONS)] += added.weights
            biases[: len(EMOTIONS)] += added.bias
        return weights, biases

    def predict_proba(self, faces: preprocessing.Faces) -> np.ndarray:
        """Return how probable each emotion is: float32 (n, classes), as `EmotionClassifier.predict_proba`."""
        return self.calibrated(self.outputs(("scores",), faces)["scores"])

    def are_upright(self, faces: preprocessing.Faces) -> np.ndarray:
        """Return whether each face is upright, bool (n,), as the general network sees it."""
        return self.general.are_upright(faces)

    def calibrated(self, scores: np.ndarray) -> np.ndarray:
        """Return probabilities from scores, both (n, classes), the temperature applied."""
        return classifier.softmax(scores / self.temperature)

    def outputs(self, names: Sequence[str], faces: preprocessing.Faces) -> dict[str, np.ndarray]:
        """Return outputs as `EmotionClassifier.outputs`, scores by the personal head while that is on."""
        added = self._used()
        if added is None or "scores" not in names:
            return self.general.outputs(names, faces)
        found = self.general.outputs(tuple(dict.fromkeys((*names, *LEARNED_OUTPUTS))), faces)
        found = found | {"scores": added.corrected(found["scores"], found["features"])}
        return {name: found[name] for name in names}

    def _used(self) -> Head | None:
        return self._personal if self.is_on else None


def network_of(network: classifier.EmotionClassifier | PersonalClassifier) -> str:
    """Return the SHA-256 of a network's file, from its model card.

    Raises:
        DataError: it has no model card, so that nobody could tell later which network a head was made for.
    """
    if getattr(network, "sha256", None) is None or not hasattr(network, "temperature"):
        raise DataError(
            f"A {type(network).__name__} without a model card cannot be taught: a personal head belongs to one "
            "network's file. Load the network with EmotionClassifier.load, its card beside it."
        )
    return network.sha256


def fit(calibration: Calibration, *, settings: fitting.Settings | None = None) -> Head:
    """Fit a personal head, near the shipped one; a fraction of a second.

    Emotions without a clip are held by what is prepared for the shipped network (`prepared_for`); for another network
    `Head.note` says that nothing holds them.

    Args:
        calibration: at least one clip.
        settings: those prepared for the network if None.

    Raises:
        DataError: nothing is recorded.
    """
    if not calibration.clips:
        raise DataError("Nothing is recorded: the calibration has no clip. Record at least one expression.")
    prepared = prepared_for(calibration.network, calibration.labels)
    averages = prepared.averages if prepared else None
    settings = settings or (prepared.settings if prepared else fitting.Settings())
    examples = fitting.examples(calibration.clips, averages, settings=settings, most_frames=LEARNED_FRAMES)
    weights, bias = fitting.fit(examples, temperature=calibration.temperature, settings=settings)
    left_out = [DISPLAY_NAMES[name] for name in EMOTIONS if name not in calibration.frames]
    note = ""
    if averages is None and left_out:
        note = (
            f"This network's average features are not recorded, so nothing holds {', '.join(left_out)}, which "
            "were not recorded either: record them too, or `python -m emotion_detection personal --record`."
        )
    return Head(calibration.network, calibration.labels, weights, bias, calibration.frames, note)


def leave_one_clip_out(calibration: Calibration, *, settings: fitting.Settings | None = None) -> pd.DataFrame:
    """Return what the personal head is worth on clips that it has not learned from.

    One clip of each emotion is left out at a time, first the first ones, then the second; the head is fitted to the
    others, and the frames left out are answered before and after. (Left out alone, a clip would be answered by a head
    that knows every other emotion better than its own.) An emotion with a single clip is then one not recorded.

    Returns:
        A row per recorded emotion: emotion, clips, frames, accuracy_before, accuracy_after (share of frames answered as
        asked, mean over clips, 0–1), probability_before, probability_after (of the emotion asked for, likewise).
    """
    import pandas as pd

    names = [clip.emotion for clip in calibration.clips]
    turns = [names[:index].count(name) for index, name in enumerate(names)]  # how many of the same emotion come before
    lines = []
    for turn in sorted(set(turns)):
        rest = tuple(clip for clip, its in zip(calibration.clips, turns, strict=True) if its != turn)
        head = fit(dataclasses.replace(calibration, clips=rest), settings=settings) if rest else None
        for clip in (clip for clip, its in zip(calibration.clips, turns, strict=True) if its == turn):
            line = {"emotion": clip.emotion, "clips": 1, "frames": len(clip.features)}
            after = clip.scores if head is None else head.corrected(clip.scores, clip.features)
            asked = EMOTIONS.index(clip.emotion)
            for name, scores in (("before", clip.scores), ("after", after)):
                line[f"accuracy_{name}"] = (scores.argmax(axis=1) == asked).mean()
                line[f"probability_{name}"] = classifier.softmax(scores / calibration.temperature)[:, asked].mean()
            lines.append(line)
    how = {"clips": "sum", "frames": "sum"}
    how |= {f"{score}_{when}": "mean" for score in ("accuracy", "probability") for when in ("before", "after")}
    table = pd.DataFrame(lines, columns=["emotion", *how]).groupby("emotion", as_index=False).agg(how)
    return table.sort_values("emotion", key=lambda names: names.map(EMOTIONS.index), ignore_index=True)


# What is prepared for the shipped network


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """What `personal_simulation.record` prepares for a network: averages of Training, settings chosen by simulation."""

    averages: fitting.Averages
    settings: fitting.Settings


def prepared_path(labels: str) -> Path:
    """Return the path of what is prepared for the shipped network where it answers with these labels."""
    return paths.project_root() / "data" / "results" / "personal" / f"averages_{labels}.npz"


@functools.lru_cache(maxsize=4)
def prepared_for(network: str, labels: str) -> Prepared | None:
    """Return what is prepared for a network, by its SHA-256, and labels; None if what is recorded is another's.

    Raises:
        DataError: the file is damaged.
    """
    path = prepared_path(labels)
    if not path.is_file():
        return None
    names = [field.name for field in dataclasses.fields(fitting.Settings)]
    averages = {"features": ("f", (len(EMOTIONS), WIDTH)), "scores": ("f", (len(EMOTIONS), None))}
    expected = averages | {"network": ("U", ())} | dict.fromkeys(names, ("f", ()))
    arrays = files.read_arrays(path, expected=expected, remake="python -m emotion_detection personal --record")
    if str(arrays["network"]) != network:
        return None
    features, scores = (arrays[name].astype(np.float32) for name in averages)
    settings = fitting.Settings(**{name: float(arrays[name]) for name in names})
    return Prepared(fitting.Averages(features, scores), settings)


def write_prepared(network: str, labels: str, prepared: Prepared) -> None:
    """Write what `prepared_for` reads, atomically."""
    arrays = {name: getattr(prepared.averages, name).astype(np.float32) for name in ("features", "scores")}
    with files.written_beside(prepared_path(labels)) as temporary:
        np.savez_compressed(temporary, network=network, **arrays, **dataclasses.asdict(prepared.settings))
    prepared_for.cache_clear()


# Files


def save(head: Head, path: Path | str) -> str:
    """Write a head as JSON, atomically; return `Head.privacy`, which is in the file, too."""
    values = {
        "kind": KIND,
        "privacy": head.privacy,
        "network": head.network,
        "labels": head.labels,
        "frames": head.frames,
        "note": head.note,
        "bias": _decimals(head.bias),
        "weights": [_decimals(row) for row in head.weights],
    }
    files.write_text(Path(path), json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n", private=True)
    return head.privacy


NUMBERS = {
    "type": "array",
    "minItems": len(EMOTIONS),
    "maxItems": len(EMOTIONS),
    "items": {"type": "number", "minimum": -1e6, "maximum": 1e6},
}
FILE = {
    "required": ["kind", "network", "frames", "bias", "weights"],
    "properties": {
        "kind": {"const": KIND},
        "network": {"type": "string"},
        "labels": {"enum": ["fer2013", "votes"]},
        "note": {"type": "string"},
        "frames": {
            "type": "object",
            "propertyNames": {"enum": list(EMOTIONS)},
            "additionalProperties": {"type": "array", "items": {"type": "integer", "minimum": 1}},
        },
        "bias": NUMBERS,
        "weights": {"type": "array", "minItems": WIDTH, "maxItems": WIDTH, "items": NUMBERS},
    },
}
"""What a file of a personal head holds, as JSON Schema."""


def load(path: Path | str, network: classifier.EmotionClassifier | PersonalClassifier) -> Head:
    """Read a head for a network.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file is damaged, no personal head, or one made for another network or other labels.
    """
    path = Path(path)
    values = files.read_json(path, what="personal head", remake="teach this network anew", schema=FILE)
    weights, bias = (np.array(values[name], np.float32) for name in ("weights", "bias"))
    labels = values.get("labels", "fer2013")  # earlier files do not say
    _check_network(values.get("network"), labels, network, f"The personal head {path.name}")
    return Head(values["network"], labels, weights, bias, values["frames"], values.get("note", ""))


def _decimals(values: Iterable[np.float32]) -> list[float]:
    """Return float32 values with as few decimals as tell them apart."""
    return [float(str(value)) for value in values]


def _check_network(sha256, labels: str, network: classifier.EmotionClassifier, what: str) -> None:
    expected = network_of(network)
    if sha256 != expected:
        raise DataError(
            f"{what} was made for another network (SHA-256 {str(sha256)[:12]}…, this one is {expected[:12]}…): its "
            "numbers mean nothing here. Teach this network anew: a minute."
        )
    if labels != network.labels:
        raise DataError(
            f"{what} was made for answers with labels={labels!r}, and this network answers with {network.labels!r}. "
            f"Use it with EmotionClassifier.load(labels={labels!r}), or teach anew: a minute."
        )
