"""The networks: input stage, regimes, where weights come from."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from emotion_detection import paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.runs import store
from emotion_detection.training import catalog, import_keras, mobilenet


def tiny(regime: str = "whole", **changes) -> catalog.Recipe:
    return catalog.TL_WHOLE.replace(name="tiny", regime=regime, input_px=48, weights=None, augmentation=None, **changes)


@pytest.fixture(scope="module")
def whole():
    return mobilenet.build_model(tiny(), seed=0)


def test_faces_of_any_size_give_seven_logits(whole):
    for side in (48, 96):
        logits = whole.predict_on_batch(np.zeros((2, side, side, 1), np.uint8))
        assert logits.shape == (2, 7)
        assert logits.dtype == np.float32


def test_scaling_to_minus_one_and_one_sits_inside_the_network(whole):
    stage = keras.Model(whole.input, whole.get_layer("scale").output)
    scaled = stage.predict_on_batch(np.array([0, 255], np.uint8).repeat(48 * 48).reshape(2, 48, 48, 1))
    assert scaled.shape == (2, 48, 48, 3)
    assert scaled[0] == pytest.approx(-1)
    assert scaled[1] == pytest.approx(1, abs=1e-6)


def test_unit_scaling_and_the_two_dense_head_can_be_asked_for():
    model = mobilenet.build_model(tiny(scaling="unit", head="two_dense"), seed=0)
    stage = keras.Model(model.input, model.get_layer("scale").output)
    assert stage.predict_on_batch(np.full((1, 48, 48, 1), 255, np.uint8)) == pytest.approx(1)
    assert [model.get_layer(name).units for name in ("dense_1", "dense_2", "logits")] == [128, 128, 7]


@pytest.mark.parametrize(
    ("regime", "first_trained"), [("top", "features"), ("100", "block_11_expand_BN"), ("whole", "faces")]
)
def test_a_regime_trains_what_follows_its_cut_and_nothing_before(regime, first_trained):
    model = mobilenet.build_model(tiny(regime), seed=0)
    names = [layer.name for layer in model.layers]
    cut = names.index(first_trained)
    assert not any(layer.trainable for layer in model.layers[:cut])
    assert all(layer.trainable for layer in model.layers[cut:])


def test_frozen_batch_norm_keeps_its_statistics_while_training():
    model = mobilenet.build_model(tiny("100"), seed=0)
    frozen, trained = model.get_layer("bn_Conv1"), model.get_layer("block_16_project_BN")
    before = [keras.ops.convert_to_numpy(layer.moving_variance).copy() for layer in (frozen, trained)]
    model(np.random.default_rng(0).integers(0, 255, (4, 48, 48, 1), dtype=np.uint8), training=True)
    assert np.array_equal(before[0], keras.ops.convert_to_numpy(frozen.moving_variance))
    assert not np.array_equal(before[1], keras.ops.convert_to_numpy(trained.moving_variance))


@pytest.mark.parametrize("regime", ["top", "100"])
def test_the_frozen_and_the_trained_part_together_are_the_network(regime):
    model = mobilenet.build_model(tiny(regime), seed=0)
    frozen, trained = mobilenet.split_at(model, mobilenet.CACHE_POINT[regime])
    faces = np.random.default_rng(1).integers(0, 255, (3, 48, 48, 1), dtype=np.uint8)
    together = trained.predict_on_batch(frozen.predict_on_batch(faces))
    assert together == pytest.approx(model.predict_on_batch(faces), abs=1e-5)
    assert not frozen.get_layer("bn_Conv1").trainable


def test_the_same_seed_builds_the_same_head():
    first, second, other = (
        mobilenet.build_model(tiny(), seed=seed).get_layer("logits").get_weights()[0] for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_missing_imagenet_weights_are_an_error_that_names_all_three_places(isolated, monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(keras.utils, "get_file", offline)
    with pytest.raises(MissingFileError, match=r"EMOTION_DATA_DIR.*data/raw.*Keras' own download.*no network"):
        mobilenet.build_model(catalog.TL_TOP)


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_damaged_imagenet_weights_are_named(isolated, content):
    (isolated / "data" / "raw" / paths.IMAGENET_FILES[0]).write_bytes(content)
    with pytest.raises(DataError, match=r"mobilenet_v2_1\.0_224.*cannot be read.*delete it"):
        mobilenet.build_model(catalog.TL_TOP)


def test_networks_are_built_with_keras_alone():
    imported = re.findall(
        r"^\s*(?:import|from) (\S+)", Path(mobilenet.__file__).read_text(encoding="utf-8"), re.MULTILINE
    )
    packages = {name.split(".")[0] for name in imported}
    assert mobilenet.keras is keras and not packages & {"tensorflow", "jax", "torch"}


def test_a_damaged_network_is_refused_with_a_sentence(isolated):
    path = isolated / "network.keras"
    path.write_bytes(b"not a network")
    with pytest.raises(DataError, match=r"network\.keras cannot be loaded.*damaged"):
        mobilenet.load_network(path)


def test_a_network_that_is_not_the_one_on_its_card_is_refused(isolated):
    path = isolated / "network.keras"
    path.write_bytes(b"changed")
    card = {"files": {path.name: {"sha256": "00ff"}}, "temperature": 1.0, "classes": list(EMOTIONS)}
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(DataError, match="SHA-256"):
        mobilenet.load_network(path)


def test_the_parameters_that_a_regime_trains_are_those_that_the_records_count():
    network = mobilenet.build_model(catalog.TL_WHOLE.replace(weights=None))
    blocks, regimes = mobilenet.blocks(network), mobilenet.regimes(network)
    assert list(blocks.index) == ["stem", *(f"block {number}" for number in range(17)), "last conv.", "head"]
    assert blocks.loc["block 12", ["output_px", "channels"]].tolist() == [6, 96]
    for name, regime in {"TL top": "top", "TL 100": "100", "TL whole": "whole"}.items():
        recorded = store.load_run(f"tl_{regime}").info["parameters"]
        assert blocks["parameters"].sum() == recorded["all"]
        assert blocks[f"trained_{regime}"].sum() == regimes.loc[name, "parameters_trained"] == recorded["trained"]
    assert regimes["layers_trained"].tolist() == [1, 38, 105]


def test_settings_of_keras_that_other_projects_made_change_no_network():
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    again = import_keras.__wrapped__()
    assert (again.config.floatx(), again.config.image_data_format()) == ("float32", "channels_last")
    assert again.layers.Conv2D(2, 3).dtype_policy.name == "float32"
