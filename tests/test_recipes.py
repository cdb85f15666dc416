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
    assert dataclasses.replace(recipe, display_name="another", expected=None).key() == recipe.key()


def test_each_expected_result_names_its_spread_and_command():
    for recipe in (recipes.get_recipe(name) for name in recipes.REGIMES):
        assert recipe.expected.spread_points > 0
        assert recipe.name in recipe.expected.command


def test_the_recorded_runs_reach_what_their_recipes_expect_and_the_floors():
    floors = {"tl_top": 0.45, "tl_100": 0.57, "tl_whole": 0.675}
    accuracies = [evaluation.accuracy(runs.load_run(name).predictions["PrivateTest"]) for name in recipes.REGIMES]
    assert accuracies == sorted(accuracies)
    for name, accuracy in zip(recipes.REGIMES, accuracies, strict=True):
        expected = recipes.get_recipe(name).expected
        assert accuracy >= floors[name]
        assert 100 * accuracy == pytest.approx(expected.accuracy_percent, abs=expected.spread_points)
