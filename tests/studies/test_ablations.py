"""Ablations: each is set beside its base on the same faces, and better only where its interval says so."""

import numpy as np
import pandas as pd
import pytest

from emotion_detection.errors import MissingFileError
from emotion_detection.runs import store
from emotion_detection.studies import ablations
from emotion_detection.training import catalog

NAMES = {recipe.name: recipe.display_name for recipe in catalog.ABLATIONS}
LABEL = np.repeat(np.arange(7, dtype=np.int8), 60)


def record(name: str, n_right: int, *, threads: int = 2) -> None:
    """Record a run that is right on the first `n_right` faces in an order that is the same for all."""
    answers = (LABEL + 1) % 7
    right = np.random.default_rng(0).permutation(len(LABEL))[:n_right]
    answers[right] = LABEL[right]
    predictions = store.Predictions(
        "PublicTest", np.arange(len(LABEL), dtype=np.int32), LABEL, np.eye(7, dtype=np.float32)[answers]
    )
    recipe = catalog.get_recipe(name)
    epochs = np.arange(1, recipe.optimisation.epochs + 1)
    columns = {"epoch": epochs, "loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": n_right / len(LABEL)}
    info = {
        "run": f"{name}-s0",
        "recipe": recipe.settings() | {"display_name": recipe.display_name},
        "seed": 0,
        "data": {"name": "FER2013", "fingerprint": "0" * 64, "counts": {"Training": 28709}},
        "hardware": {"system": "Linux x86_64", "cores": 2, "threads": threads, "memory_gb": 8, "devices": ["cpu:0"]},
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
    assert found["ablation"].tolist() == [NAMES[arm] for arm in ("abl_96px", "abl_sgd", "abl_48px")]
    assert found["verdict"].tolist() == ["better", "no difference shown", "worse"]
    assert found["difference"].tolist() == pytest.approx([50 / 420, 2 / 420, -60 / 420])
    assert (found["difference_low"] <= found["difference"]).all()
    assert (found["difference"] <= found["difference_high"]).all()
    assert found["nll_verdict"].tolist() == ["better", "no difference shown", "worse"]
    assert (np.sign(found["nll_difference"]) == -np.sign(found["difference"])).all()


def test_minutes_are_those_of_all_cores_since_ablations_train_side_by_side(recorded):
    record("abl_112px", 240, threads=1)
    minutes = ablations.differences("early").set_index("ablation")["minutes"]
    whole = store.load_run("abl_96px").minutes
    assert minutes[NAMES["abl_96px"]] == pytest.approx(whole)
    assert minutes[NAMES["abl_112px"]] == pytest.approx(whole / 2)


def test_what_a_larger_input_costs_stands_beside_what_it_brought(recorded):
    sizes = ablations.input_sizes(pd.Series({"48px": 0.5, "64px": 0.8, "96px": 1.5, "224px": 9.0}))
    assert sizes["input_px"].tolist() == [48, 64, 96]
    assert sizes["one_face_ms"].tolist() == [0.5, 0.8, 1.5]
    assert sizes["accuracy"].tolist() == pytest.approx([190 / 420, 250 / 420, 300 / 420])


def test_without_a_base_the_error_says_what_to_train(isolated):
    with pytest.raises(MissingFileError, match="train abl_base"):
        ablations.differences("early")
