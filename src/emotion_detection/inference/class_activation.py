"""Why an answer: maps of the places in a face that speak for an emotion, from the shipped network on LiteRT.

A map is signed evidence on the cells of a feature map: above 0 a place speaks for the emotion, below against it. To be
shown it becomes heat: what speaks against is cut off, the strongest cell is 1. `training/grad_cam` has the maps of a
Keras network.
"""

from pathlib import Path

import cv2
import numpy as np

from emotion_detection import files
from emotion_detection.emotions import Emotion, classes_of
from emotion_detection.errors import DataError
from emotion_detection.faces import cropping, detection, images, preprocessing, stills
from emotion_detection.inference import pipeline
from emotion_detection.inference.classifier import EmotionClassifier

SHIFT_CELLS = 0.25
"""How far to the right of its tile, and below it, a cell is drawn, in cells.

Each layer of MobileNetV2 that halves the map pads to the right and below only, so that the middle of a cell's receptive
field is almost half a tile off its tile. What it reacts to lies less far off, by the gradients of the middle cells
(`shift_cells` of `data/results/explanations/checks.json`). A quarter lies between both, and brings average heat nearer
to the middle of a face from left to right than tiles do."""

STRENGTH = 0.65  # how much of the picture the strongest heat covers
COLD_RGB, HOT_RGB = np.array([255, 225, 60], np.float32), np.array([225, 20, 20], np.float32)


def activation_maps(classifier: EmotionClassifier, faces: preprocessing.Faces, emotion: Emotion = None) -> np.ndarray:
    """Return class activation maps of a network on LiteRT: the last layer, applied to each place before pooling.

    The last layer is linear and pooling is a mean, so that a map's mean over its places is the emotion's score.

    Args:
        classifier: the network.
        faces: as for `EmotionClassifier.predict_proba`.
        emotion: whose evidence: one of `classifier.classes`, an int array (n,) of their places, or None for each
            face's most probable one.

    Returns:
        float32 array (n, 3, 3).

    Raises:
        UnknownNameError: there is no such emotion.
        DataError: the network's last layer is not linear.

    Reference:
        Zhou et al.: Learning Deep Features for Discriminative Localization. CVPR 2016.
    """
    scores, maps = evidence(classifier, faces)
    classes = scores.argmax(axis=1) if emotion is None else classes_of(emotion, len(scores), classifier.classes)
    return maps[np.arange(len(maps)), :, :, classes]


def evidence(classifier: EmotionClassifier, faces: preprocessing.Faces) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (n, classes) and class activations (n, 3, 3, classes) of all emotions, from one pass."""
    weights, biases = classifier.head
    found = classifier.outputs(("scores", "feature_map"), faces)
    return found["scores"], found["feature_map"] @ weights + biases


def can_explain(classifier) -> bool:
    """Return whether a network of the live cell gives what `evidence` needs; your own may have no feature map."""
    return hasattr(classifier, "outputs") and hasattr(classifier, "head")


def heat(evidence_map: np.ndarray, size_px: tuple[int, int] | None = None, *, angle_deg: float = 0.0) -> np.ndarray:
    """Return how strongly each place speaks for the emotion, as it is shown: float32, 0–1, the strongest place 1.

    Args:
        evidence_map: float array (h, w).
        size_px: width and height to stretch it to, by `stretched`; None leaves its cells.
        angle_deg: by how much the face, which was cropped upright, is turned clockwise where the heat is shown.
    """
    values = np.clip(np.asarray(evidence_map, np.float32), 0, None)
    values = values / values.max() if values.max() > 0 else values
    if size_px is None:
        return values
    values = stretched(values, size_px)
    turn_deg = cropping.turn_back_deg(angle_deg)
    if not turn_deg:
        return values
    middle = ((size_px[0] - 1) / 2, (size_px[1] - 1) / 2)
    return cv2.warpAffine(values, cv2.getRotationMatrix2D(middle, -turn_deg, 1.0), size_px)


def stretched(cells: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Stretch a map of the shipped network, float (rows, columns), to a face's width and height; float32 (h, w).

    Interpolation is linear, and each cell lies over the middle of what it reacts to: see `SHIFT_CELLS`.
    """
    (width, height), (rows, columns) = size_px, cells.shape
    across, down = columns / width, rows / height
    first = [per_px / 2 - 0.5 - SHIFT_CELLS for per_px in (across, down)]  # of the first pixel's middle, in cells
    to_cells = np.array([[across, 0, first[0]], [0, down, first[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        np.asarray(cells, np.float32), to_cells, size_px, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


def heat_overlay(crop: np.ndarray, evidence_map: np.ndarray, *, angle_deg: float = 0.0) -> np.ndarray:
    """Lay a map over a face: yellow where a little speaks for the emotion, red where most does, nothing elsewhere.

    Args:
        crop: uint8 array (h, w) grey or (h, w, 3) RGB, 0–255.
        evidence_map: float array (rows, columns), from `activation_maps` or Grad-CAM.
        angle_deg: as for `heat`.

    Returns:
        uint8 array (h, w, 3), RGB.
    """
    preprocessing.check_face(crop)
    rgb = crop if crop.ndim == 3 else np.repeat(crop[..., None], 3, axis=2)
    values = heat(evidence_map, rgb.shape[1::-1], angle_deg=angle_deg)[..., None]
    cover = STRENGTH * values
    return np.round(rgb * (1 - cover) + (COLD_RGB + values * (HOT_RGB - COLD_RGB)) * cover).astype(np.uint8)


def explain_frame(
    frame_bgr: np.ndarray,
    *,
    detector: detection.Detector,
    classifier: EmotionClassifier,
    emotion: str | None = None,
) -> tuple[np.ndarray, list[pipeline.FaceEmotion]]:
    """Find the faces in a frame, and draw on a copy what in each speaks for its answer, or for an emotion.

    Args:
        frame_bgr: uint8 array (h, w, 3), BGR, 0–255.
        emotion: name of the emotion that is asked about; None: each face's most probable one.

    Returns:
        The frame with heat, boxes and labels, uint8 array of its shape, BGR; and the faces, the largest first.
    """
    boxes, crops = pipeline.find_faces(frame_bgr, detector, classifier)
    found = pipeline.classify(boxes, crops, classifier, minimum_confidence=getattr(classifier, "threshold", 0.0))
    explained_bgr = frame_bgr.copy()
    for box, evidence_map in zip(boxes, activation_maps(classifier, crops, emotion) if crops else (), strict=True):
        _lay_over(explained_bgr, detector.framing.square(box), evidence_map, box.angle_deg)
    return pipeline.annotate(explained_bgr, found, bars=False), found


def write_explained(picture: Path | str, out: Path | str, *, emotion: str | None = None) -> list[pipeline.FaceEmotion]:
    """Write a picture with what `explain_frame` draws on it to `out` (PNG or JPEG), atomically; return its faces.

    A picture without a face is not written.

    Raises:
        MissingFileError: the picture, or the shipped network, is missing.
        DataError: the picture cannot be read, or `out` has another ending.
        UnknownNameError: there is no such emotion.
    """
    out = Path(out)
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise DataError(f"The explained picture was to be {out.name!r}. End its name in .png or .jpg.")
    files.check_outputs([out], inputs=[picture])
    if emotion is not None:
        classes_of(emotion, 0)
    frame_bgr = images.read_picture(picture)
    tools = {"detector": stills.load_detector(), "classifier": EmotionClassifier.load()}
    explained_bgr, found = explain_frame(frame_bgr, **tools, emotion=emotion)
    if found:
        _, encoded = cv2.imencode(out.suffix.lower(), explained_bgr)
        files.write_bytes(out, encoded.tobytes())
    return found


def _lay_over(
    frame_bgr: np.ndarray, square: tuple[float, float, float], evidence_map: np.ndarray, angle_deg: float
) -> None:
    """Draw a face's map into its square (left, upper edge, side) of a frame; the square may reach beyond the edge."""
    left, top, side = (round(value) for value in square)
    height, width = frame_bgr.shape[:2]
    crop_rgb = cropping.cut_square(frame_bgr, *square)[..., ::-1]
    overlaid_rgb = heat_overlay(crop_rgb, evidence_map, angle_deg=angle_deg)
    rows, columns = slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width))
    inside = overlaid_rgb[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    frame_bgr[rows, columns] = inside[..., ::-1]
