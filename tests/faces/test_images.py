"""Reading pictures as people have them: every format, orientation and kind of colours, and what is refused."""

import os
import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from emotion_detection import paths
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.faces import images

PORTRAIT = paths.sample_dir() / "astronaut.webp"


@pytest.fixture
def portrait():
    return images.read_picture(PORTRAIT)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".webp"])
def test_formats_read_alike(tmp_path, portrait, suffix):
    path = tmp_path / f"picture{suffix}"
    cv2.imwrite(str(path), portrait[100:200, 50:250])
    read = images.read_picture(path)
    assert read.shape == (100, 200, 3) and read.dtype == np.uint8
    assert np.abs(read.astype(int) - portrait[100:200, 50:250]).mean() < 8


def test_colours_come_as_blue_green_red(tmp_path):
    Image.new("RGB", (30, 30), (250, 20, 10)).save(tmp_path / "red.png")
    assert images.read_picture(tmp_path / "red.png")[0, 0].tolist() == [10, 20, 250]


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_pictures_are_turned_upright(tmp_path, orientation, corner):
    image = Image.new("L", (60, 40))
    image.paste(255, (0, 0, 20, 10))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "turned.jpg", exif=exif)
    read = images.read_picture(tmp_path / "turned.jpg")
    assert read.shape[:2] == ((40, 60) if orientation < 5 else (60, 40))
    assert read[corner][0] > 200
    assert (read > 128).any(axis=2).sum() == pytest.approx(200, abs=40)


def test_a_picture_is_turned_upright_beside_a_tag_that_cannot_be_written_again(tmp_path):
    tags = [(0x0112, 3, 1, struct.pack("<I", 6)), (0x011A, 2, 3, b"72\0\0")]  # orientation; resolution as text
    entries = b"".join(struct.pack("<HHI", *tag) + value for *tag, value in tags)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    Image.new("L", (60, 40)).save(tmp_path / "turned.jpg", exif=exif)
    assert images.read_picture(tmp_path / "turned.jpg").shape == (60, 40, 3)


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + bytes(40)])
def test_metadata_that_cannot_be_read_do_not_spoil_the_picture(tmp_path, exif):
    Image.new("L", (60, 40)).save(tmp_path / "odd.jpg", exif=exif)
    assert images.read_picture(tmp_path / "odd.jpg").shape == (40, 60, 3)


def test_a_png_with_megabytes_of_text_is_read(tmp_path):
    limit, text = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * 2_000_000, zip=True)
    Image.new("L", (60, 40), 7).save(tmp_path / "long.png", pnginfo=text)
    assert (images.read_picture(tmp_path / "long.png") == 7).all()
    assert limit == PngImagePlugin.MAX_TEXT_CHUNK


def test_limits_and_warnings_are_as_before_after_two_threads_read_at_once(tmp_path):
    Image.new("L", (60, 40)).save(tmp_path / "small.png")
    limit, filters = PngImagePlugin.MAX_TEXT_CHUNK, list(warnings.filters)
    first, second = images._opened(tmp_path / "small.png"), images._opened(tmp_path / "small.png")
    for step in (first.__enter__, second.__enter__, lambda: first.__exit__(None, None, None)):
        step()
        assert limit < PngImagePlugin.MAX_TEXT_CHUNK
    second.__exit__(None, None, None)
    assert limit == PngImagePlugin.MAX_TEXT_CHUNK
    assert filters == list(warnings.filters)


def test_a_picture_is_read_from_its_bytes_and_from_a_name_that_is_not_utf8(tmp_path, portrait):
    np.testing.assert_array_equal(images.read_picture(PORTRAIT.read_bytes()), portrait)
    path = tmp_path / os.fsdecode(b"caf\xe9.webp")
    path.write_bytes(PORTRAIT.read_bytes())
    np.testing.assert_array_equal(images.read_picture(path), portrait)
    with pytest.raises(DataError, match="5 bytes"):
        images.read_picture(b"hello")


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("L", 90, [90, 90, 90]),
        ("LA", (90, 255), [90, 90, 90]),
        ("RGBA", (10, 20, 30, 0), [255, 255, 255]),
        ("RGBA", (10, 20, 30, 255), [30, 20, 10]),
        ("1", 1, [255, 255, 255]),
        ("I;16", 90 * 256, [90, 90, 90]),
        ("P", 0, [0, 0, 0]),
    ],
)
def test_grey_transparent_and_deep_pictures_become_bgr(tmp_path, mode, color, expected):
    Image.new(mode, (30, 30), color).save(tmp_path / "picture.png")
    assert images.read_picture(tmp_path / "picture.png")[3, 3].tolist() == expected


def test_a_palette_with_transparency_becomes_bgr(tmp_path):
    image = Image.new("P", (30, 30), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.save(tmp_path / "picture.png", transparency=b"\xff\x00")
    assert images.read_picture(tmp_path / "picture.png")[3, 3].tolist() == [255, 255, 255]


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"nowhere\.jpg was not found"):
        images.read_picture(tmp_path / "nowhere.jpg")
    with pytest.raises(MissingFileError, match="it is a folder"):
        images.read_picture(tmp_path)


def test_an_empty_picture_is_refused(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match="0 bytes"):
        images.read_picture(tmp_path / "empty.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_picture_is_refused(tmp_path, portrait, suffix, share):
    path = tmp_path / f"cut{suffix}"
    cv2.imwrite(str(path), portrait[:128, :128])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match="cannot be read") as caught:
        images.read_picture(path)
    assert "bytes" in str(caught.value) and "save it" in str(caught.value)


@pytest.mark.parametrize("content", [b"hello", b"GIF89a" + bytes(40), b"\x89PNG\r\n\x1a\n", b"BM" + bytes(60)])
def test_what_is_no_jpeg_png_or_webp_is_refused(tmp_path, content):
    (tmp_path / "picture.jpg").write_bytes(content)
    with pytest.raises(DataError, match="not a JPEG, PNG or WebP"):
        images.read_picture(tmp_path / "picture.jpg")


def header_only_png(path, width, height):
    """Write a PNG that claims a size and holds no pixels: a reader that decodes it fails otherwise."""

    def chunk(kind, data):
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = chunk(b"IHDR", width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0, 0, 0, 0]))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    ("size", "received"),
    [
        ((10_000, 10_000), "10,000×10,000 px, 100 megapixels"),
        ((8_001, 8_000), "8,001×8,000 px"),
        ((60_000, 60_000), "more than 178 megapixels"),
    ],
)
def test_a_picture_that_is_too_large_is_refused_by_its_header(tmp_path, size, received):
    header_only_png(tmp_path / "huge.png", *size)
    with warnings.catch_warnings(), pytest.raises(DataError, match="64 megapixels") as caught:
        warnings.simplefilter("error")
        images.read_picture(tmp_path / "huge.png")
    assert received in str(caught.value)


def test_a_picture_at_the_limit_is_not_refused_for_its_size(tmp_path):
    header_only_png(tmp_path / "large.png", 8_000, 8_000)
    with pytest.raises(DataError, match="cannot be read"):
        images.read_picture(tmp_path / "large.png")
