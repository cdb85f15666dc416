"""From a picture to emotions: find the faces, classify each, draw the answers onto the picture."""

import dataclasses
import math
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.faces import cropping, detection, turned
from emotion_detection.inference.classifier import EmotionClassifier

NOT_SURE = "not sure"
NO_UPRIGHT_FACE = "no clear upright face"  # why it is not sure, whatever the probabilities
UNSURE_COLOR = "#4A4A4A"  # of a face without an answer; darker than that of neutral
BARS_WIDTH, BAR_HEIGHT = 12.0, 1.3  # of the panel of bars and of a bar, in units of its text's height


@dataclasses.dataclass(frozen=True, eq=False)
class FaceEmotion:
    """One face and what it expresses.

    Args:
        box: where the face is, in pixels of the frame.
        probabilities: float32 array (n,), summing to 1.
        classes: what they are probabilities of.
        minimum_confidence: below this the label is "not sure"; so it is where `box.is_upright` is False.
    """

    box: cropping.FaceBox
    probabilities: np.ndarray
    classes: tuple[str, ...] = EMOTIONS
    minimum_confidence: float = 0.0

    @property
    def likeliest(self) -> str:
        """Name of the most probable emotion, however sure the network is of it."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def label(self) -> str:
        """Name of the most probable emotion, or "not sure": its probability is below the minimum, or the face lies."""
        is_sure = self.box.is_upright and self.confidence >= self.minimum_confidence
        return self.likeliest if is_sure else NOT_SURE

    @property
    def confidence(self) -> float:
        """Probability of the most probable emotion, 0–1."""
        return float(self.probabilities.max())


def analyse_frame(
    frame_bgr: np.ndarray,
    *,
    detector: detection.Detector,
    classifier: EmotionClassifier,
    minimum_confidence: float = 0.0,
) -> list[FaceEmotion]:
    """Find the faces in one frame, uint8 (h, w, 3), BGR, 0–255, and classify each; the largest comes first.

    A face whose square is smaller than 24 px is left out: there is too little in it to judge.
    """
    boxes, crops = find_faces(frame_bgr, detector, classifier)
    return classify(boxes, crops, classifier, minimum_confidence=minimum_confidence)


def find_faces(
    frame_bgr: np.ndarray, detector: detection.Detector, classifier: EmotionClassifier
) -> tuple[list[cropping.FaceBox], list[np.ndarray]]:
    """Find the faces in a frame, and ask a network which of them are upright where the detector does not tell it.

    It is asked about faces without landmarks, and about those whose score is too low for landmarks to be relied on. It
    denies most faces that lie, and many that are blurred or noisy, about which it would be wrong as often as right.

    Args:
        frame_bgr: uint8 array (h, w, 3), BGR, 0–255.
        detector: finds them.
        classifier: is asked if it has `are_upright`.

    Returns:
        Boxes, the largest first, and the crops, uint8 (48, 48), grey, of `detection.find_faces`.

    Raises:
        DataError: the frame is of another type or shape.
    """
    boxes, crops = detection.find_faces(frame_bgr, detector)
    clear = turned.SCORES["YuNet"].clear
    asked = [index for index, box in enumerate(boxes) if box.landmarks is None or box.score < clear]
    if asked and hasattr(classifier, "are_upright"):
        for index, is_upright in zip(asked, classifier.are_upright([crops[each] for each in asked]), strict=True):
            boxes[index] = dataclasses.replace(boxes[index], is_upright=bool(is_upright))
    return boxes, crops


def classify(
    boxes: list[cropping.FaceBox],
    crops: list[np.ndarray],
    classifier: EmotionClassifier,
    *,
    minimum_confidence: float = 0.0,
    scores: np.ndarray | None = None,
) -> list[FaceEmotion]:
    """Return what a network sees in the crops of `find_faces`; it is not asked where there is none.

    `scores`, float32 (n, classes), are its output of this name, where that is known already.
    """
    if scores is None:
        probabilities = classifier.predict_proba(crops) if crops else ()
    else:
        probabilities = classifier.calibrated(scores)
    classes = getattr(classifier, "classes", EMOTIONS)
    return [
        FaceEmotion(box, values, classes, minimum_confidence) for box, values in zip(boxes, probabilities, strict=True)
    ]


def annotate(
    frame_bgr: np.ndarray, found: Sequence[FaceEmotion], *, names: Sequence[str] = (), bars: bool = True
) -> np.ndarray:
    """Draw on a copy of a frame: each face's box, its label with a percentage, and seven bars with percentages.

    Args:
        frame_bgr: uint8 array (h, w, 3), BGR, 0–255.
        found: the faces of this frame, as `analyse_frame` or a tracker returns them; a label that is no emotion
            ("not sure") is drawn in grey.
        names: written before the label of each face, such as its number.
        bars: whether to draw the bars.

    Returns:
        uint8 array (h, w, 3), BGR: of the frame's shape, or larger by a white margin at the right and below where bars
        have no room beside a face.
    """
    cropping.check_frame(frame_bgr)
    height, width = bottom, right = frame_bgr.shape[:2]
    texts_px = [_text_px(face.box, (width, height)) for face in found]
    panels = []
    for face, text_px in zip(found, texts_px, strict=True) if bars else ():
        panels.append(_panel(face, (width, height), right, text_px))
        right, bottom = max(right, math.ceil(panels[-1][2])), max(bottom, math.ceil(panels[-1][3]))
    if panels:
        margins, white = (0, bottom - height, 0, right - width), (255, 255, 255)
        frame_bgr = cv2.copyMakeBorder(frame_bgr, *margins, cv2.BORDER_CONSTANT, value=white)
    image = Image.fromarray(cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2RGB))
    draw = ImageDraw.Draw(image, "RGBA")
    for face, name, text_px in zip(found, names or [""] * len(found), texts_px, strict=True):
        _draw_face(draw, face, width, text_px, name)
    for face, panel, text_px in zip(found, panels, texts_px, strict=False):
        _draw_bars(draw, face, panel, text_px)
    return cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR)


def _text_px(box: cropping.FaceBox, size: tuple[int, int]) -> float:
    """Return the height of a face's texts: it grows with the box, within limits."""
    return float(np.clip(box.height / 10, 10, max(size) / 28 + 10))


def _draw_face(draw: ImageDraw.ImageDraw, face: FaceEmotion, frame_width: int, text_px: float, name: str) -> None:
    """Draw box and label of one face."""
    box, color = face.box, COLORS.get(face.label, UNSURE_COLOR)
    line_px = max(1, round(text_px / 7))
    draw.rectangle((box.x, box.y, box.x + box.width, box.y + box.height), outline=color, width=line_px)
    font = ImageFont.load_default(text_px * 1.1)
    share = f"{face.confidence:.0%}" if box.is_upright else f"({NO_UPRIGHT_FACE})"
    label = f"{name} {DISPLAY_NAMES.get(face.label, face.label)} {share}".lstrip()
    _, top, right, bottom = draw.textbbox((0, 0), label, font=font)
    pad = text_px * 0.3
    x = float(np.clip(box.x, 0, max(0, frame_width - right - 2 * pad)))
    y = max(0.0, box.y - (bottom - top) - 2 * pad)
    draw.rectangle((x, y, x + right + 2 * pad, y + bottom - top + 2 * pad), fill=color)
    draw.text((x + pad, y + pad - top), label, fill=readable_on(color), font=font)


def readable_on(color: str) -> str:
    """Return black or white, whichever reads better on a colour."""
    red, green, blue = ImageColor.getrgb(color)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else "white"


def _panel(
    face: FaceEmotion, size: tuple[int, int], margin: float, text_px: float
) -> tuple[float, float, float, float]:
    """Return left, upper, right and lower edge of a face's bars: right of its box, left of it, or from `margin` on."""
    width, height = BARS_WIDTH * text_px, (0.5 + BAR_HEIGHT * len(face.classes)) * text_px
    gap, box = text_px / 2, face.box
    x, left = max(0.0, box.x + box.width + gap), box.x - gap - width
    if x + width > size[0]:
        x = left if left >= 0 else margin + gap
    y = float(np.clip(box.y, 0, max(0, size[1] - height)))
    return x, y, x + width, y + height


def _draw_bars(
    draw: ImageDraw.ImageDraw, face: FaceEmotion, panel: tuple[float, float, float, float], text_px: float
) -> None:
    """Draw a face's panel with a line per emotion: name, bar, percentage."""
    x, y = panel[:2]
    font = ImageFont.load_default(text_px)
    draw.rectangle(panel, fill=(255, 255, 255, 205))
    for index, (emotion, probability) in enumerate(zip(face.classes, face.probabilities, strict=True)):
        top, bar_x = y + (0.4 + BAR_HEIGHT * index) * text_px, x + 5.3 * text_px
        draw.text((x + 4.9 * text_px, top), DISPLAY_NAMES[emotion], fill="black", font=font, anchor="ra")
        bar = (bar_x, top + 0.1 * text_px, bar_x + 4 * text_px * float(probability) + 1, top + text_px)
        draw.rectangle(bar, fill=COLORS[emotion])
        draw.text((x + 11.7 * text_px, top), f"{probability:.0%}", fill="black", font=font, anchor="ra")
