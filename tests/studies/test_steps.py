"""Training steps: measured speeds are found by what decides them, and give the time of a recorded run's epochs."""

import json

import numpy as np
import pandas as pd
import pytest

from emotion_detection import plots
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.plots import saving
from emotion_detection.runs import store
from emotion_detection.studies import steps
from emotion_detection.training import catalog


def row(name, rate, *, environment=None, **changes):
    ratio = {"median": rate / 200, "low": rate / 210, "high": rate / 190}
    values = {"name": name, "changes": changes, "environment": environment or {}}
    return values | {"images_per_s": rate, "ratio": ratio, "peak_mb": 900.0}


RECORD = {
    "measured": "2026-11-24T12:00:00+00:00",
    "hardware": {},
    "base": {"input_px": 96, "batch_size": 32, "layers": "all", "optimizer": "adamw"},
    "rows": [
        row("the base once more", 200.0),
        row("64 px", 400.0, input_px=64),
        row("48 px", 500.0, input_px=48),
        row("one thread", 120.0, environment={"OMP_NUM_THREADS": "1"}),
        row("Keras' own layers", 130.0, layers="none"),
    ],
    "not_run": {"bfloat16": "no kernel"},
}


def trained(accuracies, stages=None, **changes) -> store.Run:
    recipe = catalog.ABLATION_BASES["early"].replace(epochs=len(accuracies), **changes)
    stages = {"stages": stages} if stages else {}
    columns = {"epoch": np.arange(1, len(accuracies) + 1), "val_accuracy": accuracies, "seconds": 999.0}
    info = {"recipe": recipe.settings() | stages, "data": {"counts": {"Training": 24_000}}}
    return store.Run("abl_base-s0", info, pd.DataFrame(columns), {})


def test_an_epoch_takes_its_faces_by_the_measured_rate_whatever_the_run_took():
    curve = steps.curve(trained([0.5, 0.6, 0.7]), RECORD)
    assert curve["minutes"].tolist() == pytest.approx([1.0, 2.0, 3.0])
    assert steps.minutes_to(curve, 0.6) == pytest.approx(2.0)
    assert np.isnan(steps.minutes_to(curve, 0.71))


def test_sizes_that_grow_have_each_their_own_rate():
    run = trained([0.4, 0.5, 0.6], input_px=96, stages=((48, 2), (96, 1)))
    assert steps.curve(run, RECORD)["minutes"].tolist() == pytest.approx([0.8, 1.6, 3.6])


def test_a_step_that_was_not_measured_is_told():
    with pytest.raises(
        DataError, match=r"abl_base was measured: .*'optimizer': 'sgd'.*VARIANTS.*bench_step\.py --record"
    ):
        steps.rate(RECORD, catalog.ABLATION_BASES["early"].replace(optimizer="sgd").settings())


def test_the_table_has_the_fastest_first_and_the_words_say_what_did_not_run():
    table = steps.table(RECORD)
    assert table["Tried"].tolist()[0] == "48 px"
    assert table["Of the base (least–most)"].iloc[0] == "2.5× (2.4×–2.6×)"
    assert "200 images a second" in steps.base_in_words(RECORD)
    assert "bfloat16 does not run: no kernel." in steps.base_in_words(RECORD)


def test_times_are_listed_the_quickest_first_and_those_that_never_reach_it_last():
    curves = {"slow": steps.curve(trained([0.5, 0.55]), RECORD), "quick": steps.curve(trained([0.61, 0.65]), RECORD)}
    table = steps.times_table(curves, 0.6)
    assert table["Recipe"].tolist() == ["quick", "slow"]
    assert table["Time to 60 % of PublicTest"].tolist() == ["60.0 s", "not reached"]


def test_the_plot_draws_each_curve_and_the_level():
    curves = {"a": steps.curve(trained([0.5, 0.55]), RECORD), "b": steps.curve(trained([0.61, 0.65]), RECORD)}
    _, axes = saving.new_axes(3.0)
    plots.time_to_accuracy(curves, axes, goal=0.6)
    drawn = {line.get_label(): line for line in axes.lines}
    assert drawn["b"].get_ydata().tolist() == [0.61, 0.65]
    assert [line.get_ydata()[0] for line in axes.lines if line.get_label() not in curves] == [0.6]


def test_a_missing_or_damaged_measurement_is_told(tmp_path):
    with pytest.raises(MissingFileError, match=r"bench_step\.py --record"):
        steps.read(tmp_path / "step.json")
    (tmp_path / "step.json").write_text(json.dumps({"rows": [{}]}))
    with pytest.raises(DataError, match="damaged"):
        steps.read(tmp_path / "step.json")


def test_the_recorded_measurement_has_a_step_for_every_recipe_that_is_compared():
    record = steps.read()
    for name in steps.COMPARED:
        recipe = store.load_run(name).info["recipe"]
        for size_px, _ in recipe.get("stages") or [(recipe["input_px"], None)]:
            assert steps.rate(record, recipe | {"input_px": size_px}) > 0
