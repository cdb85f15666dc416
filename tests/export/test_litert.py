"""Networks as files: LiteRT in float16 and int8, ONNX; what they answer, and what they say about themselves."""

import importlib.util
import json

import numpy as np
import pytest

from emotion_detection import files, paths
from emotion_detection.data import load_sample
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.export import litert, ship
from emotion_detection.inference.classifier import EmotionClassifier, softmax
from emotion_detection.runs import network_metadata, registry, store

keras = pytest.importorskip("keras")

SAYS = {"name": "tiny", "classes": list(EMOTIONS), "temperature": 1.25}


@pytest.fixture(scope="module")
def faces():
    return load_sample(140, seed=0)


@pytest.fixture(scope="module")
def tiny():
    """A network of few layers that goes the same way as the shipped one, with feature maps of (11, 11, 8)."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, 1), dtype="uint8", name="faces")
    values = keras.layers.Resizing(96, 96, interpolation="bilinear")(inputs)
    values = keras.layers.Rescaling(1 / 127.5, -1.0)(values)
    values = keras.layers.Conv2D(8, 9, strides=8, activation="relu")(values)
    pooled = keras.layers.GlobalAveragePooling2D(name="features")(values)
    heads = [keras.layers.Dense(7, name="logits")(pooled), keras.layers.Dense(8, name="votes")(pooled)]
    return keras.Model(inputs, heads, name="tiny")


@pytest.fixture(scope="module")
def written(tiny, faces, tmp_path_factory):
    """The tiny network on LiteRT in both formats: format → path."""
    folder = tmp_path_factory.mktemp("networks")
    found = {}
    for form in registry.SUFFIXES:
        path, calibration = folder / f"tiny{registry.SUFFIXES[form]}", litert.calibration_of(faces, n=50)
        found[form] = ship.export(tiny, path, form=form, says=SAYS, calibration=calibration)
    assert sorted(child.name for child in folder.iterdir()) == ["tiny.tflite", "tiny_int8.tflite"]
    return found


def parity(model, path, faces: np.ndarray) -> float:
    """The largest difference between the probabilities of a Keras network and of its LiteRT file, of both heads."""
    answers = EmotionClassifier(path).outputs(("logits", "votes"), faces).values()
    expected = model.predict(faces[..., None], verbose=0)
    return max(float(np.abs(softmax(a) - softmax(b)).max()) for a, b in zip(expected, answers, strict=True))


@pytest.mark.parametrize(("form", "tolerance"), [("float16", 1e-3), ("int8", 0.03)])
def test_an_exported_network_has_named_outputs_and_answers_as_keras(tiny, faces, written, form, tolerance):
    assert parity(tiny, written[form], faces.pixels[:20]) < tolerance
    exported = EmotionClassifier(written[form], labels="fer2013")
    feature_map, features = (exported.output(name, faces.pixels[:3]) for name in ("feature_map", "features"))
    assert (feature_map.shape, feature_map.dtype) == ((3, 11, 11, 8), np.float32)
    tolerance = {"float16": 1e-4, "int8": 0.05}[form]
    np.testing.assert_allclose(feature_map.mean(axis=(1, 2)), features, atol=tolerance)


def convolved_types(path) -> list[type]:
    """The types of what each convolution of a LiteRT file reads and of its weights, in their order."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=plain)
    types = {tensor["index"]: tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    operations = [each for each in interpreter._get_ops_details() if each["op_name"] in litert.CONVOLUTIONS]
    return [{types[index] for index in each["inputs"][:2]} for each in operations]


def test_int8_computes_in_integers(written):
    for path in (written["int8"], registry.network_path("int8")):
        found = convolved_types(path)
        assert found == [{np.int8}] * len(found) and found


def test_an_exported_network_says_what_it_is(tiny, written):
    for form, path in written.items():
        classifier = EmotionClassifier.load(path, labels="fer2013")  # without a card beside it
        assert classifier.temperature == SAYS["temperature"]
        assert classifier.metadata | SAYS == classifier.metadata
        assert classifier.metadata["format"] == form
        kernel, bias = classifier.head
        np.testing.assert_array_equal(kernel, tiny.get_layer("logits").get_weights()[0])
        assert bias.shape == (7,)
    calibration = EmotionClassifier(written["int8"], labels="fer2013").metadata["calibration"]
    assert calibration == {"data": "drawn sample", "split": "Training", "faces": 50, "seed": 0}


def test_the_weights_in_a_file_stay_aligned(written):
    from ai_edge_litert import schema_py_generated as schema

    content = written["float16"].read_bytes()
    start = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    model = schema.Model.GetRootAs(content)
    buffers = [model.Buffers(index) for index in range(model.BuffersLength())]
    places = [each.DataAsNumpy().__array_interface__["data"][0] - start for each in buffers if each.DataLength()]
    assert len(places) > 5
    assert all(place % network_metadata.ALIGNMENT == 0 for place in places)


def test_what_a_file_says_can_be_replaced(written, faces, tmp_path):
    copy = tmp_path / "copy.tflite"
    copy.write_bytes(written["float16"].read_bytes())
    expected = EmotionClassifier(copy, labels="fer2013").logits(faces.pixels[:5])
    network_metadata.write(copy, SAYS | {"temperature": 2.0}, {})
    again, size = EmotionClassifier(copy, labels="fer2013"), copy.stat().st_size
    assert network_metadata.write(copy, SAYS | {"temperature": 3.0}, {}).stat().st_size <= size
    assert again.temperature == 2.0
    np.testing.assert_array_equal(again.logits(faces.pixels[:5]), expected)


@pytest.mark.parametrize(
    ("says", "received"),
    [
        (SAYS | {"classes": list(EMOTIONS)[::-1]}, "classes"),
        (SAYS | {"temperature": 0}, "temperature must be bigger than 0"),
        ([1], r"received \[1\]"),
    ],
)
def test_a_file_for_other_classes_is_refused(written, tmp_path, says, received):
    copy = tmp_path / "copy.tflite"
    copy.write_bytes(written["float16"].read_bytes())
    network_metadata.write(copy, says, {})
    with pytest.raises(DataError, match=received):
        EmotionClassifier(copy, labels="fer2013")


def test_a_network_without_votes_answers_with_fer2013s_labels_alone(tiny, tmp_path):
    one_head = keras.Model(tiny.input, tiny.outputs[0])
    path = litert.export_litert(one_head, tmp_path / "labels.tflite", says=SAYS)
    loaded = EmotionClassifier.load(path)
    assert (loaded.labels, loaded.label_sets) == ("fer2013", ("fer2013",))
    with pytest.raises(DataError, match='Pass labels="fer2013"'):
        EmotionClassifier.load(path, labels="votes")


def test_a_file_that_says_nothing_is_read_at_temperature_one(tiny, tmp_path):
    path = litert.export_litert(tiny, tmp_path / "plain.tflite")
    assert EmotionClassifier(path, labels="fer2013").temperature == 1.0
    assert EmotionClassifier(path, labels="fer2013").metadata == {}
    with pytest.raises(MissingFileError, match=r"no model card plain\.json"):
        EmotionClassifier.load(path)


def test_a_network_without_pooled_features_is_refused(tmp_path):
    inputs = keras.Input((48, 48, 1), dtype="uint8")
    other = keras.Model(inputs, keras.layers.Rescaling(1 / 255)(inputs))
    with pytest.raises(DataError, match="no layer 'features'"):
        litert.export_litert(other, tmp_path / "other.tflite")
    assert not (tmp_path / "other.tflite").exists()


def test_int8_needs_training_faces(tiny, faces, tmp_path):
    with pytest.raises(DataError, match="without faces to calibrate"):
        ship.export(tiny, tmp_path / "tiny.tflite", form="int8")
    with pytest.raises(DataError, match="0 of them"):
        litert.calibration_of(faces.private_test)


def test_calibration_faces_are_training_faces_chosen_by_seed(faces):
    chosen = [litert.calibration_of(faces, n=20, seed=seed).faces for seed in (0, 0, 1)]
    np.testing.assert_array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])
    known = {face.tobytes() for face in faces.training.pixels}
    assert all(face.tobytes() in known for face in chosen[0])


def test_an_unknown_format_is_refused():
    with pytest.raises(UnknownNameError, match="float16, int8, onnx"):
        ship.export_run("shipped", form="pb")


def test_onnx_without_its_packages_says_what_to_install(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingFileError, match="tf2onnx and onnx"):
        ship.export(tiny, tmp_path / "tiny.onnx", form="onnx")
    assert not list(tmp_path.iterdir())


def on_onnx(path, faces: np.ndarray) -> tuple[dict, dict]:
    """What an ONNX file answers to faces, by the names of its outputs, and what it says about itself."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    answers = dict(zip(names, session.run(names, {"faces": faces[..., None]}), strict=True))
    return answers, json.loads(session.get_modelmeta().custom_metadata_map[network_metadata.ENTRY])


needs_onnx = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("tf2onnx", "onnx", "onnxruntime"))),
    reason="the extra `onnx` is not installed (make extras)",
)


@needs_onnx
def test_onnx_answers_as_keras_and_says_what_it_is(tiny, faces, tmp_path):
    path = ship.export(tiny, tmp_path / "tiny.onnx", form="onnx", says=SAYS)
    answers, said = on_onnx(path, faces.pixels[:20])
    logits, votes = tiny.predict(faces.pixels[:20, :, :, None], verbose=0)
    np.testing.assert_allclose(answers["logits"], logits, atol=1e-3)
    np.testing.assert_allclose(answers["votes"], votes, atol=1e-3)
    assert answers["feature_map"].shape == (20, 11, 11, 8)
    assert said["temperature"] == SAYS["temperature"]


@needs_onnx
@pytest.mark.slow
def test_the_shipped_network_answers_as_keras_on_onnx(faces, tmp_path):
    from emotion_detection.training import backends, mobilenet

    path = ship.export_run(registry.read_card()["run"], form="onnx", path=tmp_path / "network.onnx")
    model = mobilenet.load_network(paths.models_dir() / f"{registry.SHIPPED}.keras")
    answers, said = on_onnx(path, faces.pixels)
    np.testing.assert_allclose(answers["logits"], backends.predict_logits(model, faces.pixels), atol=1e-3)
    assert said["run"] == registry.read_card()["run"]


# The shipped files


def test_each_shipped_file_agrees_with_keras_within_its_limit_and_is_small_enough():
    card = registry.read_card()
    for form, suffix in registry.SUFFIXES.items():
        assert card["files"][f"{registry.SHIPPED}{suffix}"]["bytes"] <= ship.LARGEST_BYTES[form]
        for split in ship.TEST_SPLITS:
            assert card["formats"][form][split]["difference"] >= -ship.LARGEST_LOSS[form]
    assert card["formats"]["int8"]["calibration"]["data"] == "FER2013"
    assert ship.LARGEST_LOSS == {"float16": 0.002, "int8": 0.005}
    assert ship.LARGEST_BYTES["int8"] == 3_000_000


@pytest.mark.fer2013
@pytest.mark.parametrize("split", ship.TEST_SPLITS)
@pytest.mark.parametrize("form", registry.SUFFIXES)
def test_a_shipped_file_answers_the_test_faces_as_its_card_says(fer2013, form, split):
    run = store.load_run(registry.read_card()["run"])
    found = ship.compared(registry.network_path(form), run.predictions[split], fer2013)
    assert found["difference"] >= -ship.LARGEST_LOSS[form]
    assert found["difference"] == pytest.approx(registry.read_card()["formats"][form][split]["difference"], abs=0.002)


@pytest.mark.fer2013
def test_faces_that_were_not_recorded_are_not_compared(fer2013):
    run = store.load_run(registry.read_card()["run"])
    with pytest.raises(DataError, match="not the 3,589 recorded ones"):
        ship.compared(registry.network_path(), run.predictions["PublicTest"], fer2013[: len(fer2013) - 5000])


def test_a_file_that_loses_accuracy_is_not_shipped(monkeypatch, tmp_path):
    path = tmp_path / "network.tflite"
    path.write_bytes(b"small")
    run = store.load_run(registry.read_card()["run"])
    values = {"difference": -0.004}
    monkeypatch.setattr(ship, "compared", lambda *_: values)
    assert ship.checked("int8", path, run, None) == dict.fromkeys(ship.TEST_SPLITS, values)
    with pytest.raises(DataError, match=r"float16 file loses 0\.40 points of Keras' accuracy, at most 0\.2"):
        ship.checked("float16", path, run, None)
    path.write_bytes(b"0" * 3_000_001)
    with pytest.raises(DataError, match="3,000,001 bytes"):
        ship.checked("int8", path, run, None)


def test_the_shipped_run_is_exported_from_the_repository_alone(isolated, monkeypatch, capsys):
    """Nothing in the cache: the network is found in data/models/."""
    project = paths.Path(__file__).resolve().parents[2]
    monkeypatch.setattr(paths, "project_root", lambda: project)
    monkeypatch.setenv("EMOTION_OUTPUT_DIR", "")
    name = registry.read_card()["run"]
    monkeypatch.setattr(store, "weights_path", lambda _: isolated / "nothing.keras")
    path = ship.export_run(name, form="keras", path=isolated / "copy.keras")
    assert files.sha256(path) == registry.read_card()["files"][f"{registry.SHIPPED}.keras"]["sha256"]
    other = next(each for each in store.recorded() if each != name)
    with pytest.raises(MissingFileError, match="not on this machine"):
        ship.export_run(other, form="keras", path=isolated / "copy.keras")


def test_the_card_names_every_shipped_file():
    card = json.loads(registry.card_path().read_text(encoding="utf-8"))
    expected = {f"{registry.SHIPPED}{suffix}" for suffix in (".keras", *registry.SUFFIXES.values())}
    assert set(card["files"]) == expected
    for name in expected:
        assert registry.check_against_card(paths.models_dir() / name)["name"] == registry.SHIPPED


def test_votes_are_added_to_a_file_and_replaced_without_a_change_of_the_rest(tiny, faces, tmp_path):
    one_head = keras.Model(tiny.input, tiny.outputs[0])
    calibration = litert.calibration_of(faces, n=50)
    for form in registry.SUFFIXES:
        path = ship.export(one_head, tmp_path / f"{form}.tflite", form=form, says=SAYS, calibration=calibration)
        before = EmotionClassifier(path, labels="fer2013").outputs(("logits", "features"), faces.pixels[:9])
        for seed in (0, 1):
            kernel = np.random.default_rng(seed).normal(size=(8, 8)).astype(np.float32)
            network = EmotionClassifier(litert.add_head(path, "votes", kernel, kernel[0]))
            after = network.outputs(("logits", "features", "votes"), faces.pixels[:9])
            for name, values in before.items():
                np.testing.assert_array_equal(after[name], values)
            np.testing.assert_allclose(after["votes"], after["features"] @ kernel + kernel[0], atol=1e-4)
