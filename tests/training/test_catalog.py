"""Recipes are plain data that identify what decides a result."""

import dataclasses
import json

import pytest

from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.evaluation import metrics
from emotion_detection.runs import store
from emotion_detection.training import arms, catalog


def test_each_recipe_is_found_by_its_own_name():
    assert all(catalog.get_recipe(name).name == name for name in catalog.RECIPES)
    assert set(catalog.REGIMES) <= set(catalog.RECIPES)


def test_an_unknown_recipe_is_answered_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match=r"'tl_hole'.*Did you mean 'tl_whole'"):
        catalog.get_recipe("tl_hole")


def test_the_key_changes_with_what_decides_the_result_and_with_nothing_else():
    recipe = catalog.TL_WHOLE
    assert dataclasses.replace(recipe, dropout=0.3).key() != recipe.key()
    assert dataclasses.replace(recipe, display_name="another").key() == recipe.key()


@pytest.mark.parametrize(
    "recipe",
    [
        *map(catalog.get_recipe, catalog.REGIMES),
        *catalog.AUDIT,
        *catalog.RARE_FOLDS,
        catalog.RECIPES["tl_100_48_repeated"],
        *(recipe for recipe in catalog.ABLATIONS if store.is_recorded(recipe.name)),
    ],
    ids=lambda recipe: recipe.name,
)
def test_every_recipe_of_a_notebook_says_what_to_expect_and_its_record_is_within_that(recipe):
    expected = recipe.expected
    assert recipe.name in expected.command and ("--final" in expected.command) == (expected.split == "PrivateTest")
    accuracy = metrics.accuracy(store.load_run(recipe.name).predictions[expected.split])
    assert 100 * accuracy == pytest.approx(expected.accuracy_percent, abs=expected.spread_points)


def test_the_three_regimes_are_in_order_and_above_their_floors():
    floors = {"tl_top": 0.45, "tl_100": 0.57, "tl_whole": 0.675}
    accuracies = [metrics.accuracy(store.load_run(name).predictions["PrivateTest"]) for name in catalog.REGIMES]
    assert accuracies == sorted(accuracies)
    assert all(accuracy >= floors[name] for name, accuracy in zip(catalog.REGIMES, accuracies, strict=True))


def test_a_recipe_comes_back_from_its_record():
    for recipe in catalog.RECIPES.values():
        recorded = json.loads(json.dumps(recipe.settings() | {"display_name": recipe.display_name}))
        assert catalog.from_settings(recorded) == recipe


def test_switches_that_joined_later_are_in_the_settings_only_where_they_are_on():
    later = {field.name for field in dataclasses.fields(catalog.Recipe) if field.metadata.get("later")}
    assert {"ema", "stages", "ferplus_blend", "teachers"} <= later
    assert not later & set(catalog.TL_WHOLE.settings())
    assert "erasing" not in catalog.TL_WHOLE.settings()["augmentation"]
    averaged = dataclasses.replace(catalog.TL_WHOLE, ema=0.99)
    assert averaged.settings() == catalog.TL_WHOLE.settings() | {"ema": 0.99}


def test_stages_add_up_to_the_recipe():
    recipe = dataclasses.replace(catalog.TL_WHOLE, epochs=5, stages=((48, 3), (96, 2)))
    assert [(stage.input_px, end) for stage, end in recipe.by_stage()] == [(48, 3), (96, 5)]
    assert catalog.TL_WHOLE.by_stage() == [(catalog.TL_WHOLE, 10)]
    for wrong in (((48, 3), (96, 3)), ((48, 3), (64, 2))):
        with pytest.raises(DataError, match=r"5 epochs and ends at 96 px.*add up"):
            dataclasses.replace(recipe, stages=wrong)


def test_teachers_and_their_share_go_together():
    for changes in ({"teachers": ("tl_whole",)}, {"distillation": 0.5}):
        with pytest.raises(DataError, match="or neither"):
            dataclasses.replace(catalog.TL_WHOLE, **changes)


@pytest.mark.parametrize("part", arms.BASES)
def test_each_arm_of_the_ablations_changes_what_it_says_and_nothing_else(part):
    base = catalog.ABLATION_BASES[part].settings()
    for name, (_, changes) in arms.ARMS[part].items():
        arm = catalog.get_recipe(arms.recipe_name(part, name)).settings()
        changed = {key for key in base | arm if base.get(key) != arm.get(key)} - {"name"}
        assert changed == set(changes)
        switches = arm["augmentation"]
        changed = {key for key in base["augmentation"] | switches if base["augmentation"].get(key) != switches.get(key)}
        assert changed == set(changes.get("augmentation", {}))


def test_a_fast_version_needs_neither_votes_nor_teachers():
    for recipe in catalog.ABLATIONS:
        fast = catalog.fast_version(recipe)
        assert not fast.uses_ferplus and not fast.teachers and fast.by_stage() == [(fast, 1)]
