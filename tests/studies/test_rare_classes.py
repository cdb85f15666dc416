"""What helps the rare emotions: arms are compared on the same faces, and "no difference found" is said."""

import numpy as np
import pandas as pd
import pytest

from emotion_detection.emotions import EMOTIONS
from emotion_detection.runs import store
from emotion_detection.studies import rare_classes
from emotion_detection.training import catalog

SIZES = [400, 60, 400, 700, 480, 320, 500]
LABEL = np.repeat(np.arange(7, dtype=np.int8), SIZES)


def run_in_folds(name: str, *, right: dict[str, float], split: str = "Folds") -> store.Run:
    """A run whose answers are right for the first share of each emotion's faces, the rest being called the next."""
    place = np.concatenate([np.arange(size) / size for size in SIZES])
    shares = np.array([right.get(emotion, right["others"]) for emotion in EMOTIONS])
    answer = np.where(place < shares[LABEL], LABEL, (LABEL + 1) % 7)
    logits = 4 * np.eye(7, dtype=np.float32)[answer]
    recipe = catalog.get_recipe(name)
    info = {"run": name, "seed": 0, "recipe": recipe.settings() | {"display_name": recipe.display_name}}
    found = store.Predictions(split, np.arange(len(LABEL), dtype=np.int32), LABEL, logits)
    return store.Run(f"{name}-s0", info, pd.DataFrame(), {split: found})


@pytest.fixture
def plain():
    return run_in_folds("rare_plain", right={"others": 0.6, "disgust": 0.3})


@pytest.fixture
def arms():
    better = run_in_folds("rare_sensible", right={"others": 0.65, "disgust": 0.7, "happy": 0.6})
    return [better, run_in_folds("rare_weights", right={"others": 0.5, "disgust": 0.3})]


def test_arms_are_scored_by_their_answers_in_folds(arms, plain):
    table = rare_classes.scores_by_arm([plain, *arms])
    assert list(table.index) == ["nothing", "sensible copies", "class weights"]
    assert table["n"].tolist() == [len(LABEL)] * 3
    right = np.array(SIZES) @ [0.6, 0.3, 0.6, 0.6, 0.6, 0.6, 0.6]
    assert table.loc["nothing", "accuracy"] == pytest.approx(right / len(LABEL), abs=1e-3)
    assert table["f1_disgust"].idxmax() == "sensible copies"


def test_equal_arms_show_no_difference(plain):
    same = run_in_folds("rare_repeated", right={"others": 0.6, "disgust": 0.3})
    table = rare_classes.differences([same], plain)["oversampled"]
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)


def test_a_gain_beyond_chance_has_an_interval_above_zero(arms, plain):
    table = rare_classes.differences(arms, plain)["sensible copies"]
    assert table.loc["disgust", "low"] > 0
    assert table.loc["macro", "low"] > 0
    weights = rare_classes.differences(arms, plain)["class weights"]
    assert weights.loc["angry", "high"] < 0


def test_moved_confusions_are_counted_in_faces(arms, plain):
    table = rare_classes.moved_confusions(arms[0], plain, largest=20)
    assert table.iloc[0].tolist() == ["neutral", "angry", 200, 175, -25]
    assert table["change"].abs().is_monotonic_decreasing
    disgust = table.query("label == 'disgust' and answer == 'disgust'")
    assert disgust["change"].item() == 24


def test_f1_on_private_test_stands_beside_its_paired_difference():
    first = run_in_folds("tl_100_48", right={"others": 0.6}, split="PrivateTest")
    second = run_in_folds("tl_100_48_sensible", right={"others": 0.6, "disgust": 0.9}, split="PrivateTest")
    table = rare_classes.official_f1(first, second)
    assert list(table.index) == [*EMOTIONS, "macro"]
    assert list(table) == ["f1_plain", "f1_other", "f1_difference", "f1_difference_low", "f1_difference_high"]
    assert table.loc["disgust", "f1_difference_low"] > 0
    assert table.loc["happy", "f1_difference"] == 0
    assert (table["f1_other"] - table["f1_plain"]).to_numpy() == pytest.approx(table["f1_difference"].to_numpy())


def test_the_f1_of_disgust_is_given_with_and_without_twins(plain):
    official = run_in_folds("tl_100_48", right={"others": 0.6}, split="PrivateTest")
    disgust = np.flatnonzero(LABEL == 1)
    table = rare_classes.disgust_and_twins(official, plain, {"PrivateTest_identical": disgust[:30]})
    assert table["n"].tolist() == [60, 30, 60]
    n_right, n_left, n_angry_taken_for_disgust = 6, 30, 160
    assert table["f1_disgust"].iloc[1] == pytest.approx(2 * n_right / (n_left + n_right + n_angry_taken_for_disgust))
    assert len(rare_classes.disgust_and_twins(official, plain, None)) == 2
