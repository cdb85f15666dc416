"""Reading JSON and arrays: what is missing, damaged or made to do harm is named, with what to do."""

import io
import os
import zipfile

import numpy as np
import pytest

from emotion_detection import files, locks, paths
from emotion_detection.errors import DataError, MissingFileError, without_secrets


def test_a_record_is_read_with_or_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.json"
    for mark in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(mark + '{"n": 1, "name": "Zoë"}'.encode())
        assert files.read_json(path, remake="make a", keys=("n",)) == {"n": 1, "name": "Zoë"}


def test_a_missing_record_says_how_to_get_it(isolated):
    with pytest.raises(MissingFileError, match=r"results/a\.json is missing\. Restore it \(git .*: make a$"):
        files.read_json(paths.results_dir() / "a.json", remake="make a")
    with pytest.raises(MissingFileError, match=r"a\.json is missing\. Restore it or make it again: make a$"):
        files.read_json(isolated / "a.json", remake="make a")


DAMAGED = {
    "a brace": b"{",
    "no UTF-8": b"\xff",
    "UTF-16": '{"n": 1}'.encode("utf-16"),
    "a list": b"[1]",
    "another key": b'{"m": 1}',
    "text for a number": b'{"n": "1"}',
    "true for a number": b'{"n": true}',
    "no number": b'{"n": NaN}',
    "infinity": b'{"n": -Infinity}',
    "infinity, in digits": b'{"n": 1e999}',
    "4,300 digits": b'{"n": ' + b"9" * 4300 + b"}",
    "5,000 digits": b'{"n": ' + b"9" * 5000 + b"}",
    "nested": b'{"n": 1, "m": ' + b"[" * 60 + b"]" * 60 + b"}",
    "nested past Python's bound": b"[" * 100_000,
    "nothing": b"",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_record_says_where_and_what_to_do(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.json is damaged: .*make a$"):
        files.read_json(path, remake="make a", keys=("n",), schema={"properties": {"n": {"type": "number"}}})


def test_a_large_record_a_pipe_and_a_folder_are_refused_before_they_are_read(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text('{"n": 1}')
    monkeypatch.setattr(files, "LARGEST_JSON", 7)
    with pytest.raises(DataError, match="has 8 bytes, at most 7"):
        files.read_json(path)
    os.mkfifo(tmp_path / "pipe.json")
    for other in (tmp_path / "pipe.json", tmp_path):
        with pytest.raises(DataError, match="a pipe or a device"):
            files.read_json(other)


EXPECTED = {"row": ("i", (None,)), "share": ("f", (None, 2))}


def save(path, **changed):
    arrays = {"row": np.arange(3), "share": np.ones((3, 2), np.float32)} | changed
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_arrays_are_read_and_others_left(tmp_path):
    arrays = files.read_arrays(save(tmp_path / "a.npz", other=np.ones(4)), expected=EXPECTED)
    assert list(arrays) == ["row", "share"]
    assert arrays["row"].tolist() == [0, 1, 2]
    np.save(tmp_path / "a.npy", np.eye(2))
    for mapped in (False, True):
        found = files.read_arrays(tmp_path / "a.npy", expected={"eye": ("f", (2, 2))}, mapped=mapped)["eye"]
        assert found.tolist() == np.eye(2).tolist()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"row": None}, "it lacks row"),
        ({"row": np.ones(3)}, "row is float64"),
        ({"row": np.array(["a"])}, "row is <U1"),
        ({"row": np.array([None])}, "it cannot be read"),
        ({"share": np.ones((3, 3))}, r"share is float64 \(3, 3\)"),
        ({"share": np.full((3, 2), np.inf)}, "share holds numbers that are not finite"),
    ],
)
def test_arrays_of_another_kind_or_shape_are_refused(tmp_path, changed, said):
    with pytest.raises(DataError, match=f"is damaged: {said}"):
        files.read_arrays(save(tmp_path / "a.npz", **changed), expected=EXPECTED)


def test_any_flipped_byte_of_arrays_is_noticed_or_harmless(tmp_path):
    content, path = save(tmp_path / "whole.npz").read_bytes(), tmp_path / "a.npz"
    whole = files.read_arrays(tmp_path / "whole.npz", expected=EXPECTED)
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :])
        try:
            arrays = files.read_arrays(path, expected=EXPECTED)
        except DataError:
            continue
        assert all(np.array_equal(arrays[name], whole[name]) for name in EXPECTED)


def test_arrays_that_unpack_without_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_ARRAYS", 1000)
    header = io.BytesIO()
    np.save(header, np.zeros(0))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("row.npy", header.getvalue() + bytes(10**6))
    with pytest.raises(DataError, match="unpacks to 1,000,128 bytes"):
        files.read_arrays(tmp_path / "a.npz", expected={"row": ("f", (None,))})


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("rtsp://user:secret@host/s", "rtsp://***@host/s"),
        ("rtsp://user:se/c@ret@host:554/s", "rtsp://***@host:554/s"),
        ("http://host/video?user=admin&pwd=secret", "http://host/video?***"),
        ("rtsp://user:se cret@host/s", "rtsp://***@host/s"),
        ("rtsp://host/s", "rtsp://host/s"),
    ],
)
def test_secrets_in_addresses_are_masked(place, shown):
    assert paths.displayed(place) == shown
    assert without_secrets(f"[Errno 5] '{place.replace(' ', '%20')}': no") == f"[Errno 5] '{shown}': no"


def test_a_path_is_shown_from_the_project_on(isolated):
    assert paths.displayed(isolated / "data" / "a@b.json") == "data/a@b.json"
    assert paths.displayed("/no/such: a@b.json") == "/no/such: a@b.json"


def test_a_record_keeps_rounded_numbers_and_no_nan():
    value = {"share": np.float32(0.123456), "n": 3, "holds": True, "rows": [0.00004, float("nan"), "text"]}
    assert files.rounded(value) == {"share": 0.1235, "n": 3, "holds": True, "rows": [0.0, None, "text"]}
    assert files.rounded(0.1234567, decimals=6) == 0.123457


def test_secrets_are_masked_where_an_address_does_not_say_its_kind():
    assert without_secrets("user:secret@host/x.mp4 was not found") == "***@host/x.mp4 was not found"
    assert without_secrets("write to me@host: 10:30") == "write to me@host: 10:30"


def test_a_file_where_a_folder_is_meant_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"a picture")
    for folder in (tmp_path / "a.jpg", tmp_path / "a.jpg" / "b"):
        with pytest.raises(DataError, match=r"a\.jpg.* cannot be written to: a file has its name"):
            locks.make_folder(folder)
