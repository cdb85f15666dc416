"""What several processes bought: the page says what the record says."""

import json

import pytest

from emotion_detection.errors import DataError
from emotion_detection.reporting import scaling


def made_up() -> dict:
    rounds = [
        {"plain": {"total_s": 40.0, "epoch_s": [6.0, 6.0]}, "ray": {"total_s": 32.0, "epoch_s": [7.0, 8.0]}},
        {"plain": {"total_s": 44.0, "epoch_s": [5.0, 7.0]}, "ray": {"total_s": 40.0, "epoch_s": [6.0, 5.0]}},
    ]
    return {
        "measured": "2026-01-02",
        "hardware": {"cores": 2, "system": "Linux x86_64", "memory_gb": 8},
        "packages": {"ray": "1.2.3"},
        "workers": 2,
        "trainings": {"jobs": 2, "epochs": 2, "faces": 256, "rounds": rounds},
        "pictures": {"count": 120, "rounds": [{"plain_s": 12.0, "ray_s": 8.0}, {"plain_s": 12.0, "ray_s": 10.0}]},
    }


def test_the_page_says_what_the_record_says():
    assert scaling.page_path().read_text(encoding="utf-8") == scaling.page(), "run: python -m emotion_detection report"


def test_ratios_compare_the_sum_of_one_after_another_with_the_longest_side_by_side():
    found = scaling.ratios(made_up())
    assert found["epochs"] == [12 / 8, 12 / 6]
    assert found["total"] == [40 / 32, 44 / 40]
    assert found["pictures"] == [12 / 8, 12 / 10]


def test_the_block_holds_medians_with_their_range(isolated):
    scaling.path().parent.mkdir(parents=True)
    assert "Not measured yet" in scaling.block()
    scaling.path().write_text(json.dumps(made_up()))
    text = scaling.block()
    assert "| 1.75 times (1.50–2.00) |" in text
    assert "| 120 pictures, workers started before | 1.35 times (1.20–1.50) |" in text
    assert "About 22 s of" in text  # the median of 32 − 2·8 and 40 − 2·6


def test_a_page_without_markers_is_told(isolated):
    scaling.page_path().parent.mkdir()
    scaling.page_path().write_text("Nothing.")
    with pytest.raises(DataError, match="has no '<!-- scaling:begin -->'"):
        scaling.page()
