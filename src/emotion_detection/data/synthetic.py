"""The drawn sample: simple grey faces with seven expressions, drawn by code, for when no data set is there.

A face is an ellipse with brows, eyes, nose and mouth. Each emotion is a set of shape parameters (after the action
units of Ekman and Friesen's FACS); every face varies them, and its pose, skin, hair, light and noise.
"""

import dataclasses

import cv2
import numpy as np

from emotion_detection.data.dataset import SPLITS, FaceDataset
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError

NAME = "drawn sample"
SIDE_PX = 48
DRAWN_PX = 96  # drawn at twice the size, then area-averaged
SHIFT_BITS = 4  # cv2 draws at 1/16 px
SHARES = (0.8, 0.1, 0.1)
EXAMPLE_LOOK = 10  # seed of the person in `draw_example`


@dataclasses.dataclass(frozen=True)
class Expression:
    """Shape of an expression; lengths are in units of half the face's width.

    Args:
        brow_inner: how far the brows' inner ends are raised (negative: lowered).
        brow_outer: how far their outer ends are raised.
        brow_gap: half the distance between the inner ends.
        eye_open: half height of the eyes' opening.
        lower_lid: how far the lower lid is pushed up over the eye, 0–1.
        mouth_width: half width of the mouth.
        corner: how far the mouth's corners are raised (negative: lowered).
        mouth_open: half height of the opening between the lips.
        teeth: whether the open mouth shows teeth.
        upper_lip: how far the upper lip's middle is raised.
        nose_wrinkle: strength of the wrinkles beside the nose, 0–1.
        frown: strength of the lines between the brows, 0–1.
        cheek: strength of the folds from nose to mouth, 0–1.
    """

    brow_inner: float = 0.0
    brow_outer: float = 0.0
    brow_gap: float = 0.18
    eye_open: float = 0.11
    lower_lid: float = 0.1
    mouth_width: float = 0.32
    corner: float = 0.0
    mouth_open: float = 0.0
    teeth: bool = False
    upper_lip: float = 0.0
    nose_wrinkle: float = 0.0
    frown: float = 0.0
    cheek: float = 0.0


# fmt: off
EXPRESSIONS = {
    #                      inner  outer   gap    eye   lid  width  corner   open  teeth   lip  nose  frown  cheek
    "angry":    Expression(-0.17,  0.07,  0.1,   0.1, 0.35,   0.3,  -0.05, 0.055,  True,  0.0,  0.0,   1.0,   0.0),
    "disgust":  Expression( -0.1, -0.03, 0.13,  0.06,  0.6,  0.28,   -0.1,  0.05, False, 0.13,  1.0,   0.0,   0.9),
    "fear":     Expression( 0.17, -0.02, 0.13,  0.18,  0.0,  0.36,  -0.07,   0.1,  True,  0.0,  0.0,   0.0,   0.0),
    "happy":    Expression( 0.02,  0.03, 0.18,  0.09, 0.45,  0.43,   0.17,  0.11,  True,  0.0,  0.0,   0.0,   0.8),
    "sad":      Expression( 0.15, -0.11, 0.14, 0.075, 0.05,  0.27,  -0.14,   0.0, False,  0.0,  0.0,   0.0,   0.0),
    "surprise": Expression(  0.2,   0.2,  0.2,  0.19,  0.0,  0.19,    0.0,   0.2, False,  0.0,  0.0,   0.0,   0.0),
    "neutral":  Expression(  0.0,   0.0, 0.18,  0.11,  0.1,  0.32,    0.0,   0.0, False,  0.0,  0.0,   0.0,   0.0),
}
"""The expressions that are drawn, by emotion; the columns are the fields of `Expression`, in their order."""
# fmt: on


def load_sample(n: int = 2100, *, seed: int = 0) -> FaceDataset:
    """Draw a data set of faces: the seven emotions in equal parts, 80 % Training, 10 % each test split.

    Args:
        n: number of faces, 70 or more; they are shuffled, and `row` counts from 0.
        seed: the same seed and n draw the same faces, pixel by pixel, on one version of OpenCV and numpy.

    Raises:
        DataError: `n` is too small for ten faces of each emotion.
    """
    if n < 70:
        raise DataError(f"The drawn sample of {n} faces is too small to split. Ask for 70 or more.")
    generator = np.random.default_rng(seed)
    emotion = (np.arange(n) % len(EMOTIONS)).astype(np.int8)
    position = (np.arange(n) // len(EMOTIONS) + 0.5) / np.bincount(emotion)[emotion]  # within the emotion, 0–1
    usage = np.array(SPLITS)[np.searchsorted(np.cumsum(SHARES)[:2], position, side="right")]
    pixels = np.stack([draw_face(EMOTIONS[label], generator) for label in emotion])
    order = generator.permutation(n)
    return FaceDataset(
        pixels=pixels[order],
        emotion=emotion[order],
        usage=usage[order],
        row=np.arange(n, dtype=np.int32),
        name=NAME,
        notes=("These faces are drawn by code: nothing learned from them says anything about people.",),
        has_official_rows=False,
    )


def draw_face(emotion: str, generator: np.random.Generator, *, look: np.random.Generator | None = None) -> np.ndarray:
    """Draw one face of an emotion: uint8 array (48, 48), grey, 0–255.

    Args:
        emotion: a name in `EMOTIONS`.
        generator: source of what varies between faces.
        look: source of what belongs to a person and a place: head, hair, skin, pose, background. Begun anew from the
            same seed it draws the same person again; `generator` if None, so that every face is another's.
    """
    look = generator if look is None else look
    pen = _Pen(look)
    _draw(pen, look, _varied(EXPRESSIONS[emotion], generator))
    return _photographed(pen.canvas, generator)


def draw_example(emotion: str) -> np.ndarray:
    """Draw the example of an expression, always the same person's: uint8 array (96, 96), grey, 0–255, no noise."""
    look = np.random.default_rng(EXAMPLE_LOOK)
    pen = _Pen(look)
    _draw(pen, look, EXPRESSIONS[emotion])
    return pen.canvas


def _draw(pen: "_Pen", look: np.random.Generator, shape: Expression) -> None:
    _draw_head(pen, look, shape)
    for side in (-1, 1):
        _draw_eye(pen, shape, side)
        _draw_brow(pen, shape, side)
    _draw_nose(pen, shape)
    _draw_mouth(pen, shape)


def _varied(shape: Expression, generator: np.random.Generator) -> Expression:
    """Return the expression at a random intensity of 0.75–1.25, each length jittered a little."""
    neutral, intensity = Expression(), generator.uniform(0.75, 1.25)
    values = {}
    for field in dataclasses.fields(Expression):
        rest, full = getattr(neutral, field.name), getattr(shape, field.name)
        if field.name != "teeth":
            full = rest + (full - rest) * intensity + generator.normal(0, 0.012)
        values[field.name] = full
    values["eye_open"] = max(values["eye_open"], 0.03)
    return Expression(**values)


class _Pen:
    """Draws shapes given in face units (centre 0, half width 1, y down) with this face's pose and greys."""

    def __init__(self, generator: np.random.Generator):
        self.skin = generator.uniform(95, 215)
        self.hair = generator.uniform(10, 0.75 * self.skin)
        self.ink = generator.uniform(0.12, 0.3) * self.skin
        self.shade = self.skin * generator.uniform(0.72, 0.82)
        background = generator.uniform(20, 235)
        self.canvas = np.full((DRAWN_PX, DRAWN_PX), background, np.float32).astype(np.uint8)
        self.transform = self._pose(generator)

    @staticmethod
    def _pose(generator: np.random.Generator) -> np.ndarray:
        angle = np.deg2rad(generator.normal(0, 7))
        scale_px = DRAWN_PX * generator.uniform(0.37, 0.43)
        turn = generator.uniform(0.92, 1.02)  # a turned head is narrower
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre_px = DRAWN_PX / 2 + generator.normal(0, 0.02 * DRAWN_PX, 2)
        return np.column_stack([rotation * scale_px @ np.diag([turn, 1.0]), centre_px])

    def pixels(self, points) -> np.ndarray:
        """Return face points (k, 2) as cv2's fixed-point pixel coordinates, int32 (k, 2)."""
        placed = (np.array(points) @ self.transform[:, :2].T + self.transform[:, 2]) * (1 << SHIFT_BITS)
        return np.rint(placed).astype(np.int32)

    def fill(self, points, gray: float) -> None:
        cv2.fillPoly(self.canvas, [self.pixels(points)], float(gray), cv2.LINE_AA, SHIFT_BITS)

    def line(self, points, gray: float, width_px: int = 2) -> None:
        cv2.polylines(self.canvas, [self.pixels(points)], False, float(gray), width_px, cv2.LINE_AA, SHIFT_BITS)

    def mixed(self, gray: float, strength: float) -> float:
        """Return the skin's grey moved towards `gray` by `strength` (0–1)."""
        return self.skin + (gray - self.skin) * min(max(strength, 0.0), 1.0)


_TURN = np.linspace(0, 2 * np.pi, 33)
_CIRCLE = np.column_stack([np.cos(_TURN), np.sin(_TURN)])
_T = np.linspace(0, 1, 13)
_THROUGH = np.column_stack([(1 - _T) * (1 - 2 * _T), 4 * _T * (1 - _T), _T * (2 * _T - 1)])


def _ellipse(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    return _CIRCLE * (half_width, half_height) + (x, y)


def _curve(start, middle, end) -> np.ndarray:
    """Return points (13, 2) of the quadratic curve from `start` through `middle` to `end`."""
    return _THROUGH @ np.array((start, middle, end))


def _draw_head(pen: _Pen, generator: np.random.Generator, shape: Expression) -> None:
    jaw = generator.uniform(1.12, 1.25) + 0.35 * max(shape.mouth_open - 0.1, 0)
    hairline = generator.uniform(-0.95, -0.75)
    width = generator.uniform(0.86, 0.95)
    pen.fill(_ellipse(0, -0.28, width + generator.uniform(0.08, 0.2), 1.05), pen.hair)
    pen.fill([(-0.4, 0.8), (0.4, 0.8), (0.5, 1.9), (-0.5, 1.9)], pen.shade)
    for side in (-1, 1):
        pen.fill(_ellipse(side * width, 0.0, 0.12, 0.24), pen.shade)
    face = _ellipse(0, 0, width, jaw)
    upper = face[:, 1] < 0
    face[upper, 1] *= -hairline / jaw
    pen.fill(face, pen.skin)


def _draw_eye(pen: _Pen, shape: Expression, side: int) -> None:
    x, y, half = side * 0.4, -0.18, 0.19
    lower = shape.eye_open * (1 - 0.8 * min(max(shape.lower_lid, 0.0), 1.0))
    top = _curve((x - half, y), (x, y - shape.eye_open), (x + half, y))
    bottom = _curve((x + half, y), (x, y + lower), (x - half, y))
    pen.fill(np.vstack([top, bottom]), min(255, pen.skin * 0.25 + 190))
    iris = _ellipse(x, y - 0.1 * shape.eye_open, 0.085, 0.085)
    iris[:, 1] = np.clip(iris[:, 1], y - shape.eye_open, y + lower)
    pen.fill(iris, pen.ink * 0.6)
    pen.line(top, pen.ink, 2)
    pen.line(bottom, pen.mixed(pen.ink, 0.45), 1)


def _draw_brow(pen: _Pen, shape: Expression, side: int) -> None:
    inner = (side * shape.brow_gap, -0.4 - shape.brow_inner)
    outer = (side * 0.66, -0.38 - shape.brow_outer)
    arch = ((inner[0] + outer[0]) / 2, (inner[1] + outer[1]) / 2 - 0.06)
    pen.line(_curve(inner, arch, outer), min(pen.hair, pen.mixed(pen.ink, 0.8)), 4)
    if shape.frown > 0.2:
        pen.line([(side * 0.06, -0.48), (side * 0.05, -0.28)], pen.mixed(pen.ink, 0.6 * shape.frown), 2)


def _draw_nose(pen: _Pen, shape: Expression) -> None:
    pen.line(_curve((-0.02, -0.1), (0.03, 0.08), (0.1, 0.24)), pen.mixed(pen.shade, 0.8), 2)
    pen.line(_curve((-0.13, 0.25), (0, 0.31), (0.13, 0.25)), pen.mixed(pen.ink, 0.55), 2)
    if shape.nose_wrinkle > 0.2:
        for side in (-1, 1):
            for drop in (-0.06, 0.03):
                ends = [(side * 0.06, drop), (side * 0.17, drop - 0.09)]
                pen.line(ends, pen.mixed(pen.ink, 0.65 * shape.nose_wrinkle), 2)
    if shape.cheek > 0.2:
        for side in (-1, 1):
            fold = _curve((side * 0.2, 0.24), (side * 0.42, 0.36), (side * 0.5, 0.6))
            pen.line(fold, pen.mixed(pen.ink, 0.45 * shape.cheek), 2)


def _draw_mouth(pen: _Pen, shape: Expression) -> None:
    y, half, opening = 0.62, shape.mouth_width, max(shape.mouth_open, 0)
    left, right = (-half, y - shape.corner), (half, y - shape.corner)
    upper = _curve(left, (0, y - opening - shape.upper_lip + 0.3 * shape.corner), right)
    lower = _curve(right, (0, y + opening + 0.3 * shape.corner), left)
    lips = pen.mixed(pen.ink, 0.5)
    if opening < 0.03:
        pen.line(upper, pen.mixed(pen.ink, 0.9), 3)
        pen.line(_curve((-0.5 * half, y + 0.12), (0, y + 0.15), (0.5 * half, y + 0.12)), pen.mixed(pen.shade, 0.8), 2)
        return
    outline = np.vstack([upper, lower])
    pen.fill(outline, pen.ink * 0.5)
    if shape.teeth:
        middle = (upper + lower[::-1]) / 2
        pen.fill(
            np.vstack([upper * 0.9 + middle * 0.1, middle[::-1] * 0.75 + lower * 0.25]), min(255, pen.skin * 0.3 + 175)
        )
    pen.line(np.vstack([outline, outline[:1]]), lips, 2)


_ROWS, _COLUMNS = np.mgrid[-1 : 1 : SIDE_PX * 1j, -1 : 1 : SIDE_PX * 1j]


def _photographed(canvas: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the canvas as a small photograph: light from one side, a soft lens, noise; uint8 (48, 48)."""
    image = cv2.resize(canvas, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    image = cv2.GaussianBlur(image, (0, 0), generator.uniform(0.35, 0.7))
    direction, strength = generator.uniform(0, 2 * np.pi), generator.uniform(0, 0.3)
    light = 1 + strength * (np.cos(direction) * _COLUMNS + np.sin(direction) * _ROWS)
    image = (image * light - 128) * generator.uniform(0.75, 1.15) + 128 + generator.normal(0, 15)
    image += generator.normal(0, generator.uniform(2, 7), image.shape)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)
