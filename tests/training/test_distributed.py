"""Data-parallel training: two devices do what one does with the same global batch."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import pytest

from emotion_detection.errors import DataError
from emotion_detection.training import backends

needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason='JAX not installed: pip install -e ".[jax]"'
)

TRAINED = """
import dataclasses, json, sys
import keras, numpy as np
from emotion_detection import batches, distributed, models, optimizers, recipes, training
from emotion_detection.data import load_sample

same = {"dropout": 0.0, "augmentation": None, "batch_norm_batches": 0, "batch_norm_momentum": 0.0, "epochs": 2}
top, whole = (dataclasses.replace(recipes.fast_version(each), **same) for each in (recipes.TL_TOP, recipes.TL_WHOLE))
dataset, kept = load_sample(170, seed=0), {"losses": []}
original = keras.Model.train_on_batch

def train_on_batch(model, *arguments, **keywords):
    logs = original(model, *arguments, **keywords)
    kept["losses"].append(float(logs["loss"]))
    return logs

keras.Model.train_on_batch = train_on_batch
with distributed.over(int(sys.argv[1])) as distribution:
    run = training.train(top, dataset, record=False, cache_features=False)
    kept["val_losses"] = run.history["val_loss"].tolist()

    network = models.build_model(whole)
    optimizers.compile_for(network, whole, steps_per_epoch=1)
    labels = np.eye(7, dtype=np.float32)[dataset.emotion]
    inputs, answers, _ = batches.FaceBatches(dataset.pixels, [labels], recipe=whole, seed=0, epoch=0)[0]
    kept["whole_loss"] = float(original(network, inputs, answers[0], return_dict=True)["loss"])
    norm = models.batch_norm_layers(network)[-1]
    kept["variance"] = np.asarray(norm.moving_variance).tolist()
    kept["devices"] = len(norm.moving_variance.value.sharding.device_set)
    layout = distribution.get_data_layout(inputs.shape).backend_layout
    kept["shard"] = layout.shard_shape(inputs.shape)
kept["last_batch"] = len(dataset.training) % top.batch_size
print(json.dumps(kept))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What a training of a few steps leaves behind on one device and on two."""
    found = {}
    for devices in (1, 2):
        variables = {
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
            "EMOTION_OUTPUT_DIR": str(tmp_path_factory.mktemp("output")),
        }
        done = subprocess.run(
            [sys.executable, "-c", TRAINED, str(devices)], env=os.environ | variables, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found[devices] = json.loads(done.stdout.splitlines()[-1])
    return found


@needs_jax
@pytest.mark.slow
class TestOnTwoDevices:
    def test_each_device_sees_its_half_of_every_batch(self, trained):
        assert [trained[devices]["devices"] for devices in (1, 2)] == [1, 2]
        assert [trained[devices]["shard"] for devices in (1, 2)] == [[32, 48, 48, 1], [16, 48, 48, 1]]

    def test_losses_are_those_of_one_device(self, trained):
        """Ten steps of TL top, all layers computed in each, with a last batch of an epoch that cannot be halved."""
        assert trained[1]["last_batch"] % 2 == 1
        assert len(set(trained[1]["losses"])) == 10
        assert trained[2]["losses"] == pytest.approx(trained[1]["losses"], rel=1e-4)
        assert trained[2]["val_losses"] == pytest.approx(trained[1]["val_losses"], rel=1e-4)

    def test_batch_norm_sees_the_global_batch(self, trained):
        """The mean of each half's variance would be smaller: it lacks the variance between the halves.

        One step of TL whole. In later ones, from random weights, differences by rounding grow as fast as those by
        another order of the same batch on one device, so their losses tell nothing.
        """
        assert min(trained[1]["variance"]) > 1e-6
        assert trained[2]["variance"] == pytest.approx(trained[1]["variance"], rel=1e-3)
        assert trained[2]["whole_loss"] == pytest.approx(trained[1]["whole_loss"], rel=1e-5)


def test_another_backend_is_told():
    if keras.backend.backend() == "jax":
        pytest.skip("Keras runs on JAX here")
    with pytest.raises(DataError, match=r"only on JAX.*KERAS_BACKEND=jax"), backends.over():
        pass
