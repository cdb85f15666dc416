"""The audit: figures worked by hand, and records that say what they are."""

import numpy as np
import pandas as pd
import pytest

from emotion_detection.data import summaries
from emotion_detection.runs import store
from emotion_detection.studies import published_result
from emotion_detection.training import catalog, recipe, splits

N = 70


def predictions(split: str, *, right: float, seed: int = 0) -> store.Predictions:
    """`N` faces, ten of each emotion, of which the first `right` of each emotion are answered right."""
    label = np.repeat(np.arange(7, dtype=np.int8), 10)
    answer = np.where(np.tile(np.arange(10), 7) < 10 * right, label, (label + 1) % 7)
    logits = 5 * np.eye(7, dtype=np.float32)[answer] + np.random.default_rng(seed).random((N, 7), np.float32)
    return store.Predictions(split, np.arange(N, dtype=np.int32), label, logits)


def run_of(name: str, *, history: dict | None = None, **right: float) -> store.Run:
    """A run of a recipe of ours, not trained: its predictions are right as often as said."""
    recipe = catalog.get_recipe(name)
    info = {
        "run": f"{name}-s0",
        "recipe": recipe.settings() | {"display_name": recipe.display_name},
        "seed": 0,
        "data": {"name": "drawn sample", "counts": {"Training": N}},
        "wall_time_s": 60.0,
    }
    found = {split: predictions(split, right=share) for split, share in right.items()}
    return store.Run(f"{name}-s0", info, pd.DataFrame(history or {}), found)


@pytest.fixture
def replay():
    return run_of("published_whole", history={"epoch": [1]}, Training=1.0, Unseen=0.6)


@pytest.fixture
def honest():
    history = {"epoch": [1, 2, 3], "val_accuracy": [0.5, 0.6, 0.55], "private_accuracy_for_audit": [0.4, 0.5, 0.7]}
    return run_of("honest_whole", history=history, PublicTest=0.6, PrivateTest=0.5)


def test_the_published_matrix_is_about_the_training_slice_and_gives_the_published_figure():
    claim = published_result.published()
    assert claim["n"] == int(summaries.load_counts().to_numpy().sum() * splits.LEARNED_SHARE) == 28709
    assert claim["accuracy"] == pytest.approx(catalog.PUBLISHED_ACCURACY, abs=1e-6)
    assert (claim["f1"].min(), claim["f1"].max()) == pytest.approx((0.954, 0.986), abs=5e-4)


def test_the_replayed_f1_stands_beside_the_published_one(replay):
    table = published_result.f1_beside_published(replay)
    assert list(table.index) == ["Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"]
    assert table["replay, rows learned from"].tolist() == [1.0] * 7
    assert table["replay, rows never seen"].tolist() == pytest.approx([0.6] * 7)


def test_what_choosing_on_private_test_buys_is_the_difference_of_two_epochs(honest):
    chosen = published_result.epoch_choice(honest)
    assert chosen["epoch"].to_dict() == {"PrivateTest": 3, "PublicTest": 2, "last epoch": 3}
    assert chosen["accuracy_privatetest"].tolist() == [0.7, 0.5, 0.7]


def test_scores_stand_beside_the_protocol_that_they_were_made_under(replay, honest):
    table = published_result.scores(replay, honest)
    pooled = "all splits pooled, validated on its training rows"
    assert table["protocol"].tolist() == [pooled, pooled, "official split, PrivateTest watched"]
    assert table["accuracy"].tolist() == pytest.approx([1.0, 0.6, 0.5])
    assert table["n"].tolist() == [N, N, N]
    assert (table["accuracy_low"] <= table["accuracy"]).all() and (table["accuracy"] <= table["accuracy_high"]).all()


def test_each_mistake_is_worth_the_difference_of_two_runs():
    found = {
        "augmented_before_split": run_of("augmented_before_split", Unseen=0.9, PublicTest=0.5),
        "tl_100": run_of("tl_100", PublicTest=0.8),
        "tl_100_unit": run_of("tl_100_unit", PublicTest=0.7),
        "tl_100_48": run_of("tl_100_48", PublicTest=0.6),
        "tl_100_48_unit": run_of("tl_100_48_unit", PublicTest=0.6),
    }
    table = published_result.mistakes(found)
    assert table["difference"].tolist() == pytest.approx([0.4, -0.1, 0.0, -0.2])
    assert table["difference_low"].isna().tolist() == [True, False, False, False]
    assert (table["accuracy_with"] - table["accuracy_without"]).tolist() == pytest.approx(table["difference"].tolist())


@pytest.fixture
def gap():
    ends = {
        "published_top": (0.40, 0.45),
        "gap_top_batch": (0.50, 0.49),
        "gap_top_kept": (0.50, 0.46),
        "published_100": (0.70, 0.60),
        "gap_100_momentum": (0.70, 0.72),
        "gap_100_batch": (0.75, 0.65),
        "gap_100_both": (0.75, 0.74),
        "gap_100_kept": (0.75, 0.40),
    }
    runs_ = {
        name: run_of(name, history={"accuracy": [0.1, one], "val_accuracy": [0.1, other]})
        for name, (one, other) in ends.items()
    }
    return published_result.gaps(runs_)


def test_the_gap_is_between_learning_and_inference_after_the_last_epoch(gap):
    assert gap["run"].tolist()[:2] == ["TL top, as published there", "TL top, replayed"]
    found = gap.set_index("run")
    assert found.loc["TL 100, as published there", "difference"] == pytest.approx(0.345)
    assert found.loc["TL 100, replayed", "difference"] == pytest.approx(0.10)
    assert found.loc["TL top, replayed", "difference"] == pytest.approx(-0.05)
    assert found.loc["TL 100, momentum 0.9", "momentum"] == 0.9
    assert found["frozen_batch_norm"].nunique() == 3


def test_every_gap_run_is_one_of_the_audit_and_differs_in_batch_norm_alone():
    for replay, *switched in published_result.GAP_RUNS.values():
        plain = catalog.get_recipe(replay).settings()
        for name in switched:
            other = catalog.get_recipe(name).settings()
            changed = {key for key in plain if plain[key] != other[key]} - {"name"}
            assert changed and changed <= {"batch_norm_momentum", "frozen_batch_norm"}


# What is recorded


def test_every_recorded_run_says_the_protocol_of_its_settings_and_of_its_recipe_today():
    for name in store.recorded():
        info = store.load_run(name).info
        settings = recipe.from_settings(info["recipe"]).settings()
        assert info.get("protocol", "official split") == splits.describe(settings), name
        if info["recipe"]["name"] in catalog.RECIPES:
            now = catalog.get_recipe(info["recipe"]["name"]).settings()
            assert settings == now, f"{name} was trained with other settings than its recipe has now"


def test_the_record_keeps_apart_what_its_protocol_keeps_apart():
    for name in store.recorded():
        run = store.load_run(name)
        rows = {split: each.row for split, each in run.predictions.items()}
        if "Unseen" in rows and "Training" in rows:
            assert not np.intersect1d(rows["Unseen"], rows["Training"]).size
        if "PrivateTest" in rows:
            assert splits.describe(run.info["recipe"]) in ("official split", "official split, PrivateTest watched")
