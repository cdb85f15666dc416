"""Telling copies of FER2013 apart without any of its pictures: exact, JPEG copy, altered or incomplete.

What is shipped for it are facts about the original: counts per class and split, 32 bits of a hash per row (of the
35,714 rows whose original pixels are known), a grey-value histogram and the mean strength of fine detail. The hashes
also give folder trees of lossless pictures their row numbers and splits back.

A copy that is not exact is a *JPEG copy* if its 8×8 blocks hold multiples of a JPEG quantisation table, and its
detail, tones, counts and duplicates are those that JPEG alone leaves. Any other is *altered*.
"""

import dataclasses
import functools
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from emotion_detection import files
from emotion_detection.data.dataset import SPLITS, FaceDataset
from emotion_detection.data.readers import ASSUMED
from emotion_detection.emotions import EMOTIONS

N_ROWS = 35887
SPLIT_STARTS = (0, 28709, 32298)
JPEG_SIGNATURE = 0.05  # lossless copies, blurred and clipped ones too: ≤ 0.002; JPEG of quality 50–100: ≥ 0.25
DETAIL_TOLERANCE = 0.03
TONE_TOLERANCE = 0.008
DUPLICATES_TOLERANCE = 0.0015  # of all rows
SAMPLED_FACES = 300
BLOCK_FACES = 1000
HISTOGRAM_BINS = 64

# Table K.1 of the JPEG standard (ITU-T T.81): luminance quantisation at quality 50.
_QUANTISATION = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_FACTS_FILE = Path(__file__).with_name("fer2013_facts.json")
_HASHES_FILE = Path(__file__).with_name("fer2013_rows.npy")


@dataclasses.dataclass(frozen=True)
class Verification:
    """What is known of a copy of FER2013, its `source` (file or folder).

    Args:
        verdict: "exact", "jpeg copy", "incomplete" (unchanged, but faces or labels are missing) or "altered".
        sentences: what the reader is shown, the verdict first.
        counts: faces per split, then per emotion.
        n_exact: faces whose pixels are known to be the original's.
        n_unverified: faces of which that is not known.
        jpeg_quality: the JPEG quality that the pictures show, where they do.
    """

    verdict: str
    sentences: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    n_exact: int
    n_unverified: int
    jpeg_quality: int | None = None
    source: str = ""


@functools.cache
def facts() -> dict:
    """Return what is known of the original: counts, unverifiable rows, hashes of the whole, detail, histogram."""
    return files.read_json(_FACTS_FILE)


@functools.cache
def official_hashes() -> np.ndarray:
    """Return uint32 array (35887,): `picture_hashes` of the original's rows; 0 for the 173 that are not known."""
    return files.read_arrays(_HASHES_FILE, expected={"hashes": ("u", (N_ROWS,))})["hashes"]


def picture_hashes(faces: np.ndarray) -> np.ndarray:
    """Return 32 bits of each picture's BLAKE2b: uint32 array (n,), never 0; faces: uint8 array (n, 48, 48)."""
    digests = b"".join(hashlib.blake2b(face.tobytes(), digest_size=4).digest() for face in faces)
    return np.maximum(np.frombuffer(digests, "<u4"), 1)


def labels_digest(dataset: FaceDataset) -> str:
    """Return a hash of which picture has which label, whatever their order."""
    pairs = (picture_hashes(dataset.pixels).astype(np.uint64) << 8) | dataset.emotion.astype(np.uint64)
    return hashlib.sha256(np.sort(pairs).tobytes()).hexdigest()


def known_rows() -> np.ndarray:
    """Return bool array (35887,): the original's pixels of this row are known bit by bit."""
    known = np.ones(N_ROWS, bool)
    known[facts()["inexact_rows"]] = False
    return known


def official_usage(rows: np.ndarray) -> np.ndarray:
    """Return the official split of row numbers: str array (n,)."""
    return np.array(SPLITS)[np.searchsorted(SPLIT_STARTS, rows, side="right") - 1]


def verify(dataset: FaceDataset, source: str = "") -> Verification:
    """Judge which kind of copy a data set is; arguments are those of `identify`."""
    return identify(dataset, source)[1]


def identify(dataset: FaceDataset, source: str = "") -> tuple[FaceDataset, Verification]:
    """Find FER2013's row numbers from the pictures, and judge which kind of copy they are.

    Args:
        dataset: faces as they were read, `row` being positions in the source.
        source: where they come from, as the reader is shown it.

    Returns:
        The faces, in official order with official rows and splits where these could be found; the verification.
    """
    hashes = picture_hashes(dataset.pixels)
    rows = _rows_in_order(dataset, hashes)
    if rows is None:
        rows = _rows_by_content(dataset, hashes)
    found = dataset
    if (rows >= 0).all():
        found = _placed(dataset, rows)
        hashes = hashes[np.argsort(rows, kind="stable")]
    return found, _judged(found, hashes, source, n_surplus=int((rows < 0).sum()))


def _rows_in_order(dataset: FaceDataset, hashes: np.ndarray) -> np.ndarray | None:
    """Return the positions if they are the official row numbers: most pictures are the ones at their row."""
    if len(dataset) > N_ROWS or dataset.row[-1] >= N_ROWS:
        return None
    same = hashes == official_hashes()[dataset.row]
    return dataset.row if same.mean() > 0.5 else None


def _rows_by_content(dataset: FaceDataset, hashes: np.ndarray) -> np.ndarray:
    """Return int32 array (n,): official rows by picture, each given once and first within its split; -1 if unknown.

    Pictures that the original holds several times get its rows in their order. Where all but the rows without known
    pixels are found, the pictures left over in a split get that split's rows left over.
    """
    rows, known = np.full(len(dataset), -1, np.int32), np.flatnonzero(known_rows())
    original = pd.DataFrame({"hash": official_hashes()[known], "usage": official_usage(known), "row": known})
    copy = pd.DataFrame({"hash": hashes, "usage": dataset.usage, "place": np.arange(len(dataset))})
    for keys in (["hash", "usage"], ["hash"]):
        free, left = original[~original["row"].isin(rows)], copy[rows < 0]
        free, left = (table.assign(turn=table.groupby(keys).cumcount()) for table in (free, left))
        found = left.merge(free, on=[*keys, "turn"])
        rows[found["place"]] = found["row"]
    if (rows < 0).sum() <= len(facts()["inexact_rows"]) and (rows >= 0).mean() > 0.5:
        _place_the_rest(dataset, rows)
    return rows


def _place_the_rest(dataset: FaceDataset, rows: np.ndarray) -> None:
    """Give pictures without a row the rows left over, in place: as many per split and class as the counts lack."""
    left = np.setdiff1d(facts()["inexact_rows"], rows).astype(np.int32)
    for split in SPLITS:
        rows_left = left[official_usage(left) == split]
        for label, emotion in enumerate(EMOTIONS):
            placed = rows[(rows >= 0) & (dataset.emotion == label)]
            lacking = facts()["counts"][split][emotion] - int((official_usage(placed) == split).sum())
            places = np.flatnonzero((rows < 0) & (dataset.emotion == label))
            places = places[np.argsort(dataset.usage[places] != split, kind="stable")]
            places = places[: min(max(lacking, 0), len(rows_left))]
            rows[places], rows_left = rows_left[: len(places)], rows_left[len(places) :]
    places = np.flatnonzero(rows < 0)  # without labels, or where identical pictures have changed places
    left = np.setdiff1d(left, rows)
    if 0 < len(places) <= len(left):
        rows[places] = left[: len(places)]


def _placed(dataset: FaceDataset, rows: np.ndarray) -> FaceDataset:
    """Return the faces in the order of their official rows, with official splits."""
    notes = tuple(note for note in dataset.notes if not note.startswith(ASSUMED))
    dataset = dataclasses.replace(dataset, notes=notes, has_official_rows=True)
    if np.array_equal(rows, dataset.row) and np.array_equal(official_usage(rows), dataset.usage):
        return dataset
    ordered = dataset[np.argsort(rows, kind="stable")]
    note = "Row numbers and splits are the official ones, recognised by the pictures; identical pictures share them."
    rows = np.sort(rows).astype(np.int32)
    return dataclasses.replace(ordered, row=rows, usage=official_usage(rows), notes=(*notes, note))


def _judged(dataset: FaceDataset, hashes: np.ndarray, source: str, *, n_surplus: int) -> Verification:
    has_rows = n_surplus == 0
    same = (
        (hashes == official_hashes()[dataset.row % N_ROWS]) & (dataset.row < N_ROWS)
        if has_rows
        else np.isin(hashes, official_hashes())
    )
    unknown = np.isin(dataset.row, facts()["inexact_rows"]) if has_rows else np.zeros(len(dataset), bool)
    values = {"counts": dataset.counts().to_dict(), "n_exact": int(same.sum()), "n_unverified": int((~same).sum())}
    if has_rows and (same | unknown).all():
        verdict, sentences = _unchanged(dataset, values)
        return Verification(verdict, sentences, source=source, **values)
    signature, quality = jpeg_signature(dataset.pixels)
    quality = quality if signature > JPEG_SIGNATURE else None
    verdict, sentences = _changed(dataset, hashes, same, quality)
    return Verification(verdict, sentences, source=source, jpeg_quality=quality, **values)


def _unchanged(dataset: FaceDataset, values: dict) -> tuple[str, tuple[str, ...]]:
    """Judge a copy whose pictures are all the original's, at their rows."""
    missing, unlabelled = N_ROWS - len(dataset), int((dataset.emotion < 0).sum())
    if missing or unlabelled:
        lacks = [f"{missing:,} of {N_ROWS:,} faces"] * bool(missing) + [f"{unlabelled:,} labels"] * bool(unlabelled)
        return "incomplete", (f"Incomplete: {' and '.join(lacks)} are missing; what is there has the original pixels.",)
    known = known_rows()
    same_pixels = hashlib.sha256(dataset.pixels[known].tobytes()).hexdigest() == facts()["sha256_exact_pixels"]
    same_labels = labels_digest(dataset[known]) == facts()["sha256_exact_labels"]
    same_counts = _with_one_test(values["counts"]).equals(_with_one_test(facts()["counts"]))
    if not (same_pixels and same_labels and same_counts):
        return "altered", ("Altered: the pictures are the original's, but their labels are not.",)
    n_unverified = len(facts()["inexact_rows"])
    every = "class and split" if values["counts"] == facts()["counts"] else "class, the test splits together,"
    return "exact", (
        f"Exact but for {n_unverified} rows: {known.sum():,} of {N_ROWS:,} faces have the original pixels and labels, "
        f"and the counts per {every} are the official ones.",
        f"The other {n_unverified} (pictures that FER+ calls 'not a face') are unverified, whatever they hold.",
    )


def _with_one_test(counts: dict) -> pd.DataFrame:
    """Return counts by emotion with the test splits together, since identical pictures may change places."""
    table = pd.DataFrame(counts)
    return pd.DataFrame({"Training": table["Training"], "PublicTest": table["PublicTest"] + table["PrivateTest"]})


def _changed(dataset: FaceDataset, hashes, same, quality: int | None) -> tuple[str, tuple[str, ...]]:
    """Judge a copy some of whose pictures are not the original's."""
    reasons = _count_reasons(dataset, hashes) + _picture_reasons(dataset.pixels, quality)
    complete = dataset.counts().to_dict() == facts()["counts"]
    if quality is not None and not reasons:
        kind = f"a JPEG copy (about quality {quality}): pixels differ a little from the original's everywhere"
        if complete:
            return "jpeg copy", (f"This is {kind}. The counts per class and split are the official ones.",)
        return "incomplete", (f"Incomplete: {len(dataset):,} of {N_ROWS:,} faces or their splits, as {kind}.",)
    differ = f"Altered: {int((~same).sum()):,} of {len(dataset):,} pictures are not the original's"
    return "altered", (
        differ + (f", and they were saved as JPEG (about quality {quality})." if quality else "."),
        *reasons,
    )


def _count_reasons(dataset: FaceDataset, hashes: np.ndarray) -> list[str]:
    """Say which cells hold more faces than the original, and how many pictures are there too often."""
    tables = [table[list(SPLITS)] for table in (dataset.counts(), pd.DataFrame(facts()["counts"]))]
    if not tables[0]["PrivateTest"].any():  # a tree whose names do not say which test split
        tables = [_with_one_test(table) for table in tables]
    reasons = [
        f"{split} has {received:,} faces of {emotion}, the original {tables[1].loc[emotion, split]:,}."
        for (emotion, split), received in tables[0].stack().items()
        if received > tables[1].loc[emotion, split]
    ]
    surplus = len(hashes) - len(np.unique(hashes))
    if surplus > facts()["surplus_copies"] + DUPLICATES_TOLERANCE * N_ROWS:
        reasons.append(
            f"Duplicated: {surplus:,} pictures repeat another one; in the original {facts()['surplus_copies']:,} do."
        )
    return reasons


def _picture_reasons(faces: np.ndarray, quality: int | None) -> list[str]:
    """Say how detail and tones differ from what the original, or a JPEG of this quality of it, has."""
    reasons, widen = [], np.sqrt(N_ROWS / len(faces))  # a part of the set differs by chance
    expected = facts()["detail"]
    if quality is not None:
        expected *= np.interp(quality, *zip(*facts()["jpeg_detail"], strict=True))
    detail = detail_strength(faces) / expected
    tone = np.abs(histogram(faces) - np.array(facts()["histogram"])).sum() / 2  # share of pixels in another bin
    if abs(detail - 1) > DETAIL_TOLERANCE * widen:
        kind = "blurred, or resized and back" if detail < 1 else "sharpened or stretched"
        reasons.append(f"Fine detail is at {detail:.0%} of the original's: {kind}.")
    if tone > TONE_TOLERANCE * widen:
        reasons.append(
            f"Grey values are distributed otherwise ({tone:.1%} of the pixels): clipped, stretched, or softened."
        )
    return reasons


def detail_strength(faces: np.ndarray) -> float:
    """Return the mean absolute second difference of neighbouring pixels; faces: uint8 array (n, 48, 48)."""
    total, count = 0.0, 0
    for start in range(0, len(faces), BLOCK_FACES):
        block = faces[start : start + BLOCK_FACES].astype(np.int16)
        for axis in (1, 2):
            second = np.abs(np.diff(block, n=2, axis=axis))
            total, count = total + float(second.sum(dtype=np.int64)), count + second.size
    return total / count


def histogram(faces: np.ndarray) -> np.ndarray:
    """Return the share of pixels in 64 bins of four grey values: float64 array (64,)."""
    counts = np.zeros(HISTOGRAM_BINS)
    for start in range(0, len(faces), BLOCK_FACES):
        values = faces[start : start + BLOCK_FACES].ravel() // (256 // HISTOGRAM_BINS)
        counts += np.bincount(values, minlength=HISTOGRAM_BINS)
    return counts / counts.sum()


def jpeg_signature(faces: np.ndarray) -> tuple[float, int]:
    """Return how strongly the pictures' 8×8 blocks hold multiples of a JPEG table, and the quality that fits best.

    For every quality q, c being the blocks' cosine coefficients and t its table, the mean of cos(2πc/t) over the
    coefficients that are not near 0 is 1 for multiples of t and about 0 for any others. The same measure on blocks
    shifted by four pixels, where no JPEG leaves a trace, is subtracted. Of the faces, uint8 (n, 48, 48), about 300,
    evenly spaced, are looked at.

    Returns:
        The strength (0 for lossless pictures, 0.25–0.9 for JPEG), and the quality, 50–100.
    """
    sampled = np.asarray(faces[:: max(1, len(faces) // SAMPLED_FACES)])
    aligned, shifted = _block_coefficients(sampled), _block_coefficients(sampled[:, 4:-4, 4:-4])
    strengths = {q: _multiples(aligned, q) - _multiples(shifted, q) for q in range(50, 101)}
    quality = max(strengths, key=strengths.get)
    return strengths[quality], quality


def _block_coefficients(faces: np.ndarray) -> np.ndarray:
    """Return the orthonormal cosine coefficients of all 8×8 blocks, in JPEG's scale: float32 array (blocks, 8, 8)."""
    basis = cv2.dct(np.eye(8, dtype=np.float32), flags=cv2.DCT_ROWS).T
    n, side = len(faces), faces.shape[1] // 8
    blocks = (faces.astype(np.float32) - 128).reshape(n, side, 8, side, 8).transpose(0, 1, 3, 2, 4).reshape(-1, 8, 8)
    return basis @ blocks @ basis.T


def _multiples(coefficients: np.ndarray, quality: int) -> float:
    scale = 200 - 2 * quality if quality >= 50 else 5000 / quality
    table = np.clip((_QUANTISATION * scale + 50) // 100, 1, 255).astype(np.float32)
    ratio = coefficients / table
    counted = np.abs(ratio) > 0.6  # smooth pictures are near 0 whatever the table
    counted[:, 0, 0] = False
    return float(np.cos(2 * np.pi * ratio[counted]).mean()) if counted.any() else 0.0
