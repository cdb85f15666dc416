"""The recipes: what they are called, what they change, and what to expect of them."""

import pytest

from emotion_detection.errors import UnknownNameError
from emotion_detection.evaluation import metrics
from emotion_detection.runs import store
from emotion_detection.training import catalog, recipe


def test_each_recipe_is_found_by_its_own_name():
    assert all(catalog.get_recipe(name).name == name for name in catalog.RECIPES)
    assert set(catalog.REGIMES) <= set(catalog.RECIPES)


def test_an_unknown_recipe_is_answered_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match=r"'tl_hole'.*Did you mean 'tl_whole'"):
        catalog.get_recipe("tl_hole")


@pytest.mark.parametrize("name", [name for name in catalog.RECIPES if store.is_recorded(name)])
def test_every_recorded_recipe_says_what_to_expect_and_its_record_is_within_that(name):
    expected = catalog.get_recipe(name).expected
    accuracy = metrics.accuracy(store.load_run(name).predictions[expected.split])
    assert 100 * accuracy == pytest.approx(expected.accuracy_percent, abs=expected.SPREAD_POINTS)


def test_the_three_regimes_are_in_order_and_above_their_floors():
    floors = {"tl_top": 0.45, "tl_100": 0.57, "tl_whole": 0.675}
    accuracies = [metrics.accuracy(store.load_run(name).predictions["PrivateTest"]) for name in catalog.REGIMES]
    assert accuracies == sorted(accuracies)
    assert all(accuracy >= floors[name] for name, accuracy in zip(catalog.REGIMES, accuracies, strict=True))


def test_each_arm_of_the_ablations_changes_what_it_says_and_nothing_else():
    for base, (prefix, arms) in zip(catalog.ABLATION_BASES.values(), catalog.ABLATION_ARMS.items(), strict=True):
        for arm, (_, changes, _) in arms.items():
            changed = recipe.differing(catalog.get_recipe(f"{prefix}_{arm}"), base)
            assert {name.removeprefix("augmentation.") for name in changed} == set(changes)
