"""Reading pictures as people have them: turned upright, whatever their colours, transparency or depth."""

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from emotion_detection import paths
from emotion_detection.errors import DataError, MissingFileError

PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
MAXIMUM_PIXELS = 64_000_000
"""Larger pictures are refused after reading their header: decoded, one of this size takes 192 MB."""

MAXIMUM_TEXT_BYTES = 64 << 20
"""Of a text in a PNG, unpacked; Pillow's own limit of 1 MB is less than tools write that keep their settings there."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF's orientation → what turns the picture upright."""


def read_picture(source: Path | str | bytes) -> np.ndarray:
    """Read a picture, turned upright as its EXIF data say.

    Transparent parts become white, 16-bit grey is reduced to 8 bits. Of an animation the first frame is read.

    Args:
        source: a JPEG, PNG or WebP file of at most 64 megapixels: its path, or its bytes.

    Returns:
        uint8 array (h, w, 3), BGR, 0–255.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file is empty, damaged, of another format or too large.
    """
    if isinstance(source, bytes):
        name, size_bytes = "in memory", len(source)
    else:
        check_file(Path(source))
        name, size_bytes = paths.displayed(source), Path(source).stat().st_size
    try:
        with _opened(io.BytesIO(source) if isinstance(source, bytes) else Path(source)) as image:
            width, height = image.size
            if width * height > MAXIMUM_PIXELS:
                raise _too_large(name, f"{width:,}×{height:,} px, {width * height / 1e6:.0f} megapixels")
            return upright_bgr(image)
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(name, "more than 178 megapixels") from error
    except Exception as error:  # Pillow's readers each raise their own
        raise DataError(
            f"The picture {name} cannot be read ({size_bytes:,} bytes; {error}). It is damaged or not a JPEG, PNG or "
            "WebP file: open it in a viewer and save it as one of these."
        ) from error


def check_file(path: Path) -> None:
    """Raise MissingFileError or DataError unless there is a file that is not empty."""
    if not path.is_file():
        received = "it is a folder" if path.is_dir() else "no such file"
        raise MissingFileError(
            f"The picture {paths.displayed(path)} was not found: {received}. Pass the path of a JPEG, PNG or WebP."
        )
    if path.stat().st_size == 0:
        raise DataError(f"The picture {paths.displayed(path)} is empty (0 bytes). Copy or download it again.")


def _too_large(name: str, received: str) -> DataError:
    return DataError(
        f"The picture {name} is too large: {received}, at most {MAXIMUM_PIXELS // 1_000_000} megapixels are read. "
        "Reduce it first."
    )


class _Limits:
    """Our limits in place of Pillow's, and none of its warnings, as long as any thread has a picture open."""

    def __init__(self):
        self._lock, self._open, self._undo = threading.Lock(), 0, contextlib.ExitStack()

    def __enter__(self):
        with self._lock:
            self._open += 1
            if self._open == 1:  # they are of the whole process: the first thread sets them, the last one restores
                self._undo.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                self._undo.callback(setattr, PngImagePlugin, "MAX_TEXT_CHUNK", PngImagePlugin.MAX_TEXT_CHUNK)
                PngImagePlugin.MAX_TEXT_CHUNK = MAXIMUM_TEXT_BYTES

    def __exit__(self, *_):
        with self._lock:
            self._open -= 1
            if not self._open:
                self._undo.close()


_LIMITS = _Limits()


@contextlib.contextmanager
def _opened(source: Path | io.BytesIO) -> Iterator[Image.Image]:
    """Open a picture with our limits in place of Pillow's, and without its warnings: we tell of large ones."""
    with _LIMITS, Image.open(source, formats=PICTURE_FORMATS) as image:
        yield image


def upright_bgr(image: Image.Image) -> np.ndarray:
    """Return a PIL picture, turned upright as its EXIF data say: uint8 array (h, w, 3), BGR, 0–255."""
    image.load()  # a PNG may say it behind its pixels
    turn = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation))
    upright = image if turn is None else image.transpose(turn)
    if upright.mode.startswith("I"):
        gray = (np.asarray(upright).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
        return cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return cv2.cvtColor(np.asarray(upright.convert("RGB")), cv2.COLOR_RGB2BGR)
