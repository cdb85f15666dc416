"""Answers by group on a drawn copy of the London Set: counts, intervals, and what is not recorded."""

import json

import pytest

from emotion_detection.errors import MissingFileError
from emotion_detection.studies import groups, photographs
from making_pictures import BLACK, SHADES, WholePicture, name_shades, write_gray

PEOPLE = (
    [("female", "white", 20, "happy")] * 8
    + [("female", "black", 30, "neutral")] * 2
    + [("male", "white", 40, "happy")] * 3
    + [("male", "black", "NA", "neutral")] * 6
    + [("male", "east_asian/white", 30, None)]
)
"""Gender, ethnicity, age, and what the smile is called (None: no face is found)."""


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    lines = ["face_id,face_age,face_gender,face_eth"]
    for index, (gender, ethnicity, age, called) in enumerate(PEOPLE):
        face = f"{index:03d}"
        lines.append(f"{face},{age},{gender},{ethnicity}")
        write_gray(tmp_path / "london" / "neutral_front" / f"{face}_03.jpg", SHADES["sad" if index == 0 else "neutral"])
        write_gray(tmp_path / "london" / "smiling_front" / f"{face}_08.jpg", SHADES[called] if called else BLACK)
    lines.append("999,30,male,white")  # without pictures
    (tmp_path / "london" / "london_info.csv").write_text("\n".join(lines))
    known = {"name": "mini_XCEPTION", "format": "keras", "sha256": ""}
    monkeypatch.setattr(photographs, "loaded_networks", lambda: [(name_shades, known)])
    monkeypatch.setattr(groups, "folder", lambda: tmp_path / "records")
    groups.record(tmp_path / "london", detector=WholePicture())
    return groups.load()["mini_XCEPTION"]


def test_without_groups_that_are_large_enough_there_are_no_differences():
    assert groups.differences({"groups": {"gender": {}, "age": {}}}).empty


def test_shares_are_counted_by_group_the_largest_first(recorded):
    table = groups.shares(recorded).set_index("group")
    assert list(table.index) == ["everyone", "men", "women", "White", "Black", "18 to 24"]
    assert table["n"].to_dict() == {"everyone": 20, "men": 10, "women": 10, "White": 11, "Black": 8, "18 to 24": 8}
    assert table.loc["women", "smile_recall"] == 0.8
    assert table.loc["men", "smile_recall"] == 0.3
    assert table.loc["everyone", "neutral_missed_share"] == 1 / 20
    low, high = table.loc["women", ["smile_recall_low", "smile_recall_high"]]
    assert (low, high) == (pytest.approx(0.490, abs=5e-4), pytest.approx(0.943, abs=5e-4))


def test_differences_are_from_the_largest_group_and_hold_their_interval(recorded):
    table = groups.differences(recorded).set_index("groups")
    row = table.loc["women − men"]
    assert row["smile_difference"] == pytest.approx(0.5)
    assert row["smile_difference_low"] < 0.5 < row["smile_difference_high"]
    assert table.loc["Black − White", "smile_difference"] == -1.0


def test_small_groups_and_single_people_are_not_recorded(recorded):
    text = json.dumps(recorded)
    assert "East Asian" not in text and "25 to 34" not in text and "face_id" not in text and "001" not in text
    assert recorded["answers"]["happy"] == {"happy": 11, "neutral": 8, "no face": 1}


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="figshare"):
        groups.record(tmp_path)


def test_the_committed_records_hold_102_people_and_no_small_group():
    for record in groups.load().values():
        assert record["n"] == 102
        assert min(found["n"] for each in record["groups"].values() for found in each.values()) >= groups.LEAST_PEOPLE
