"""Nine ways to spoil faces, each at five stated strengths: pure functions of uint8 faces (n, 48, 48) and a seed."""

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np

from emotion_detection.errors import UnknownNameError
from emotion_detection.faces.preprocessing import FACE_SIZE_PX

CENTER_PX = (FACE_SIZE_PX - 1) / 2


@dataclasses.dataclass(frozen=True)
class Perturbation:
    """A way to spoil faces at five strengths, from weak to strong; `unit` says for people what these are.

    `spoil` goes from faces uint8 (n, 48, 48), a strength and a numpy generator to faces of the same kind.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    spoil: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def apply(name: str, faces: np.ndarray, *, strength: float, seed: int = 0) -> np.ndarray:
    """Spoil faces, uint8 array (n, 48, 48), grey, 0–255, in one of the ways of `PERTURBATIONS`; return new ones.

    Args:
        name: of the way.
        faces: left as they are.
        strength: in the way's unit.
        seed: decides signs, directions, places and noise; the same faces get the same ones at every strength.

    Raises:
        UnknownNameError: there is no such way.
    """
    if name not in PERTURBATIONS:
        raise UnknownNameError(f"{name!r} is no perturbation. Use one of {', '.join(PERTURBATIONS)}.")
    return PERTURBATIONS[name].spoil(faces, strength, np.random.default_rng(seed))


def brightness(faces: np.ndarray, offset: float, generator: np.random.Generator) -> np.ndarray:
    """Make each face lighter or darker by `offset` grey values."""
    return _grey(faces + offset * _signs(len(faces), generator)[:, None, None])


def contrast(faces: np.ndarray, lost: float, generator: np.random.Generator) -> np.ndarray:
    """Take a share of the contrast away, around each face's mean grey."""
    means = faces.mean(axis=(1, 2), keepdims=True)
    return _grey(means + (1 - lost) * (faces - means))


def blur(faces: np.ndarray, sigma_px: float, generator: np.random.Generator) -> np.ndarray:
    """Blur with a Gaussian of `sigma_px`."""
    return _each(faces, lambda face: cv2.GaussianBlur(face, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE))


def noise(faces: np.ndarray, sigma: float, generator: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise with a standard deviation of `sigma` grey values."""
    return _grey(faces + sigma * generator.standard_normal(faces.shape, np.float32))


def rotation(faces: np.ndarray, degrees: float, generator: np.random.Generator) -> np.ndarray:
    """Turn each face by `degrees` to the left or right around its middle."""
    signs = _signs(len(faces), generator)
    return _warped(faces, [cv2.getRotationMatrix2D((CENTER_PX, CENTER_PX), degrees * sign, 1.0) for sign in signs])


def shift(faces: np.ndarray, distance_px: float, generator: np.random.Generator) -> np.ndarray:
    """Move each face by `distance_px` in a direction of its own."""
    angles = generator.uniform(0, 2 * np.pi, len(faces))
    moves = distance_px * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _warped(faces, [np.array([[1, 0, x], [0, 1, y]]) for x, y in moves])


def scale(faces: np.ndarray, factor: float, generator: np.random.Generator) -> np.ndarray:
    """Make each face larger or smaller by `factor` around its middle."""
    factors = factor ** _signs(len(faces), generator)
    return _warped(faces, [cv2.getRotationMatrix2D((CENTER_PX, CENTER_PX), 0.0, each) for each in factors])


def occlusion(faces: np.ndarray, side_px: float, generator: np.random.Generator) -> np.ndarray:
    """Cover a square of `side_px`, at a place of each face's own, with mid-grey."""
    covered, side = faces.copy(), int(side_px)
    places = generator.uniform(0, 1, (len(faces), 2))
    for face, (top, left) in zip(covered, (places * (FACE_SIZE_PX - side + 1)).astype(int), strict=True):
        face[top : top + side, left : left + side] = 128
    return covered


def jpeg(faces: np.ndarray, quality: float, generator: np.random.Generator) -> np.ndarray:
    """Compress each face as JPEG with `quality` (1–100)."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    return _each(faces, lambda face: cv2.imdecode(cv2.imencode(".jpg", face, settings)[1], cv2.IMREAD_GRAYSCALE))


def _signs(n: int, generator: np.random.Generator) -> np.ndarray:
    """Return float array (n,) of −1 and 1."""
    return generator.choice([-1.0, 1.0], n)


def _grey(values: np.ndarray) -> np.ndarray:
    """Round and clip to uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _each(faces: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    changed = np.empty_like(faces)
    for index, face in enumerate(faces):
        changed[index] = change(face)
    return changed


def _warped(faces: np.ndarray, matrices: list[np.ndarray]) -> np.ndarray:
    """Move each face by an affine matrix (2, 3); what comes in from outside repeats the border."""
    size, warped = (FACE_SIZE_PX, FACE_SIZE_PX), np.empty_like(faces)
    for index, (face, matrix) in enumerate(zip(faces, matrices, strict=True)):
        warped[index] = cv2.warpAffine(face, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped


PERTURBATIONS = {
    each.name: each
    for each in (
        Perturbation("brightness", "grey values lighter or darker", (25, 50, 75, 100, 125), brightness),
        Perturbation("contrast", "share of the contrast lost", (0.2, 0.4, 0.6, 0.8, 0.9), contrast),
        Perturbation("blur", "standard deviation, px", (0.5, 1, 1.5, 2, 3), blur),
        Perturbation("noise", "standard deviation, grey values", (5, 10, 20, 30, 40), noise),
        Perturbation("rotation", "degrees to a side", (5, 10, 20, 30, 45), rotation),
        Perturbation("shift", "px in any direction", (2, 4, 6, 9, 12), shift),
        Perturbation("scale", "times larger or smaller", (1.1, 1.2, 1.3, 1.5, 1.8), scale),
        Perturbation("occlusion", "side of a grey square, px", (8, 12, 16, 20, 24), occlusion),
        Perturbation("jpeg", "JPEG quality", (50, 30, 20, 10, 5), jpeg),
    )
}
"""Name → the way to spoil faces."""
