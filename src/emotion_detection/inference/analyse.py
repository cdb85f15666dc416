"""`analyse`: a picture, a folder of pictures, a video or an array becomes a table of faces and their emotions."""

import collections
import concurrent.futures
import contextlib
import logging
import math
import numbers
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tqdm
from PIL import Image

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, ProjectError
from emotion_detection.faces import cropping, detection, images, stills
from emotion_detection.inference import face_table, pipeline, recording, video_io
from emotion_detection.inference.classifier import EmotionClassifier

log = logging.getLogger(__name__)

PROGRESS_FROM_PICTURES = 20  # about two seconds
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp")  # of the pictures that are looked for in a folder
ANNOTATED = "-annotated.jpg"  # ends the names of copies with answers drawn on them
MOST_REASONS = 5
THREADS = 2  # look at pictures at once
VIDEO_SETTINGS = ("every_ms", "smoothing_s", "progress")

Picture = Path | str | bytes | np.ndarray | Image.Image
"""A picture's path or bytes (JPEG, PNG, WebP), a uint8 array (h, w, 3) RGB or (h, w) grey, or a PIL picture."""


def analyse(
    source: Picture | Iterable[Picture],
    *,
    detector: detection.Detector | None = None,
    classifier: EmotionClassifier | None = None,
    labels: str | None = None,
    minimum_confidence: float | None = None,
    **video_settings,
) -> pd.DataFrame:
    """Find the faces in a picture, several, a folder, a video or an array, and say which emotion each shows.

    Args:
        source: the path of a picture (JPEG, PNG, WebP), of a folder whose pictures are looked for in its folders, too,
            or of a video; a picture's bytes; a uint8 array (h, w, 3) RGB or (h, w) grey, 0–255; a PIL picture; or a
            list of such pictures.
        detector: finds the faces; YuNet where it is found, else OpenCV's Haar cascade, if None.
        classifier: the shipped network if None.
        labels: what is answered with: "votes", what most of ten people would say, or "fer2013", what FER2013 would; if
            None, the classifier's own, which are the shipped network's votes.
        minimum_confidence: below this a label is "not sure"; the network's own threshold if None.
        video_settings: `every_ms`, `smoothing_s`, as for `recording.analyse_recording`; and `progress`: whether to show
            a bar, of many pictures, too.

    Returns:
        A row per face, of a video per face and frame, with the columns `face_table.columns`: `source` (the path, or the
        picture's place in the list for one without), `time_s`, `face`, `label`, the box in pixels, probabilities 0–1.
        `table.attrs["without_face"]` lists the pictures in which no face was found, `table.attrs["failed"]` those that
        cannot be read, with the reason; of a video there is `table.attrs["summary"]`.

    Raises:
        MissingFileError: there is no such file or folder.
        DataError: the source, or each of several, cannot be read, is of another kind, or a folder holds no picture.

    Example:
        >>> analyse("me.jpg")[["face", "label"]]
    """
    _check(detector, classifier, minimum_confidence, video_settings)
    if labels is not None:
        classifier = classifier.with_labels(labels) if classifier else EmotionClassifier.load(labels=labels)
    tools = {"detector": detector, "classifier": classifier, "minimum_confidence": minimum_confidence}
    is_path = isinstance(source, str | Path)
    if is_path and not str(source):
        raise DataError('An empty name was given. Name a picture, a folder or a video; this folder is ".".')
    source = paths.expanded(source) if is_path and str(source).startswith("~/") else source
    if is_path and video_io.is_recording(source) and not Path(source).is_dir():
        table = recording.analyse_recording(source, **tools, **video_settings)
        if not len(table):
            log.warning("No face was found in the video %s. Try one with larger or more frontal faces.", source)
        return table
    progress = video_settings.pop("progress", True)
    if video_settings:
        raise DataError(
            f"{', '.join(video_settings)} {'is' if len(video_settings) == 1 else 'are'} for videos, and "
            f"{_described(source)} was given. Leave it out."
        )
    if isinstance(source, Iterable) and not isinstance(source, str | bytes | np.ndarray):
        pictures = list(source)
    else:
        pictures = pictures_in(Path(source)) if is_path and Path(source).is_dir() else [source]
    table, errors = _analysed(pictures, **tools, progress=progress)
    if len(pictures) == 1 and errors:
        raise errors[0]
    if errors and len(errors) == len(pictures):
        raise DataError(f"None of {len(pictures)} pictures can be read. The first: {errors[0]}")
    _warn(table)
    return table


def _check(detector, classifier, minimum_confidence, video_settings: dict) -> None:
    """Refuse tools and settings that cannot be, before any work."""
    for name, tool, method, example in (
        ("detector", detector, "detect", "stills.load_detector('haar')"),
        ("classifier", classifier, "predict_proba", "EmotionClassifier.load('int8')"),
    ):
        if tool is not None and not hasattr(tool, method):
            raise DataError(
                f"The {name} is {tool!r}, which has no `{method}`. Pass such as {example}, or leave it out."
            )
    is_number = isinstance(minimum_confidence, numbers.Real)
    if minimum_confidence is not None and not (is_number and 0 <= minimum_confidence <= 1):
        raise DataError(f"minimum_confidence is {minimum_confidence!r}. Pass 0 to 1, or None for the network's own.")
    if unknown := video_settings.keys() - set(VIDEO_SETTINGS):
        known = ("detector", "classifier", "labels", "minimum_confidence", *VIDEO_SETTINGS)
        raise DataError(f"`analyse` has no setting {', '.join(sorted(unknown))}. Use {', '.join(known)}.")


def analyse_pictures(
    pictures: Sequence[Picture],
    *,
    detector: detection.Detector | None = None,
    classifier: EmotionClassifier | None = None,
    minimum_confidence: float | None = None,
    keep_interrupted: bool = False,
) -> pd.DataFrame:
    """Find and classify the faces of several pictures; return the table that `analyse` describes.

    Pictures that cannot be read do not stop the others: they are in `table.attrs["failed"]`.

    Args:
        pictures: as for `analyse`, as are the other settings.
        keep_interrupted: at Ctrl-C return what is done, with `table.attrs["interrupted"]` pictures.

    Raises:
        MissingFileError: the shipped network is missing.
    """
    tools = {"detector": detector, "classifier": classifier, "minimum_confidence": minimum_confidence}
    return _analysed(pictures, **tools, keep_interrupted=keep_interrupted)[0]


def _analysed(
    pictures: Sequence[Picture],
    *,
    detector: detection.Detector | None,
    classifier: EmotionClassifier | None,
    minimum_confidence: float | None,
    keep_interrupted: bool = False,
    progress: bool = True,
) -> tuple[pd.DataFrame, list[ProjectError]]:
    """Return the table of several pictures, and the errors of those that cannot be read."""
    own, loading, several = threading.local(), threading.Lock(), detector is None and len(pictures) > 1

    def look(picture: Picture) -> list[pipeline.FaceEmotion] | ProjectError:
        nonlocal classifier
        try:
            bgr = _frame_bgr(picture)
        except ProjectError as error:
            return error
        with loading:  # not before there is something to look at; the first may be downloaded
            if not hasattr(own, "detector"):
                own.detector = detector or stills.load_detector()
                attrs["detector"] = own.detector.name
            classifier = classifier or EmotionClassifier.load()
        minimum = getattr(classifier, "threshold", 0.0) if minimum_confidence is None else minimum_confidence
        tools = {"detector": own.detector, "classifier": classifier, "minimum_confidence": minimum}
        return pipeline.analyse_frame(bgr, **tools)

    rows, without_face, failed, attrs, done = [], [], {}, {"detector": None}, 0  # failed: name → error
    settings = {"total": len(pictures), "disable": not progress or len(pictures) < PROGRESS_FROM_PICTURES}
    pool = concurrent.futures.ThreadPoolExecutor(THREADS if several else 1)
    try:
        with pool, contextlib.closing(pool.map(look, pictures)) as answers:
            for found in tqdm.tqdm(answers, desc="Analysing", unit="picture", **settings):
                name, done = _name(pictures[done]) or f"picture {done}", done + 1
                if isinstance(found, ProjectError):
                    failed[name] = found
                    continue
                rows += [face_table.row(name, math.nan, number, face) for number, face in enumerate(found, start=1)]
                if not found:
                    without_face.append(name)
    except KeyboardInterrupt:
        if not keep_interrupted or not done:
            raise
        attrs["interrupted"] = done
    table = face_table.from_rows(rows, getattr(classifier, "classes", EMOTIONS))
    reasons = {name: str(error) for name, error in failed.items()}
    table.attrs = attrs | {"without_face": without_face, "failed": reasons}
    return table, list(failed.values())


def pictures_in(folder: Path, *, annotated: Path | None = None) -> list[Path]:
    """Return the pictures of a folder and of those in it, in order of their names; DataError if there is none.

    Files in `annotated` that are called as `annotated_paths` calls them are left out: they are copies.
    """
    walked = files.walk(folder)
    found = [path for path in walked.files if path.suffix.lower() in SUFFIXES]
    if annotated is not None:
        drawn = annotated.resolve()
        copies = {path for path in found if path.name.endswith(ANNOTATED) and path.parent.resolve() == drawn}
        found = [path for path in found if path not in copies]
        if copies:
            log.warning("Left out of %s: %d copies with answers drawn on them, in %s.", folder, len(copies), annotated)
    others = [path for path in walked.files if path.suffix.lower() not in SUFFIXES]
    if walked.left_out:
        log.warning("Left out of %s: %d hidden or system entries and dead links.", folder, len(walked.left_out))
    if not found:
        videos = sum(path.suffix.lower() in video_io.SUFFIXES for path in others)
        remedy = f"It holds videos ({videos}): pass one by its own path." if videos else "Pass another folder."
        raise DataError(f"The folder {paths.displayed(folder)} holds no picture ({', '.join(SUFFIXES)}). {remedy}")
    if others:
        kinds = ", ".join(sorted({path.suffix.lower() or "no ending" for path in others})[:MOST_REASONS])
        log.warning("Left out of %s: other files (%d), by how their names end (%s).", folder, len(others), kinds)
    return found


def _warn(table: pd.DataFrame) -> None:
    """Log what a table of pictures has no row for."""
    without_face, failed = table.attrs["without_face"], table.attrs["failed"]
    if without_face:
        log.warning(
            "No face was found in %s. Try a larger or more frontal picture.",
            without_face[0] if len(without_face) == 1 else f"{len(without_face)} pictures (attrs['without_face'])",
        )
    for reason in list(failed.values())[:MOST_REASONS]:
        log.warning("Left out: %s", reason)
    if len(failed) > MOST_REASONS:
        log.warning("%d more pictures were left out (attrs['failed']).", len(failed) - MOST_REASONS)


def _name(picture: Picture) -> str:
    """Return the path of a picture, or nothing where it has none."""
    if isinstance(picture, str | Path):
        return Path(picture).as_posix()
    return str(getattr(picture, "filename", ""))


def _frame_bgr(picture: Picture) -> np.ndarray:
    """Return a picture as a frame: uint8 (h, w, 3), BGR."""
    if isinstance(picture, str | Path) and video_io.is_recording(picture):
        raise DataError(
            f"{paths.displayed(picture)} is a video, given as one of several pictures. Analyse it by itself."
        )
    if isinstance(picture, str | Path | bytes):
        return images.read_picture(picture)
    if isinstance(picture, Image.Image):
        return images.upright_bgr(picture)
    is_picture = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.size
    if not is_picture or not (picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)):
        raise DataError(
            f"{_described(picture)} cannot be analysed. Pass the path of a picture, folder or video, a picture's "
            "bytes, a uint8 array (h, w, 3) RGB or (h, w) grey, 0–255, a PIL picture, or a list of pictures."
        )
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR if picture.ndim == 2 else cv2.COLOR_RGB2BGR)


def _described(source) -> str:
    if isinstance(source, np.ndarray):
        return f"An array {source.dtype} {source.shape}"
    return f"{source}" if isinstance(source, str | Path) else f"A {type(source).__name__}"


def write_csv(table: pd.DataFrame, path: Path | str) -> Path:
    """Write the table of `analyse` as CSV, numbers with four decimals, atomically; `recording.read_csv` reads it."""
    files.write_text(Path(path), table.to_csv(index=False, lineterminator="\n", float_format="%.4f"), **files.CSV)
    return Path(path)


def annotated_paths(pictures: Iterable[Path | str], folder: Path | str) -> dict[str, Path]:
    """Return picture → where it goes with its answers drawn on it: `<name>-annotated.jpg`, or `<name>-2-annotated.jpg`.

    So the second of the same name is called, or the third, where a picture is `<name>-2` itself.
    """
    found, taken, same = {}, set(), collections.Counter()
    for picture in map(str, pictures):
        stem = Path(picture).stem
        name = stem + ANNOTATED
        while name in taken:
            same[stem] += 1
            name = f"{stem}-{same[stem] + 1}{ANNOTATED}"
        taken.add(name)
        found[picture] = Path(folder) / name
    return found


def write_annotated(table: pd.DataFrame, folder: Path | str) -> list[Path]:
    """Write the pictures of a table of `analyse`, with the answers drawn on them, each atomically; return the paths.

    Each picture that has a face is read again and becomes a JPEG (quality 95) in `folder`, named by `annotated_paths`.

    Raises:
        MissingFileError: a picture is gone.
        DataError: a picture cannot be read, or would be overwritten.
    """
    classes = table.columns[len(face_table.columns(())) :].tolist()
    rows_of = collections.defaultdict(list)
    for row in table.to_dict("records"):
        rows_of[row["source"]].append(row)
    targets = annotated_paths(rows_of, folder)
    files.check_outputs(targets.values(), inputs=targets)
    for picture, rows in rows_of.items():
        faces = []
        for row in rows:
            box = cropping.FaceBox(*(row[side] for side in face_table.BOX))
            probabilities = np.array([row[emotion] for emotion in classes], np.float32)
            minimum = math.inf if row["label"] == pipeline.NOT_SURE else 0.0
            faces.append(pipeline.FaceEmotion(box, probabilities, tuple(classes), minimum))
        annotated_bgr = pipeline.annotate(images.read_picture(picture), faces)
        _, encoded = cv2.imencode(".jpg", annotated_bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])
        files.write_bytes(targets[picture], encoded.tobytes())
    return list(targets.values())
