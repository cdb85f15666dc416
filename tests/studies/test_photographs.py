"""Networks on a tiny drawn folder of photographs: what counts as right, what as an error, and the records."""

import numpy as np
import pytest

from emotion_detection.errors import MissingFileError
from emotion_detection.faces import detection
from emotion_detection.runs import registry
from emotion_detection.studies import baselines, photographs, robustness
from making_pictures import BLACK, SHADES, WholePicture, name_shades, write_gray


def made_record(confusion) -> dict:
    return {"confusion": np.asarray(confusion).tolist()}


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Pictures: 30 neutral (20 right, 8 angry, 2 without a face), one damaged, and 4 happy, all right; measured."""
    shades = [SHADES["neutral"]] * 20 + [SHADES["angry"]] * 8 + [BLACK] * 2
    for index, shade in enumerate(shades):
        write_gray(tmp_path / "pictures" / "neutral" / f"{index}.jpg", shade)
    for index in range(4):
        write_gray(tmp_path / "pictures" / "happy" / f"{index}.jpg", SHADES["happy"])
    (tmp_path / "pictures" / "neutral" / "damaged.jpg").write_bytes(b"no picture")
    sha256 = registry.read_card()["files"][registry.network_path().name]["sha256"]
    known = {"name": baselines.OURS["float16"], "format": "float16", "sha256": sha256}
    monkeypatch.setattr(photographs, "loaded_networks", lambda: [(name_shades, known)])
    monkeypatch.setattr(photographs, "folder", lambda: tmp_path / "records")
    photographs.record(tmp_path / "pictures", detector=WholePicture())
    return photographs.load()["shipped_float16"]


def test_a_face_that_is_not_found_counts_as_an_error(recorded):
    table = photographs.recalls(recorded)
    assert list(table.index) == ["happy", "neutral"]
    assert table["n"].to_dict() == {"happy": 4, "neutral": 30}
    assert table.loc["neutral", "recall"] == pytest.approx(20 / 30)
    assert photographs.confusion(recorded).loc["neutral", "no face"] == 2
    assert recorded["detector"] == "whole picture" and len(recorded["pictures_sha256"]) == 64


def test_a_damaged_picture_is_named_and_not_counted(recorded, caplog):
    assert recorded["n"]["neutral"] == sum(recorded["confusion"][6]) == 30
    assert [each.getMessage() for each in caplog.get_records("setup") if "damaged.jpg" in each.getMessage()]


def test_the_mean_is_over_classes_with_25_pictures_and_more(recorded):
    row = photographs.summary({"shipped_float16": recorded}).iloc[0]
    assert (row["n"], row["mean_recall"]) == (34, pytest.approx(20 / 30))
    assert row["neutral_called_angry_share"] == pytest.approx(8 / 30)
    assert row["no_face_share"] == pytest.approx(2 / 34)


def test_intervals_are_those_of_a_binomial_where_there_is_one_class():
    confusion = np.zeros((7, 8), int)
    confusion[6, [6, 0]] = 250, 150
    row = photographs.summary({"shipped_float16": made_record(confusion)}).iloc[0]
    half = 1.96 * np.sqrt(0.625 * 0.375 / 400)
    assert row["mean_recall_low"] == pytest.approx(0.625 - half, abs=0.005)
    assert row["mean_recall_high"] == pytest.approx(0.625 + half, abs=0.005)
    assert row["neutral_called_angry_share_high"] == pytest.approx(0.375 + half, abs=0.005)


def test_a_record_of_another_shipped_network_is_left_out(recorded, monkeypatch):
    card = {"run": "best-s2", "files": {registry.network_path(form).name: {"sha256": ""} for form in registry.SUFFIXES}}
    monkeypatch.setattr(registry, "read_card", lambda: card)
    with pytest.raises(MissingFileError, match="--record"):
        photographs.load()


def test_a_folder_without_emotions_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="surprise"):
        photographs.record(tmp_path)


def test_the_committed_records_are_of_the_shipped_files_and_complete():
    records = photographs.load()
    assert list(records)[:6] == list(robustness.SHIPPED)
    assert {sum(map(sum, record["confusion"])) for record in records.values()} == {1076}
    assert {record["detector"] for record in records.values()} == {detection.YuNetDetector.name}
