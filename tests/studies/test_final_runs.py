"""Final runs: each score from the record, means over seeds, what is not recorded is not known."""

import dataclasses

import numpy as np
import pytest

from emotion_detection.errors import DataError
from emotion_detection.evaluation import metrics
from emotion_detection.runs import registry, store
from emotion_detection.studies import final_runs
from emotion_detection.training import catalog
from emotion_detection.training import recipe as recipe_parts

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
    (line,) = final_runs.by_seed([RUN]).to_dict("records")
    scores = metrics.scores(RUN)
    for name in ("accuracy", "accuracy_deduplicated", "macro_f1", "ece"):
        assert line[name] == pytest.approx(scores[name], abs=1e-5)
    assert line["accuracy_ferplus"] == RUN.info["ferplus"]["PrivateTest"]["accuracy"]
    assert line["training_minutes"] > RUN.minutes and line["teachers_minutes"] > 0


def test_seeds_are_averaged_by_recipe_with_their_spread():
    found = final_runs.by_recipe([perfect(RUN, seed=0), perfect(RUN, seed=1), RUN])
    mine = metrics.accuracy(RUN.predictions["PrivateTest"])
    (line,) = found.to_dict("records")
    assert line["seeds"] == 3
    assert line["accuracy"] == pytest.approx((2 + mine) / 3)
    assert line["accuracy_sd"] == pytest.approx((1 - line["accuracy"]) * 3**0.5)
    assert (line["accuracy_least"], line["accuracy_most"]) == (mine, 1.0)
    other = store.final_seeds("taught")
    assert final_runs.by_recipe([RUN, *other])["recipe"].tolist() == ["TL robust", "TL taught"]


def test_a_mean_of_which_a_seed_is_not_recorded_is_not_known():
    parts = {key: value for key, value in RUN.predictions.items() if not key.endswith(store.VIEWS)}
    bare = dataclasses.replace(RUN, predictions=parts)
    (line,) = final_runs.by_recipe([perfect(RUN, seed=1), bare]).to_dict("records")
    assert np.isnan(line["accuracy_ten_views"]) and not np.isnan(line["accuracy"])


def test_final_runs_are_found_by_recipe_and_none_is_refused():
    assert RUN.name in [run.name for run in store.final_seeds(RUN.info["recipe"]["name"])]
    assert store.final_seeds("abl_base") == []
    with pytest.raises(DataError, match="--final"):
        final_runs.by_seed([])


def test_settings_of_two_recipes_are_told_apart_one_by_one():
    recipe = catalog.TL_WHOLE.replace(epochs=99, mixup=0.5, display_name="other")
    table = final_runs.settings(recipe, catalog.TL_WHOLE)
    assert table.to_dict("records") == [
        {"setting": "epochs", "TL whole": "10", "other": "99"},
        {"setting": "augmentation.mixup", "TL whole": "0.0", "other": "0.5"},
    ]
    assert recipe_parts.differing(catalog.TL_TOP, catalog.TL_WHOLE)["augmentation.flip"] == (False, True)
    assert recipe_parts.differing(recipe, recipe) == {}


def test_an_ensemble_averages_probabilities():
    found = [store.load_run(name) for name in catalog.BEST.targets.teachers]
    answers = [run.predictions["PublicTest"] for run in found]
    probabilities = np.mean([each.probabilities() for each in answers], axis=0)
    (line,) = final_runs.ensembles({"teachers": found}).to_dict("records")
    assert line["networks"] == 3
    assert line["together_accuracy"] == pytest.approx((probabilities.argmax(axis=1) == answers[0].label).mean())
    assert line["together_accuracy"] > max(map(metrics.accuracy, answers)) > line["mean_accuracy"]


def test_a_bare_recipe_name_means_the_shipped_run_else_the_first_seed():
    shipped = registry.read_card()["run"]
    recipe, seed = store.split_name(shipped)
    assert store.full_name(recipe) == shipped and registry.usual_seed(recipe) == seed
    assert store.split_name("tl_whole") == ("tl_whole", store.FIRST_SEED)
    assert store.split_name("tl_whole-s1") == ("tl_whole", 1)


def test_rounds_count_epochs_from_the_first_training_and_end_with_the_saved_network():
    run = store.load_run("best-s1")
    table = final_runs.rounds([run])
    assert table["round"].unique().tolist() == ["TL whole", "TL taught", "TL best"]
    assert table.groupby("round", sort=False)["epoch"].max().tolist() == [10, 30, 58]
    assert table["epoch"].is_monotonic_increasing and (table["seed"] == 1).all()
    assert table["accuracy"].iloc[-1] == run.info["metrics"]["PublicTest"]["accuracy"]
    assert table["accuracy"].iloc[0] == store.load_run("tl_whole-s1").history["val_accuracy"].iloc[0]
