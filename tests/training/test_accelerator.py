"""Training elsewhere: what is packed is enough, and what comes home becomes the run's record."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from emotion_detection.data import load_sample
from emotion_detection.errors import DataError
from emotion_detection.runs import store
from emotion_detection.training import accelerator, catalog, trainer

BEFORE = catalog.TL_TOP.fast().replace(name="before", batch_norm_batches=1)
RECIPE = BEFORE.replace(name="elsewhere", continues="before", class_weights=True, weights="imagenet", epochs=2)


@pytest.fixture
def faces(isolated):
    """200 drawn faces, and the network that the recipe goes on from."""
    dataset = load_sample(200, seed=0)
    trainer.train(BEFORE, dataset)
    return dataset


def test_a_run_trained_elsewhere_is_recorded_as_one_trained_here(faces, isolated):
    packed = accelerator.pack(RECIPE, faces, isolated / "packed.npz", seed=0)
    accelerator.train(packed, isolated / "out")
    assert not store.is_recorded("elsewhere", here=True)
    found = accelerator.record(packed, isolated / "out", faces)
    here = trainer.train_network(RECIPE.replace(weights=None), faces, record=False)
    assert found.history["loss"].tolist() == pytest.approx(here.history["loss"].tolist(), rel=1e-5)
    np.testing.assert_allclose(
        found.predictions["PublicTest"].logits, here.predictions["PublicTest"].logits, rtol=1e-4, atol=1e-5
    )
    assert found.info["data"]["fingerprint"] == faces.fingerprint
    assert found.info["recipe"] == RECIPE.settings() | {"display_name": RECIPE.display_name}
    assert found.info["recorded_by"]["equal_answers"] == 1.0
    assert store.trained_network("elsewhere").is_file()


def test_what_does_not_fit_is_refused(faces, isolated):
    packed = accelerator.pack(RECIPE, faces, isolated / "packed.npz", seed=0)
    with pytest.raises(DataError, match="other faces"):
        accelerator.record(packed, isolated / "out", load_sample(200, seed=1))
    with pytest.raises(DataError, match="in folds"):
        accelerator.pack(RECIPE.replace(folds=2), faces, packed, seed=0)


@pytest.mark.slow
def test_it_trains_on_jax(faces, isolated):
    if importlib.util.find_spec("jax") is None and not os.environ.get("EMOTION_REQUIRE_JAX"):
        pytest.skip("jax is not installed: pip install jax (EMOTION_REQUIRE_JAX=1 insists)")
    packed = accelerator.pack(RECIPE, faces, isolated / "packed.npz", seed=0)
    command = [sys.executable, "-m", "emotion_detection.training.accelerator", "train", packed, isolated / "out"]
    subprocess.run(command, env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}, check=True)
    info = accelerator.record(packed, isolated / "out", faces).info
    assert (info["backend"], next(iter(info["packages"]))) == ("jax", "jax")
    assert info["code"]["commit"] and isinstance(info["packages_within_bounds"], bool)
