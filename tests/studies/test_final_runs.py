"""Final runs beside what was aimed at: each score from the record, means over seeds, what is missed said so."""

import dataclasses

import numpy as np
import pytest

from emotion_detection import plots
from emotion_detection.errors import DataError
from emotion_detection.evaluation import metrics
from emotion_detection.plots import saving
from emotion_detection.runs import registry, store
from emotion_detection.studies import final_runs
from emotion_detection.training import catalog
from emotion_detection.training import recipe as recipe_module

RUN = store.load_run(registry.read_card()["run"])


def perfect(run: store.Run, *, seed: int) -> store.Run:
    """The run as it would be with every answer right and sure."""
    own = run.predictions["PrivateTest"]
    right = dataclasses.replace(own, logits=20 * np.eye(7, dtype=np.float32)[own.label])
    ferplus = {"PrivateTest": {"n": 1, "accuracy": 1.0}}
    predictions = run.predictions | {"PrivateTest": right, f"PrivateTest{store.VIEWS}": right}
    info = run.info | {"seed": seed, "temperature": 1.0, "ferplus": ferplus}
    return dataclasses.replace(run, info=info, predictions=predictions)


def test_scores_are_those_of_the_record():
    table = final_runs.table([RUN]).set_index("PrivateTest")
    scores = metrics.scores(RUN)
    for name, key in (
        ("accuracy", "accuracy"),
        ("accuracy, de-duplicated", "accuracy_deduplicated"),
        ("macro-F1", "macro_f1"),
        ("calibration error", "ece"),
    ):
        shown = table.loc[name, f"Seed {RUN.info['seed']}"]
        assert float(shown.removesuffix(" %")) == pytest.approx(100 * scores[key], abs=0.006)


def test_the_mean_over_seeds_decides_what_is_reached():
    best = [perfect(RUN, seed=seed) for seed in range(final_runs.SEEDS)]
    assert set(final_runs.table(best)["Reached"]) == {"yes"}
    assert set(final_runs.table(best[:2])["Reached"]) == {"yes (2 of 3 seeds)"}
    assert "All that was aimed at is reached" in final_runs.told(best)
    mixed = final_runs.table([best[0], perfect(RUN, seed=1), RUN]).iloc[0]
    mean = (2 + metrics.accuracy(RUN.predictions["PrivateTest"])) / 3
    assert float(mixed["Mean"].removesuffix(" %")) == pytest.approx(100 * mean, abs=0.01)
    assert float(mixed["SD, points"]) == pytest.approx(100 * (1 - mean) * 3**0.5, abs=0.01)


def test_seeds_are_told_by_their_mean_and_their_ends():
    found = [perfect(RUN, seed=0), RUN]
    low = metrics.accuracy(RUN.predictions["PrivateTest"])
    told = final_runs.across_seeds(found)
    assert told.startswith("2 seeds of ") and f"{50 + 50 * low:.1f} % of PrivateTest on average" in told
    assert f"from {100 * low:.1f} % to 100.0 %" in told
    assert ("ten views" in told) == (f"PrivateTest{store.VIEWS}" in RUN.predictions)


def test_what_is_not_recorded_is_not_called_reached():
    parts = {key: value for key, value in RUN.predictions.items() if not key.endswith(store.VIEWS)}
    bare = dataclasses.replace(RUN, predictions=parts)
    table = final_runs.table([bare]).set_index("PrivateTest")
    assert table.loc["accuracy, ten views averaged", "Reached"] == "not recorded"
    assert final_runs.table([perfect(RUN, seed=1), bare]).iloc[1]["Reached"] == "not recorded"
    assert "ten views averaged" in final_runs.told([bare]).partition("Not reached")[2]


def test_a_recipe_that_learns_from_votes_has_one_aim_more():
    learned = dataclasses.replace(RUN, info=RUN.info | {"recipe": RUN.info["recipe"] | {"ferplus_blend": 0.5}})
    assert final_runs.table([learned])["PrivateTest"].iloc[-1] == final_runs.FERPLUS_GOAL.name
    assert len(final_runs.table([learned])) == len(final_runs.table([RUN])) + 1


def test_a_recipe_that_learns_from_votes_alone_aims_at_their_majority_alone():
    own = RUN.info["ferplus"]["PrivateTest"]["accuracy"]
    learned = dataclasses.replace(RUN, info=RUN.info | {"recipe": RUN.info["recipe"] | {"ferplus_only": True}})
    assert final_runs.table([learned])["PrivateTest"].tolist() == [final_runs.FERPLUS_GOAL.name]
    assert f"{final_runs.FERPLUS_GOAL.name} {100 * own:.2f} % on PrivateTest" in final_runs.told([learned])
    unknown = dataclasses.replace(learned, info={key: learned.info[key] for key in learned.info if key != "ferplus"})
    assert "not recorded" in final_runs.told([unknown, unknown])


def test_final_runs_are_found_by_recipe_and_none_is_refused():
    assert RUN.name in [run.name for run in final_runs.recorded(RUN.info["recipe"]["name"])]
    assert final_runs.recorded("abl_base") == []
    with pytest.raises(DataError, match="--final"):
        final_runs.table([])


def test_settings_of_two_recipes_are_told_apart_one_by_one():
    recipe = catalog.TL_WHOLE.replace(epochs=99, mixup=0.5, display_name="other")
    table = final_runs.settings_table(recipe, catalog.TL_WHOLE)
    assert table.to_dict("records") == [
        {"Setting": "`epochs`", "TL whole": "10", "other": "99"},
        {"Setting": "`augmentation.mixup`", "TL whole": "0.0", "other": "0.5"},
    ]
    assert recipe_module.differing(catalog.TL_TOP, catalog.TL_WHOLE)["augmentation.flip"] == (False, True)
    assert recipe_module.differing(recipe, recipe) == {}


def test_a_run_is_told_beside_another_with_the_paired_interval():
    tl_whole, late = store.load_run("tl_whole"), store.load_run("late_base")
    result = metrics.compare(late.predictions["PublicTest"], tl_whole.predictions["PublicTest"])
    told = final_runs.stage_told(late, tl_whole)
    assert ", 4 epochs: 69.4 %; TL whole, 10 epochs: 68.9 %. That is " in told
    assert f"{100 * result.difference:+.1f} (−" in told and told.endswith(") points.")
    assert final_runs.stage_told(late, late).endswith("+0.0 (+0.0 to +0.0) points.")


def test_teachers_are_told_with_what_their_averaged_answers_reach():
    found = [store.load_run(name) for name in catalog.BEST.targets.teachers]
    answers = [run.predictions["PublicTest"] for run in found]
    probabilities = np.mean([each.probabilities() for each in answers], axis=0)
    together = (probabilities.argmax(axis=1) == answers[0].label).mean()
    assert together > max(map(metrics.accuracy, answers))
    told = final_runs.teachers_told(found)
    assert told.endswith(f"Their averaged answers: {100 * together:.1f} %.")
    assert all(
        f"{metrics.display_name(run)} {100 * metrics.accuracy(run.predictions['PublicTest']):.1f} %" in told
        for run in found
    )


def test_a_curve_counts_epochs_from_the_very_first_and_leaves_out_what_was_not_looked_at():
    late, before = store.load_run("late_base"), store.load_run("tl_whole")
    found = final_runs.curve(late)
    assert found["epoch"].tolist() == list(range(1, len(before.history) + len(late.history) + 1))
    assert found["run"].tolist() == [before.name] * len(before.history) + [late.name] * len(late.history)
    assert found["val_accuracy"].iloc[-1] == late.history["val_accuracy"].iloc[-1]
    assert final_runs.curve(store.load_run("whole_longer"))["epoch"].tolist() == [4, 8, 12, 16, 20, 24]


def test_the_plot_of_trainings_rings_where_one_run_went_on_from_another():
    curves = {name: final_runs.curve(store.load_run(name)) for name in ("late_base", "whole_longer")}
    _, axes = saving.new_axes(3.0)
    values = plots.trainings(curves, axes, aside=("whole_longer",))
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["late_base"].get_ydata().tolist() == values["late_base"]["val_accuracy"]
    assert lines["whole_longer"].get_color() == "#999999" != lines["late_base"].get_color()
    rings = [line.get_xdata().tolist() for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert rings == [[10], []]


def test_the_chosen_seed_is_the_best_on_public_test():
    seeds = final_runs.recorded("taught")
    scores = [metrics.accuracy(run.predictions["PublicTest"]) for run in seeds]
    assert [final_runs.is_chosen(run) for run in seeds] == [score == max(scores) for score in scores]
    assert not final_runs.is_chosen(store.load_run("taught_ferplus")), "one seed alone was not chosen"


def test_a_bare_recipe_name_means_the_shipped_run_else_the_first_seed():
    shipped = registry.read_card()["run"]
    recipe, seed = store.split_name(shipped)
    assert store.full_name(recipe) == shipped and registry.usual_seed(recipe) == seed
    assert store.split_name("tl_whole") == ("tl_whole", store.FIRST_SEED)
    assert store.split_name("tl_whole-s1") == ("tl_whole", 1)
