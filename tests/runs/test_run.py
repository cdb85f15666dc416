"""A recorded run: its time, its hardware, its recorded scores."""

import dataclasses

import pandas as pd
import pytest

from emotion_detection.evaluation import metrics
from emotion_detection.runs import store


def test_recorded_scores_are_those_of_the_recorded_predictions():
    for name in store.recorded():
        run = store.load_run(name)
        looked_once = {split: each for split, each in run.predictions.items() if not split.endswith(store.VIEWS)}
        assert set(run.info["metrics"]) == set(looked_once)
        for split, predictions in looked_once.items():
            assert run.info["metrics"][split]["accuracy"] == pytest.approx(metrics.accuracy(predictions), abs=1e-9)
        accuracy = metrics.accuracy(run.predictions[_validated_on(run.info["recipe"])])
        within = 1e-3 if run.info["recipe"].get("folds") else 1e-4  # a mean over folds, which differ a little in size
        if "history_is_of" in run.info:  # other weights of the same training
            within = 1e-2 if "start_share" in run.info["recipe"] else 2e-3
        assert run.history["val_accuracy"].iloc[-1] == pytest.approx(accuracy, abs=within)


def _validated_on(recipe: dict) -> str:
    """The part of a record that the validation columns of its history are about."""
    if recipe.get("pool_all_splits_as_published") or recipe.get("val_is_train_as_published"):
        return "Training"
    if recipe.get("folds"):
        return "Folds"
    return "Unseen" if recipe.get("augment_before_split_as_published") else "PublicTest"


def test_minutes_leave_out_standstills_and_count_what_came_before_the_first_epoch():
    run = store.load_run("tl_top")
    history = pd.DataFrame({"seconds": [60.0, 1260.0, 60.0]})
    changed = dataclasses.replace(run, history=history, info=run.info | {"wall_time_s": 1410.0})
    assert changed.minutes == pytest.approx((30 + 3 * 60) / 60)


def test_threads_are_named_where_they_are_fewer_than_the_cores():
    half, whole = store.load_run("late_base"), store.load_run("tl_whole")
    assert half.hardware == "1 of 2 cores (Linux x86_64)"
    assert half.core_minutes == pytest.approx(half.minutes / 2)
    assert whole.hardware == "2 cores (Linux x86_64)"
    assert whole.core_minutes == pytest.approx(whole.minutes)
