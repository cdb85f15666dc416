"""Telling copies of FER2013 apart: exact, JPEG copy, incomplete, altered.

Without the real set, drawn faces play the original: the facts about it are measured on them.
"""

import dataclasses
import hashlib

import cv2
import numpy as np
import pytest

from emotion_detection.data import SPLITS, load_fer2013, readers, verification
from emotion_detection.data.synthetic import load_sample
from emotion_detection.errors import DataError

INEXACT = [3, 40, 565, 690]


def jpeg(face, quality):
    return cv2.imdecode(cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


def blurred(face, sigma):
    return cv2.GaussianBlur(face, (0, 0), sigma)


def clipped(face, margin):
    return np.clip(face, margin, 255 - margin).astype(np.uint8)


def resized(face, side_px):
    into = cv2.INTER_AREA if side_px < 48 else cv2.INTER_LINEAR
    back = cv2.INTER_LINEAR if side_px < 48 else cv2.INTER_AREA
    return cv2.resize(cv2.resize(face, (side_px, side_px), interpolation=into), (48, 48), interpolation=back)


def each(dataset, change, *values):
    return dataclasses.replace(dataset, pixels=np.stack([change(face, *values) for face in np.array(dataset.pixels)]))


@pytest.fixture(scope="module")
def drawn():
    """700 drawn faces in the order Training, PublicTest, PrivateTest, rows 0–699; some pictures occur twice."""
    sample = load_sample(700)
    order = np.argsort([SPLITS.index(usage) for usage in sample.usage], kind="stable")
    pixels = sample.pixels[order]
    pixels[[100, 600]] = pixels[[7, 8]]
    return dataclasses.replace(sample[order], pixels=pixels, row=np.arange(700, dtype=np.int32), name="FER2013")


@pytest.fixture(scope="module")
def facts(drawn):
    """The facts about the drawn original, as they are recorded about the real one."""
    detail = verification.detail_strength(drawn.pixels)
    ratios = [(q, verification.detail_strength(each(drawn, jpeg, q).pixels) / detail) for q in range(75, 101)]
    known = np.setdiff1d(np.arange(700), INEXACT)
    hashes = verification.picture_hashes(drawn.pixels)
    counts = {split: {emotion: int(n) for emotion, n in column.items()} for split, column in drawn.counts().items()}
    return {
        "counts": counts,
        "sha256_exact_pixels": hashlib.sha256(drawn.pixels[known].tobytes()).hexdigest(),
        "sha256_exact_labels": verification.labels_digest(drawn[known]),
        "surplus_copies": len(hashes) - len(np.unique(hashes)),
        "detail": detail,
        "jpeg_detail": ratios,
        "histogram": verification.histogram(drawn.pixels).tolist(),
        "inexact_rows": INEXACT,
    }


@pytest.fixture
def original(drawn, facts, monkeypatch):
    """The drawn faces in the place of the original."""
    hashes = verification.picture_hashes(drawn.pixels).copy()
    hashes[INEXACT] = 0
    monkeypatch.setattr(verification, "facts", lambda: facts)
    monkeypatch.setattr(verification, "official_hashes", lambda: hashes)
    monkeypatch.setattr(verification, "N_ROWS", 700)
    monkeypatch.setattr(verification, "SPLIT_STARTS", (0, 560, 630))
    return drawn


def test_the_original_is_exact_but_for_the_unknown_rows(original):
    checked = verification.verify(original)
    assert checked.verdict == "exact"
    assert checked.sentences[0].startswith("Exact but for 4 rows")
    assert (checked.n_exact, checked.n_unverified) == (696, 4)


def test_unknown_rows_may_hold_whatever(original):
    pixels = original.pixels.copy()
    pixels[INEXACT] = 0
    assert verification.verify(dataclasses.replace(original, pixels=pixels)).verdict == "exact"


@pytest.mark.parametrize("quality", [75, 80, 85, 90, 95, 98, 100])
def test_a_jpeg_copy_is_called_one_with_its_quality(original, quality):
    checked = verification.verify(each(original, jpeg, quality))
    assert checked.verdict == "jpeg copy", checked.sentences
    assert checked.jpeg_quality == quality


@pytest.mark.parametrize(
    ("change", "value"),
    [
        *[(blurred, sigma) for sigma in (0.4, 0.7, 1.0)],
        *[(clipped, margin) for margin in (4, 10, 25)],
        *[(resized, side_px) for side_px in (24, 44, 224)],
    ],
)
def test_an_altered_copy_is_called_altered(original, change, value):
    assert verification.verify(each(original, change, value)).verdict == "altered"


@pytest.mark.parametrize(("change", "value"), [(blurred, 0.7), (clipped, 25), (resized, 224)])
def test_an_alteration_hidden_under_jpeg_is_found(original, change, value):
    checked = verification.verify(each(each(original, change, value), jpeg, 95))
    assert checked.verdict == "altered"
    assert checked.jpeg_quality is not None
    assert len(checked.sentences) > 1


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("quality", [None, 90])
def test_a_copy_with_duplicates_instead_of_other_faces_is_altered(original, share, quality):
    index = np.arange(700)
    index[200 : 200 + int(700 * share)] = 300
    copy = dataclasses.replace(original[index], row=original.row, emotion=original.emotion)
    copy = each(copy, jpeg, quality) if quality else copy
    checked = verification.verify(copy)
    assert checked.verdict == "altered"
    assert any("repeat another one" in sentence for sentence in checked.sentences)


def test_a_class_multiplied_in_the_test_set_is_named(original):
    index = np.r_[np.arange(700), np.flatnonzero((original.usage == "PrivateTest") & (original.emotion == 1))]
    copy = dataclasses.replace(original[index], row=np.arange(len(index), dtype=np.int32))
    checked = verification.verify(copy)
    assert checked.verdict == "altered"
    assert any(s.startswith("PrivateTest has 20 faces of disgust, the original 10") for s in checked.sentences)


def test_other_labels_on_the_original_pictures_are_altered(original):
    emotion = original.emotion.copy()
    different = np.flatnonzero(emotion != emotion[10])[0]
    emotion[[10, different]] = emotion[[different, 10]]
    checked = verification.verify(dataclasses.replace(original, emotion=emotion))
    assert checked.verdict == "altered"
    assert "labels" in checked.sentences[0]


def test_a_part_of_the_original_is_incomplete_and_keeps_its_rows(original):
    part = dataclasses.replace(original[560:], row=np.arange(140, dtype=np.int32))
    found, checked = verification.identify(part)
    assert checked.verdict == "incomplete"
    assert "560 of 700 faces are missing" in checked.sentences[0]
    known = ~np.isin(found.row, INEXACT)
    assert known.sum() == 138
    np.testing.assert_array_equal(found.pixels[known], original.pixels[found.row[known]])


def test_a_lossless_tree_gets_rows_and_splits_back(original):
    order = np.lexsort((original.row, original.emotion, original.usage != "Training"))
    usage = np.where(original.usage[order] == "Training", "Training", "PublicTest").astype("<U11")
    notes = ("Something else.", readers.ASSUMED + "positions")
    positions = {"row": np.arange(700, dtype=np.int32), "has_official_rows": False}
    tree = dataclasses.replace(original[order], usage=usage, notes=notes, **positions)
    found, checked = verification.identify(tree)
    assert checked.verdict == "exact", checked.sentences
    assert found.row.tolist() == list(range(700))
    np.testing.assert_array_equal(found.usage, original.usage)
    known = np.setdiff1d(np.arange(700), INEXACT)
    np.testing.assert_array_equal(found.pixels[known], original.pixels[known])
    assert found.has_official_rows
    assert found.notes[0] == "Something else."
    assert not any(note.startswith(readers.ASSUMED) for note in found.notes)


def test_faces_of_another_set_are_altered_and_get_no_rows(original):
    found, checked = verification.identify(load_sample(70, seed=9))
    assert checked.verdict == "altered"
    assert checked.n_exact == 0
    assert found.row.tolist() == list(range(70))


def test_loading_refuses_an_altered_copy_unless_asked(isolated, original):
    path = isolated / "data" / "raw" / "fer2013.csv"
    altered = each(original, blurred, 1.0)
    faces = zip(altered.emotion, altered.pixels, altered.usage, strict=True)
    rows = [f"{e},{' '.join(map(str, p.ravel()))},{u}" for e, p, u in faces]
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]))
    for _ in range(2):  # parsed, then cached
        with pytest.raises(DataError, match=r"fer2013.csv is an altered copy.*blurred.*allow_altered=True"):
            load_fer2013()
    assert len(load_fer2013(allow_altered=True)) == 700


def test_smooth_lossless_pictures_show_no_jpeg(original):
    strength, _ = verification.jpeg_signature(each(original, blurred, 2.0).pixels)
    assert strength < verification.JPEG_SIGNATURE / 2


def test_what_is_shipped_is_small_and_holds_no_picture():
    assert verification._HASHES_FILE.stat().st_size + verification._FACTS_FILE.stat().st_size < 200_000
    assert (verification.official_hashes() == 0).sum() == len(verification.facts()["inexact_rows"]) == 173


# --- the real set ---------------------------------------------------------------------------------------------


@pytest.mark.fer2013
def test_the_real_set_is_exact_but_for_173_rows(fer2013):
    checked = verification.verify(fer2013)
    assert checked.sentences[0].startswith("Exact but for 173 rows")
    assert checked.counts == verification.facts()["counts"]


@pytest.mark.fer2013
@pytest.mark.parametrize(
    ("change", "value"),
    [
        *((blurred, sigma) for sigma in (0.5, 0.7, 1.0)),
        *((clipped, margin) for margin in (5, 10, 20)),
        *((resized, side) for side in (32, 64, 224)),
    ],
)
def test_altered_faces_of_the_real_set_are_told(fer2013, change, value):
    checked = verification.verify(each(fer2013[::30], change, value))
    assert checked.verdict == "altered", checked.sentences


@pytest.mark.fer2013
@pytest.mark.parametrize("quality", [75, 80, 85, 90, 95, 100])
def test_jpeg_quality_of_the_real_set_is_told(fer2013, quality):
    checked = verification.verify(each(fer2013[::30], jpeg, quality))
    assert checked.verdict == "incomplete", checked.sentences  # a thirtieth of the faces, all of them JPEG
    assert checked.jpeg_quality is not None


@pytest.mark.fer2013
def test_a_whole_jpeg_copy_of_the_real_set_is_named_so(fer2013):
    assert verification.verify(each(fer2013, jpeg, 90)).verdict == "jpeg copy"


@pytest.mark.fer2013
@pytest.mark.parametrize("copies", [1, 2, 4])
def test_multiplied_disgust_of_the_real_test_set_is_told(fer2013, copies):
    disgust = np.flatnonzero((fer2013.emotion == 1) & (fer2013.usage == "PrivateTest"))
    more = np.sort(np.concatenate([np.arange(len(fer2013)), np.repeat(disgust, copies)]))
    assert verification.verify(fer2013[more]).verdict == "altered"
