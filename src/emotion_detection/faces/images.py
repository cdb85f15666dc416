"""Reading pictures as people have them: turned upright, whatever their colours, transparency or depth."""

import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from emotion_detection import paths
from emotion_detection.errors import DataError, MissingFileError

PICTURE_FORMATS = ("JPEG", "PNG", "WEBP")
MAXIMUM_PIXELS = 64_000_000
"""Larger pictures are refused after reading their header: decoded, one of this size takes 192 MB."""


def read_picture(path: Path | str) -> np.ndarray:
    """Read a picture, turned upright as its EXIF data say.

    Transparent parts become white, 16-bit grey is reduced to 8 bits. Of an animation the first frame is read.

    Args:
        path: a JPEG, PNG or WebP file of at most 64 megapixels.

    Returns:
        uint8 array (h, w, 3), BGR, 0–255.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file is empty, damaged, of another format or too large.
    """
    path = Path(path)
    check_file(path)
    try:
        with _opened(path) as image:
            width, height = image.size
            if width * height > MAXIMUM_PIXELS:
                raise _too_large(path, f"{width:,}×{height:,} px, {width * height / 1e6:.0f} megapixels")
            return upright_bgr(image)
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path, "more than 178 megapixels") from error
    except Exception as error:  # Pillow's readers each raise their own
        raise DataError(
            f"The picture {paths.displayed(path)} cannot be read ({path.stat().st_size:,} bytes; {error}). It is "
            f"damaged or not a JPEG, PNG or WebP file: open it in a viewer and save it as one of these."
        ) from error


def check_file(path: Path) -> None:
    """Raise MissingFileError or DataError unless there is a file that is not empty."""
    if not path.is_file():
        received = "it is a folder" if path.is_dir() else "no such file"
        raise MissingFileError(f"The picture {path} was not found: {received}. Pass the path of a JPEG, PNG or WebP.")
    if path.stat().st_size == 0:
        raise DataError(f"The picture {paths.displayed(path)} is empty (0 bytes). Copy or download it again.")


def _too_large(path: Path, received: str) -> DataError:
    return DataError(
        f"The picture {paths.displayed(path)} is too large: {received}, at most {MAXIMUM_PIXELS // 1_000_000} "
        f"megapixels are read. Reduce it first."
    )


def _opened(path: Path) -> Image.Image:
    """Read a picture's header; Pillow's own warning about large pictures is ours to give."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(path, formats=PICTURE_FORMATS)


def upright_bgr(image: Image.Image) -> np.ndarray:
    """Return a PIL picture, turned upright as its EXIF data say: uint8 array (h, w, 3), BGR, 0–255."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        gray = (np.asarray(upright).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
        return cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return cv2.cvtColor(np.asarray(upright.convert("RGB")), cv2.COLOR_RGB2BGR)
