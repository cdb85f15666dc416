"""The same steps on TensorFlow, JAX and torch, each in a process of its own; two devices do what one does."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from emotion_detection.data import load_sample
from emotion_detection.errors import DataError
from emotion_detection.training import backends, catalog, mobilenet

STEPS = """
import json, sys
import numpy as np
from emotion_detection.data import load_sample
from emotion_detection.training import backends, batches, catalog, fast_layers, mobilenet, optimizers

weights, result = sys.argv[1:]
faces = load_sample(140, seed=0)
labels = [np.eye(classes, dtype=np.float32)[faces.emotion] for classes in (7, 8)]
augmentation = catalog.Augmentation(erasing=0.5, mixup=0.5, cutmix=0.5)
changes = {"augmentation": augmentation, "dropout": 0.0, "ema": 0.9, "ferplus_auxiliary": 0.5}
changes |= {"optimizer": "sgd", "learning_rate": 1e-4, "schedule": "constant"}
recipe = catalog.TL_WHOLE.fast().replace(**changes)
network = mobilenet.with_second_task(mobilenet.build_model(recipe, seed=0), classes=8, seed=0)
with np.load(weights) as first:
    network.set_weights([first[name] for name in sorted(first)])
trained = fast_layers.arranged(network)
optimizers.compile_for(trained, recipe, steps_per_epoch=2)
shuffled = batches.FaceBatches(faces.pixels, labels, recipe=recipe, seed=0, epoch=0)
losses = []
for index in range(2):
    inputs, answers, _ = shuffled[index]
    logs = trained.train_on_batch(inputs, answers, return_dict=True)
    losses.append({name: float(value) for name, value in logs.items()})
optimizers.take_average(trained)
backends.Passes(trained).estimate_batch_norm(faces.pixels, n_batches=1)
fast_layers.copy_back(trained, network)
logits = backends.predict_logits(mobilenet.answering_part(network), faces.pixels[:32])
after = {f"w{index:04d}": weight for index, weight in enumerate(network.get_weights())}
np.savez(result, losses=json.dumps(losses), logits=logits, **after)
"""

LOSS_TOLERANCES = (1e-5, 2e-3)
"""Relative, of the first and the second step: in between lies one update."""

LEAST_COSINE = 0.95
"""Between the ways that all kernels went on two backends. Rounding alone leaves 0.975 to 0.995: in a network of random
weights 52 batch norms magnify it, and the longer the steps, the more, so that the learning rate is small here."""


def is_required(backend: str) -> bool:
    """Whether the environment forbids that this backend's test is skipped, as in continuous integration."""
    return bool(os.environ.get(f"EMOTION_REQUIRE_{backend.upper()}"))


def trained_on(backend: str, folder) -> dict:
    """Return losses, weights and logits after two steps on a backend, from the weights in `folder`."""
    result = folder / f"{backend}.npz"
    environment = os.environ | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-c", STEPS, str(folder / "first.npz"), str(result)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(result) as found:
        weights = [found[name] for name in sorted(found.files) if name.startswith("w")]
        return {"losses": json.loads(str(found["losses"])), "logits": found["logits"], "weights": weights}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Random first weights for all, and what TensorFlow makes of them."""
    folder = tmp_path_factory.mktemp("backends")
    recipe = catalog.TL_WHOLE.fast().replace(dropout=0.0)
    network = mobilenet.with_second_task(mobilenet.build_model(recipe, seed=0), classes=8, seed=0)
    np.savez(folder / "first.npz", **{f"w{i:04d}": weight for i, weight in enumerate(network.get_weights())})
    return folder, trained_on("tensorflow", folder)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_two_steps_on_another_backend_are_those_of_tensorflow(backend, request):
    if importlib.util.find_spec(backend) is None and not is_required(backend):
        pytest.skip(f"{backend} is not installed: pip install {backend} (EMOTION_REQUIRE_{backend.upper()}=1 insists)")
    folder, expected = request.getfixturevalue("reference")
    received = trained_on(backend, folder)
    for ours, theirs, tolerance in zip(received["losses"], expected["losses"], LOSS_TOLERANCES, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=tolerance)
    with np.load(folder / "first.npz") as found:
        first = [found[name] for name in sorted(found)]
    ways = [
        np.concatenate(
            [(after - before).ravel() for after, before in zip(each["weights"], first, strict=True) if after.ndim > 1]
        )
        for each in (received, expected)
    ]
    assert ways[0] @ ways[1] / np.prod([np.linalg.norm(way) for way in ways]) > LEAST_COSINE
    assert np.isfinite(received["logits"]).all()


PASSES = """
import numpy as np
from emotion_detection.data import load_sample
from emotion_detection.training import backends, batches, catalog, mobilenet, optimizers

faces = load_sample(140, seed=0)
labels = [np.eye(7, dtype=np.float32)[faces.emotion]]
recipe = catalog.TL_WHOLE.fast().replace(full_batches=True)


class Bar:
    moved = 0

    def update(self):
        self.moved += 1


def trained(one_by_one):
    network, bar = mobilenet.build_model(recipe, seed=0), Bar()
    optimizers.compile_for(network, recipe, steps_per_epoch=4)
    shuffled = batches.FaceBatches(faces.pixels, labels, recipe=recipe, seed=0, epoch=0)
    assert len(shuffled) == 4  # the last 12 faces are left out
    passes = backends.Passes(network)
    means = passes._train_by_keras(shuffled, bar) if one_by_one else passes.train(shuffled, bar)
    assert bar.moved == 4
    return network, means


(expected, their_means), (found, means) = (trained(one_by_one) for one_by_one in (True, False))
for name, value in means.items():
    np.testing.assert_allclose(value, their_means[name], rtol=1e-4)
for ours, theirs in zip(found.get_weights(), expected.get_weights(), strict=True):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
norms = mobilenet.batch_norm_layers(found)
before = [np.array(norm.moving_mean) for norm in norms]
plain = backends.Passes(expected)
plain.__dict__["_forward"] = lambda batch: expected(batch, training=True)
for passes in (backends.Passes(found), plain):
    passes.estimate_batch_norm(faces.pixels, n_batches=2)
for ours, theirs in zip(found.get_weights(), expected.get_weights(), strict=True):
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
assert any(np.abs(np.array(norm.moving_mean) - mean).max() > 1e-3 for norm, mean in zip(norms, before))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_pass_does_what_its_steps_do_one_by_one(backend):
    if importlib.util.find_spec(backend) is None and not is_required(backend):
        pytest.skip(f"{backend} is not installed: pip install {backend} (EMOTION_REQUIRE_JAX=1 insists)")
    environment = os.environ | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run([sys.executable, "-c", PASSES], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]


def test_reestimated_statistics_are_the_means_over_the_batches():
    faces = load_sample(140, seed=0)
    model = mobilenet.build_model(catalog.TL_WHOLE.fast(), seed=0)
    layer = mobilenet.batch_norm_layers(model)[0]
    inputs = faces.pixels[:64]
    backends.Passes(model).estimate_batch_norm(inputs, n_batches=1)
    activations = keras.Model(model.input, layer.input).predict_on_batch(inputs[..., None])
    assert keras.ops.convert_to_numpy(layer.moving_mean) == pytest.approx(activations.mean(axis=(0, 1, 2)), abs=1e-3)
    assert keras.ops.convert_to_numpy(layer.moving_variance) == pytest.approx(
        activations.var(axis=(0, 1, 2)), rel=1e-2, abs=1e-3
    )
    assert layer.momentum == pytest.approx(0.999)


needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason='JAX not installed: pip install -e ".[jax]"'
)

TRAINED = """
import json, sys
import keras, numpy as np
from emotion_detection.data import load_sample
from emotion_detection.training import backends, batches, catalog, mobilenet, optimizers, trainer

same = {"dropout": 0.0, "augmentation": None, "batch_norm_batches": 0, "batch_norm_momentum": 0.0, "epochs": 2}
top, whole = (each.fast().replace(**same) for each in (catalog.TL_TOP, catalog.TL_WHOLE))
dataset, kept = load_sample(170, seed=0), {"losses": []}
original = keras.Model.train_on_batch

def train_on_batch(model, *arguments, **keywords):
    logs = original(model, *arguments, **keywords)
    kept["losses"].append(float(logs["loss"]))
    return logs

keras.Model.train_on_batch = train_on_batch
with backends.several_devices(int(sys.argv[1])) as distribution:
    trainer._has_constant_features = lambda recipe: False
    run = trainer.train(top, dataset, record=False)
    kept["val_losses"] = run.history["val_loss"].tolist()

    network = mobilenet.build_model(whole)
    optimizers.compile_for(network, whole, steps_per_epoch=1)
    labels = np.eye(7, dtype=np.float32)[dataset.emotion]
    inputs, answers, _ = batches.FaceBatches(dataset.pixels, [labels], recipe=whole, seed=0, epoch=0)[0]
    kept["whole_loss"] = float(original(network, inputs, answers[0], return_dict=True)["loss"])
    norm = mobilenet.batch_norm_layers(network)[-1]
    kept["variance"] = np.asarray(norm.moving_variance).tolist()
    kept["devices"] = len(norm.moving_variance.value.sharding.device_set)
    layout = distribution.get_data_layout(inputs.shape).backend_layout
    kept["shard"] = layout.shard_shape(inputs.shape)
kept["last_batch"] = len(dataset.training) % top.optimisation.batch_size
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
    with pytest.raises(DataError, match=r"only on JAX.*KERAS_BACKEND=jax"), backends.several_devices():
        pass
