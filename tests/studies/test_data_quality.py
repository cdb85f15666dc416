"""Tables of what FER2013 hides: they are the recorded counts, and worth is measured on the right faces."""

import numpy as np
import pandas as pd
import pytest

from emotion_detection.data import summaries
from emotion_detection.runs import store
from emotion_detection.studies import data_quality


def a_run(data_name: str) -> store.Run:
    """Ten PrivateTest faces of class 0; the network is right on the first two and the last two."""
    logits = np.eye(7, dtype=np.float32)[[0, 0, 1, 1, 1, 1, 1, 1, 0, 0]]
    found = store.Predictions("PrivateTest", np.arange(10, dtype=np.int32), np.zeros(10, np.int8), logits)
    info = {"seed": 0, "recipe": {"name": "tl_top", "display_name": "TL top"}, "data": {"name": data_name}}
    return store.Run("tl_top-s0", info, pd.DataFrame(), {"PrivateTest": found})


def test_duplicates_are_counted_in_groups_and_faces():
    table = data_quality.duplicates().set_index("what")
    groups = summaries.load_quality()["groups_with_conflicting_labels"]
    assert table.loc["… with different labels"].tolist() == [groups["groups"], groups["rows"]]
    assert table["groups"].isna().sum() == table["faces"].isna().sum() == 1


def test_leaks_are_the_recorded_shares():
    table = data_quality.leaks().set_index("test_faces")
    twins = summaries.load_twins()
    expected = len(twins["PrivateTest_identical"]) / 3589
    assert table.loc["PrivateTest", "share_identical"] == pytest.approx(expected, abs=1e-6)
    assert (table["share_near"] >= table["share_identical"]).all()
    assert table["n"].tolist() == [3589, 3589, 7177]


def test_the_worth_of_a_leak_is_measured_on_the_faces_with_and_without_a_twin(monkeypatch):
    monkeypatch.setattr(summaries, "load_twins", lambda: {"PrivateTest_identical": np.array([0, 1], np.int32)})
    worth = data_quality.leak_worth([a_run("FER2013")]).set_index("faces")
    assert worth["accuracy"].to_dict() == pytest.approx({"with a twin in Training": 1.0, "all": 0.4, "without": 0.25})
    assert worth["n"].tolist() == [2, 10, 8]
    assert (worth["accuracy_low"] <= worth["accuracy"]).all() and (worth["accuracy"] <= worth["accuracy_high"]).all()


def test_drawn_faces_have_no_twins():
    assert data_quality.leak_worth([a_run("drawn sample")])["faces"].tolist() == ["all"]


def test_the_table_of_labels_holds_every_strict_majority():
    recorded = summaries.load_agreement()["PrivateTest"]
    counts = data_quality.ferplus_labels("PrivateTest")
    assert counts.to_numpy().sum() == recorded["n_strict"]
    assert np.trace(counts.to_numpy()) == recorded["agree"]
