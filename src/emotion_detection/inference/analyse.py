"""`analyse`: a picture, a folder of pictures, a video or an array becomes a table of faces and their emotions."""

import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tqdm
from PIL import Image

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, ProjectError
from emotion_detection.faces import cropping, detection, images
from emotion_detection.inference import pipeline, recording, video_io
from emotion_detection.inference.classifier import EmotionClassifier

log = logging.getLogger(__name__)

PROGRESS_FROM_PICTURES = 20  # about two seconds
COLUMNS = ("picture", "face", *pipeline.BOX_COLUMNS, *EMOTIONS, "label", "detector")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")  # of the pictures that are looked for in a folder
MOST_REASONS = 5


def analyse(
    source: Path | str | np.ndarray | Image.Image,
    *,
    detector: detection.Detector | None = None,
    classifier: EmotionClassifier | None = None,
    **video_settings,
) -> pd.DataFrame:
    """Find the faces in a picture, a folder, a video or an array, and say which emotion each shows.

    Args:
        source: the path of a picture (JPEG, PNG, WebP), of a folder whose pictures are looked for in its folders, too,
            or of a video; a uint8 array (h, w, 3) RGB or (h, w) grey, 0–255; or a PIL picture.
        detector: finds the faces; YuNet where it is found, else OpenCV's Haar cascade, if None.
        classifier: the shipped network if None.
        video_settings: `every_ms`, `smoothing_s`, `minimum_confidence`, `progress`, as for
            `recording.analyse_recording`.

    Returns:
        A row per face. Of pictures: `picture` (its path; "array" for one without), `face` from 0, the largest first,
        its box in pixels, probabilities 0–1, `label`, `detector`; `table.attrs["without_face"]` lists the pictures
        in which no face was found, `table.attrs["failed"]` those of a folder that cannot be read, with the reason. Of
        a video: the table of `recording.analyse_recording`.

    Raises:
        MissingFileError: there is no such file or folder.
        DataError: the source cannot be read, is of another kind, or the folder holds no picture.

    Example:
        >>> analyse("me.jpg")[["face", "label"]]
    """
    tools = {"detector": detector, "classifier": classifier}
    if isinstance(source, str | Path) and video_io.is_recording(source) and not Path(source).is_dir():
        return _with_warnings(recording.analyse_recording(source, **tools, **video_settings), source)
    if video_settings:
        raise DataError(
            f"{', '.join(video_settings)} {'is' if len(video_settings) == 1 else 'are'} for videos, and "
            f"{_described(source)} was given. Leave it out."
        )
    if isinstance(source, str | Path):
        path = Path(source)
        return _with_warnings(analyse_pictures(pictures_in(path) if path.is_dir() else [path], **tools), source)
    name = getattr(source, "filename", "") or "array"
    return _with_warnings(_table([(name, _frame_bgr(source))], **tools), name)


def analyse_pictures(
    pictures: Sequence[Path | str],
    *,
    detector: detection.Detector | None = None,
    classifier: EmotionClassifier | None = None,
    strict: bool = True,
) -> pd.DataFrame:
    """Find and classify the faces of several pictures; return the table that `analyse` describes.

    One of several that cannot be read does not stop the others; it is in `table.attrs["failed"]`.

    Args:
        pictures: paths of JPEG, PNG or WebP files.
        detector, classifier: as for `analyse`.
        strict: raise where a picture is missing (before any work) or none can be read.

    Raises:
        MissingFileError: a picture, or the shipped network, is missing.
        DataError: no picture can be read.
    """
    sources = [(Path(picture).as_posix(), Path(picture)) for picture in pictures]
    for _, picture in sources:
        if strict and not picture.is_file():
            images.check_file(picture)
    return _table(sources, detector=detector, classifier=classifier, strict=strict)


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures of a folder and of those in it, in order of their names; DataError if there is none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        videos = sum(path.suffix.lower() in video_io.SUFFIXES for path in folder.rglob("*"))
        raise DataError(
            f"The folder {paths.displayed(folder)} holds no picture ({', '.join(SUFFIXES)}) and {videos} videos. Pass "
            "another folder, or a video by its own path."
        )
    return found


def _table(sources: list[tuple[str, Path | np.ndarray]], *, detector, classifier, strict: bool = True) -> pd.DataFrame:
    """Return the table of pictures, given by name and path or frame, uint8 (h, w, 3), BGR."""
    detector = detector if detector is not None else detection.load_detector()
    classifier = classifier if classifier is not None else EmotionClassifier.load()
    rows, without_face, failed = [], [], {}
    hidden = len(sources) < PROGRESS_FROM_PICTURES
    for name, source in tqdm.tqdm(sources, desc="Analysing", unit="picture", disable=hidden):
        try:
            frame_bgr = images.read_picture(source) if isinstance(source, Path) else source
        except ProjectError as error:
            if strict and len(sources) == 1:
                raise
            failed[name] = str(error)
            continue
        found = pipeline.analyse_frame(frame_bgr, detector=detector, classifier=classifier)
        rows += [_row(name, index, face, detector.name) for index, face in enumerate(found)]
        if not found:
            without_face.append(name)
    if strict and failed and len(failed) == len(sources):
        raise DataError(f"None of {len(sources)} pictures can be read. The first: {next(iter(failed.values()))}")
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs = {"without_face": without_face, "failed": failed}
    return table


def _with_warnings(table: pd.DataFrame, source: Path | str) -> pd.DataFrame:
    """Return a table after logging what it has no row for."""
    without_face, failed = table.attrs.get("without_face", []), table.attrs.get("failed", {})
    if "summary" in table.attrs and not len(table):
        log.warning("No face was found in the video %s. Try one with larger or more frontal faces.", source)
    if without_face:
        log.warning(
            "No face was found in %s. Try a larger or more frontal picture.",
            without_face[0] if len(without_face) == 1 else f"{len(without_face)} pictures (attrs['without_face'])",
        )
    for reason in list(failed.values())[:MOST_REASONS]:
        log.warning("Left out: %s", reason)
    if len(failed) > MOST_REASONS:
        log.warning("%d more pictures were left out (attrs['failed']).", len(failed) - MOST_REASONS)
    return table


def _frame_bgr(source: np.ndarray | Image.Image) -> np.ndarray:
    """Return an array or PIL picture as a frame: uint8 (h, w, 3), BGR."""
    if isinstance(source, Image.Image):
        return images.upright_bgr(source)
    is_picture = isinstance(source, np.ndarray) and source.dtype == np.uint8 and source.size
    if not is_picture or not (source.ndim == 2 or (source.ndim == 3 and source.shape[2] == 3)):
        raise DataError(
            f"{_described(source)} cannot be analysed. Pass the path of a picture, folder or video, a uint8 array "
            "(h, w, 3) RGB or (h, w) grey, 0–255, or a PIL picture."
        )
    return cv2.cvtColor(source, cv2.COLOR_GRAY2BGR if source.ndim == 2 else cv2.COLOR_RGB2BGR)


def _described(source) -> str:
    if isinstance(source, np.ndarray):
        return f"An array {source.dtype} {source.shape}"
    return f"{source}" if isinstance(source, str | Path) else f"A {type(source).__name__}"


def write_csv(table: pd.DataFrame, path: Path | str) -> Path:
    """Write the table of `analyse` as CSV, numbers with four decimals, atomically."""
    files.write_text(Path(path), table.to_csv(index=False, lineterminator="\n", float_format="%.4f"))
    return Path(path)


def write_annotated(table: pd.DataFrame, folder: Path | str) -> list[Path]:
    """Write the pictures of a table of `analyse`, with the answers drawn on them, each atomically; return the paths.

    Each picture that has a face is read again and becomes `<name>-annotated.jpg` (quality 95) in `folder`.

    Raises:
        MissingFileError: a picture is gone.
        DataError: a picture cannot be read, or two would be written under the same name; then none is written.
    """
    targets = {picture: Path(folder) / f"{Path(picture).stem}-annotated.jpg" for picture in table["picture"].unique()}
    for target in targets.values():
        same = [picture for picture, path in targets.items() if path == target]
        if len(same) > 1:
            raise DataError(
                f"The pictures {same[0]} and {same[1]} would both be written as {target.name}. Rename one of them, or "
                "analyse them one after another into different folders."
            )
    for picture, target in targets.items():
        faces = []
        for row in table[table["picture"] == picture].to_dict("records"):
            box = cropping.FaceBox(*(row[side] for side in pipeline.BOX_COLUMNS))
            faces.append(pipeline.FaceEmotion(box, np.array([row[emotion] for emotion in EMOTIONS], np.float32)))
        annotated_bgr = pipeline.annotate(images.read_picture(picture), faces)
        _, encoded = cv2.imencode(".jpg", annotated_bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])
        with files.written_beside(target) as temporary:
            temporary.write_bytes(encoded.tobytes())
    return list(targets.values())


def _row(picture: str, index: int, face: pipeline.FaceEmotion, detector_name: str) -> dict:
    box = {side: round(getattr(face.box, side), 1) for side in pipeline.BOX_COLUMNS}
    probabilities = dict(zip(EMOTIONS, face.probabilities.tolist(), strict=True))
    place = {"picture": picture, "face": index}
    return {**place, **box, **probabilities, "label": face.label, "detector": detector_name}
