"""How do the networks do on photographs of people, outside FER2013? The whole pipeline: detector, crop, network.

`record` counts what each network at hand answers, in `data/results/photographs/<network>.json`; tables are made from
these counts, with neither pictures nor networks. Nothing is trained, and no picture is kept.
"""

import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import MissingFileError, ProjectError
from emotion_detection.evaluation import resampling
from emotion_detection.faces import detection, images, stills
from emotion_detection.runs import registry
from emotion_detection.studies import baselines, robustness

log = logging.getLogger(__name__)

ANSWERS = (*EMOTIONS, "no face")
"""Columns of the recorded confusion: what a picture may be called. The last one is an error, too."""

LEAST_PICTURES = 25
"""Classes with fewer pictures are listed, but do not count in the mean recall."""

COMMAND = "python -m emotion_detection photographs FOLDER --record"
NEUTRAL, ANGRY = EMOTIONS.index("neutral"), EMOTIONS.index("angry")


def folder() -> Path:
    """Return the folder of the records."""
    return paths.project_root() / "data" / "results" / "photographs"


def networks() -> list[str]:
    """Name what is compared: the shipped files, the plain run, the baselines."""
    return list(dict.fromkeys([*robustness.SHIPPED, robustness.plain_run(), *baselines.FILES]))


def loaded_networks() -> list[tuple[robustness.Scoring, dict]]:
    """Load what is compared; networks that are not on this machine are left out, with a warning."""
    found = []
    for name in networks():
        try:
            found.append(robustness.load_network(name))
        except MissingFileError as error:
            log.warning("%s is left out. %s", name, error)
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class LargestFaces:
    """The largest face of each of n pictures.

    Args:
        crops: uint8 array (n, 48, 48), zero where there is none.
        found: bool array (n,).
        is_read: bool array (n,), False of a picture that could not be read.
    """

    crops: np.ndarray
    found: np.ndarray
    is_read: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> "LargestFaces":
        return LargestFaces(self.crops[chosen], self.found[chosen], self.is_read[chosen])


def find_largest_faces(pictures: Sequence[Path], detector: detection.Detector) -> LargestFaces:
    """Find the largest face of each picture; one that cannot be read is named at the end and stops nothing."""
    faces = LargestFaces(np.zeros((len(pictures), 48, 48), np.uint8), *np.zeros((2, len(pictures)), bool))
    unreadable = []
    for index, path in enumerate(tqdm(pictures, unit="picture")):
        try:
            crops = detection.find_faces(images.read_picture(path), detector)[1]
        except ProjectError as error:
            unreadable.append(str(error))
            continue
        faces.is_read[index], faces.found[index] = True, bool(crops)
        if crops:
            faces.crops[index] = crops[0]
    for message in unreadable:
        log.warning("Left out: %s", message)
    return faces


def answers_of(scores_of: robustness.Scoring, faces: LargestFaces) -> np.ndarray:
    """Return int (n,): the place in `ANSWERS` of what each picture is called."""
    answers = np.full(len(faces.found), ANSWERS.index("no face"))
    if faces.found.any():
        answers[faces.found] = scores_of(faces.crops[faces.found]).argmax(axis=1)
    return answers


def fingerprint(pictures: Sequence[Path]) -> str:
    """Return a SHA-256 of the pictures' bytes, in their order."""
    return hashlib.sha256("".join(files.sha256(path) for path in pictures).encode()).hexdigest()


def labelled_pictures(folder: Path) -> tuple[list[Path], np.ndarray]:
    """Return the pictures `<emotion>/*.jpg` of a folder and their labels, int (n,); MissingFileError if none."""
    found = {name: sorted((folder / name).glob("*.jpg")) for name in EMOTIONS}
    listed = [path for each in found.values() for path in each]
    if not listed:
        raise MissingFileError(
            f"{folder} holds no <emotion>/*.jpg. Name its folders as the emotions are named: {', '.join(EMOTIONS)}. "
            "Those of the record: python -m emotion_detection data fetch photographs"
        )
    return listed, np.repeat(np.arange(len(EMOTIONS)), [len(each) for each in found.values()])


def labelled_faces(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the faces found in a folder of photographs, uint8 (n, 48, 48), and their labels, int (n,)."""
    listed, label = labelled_pictures(folder)
    faces = find_largest_faces(listed, stills.load_detector())
    return faces.crops[faces.found], label[faces.found]


def record(pictures: Path, *, detector: detection.Detector | None = None) -> list[Path]:
    """Let each network at hand answer a folder `<emotion>/*.jpg`, and record the counts.

    Args:
        pictures: the folder; classes may be missing.
        detector: finds the faces; `stills.load_detector()` if None.

    Returns:
        The records' paths.

    Raises:
        MissingFileError: the folder holds no such picture.
    """
    listed, label = labelled_pictures(pictures)
    detector = detector or stills.load_detector()
    faces = find_largest_faces(listed, detector)
    label, faces = label[faces.is_read], faces[faces.is_read]
    facts = {"command": COMMAND, "detector": detector.name, "pictures_sha256": fingerprint(listed)}
    facts["n"] = dict(zip(EMOTIONS, np.bincount(label, minlength=len(EMOTIONS)).tolist(), strict=True))
    written = []
    for network, known in loaded_networks():
        counts = np.zeros((len(EMOTIONS), len(ANSWERS)), int)
        np.add.at(counts, (label, answers_of(network, faces)), 1)
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
    shipped = {name: registry.network_path(form).name for name, (form, _) in robustness.SHIPPED.items()}
    for name in [name for name in shipped if name in found]:
        if found[name]["network"]["sha256"] != registry.read_card()["files"][shipped[name]]["sha256"]:
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
        rows[robustness.display_name(name)] = row | {"no_face_share": counts[:, -1].sum() / counts.sum()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def _scores(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of confusions (…, 7, 8), which all hold the same number of pictures of each class."""
    recall, n = _shares(counts), counts.sum(axis=-1)
    large = n.reshape(-1, len(EMOTIONS))[0] >= LEAST_PICTURES
    angry = counts[..., NEUTRAL, ANGRY] / np.maximum(n[..., NEUTRAL], 1)
    mean = recall[..., large].mean(axis=-1)
    return {"mean_recall": mean, "neutral_recall": recall[..., NEUTRAL], "neutral_called_angry_share": angry}
