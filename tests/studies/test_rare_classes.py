"""What helps the rare emotions: arms are compared on the same faces, and "no difference found" is said."""

import numpy as np
import pandas as pd
import pytest

from emotion_detection import plots
from emotion_detection.emotions import EMOTIONS
from emotion_detection.plots import saving
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


def official() -> list[store.Run]:
    """The plain run and one with oversampling on the official split, with the same answers."""
    return [
        run_in_folds(name, right={"others": 0.6}, split="PrivateTest") for name in ("tl_100_48", "tl_100_48_repeated")
    ]


@pytest.fixture
def plain():
    return run_in_folds("rare_plain", right={"others": 0.6, "disgust": 0.3})


@pytest.fixture
def arms():
    better = run_in_folds("rare_sensible", right={"others": 0.65, "disgust": 0.7, "happy": 0.6})
    return [better, run_in_folds("rare_weights", right={"others": 0.5, "disgust": 0.3})]


def test_the_arm_with_the_best_rare_emotions_is_chosen_where_its_gain_is_beyond_chance(arms, plain):
    assert rare_classes.best_arm(arms) is arms[0]
    assert rare_classes.chosen_arm(arms, plain) is arms[0]
    assert "**sensible copies** (the highest F1" in rare_classes.findings(arms[0], arms, plain, official())


def test_without_a_gain_beyond_chance_the_plain_arm_is_chosen(arms, plain):
    chosen = rare_classes.chosen_arm(arms[1:], plain)
    assert chosen is plain
    text = rare_classes.findings(chosen, arms[1:], plain, official())
    assert text.startswith("Chosen by the folds: **nothing** (no arm")
    assert "on PrivateTest TL 100, 48 px, oversampled: macro-F1 +0.0 (+0.0 to +0.0) points" in text
    assert "class weights: macro-F1 −" in text and "a difference beyond chance" in text


def test_equal_arms_show_no_difference(plain):
    same = run_in_folds("rare_repeated", right={"others": 0.6, "disgust": 0.3})
    assert rare_classes.verdict([same], plain).count("no difference found for any arm") == 2
    assert "oversampled: macro-F1 +0.0 (+0.0 to +0.0) points, no difference found" in rare_classes.findings(
        plain, [same], plain, official()
    )
    assert "**oversampled**: no other emotion changes" in rare_classes.costs([same], plain)


def test_costs_are_those_of_the_other_emotions_beyond_chance(arms, plain):
    text = rare_classes.costs(arms[1:], plain)
    assert "Angry −" in text and "Disgust" not in text and "Surprise" not in text


def test_a_difference_beyond_chance_is_told_with_its_interval(arms, plain):
    assert "**Disgust**: sensible copies +" in rare_classes.verdict(arms, plain)


def test_moved_confusions_are_counted_in_faces(arms, plain):
    table = rare_classes.moved_confusions(arms[0], plain, largest=2)
    assert table.iloc[0].tolist() == ["Neutral", "Angry", "200", "175", "-25"]
    assert table["Change"].map(int).abs().is_monotonic_decreasing
    disgust = rare_classes.moved_confusions(arms[0], plain, largest=20).query(
        "Label == 'Disgust' and Answer == 'Disgust'"
    )
    assert disgust["Change"].item() == "+24"


def test_the_official_runs_are_those_of_the_plain_and_the_best_arm(arms, plain):
    names = rare_classes.official_recipes(arms[0], plain)
    assert names == ["tl_100_48", "tl_100_48_sensible"]
    assert all(name in catalog.RECIPES for name in names)


def test_f1_on_private_test_stands_beside_its_paired_difference():
    first = run_in_folds("tl_100_48", right={"others": 0.6}, split="PrivateTest")
    second = run_in_folds("tl_100_48_sensible", right={"others": 0.6, "disgust": 0.9}, split="PrivateTest")
    table = rare_classes.official_f1(first, second)
    assert table["Emotion"].tolist()[-1] == "all (macro)"
    assert table.loc[table["Emotion"] == "Disgust", "Points (95 % interval)"].item().startswith("+")
    assert table.loc[table["Emotion"] == "Happy", "Points (95 % interval)"].item() == "+0.0 (+0.0 to +0.0)"


def test_what_twins_do_to_disgust_is_told_from_the_records(plain):
    first, second = official()
    disgust = np.flatnonzero(LABEL == 1)
    text = rare_classes.official_words(first, second, plain, {"PrivateTest_identical": disgust[:30]})
    assert text.startswith("On PrivateTest macro-F1 differs by +0.0 (+0.0 to +0.0) points: no difference found.")
    assert "60 Disgust faces, 30 of them with an identical twin" in text
    n_right, n_left, n_angry_taken_for_disgust = 6, 30, 160
    f1 = 2 * n_right / (n_left + n_right + n_angry_taken_for_disgust)
    assert f"**{f1:.2f}** without those" in text
    assert rare_classes.official_words(first, second, plain, None).endswith("no difference found.")


def test_the_plot_of_differences_holds_every_arm(arms, plain):
    _, axes = saving.new_axes(3)
    values = plots.difference_plot(rare_classes.differences(arms, plain), axes, title="t")
    assert list(values) == ["sensible copies", "class weights"]
    assert list(values["class weights"].index) == [*EMOTIONS, "macro"]
