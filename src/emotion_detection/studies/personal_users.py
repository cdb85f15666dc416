"""Simulated users of a personal head: faces seen by a camera of their own, in a few short clips; no person was filmed.

Two kinds. *Photographs*: faces of PublicTest as one camera would show them, the same light, contrast, tilt, framing,
blur and noise on all; each clip is another stranger's face, so what a user's clips share is the camera alone. *Drawn
people*: the same drawn head in all seven expressions, seen by such a camera.
"""

import dataclasses
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from emotion_detection.data import synthetic
from emotion_detection.emotions import EMOTIONS

CLIPS_PER_EMOTION = 2
FRAMES_PER_CLIP = 8
"""Of the 37 frames that 2.5 s bring at 15 a second: they differ so little that more would only repeat them."""

TESTED_PER_EMOTION = 12
"""Other faces of the user's, one frame of each."""

_ROWS, _COLUMNS = np.mgrid[-1 : 1 : synthetic.SIDE_PX * 1j, -1 : 1 : synthetic.SIDE_PX * 1j]

Draw = Callable[[int, np.random.Generator], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Camera:
    """What a user's place and camera do to every face: lengths in pixels of 48, greys of 0–255.

    Args:
        gamma: of the grey levels; above 1 darkens.
        contrast: factor around middle grey.
        brightness: added.
        light_x: strength of light from the right (negative: left), 0–1.
        light_y: the same from below.
        tilt_deg: of the head.
        zoom: above 1 the face is framed more closely.
        shift_x_px: of the face.
        shift_y_px: of the face.
        blur_px: standard deviation.
        noise: standard deviation.
    """

    gamma: float = 1.0
    contrast: float = 1.0
    brightness: float = 0.0
    light_x: float = 0.0
    light_y: float = 0.0
    tilt_deg: float = 0.0
    zoom: float = 1.0
    shift_x_px: float = 0.0
    shift_y_px: float = 0.0
    blur_px: float = 0.0
    noise: float = 0.0


def random_camera(generator: np.random.Generator, *, strength: float = 1.0) -> Camera:
    """Return a camera as one may meet it: a laptop's, off centre, in a room's light.

    Args:
        generator: decides.
        strength: 0 changes nothing; at 1 a third of the users sit tilted by more than 9°, or 2.5 px off centre.
    """
    normal, uniform = generator.normal, generator.uniform
    return Camera(
        gamma=float(np.exp(strength * normal(0, 0.4))),
        contrast=1 - strength * uniform(-0.1, 0.5),
        brightness=strength * normal(0, 20),
        light_x=strength * normal(0, 0.35),
        light_y=strength * normal(0, 0.25),
        tilt_deg=strength * normal(0, 9),
        zoom=float(np.exp(strength * normal(0, 0.13))),
        shift_x_px=strength * normal(0, 2.5),
        shift_y_px=strength * normal(0, 2.5),
        blur_px=strength * uniform(0, 1.3),
        noise=strength * uniform(0, 9),
    )


def photograph(face: np.ndarray, camera: Camera, generator: np.random.Generator) -> np.ndarray:
    """Return one frame of a face: the camera's changes, and a little of its own as a head that is held still moves.

    Args:
        face: uint8 array (48, 48), grey, 0–255.
        camera: the user's.
        generator: source of what varies from frame to frame.
    """
    tilt_deg, zoom = camera.tilt_deg + generator.normal(0, 2), camera.zoom * generator.normal(1, 0.02)
    shift_px = np.array([camera.shift_x_px, camera.shift_y_px]) + generator.normal(0, 0.7, 2)
    center = (synthetic.SIDE_PX - 1) / 2
    matrix = cv2.getRotationMatrix2D((center, center), tilt_deg, zoom)
    matrix[:, 2] += shift_px
    moved = cv2.warpAffine(face, matrix, face.shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    image = 255 * (moved.astype(np.float32) / 255) ** camera.gamma
    image *= 1 + camera.light_x * _COLUMNS + camera.light_y * _ROWS
    image = (image - 128) * camera.contrast + 128 + camera.brightness + generator.normal(0, 4)
    if camera.blur_px > 0.2:  # a narrower one changes nothing
        image = cv2.GaussianBlur(image, (0, 0), camera.blur_px)
    image += generator.normal(0, camera.noise, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@dataclasses.dataclass(frozen=True, eq=False)
class User:
    """The frames of one simulated user.

    Args:
        clips: uint8 array (7, clips, frames, 48, 48), what is recorded, by emotion.
        tested: uint8 array (7, faces, 48, 48), frames of other faces.
    """

    clips: np.ndarray
    tested: np.ndarray


def make_user(draw: Draw, camera: Camera, generator: np.random.Generator) -> User:
    """Return a user: two clips of each emotion, each of one face, and other faces to test on.

    Args:
        draw: number of an emotion and generator → another face of the user's, uint8 (48, 48); none twice.
        camera: the user's.
        generator: source of what varies.
    """
    clips, tested = [], []
    for emotion in range(len(EMOTIONS)):
        held = [draw(emotion, generator) for _ in range(CLIPS_PER_EMOTION)]
        clips.append([[photograph(face, camera, generator) for _ in range(FRAMES_PER_CLIP)] for face in held])
        others = [draw(emotion, generator) for _ in range(TESTED_PER_EMOTION)]
        tested.append([photograph(face, camera, generator) for face in others])
    return User(np.array(clips), np.array(tested))


def drawing_from(pixels: np.ndarray, emotion: np.ndarray, generator: np.random.Generator) -> Draw:
    """Return a function that hands out faces of a data set by emotion, at random and none twice.

    Args:
        pixels: uint8 array (n, 48, 48).
        emotion: int array (n,), 0–6; of each at least 14.
        generator: decides the order.
    """
    waiting = [list(generator.permutation(np.flatnonzero(emotion == number))) for number in range(len(EMOTIONS))]
    return lambda number, _: pixels[waiting[number].pop()]


def drawing_of_person(seed: int | Sequence[int]) -> Draw:
    """Return a function that draws the same person with any expression."""
    return lambda number, generator: synthetic.draw_face(EMOTIONS[number], generator, look=np.random.default_rng(seed))
