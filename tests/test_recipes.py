"""Recipes are plain data that identify what decides a result."""

import dataclasses

import pytest

from emotion_detection import evaluation, recipes, runs
from emotion_detection.errors import UnknownNameError


def test_each_recipe_is_found_by_its_own_name():
    assert all(recipes.get_recipe(name).name == name for name in recipes.RECIPES)
    assert set(recipes.REGIMES) <= set(recipes.RECIPES)


def test_an_unknown_recipe_is_answered_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match=r"'tl_hole'.*Did you mean 'tl_whole'"):
        recipes.get_recipe("tl_hole")


def test_the_key_changes_with_what_decides_the_result_and_with_nothing_else():
    recipe = recipes.TL_WHOLE
    assert dataclasses.replace(recipe, dropout=0.3).key() != recipe.key()
    assert dataclasses.replace(recipe, display_name="another").key() == recipe.key()


@pytest.mark.parametrize(
    "recipe",
    [
        *map(recipes.get_recipe, recipes.REGIMES),
        *recipes.AUDIT,
        *recipes.RARE_FOLDS,
        recipes.RECIPES["tl_100_48_repeated"],
    ],
    ids=lambda recipe: recipe.name,
)
def test_every_recipe_of_a_notebook_says_what_to_expect_and_its_record_is_within_that(recipe):
    expected = recipe.expected
    assert recipe.name in expected.command and ("--final" in expected.command) == (expected.split == "PrivateTest")
    accuracy = evaluation.accuracy(runs.load_run(recipe.name).predictions[expected.split])
    assert 100 * accuracy == pytest.approx(expected.accuracy_percent, abs=expected.spread_points)


def test_the_three_regimes_are_in_order_and_above_their_floors():
    floors = {"tl_top": 0.45, "tl_100": 0.57, "tl_whole": 0.675}
    accuracies = [evaluation.accuracy(runs.load_run(name).predictions["PrivateTest"]) for name in recipes.REGIMES]
    assert accuracies == sorted(accuracies)
    assert all(accuracy >= floors[name] for name, accuracy in zip(recipes.REGIMES, accuracies, strict=True))
