"""Why an answer: maps of the places in a face that speak for an emotion, from the Keras network or from LiteRT.

A map is signed evidence on the cells of a feature map: above 0 a place speaks for the emotion, below against it. To be
shown it becomes heat: what speaks against is cut off, the strongest cell is 1.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import tqdm

from emotion_detection import files
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.faces import detection, preprocessing
from emotion_detection.inference import pipeline
from emotion_detection.inference.classifier import EmotionClassifier, Faces

LAST_MAP = "out_relu"
"""The layer before pooling: 3×3 cells. Grad-CAM of it is the class activation that LiteRT gives, up to a constant."""

LAYERS = (LAST_MAP, "block_13_expand_relu", "block_12_add")
"""Layers that were compared by their deletion curves (see `explain_records`): 3×3, 6×6 and 6×6 cells."""

LAYER = LAST_MAP
"""Default of `grad_cam`: of these the lowest area under the whole deletion curve on PublicTest."""

FINE_LAYER = "block_13_expand_relu"
"""Smaller cells, which find small places sooner: the lowest deletion curve while little of the face is gone."""

BATCH = 64
COMPILED_FROM_FACES = 1000
"""From so many faces on, compiling the step (seconds) pays, and a progress bar is shown."""

SHIFT_CELLS = 0.25
"""How far to the right of its tile, and below it, a cell is drawn, in cells.

Each layer of MobileNetV2 that halves the map pads to the right and below only, so that the middle of a cell's receptive
field is almost half a tile off its tile. What it reacts to lies less far off, by the gradients of the middle cells
(`explain_checks.measured_shift`, recorded). A quarter lies between both, and brings average heat nearer to the middle
of a face from left to right than tiles do."""

STRENGTH = 0.65
"""How much of the picture the strongest heat covers, 0–1."""

COLD_RGB, HOT_RGB = np.array([255, 225, 60], np.float32), np.array([225, 20, 20], np.float32)
"""Colours of little and of most heat."""

Emotion = str | Sequence[int] | np.ndarray | None


def grad_cam(model, faces_given: Faces, emotion: Emotion = None, *, layer: str = LAYER) -> np.ndarray:
    """Return Grad-CAM maps of a Keras network, before the cut at 0 that `heat` makes.

    The channels of a layer's output are added up, each weighed by the mean of its gradient: how much the emotion's
    logit would rise if the channel rose everywhere.

    Args:
        model: from `mobilenet.load_network` or `mobilenet.build_model`, from uint8 faces to logits (n, 7).
        faces_given: as for `EmotionClassifier.predict_proba`.
        emotion: whose evidence: a name, an int array (n,) of classes, or None for each face's most probable one.
        layer: at which the network falls into two parts, such as those of `LAYERS`.

    Returns:
        float32 array (n, h, w), as many cells as the layer has.

    Raises:
        UnknownNameError: there is no such emotion or layer.
        DataError: the layer does not cut the network in two, or Keras does not run on TensorFlow.

    Reference:
        Selvaraju et al.: Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization. ICCV 2017.
    """
    batch = preprocessing.to_gray48_batch(faces_given)
    before, after = _cut(model, layer)
    many = len(batch) >= COMPILED_FROM_FACES
    step = _grad_cam_step(before, after, compiled=many)
    classes = None if emotion is None else classes_of(emotion, len(batch))
    parts = []
    for start in tqdm.trange(0, len(batch), BATCH, desc="Explaining", unit="batch", disable=not many):
        part = batch[start : start + BATCH, :, :, None]
        asked = np.full(len(part), -1) if classes is None else classes[start : start + BATCH]
        parts.append(np.asarray(step(part, asked.astype(np.int32))))
    cells = tuple(before.output.shape[1:3])
    return np.concatenate(parts) if parts else np.empty((0, *(side or 0 for side in cells)), np.float32)


def _grad_cam_step(before, after, *, compiled: bool):
    """Return a function from uint8 faces (n, 48, 48, 1) and classes (-1: the most probable) to maps (n, h, w)."""
    import tensorflow as tf

    def step(part, asked):
        activations = before(part, training=False)
        with tf.GradientTape() as tape:
            tape.watch(activations)
            logits = after(activations, training=False)
            classes = tf.where(asked < 0, tf.argmax(logits, axis=1, output_type=tf.int32), asked)
            chosen = tf.gather(logits, classes, batch_dims=1)
        weights = tf.reduce_mean(tape.gradient(chosen, activations), axis=(1, 2), keepdims=True)
        return tf.reduce_sum(weights * activations, axis=-1)

    return tf.function(step, reduce_retracing=True) if compiled else step


def _cut(model, layer: str):
    """Return the parts of a Keras network before and after a layer's output."""
    import keras

    from emotion_detection.training import mobilenet

    if keras.backend.backend() != "tensorflow":
        raise DataError(
            f"Grad-CAM takes its gradients from TensorFlow, and Keras runs on {keras.backend.backend()}. Set "
            "KERAS_BACKEND=tensorflow before Keras is imported."
        )
    if layer not in (each.name for each in model.layers):
        raise UnknownNameError(f"The network {model.name!r} has no layer {layer!r}. Use one of {', '.join(LAYERS)}.")
    try:
        return mobilenet.split_at(model, layer)
    except ValueError as error:
        raise DataError(
            f"The layer {layer!r} does not cut the network in two: something passes it by. Use a layer that all goes "
            f"through, such as {', '.join(LAYERS)} or another block's last."
        ) from error


def class_activation(classifier: EmotionClassifier, faces_given: Faces, emotion: Emotion = None) -> np.ndarray:
    """Return class activation maps of a network on LiteRT: the last layer, applied to each place before pooling.

    The last layer is linear and pooling is a mean, so that a map's mean over its places is the emotion's logit.

    Args:
        classifier: the network.
        faces_given: as for `EmotionClassifier.predict_proba`.
        emotion: as for `grad_cam`.

    Returns:
        float32 array (n, 3, 3).

    Raises:
        UnknownNameError: there is no such emotion.
        DataError: the network's last layer is not linear.

    Reference:
        Zhou et al.: Learning Deep Features for Discriminative Localization. CVPR 2016.
    """
    logits, maps = evidence(classifier, faces_given)
    classes = logits.argmax(axis=1) if emotion is None else classes_of(emotion, len(logits))
    return maps[np.arange(len(maps)), :, :, classes]


def evidence(classifier: EmotionClassifier, faces_given: Faces) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (n, 7) and the class activations of all emotions (n, 3, 3, 7), from one pass of the network."""
    weights, biases = classifier.head
    found = classifier.outputs(("logits", "feature_map"), faces_given)
    return found["logits"], found["feature_map"] @ weights + biases


def can_explain(classifier) -> bool:
    """Return whether a network of the live cell gives what `evidence` needs; your own may have no feature map."""
    return hasattr(classifier, "outputs") and hasattr(classifier, "head")


def classes_of(emotion: Emotion, count: int) -> np.ndarray:
    """Return int array (count,): the class asked for of each face, from a name or from classes."""
    if isinstance(emotion, str):
        if emotion not in EMOTIONS:
            raise UnknownNameError(f"There is no emotion {emotion!r}. Use one of {', '.join(EMOTIONS)}.")
        return np.full(count, EMOTIONS.index(emotion))
    classes = np.asarray(emotion)
    whole = np.issubdtype(classes.dtype, np.integer)
    if classes.shape != (count,) or not whole or not np.isin(classes, range(len(EMOTIONS))).all():
        raise DataError(
            f"Emotions are {classes.dtype} of shape {classes.shape}, expected a name or {count} classes 0–6, one for "
            "each face. Pass None to take each face's most probable emotion."
        )
    return classes


def heat(evidence_map: np.ndarray, size_px: tuple[int, int] | None = None) -> np.ndarray:
    """Return how strongly each place speaks for the emotion, as it is shown: float32, 0–1, the strongest place 1.

    Args:
        evidence_map: float array (h, w).
        size_px: width and height to stretch it to, by `stretched`; None leaves its cells.
    """
    values = np.clip(np.asarray(evidence_map, np.float32), 0, None)
    values = values / values.max() if values.max() > 0 else values
    return values if size_px is None else stretched(values, size_px)


def stretched(cells: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Stretch a map to a face by linear interpolation, so that each cell lies over the middle of what it reacts to.

    That is not the middle of its tile: see `SHIFT_CELLS`.

    Args:
        cells: float array (rows, columns), of a layer of the shipped network.
        size_px: width and height.

    Returns:
        float32 array (height, width).
    """
    (width, height), (rows, columns) = size_px, cells.shape
    across, down = columns / width, rows / height
    first = [per_px / 2 - 0.5 - SHIFT_CELLS for per_px in (across, down)]  # of the first pixel's middle, in cells
    to_cells = np.array([[across, 0, first[0]], [0, down, first[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        np.asarray(cells, np.float32), to_cells, size_px, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


def heat_overlay(crop: np.ndarray, evidence_map: np.ndarray, *, strength: float = STRENGTH) -> np.ndarray:
    """Lay a map over a face: yellow where a little speaks for the emotion, red where most does, nothing elsewhere.

    Args:
        crop: uint8 array (h, w) grey or (h, w, 3) RGB, 0–255.
        evidence_map: float array (rows, columns), from `grad_cam` or `class_activation`.
        strength: how much of the picture the strongest heat covers, 0–1.

    Returns:
        uint8 array (h, w, 3), RGB.
    """
    preprocessing.check_face(crop)
    rgb = crop if crop.ndim == 3 else np.repeat(crop[..., None], 3, axis=2)
    values = heat(evidence_map, rgb.shape[1::-1])[..., None]
    cover = strength * values
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
        detector: from `detection.load_detector`.
        classifier: from `EmotionClassifier.load`.
        emotion: name of the emotion that is asked about; None: each face's most probable one.

    Returns:
        The frame with heat, boxes and labels, uint8 array of its shape, BGR; and the faces, the largest first.
    """
    boxes, crops = pipeline.find_faces(frame_bgr, detector)
    found = pipeline.classify(boxes, crops, classifier)
    explained_bgr = frame_bgr.copy()
    for box, evidence_map in zip(boxes, class_activation(classifier, crops, emotion) if crops else (), strict=True):
        _lay_over(explained_bgr, detector.framing.square(box), evidence_map)
    return pipeline.annotate(explained_bgr, found, bars=False), found


def write_explained(picture: Path | str, out: Path | str, *, emotion: str | None = None) -> list[pipeline.FaceEmotion]:
    """Write a picture with what `explain_frame` draws on it, atomically; a picture without a face is not written.

    Args:
        picture: a JPEG, PNG or WebP file.
        out: ends in `.png`, `.jpg` or `.jpeg`.
        emotion: as for `explain_frame`.

    Returns:
        The faces, the largest first.

    Raises:
        MissingFileError: the picture, or the shipped network, is missing.
        DataError: the picture cannot be read, or `out` has another ending.
        UnknownNameError: there is no such emotion.
    """
    out = Path(out)
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise DataError(f"The explained picture was to be {out.name!r}. End its name in .png or .jpg.")
    if emotion is not None:
        classes_of(emotion, 0)
    frame_bgr = pipeline.read_picture(picture)
    tools = {"detector": detection.load_detector(), "classifier": EmotionClassifier.load()}
    explained_bgr, found = explain_frame(frame_bgr, **tools, emotion=emotion)
    if found:
        _, encoded = cv2.imencode(out.suffix.lower(), explained_bgr)
        with files.written_beside(out) as temporary:
            temporary.write_bytes(encoded.tobytes())
    return found


def _lay_over(frame_bgr: np.ndarray, square: tuple[float, float, float], evidence_map: np.ndarray) -> None:
    """Draw a face's map into its square (left, upper edge, side) of a frame; the square may reach beyond the edge."""
    left, top, side = (round(value) for value in square)
    height, width = frame_bgr.shape[:2]
    overlaid_rgb = heat_overlay(detection.cut_square(frame_bgr, *square)[..., ::-1], evidence_map)
    rows, columns = slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width))
    inside = overlaid_rgb[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    frame_bgr[rows, columns] = inside[..., ::-1]
