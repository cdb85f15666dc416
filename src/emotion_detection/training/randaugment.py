"""RandAugment for grey faces: a few operations for each, drawn from a list, all of one strength.

The list is the paper's without the change of colour. Reference: Cubuk et al., "RandAugment: Practical automated data
augmentation with a reduced search space", 2019, arXiv:1909.13719.
"""

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

MOST_TURNED_DEG = 30.0
MOST_SLANT = 0.3
MOST_MOVED = 0.3
"""Largest rotation, slant (tangent of its angle) and shift (share of the width), at magnitude 1."""


def _turned(face: Image.Image, strength: float) -> Image.Image:
    return face.rotate(MOST_TURNED_DEG * strength, Image.Resampling.BILINEAR, fillcolor=_mean(face))


def _warped(face: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    method, resampling = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return face.transform(face.size, method, matrix, resampling, fillcolor=_mean(face))


def _mean(face: Image.Image) -> int:
    return round(float(np.asarray(face).mean()))


def _moved(face: Image.Image, strength: float) -> float:
    return MOST_MOVED * strength * face.width


OPERATIONS = {
    "identity": lambda face, strength: face,
    "autocontrast": lambda face, strength: ImageOps.autocontrast(face),
    "equalize": lambda face, strength: ImageOps.equalize(face),
    "rotate": _turned,
    "solarize": lambda face, strength: ImageOps.solarize(face, 255 - round(255 * abs(strength))),
    "posterize": lambda face, strength: ImageOps.posterize(face, 8 - round(4 * abs(strength))),
    "contrast": lambda face, strength: ImageEnhance.Contrast(face).enhance(1 + 0.9 * strength),
    "brightness": lambda face, strength: ImageEnhance.Brightness(face).enhance(1 + 0.9 * strength),
    "sharpness": lambda face, strength: ImageEnhance.Sharpness(face).enhance(1 + 0.9 * strength),
    "shear_x": lambda face, strength: _warped(face, (1, MOST_SLANT * strength, 0, 0, 1, 0)),
    "shear_y": lambda face, strength: _warped(face, (1, 0, 0, MOST_SLANT * strength, 1, 0)),
    "translate_x": lambda face, strength: _warped(face, (1, 0, _moved(face, strength), 0, 1, 0)),
    "translate_y": lambda face, strength: _warped(face, (1, 0, 0, 0, 1, _moved(face, strength))),
}
"""Name → what it does to a grey picture at a strength of −1 to 1, to either side where there are two."""


def apply(faces: np.ndarray, operations: int, *, magnitude: float, rng: np.random.Generator) -> None:
    """Let each face go through so many operations drawn at random, in place.

    Args:
        faces: uint8 array (n, h, h), grey, 0–255.
        operations: how many, one after another.
        magnitude: their strength, 0–1.
        rng: source of the random numbers.
    """
    names = list(OPERATIONS)
    chosen = rng.integers(0, len(names), (len(faces), operations))
    strengths = magnitude * rng.choice((-1.0, 1.0), chosen.shape)
    for index, face in enumerate(faces):
        picture = Image.fromarray(face)
        for number, strength in zip(chosen[index], strengths[index], strict=True):
            picture = OPERATIONS[names[number]](picture, float(strength))
        faces[index] = np.asarray(picture)
