"""Reading the public shapes of FER2013: CSV files (plain, .xz, .gz, .zst) and folder trees of pictures.

Each reader returns a `FaceDataset` whose `row` is the position in the source. What a shape lacks (labels of the
challenge's test.csv, splits of a tree without split names) stands in its `notes`.
"""

import collections
import concurrent.futures
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import pandas as pd
import zstandard
from tqdm.auto import tqdm

from emotion_detection import paths
from emotion_detection.data.dataset import SPLITS, UNLABELLED, FaceDataset
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError

SIDE_PX = 48
PIXELS_PER_FACE = SIDE_PX * SIDE_PX
LARGEST_SIDE_PX = 1024
CHUNK_ROWS = 1000
ROW_END = " -1 "  # between the rows of a chunk, so that a pixel moved to the next row is noticed
COMPRESSIONS = ("", ".xz", ".gz", ".zst")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
ASSUMED = "Assumed: "
"""Notes that begin so are guesses; they are dropped where the pictures themselves show what is right."""
DOWNLOAD_AGAIN = "The file is damaged: download it again (see data/README.md)."

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

    def parse(table):
        where = [f"{path.name} row {row}" for row in table.index]
        return _pixels(table, where), _labels(table, where), _splits(table, where, usage)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:  # pandas and numpy parse outside Python's lock
        parts = list(pool.map(parse, _tables(path, ["pixels"] if usage else ["emotion", "pixels", "Usage"])))
    if not parts:
        raise DataError(f"{path.name} holds no row after its header, expected 35,887. {DOWNLOAD_AGAIN}")
    pixels, emotion, split = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return FaceDataset(
        pixels=pixels.reshape(-1, SIDE_PX, SIDE_PX),
        emotion=emotion,
        usage=split,
        row=np.arange(len(pixels), dtype=np.int32),
    )


def _tables(path: Path, needed: list[str]) -> Iterator[pd.DataFrame]:
    """Yield `CHUNK_ROWS` rows of a CSV file at a time, the names of the columns in lower case."""
    options = {"chunksize": CHUNK_ROWS, "skipinitialspace": True, "encoding_errors": "replace"}
    with path.open("rb") as raw, tqdm(desc=f"read {path.name}", unit="face", unit_scale=True, delay=1) as bar:
        try:
            with pd.read_csv(_decompressed(path, raw), **options) as tables:
                for table in filter(len, tables):
                    _check_columns(table, path.name, needed)
                    table.columns = table.columns.str.strip().str.lower()
                    bar.update(len(table))
                    yield table
        except pd.errors.EmptyDataError:
            raise DataError(
                f"{path.name} is empty, expected the columns emotion, pixels, Usage. {DOWNLOAD_AGAIN}"
            ) from None
        except pd.errors.ParserError as error:
            found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
            wrong = f"is no table ({str(error).strip()})"
            if found is not None:
                wrong = f"row {int(found[2]) - 2} has {found[3]} fields, expected {found[1]} as in its header"
            raise DataError(f"{path.name} {wrong}. {DOWNLOAD_AGAIN}") from error
        except (EOFError, OSError, lzma.LZMAError, zlib.error, zstandard.ZstdError) as error:
            raise DataError(
                f"{path.name} cannot be decompressed to its end: it has {path.stat().st_size:,} bytes and reading "
                f"stopped at byte {raw.tell():,} ({error}). {DOWNLOAD_AGAIN}"
            ) from error


def _decompressed(path: Path, raw: BinaryIO) -> BinaryIO:
    """Return a file's content, decompressed by its suffix."""
    if path.suffix != ".zst":
        return {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix, lambda same: same)(raw)
    compressed, frames = raw.read(), []
    while compressed:  # zstandard's own reader ends at the first frame, and where a frame is cut off
        frame = zstandard.ZstdDecompressor().decompressobj()
        frames.append(frame.decompress(compressed))
        if not frame.eof:
            raise EOFError("the last frame is cut off")
        compressed = frame.unused_data
    return io.BytesIO(b"".join(frames))


def _check_columns(table: pd.DataFrame, name: str, needed: list[str]) -> None:
    names = list(table.columns)
    missing = [column for column in needed if column.lower() not in [each.strip().lower() for each in names]]
    if missing:
        received = ", ".join(column[:20] for column in names[:5]) + (", …" if len(names) > 5 else "")
        raise DataError(
            f"{name} has no column {' and no column '.join(missing)}; its first line reads: {received}. Give a file "
            "whose first line is emotion,pixels,Usage, as fer2013.csv and icml_face_data.csv have (see data/README.md)."
        )


def _labels(table: pd.DataFrame, where: list[str]) -> np.ndarray:
    """Return the column `emotion` as int8 (n,), -1 where there is no such column."""
    if "emotion" not in table:
        return np.full(len(table), UNLABELLED, np.int8)
    labels = pd.to_numeric(table["emotion"], errors="coerce")
    _check_all(labels.isin(range(len(EMOTIONS))), table["emotion"], where, "has emotion", "0–6")
    return labels.to_numpy(np.int8)


def _splits(table: pd.DataFrame, where: list[str], usage: str | None) -> np.ndarray:
    """Return the column `Usage` as str (n,), or `usage` for all rows where there is no such column."""
    if "usage" not in table:
        return np.full(len(table), usage, "<U11")
    splits = table["usage"].astype(str).str.strip()
    _check_all(splits.isin(SPLITS), table["usage"], where, "has Usage", ", ".join(SPLITS))
    return splits.to_numpy("<U11")


def _check_all(right: pd.Series, column: pd.Series, where: list[str], has: str, expected: str) -> None:
    if not right.all():
        index = int(np.argmin(right.to_numpy()))
        received = "" if pd.isna(column.iloc[index]) else str(column.iloc[index])[:30]
        raise DataError(
            f"{where[index]} {has} {received!r}, expected {expected}. The file is damaged or not FER2013: download it "
            "again (see data/README.md)."
        )


def _pixels(table: pd.DataFrame, where: list[str]) -> np.ndarray:
    """Return the column `pixels` as uint8 (n, 2304): all rows at once or, where that fails, one by one."""
    texts = ["" if pd.isna(text) else str(text) for text in table["pixels"]]
    try:
        values = np.fromstring(f"{ROW_END.join(texts)}{ROW_END}", np.int64, sep=" ").reshape(len(texts), -1)
        pixels, ends = values[:, :PIXELS_PER_FACE], values[:, PIXELS_PER_FACE:]
        if ends.shape[1] == 1 and (ends < 0).all() and pixels.min() >= 0 and pixels.max() <= 255:
            return pixels.astype(np.uint8)
    except ValueError:
        pass
    return np.stack([_parse_row(text, place) for text, place in zip(texts, where, strict=True)])


def _parse_row(text: str, where: str) -> np.ndarray:
    """Parse one row slowly: return uint8 (2304,), or raise a `DataError` that says what is wrong with it."""
    numbers = text.split()
    strange = next((number for number in numbers if not number.isdecimal()), None)
    if strange is not None:
        raise DataError(f"{where} has the pixel {strange[:30]!r}, expected a whole number. {DOWNLOAD_AGAIN}")
    if len(numbers) != PIXELS_PER_FACE:
        raise DataError(f"{where} has {len(numbers):,} pixels, expected {PIXELS_PER_FACE:,}. {DOWNLOAD_AGAIN}")
    large = next((number for number in numbers if int(number) > 255), None)
    if large is not None:
        raise DataError(f"{where} has a pixel of value {large[:30]}, expected 0–255. {DOWNLOAD_AGAIN}")
    return np.array(numbers, np.uint8)


def is_tree(folder: Path) -> bool:
    """Return whether a folder holds a split folder with pictures by emotion (`train/happy/…`)."""
    return any(_known_folders(each, FOLDER_NAMES) for each in _known_folders(folder, SPLIT_FOLDERS))


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


def _known_folders(folder: Path, names: dict) -> dict[Path, str | None]:
    """Return the subfolders whose name is known, sorted → what it means."""
    known = {name: meaning for meaning, each in names.items() for name in each}
    found = sorted(path for path in folder.iterdir() if path.is_dir())
    return {path: known[path.name.lower()] for path in found if path.name.lower() in known}


def _natural_order(path: Path) -> list:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def _labelled_pictures(folder: Path) -> list[tuple[Path, int, str | None]]:
    """List (path, label, split) of a tree's pictures, by split folder, emotion, then name.

    The split is None for pictures of a test folder that holds both test splits.
    """
    pictures, splits = [], {split.lower(): split for split in SPLITS}
    for split_folder, split in _known_folders(folder, SPLIT_FOLDERS).items():
        by_emotion = {emotion: path for path, emotion in _known_folders(split_folder, FOLDER_NAMES).items()}
        for label, emotion in enumerate(EMOTIONS):
            inside = by_emotion[emotion].iterdir() if emotion in by_emotion else ()
            found = sorted((path for path in inside if path.suffix.lower() in PICTURE_SUFFIXES), key=_natural_order)
            if not found:
                raise DataError(
                    f"{paths.displayed(split_folder)} has no pictures of {emotion}; it holds "
                    f"{', '.join(sorted(path.name for path in by_emotion.values())) or 'no emotion folder'}. Copy "
                    "the data set again with all seven folders (see data/README.md)."
                )
            for path in found:
                named = SPLIT_PREFIX.match(path.name)
                pictures.append((path, label, splits[named[1].lower()] if named else split))
    if not pictures:
        raise MissingFileError(
            f"{paths.displayed(folder)} holds no pictures in train/<emotion>/ or test/<emotion>/. Give the folder "
            "that holds train and test (see data/README.md)."
        )
    return pictures


def _read_pictures(files: list[Path]) -> tuple[np.ndarray, collections.Counter]:
    """Return the pictures as uint8 (n, 48, 48), grey, and how many had which (height, width)."""
    faces, sizes = np.empty((len(files), SIDE_PX, SIDE_PX), np.uint8), collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        pictures = pool.map(read_picture, files)
        for index, gray in enumerate(tqdm(pictures, total=len(files), desc="read pictures", unit="file", delay=1)):
            sizes[gray.shape] += 1
            if gray.shape != (SIDE_PX, SIDE_PX):
                into = cv2.INTER_AREA if min(gray.shape) >= SIDE_PX else cv2.INTER_LINEAR
                gray = cv2.resize(gray, (SIDE_PX, SIDE_PX), interpolation=into)
            faces[index] = gray
    return faces, sizes


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
