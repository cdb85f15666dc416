"""The search: each arm is set beside the base on the same faces, and told as better only where its interval says so."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from emotion_detection import plots
from emotion_detection.errors import MissingFileError
from emotion_detection.plots import saving
from emotion_detection.reporting import reports
from emotion_detection.runs import store
from emotion_detection.studies import ablations
from emotion_detection.training import catalog

LABEL = np.repeat(np.arange(7, dtype=np.int8), 60)


def record(name: str, n_right: int, **changes) -> None:
    """Record a run that is right on the first `n_right` faces in an order that is the same for all."""
    answers = (LABEL + 1) % 7
    right = np.random.default_rng(0).permutation(len(LABEL))[:n_right]
    answers[right] = LABEL[right]
    predictions = store.Predictions(
        "PublicTest", np.arange(len(LABEL), dtype=np.int32), LABEL, np.eye(7, dtype=np.float32)[answers]
    )
    recipe = catalog.get_recipe(name).replace(**changes)
    epochs = np.arange(1, recipe.optimisation.epochs + 1)
    columns = {"epoch": epochs, "loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": n_right / len(LABEL)}
    info = {
        "run": f"{name}-s0",
        "recipe": recipe.settings() | {"display_name": recipe.display_name},
        "seed": 0,
        "data": {"name": "FER2013", "fingerprint": "0" * 64, "counts": {"Training": 28709}},
        "hardware": {"system": "Linux x86_64", "cores": 2, "memory_gb": 8, "devices": ["cpu:0"]},
        "finished": "2026-11-24T10:00:00+00:00",
        "wall_time_s": 60.0,
        "features_s": 0.0,
        "metrics": {"PublicTest": {"accuracy": n_right / len(LABEL), "loss": 1.0}},
        "packages": {},
        "parameters": {"all": 1, "trained": 1},
    }
    store.write_run(f"{name}-s0", info, pd.DataFrame(columns | {"seconds": 7.0}), {"PublicTest": predictions})


@pytest.fixture
def recorded(isolated):
    record("abl_base", 250)
    record("abl_96px", 300)
    record("abl_sgd", 252)
    record("abl_48px", 190)


def test_arms_come_in_the_order_of_their_gain_with_a_verdict_by_their_interval(recorded):
    found = ablations.differences("early")
    assert found["arm"].tolist() == ["96px", "sgd", "48px"]
    assert found["verdict"].tolist() == ["better", "no difference shown", "worse"]
    assert found["difference"].tolist() == pytest.approx([50 / 420, 2 / 420, -60 / 420])
    assert (found["low"] <= found["difference"]).all()
    assert (found["difference"] <= found["high"]).all()
    assert found["nll_verdict"].tolist() == ["better", "no difference shown", "worse"]
    assert (np.sign(found["nll_difference"]) == -np.sign(found["difference"])).all()


def test_the_words_count_them(recorded):
    words = ablations.in_words("early", ablations.differences("early"))
    assert "right on 59.5 % of 420 PublicTest faces" in words
    assert "Of 3 arms 1 is better than it, 1 is worse, and for 1 no difference is shown" in words
    assert "By NLL, calibrated, 1 is better and 1 worse." in words


def test_the_table_has_a_line_per_arm_with_a_real_minus(recorded):
    table = ablations.table(ablations.differences("early"))
    assert table["Arm"].tolist() == [catalog.ABLATION_ARMS["abl"][arm][0] for arm in ("96px", "sgd", "48px")]
    assert table["Points to the base (95 %)"].iloc[-1].startswith("−14.3 (−")
    assert table["NLL to the base (95 %)"].iloc[0].startswith("−0.")


def test_minutes_are_those_of_all_cores_since_arms_train_side_by_side(recorded):
    run = store.load_run("abl_96px")
    assert reports.core_minutes(run) == pytest.approx(run.minutes)
    hardware = run.info["hardware"] | {"threads": 1}
    alone = dataclasses.replace(run, info=run.info | {"hardware": hardware})
    assert reports.core_minutes(alone) == pytest.approx(run.minutes / 2)
    assert ablations.differences("early")["minutes"].iloc[0] == pytest.approx(run.minutes)


def test_a_round_without_its_base_is_not_listed(recorded):
    record("late_mixup", 300)
    assert ablations.recorded_rounds() == ["early"]


def test_without_a_base_the_error_says_what_to_train(isolated):
    with pytest.raises(MissingFileError, match="train abl_base"):
        ablations.differences("early")


def test_the_plot_shows_every_arm_at_its_place(recorded):
    found = ablations.differences("early")
    figure = saving.new_figure(3.0)
    values = plots.rounds({"early": found}, figure, split="PublicTest")
    axes, likelihoods = figure.axes
    for panel, wanted, is_far in (
        (axes, 100 * found["difference"], found["difference"] < -0.1),
        (likelihoods, found["nll_difference"], found["nll_difference"] > 0.2),
    ):
        drawn = np.concatenate([line.get_xdata() for line in panel.lines if line.get_marker() == "o"])
        assert sorted(drawn) == pytest.approx(sorted(wanted[~is_far]))
        arrows = [line for line in panel.lines if line.get_marker() == "<"]
        assert [line.get_ydata()[0] for line in arrows] == list(len(found) - 1 - np.flatnonzero(is_far))
        assert len(panel.texts) == len(found), "those at the edge have their value, too"
    assert axes.get_xlim()[0] > 100 * found["difference"].min() and found["difference"].min() < -0.1
    low, high = likelihoods.get_xlim()
    assert low > high, "what is better lies on the right in both panels"
    assert values["early"]["words"] == found["words"].tolist()
    assert [text.get_text() for text in axes.get_yticklabels()] == found["words"].tolist()
