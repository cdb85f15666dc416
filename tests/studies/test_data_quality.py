"""Tables of what FER2013 hides: they are the recorded counts, and worth is measured on the right faces."""

import numpy as np
import pandas as pd
import pytest

from emotion_detection.data import summaries
from emotion_detection.runs import store
from emotion_detection.studies import data_quality


def test_leaks_are_the_recorded_shares():
    table = data_quality.leaks()
    twins = summaries.load_twins()
    assert table.loc["PrivateTest", "pixel-identical"] == pytest.approx(
        len(twins["PrivateTest_identical"]) / 3589, abs=1e-6
    )
    assert (table["near"] >= table["pixel-identical"]).all()
    assert table.index[-1] == "random 80/20 split"


def test_the_worth_of_a_leak_is_told_from_the_faces_with_and_without_a_twin():
    label = np.zeros(10, np.int8)
    logits = np.eye(7, dtype=np.float32)[[0, 0, 1, 1, 1, 1, 1, 1, 0, 0]]
    found = store.Predictions("PrivateTest", np.arange(10, dtype=np.int32), label, logits)
    info = {"seed": 0, "recipe": {"name": "tl_top", "display_name": "TL top"}}
    run = store.Run("tl_top-s0", info, pd.DataFrame(), {"PrivateTest": found})
    worth = data_quality.leak_worth([run], {"PrivateTest_identical": np.array([0, 1], np.int32)})
    assert worth["shares"].loc["TL top"].to_dict() == pytest.approx(
        {"with a twin in Training": 1.0, "all": 0.4, "without": 0.25}
    )
    assert (worth["low"] <= worth["shares"]).all(axis=None) and (worth["shares"] <= worth["high"]).all(axis=None)


def test_votes_and_agreement_are_shares_per_emotion():
    votes = data_quality.mean_votes("Training")
    np.testing.assert_allclose(votes.sum(axis=1), 1, atol=1e-3)
    agreement = data_quality.agreement()
    assert ((agreement > 0) & (agreement < 1)).all(axis=None)
    overall = data_quality.overall_agreement("PrivateTest")
    assert agreement["PrivateTest"].min() < overall < agreement["PrivateTest"].max()


def test_the_table_of_labels_holds_every_strict_majority():
    table = data_quality.label_confusion("PrivateTest").drop(columns="FER2013")
    total = table.map(lambda text: int(text.replace(",", ""))).to_numpy().sum()
    assert total == summaries.load_agreement()["PrivateTest"]["n_strict"]


def test_duplicates_are_told_in_groups_and_faces():
    table = data_quality.duplicates_table().set_index("What")
    groups = summaries.load_quality()["groups_with_conflicting_labels"]
    assert table.loc["… with different labels"].tolist() == [str(groups["groups"]), str(groups["rows"])]
