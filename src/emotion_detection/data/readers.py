"""Reading the public shapes of FER2013: CSV files (plain, compressed, in an archive) and folder trees of pictures.

Each reader returns a `FaceDataset` whose `row` is the position in the source. What a shape lacks (labels of the
challenge's test.csv, splits of a tree without split names) stands in its `notes`.
"""

import collections
import concurrent.futures
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from emotion_detection import files, paths
from emotion_detection.data import tables
from emotion_detection.data.dataset import SPLITS, UNLABELLED, FaceDataset
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.faces import images

SIDE_PX = 48
PIXELS_PER_FACE = SIDE_PX * SIDE_PX
LARGEST_SIDE_PX = 1024
CHUNK_ROWS = 1000
ROW_END = " -1 "  # between the rows of a chunk, so that a pixel moved to the next row is noticed
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp")
ASSUMED = "Assumed: "
"""Notes that begin so are guesses; they are dropped where the pictures themselves show what is right."""
DOWNLOAD_AGAIN = (
    "Give an undamaged fer2013.csv or icml_face_data.csv, whose first line is emotion,pixels,Usage: download it again "
    "(see data/README.md)."
)

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
        path: the file; what is compressed or in an archive is unpacked while reading.
        usage: the split of all rows, for a file without the column `Usage`.

    Returns:
        The faces, `row` counting from 0 at the first line after the header.

    Raises:
        DataError: the columns are others, or a row is not a face; the message names the first such row.
    """

    names, lines = tables.rows(path, ["pixels"] if usage else ["emotion", "pixels", "Usage"], remedy=DOWNLOAD_AGAIN)

    def parse(numbered):
        number, chunk = numbered
        columns = dict(zip(map(str.lower, names), zip(*chunk, strict=True), strict=True))
        where = [f"{path.name} row {row}" for row in range(number * CHUNK_ROWS, number * CHUNK_ROWS + len(chunk))]
        return (
            _pixels(columns["pixels"], where),
            _labels(columns.get("emotion"), where),
            _splits(columns.get("usage", [usage] * len(chunk)), where),
        )

    chunks = enumerate(iter(lambda: list(itertools.islice(lines, CHUNK_ROWS)), []))
    bar = tqdm(chunks, desc=f"read {path.name}", unit="face", unit_scale=CHUNK_ROWS, delay=1)
    parts, waiting = [], collections.deque()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:  # numpy parses outside Python's lock
        for chunk in bar:
            waiting.append(pool.submit(parse, chunk))
            if len(waiting) > 4:  # read no further than what can be parsed: a damaged file is refused at its first row
                parts.append(waiting.popleft().result())
        parts += [each.result() for each in waiting]
    if not parts:
        raise DataError(f"{path.name} holds no row after its header, expected 35,887. {DOWNLOAD_AGAIN}")
    pixels, emotion, split = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return FaceDataset(
        pixels=pixels.reshape(-1, SIDE_PX, SIDE_PX),
        emotion=emotion,
        usage=split,
        row=np.arange(len(pixels), dtype=np.int32),
    )


def _labels(texts: Sequence[str] | None, where: list[str]) -> np.ndarray:
    """Return the column `emotion` as int8 (n,), -1 where there is no such column."""
    if texts is None:
        return np.full(len(where), UNLABELLED, np.int8)
    labels = pd.to_numeric(pd.Series(texts), errors="coerce")
    _check_all(labels.isin(range(len(EMOTIONS))), texts, where, "has emotion", "0–6")
    return labels.to_numpy(np.int8)


def _splits(texts: Sequence[str], where: list[str]) -> np.ndarray:
    """Return the column `Usage` as str (n,)."""
    splits = pd.Series(texts).str.strip()
    _check_all(splits.isin(SPLITS), texts, where, "has Usage", ", ".join(SPLITS))
    return splits.to_numpy("<U11")


def _check_all(right: pd.Series, texts: Sequence[str], where: list[str], has: str, expected: str) -> None:
    if not right.all():
        index = int(np.argmin(right.to_numpy()))
        raise DataError(f"{where[index]} {has} {texts[index][:30]!r}, expected {expected}. {DOWNLOAD_AGAIN}")


def _pixels(texts: Sequence[str], where: list[str]) -> np.ndarray:
    """Return the column `pixels` as uint8 (n, 2304): all rows at once or, where that fails, one by one."""
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
    numbers = [number.lstrip("0") or "0" if number.isascii() else number for number in text.split()]
    strange = next((number for number in numbers if not (number.isascii() and number.isdecimal())), None)
    if strange is not None:
        raise DataError(f"{where} has the pixel {strange[:30]!r}, expected a whole number. {DOWNLOAD_AGAIN}")
    if len(numbers) != PIXELS_PER_FACE:
        raise DataError(f"{where} has {len(numbers):,} pixels, expected {PIXELS_PER_FACE:,}. {DOWNLOAD_AGAIN}")
    large = next((number for number in numbers if len(number) > 3 or int(number) > 255), None)
    if large is not None:
        raise DataError(f"{where} has a pixel of value {large[:30]}, expected 0–255. {DOWNLOAD_AGAIN}")
    return np.array(numbers, np.uint8)


def is_tree(folder: Path) -> bool:
    """Return whether a folder holds a split folder with pictures by emotion (`train/happy/…`)."""
    return any(_known_folders(each, FOLDER_NAMES) for each in _known_folders(folder, SPLIT_FOLDERS))


def tree_files(folder: Path) -> list[Path]:
    """List the pictures of a tree, in the order of `read_tree`."""
    return [path for path, _, _ in _labelled_pictures(folder)[0]]


def read_tree(folder: Path) -> FaceDataset:
    """Read pictures from `train|test/<emotion>/*.jpg|png`.

    The split comes from names such as `PublicTest_123.jpg`, else from the folder. Pictures of another size than
    48×48 are area-averaged or interpolated to it. `row` is the position in the sorted tree, not FER2013's.

    Raises:
        DataError: a class is missing, or a picture is empty, unreadable or larger than 1,024 px.
    """
    pictures, left_out = _labelled_pictures(folder)
    faces, sizes = _read_pictures([path for path, _, _ in pictures])
    usage = np.array([split or "PublicTest" for _, _, split in pictures], "<U11")
    return FaceDataset(
        pixels=faces,
        emotion=np.array([label for _, label, _ in pictures], np.int8),
        usage=usage,
        row=np.arange(len(pictures), dtype=np.int32),
        notes=_tree_notes([split for _, _, split in pictures], sizes, left_out),
        has_official_rows=False,
    )


def _tree_notes(splits: list[str | None], sizes: collections.Counter, left_out: list[str]) -> tuple[str, ...]:
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
    if left_out:
        notes.append(f"{len(left_out):,} files that are no pictures were left out, such as {min(left_out)!r}.")
    return tuple(notes)


def _known_folders(folder: Path, names: dict) -> dict[Path, str | None]:
    """Return the subfolders whose name is known ("happy", "3_happy"), sorted → what it means."""
    known = {name: meaning for meaning, each in names.items() for name in each}
    found = {path: path.name.lower() for path in sorted(folder.iterdir()) if path.is_dir()}
    found = {path: name if name in known else re.sub(r"^\d+[ _-]", "", name) for path, name in found.items()}
    return {path: known[name] for path, name in found.items() if name in known}


def _natural_order(path: Path) -> list:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]


def _labelled_pictures(folder: Path) -> tuple[list[tuple[Path, int, str | None]], list[str]]:
    """List (path, label, split) of a tree's pictures, by split folder, emotion, then name; and what was left out.

    The split is None for pictures of a test folder that holds both test splits.
    """
    pictures, left_out, splits = [], [], {split.lower(): split for split in SPLITS}
    for split_folder, split in _known_folders(folder, SPLIT_FOLDERS).items():
        by_emotion = {emotion: path for path, emotion in _known_folders(split_folder, FOLDER_NAMES).items()}
        for label, emotion in enumerate(EMOTIONS):
            inside = files.walk(by_emotion[emotion]) if emotion in by_emotion else files.Walk([], [])
            found = sorted(
                (path for path in inside.files if path.suffix.lower() in PICTURE_SUFFIXES), key=_natural_order
            )
            if not found:
                raise DataError(
                    f"{paths.displayed(split_folder)} has no pictures of {emotion}; it holds "
                    f"{', '.join(sorted(path.name for path in by_emotion.values())) or 'no emotion folder'}. Copy "
                    "the data set again with all seven folders (see data/README.md)."
                )
            others = [path for path in inside.files if path.suffix.lower() not in PICTURE_SUFFIXES]
            left_out += [str(path.relative_to(folder)) for path in (*others, *inside.left_out)]
            for path in found:
                named = SPLIT_PREFIX.match(path.name)
                pictures.append((path, label, splits[named[1].lower()] if named else split))
    if not pictures:
        raise MissingFileError(
            f"{paths.displayed(folder)} holds no pictures in train/<emotion>/ or test/<emotion>/. Give the folder "
            "that holds train and test (see data/README.md)."
        )
    return pictures, left_out


def _read_pictures(found: list[Path]) -> tuple[np.ndarray, collections.Counter]:
    """Return the pictures as uint8 (n, 48, 48), grey, and how many had which (height, width)."""
    faces, sizes = np.empty((len(found), SIDE_PX, SIDE_PX), np.uint8), collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        pictures = pool.map(_read_picture, found)
        for index, gray in enumerate(tqdm(pictures, total=len(found), desc="read pictures", unit="file", delay=1)):
            sizes[gray.shape] += 1
            if gray.shape != (SIDE_PX, SIDE_PX):
                into = cv2.INTER_AREA if min(gray.shape) >= SIDE_PX else cv2.INTER_LINEAR
                gray = cv2.resize(gray, (SIDE_PX, SIDE_PX), interpolation=into)
            faces[index] = gray
    return faces, sizes


def _read_picture(path: Path) -> np.ndarray:
    """Return a small picture, uint8 (height, width), 0–255; DataError where it is none, or larger than 1,024 px."""
    bgr = images.read_picture(path)
    if max(bgr.shape) > LARGEST_SIDE_PX:
        raise DataError(
            f"{paths.displayed(path)} is {bgr.shape[1]:,}×{bgr.shape[0]:,} px, expected 48×48 (up to "
            f"{LARGEST_SIDE_PX:,} is resized). It is no face of FER2013: remove it from the folder."
        )
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
