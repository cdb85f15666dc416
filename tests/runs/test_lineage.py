"""What a network comes from, and the minutes of all of it."""

import dataclasses

import pytest

from emotion_detection.runs import lineage, store


def test_training_counts_the_runs_that_a_network_went_through_before():
    names = ("published_top", "published_100", "published_whole")
    found = [store.load_run(name) for name in names]
    assert [run.name for run in lineage.with_earlier(found[-1])] == [f"{name}-s0" for name in names]
    assert lineage.training_minutes(found[-1]) == sum(run.minutes for run in found)
    assert lineage.training_minutes(found[0]) == found[0].minutes


def test_teachers_time_is_apart_from_a_networks_own():
    taught = store.load_run("late_distilled_other")  # goes on from tl_whole-s0, taught by whole_longer-s0
    before, teacher = store.load_run("tl_whole"), store.load_run("whole_longer")
    assert [run.name for run in lineage.teachers_of(taught)] == [teacher.name]
    assert lineage.training_minutes(taught) == pytest.approx(taught.minutes + before.minutes)
    assert lineage.teaching_minutes(taught) == pytest.approx(teacher.minutes)
    assert lineage.teachers_of(before) == [] and lineage.teaching_minutes(before) == 0
    recipe = taught.info["recipe"] | {"teachers": ["tl_whole-s0"]}
    by_itself = dataclasses.replace(taught, info=taught.info | {"recipe": recipe})
    assert lineage.teachers_of(by_itself) == [], "its own beginning is counted once"
