"""How do the networks do on photographs of people, outside FER2013? The whole pipeline: detector, crop, network.

`record` counts what each network at hand answers, in `data/results/photographs/<network>.json`; tables are made from
these counts, with neither pictures nor networks. Nothing is trained, and no picture is kept.
"""

import functools
import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import MissingFileError
from emotion_detection.evaluation import resampling
from emotion_detection.faces import detection, images
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs import registry, store
from emotion_detection.studies import baselines, robustness

Answering = Callable[[np.ndarray], np.ndarray]
"""From uint8 crops (n, 48, 48) to scores (n, 7), the highest of which is the answer."""

ANSWERS = (*EMOTIONS, "no face")
"""Columns of the recorded confusion: what a picture may be called. The last one is an error, too."""

LEAST_PICTURES = 25
"""Classes with fewer pictures are listed, but do not count in the mean recall."""

COMMAND = "python -m emotion_detection photographs FOLDER --record"
SHIPPED = tuple(baselines.OURS.values())
NEUTRAL, ANGRY = EMOTIONS.index("neutral"), EMOTIONS.index("angry")


def folder() -> Path:
    """Return the folder of the records."""
    return paths.project_root() / "data" / "results" / "photographs"


def networks() -> list[str]:
    """Name what is compared: the shipped files, the plain run, the baselines."""
    return list(dict.fromkeys([*SHIPPED, robustness.plain_run(), *baselines.FILES]))


def display_name(name: str) -> str:
    """Return how figures and tables name a network that is compared."""
    forms = {shipped: f"shipped ({form})" for form, shipped in baselines.OURS.items()}
    return forms.get(name) or robustness.display_name(name)


def load_network(name: str) -> tuple[Answering, dict]:
    """Return what answers crops, and what is recorded of the network.

    Raises:
        MissingFileError: its file is not on this machine.
    """
    if name in baselines.FILES:
        other = baselines.load(name)
        return other.probabilities, {"name": name, "format": "keras", "sha256": other.sha256}
    if name in SHIPPED:
        form = name.removeprefix("shipped_")
        facts = {"name": name, "format": form, "sha256": files.sha256(registry.network_path(form))}
        return EmotionClassifier.load(form).logits, facts
    path = store.trained_network(name)
    from emotion_detection.training import backends, mobilenet

    facts = {"name": name, "format": "keras", "sha256": files.sha256(path)}
    return functools.partial(backends.predict_logits, mobilenet.load_network(path)), facts


def loaded_networks() -> list[tuple[Answering, dict]]:
    """Load what is compared; networks that are not on this machine are left out, with a warning."""
    found = []
    for name in networks():
        try:
            found.append(load_network(name))
        except MissingFileError as error:
            logging.getLogger(__name__).warning("%s is left out. %s", name, error)
    return found


def crop_largest_faces(pictures: Sequence[Path], detector: detection.Detector) -> tuple[np.ndarray, np.ndarray]:
    """Return the crop of the largest face of each picture that has one, and which pictures have one.

    Returns:
        uint8 (found, 48, 48) and bool (n,).
    """
    each = [detection.find_faces(images.read_picture(path), detector)[1][:1] for path in tqdm(pictures, unit="picture")]
    crops = [crop for crops in each for crop in crops]
    return np.array(crops, np.uint8).reshape(-1, 48, 48), np.array([bool(crops) for crops in each])


def answers_of(network: Answering, crops: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return int (n,): the place in `ANSWERS` of what each picture is called; arguments as returned above."""
    answers = np.full(len(found), ANSWERS.index("no face"))
    if len(crops):
        answers[found] = network(crops).argmax(axis=1)
    return answers


def fingerprint(pictures: Sequence[Path]) -> str:
    """Return a SHA-256 of the pictures' bytes, in their order."""
    return hashlib.sha256("".join(files.sha256(path) for path in pictures).encode()).hexdigest()


def record(pictures: Path, *, detector: detection.Detector | None = None) -> list[Path]:
    """Let each network at hand answer a folder `<emotion>/*.jpg`, and record the counts.

    Args:
        pictures: the folder; classes may be missing.
        detector: finds the faces; `detection.load_detector()` if None.

    Returns:
        The records' paths.

    Raises:
        MissingFileError: the folder holds no such picture.
    """
    found = {name: sorted((pictures / name).glob("*.jpg")) for name in EMOTIONS}
    listed = [path for each in found.values() for path in each]
    if not listed:
        raise MissingFileError(
            f"{pictures} holds no <emotion>/*.jpg. Name its folders as the emotions are named: {', '.join(EMOTIONS)}. "
            "Those of the record: python -m emotion_detection data fetch photographs"
        )
    detector = detector or detection.load_detector()
    label = np.repeat(np.arange(len(EMOTIONS)), [len(each) for each in found.values()])
    crops = crop_largest_faces(listed, detector)
    facts = {"command": COMMAND, "detector": detector.name, "pictures_sha256": fingerprint(listed)}
    facts["n"] = {name: len(each) for name, each in found.items()}
    written = []
    for network, known in loaded_networks():
        counts = np.zeros((len(EMOTIONS), len(ANSWERS)), int)
        np.add.at(counts, (label, answers_of(network, *crops)), 1)
        written.append(folder() / f"{known['name']}.json")
        files.write_json(written[-1], facts | {"network": known, "answers": ANSWERS, "confusion": counts.tolist()})
    return written


# From records alone


def load(place: Path | None = None) -> dict[str, dict]:
    """Return the records by network, the shipped first; records of another shipped network are left out.

    Args:
        place: the folder of the records; that of this study if None.

    Raises:
        MissingFileError: nothing is recorded.
    """
    place, found = place or folder(), {}
    for name in networks():
        if (place / f"{name}.json").is_file():
            found[name] = files.read_json(place / f"{name}.json", remake=COMMAND, keys=("network",))
    for form, name in baselines.OURS.items():
        shipped = registry.read_card()["files"][registry.network_path(form).name]["sha256"]
        if name in found and found[name]["network"]["sha256"] != shipped:
            del found[name]
    if not found:
        raise MissingFileError(f"Nothing is recorded in {paths.displayed(place)}. Measure: {COMMAND}")
    return found


def recalls(record: dict) -> pd.DataFrame:
    """Return recall per emotion with 95 % bootstrap intervals; a picture without a face counts as an error.

    Returns:
        By emotion: `n`, `recall`, `recall_low`, `recall_high`, 0–1.
    """
    counts = np.array(record["confusion"])
    ends = [resampling.percentile_interval(each) for each in _shares(resampling.resampled_confusions(counts)).T]
    table = pd.DataFrame(ends, pd.Index(EMOTIONS, name="emotion"), ["recall_low", "recall_high"])
    table.insert(0, "recall", _shares(counts))
    table.insert(0, "n", counts.sum(axis=1))
    return table[table["n"] > 0]


def _shares(counts: np.ndarray) -> np.ndarray:
    """Return the recalls (…, 7) of confusions (…, 7, 8)."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    return right / np.maximum(counts.sum(axis=-1), 1)


def confusion(record: dict) -> pd.DataFrame:
    """Return counts: a row per emotion that has pictures, a column per answer."""
    table = pd.DataFrame(record["confusion"], pd.Index(EMOTIONS, name="label"), list(ANSWERS))
    return table[table.sum(axis=1) > 0]


def summary(records: dict[str, dict]) -> pd.DataFrame:
    """Return mean recall and the share of Neutral that is called Angry, with 95 % bootstrap intervals.

    The mean is over the classes with `LEAST_PICTURES` and more.

    Returns:
        By network: `n`, `mean_recall`, `neutral_recall`, `neutral_called_angry_share`, `no_face_share`, 0–1.
    """
    rows = {}
    for name, each in records.items():
        counts = np.array(each["confusion"])
        found, drawn = _scores(counts), _scores(resampling.resampled_confusions(counts))
        row = {"n": int(counts.sum())}
        for score, value in found.items():
            low, high = resampling.percentile_interval(drawn[score])
            row |= {score: float(value), f"{score}_low": low, f"{score}_high": high}
        rows[display_name(name)] = row | {"no_face_share": counts[:, -1].sum() / counts.sum()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def _scores(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of confusions (…, 7, 8), which all hold the same number of pictures of each class."""
    recall, n = _shares(counts), counts.sum(axis=-1)
    large = n.reshape(-1, len(EMOTIONS))[0] >= LEAST_PICTURES
    angry = counts[..., NEUTRAL, ANGRY] / np.maximum(n[..., NEUTRAL], 1)
    mean = recall[..., large].mean(axis=-1)
    return {"mean_recall": mean, "neutral_recall": recall[..., NEUTRAL], "neutral_called_angry_share": angry}
