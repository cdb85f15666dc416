"""Your own pictures: a folder of labelled faces, `<name>/<emotion>/…`, becomes a `FaceDataset`.

Each picture is read, and its face found and cropped, by the functions that do so everywhere else. What is wrong with a
file is listed in a table (`PictureDataset.report`); none is left out in silence. How a folder is read may be written
into a file in it, `pictures.json`, so that all commands and notebooks agree (see `own_pictures_settings`).
"""

import collections
import dataclasses
import json
import logging
from collections.abc import Hashable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from sklearn import model_selection
from tqdm.auto import tqdm

from emotion_detection import files, paths
from emotion_detection.data import duplicates
from emotion_detection.data.dataset import OWN_PICTURES, SPLITS, TEST_SPLITS, FaceDataset
from emotion_detection.data.own_pictures_settings import (
    SETTINGS_FILE,
    Settings,
    is_split_folder,
    proposed_class,
    read_settings,
)
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.faces import detection, images, preprocessing, stills

log = logging.getLogger(__name__)

COLUMNS = ("file", "kind", "problem", "done")
LEAST_GROUPS = len(SPLITS)  # a class needs so many groups of pictures: one for each split
LEAST_PICTURES = 10  # fewer faces of a class than this are refused: one in each test split says nothing
ROUGH_BELOW = 20  # with fewer faces of a class in a test split its scores are called rough
SHARE_TOLERANCE = 0.03  # a test split whose share of the faces is further than this from the one asked for is noted
SQUEEZED_FROM = 1.2
"""A whole picture whose sides differ by more than this factor is listed: it is squeezed into a square."""

LEFT_OUT = "left out"


class PicturesError(DataError):
    """A folder of pictures cannot be used as it is; `report` is the table that says why, file by file."""

    def __init__(self, message: str, report: pd.DataFrame):
        super().__init__(message)
        self.report = report


@dataclasses.dataclass(frozen=True, eq=False)
class PictureDataset(FaceDataset):
    """Faces from a folder of pictures.

    Args:
        files: path within the folder of the face with each row number.
        report: what was wrong or worth a look: columns `COLUMNS`, a row per file (or class), sorted.
    """

    files: tuple[str, ...] = ()
    report: pd.DataFrame = dataclasses.field(default_factory=lambda: pd.DataFrame(columns=list(COLUMNS)))


def load_pictures(folder: Path | str, *, detector: detection.Detector | None = None, **settings) -> PictureDataset:
    """Load a folder of labelled faces: `<name>/<emotion>/*.jpg`, PNG or WebP, of any size.

    Training, PublicTest and PrivateTest hold about 80, 10 and 10 % of each class; pictures, their names and the seed
    alone decide which face goes where. Twins, and what `group` joins, are never in two splits. What was wrong with a
    file, or left out, is in the table `report`.

    Args:
        folder: its name is the data set's.
        detector: finds the faces; `stills.load_detector()` if None.
        settings: fields of `Settings`; they go before those in the folder's `pictures.json`.

    Raises:
        MissingFileError: there is no such folder.
        PicturesError: a class is unknown, or has too few pictures; its `report` holds the table.
        DataError: a setting is wrong.

    Example:
        >>> mine = load_pictures("data/raw/mine", classes={"joy": "happy", "contempt": None})
    """
    folder = _checked_folder(folder)
    chosen = read_settings(folder, **settings)
    problems = _Problems()
    listed = _listed(folder, chosen, problems)
    found = _cropped(folder, listed, chosen, detector, problems)
    dataset = _as_dataset(folder, found)
    _add_identical(dataset, problems)
    group = _checked_groups(dataset, chosen, problems, wanted={emotion for _, emotion in listed})
    usage = _split(dataset.emotion, group, chosen)
    dataset = dataclasses.replace(dataset, usage=usage, report=problems.frame())
    _check_splits(dataset, group)
    notes = _notes(dataset, group, chosen)
    if (dataset.report["done"] == LEFT_OUT).any():
        log.warning("%s See the table: .report, or `data pictures FOLDER`.", notes[0])
    return dataclasses.replace(dataset, notes=notes)


def load_unsplit(folder: Path | str, *, detector: detection.Detector | None = None, **settings) -> PictureDataset:
    """Load the labelled faces of a folder as they are: no split is made, and no number of pictures is too small.

    This is for scoring a network that learned from none of them. Arguments and errors are those of `load_pictures`.
    """
    folder = _checked_folder(folder)
    chosen = read_settings(folder, **settings)
    problems = _Problems()
    found = _cropped(folder, _listed(folder, chosen, problems), chosen, detector, problems)
    dataset = _as_dataset(folder, found)
    return dataclasses.replace(dataset, report=problems.frame())


class _Problems(list):
    """The rows of the report, while they are found."""

    def add(self, file: str, kind: str, problem: str, done: str = LEFT_OUT) -> None:
        self.append((file, kind, problem, done))

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(sorted(self), columns=list(COLUMNS))


def _checked_folder(folder: Path | str) -> Path:
    if not isinstance(folder, str | Path) or not str(folder):
        raise DataError(f'A folder of pictures was to be named, and {folder!r} was given. The current folder is ".".')
    folder = paths.expanded(folder)
    if not folder.is_dir():
        received = "it is a file" if folder.exists() else "it does not exist"
        raise MissingFileError(
            f"The folder of pictures {paths.displayed(folder)} was not found: {received}. Give a folder that holds a "
            "folder of pictures for each emotion, such as happy/ and sad/."
        )
    return folder.resolve()


def _listed(folder: Path, settings: Settings, problems: _Problems) -> list[tuple[str, str]]:
    """Return (path within the folder, emotion) of all files in known classes, sorted; list the rest."""
    found, unknown = [], []
    walked = files.walk(folder)
    left_out = [path.relative_to(folder).as_posix() for path in walked.left_out]
    ours = [name for name in left_out if files.is_housekeeping(Path(name).name)]
    if ours:
        what = f"{len(ours)} hidden entries and folders that systems make"
        problems.add(ours[0], "system entries", what, "left out, as always")
    for name in sorted({*left_out} - {*ours}):
        problems.add(name, "no file", "is a link that leads nowhere or back, or a pipe")
    for entry in sorted(folder.iterdir()):
        if entry in walked.left_out:
            continue
        if not entry.is_dir():
            if entry.name != SETTINGS_FILE:
                problems.add(entry.name, "stray file", "lies in no class folder")
            continue
        inside = [path.relative_to(folder).as_posix() for path in walked.files if path.is_relative_to(entry)]
        try:
            emotion = settings.emotion_of(entry.name)
        except KeyError:
            unknown.append(entry.name)
            problems.add(f"{entry.name}/", "unknown class", f"{len(inside)} files of a class that is none of the seven")
            continue
        if not inside:
            problems.add(f"{entry.name}/", "empty folder", "holds no file")
        if emotion is None:
            problems.add(f"{entry.name}/", "class left out", f"{len(inside)} files of a class", "left out as you said")
        found += [(file, emotion) for file in inside if emotion is not None]
    if unknown:
        raise _unknown_classes(folder, unknown, problems)
    return found


def _unknown_classes(folder: Path, unknown: list[str], problems: _Problems) -> PicturesError:
    splits = [name for name in unknown if is_split_folder(name)]
    if splits:
        message = (
            f"{folder.name} holds {', '.join(splits)}, which are splits, not emotions: the split is made here. Put the "
            f"folders {', '.join(EMOTIONS)} directly into {folder.name}."
        )
    else:
        classes = {name: proposed_class(name) for name in unknown}
        message = (
            f"{folder.name} has class folders that are none of {', '.join(EMOTIONS)}: {', '.join(unknown)}. Say which "
            f"emotion each means, or leave it out (null): classes={classes} or, in {folder.name}/{SETTINGS_FILE}, "
            f"{json.dumps({'classes': classes})}, if that is what they mean."
        )
    return PicturesError(message, problems.frame())


def _cropped(
    folder: Path,
    listed: list[tuple[str, str]],
    settings: Settings,
    detector: detection.Detector | None,
    problems: _Problems,
) -> list[tuple[str, str, np.ndarray]]:
    """Return (path within the folder, emotion, uint8 face (48, 48)) of the files that can be used."""
    if settings.crop != "none" and detector is None:
        detector = stills.load_detector()
    found = []
    for file, emotion in tqdm(listed, desc=f"read {folder.name}", unit="picture", delay=1):
        try:
            bgr = images.read_picture(folder / file)
        except DataError as error:
            problems.add(file, "unreadable", _reason(error))
            continue
        face = _face_of(file, bgr, settings.crop, detector, problems)
        if face is not None and face.min() == face.max():
            problems.add(file, "one grey value", f"shows nothing but grey {face.min()}")
        elif face is not None:
            found.append((file, emotion, face))
    return found


def _reason(error: DataError) -> str:
    """Return what `read_picture` says about a file, without the file's name."""
    text = str(error)
    for reason in ("is empty (0 bytes)", "is too large", "cannot be read"):
        if reason in text:
            return reason if reason != "cannot be read" else "is damaged, or no JPEG, PNG or WebP"
    return text


def _face_of(file: str, bgr: np.ndarray, crop: str, detector: detection.Detector | None, problems: _Problems):
    """Return the face that is taken of a picture, uint8 (48, 48), or None; list what is odd."""
    if crop == "none":
        return _whole(file, bgr, problems)
    boxes, crops = detection.find_faces(bgr, detector)
    if not boxes and crop == "face_or_none":
        problems.add(file, "no face", f"{detector.name} found no face", "the whole picture was taken")
        return _whole(file, bgr, problems)
    if not boxes:
        problems.add(file, "no face", f"{detector.name} found no face of {preprocessing.MIN_SIZE_PX} px or more")
        return None
    if len(boxes) > 1:
        problems.add(file, "several faces", f"{detector.name} found {len(boxes)} faces", "the largest was taken")
    return crops[0]


def _whole(file: str, bgr: np.ndarray, problems: _Problems) -> np.ndarray | None:
    height, width = bgr.shape[:2]
    if min(height, width) < preprocessing.MIN_SIZE_PX:
        problems.add(file, "too small", f"is {width}×{height} px, at least {preprocessing.MIN_SIZE_PX} are needed")
        return None
    if max(height, width) > SQUEEZED_FROM * min(height, width):
        problems.add(file, "not square", f"is {width}×{height} px", "squeezed into a square")
    return preprocessing.to_gray48(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))


def _as_dataset(folder: Path, found: list[tuple[str, str, np.ndarray]]) -> PictureDataset:
    pixels = [face for _, _, face in found]
    return PictureDataset(
        pixels=np.stack(pixels) if pixels else np.empty((0, 48, 48), np.uint8),
        emotion=np.array([EMOTIONS.index(emotion) for _, emotion, _ in found], np.int8),
        usage=np.full(len(found), "Training", "<U11"),
        row=np.arange(len(found), dtype=np.int32),
        name=f"{OWN_PICTURES}{folder.name}",
        has_official_rows=False,
        files=tuple(file for file, _, _ in found),
    )


def _add_identical(dataset: PictureDataset, problems: _Problems) -> None:
    """List the faces that are identical to one before them, with what label that has if it is another."""
    for first, *others in duplicates.identical_groups(dataset):
        for other in others:
            agrees = dataset.emotion[first] == dataset.emotion[other]
            label = "" if agrees else f", which is labelled {EMOTIONS[dataset.emotion[first]]}"
            kind, done = ("twin", "taken, into the same split") if agrees else ("two labels", "taken: decide on one")
            problems.add(dataset.files[other], kind, f"is identical to {dataset.files[first]}{label}", done)


def _checked_groups(
    dataset: PictureDataset, settings: Settings, problems: _Problems, *, wanted: set[str]
) -> np.ndarray:
    """Return the group of each face, after checking that each class has enough faces, in enough groups."""
    if not len(dataset):
        raise PicturesError(
            f"{dataset.name} has no usable picture. {_counted(problems.frame())} Give pictures that show a face; for "
            f'faces that are cut out already, write {{"crop": "none"}} into {SETTINGS_FILE}.',
            problems.frame(),
        )
    group = groups_of(dataset, [settings.key_of(file) for file in dataset.files])
    independent = _groups_per_class(dataset.emotion, group)
    few = []
    for label, count in enumerate(np.bincount(dataset.emotion, minlength=len(EMOTIONS))):
        received = f"{count} usable pictures in {independent.get(label, 0)} groups"
        enough = count >= LEAST_PICTURES and independent.get(label, 0) >= LEAST_GROUPS
        if EMOTIONS[label] in wanted and not enough:
            few.append(f"{EMOTIONS[label]} ({received})")
            problems.add(f"{EMOTIONS[label]}/", "too few", received, "refused")
    if few or len(independent) < 2:
        example = few[0].partition(" ")[0] if few else EMOTIONS[0]
        received = ", ".join(few) if few else f"{len(independent)} class with usable pictures, 2 are needed"
        raise PicturesError(
            f"{dataset.name} has too few pictures: {received}. A class needs {LEAST_PICTURES}, in "
            f"{LEAST_GROUPS} groups that share no person and no twin: add pictures, or leave the class "
            f'out ({{"{example}": null}} for `classes` in {SETTINGS_FILE}). {_counted(problems.frame())}',
            problems.frame(),
        )
    return group


def groups_of(faces: FaceDataset, keys: Sequence[Hashable | None] = ()) -> np.ndarray:
    """Return which faces must stay together: twins (identical or near), faces of one key, and chains of both.

    Args:
        faces: whose pixels are compared.
        keys: for each face what it belongs to, such as a person; None where that is not known. Empty: none is known.

    Returns:
        int32 array (n,): the number of each face's group.
    """
    last, pairs = {}, [*duplicates.near_pairs(faces.pixels)]
    for position, key in enumerate(keys):
        if key is not None and key in last:
            pairs.append((last[key], position))
        last[key] = position
    pairs = np.array(pairs, np.int32).reshape(-1, 2)
    return duplicates.twin_clusters(len(faces), pairs, duplicates.identical_ids(faces))


def _groups_per_class(emotion: np.ndarray, group: np.ndarray) -> dict[int, int]:
    """Return label → in how many groups it occurs."""
    return {int(label): len(np.unique(group[emotion == label])) for label in np.unique(emotion)}


def _split(emotion: np.ndarray, group: np.ndarray, settings: Settings) -> np.ndarray:
    """Return the split of each face, str (n,): like shares of each class in all, groups whole.

    The faces are cut into 1 / `test_share` folds, or as many as the class with the fewest groups allows (at least
    three): the first is PublicTest, the second PrivateTest, the others are Training.
    """
    count = min(round(1 / settings.test_share), *_groups_per_class(emotion, group).values())
    splitter = model_selection.StratifiedGroupKFold(max(count, LEAST_GROUPS), shuffle=True, random_state=settings.seed)
    folds = [held_out for _, held_out in splitter.split(np.zeros(len(emotion)), emotion, group)]
    usage = np.full(len(emotion), "Training", "<U11")
    usage[folds[0]], usage[folds[1]] = "PublicTest", "PrivateTest"
    return usage


def _check_splits(dataset: PictureDataset, group: np.ndarray) -> None:
    """Raise PicturesError where a class is missing in a split: a few large groups can make that happen."""
    counts = dataset.counts()
    present = counts[counts.sum(axis=1) > 0]
    missing = [f"{emotion} in {split}" for split in SPLITS for emotion in present.index[present[split] == 0]]
    if missing:
        sizes = np.sort(np.bincount(group))[::-1]
        raise PicturesError(
            f"{dataset.name} cannot be split: there would be no {', no '.join(missing)}. The largest of {len(sizes)} "
            f"groups has {sizes[0]} of {len(dataset)} pictures: add pictures of others, or try another seed.",
            dataset.report,
        )


def _counted(report: pd.DataFrame) -> str:
    """Return how many files were left out, by kind, as a sentence."""
    kinds = collections.Counter(report.loc[report["done"] == LEFT_OUT, "kind"])
    kinds_left_out = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    return f"Left out: {kinds_left_out}." if kinds else "No file was left out."


def _notes(dataset: PictureDataset, group: np.ndarray, settings: Settings) -> tuple[str, ...]:
    _, sizes = np.unique(group, return_counts=True)
    together = sizes[sizes > 1]
    counts = dataset.counts()
    tests = counts.loc[counts.sum(axis=1) > 0, list(TEST_SPLITS)].min(axis=1)
    rough = [f"{emotion} {count}" for emotion, count in tests.items() if count < ROUGH_BELOW]
    notes = [
        f"{dataset.name}: {len(dataset):,} faces. {_counted(dataset.report)}",
        "The pictures were taken whole."
        if settings.crop == "none"
        else "Faces were found and cropped as everywhere else.",
        f"Groups that were kept in one split (twins, or as you said): {len(together):,}, of {together.sum():,} faces.",
    ]
    shares = [float((dataset.usage == split).mean()) for split in TEST_SPLITS]
    if max(abs(share - settings.test_share) for share in shares) > SHARE_TOLERANCE:
        received = " and ".join(f"{share:.0%}" for share in shares)
        notes.append(
            f"The test splits have {received} of the faces: the groups do not allow {settings.test_share:.0%} each."
        )
    if rough:
        notes.append(f"Few faces in the smaller test split ({', '.join(rough)}): scores of these emotions are rough.")
    return tuple(notes)
