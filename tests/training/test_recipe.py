"""Recipes are validated data that identify what decides a result."""

import json

import pytest

from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.runs import store
from emotion_detection.training import catalog, recipe

KEYS = {"tl_top": "f69a148d8d3e", "tl_whole": "4e73bcda12d3", "best": "83d9c1fedf11", "late_mixup": "f1bc65dfce1f"}
"""Recipe → key of the checkpoints that were written before recipes had parts."""


def test_settings_of_any_part_are_replaced_by_their_own_names():
    mine = catalog.TL_WHOLE.replace(name="mine", learning_rate=3e-4, input_px=64, mixup=0.5, folds=3)
    assert (mine.name, mine.optimisation.learning_rate, mine.network.input_px) == ("mine", 3e-4, 64)
    assert (mine.augmentation.mixup, mine.augmentation.contrast, mine.protocol.folds) == (0.5, 0.2, 3)
    assert recipe.differing(mine, catalog.TL_WHOLE) == {
        "input_px": (64, 96),
        "learning_rate": (3e-4, 1e-3),
        "folds": (3, 0),
        "augmentation.mixup": (0.5, 0.0),
    }
    assert mine.expected is None and catalog.TL_WHOLE.expected is not None


def test_a_change_of_augmentation_in_a_recipe_without_one_leaves_all_others_off():
    mine = catalog.TL_100.replace(erasing=0.5)
    assert set(recipe.differing(mine, catalog.TL_100)) == {"augmentation.erasing"}
    assert catalog.TL_WHOLE.replace(augmentation=None).augmentation is None


@pytest.mark.parametrize(("name", "nearest"), [("learning_rat", "learning_rate"), ("epoch", "epochs"), ("lr", None)])
def test_an_unknown_setting_is_answered_with_the_nearest(name, nearest):
    with pytest.raises(UnknownNameError, match=f"{name!r}.*Did you mean {nearest!r}" if nearest else name):
        catalog.TL_100.replace(**{name: 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"regime": "half"},
        {"epochs": 0},
        {"epochs": 1.5},
        {"learning_rate": "fast"},
        {"learning_rate": -1.0},
        {"dropout": 1.2},
        {"optimizer": "adam"},
        {"jpeg_quality": 0},
        {"copies": "mirrored"},
        {"teachers": ("tl_whole",)},
        {"distillation": 0.5},
        {"cycles": 3},
    ],
)
def test_impossible_values_are_refused(changes):
    with pytest.raises(DataError, match=next(iter(changes))):
        catalog.TL_WHOLE.replace(**changes)


def test_the_key_changes_with_what_decides_the_result_and_with_nothing_else():
    assert catalog.TL_WHOLE.replace(dropout=0.3).key() != catalog.TL_WHOLE.key()
    assert catalog.TL_WHOLE.replace(display_name="another").key() == catalog.TL_WHOLE.key()


def test_keys_are_those_under_which_checkpoints_lie():
    keys = {name: catalog.get_recipe(name).key() for name in ("tl_top", "tl_whole", "best", "late_mixup")}
    assert keys == KEYS


def test_a_recipe_comes_back_from_its_record():
    for each in catalog.RECIPES.values():
        recorded = json.loads(json.dumps(each.settings() | {"display_name": each.display_name}))
        assert recipe.from_settings(recorded).settings() == each.settings()
        assert recipe.from_settings(recorded).display_name == each.display_name


@pytest.mark.parametrize("name", store.recorded())
def test_every_record_is_read_and_says_what_is_left_of_settings_whose_code_is_gone(name):
    info = store.load_run(name).info
    found, recorded = recipe.from_settings(info["recipe"]).settings(), dict(info["recipe"])
    del recorded["display_name"]
    retired = {key for key in recorded if key in recipe.RETIRED}
    retired |= {key for key in recorded["augmentation"] or {} if key in recipe.RETIRED}
    augmentation = recorded["augmentation"] and {
        key: value for key, value in recorded["augmentation"].items() if key not in retired
    }
    kept = {key: value for key, value in recorded.items() if key not in retired}
    assert found == found | kept | {"augmentation": augmentation}
    assert not retired or info["code"]["commit"]


def test_settings_that_joined_later_are_in_the_record_only_where_they_are_on():
    settings = catalog.TL_WHOLE.settings()
    assert not {"ema", "ferplus_blend", "teachers", "cycles"} & set(settings)
    assert "erasing" not in settings["augmentation"]
    assert catalog.TL_WHOLE.replace(ema=0.99).settings() == settings | {"ema": 0.99}


def test_a_fast_version_needs_neither_votes_nor_teachers():
    for each in catalog.RECIPES.values():
        fast = each.fast()
        assert not fast.targets.uses_ferplus and not fast.targets.teachers
        assert (fast.optimisation.epochs, fast.network.input_px, fast.network.weights) == (1, 48, None)
