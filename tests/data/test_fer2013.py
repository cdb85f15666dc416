"""Reading FER2013: every public shape, the cache, and what is said about bad input."""

import bz2
import gzip
import io
import logging
import lzma
import os
import re
import shutil
import tarfile
import zipfile

import cv2
import numpy as np
import pytest
import zstandard

from emotion_detection import paths
from emotion_detection.data import SPLITS, fer2013, load_fer2013, readers, tables
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


def test_the_second_load_reads_the_cache(in_raw, drawn, monkeypatch):
    first = load_fer2013(allow_altered=True)
    monkeypatch.setattr(fer2013, "_read", lambda source: pytest.fail("parsed again"))
    second = load_fer2013(allow_altered=True)
    assert_same_faces(second, drawn)
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
    def interrupted(path, **arrays):
        raise KeyboardInterrupt

    monkeypatch.setattr(fer2013.np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_fer2013(allow_altered=True)
    assert list((paths.cache_dir() / "fer2013").iterdir()) == []


def cut(path):
    path.write_bytes(path.read_bytes()[:100])


def zeroed(path):
    content = bytearray(path.read_bytes())
    content[4096 : 4096 + 8192] = bytes(8192)
    path.write_bytes(content)


def relabelled(path):
    """Other labels, written as a cache is written."""
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **arrays | {"emotion": np.zeros(70, np.int8)})


@pytest.mark.parametrize("damage", [cut, zeroed, relabelled, lambda path: path.write_bytes(b"")])
def test_a_damaged_or_changed_cache_is_told_and_parsed_again(in_raw, drawn, damage, caplog):
    load_fer2013(allow_altered=True)
    (cache,) = (paths.cache_dir() / "fer2013").iterdir()
    for mend in (load_fer2013, lambda **_: fer2013.check()):
        damage(cache)
        caplog.clear()
        mend(allow_altered=True)
        assert "written again" in caplog.text
        assert_same_faces(load_fer2013(allow_altered=True), drawn)
        assert any("agree with it" in sentence for sentence in fer2013.check().sentences)


def test_a_cache_folder_that_cannot_be_written_gives_the_data_and_a_warning(in_raw, drawn, caplog):
    paths.cache_dir().write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        loaded = load_fer2013(allow_altered=True)
    assert_same_faces(loaded, drawn)
    (record,) = caplog.records
    assert "cannot be cached in data/cache" in record.getMessage()
    assert "Choose another place" in record.getMessage()


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
    with pytest.raises(DataError, match=r"cannot be read to its end|is empty|holds no row"):
        load_fer2013(allow_altered=True)
    assert not paths.cache_dir().exists()


def test_the_first_bytes_say_how_a_file_is_packed_whatever_its_name(tmp_path, drawn):
    text = "\n".join(csv_lines(drawn)).encode()
    for name, content in (("fer2013.csv.xz", text), ("FER2013.CSV.GZ", gzip.compress(text))):
        (tmp_path / name).write_bytes(content)
        assert_same_faces(load(tmp_path / name), drawn)


def tar_of(name, content):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for each, inside in (("fer2013/README", b"hello"), (name, content)):
            entry = tarfile.TarInfo(each)
            entry.size = len(inside)
            archive.addfile(entry, io.BytesIO(inside))
    return stream.getvalue()


def zip_of(name, content, *, other="example_submission.csv"):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(other, "id,emotion\n")
        archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("fer2013.tar.gz", lambda text: tar_of("fer2013/fer2013.csv", text)),
        ("icml_face_data.csv.zip", lambda text: zip_of("icml_face_data.csv", text)),
        ("fer2013.zip", lambda text: zip_of("fer2013.csv.gz", gzip.compress(text))),
        ("FER2013.csv", lambda text: text.decode().encode("utf-16")),
        ("fer2013.csv", lambda text: b"\xef\xbb\xbf" + text),
        ("fer2013.csv.bz2", bz2.compress),
        ("fer2013.csv.xz", lzma.compress),
        ("icml_face_data.csv.gz", gzip.compress),
        ("fer2013.csv.zst", zstandard.ZstdCompressor().compress),
        ("fer2013.csv", lambda text: text.replace(b"\n", b"\r")),
        ("fer2013.csv", lambda text: re.sub(rb"(?m)^(\d),", rb"\1.0,", text)),
    ],
    ids=["tar.gz", "zip", "gz in zip", "UTF-16", "byte-order mark", "bz2", "xz", "gz", "zst", "CR", "labels as 0.0"],
)
def test_archives_encodings_and_line_ends_are_found_and_read(isolated, drawn, name, pack):
    (paths.raw_dir() / name).write_bytes(pack("\n".join(csv_lines(drawn)).encode()))
    assert_same_faces(load_fer2013(allow_altered=True, use_cache=False), drawn)


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress, zstandard.ZstdCompressor().compress, bz2.compress])
@pytest.mark.parametrize("inside", ["one long line", "many lines", "packed again"])
def test_a_small_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch, pack, inside):
    monkeypatch.setattr(tables, "LARGEST_TABLE", 4_000_000)
    head = b"emotion,pixels,Usage\n"
    content = {
        "one long line": head + bytes(5_000_000),
        "many lines": head + b"0,,Training\n" * 400_000,
        "packed again": pack(pack(pack(pack(head)))),
    }
    (tmp_path / "fer2013.csv").write_bytes(pack(content[inside]))
    with pytest.raises(DataError, match=r"more than|0 pixels"):
        load(tmp_path / "fer2013.csv")


def test_an_archive_without_a_table_is_to_be_unpacked(tmp_path):
    (tmp_path / "fer2013.zip").write_bytes(zip_of("train/happy/1\x1b[31m.jpg", b"x", other="README"))
    with pytest.raises(DataError, match=r"holds no CSV file.*unpack it") as caught:
        load(tmp_path / "fer2013.zip")
    assert "\x1b" not in str(caught.value)


def test_a_column_that_is_there_twice_is_refused(tmp_path, drawn):
    lines = csv_lines(drawn, header="emotion,pixels,usage,Pixels", order=("emotion", "pixels", "usage", "pixels"))
    with pytest.raises(DataError, match="two columns 'pixels'"):
        load(write_csv(tmp_path / "fer2013.csv", lines))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fer2013.csv")
    with pytest.raises(MissingFileError):
        load(tmp_path / "fer2013.csv")


def test_a_folder_with_a_missing_class_is_an_error(tmp_path, drawn):
    tree = write_tree(tmp_path / "tree", drawn)
    shutil.rmtree(tree / "test" / "disgust")
    with pytest.raises(DataError, match=r"test has no pictures of disgust; it holds angry, fear.*all seven"):
        load(tree)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", r"is empty \(0 bytes\)"),
        (lambda data: b"not a picture", "cannot be read"),
        (lambda data: data[: len(data) // 2], "cannot be read"),
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
    for side, message in ((1_100, "is 1,100×1,100 px, expected 48×48"), (10_000, "10,000×10,000 px, 100 megapixels")):
        cv2.imwrite(str(readers.tree_files(tree)[0]), np.zeros((side, side), np.uint8))
        with pytest.raises(DataError, match=message):
            load(tree)


def test_a_tree_is_read_without_what_systems_put_into_it(tmp_path, drawn):
    tree = write_tree(tmp_path / "tree", drawn)
    happy = tree / "train" / "happy"
    first = readers.tree_files(tree)[0]
    (happy / ".ipynb_checkpoints").mkdir()
    shutil.copy(first, happy / ".ipynb_checkpoints" / "im0-checkpoint.png")
    (happy / "._im0.png").write_bytes(b"AppleDouble")
    (happy / "Thumbs.db").write_bytes(b"x")
    (happy / "notes.txt").write_text("x")
    (happy / "dead.png").symlink_to(tmp_path / "nowhere.png")
    (happy / "folder.png").mkdir()
    (happy / "back").symlink_to(tree / "train")
    (tree / "__MACOSX").mkdir()
    loaded = load(tree)
    assert len(loaded) == 70
    assert any("6 files that are no pictures were left out" in note for note in loaded.notes)


def test_names_of_class_folders_and_files_may_be_numbered(tmp_path, drawn):
    tree = write_tree(tmp_path / "tree", drawn, suffix=".png")
    for label, emotion in enumerate(EMOTIONS):
        (tree / "train" / emotion).rename(tree / "train" / f"{label}_{emotion.capitalize()}")
    first = readers.tree_files(tree)[0]
    first.rename(first.with_name("1²3.jfif"))
    assert len(load(tree)) == 70


def test_links_to_folders_are_followed(tmp_path, drawn):
    tree = write_tree(tmp_path / "tree", drawn)
    (tree / "train" / "happy").rename(tmp_path / "elsewhere")
    (tree / "train" / "happy").mkdir()
    (tree / "train" / "happy" / "anna").symlink_to(tmp_path / "elsewhere")
    assert len(load(tree)) == 70


# --- the real set ---------------------------------------------------------------------------------------------


@pytest.mark.fer2013
def test_the_real_set_has_the_official_counts_and_rows(fer2013):
    assert len(fer2013) == 35887
    assert fer2013.counts().to_numpy().sum(axis=0).tolist() == [28709, 3589, 3589]
    assert fer2013.counts().loc["disgust"].tolist() == [436, 56, 55]
    assert (np.diff(fer2013.row) == 1).all()
    assert (np.diff(np.searchsorted([0, 28709, 32298], fer2013.row, side="right")) >= 0).all()
