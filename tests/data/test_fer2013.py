"""Reading FER2013: every public shape, the cache, and what is said about bad input."""

import gzip
import logging
import lzma
import shutil

import cv2
import numpy as np
import pytest
import zstandard

from emotion_detection import paths
from emotion_detection.data import SPLITS, fer2013, load_fer2013, readers
from emotion_detection.data.synthetic import load_sample
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError

compressed = pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".xz", lzma.compress), (".gz", gzip.compress), (".zst", zstandard.ZstdCompressor().compress)],
)


@pytest.fixture(scope="module")
def drawn():
    """70 drawn faces, as 70 rows of some CSV file."""
    return load_sample(70)


def csv_lines(dataset, *, header="emotion,pixels,Usage", quote="", order=("emotion", "pixels", "usage")):
    lines = [header]
    for index in range(len(dataset)):
        pixels = " ".join(map(str, dataset.pixels[index].ravel()))
        fields = {
            "emotion": str(dataset.emotion[index]),
            "pixels": f"{quote}{pixels}{quote}",
            "usage": dataset.usage[index],
        }
        lines.append(",".join(fields[name] for name in order))
    return lines


def write_csv(path, lines, *, newline="\n"):
    path.write_bytes((newline.join(lines) + newline).encode())
    return path


def write_tree(folder, dataset, *, suffix=".png", prefix=False):
    for index in range(len(dataset)):
        usage = dataset.usage[index]
        split = "train" if usage == "Training" else "test"
        parent = folder / split / EMOTIONS[dataset.emotion[index]]
        parent.mkdir(parents=True, exist_ok=True)
        name = f"{usage}_{index}" if prefix else f"im{index}"
        cv2.imwrite(str(parent / f"{name}{suffix}"), dataset.pixels[index])
    return folder


def load(path):
    return load_fer2013(path=path, allow_altered=True, use_cache=False)


def assert_same_faces(loaded, expected):
    np.testing.assert_array_equal(loaded.pixels, expected.pixels)
    np.testing.assert_array_equal(loaded.emotion, expected.emotion)
    np.testing.assert_array_equal(loaded.usage, expected.usage)


# --- shapes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_reads_fer2013_csv(tmp_path, drawn, newline):
    loaded = load(write_csv(tmp_path / "fer2013.csv", csv_lines(drawn), newline=newline))
    assert_same_faces(loaded, drawn)
    assert loaded.row.tolist() == list(range(70))


def test_reads_icml_face_data_with_its_spaced_columns(tmp_path, drawn):
    lines = csv_lines(drawn, header="emotion, Usage, pixels", order=("emotion", "usage", "pixels"))
    assert_same_faces(load(write_csv(tmp_path / "icml_face_data.csv", lines)), drawn)


def test_reads_a_file_without_a_last_newline_and_with_blank_lines(tmp_path, drawn):
    path = tmp_path / "fer2013.csv"
    path.write_text("\n".join([*csv_lines(drawn)[:5], "", *csv_lines(drawn)[5:]]))
    assert_same_faces(load(path), drawn)


@compressed
def test_reads_compressed_csv(tmp_path, drawn, suffix, compress):
    plain = write_csv(tmp_path / "plain.csv", csv_lines(drawn))
    path = tmp_path / f"fer2013.csv{suffix}"
    path.write_bytes(compress(plain.read_bytes()))
    assert_same_faces(load(path), drawn)


def test_reads_a_zstandard_file_of_several_frames(tmp_path, drawn):
    content = write_csv(tmp_path / "plain.csv", csv_lines(drawn)).read_bytes()
    compress = zstandard.ZstdCompressor().compress
    path = tmp_path / "fer2013.csv.zst"
    path.write_bytes(compress(content[:100_000]) + compress(content[100_000:]))
    assert_same_faces(load(path), drawn)


def test_chunks_join_to_the_whole(tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(readers, "CHUNK_ROWS", 7)
    assert_same_faces(load(write_csv(tmp_path / "fer2013.csv", csv_lines(drawn))), drawn)


def test_reads_the_challenges_train_and_test_and_says_that_test_has_no_labels(tmp_path, drawn):
    train, test = drawn[:50], drawn[50:]
    write_csv(
        tmp_path / "train.csv",
        csv_lines(train, header="emotion,pixels", quote='"', order=("emotion", "pixels")),
    )
    write_csv(tmp_path / "test.csv", csv_lines(test, header="pixels", quote='"', order=("pixels",)))
    loaded = load(tmp_path / "train.csv")
    np.testing.assert_array_equal(loaded.pixels, drawn.pixels)
    np.testing.assert_array_equal(loaded.emotion[:50], train.emotion)
    assert (loaded.emotion[50:] == -1).all()
    assert loaded.usage.tolist() == ["Training"] * 50 + ["PublicTest"] * 10 + ["PrivateTest"] * 10
    assert any("test.csv has no labels" in note for note in loaded.notes)


def test_train_csv_alone_says_that_there_is_nothing_to_test_on(tmp_path, drawn):
    lines = csv_lines(drawn, header="emotion,pixels", quote='"', order=("emotion", "pixels"))
    loaded = load(write_csv(tmp_path / "train.csv", lines))
    assert len(loaded.training) == 70
    assert "no face to test on" in loaded.notes[0]


def test_a_tree_with_split_names_keeps_all_three_splits(tmp_path, drawn):
    loaded = load(write_tree(tmp_path / "tree", drawn, prefix=True))
    for split in SPLITS:
        assert sorted(loaded.split(split).pixels.tobytes()) == sorted(drawn.split(split).pixels.tobytes())
        assert (np.bincount(loaded.split(split).emotion) == np.bincount(drawn.split(split).emotion)).all()


def test_a_tree_without_split_names_says_what_is_lost(tmp_path, drawn):
    loaded = load(write_tree(tmp_path / "tree", drawn))
    assert len(loaded.training) == len(drawn.training)
    assert len(loaded.private_test) == 0
    assert any("do not say which" in note and "PrivateTest" in note for note in loaded.notes)
    assert any("row numbers are positions" in note for note in loaded.notes)
    assert not loaded.has_official_rows


def test_a_tree_of_larger_pictures_is_resized_and_says_so(tmp_path, drawn):
    tree = write_tree(tmp_path / "tree", drawn)
    for path in readers.tree_files(tree):
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path), 0), (96, 96), interpolation=cv2.INTER_NEAREST))
    loaded = load(tree)
    assert any("70 pictures were resized to 48×48, most from 96×96" in note for note in loaded.notes)
    assert {face.tobytes() for face in loaded.pixels} == {face.tobytes() for face in drawn.pixels}


def test_a_tree_of_jpeg_files_is_read(tmp_path, drawn):
    loaded = load(write_tree(tmp_path / "tree", drawn, suffix=".jpg", prefix=True))
    assert len(loaded) == 70
    assert abs(loaded.pixels.mean() - drawn.pixels.mean()) < 1


# --- search and cache -----------------------------------------------------------------------------------------


@pytest.fixture
def in_raw(isolated, drawn):
    """The 70 rows as data/raw/fer2013.csv of a project of the test's own."""
    return write_csv(paths.raw_dir() / "fer2013.csv", csv_lines(drawn))


def test_emotion_data_dir_comes_before_data_raw(in_raw, tmp_path, drawn, monkeypatch):
    other = tmp_path / "elsewhere" / "data"
    other.mkdir(parents=True)
    write_csv(other / "icml_face_data.csv", csv_lines(drawn[:69]))
    assert len(load_fer2013(allow_altered=True)) == 70
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path / "elsewhere"))
    assert len(load_fer2013(allow_altered=True)) == 69


def test_the_second_load_reads_the_cache_memory_mapped(in_raw, drawn, monkeypatch):
    first = load_fer2013(allow_altered=True)
    monkeypatch.setattr(fer2013, "_read", lambda source: pytest.fail("parsed again"))
    second = load_fer2013(allow_altered=True)
    assert_same_faces(second, drawn)
    assert isinstance(second.pixels.base, np.memmap)
    assert second.fingerprint == first.fingerprint
    assert second.notes == first.notes
    with pytest.raises(ValueError, match="read-only"):
        second.pixels[0, 0, 0] = 1


def test_a_changed_source_is_parsed_again_and_the_old_cache_removed(in_raw, drawn):
    load_fer2013(allow_altered=True)
    write_csv(in_raw, csv_lines(drawn[:60]))
    assert len(load_fer2013(allow_altered=True)) == 60
    assert len(list((paths.cache_dir() / "fer2013").iterdir())) == 1


def test_an_interrupted_write_leaves_no_cache(in_raw, monkeypatch):
    def interrupted(path, values):
        raise KeyboardInterrupt

    monkeypatch.setattr(fer2013.files, "write_json", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_fer2013(allow_altered=True)
    assert list((paths.cache_dir() / "fer2013").iterdir()) == []


@pytest.mark.parametrize("name", ["pixels.npy", "info.json"])
def test_a_damaged_cache_is_parsed_again(in_raw, drawn, name):
    load_fer2013(allow_altered=True)
    (file,) = (paths.cache_dir() / "fer2013").glob(f"*/{name}")
    file.write_bytes(file.read_bytes()[:100])
    assert_same_faces(load_fer2013(allow_altered=True), drawn)
    assert_same_faces(load_fer2013(allow_altered=True), drawn)


def test_a_cache_folder_that_cannot_be_written_gives_the_data_and_a_warning(in_raw, drawn, caplog):
    paths.cache_dir().write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        loaded = load_fer2013(allow_altered=True)
    assert_same_faces(loaded, drawn)
    (record,) = caplog.records
    assert "cannot be cached in data/cache" in record.getMessage()
    assert "Make it writable" in record.getMessage()


def test_check_rewrites_a_cache_that_differs_from_its_source(in_raw, drawn):
    load_fer2013(allow_altered=True)
    assert any("agree with it" in sentence for sentence in fer2013.check().sentences)
    (file,) = (paths.cache_dir() / "fer2013").glob("*/emotion.npy")
    np.save(file, np.zeros(70, np.int8))
    assert any("out of date" in sentence for sentence in fer2013.check().sentences)
    assert_same_faces(load_fer2013(allow_altered=True), drawn)


# --- bad input ------------------------------------------------------------------------------------------------


def test_a_missing_data_set_names_the_places_and_the_way_out(isolated):
    with pytest.raises(MissingFileError, match=r"not found.*data/raw.*data fetch.*EMOTION_DATA_DIR"):
        load_fer2013()


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_a_path_without_data_is_an_error(tmp_path, name):
    with pytest.raises(MissingFileError, match="Give "):
        load_fer2013(path=tmp_path / name)


def with_pixels(drawn, change):
    """Lines of a CSV file in which row 17's pixels, as a list of strings, were changed."""
    lines = csv_lines(drawn)
    emotion, pixels, usage = lines[18].split(",")
    lines[18] = f"{emotion},{' '.join(change(pixels.split()))},{usage}"
    return lines


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p[:-1], "row 17 has 2,303 pixels, expected 2,304"),
        (lambda p: [*p, "7"], "row 17 has 2,305 pixels, expected 2,304"),
        (lambda p: [], "row 17 has 0 pixels"),
        (lambda p: ["x12", *p[1:]], "row 17 has the pixel 'x12'"),
        (lambda p: ["-1", *p[1:]], "row 17 has the pixel '-1'"),
        (lambda p: ["1.5", *p[1:]], "row 17 has the pixel '1.5'"),
        (lambda p: [*p[:-1], "256"], "row 17 has a pixel of value 256, expected 0–255"),
        (lambda p: [*p[:-1], "1000"], "row 17 has a pixel of value 1000"),
    ],
)
def test_a_row_that_is_no_face_is_named(isolated, drawn, change, message):
    path = write_csv(paths.raw_dir() / "fer2013.csv", with_pixels(drawn, change))
    with pytest.raises(DataError, match=message) as caught:
        load_fer2013(allow_altered=True)
    assert "download it again" in str(caught.value)
    assert path.exists()
    assert not paths.cache_dir().exists()


def test_one_pixel_moved_to_the_next_row_is_noticed(tmp_path, drawn):
    lines = with_pixels(drawn, lambda p: p[:-1])
    emotion, pixels, usage = lines[19].split(",")
    lines[19] = f"{emotion},7 {pixels},{usage}"
    with pytest.raises(DataError, match="row 17 has 2,303 pixels"):
        load(write_csv(tmp_path / "fer2013.csv", lines))


def test_leading_zeros_and_double_spaces_are_numbers_all_the_same(tmp_path, drawn):
    lines = with_pixels(drawn, lambda p: ["0" + p[0].zfill(3) + " ", *p[1:]])
    assert_same_faces(load(write_csv(tmp_path / "fer2013.csv", lines)), drawn)


@pytest.mark.parametrize(
    ("find", "replace", "message"),
    [
        (",Training", ",Trainng", r"row \d+ has Usage 'Trainng', expected Training, PublicTest, PrivateTest"),
        ("\n6,", "\n7,", r"row \d+ has emotion '7', expected 0–6"),
        ("\n6,", "\n-1,", r"row \d+ has emotion '-1'"),
        ("\n6,", "\n6,6,", r"row \d+ has 4 fields, expected 3"),
        ("emotion,pixels,Usage", "label,image", "no column emotion and no column pixels and no column Usage; .*label"),
        ("emotion,pixels,Usage", "emotion,pixels", "no column Usage"),
    ],
)
def test_wrong_columns_labels_and_splits_are_errors(tmp_path, drawn, find, replace, message):
    text = "\n".join(csv_lines(drawn)).replace(find, replace)
    (tmp_path / "fer2013.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "fer2013.csv")


@pytest.mark.parametrize(("content", "message"), [("", "is empty"), ("emotion,pixels,Usage\n", "holds no row")])
def test_an_empty_file_is_an_error(tmp_path, content, message):
    (tmp_path / "fer2013.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "fer2013.csv")


@compressed
@pytest.mark.parametrize("kept", [0.5, 0.0])
def test_a_truncated_archive_is_an_error(isolated, drawn, suffix, compress, kept):
    whole = compress("\n".join(csv_lines(drawn)).encode())
    (paths.raw_dir() / f"fer2013.csv{suffix}").write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(DataError, match=r"cannot be decompressed to its end|is empty|holds no row"):
        load_fer2013(allow_altered=True)
    assert not paths.cache_dir().exists()


def test_a_file_that_is_no_archive_is_an_error(tmp_path, drawn):
    path = write_csv(tmp_path / "fer2013.csv.xz", csv_lines(drawn))
    with pytest.raises(DataError, match="cannot be decompressed"):
        load(path)


def test_a_folder_with_a_missing_class_is_an_error(tmp_path, drawn):
    tree = write_tree(tmp_path / "tree", drawn)
    shutil.rmtree(tree / "test" / "disgust")
    with pytest.raises(DataError, match=r"test has no pictures of disgust; it holds angry, fear.*all seven"):
        load(tree)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", r"is empty \(0 bytes\)"),
        (lambda data: b"not a picture", "is not a readable picture"),
        (lambda data: data[: len(data) // 2], "is not a readable picture"),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_unreadable_picture_is_named(tmp_path, drawn, damage, message, suffix):
    tree = write_tree(tmp_path / "tree", drawn, suffix=suffix)
    victim = readers.tree_files(tree)[3]
    victim.write_bytes(damage(victim.read_bytes()))
    with pytest.raises(DataError, match=message) as caught:
        load(tree)
    assert victim.name in str(caught.value)


def test_a_huge_picture_is_refused(tmp_path, drawn):
    tree = write_tree(tmp_path / "tree", drawn)
    cv2.imwrite(str(readers.tree_files(tree)[0]), np.zeros((10_000, 10_000), np.uint8))
    with pytest.raises(DataError, match="is 10,000×10,000 px, expected 48×48"):
        load(tree)


# --- the real set ---------------------------------------------------------------------------------------------


@pytest.mark.fer2013
def test_the_real_set_has_the_official_counts_and_rows(fer2013):
    assert len(fer2013) == 35887
    assert fer2013.counts().to_numpy().sum(axis=0).tolist() == [28709, 3589, 3589]
    assert fer2013.counts().loc["disgust"].tolist() == [436, 56, 55]
    assert (np.diff(fer2013.row) == 1).all()
    assert (np.diff(np.searchsorted([0, 28709, 32298], fer2013.row, side="right")) >= 0).all()
