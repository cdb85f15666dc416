"""Data-parallel training: two devices do what one does with the same global batch."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import pytest

from emotion_detection import distributed
from emotion_detection.errors import DataError

needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason='JAX not installed: pip install -e ".[jax]"'
)

TRAINED = """
import dataclasses, json, sys
import keras, numpy as np
from emotion_detection import distributed, models, recipes, training
from emotion_detection.datasets import load_sample

devices = int(sys.argv[1])
settings = {"dropout": 0.0, "augmentation": None, "optimizer": "sgd", "learning_rate": 0.01, "schedule": "constant"}
recipe = dataclasses.replace(
    recipes.fast_version(recipes.TL_WHOLE), **settings, batch_norm_momentum=0.0, batch_norm_batches=0
)
kept = {"losses": []}
original = keras.Model.train_on_batch

def train_on_batch(model, x, *arguments, **keywords):
    logs = original(model, x, *arguments, **keywords)
    kept["losses"].append(float(logs["loss"]))
    if len(kept["losses"]) == 1:
        norm = models.batch_norm_layers(model)[-1]
        kept["variance"] = np.asarray(norm.moving_variance).tolist()
        kept["devices"] = len(norm.moving_variance.value.sharding.device_set)
    return logs

keras.Model.train_on_batch = train_on_batch
dataset = load_sample(170, seed=0)
with distributed.over(devices) as distribution:
    run = training.train(recipe, dataset, record=False)
    shape = (recipe.batch_size, 48, 48, 1)
    import jax
    batch = keras.src.backend.jax.distribution_lib.distribute_data_input(
        np.zeros(shape, np.float32), distribution.get_data_layout(shape), distribution.batch_dim_name
    )
    kept["shard_shapes"] = sorted({shard.data.shape for shard in batch.addressable_shards})
kept["val_losses"] = run.history["val_loss"].tolist()
kept["last_batch"] = len(dataset.training) % recipe.batch_size
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
        assert trained[1]["shard_shapes"] == [[32, 48, 48, 1]]
        assert trained[2]["shard_shapes"] == [[16, 48, 48, 1]]

    def test_losses_are_those_of_one_device(self, trained):
        assert trained[1]["last_batch"] % 2 == 1  # a batch that cannot be halved is among them
        assert trained[2]["losses"] == pytest.approx(trained[1]["losses"], rel=1e-3)
        assert trained[2]["losses"][0] == pytest.approx(trained[1]["losses"][0], rel=1e-5)
        assert len(set(trained[1]["losses"])) == len(trained[1]["losses"]) == 5
        assert trained[2]["val_losses"] == pytest.approx(trained[1]["val_losses"], rel=1e-3)

    def test_batch_norm_sees_the_global_batch(self, trained):
        """The mean of each half's variance would be smaller: it lacks the variance between the halves."""
        assert min(trained[1]["variance"]) > 1e-6
        assert trained[2]["variance"] == pytest.approx(trained[1]["variance"], rel=1e-3)


def test_another_backend_is_told():
    if keras.backend.backend() == "jax":
        pytest.skip("Keras runs on JAX here")
    with pytest.raises(DataError, match=r"only on JAX.*KERAS_BACKEND=jax"), distributed.over():
        pass
