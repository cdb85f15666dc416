"""From a picture to emotions: find the faces, classify each, put the answers into a table or onto the picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import tqdm
from PIL import Image, ImageColor, ImageDraw, ImageFont

from emotion_detection import files
from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.faces import detection
from emotion_detection.faces.detection import find_faces
from emotion_detection.faces.images import check_file, read_picture
from emotion_detection.inference.classifier import EmotionClassifier

if TYPE_CHECKING:  # imported where a table is made: the live cell starts without it
    import pandas as pd

PROGRESS_FROM_PICTURES = 20
"""From this many pictures on (about two seconds) a progress bar is shown."""

BOX_COLUMNS = ("x", "y", "width", "height")
COLUMNS = ("picture", "face", *BOX_COLUMNS, *EMOTIONS, "label", "detector")
"""Columns of the table that `analyse_pictures` returns."""

UNSURE_COLOR = "#4A4A4A"
"""Of the box and label of a face without an answer; darker than that of neutral."""

BARS_WIDTH, BARS_HEIGHT = 12.0, 9.6
"""Size of the panel of bars, in units of its text's height."""


@dataclasses.dataclass(frozen=True, eq=False)
class FaceEmotion:
    """One face and what it expresses.

    Args:
        box: where the face is, in pixels of the frame.
        probabilities: float32 array (7,), summing to 1, classes in FER2013 order.
    """

    box: detection.FaceBox
    probabilities: np.ndarray

    @property
    def label(self) -> str:
        """Name of the most probable emotion."""
        return EMOTIONS[int(self.probabilities.argmax())]

    @property
    def confidence(self) -> float:
        """Probability of that emotion, 0–1."""
        return float(self.probabilities.max())


def analyse_frame(
    frame_bgr: np.ndarray, *, detector: detection.Detector, classifier: EmotionClassifier
) -> list[FaceEmotion]:
    """Find the faces in one frame and classify each.

    A face whose square is smaller than 24 px is left out: there is too little in it to judge.

    Args:
        frame_bgr: uint8 array (h, w, 3), BGR, 0–255.
        detector: from `detection.load_detector`.
        classifier: from `EmotionClassifier.load`.

    Returns:
        The faces, the largest first; an empty list if there is none.

    Raises:
        DataError: the frame is of another type or shape.
    """
    boxes, crops = find_faces(frame_bgr, detector)
    return classify(boxes, crops, classifier)


def classify(
    boxes: list[detection.FaceBox], crops: list[np.ndarray], classifier: EmotionClassifier
) -> list[FaceEmotion]:
    """Return what a network sees in the crops of `find_faces`; it is not asked where there is none."""
    probabilities = classifier.predict_proba(crops) if crops else ()
    return [FaceEmotion(box, values) for box, values in zip(boxes, probabilities, strict=True)]


def analyse_pictures(
    pictures: Sequence[Path | str],
    *,
    detector: detection.Detector | None = None,
    classifier: EmotionClassifier | None = None,
) -> pd.DataFrame:
    """Find and classify the faces of several pictures.

    Args:
        pictures: paths of JPEG, PNG or WebP files.
        detector: `detection.load_detector()` if None.
        classifier: the shipped network if None.

    Returns:
        A table with a row per face and the columns `COLUMNS`: `face` counts from 0, the largest first; `x`, `y`,
        `width`, `height` are the detector's box in pixels of the upright picture; probabilities are 0–1. Pictures
        without a face have no row; `table.attrs["without_face"]` lists them.

    Raises:
        MissingFileError: a picture, or the shipped network, is missing.
        DataError: a picture cannot be read or is too large.
    """
    pictures = [Path(picture) for picture in pictures]
    for picture in pictures:
        check_file(picture)
    detector = detector if detector is not None else detection.load_detector()
    classifier = classifier if classifier is not None else EmotionClassifier.load()
    rows, without_face = [], []
    hidden = len(pictures) < PROGRESS_FROM_PICTURES
    for picture in tqdm.tqdm(pictures, desc="Analysing", unit="picture", disable=hidden):
        found = analyse_frame(read_picture(picture), detector=detector, classifier=classifier)
        rows += [_row(picture, index, face, detector.name) for index, face in enumerate(found)]
        if not found:
            without_face.append(picture.as_posix())
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs["without_face"] = without_face
    return table


def annotate(
    frame_bgr: np.ndarray, found: Sequence[FaceEmotion], *, names: Sequence[str] = (), bars: bool = True
) -> np.ndarray:
    """Draw on a copy of a frame: each face's box, its label with a percentage, and seven bars with percentages.

    Args:
        frame_bgr: uint8 array (h, w, 3), BGR, 0–255.
        found: the faces of this frame, as `analyse_frame` or a tracker returns them; a label that is no emotion
            ("not sure") is drawn in grey.
        names: written before the label of each face, such as its number.
        bars: whether to draw the bars, which may cover a part of the picture.

    Returns:
        uint8 array of the frame's shape, BGR.
    """
    detection.check_frame(frame_bgr)
    image = Image.fromarray(cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2RGB))
    draw = ImageDraw.Draw(image, "RGBA")
    for face, name in zip(found, names or [""] * len(found), strict=True):
        text_px = _draw_face(draw, face, image.size, name)
        if bars:
            _draw_bars(draw, face, _bars_position(face.box, image.size, text_px), text_px)
    return cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR)


def write_csv(table: pd.DataFrame, path: Path | str) -> Path:
    """Write the table of `analyse_pictures` as CSV, numbers with four decimals, atomically."""
    files.write_text(Path(path), table.to_csv(index=False, lineterminator="\n", float_format="%.4f"))
    return Path(path)


def write_annotated(table: pd.DataFrame, folder: Path | str) -> list[Path]:
    """Write the pictures of a table of `analyse_pictures`, with the answers drawn on them, each atomically.

    Each picture that has a face becomes `<name>-annotated.jpg` (quality 95) in `folder`.

    Args:
        table: from `analyse_pictures`; the pictures are read again.
        folder: made if missing.

    Returns:
        The paths written.

    Raises:
        MissingFileError: a picture is gone.
        DataError: a picture cannot be read, or two would be written under the same name; then none is written.
    """
    targets = _annotated_paths(table["picture"].unique(), Path(folder))
    for picture, target in targets.items():
        rows = table[table["picture"] == picture]
        annotated_bgr = annotate(read_picture(picture), [_face(row) for row in rows.to_dict("records")])
        _, encoded = cv2.imencode(".jpg", annotated_bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])
        with files.written_beside(target) as temporary:
            temporary.write_bytes(encoded.tobytes())
    return list(targets.values())


def _annotated_paths(pictures: Sequence[str], folder: Path) -> dict[str, Path]:
    targets = {picture: folder / f"{Path(picture).stem}-annotated.jpg" for picture in pictures}
    for picture, target in targets.items():
        same = [other for other, path in targets.items() if path == target]
        if len(same) > 1:
            raise DataError(
                f"The pictures {same[0]} and {picture if picture != same[0] else same[1]} would both be written as "
                f"{target.name}. Rename one of them, or analyse them one after another into different folders."
            )
    return targets


def _row(picture: Path, index: int, face: FaceEmotion, detector_name: str) -> dict:
    box = {side: round(getattr(face.box, side), 1) for side in BOX_COLUMNS}
    probabilities = dict(zip(EMOTIONS, face.probabilities.tolist(), strict=True))
    place = {"picture": picture.as_posix(), "face": index}
    return {**place, **box, **probabilities, "label": face.label, "detector": detector_name}


def _face(row: dict) -> FaceEmotion:
    """Return the face of one row of the table."""
    box = detection.FaceBox(*(row[side] for side in BOX_COLUMNS))
    return FaceEmotion(box, np.array([row[emotion] for emotion in EMOTIONS], np.float32))


def _draw_face(draw: ImageDraw.ImageDraw, face: FaceEmotion, size: tuple[int, int], name: str) -> float:
    """Draw box and label of one face; return the text's height: it grows with the box, within limits."""
    box, color = face.box, COLORS.get(face.label, UNSURE_COLOR)
    text_px = float(np.clip(box.height / 10, 10, max(size) / 28 + 10))
    line_px = max(1, round(text_px / 7))
    draw.rectangle((box.x, box.y, box.x + box.width, box.y + box.height), outline=color, width=line_px)
    font = ImageFont.load_default(text_px * 1.1)
    label = f"{name} {DISPLAY_NAMES.get(face.label, face.label)} {face.confidence:.0%}".lstrip()
    _, top, right, bottom = draw.textbbox((0, 0), label, font=font)
    pad = text_px * 0.3
    x = float(np.clip(box.x, 0, max(0, size[0] - right - 2 * pad)))
    y = max(0.0, box.y - (bottom - top) - 2 * pad)
    draw.rectangle((x, y, x + right + 2 * pad, y + bottom - top + 2 * pad), fill=color)
    draw.text((x + pad, y + pad - top), label, fill=_readable_on(color), font=font)
    return text_px


def _readable_on(color: str) -> str:
    """Return black or white, whichever reads better on a colour."""
    red, green, blue = ImageColor.getrgb(color)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else "white"


def _bars_position(box: detection.FaceBox, size: tuple[int, int], text_px: float) -> tuple[float, float]:
    """Return the upper left corner of the bars: right of the box, left of it, or where they still fit."""
    width, height = BARS_WIDTH * text_px, BARS_HEIGHT * text_px
    gap = text_px / 2
    x = box.x + box.width + gap
    if x + width > size[0] and box.x - gap - width >= 0:
        x = box.x - gap - width
    return float(np.clip(x, 0, max(0, size[0] - width))), float(np.clip(box.y, 0, max(0, size[1] - height)))


def _draw_bars(draw: ImageDraw.ImageDraw, face: FaceEmotion, corner: tuple[float, float], text_px: float) -> None:
    """Draw a panel with a line per emotion: name, bar, percentage."""
    x, y = corner
    font = ImageFont.load_default(text_px)
    draw.rectangle((x, y, x + BARS_WIDTH * text_px, y + BARS_HEIGHT * text_px), fill=(255, 255, 255, 205))
    for index, (emotion, probability) in enumerate(zip(EMOTIONS, face.probabilities, strict=True)):
        top = y + (0.4 + 1.3 * index) * text_px
        bar_x = x + 5.3 * text_px
        draw.text((x + 4.9 * text_px, top), DISPLAY_NAMES[emotion], fill="black", font=font, anchor="ra")
        bar = (bar_x, top + 0.1 * text_px, bar_x + 4 * text_px * float(probability) + 1, top + text_px)
        draw.rectangle(bar, fill=COLORS[emotion])
        draw.text((x + 11.7 * text_px, top), f"{probability:.0%}", fill="black", font=font, anchor="ra")
