"""Reading the public shapes of FER2013: CSV files (plain, .xz, .gz, .zst) and folder trees of pictures.

Each reader returns a `FaceDataset` whose `row` is the position in the source. What a shape does not tell (labels of
the challenge's test.csv, splits of a tree without split names) is said in its `notes`.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import gzip
import lzma
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import zstandard
from tqdm.auto import tqdm

from emotion_detection import paths
from emotion_detection.data.dataset import SPLITS, UNLABELLED, FaceDataset
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError

SIDE_PX = 48
PIXELS_PER_FACE = SIDE_PX * SIDE_PX
LARGEST_SIDE_PX = 1024
BATCH_BYTES = 1 << 20  # a batch's intermediate arrays stay in the processor's cache
COMPRESSIONS = ("", ".xz", ".gz", ".zst")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
ASSUMED = "Assumed: "
"""Notes that begin so are guesses; they are dropped where the pictures themselves tell."""
DOWNLOAD_AGAIN = "The file is damaged: download it again (see data/README.md)."

LABELS = {str(label).encode(): label for label in range(len(EMOTIONS))}
USAGES = {split.encode(): index for index, split in enumerate(SPLITS)}
FOLDER_NAMES = {
    "angry": ("angry", "anger", "0"),
    "disgust": ("disgust", "disgusted", "1"),
    "fear": ("fear", "fearful", "afraid", "2"),
    "happy": ("happy", "happiness", "3"),
    "sad": ("sad", "sadness", "4"),
    "surprise": ("surprise", "surprised", "5"),
    "neutral": ("neutral", "6"),
}
SPLIT_FOLDERS = {
    "Training": ("train", "training"),
    "PublicTest": ("publictest", "public_test", "validation", "val", "valid"),
    "PrivateTest": ("privatetest", "private_test"),
    None: ("test",),
}
SPLIT_PREFIX = re.compile(r"(Training|PublicTest|PrivateTest)[_-]?(\d*)", re.IGNORECASE)


def read_csv(path: Path, *, usage: str | None = None) -> FaceDataset:
    """Read a CSV file with the columns `pixels` and, where it has them, `emotion` and `Usage`, in any order.

    Args:
        path: the file; .xz, .gz and .zst are decompressed while reading.
        usage: the split of all rows, for a file without the column `Usage`.

    Returns:
        The faces, `row` counting from 0 at the first line after the header.

    Raises:
        DataError: the columns are others, or a row is not a face; the message names the first such row.
    """
    with _lines(path) as batches:
        columns = _columns(next(batches, [b""])[0], path.name, usage)
        parts = list(_in_order(batches, lambda first, lines: _parse(lines, first, columns, path.name)))
    if not parts:
        raise DataError(f"{path.name} holds no row after its header, expected 35,887. {DOWNLOAD_AGAIN}")
    pixels, emotion, split = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return FaceDataset(
        pixels=pixels.reshape(-1, SIDE_PX, SIDE_PX),
        emotion=emotion,
        usage=np.array(SPLITS)[split] if "usage" in columns.positions else np.full(len(pixels), usage, "<U11"),
        row=np.arange(len(pixels), dtype=np.int32),
    )


@dataclasses.dataclass(frozen=True)
class Columns:
    """Where a CSV file has what: the number of its columns and the position of "pixels", "emotion", "usage"."""

    count: int
    positions: dict[str, int]


def _columns(header: bytes, name: str, usage: str | None) -> Columns:
    if not header.strip():
        raise DataError(f"{name} is empty, expected the columns emotion, pixels, Usage. {DOWNLOAD_AGAIN}")
    names = [field.strip(b'\xef\xbb\xbf "\r').decode("utf-8", "replace") for field in header.split(b",")]
    positions = {column.lower(): index for index, column in enumerate(names)}
    needed = ["pixels"] if usage else ["emotion", "pixels", "Usage"]
    missing = [column for column in needed if column.lower() not in positions]
    if missing:
        received = ", ".join(column[:20] for column in names[:5]) + (", …" if len(names) > 5 else "")
        raise DataError(
            f"{name} has no column {' and no column '.join(missing)}; its first line reads: {received}. Give a file "
            "whose first line is emotion,pixels,Usage, as fer2013.csv and icml_face_data.csv have (see data/README.md)."
        )
    return Columns(len(names), {key: positions[key] for key in ("pixels", "emotion", "usage") if key in positions})


@contextlib.contextmanager
def _lines(path: Path) -> Iterator[Iterator[list[bytes]]]:
    """Yield an iterator over a file's lines: the header alone first, then batches of whole lines."""
    with path.open("rb") as raw, tqdm(**_progress(path)) as bar:
        yield _batches(path, raw, bar)


def _progress(path: Path) -> dict:
    return {"total": path.stat().st_size, "unit": "B", "unit_scale": True, "desc": f"read {path.name}", "delay": 1}


def _batches(path: Path, raw: BinaryIO, bar: tqdm) -> Iterator[list[bytes]]:
    pending, header_is_due = b"", True
    for block in _blocks(path, raw):
        bar.update(raw.tell() - bar.n)
        head, newline, rest = block.rpartition(b"\n")
        if not newline:
            pending += rest
            continue
        lines, pending = (pending + head).split(b"\n"), rest
        if header_is_due:
            yield lines[:1]
            lines, header_is_due = lines[1:], False
        yield lines
    if pending.strip():
        yield [pending]


def _blocks(path: Path, raw: BinaryIO) -> Iterator[bytes]:
    """Yield a file's content, decompressed by its suffix, in blocks of about `BATCH_BYTES`."""
    openers = {".xz": lzma.open, ".gz": gzip.open, ".zst": _CheckedZstandard}
    stream = openers.get(path.suffix, lambda same: same)(raw)
    try:
        while block := stream.read(BATCH_BYTES):
            yield block
    except (EOFError, OSError, lzma.LZMAError, zlib.error, zstandard.ZstdError) as error:
        raise DataError(
            f"{path.name} cannot be decompressed to its end: it has {path.stat().st_size:,} bytes and reading stopped "
            f"at byte {raw.tell():,} ({error}). {DOWNLOAD_AGAIN}"
        ) from error


class _CheckedZstandard:
    """A .zst stream that, unlike zstandard's reader, raises where the last frame is cut off."""

    def __init__(self, raw: BinaryIO):
        self.raw, self.decompressor, self.rest = raw, None, b""

    def read(self, size: int) -> bytes:
        while True:
            compressed = self.rest or self.raw.read(size // 4)
            if not compressed:
                if self.decompressor is not None:
                    raise EOFError("the last frame is cut off")
                return b""
            self.decompressor = self.decompressor or zstandard.ZstdDecompressor().decompressobj()
            block = self.decompressor.decompress(compressed)
            self.rest = self.decompressor.unused_data
            if self.decompressor.eof:
                self.decompressor = None
            if block:
                return block


def _in_order(batches: Iterator[list[bytes]], parse) -> Iterator[tuple]:
    """Yield `parse(first_row, lines)` of each batch, in order, computed by two threads while the file is read."""
    waiting, first_row = collections.deque(), 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for batch in batches:
            lines = [line for line in batch if line.strip()]
            if lines:
                waiting.append(pool.submit(parse, first_row, lines))
                first_row += len(lines)
            if len(waiting) > 4:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _parse(lines: list[bytes], first_row: int, columns: Columns, name: str) -> tuple[np.ndarray, ...]:
    """Return pixels uint8 (n, 2304), labels int8 (n,) and indices into `SPLITS` int8 (n,) of whole CSV lines."""
    fields = [[field.strip(b' "\r') for field in line.split(b",")] for line in lines]
    for row, values in enumerate(fields, first_row):
        if len(values) != columns.count:
            raise DataError(
                f"{name} row {row} has {len(values)} fields, expected {columns.count} as in its header. "
                f"{DOWNLOAD_AGAIN}"
            )
    chosen = {key: [values[position] for values in fields] for key, position in columns.positions.items()}
    emotion = _looked_up(chosen.get("emotion"), LABELS, len(lines), f"{name} row", "emotion", first_row)
    split = _looked_up(chosen.get("usage"), USAGES, len(lines), f"{name} row", "Usage", first_row)
    pixels = _parse_pixels(chosen["pixels"])
    if pixels is None:
        texts = enumerate(chosen["pixels"], first_row)
        pixels = np.stack([_parse_row(text, f"{name} row {row}") for row, text in texts])
    return pixels, emotion, split


def _looked_up(values, known: dict[bytes, int], n: int, where: str, column: str, first_row: int) -> np.ndarray:
    if values is None:
        return np.full(n, UNLABELLED, np.int8)
    codes = np.array([known.get(value, -1) for value in values], np.int8)
    if (codes < 0).any():
        index = int(np.argmax(codes < 0))
        expected = "0–6" if column == "emotion" else ", ".join(SPLITS)
        raise DataError(
            f"{where} {first_row + index} has {column} {values[index][:30].decode('utf-8', 'replace')!r}, expected "
            f"{expected}. The file is damaged or not FER2013: download it again (see data/README.md)."
        )
    return codes


def _parse_pixels(texts: list[bytes]) -> np.ndarray | None:
    """Parse rows of decimal numbers, all at once.

    Returns:
        uint8 array (n, 2304), or None where any row is not 2,304 numbers of 0–255 in at most three digits.
    """
    text = np.frombuffer(b"   " + b" ".join(texts) + b" ", np.uint8)
    digit = text - np.uint8(ord("0"))
    is_digit = digit < 10
    if np.count_nonzero(is_digit) + np.count_nonzero(text == ord(" ")) != text.size:
        return None
    digit *= is_digit
    last = np.flatnonzero(is_digit[:-1] > is_digit[1:])  # the last digit of each number
    row_ends = np.cumsum([len(one) + 1 for one in texts]) + 1
    if last.size != len(texts) * PIXELS_PER_FACE or (last[PIXELS_PER_FACE - 1 :: PIXELS_PER_FACE] != row_ends).any():
        return None
    has_tens = is_digit[last - 1]
    hundreds = digit[last - 2] * has_tens
    tens_and_ones = digit[last - 1] * np.uint8(10) + digit[last]
    too_large = (hundreds > 2) | ((hundreds == 2) & (tens_and_ones > 55))
    if too_large.any() or (has_tens & is_digit[last - 2] & is_digit[last - 3]).any():
        return None
    return (hundreds * np.uint8(100) + tens_and_ones).reshape(len(texts), PIXELS_PER_FACE)


def _parse_row(text: bytes, where: str) -> np.ndarray:
    """Parse one row slowly: return uint8 (2304,), or raise a `DataError` that says what is wrong with it."""
    numbers = text.split()
    strange = next((number for number in numbers if not number.isdigit()), None)
    if strange is not None:
        received = strange[:30].decode("utf-8", "replace")
        raise DataError(f"{where} has the pixel {received!r}, expected a whole number. {DOWNLOAD_AGAIN}")
    if len(numbers) != PIXELS_PER_FACE:
        raise DataError(f"{where} has {len(numbers):,} pixels, expected {PIXELS_PER_FACE:,}. {DOWNLOAD_AGAIN}")
    values = np.array([min(int(number), 256) for number in numbers])
    if values.max() > 255:
        large = numbers[int(np.argmax(values > 255))][:30].decode()
        raise DataError(f"{where} has a pixel of value {large}, expected 0–255. {DOWNLOAD_AGAIN}")
    return values.astype(np.uint8)


def is_tree(folder: Path) -> bool:
    """Return whether a folder holds a split folder with pictures by emotion (`train/happy/…`)."""
    return any(_emotion_folders(split_folder) for split_folder, _ in _split_folders(folder))


def tree_files(folder: Path) -> list[Path]:
    """List the pictures of a tree, in the order of `read_tree`."""
    return [path for path, _, _ in _labelled_pictures(folder)]


def read_tree(folder: Path) -> FaceDataset:
    """Read pictures from `train|test/<emotion>/*.jpg|png`.

    The split comes from names such as `PublicTest_123.jpg`, else from the folder. Pictures of another size than
    48×48 are area-averaged or interpolated to it. `row` is the position in the sorted tree, not FER2013's.

    Raises:
        DataError: a class is missing, or a picture is empty, unreadable or larger than 1,024 px.
    """
    pictures = _labelled_pictures(folder)
    faces, sizes = _read_pictures([path for path, _, _ in pictures])
    usage = np.array([split or "PublicTest" for _, _, split in pictures], "<U11")
    return FaceDataset(
        pixels=faces,
        emotion=np.array([label for _, label, _ in pictures], np.int8),
        usage=usage,
        row=np.arange(len(pictures), dtype=np.int32),
        notes=_tree_notes([split for _, _, split in pictures], sizes),
        has_official_rows=False,
    )


def _tree_notes(splits: list[str | None], sizes: collections.Counter) -> tuple[str, ...]:
    notes = [f"{ASSUMED}row numbers are positions in the sorted tree, not FER2013's; FER+ cannot be joined."]
    unknown = sum(split is None for split in splits)
    if unknown:
        notes.append(
            f"{ASSUMED}the {unknown:,} test pictures, whose names do not say which, are all PublicTest; no figure on "
            "PrivateTest can be had from this copy."
        )
    other = {size: count for size, count in sizes.items() if size != (SIDE_PX, SIDE_PX)}
    if other:
        (height, width), _ = max(other.items(), key=lambda item: item[1])
        notes.append(f"{sum(other.values()):,} pictures were resized to 48×48, most from {width}×{height}.")
    return tuple(notes)


def _split_folders(folder: Path) -> list[tuple[Path, str | None]]:
    """List the split folders with their split; None for a test folder of both test splits."""
    known = {name: split for split, names in SPLIT_FOLDERS.items() for name in names}
    return [(path, known[path.name.lower()]) for path in _subfolders(folder) if path.name.lower() in known]


def _emotion_folders(folder: Path) -> dict[str, Path]:
    known = {name: emotion for emotion, names in FOLDER_NAMES.items() for name in names}
    return {known[path.name.lower()]: path for path in _subfolders(folder) if path.name.lower() in known}


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _natural(path: Path) -> list:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def _labelled_pictures(folder: Path) -> list[tuple[Path, int, str | None]]:
    """List (path, label, split) of a tree's pictures, by split folder, emotion, then name."""
    pictures = []
    for split_folder, split in _split_folders(folder):
        by_emotion = _emotion_folders(split_folder)
        for label, emotion in enumerate(EMOTIONS):
            found = _pictures(by_emotion[emotion]) if emotion in by_emotion else []
            if not found:
                raise DataError(
                    f"{paths.displayed(split_folder)} has no pictures of {emotion}; it holds "
                    f"{', '.join(sorted(path.name for path in by_emotion.values())) or 'no emotion folder'}. Copy "
                    "the data set again with all seven folders (see data/README.md)."
                )
            pictures += [(path, label, _split_in_name(path) or split) for path in found]
    if not pictures:
        raise MissingFileError(
            f"{paths.displayed(folder)} holds no pictures in train/<emotion>/ or test/<emotion>/. Give the folder "
            "that holds train and test (see data/README.md)."
        )
    return pictures


def _pictures(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES), key=_natural)


def _split_in_name(path: Path) -> str | None:
    match = SPLIT_PREFIX.match(path.name)
    return {split.lower(): split for split in SPLITS}[match[1].lower()] if match else None


def _read_pictures(files: list[Path]) -> tuple[np.ndarray, collections.Counter]:
    """Return the pictures as uint8 (n, 48, 48), grey, and how many had which (height, width)."""
    faces, sizes = np.empty((len(files), SIDE_PX, SIDE_PX), np.uint8), collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        pictures = pool.map(read_picture, files)
        for index, gray in enumerate(tqdm(pictures, total=len(files), desc="read pictures", unit="file", delay=1)):
            sizes[gray.shape] += 1
            faces[index] = gray if gray.shape == (SIDE_PX, SIDE_PX) else _resized(gray)
    return faces, sizes


def _resized(gray: np.ndarray) -> np.ndarray:
    shrinks = min(gray.shape) >= SIDE_PX
    return cv2.resize(gray, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def read_picture(path: Path) -> np.ndarray:
    """Read a small picture as grey.

    Returns:
        uint8 array (height, width), 0–255.

    Raises:
        DataError: the file is empty, is no whole picture, or has a side above 1,024 px.
    """
    data = path.read_bytes()
    if not data:
        raise DataError(f"{paths.displayed(path)} is empty (0 bytes). Copy the data set again (see data/README.md).")
    try:
        gray = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if _is_whole(data) else None
    except cv2.error:
        gray = None
    if gray is None:
        raise DataError(
            f"{paths.displayed(path)} is not a readable picture ({len(data):,} bytes). Copy the data set again "
            "(see data/README.md)."
        )
    if max(gray.shape) > LARGEST_SIDE_PX:
        raise DataError(
            f"{paths.displayed(path)} is {gray.shape[1]:,}×{gray.shape[0]:,} px, expected 48×48 (up to "
            f"{LARGEST_SIDE_PX:,} is resized). It is no face of FER2013: remove it from the folder."
        )
    return gray


def _is_whole(data: bytes) -> bool:
    """Return False for a JPEG or PNG file that lacks its end mark: decoders fill the rest with grey."""
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" in data[-64:]
    return b"IEND" in data[-64:] if data.startswith(b"\x89PNG") else True
