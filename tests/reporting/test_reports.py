"""Documents and figures say what the records say."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from emotion_detection import paths
from emotion_detection.data import summaries
from emotion_detection.errors import DataError
from emotion_detection.evaluation import metrics, mistakes
from emotion_detection.plots import saving
from emotion_detection.reporting import model_card, reports
from emotion_detection.runs import registry, store
from emotion_detection.studies import robustness
from emotion_detection.training import catalog, splits


def figure_values(name: str) -> dict:
    return json.loads((paths.project_root() / "figures" / f"{name}.json").read_text(encoding="utf-8"))


def document(name: str) -> str:
    """A document as one line, so that sentences are found whatever their line breaks."""
    return " ".join((paths.project_root() / name).read_text(encoding="utf-8").split())


def test_readme_and_model_card_hold_the_recorded_figures():
    for path, text in reports.rendered().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: run `make notebooks`"


def test_the_shipped_network_is_the_recorded_one():
    assert registry.is_shipped(store.load_run(registry.read_card()["run"]))


def test_a_card_is_not_written_for_a_network_that_is_not_shipped(monkeypatch):
    monkeypatch.setattr(registry, "read_card", lambda: {"run": "tl_whole-s0", "finished": "earlier"})
    with pytest.raises(DataError, match="ship tl_whole-s0"):
        model_card.page()


def test_a_readme_without_markers_is_an_error_that_says_what_to_do():
    with pytest.raises(DataError, match="results:begin"):
        reports.update_readme("# Title\n")


def test_prose_on_the_data_set_holds_the_recorded_counts():
    quality, ferplus = summaries.load_quality(), summaries.load_agreement()
    leaks = {(line["split"], line["twin"]): line["share"] for line in quality["leaks"]}
    private, public = (leaks[split, "identical"] for split in ("PrivateTest", "PublicTest"))
    assert f"({100 * private:.1f} % of PrivateTest)" in document("README.md")
    text = document("data/README.md")
    assert f"{100 * private:.1f} % of PrivateTest and {100 * public:.1f} % of PublicTest" in text
    assert f"{quality['groups_with_conflicting_labels']['groups']} groups of identical pictures" in text
    groups = quality["groups_with_conflicting_labels"]
    assert f"{groups['groups']} groups of identical pictures ({groups['rows']} faces)" in text
    assert f"{quality['constant_pictures']} pictures are constant" in text
    rest = quality["without_unverified_rows"]
    shares, groups = rest["share_with_identical_twin"], rest["groups_with_conflicting_labels"]
    percents = f"{100 * shares['PrivateTest']:.1f} %, {100 * shares['PublicTest']:.1f} %"
    assert f"{percents}, {groups['groups']} groups ({groups['rows']} faces)" in text
    assert rest["constant_pictures"] == 0 and "no constant picture" in text
    majority = ferplus["PrivateTest"]
    assert (
        f"{majority['n_strict']:,} faces of PrivateTest have a strict majority and {majority['n_plurality']:,}" in text
    )


def test_figures_show_the_recorded_scores():
    found = [store.load_run(name) for name in reports.evaluated_runs()]
    f1, curves = figure_values("05_f1_by_emotion")["f1"], figure_values("03_learning_curves")
    for run in found:
        name = metrics.display_name(run)
        table = metrics.f1_with_intervals(run.predictions["PrivateTest"])
        assert f1[name]["f1"] == saving.plain(table["f1"])
        assert f1[name]["f1_low"] == saving.plain(table["f1_low"])
        if store.split_name(run.name)[0] in catalog.REGIMES:
            assert curves[name]["val_accuracy"] == saving.plain(run.history["val_accuracy"])
    counts = metrics.confusion(found[-1].predictions["PrivateTest"])
    assert figure_values("05_confusion_matrix")["counts"] == counts.tolist()


def test_what_notebook_05_adds_is_what_the_records_say():
    table = mistakes.shipped_by_agreement(split="PrivateTest")
    shown = figure_values("05_errors_by_agreement")
    assert shown["n"] == table["n"].tolist()
    assert shown["accuracy"] == saving.plain(table["accuracy"])
    best = store.load_run(reports.evaluated_runs()[-1])
    coverage = reports.coverage_tables([best], split="PrivateTest")[metrics.display_name(best)]
    chosen = figure_values("05_coverage")["chosen"]
    line = coverage[np.isclose(coverage["threshold"], reports.not_sure_below(best))].iloc[0]
    assert chosen["accuracy"] == pytest.approx(line["accuracy"], abs=1e-5)
    assert chosen["coverage"] == pytest.approx(line["coverage"], abs=1e-5)
    spoiled = robustness.table(robustness.load())
    assert figure_values("05_robustness")["rows"]["accuracy"] == saving.plain(spoiled["accuracy"])


def test_the_shipped_run_is_evaluated_beside_the_regimes(monkeypatch):
    regimes = [f"{name}-s0" for name in catalog.REGIMES]
    monkeypatch.setattr(registry, "read_card", lambda: {"run": "better-s1"})
    assert reports.evaluated_runs() == [*regimes, "better-s1"]
    assert reports.evaluated_runs(fast=True) == regimes
    monkeypatch.setattr(registry, "read_card", lambda: {"run": regimes[-1]})
    assert reports.evaluated_runs() == regimes


def test_the_model_card_holds_both_labels_all_formats_and_what_it_must_not_be_used_for():
    card, shipped = document("data/models/emotion_mobilenetv2.md"), registry.read_card()
    for form, suffix in registry.SUFFIXES.items():
        assert f"`{registry.SHIPPED}{suffix}`" in card
        accuracy = shipped["formats"][form]["PrivateTest"]["accuracy"]
        assert f"| {form} | PrivateTest | 3,589 | {100 * accuracy:.2f} % |" in card
    run = store.load_run(shipped["run"])
    for counts in (run.info["ferplus"]["PrivateTest"], run.info["ferplus"]["PrivateTest"]["deduplicated"]):
        assert f"{100 * counts['accuracy']:.1f} % (" in card and f"{counts['n']:,}" in card
    assert "at work or in schools is banned" in card and "An expression is not a feeling" in card


def test_recorded_scores_are_those_of_the_recorded_predictions():
    for name in store.recorded():
        run = store.load_run(name)
        looked_once = {split: each for split, each in run.predictions.items() if not split.endswith(store.VIEWS)}
        assert set(run.info["metrics"]) == set(looked_once)
        for split, predictions in looked_once.items():
            assert run.info["metrics"][split]["accuracy"] == pytest.approx(metrics.accuracy(predictions), abs=1e-9)
        accuracy = metrics.accuracy(run.predictions[splits.validated_on(run.info["recipe"])])
        within = 1e-3 if run.info["recipe"].get("folds") else 1e-4  # a mean over folds, which differ a little in size
        assert run.history["val_accuracy"].iloc[-1] == pytest.approx(accuracy, abs=within)


def test_training_counts_the_runs_that_a_network_went_through_before():
    names = ("published_top", "published_100", "published_whole")
    found = [store.load_run(name) for name in names]
    assert [run.name for run in store.with_earlier(found[-1])] == [f"{name}-s0" for name in names]
    assert reports.training_minutes(found[-1]) == sum(run.minutes for run in found)
    assert reports.training_minutes(found[0]) == found[0].minutes


def test_the_results_tell_with_which_command_and_in_what_time_the_shipped_network_is_trained_again():
    recipe = registry.read_card()["recipe"]
    waiting = [name for name in store.recorded() if store.split_name(name)[0] == recipe]
    needed = {}
    while waiting:
        run = needed[name] = store.load_run(name := waiting.pop())
        waiting += [
            each.name for each in (*store.with_earlier(run), *store.teachers_of(run)) if each.name not in needed
        ]
    on_cores = [run for run in needed.values() if reports.accelerator_of(run) is None]
    hours = sum(map(reports.core_minutes, on_cores)) / 60
    minutes = sum(run.minutes for run in needed.values() if reports.accelerator_of(run) == "NVIDIA H200")
    assert f"sweep {recipe} --seeds " in reports.again_told()
    on_accelerator = f"{minutes:.0f} minutes on one NVIDIA H200 with `KERAS_BACKEND=jax`"
    assert f"(about {hours:.0f} hours on 2 cores and {on_accelerator})" in reports.again_told()
    slower = store.load_run("best_two_cores")
    accuracy = 100 * metrics.accuracy(slower.predictions["PrivateTest"])
    assert f"in {slower.minutes:.0f} minutes on 1 of 2 cores" in reports.again_told()
    assert reports.again_told().endswith(f"its one seed is right on {accuracy:.1f} % of PrivateTest.")


def test_the_results_tell_how_far_seeds_of_a_recipe_lie_apart():
    accuracies = [store.load_run(f"tl_whole-s{seed}").info["metrics"]["PublicTest"]["accuracy"] for seed in range(3)]
    low, high = (f"{100 * end:.1f} %" for end in (min(accuracies), max(accuracies)))
    assert f"3 seeds of TL whole are right on {low} to {high} of PublicTest." in reports.results_table()
    assert "of TL top" not in reports.results_table(), "trained once"


def test_teachers_time_is_told_apart_from_a_networks_own():
    taught = store.load_run("late_distilled_other")  # goes on from tl_whole-s0, taught by whole_longer-s0
    before, teacher = store.load_run("tl_whole"), store.load_run("whole_longer")
    assert [run.name for run in store.teachers_of(taught)] == [teacher.name]
    assert reports.training_minutes(taught) == pytest.approx(taught.minutes + before.minutes)
    told = reports.training_told(taught)
    assert told == (
        f"{taught.minutes + before.minutes:,.0f} minutes on 2 cores (Linux x86_64), then 1 of 2 cores (Linux x86_64), "
        f"that of its teachers {teacher.minutes:,.0f} more"
    )
    assert store.teachers_of(before) == [] and "teachers" not in reports.training_told(before)
    by_itself = dataclasses.replace(
        taught, info=taught.info | {"recipe": taught.info["recipe"] | {"teachers": ["tl_whole-s0"]}}
    )
    assert store.teachers_of(by_itself) == [], "its own beginning is counted once"


def test_minutes_leave_out_standstills_and_count_what_came_before_the_first_epoch():
    run = store.load_run("tl_top")
    history = pd.DataFrame({"seconds": [60.0, 1260.0, 60.0]})
    changed = dataclasses.replace(run, history=history, info=run.info | {"wall_time_s": 1410.0})
    assert changed.minutes == pytest.approx((30 + 3 * 60) / 60)
    assert reports.costs([changed])["total_s"].tolist() == pytest.approx([210])


def test_threads_are_told_where_they_are_fewer_than_the_cores():
    run = store.load_run("late_base")
    assert reports.hardware_of(run) == "1 of 2 cores (Linux x86_64)"
    assert reports.hardware_of(store.load_run("tl_whole")) == "2 cores (Linux x86_64)"
