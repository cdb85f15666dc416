"""Recorded measurements: what is missing or damaged is named, with what to do."""

import numpy as np
import pytest

from emotion_detection import files
from emotion_detection.errors import DataError, MissingFileError


def test_a_record_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"n": 1}', encoding="utf-8")
    assert files.read_json(path, remake="make a", keys=("n",)) == {"n": 1}


def test_a_missing_record_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingFileError, match=r"a\.json is missing\. Restore it .*: make a$"):
        files.read_json(tmp_path / "a.json", remake="make a")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "it is not valid JSON"),
        (b"\xff", "it is not valid JSON"),
        (b"[1]", "it holds list"),
        (b'{"m": 1}', "it lacks n"),
    ],
)
def test_a_damaged_record_says_where_and_what_to_do(tmp_path, content, said):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"is damaged: {said}.*make a"):
        files.read_json(path, remake="make a", keys=("n",))


def test_a_record_keeps_rounded_numbers_and_no_nan():
    value = {"share": np.float32(0.123456), "n": 3, "holds": True, "rows": [0.00004, float("nan"), "text"]}
    assert files.rounded(value) == {"share": 0.1235, "n": 3, "holds": True, "rows": [0.0, None, "text"]}
    assert files.rounded(0.1234567, decimals=6) == 0.123457
