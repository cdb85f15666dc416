"""Changes of Training faces: random ones anew every epoch, in one resampling; or fixed copies of rare emotions.

Reference: Zhong et al., "Random Erasing Data Augmentation", 2017, arXiv:1708.04896; Zhang et al., "mixup: Beyond
Empirical Risk Minimization", 2017, arXiv:1710.09412; Yun et al., "CutMix", 2019, arXiv:1905.04899.
"""

import dataclasses

import cv2
import numpy as np

from emotion_detection.data import FaceDataset
from emotion_detection.emotions import EMOTIONS
from emotion_detection.training.recipe import Augmentation

ERASED_SHARES = (0.02, 0.2)  # smallest and largest share of a face's area that a rectangle of noise covers
MIXUP_ALPHA = 0.2  # how much of a face is left is drawn from Beta(alpha, alpha): small values stay near one of the two
CUTMIX_ALPHA = 1.0  # so is the area that is pasted


def augment(faces: np.ndarray, settings: Augmentation, *, size_px: int, rng: np.random.Generator) -> np.ndarray:
    """Change each face at random and bring it to the network's size in the same bilinear resampling.

    Without any change the result equals the resizing inside the network, rounded to whole grey levels, so training
    and use see the same pictures. The same state of `rng` gives the same result.

    Args:
        faces: uint8 array (n, 48, 48), grey, 0–255.
        settings: which changes, and how large.
        size_px: side of the result, uint8 array (n, size_px, size_px).
        rng: source of the random numbers.
    """
    faces = _by_a_poor_camera(faces, settings, rng)
    matrices = _random_matrices(len(faces), settings, faces.shape[1], size_px, rng)
    gain = 1 + settings.contrast * rng.uniform(-1, 1, len(faces))
    bias = 255 * settings.brightness * rng.uniform(-1, 1, len(faces)) + 128 * (1 - gain)
    changed = np.empty((len(faces), size_px, size_px), np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for index, face in enumerate(faces):
        warped = cv2.warpAffine(face, matrices[index], (size_px, size_px), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        if settings.contrast or settings.brightness:
            levels = np.clip(np.arange(256) * gain[index] + bias[index], 0, 255).astype(np.uint8)
            warped = cv2.LUT(warped, levels)
        changed[index] = warped
    _erase(changed, settings, rng)
    return changed


def _by_a_poor_camera(faces: np.ndarray, settings: Augmentation, rng) -> np.ndarray:
    """Return faces, or a share of them, as poorer cameras take them: blurred, noisy, compressed, each more or less."""
    if not (settings.blur_px or settings.noise or settings.jpeg_quality < 100):
        return faces
    if settings.poor_camera < 1:
        chosen = rng.random(len(faces)) < settings.poor_camera
        faces = faces.copy()
        faces[chosen] = _by_a_poor_camera(faces[chosen], dataclasses.replace(settings, poor_camera=1.0), rng)
        return faces
    taken, unit = np.empty_like(faces), rng.random((len(faces), 3))
    if settings.each_fault < 1:
        unit *= rng.random(unit.shape) < settings.each_fault
    noise = rng.standard_normal(faces.shape, np.float32) if settings.noise else 0
    for index, (face, (blur, loudness, compression)) in enumerate(zip(faces, unit, strict=True)):
        if settings.blur_px * blur > 0.2:  # a narrower one changes nothing
            face = cv2.GaussianBlur(face, (0, 0), settings.blur_px * blur, borderType=cv2.BORDER_REPLICATE)
        if settings.noise:
            face = np.clip(np.rint(face + 255 * settings.noise * loudness * noise[index]), 0, 255).astype(np.uint8)
        if settings.jpeg_quality < 100 and compression > 0:
            quality = round(100 - compression * (100 - settings.jpeg_quality))
            face = cv2.imdecode(
                cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE
            )
        taken[index] = face
    return taken


def _erase(faces: np.ndarray, settings: Augmentation, rng) -> None:
    """Replace a rectangle by noise in a share of the faces, in place."""
    if not settings.erasing:
        return
    for index in np.flatnonzero(rng.random(len(faces)) < settings.erasing):
        area = rng.uniform(*ERASED_SHARES)
        top, bottom, left, right = _rectangle(area, faces.shape[1], rng)
        faces[index, top:bottom, left:right] = rng.integers(0, 256, (bottom - top, right - left), np.uint8)


def _rectangle(area: float, size_px: int, rng, *, longest: float = 3.0) -> tuple[int, int, int, int]:
    """Return top, bottom, left, right of a random rectangle that lies inside a square picture of `size_px`.

    Its area is a share of the picture's, and its sides have a ratio of at most `longest`.
    """
    ratio = np.exp(rng.uniform(-1, 1) * np.log(longest))
    height, width = (min(size_px, round(size_px * np.sqrt(area * each))) for each in (ratio, 1 / ratio))
    top, left = rng.integers(0, size_px - height + 1), rng.integers(0, size_px - width + 1)
    return top, top + height, left, left + width


def mix(faces: np.ndarray, settings: Augmentation, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """Blend each face of a batch with another one, or paste a rectangle of it, or leave the batch, uint8 (n, h, h).

    Returns:
        The faces; int64 array (n,): the other face of each; and how much of the own face is left, 0–1 (1: unchanged).
        Targets are mixed alike: `kept * target + (1 - kept) * target[other]`.
    """
    draw, other = rng.random(), rng.permutation(len(faces))
    if draw < settings.mixup:
        kept = rng.beta(MIXUP_ALPHA, MIXUP_ALPHA)
        return np.rint(kept * faces + (1 - kept) * faces[other]).astype(np.uint8), other, kept
    if draw < settings.mixup + settings.cutmix:
        area = rng.beta(CUTMIX_ALPHA, CUTMIX_ALPHA)
        top, bottom, left, right = _rectangle(area, faces.shape[1], rng, longest=1.0)
        mixed = faces.copy()
        mixed[:, top:bottom, left:right] = faces[other, top:bottom, left:right]
        return mixed, other, 1 - (bottom - top) * (right - left) / faces[0].size
    return faces, other, 1.0


def _random_matrices(count: int, settings: Augmentation, face_px: int, size_px: int, rng) -> np.ndarray:
    """Return float64 (count, 2, 3): maps from pixel centres of the result to pixel centres of the face."""
    angle = np.deg2rad(settings.rotation_deg) * rng.uniform(-1, 1, count)
    zoom = 1 + settings.zoom * rng.uniform(-1, 1, count)
    shift = settings.shift * face_px * rng.uniform(-1, 1, (count, 2))
    mirror = np.where(settings.flip & (rng.random(count) < 0.5), -1.0, 1.0)
    scale = face_px / size_px / zoom
    linear = np.empty((count, 2, 2))
    linear[:, 0, 0] = scale * np.cos(angle) * mirror
    linear[:, 0, 1] = -scale * np.sin(angle)
    linear[:, 1, 0] = scale * np.sin(angle) * mirror
    linear[:, 1, 1] = scale * np.cos(angle)
    centre_out, centre_in = (size_px - 1) / 2, (face_px - 1) / 2
    if settings.shear:
        slant = settings.shear * rng.uniform(-1, 1, count)
        linear[:, :, 1] += slant[:, None] * linear[:, :, 0]
    offset = centre_in + shift - linear.sum(axis=2) * centre_out
    return np.concatenate([linear, offset[:, :, None]], axis=2)


PUBLISHED_COPIES = {
    "disgust": ("brighter_03", "brighter_07", "mirrored", "turned_90", "turned_270"),
    "surprise": ("mirrored",),
}
"""Emotion → the changed copies that the older repository adds of each of its faces."""

SENSIBLE_COPIES = {
    "disgust": ("mirrored", "tilted_left", "tilted_right", "brighter_01", "darker_01"),
    "surprise": ("mirrored",),
}
"""As many copies, by changes that leave a face a face: mirrored, tilted by 10°, a little brighter or darker."""

REPEATED_COPIES = {"disgust": ("unchanged",) * 5, "surprise": ("unchanged",)}
"""As many copies, unchanged: plain oversampling."""

COPIES = {"published": PUBLISHED_COPIES, "sensible": SENSIBLE_COPIES, "repeated": REPEATED_COPIES}

_CHANGES = {
    "unchanged": lambda faces: faces,
    "mirrored": lambda faces: faces[:, :, ::-1],
    "brighter_01": lambda faces: _brighter(faces, 0.1),
    "brighter_03": lambda faces: _brighter(faces, 0.3),
    "brighter_07": lambda faces: _brighter(faces, 0.7),
    "darker_01": lambda faces: _brighter(faces, -0.1),
    "tilted_left": lambda faces: _tilted(faces, 10),
    "tilted_right": lambda faces: _tilted(faces, -10),
    "turned_90": lambda faces: np.rot90(faces, 1, axes=(1, 2)),
    "turned_270": lambda faces: np.rot90(faces, 3, axes=(1, 2)),
}


def with_copies_of_rare(dataset: FaceDataset, copies: dict[str, tuple[str, ...]]) -> FaceDataset:
    """Return the faces and, after them, changed copies of some: emotion → names of changes, such as one of `COPIES`.

    A copy keeps label, split and row number of its face, so that a split of the result can be checked for leaks.
    """
    parts = {field: [getattr(dataset, field)] for field in ("pixels", "emotion", "usage", "row")}
    for emotion, changes in copies.items():
        chosen = dataset.emotion == EMOTIONS.index(emotion)
        for change in changes:
            parts["pixels"].append(np.ascontiguousarray(_CHANGES[change](dataset.pixels[chosen])))
            for field in ("emotion", "usage", "row"):
                parts[field].append(getattr(dataset, field)[chosen])
    return dataclasses.replace(dataset, **{field: np.concatenate(arrays) for field, arrays in parts.items()})


def _tilted(faces: np.ndarray, angle_deg: float) -> np.ndarray:
    """Turn faces, uint8 (n, h, w), counter-clockwise about their centre; the edge is repeated."""
    height, width = faces.shape[1:]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_deg, 1.0)
    return np.stack([cv2.warpAffine(face, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE) for face in faces])


def _brighter(faces: np.ndarray, share: float) -> np.ndarray:
    """Add a share of the full range to uint8 faces, clipped."""
    return np.clip(faces.astype(np.int16) + round(255 * share), 0, 255).astype(np.uint8)
