"""The one way from a face crop to the network's input: grey, area-averaged to 48×48, as FER2013's faces are.

Stills, videos and the live cell all come through `to_gray48`, and FER2013's own faces pass it unchanged, so that the
network never sees in use what it did not see in training. Resizing up and scaling sit inside the saved network.
"""

import os
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from emotion_detection.errors import DataError
from emotion_detection.faces import images

FACE_SIZE_PX = 48  # side of the network's input, and of a FER2013 face
MIN_SIZE_PX = 24  # smallest side of a crop that is accepted: half of FER2013's resolution
MAX_SIZE_PX = 2000  # a crop with a longer side is taken for a whole photograph
FIND_FACES = "For a photograph, emotion_detection.analyse(picture) finds the faces first."

Faces = np.ndarray | Sequence[np.ndarray | Image.Image]
"""Several faces; `to_gray48_batch` says of which shapes."""

EXPECTED = "uint8 (h, w) grey or (h, w, 3) RGB, 0–255, each side at least 24 px"


def to_gray48(face: np.ndarray) -> np.ndarray:
    """Bring one face crop to the network's input.

    Colour becomes grey first (ITU-R BT.601 weights), then each side that is longer than 48 px is averaged over areas.
    A side of 24 to 47 px is stretched to 48 by linear interpolation: the face comes out soft, and answers on it are
    worth less. A crop that is not square is squeezed into one. A grey 48×48 face comes back unchanged.

    Args:
        face: uint8 array (h, w) grey or (h, w, 3) RGB, 0–255, each side at least 24 px.

    Returns:
        uint8 array (48, 48), grey, 0–255.

    Raises:
        DataError: the type, the shape or the size is another.
    """
    check_face(face)
    gray = cv2.cvtColor(np.ascontiguousarray(face), cv2.COLOR_RGB2GRAY) if face.ndim == 3 else face
    height, width = gray.shape
    shrunk_size = (min(width, FACE_SIZE_PX), min(height, FACE_SIZE_PX))
    shrunk = cv2.resize(np.ascontiguousarray(gray), shrunk_size, interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (FACE_SIZE_PX, FACE_SIZE_PX), interpolation=cv2.INTER_LINEAR)


def to_gray48_batch(faces: Faces) -> np.ndarray:
    """Bring several face crops to the network's input, each by `to_gray48`.

    Args:
        faces: uint8 array (n, h, w) grey, (n, h, w, 1) grey or (n, h, w, 3) RGB, 0–255; or a list of single faces of
            differing sizes, arrays (h, w) or (h, w, 3) or PIL pictures. Each side at least 24 px.

    Returns:
        uint8 array (n, 48, 48), grey, 0–255; (0, 48, 48) for no faces.

    Raises:
        DataError: the type, the shape or the size is another; for a list, the message names the face.
    """
    if isinstance(faces, str | os.PathLike | Image.Image):
        received = f"the path {str(faces)!r}" if not isinstance(faces, Image.Image) else "one picture"
        raise DataError(f"Faces were expected, {EXPECTED}, and {received} was given. {FIND_FACES}")
    if isinstance(faces, np.ndarray):
        faces = _checked_array(faces)
    batch = np.empty((len(faces), FACE_SIZE_PX, FACE_SIZE_PX), np.uint8)
    if isinstance(faces, np.ndarray) and faces.shape == batch.shape and faces.dtype == np.uint8:
        batch[:] = faces
        return batch
    for index, face in enumerate(faces):
        try:
            batch[index] = to_gray48(_checked_face(face))
        except DataError as error:
            raise DataError(f"Face {index} of {len(faces)}: {error}") from error
    return batch


def check_face(face: np.ndarray) -> None:
    """Raise DataError unless `face` is what `to_gray48` accepts."""
    if isinstance(face, str | os.PathLike):
        raise DataError(f"A face is the path {str(face)!r}, expected {EXPECTED}. {FIND_FACES}")
    if not isinstance(face, np.ndarray):
        raise DataError(f"A face is a {type(face).__name__}, expected {EXPECTED}. Pass a numpy array or PIL picture.")
    if face.dtype != np.uint8:
        raise DataError(
            f"A face has dtype {face.dtype}, expected {EXPECTED}. Scale it to 0–255 and use astype('uint8')."
        )
    if face.ndim not in (2, 3) or (face.ndim == 3 and face.shape[2] != 3):
        raise DataError(
            f"A face has shape {face.shape}, expected {EXPECTED}. Convert it to grey or RGB, one face each."
        )
    if min(face.shape[:2]) < MIN_SIZE_PX:
        raise DataError(
            f"A face is {face.shape[1]}×{face.shape[0]} px, expected {EXPECTED}. Use a larger picture of it; "
            f"a single face goes in a list or as face[None]."
        )


def _checked_face(face: np.ndarray | Image.Image) -> np.ndarray:
    """Return one of several faces as an array; refuse what looks like a whole photograph."""
    if isinstance(face, Image.Image):
        face = images.upright_bgr(face)[..., ::-1]
    if isinstance(face, np.ndarray) and face.ndim in (2, 3) and max(face.shape) > MAX_SIZE_PX:
        size = "×".join(f"{side:,}" for side in face.shape[1::-1])
        raise DataError(f"{size} px looks like a whole photograph, expected {EXPECTED}. {FIND_FACES}")
    return face


def _checked_array(faces: np.ndarray) -> np.ndarray:
    if faces.ndim == 4 and faces.shape[3] == 1:
        faces = faces[..., 0]
    if faces.ndim not in (3, 4) and faces.size:
        raise DataError(
            f"Faces have shape {faces.shape}, expected uint8 (n, h, w) grey or (n, h, w, 3) RGB. "
            f"A single face goes in a list or as face[None]. {FIND_FACES}"
        )
    return faces
