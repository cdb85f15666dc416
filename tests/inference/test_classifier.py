"""`EmotionClassifier`: loading with its checks, and what it answers."""

import json
import pathlib
import shutil
import subprocess
import sys
import threading

import numpy as np
import PIL.Image
import pytest

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS, VOTES
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.faces import preprocessing
from emotion_detection.inference import classifier
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs import registry

NETWORK = paths.models_dir() / f"{registry.SHIPPED}.tflite"


@pytest.fixture(scope="module")
def shipped():
    return EmotionClassifier.load()


@pytest.fixture(scope="module")
def drawn_faces():
    """Ten blurred noise pictures, uint8 (10, 96, 96, 3)."""
    coarse = np.random.default_rng(0).integers(0, 256, (10, 12, 12, 3), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture
def network(tmp_path):
    """A file that is no network, with a card that vouches for it."""
    path = tmp_path / "network.tflite"
    path.write_bytes(b"not a network")
    write_card(path)
    return path


def write_card(path, **changes):
    entry = {"sha256": files.sha256(path), "bytes": path.stat().st_size}
    card = {"name": "test", "run": "none", "classes": list(EMOTIONS), "temperature": 1.5, "files": {path.name: entry}}
    files.write_json(path.with_suffix(".json"), card | changes)


def test_a_missing_network_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"network .*nowhere\.tflite is missing"):
        EmotionClassifier.load(tmp_path / "nowhere.tflite")


def test_a_file_without_a_card_is_taken_for_what_it_says_about_itself(tmp_path, shipped, drawn_faces):
    copy = shutil.copy(NETWORK, tmp_path / "copy.tflite")
    alone = EmotionClassifier.load(copy)
    assert alone.temperature == shipped.temperature
    np.testing.assert_array_equal(alone.predict_proba(drawn_faces), shipped.predict_proba(drawn_faces))


def test_a_damaged_network_is_refused(network):
    network.write_bytes(b"not a netw0rk")
    with pytest.raises(DataError, match="SHA-256") as caught:
        EmotionClassifier.load(network)
    assert "git checkout -- data/models" in str(caught.value)


def test_a_truncated_network_is_refused(network):
    network.write_bytes(b"not")
    with pytest.raises(DataError, match="3 bytes"):
        EmotionClassifier.load(network)


def test_a_file_that_the_card_does_not_name_is_refused(network):
    write_card(network, files={})
    with pytest.raises(DataError, match="SHA-256"):
        EmotionClassifier.load(network)


def test_a_file_that_is_no_network_is_refused_even_if_the_card_vouches_for_it(network):
    with pytest.raises(DataError, match="not a LiteRT network"):
        EmotionClassifier.load(network)


@pytest.mark.parametrize(
    ("changes", "received"),
    [
        ({"classes": list(EMOTIONS)[::-1]}, "classes"),
        ({"temperature": 0}, "temperature must be bigger than 0; received 0"),
        ({"temperature": "1.5"}, "temperature must be number; received '1.5'"),
        ({"temperature": None}, "received None"),
        ({"votes": {"classes": list(EMOTIONS), "temperature": 1}}, "votes.classes must be same"),
        ({"votes": {"classes": list(VOTES), "temperature": -1}}, "votes.temperature must be bigger"),
        (
            {"votes": {"classes": list(VOTES), "temperature": 1, "prior": [0.1], "balanced": {}}},
            "votes.prior must contain at least 8",
        ),
        ({"votes": {"classes": list(VOTES), "temperature": 1, "prior": [0.1] * 8, "balanced": {}}}, "strength"),
        ({"files": []}, "files must be object"),
        ({"files": {"network.tflite": "abc"}}, "network.tflite must be object"),
    ],
)
def test_a_card_of_another_kind_is_refused(network, changes, received):
    write_card(network, **changes)
    with pytest.raises(DataError, match=received):
        EmotionClassifier.load(network)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_damaged_card_is_refused(network, content):
    network.with_suffix(".json").write_bytes(content)
    with pytest.raises(DataError, match="model card"):
        EmotionClassifier.load(network)


def test_softmax_is_exact_for_large_logits():
    probabilities = classifier.softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3.0)]], np.float32))
    np.testing.assert_allclose(probabilities, [[0.5, 0.5], [0.25, 0.75]], rtol=1e-6)
    assert probabilities.dtype == np.float32


def test_a_flipped_byte_in_the_shipped_network_is_noticed(tmp_path):
    copy = tmp_path / NETWORK.name
    shutil.copyfile(NETWORK.with_suffix(".json"), copy.with_suffix(".json"))
    content = bytearray(NETWORK.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    with pytest.raises(DataError, match="SHA-256"):
        EmotionClassifier.load(copy)


def test_probabilities_sum_to_one_in_fer2013_order(shipped, drawn_faces):
    probabilities = shipped.predict_proba(drawn_faces)
    assert probabilities.shape == (10, 7)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert shipped.predict(drawn_faces) == [EMOTIONS[index] for index in probabilities.argmax(axis=1)]
    assert shipped.classes == EMOTIONS


def test_the_temperature_of_the_card_is_applied_once(shipped, drawn_faces):
    card = json.loads(NETWORK.with_suffix(".json").read_text(encoding="utf-8"))
    expected = classifier.softmax(shipped.logits(drawn_faces) / card["temperature"])
    np.testing.assert_array_equal(shipped.with_labels("fer2013").predict_proba(drawn_faces), expected)
    expected = classifier.softmax(shipped.output("votes", drawn_faces)[:, :7] / card["votes"]["temperature"])
    np.testing.assert_array_equal(shipped.predict_proba(drawn_faces), expected)


def test_votes_have_contempt_on_request_and_sum_to_one_either_way(shipped, drawn_faces):
    eight = shipped.with_labels("votes", contempt=True)
    assert (shipped.labels, shipped.classes, eight.classes) == ("votes", EMOTIONS, VOTES)
    with_contempt, without = eight.predict_proba(drawn_faces), shipped.predict_proba(drawn_faces)
    np.testing.assert_allclose(with_contempt.sum(axis=1), 1, rtol=1e-5)
    seven = with_contempt[:, :7] / with_contempt[:, :7].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(without, seven, rtol=1e-4)


def test_a_balanced_prior_divides_probabilities_by_a_power_of_the_prior(shipped, drawn_faces):
    balanced, facts = shipped.with_labels("votes", prior="balanced"), registry.read_card()["votes"]
    adjusted = shipped.predict_proba(drawn_faces) / np.array(facts["prior"])[:7] ** facts["balanced"]["strength"]
    expected = adjusted / adjusted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(balanced.predict_proba(drawn_faces), expected, rtol=1e-4)
    assert balanced.threshold == facts["balanced"]["confidence"]["threshold"]


def test_other_labels_are_answers_of_the_same_open_network(shipped, drawn_faces):
    labels = shipped.with_labels("fer2013")
    assert labels._interpreter is shipped._interpreter and shipped.labels == "votes"
    np.testing.assert_array_equal(labels.output("scores", drawn_faces), shipped.logits(drawn_faces))
    assert (labels.threshold, labels.temperature) == (0.39, 1.1157)


@pytest.mark.parametrize(
    ("labels", "settings", "error"),
    [
        ("people", {}, UnknownNameError),
        ("votes", {"prior": "even"}, UnknownNameError),
        ("fer2013", {"prior": "balanced"}, DataError),
        ("fer2013", {"contempt": True}, DataError),
    ],
)
def test_answers_that_no_network_has_are_refused(labels, settings, error):
    with pytest.raises(error):
        EmotionClassifier.load(labels=labels, **settings)


def test_every_face_goes_through_the_one_way_to_the_input(shipped, drawn_faces):
    small = preprocessing.to_gray48_batch(drawn_faces)
    expected = shipped.logits(small)
    np.testing.assert_array_equal(shipped.logits(drawn_faces), expected)
    np.testing.assert_array_equal(shipped.logits(list(drawn_faces)), expected)
    np.testing.assert_array_equal(shipped.logits(small[..., None]), expected)


def test_an_answer_does_not_depend_on_the_other_faces(shipped, drawn_faces):
    together = shipped.logits(drawn_faces)
    alone = np.concatenate([shipped.logits(drawn_faces[i : i + 1]) for i in range(len(drawn_faces))])
    np.testing.assert_array_equal(together, alone)
    assert len(np.unique(together, axis=0)) == len(drawn_faces)


@pytest.mark.parametrize("empty", [[], np.empty((0, 48, 48), np.uint8)])
def test_no_faces_give_no_answers(shipped, empty):
    assert shipped.predict_proba(empty).shape == (0, 7)
    assert shipped.predict(empty) == []


def test_features_are_the_pooled_feature_map(shipped, drawn_faces):
    features = shipped.output("features", drawn_faces[:3])
    feature_map = shipped.output("feature_map", drawn_faces[:3])
    assert features.shape == (3, 1280)
    assert feature_map.shape == (3, 3, 3, 1280)
    np.testing.assert_allclose(feature_map.mean(axis=(1, 2)), features, atol=1e-4)


@pytest.mark.parametrize("form", registry.SUFFIXES)
def test_the_last_layers_turn_features_into_scores(form, drawn_faces):
    network = EmotionClassifier.load(form)
    for answering in (network, network.with_labels("votes", contempt=True), network.with_labels("fer2013")):
        kernel, bias = answering.head
        assert (kernel.shape, bias.shape) == ((1280, len(answering.classes)), (len(answering.classes),))
        expected = network.output("features", drawn_faces) @ kernel + bias
        tolerance = {"float16": 0.02, "int8": 0.5}[form]
        np.testing.assert_allclose(answering.output("scores", drawn_faces), expected, atol=tolerance)


def test_a_format_is_loaded_by_its_name(drawn_faces):
    np.testing.assert_array_equal(
        EmotionClassifier.load("int8").logits(drawn_faces),
        EmotionClassifier.load(registry.network_path("int8")).logits(drawn_faces),
    )
    assert EmotionClassifier.load("int8").metadata == EmotionClassifier.load("float16").metadata
    with pytest.raises(MissingFileError, match="int4"):
        EmotionClassifier.load("int4")


@pytest.mark.parametrize("form", registry.SUFFIXES)
def test_a_shipped_file_says_what_it_is(form):
    network, card = EmotionClassifier(registry.network_path(form), labels="fer2013"), registry.read_card()
    assert network.classes == tuple(network.metadata["classes"])
    assert network.temperature == network.metadata["temperature"] == card["temperature"]
    assert network.metadata["votes"] == card["votes"]
    assert network.metadata["keras_sha256"] == card["files"][f"{registry.SHIPPED}.keras"]["sha256"]
    assert (network.metadata["format"], network.metadata["run"]) == (form, card["run"])


def test_an_unknown_output_is_refused(shipped, drawn_faces):
    with pytest.raises(DataError, match="scores, logits, votes, features, feature_map"):
        shipped.output("softmax", drawn_faces)


def test_faces_of_another_type_are_refused(shipped, drawn_faces):
    with pytest.raises(DataError, match="float32"):
        shipped.predict_proba(drawn_faces.astype(np.float32))


def test_pil_pictures_are_faces_like_arrays(shipped, drawn_faces):
    pictures = [PIL.Image.fromarray(face) for face in drawn_faces]
    expected = shipped.predict_proba(list(drawn_faces))
    np.testing.assert_array_equal(shipped.predict_proba(pictures), expected)
    np.testing.assert_array_equal(shipped.predict_proba([picture.convert("RGBA") for picture in pictures]), expected)


@pytest.mark.parametrize(
    "photograph",
    [
        "me.jpg",
        ["me.jpg"],
        pathlib.Path("me.jpg"),
        PIL.Image.new("RGB", (640, 480)),
        np.zeros((480, 640, 3), np.float32)[0],
        [np.zeros((3000, 4000, 3), np.uint8)],
        np.zeros((1, 3000, 4000, 3), np.uint8),
    ],
    ids=lambda photograph: type(photograph).__name__,
)
def test_a_photograph_gets_a_sentence_that_names_analyse(shipped, photograph):
    with pytest.raises(DataError, match="analyse"):
        shipped.predict_proba(photograph)


def test_opening_a_network_writes_nothing_to_the_terminal():
    code = (
        "import numpy as np; from emotion_detection import EmotionClassifier;"
        "EmotionClassifier.load().predict(np.zeros((1, 48, 48), np.uint8))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr == ""


def test_threads_may_share_a_classifier(shipped, drawn_faces):
    expected, received = shipped.logits(drawn_faces), {}

    def answer(name):
        received[name] = [shipped.logits(drawn_faces) for _ in range(3)]

    threads = [threading.Thread(target=answer, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(received) == 3
    for logits in (logits for answers in received.values() for logits in answers):
        np.testing.assert_array_equal(logits, expected)


IMPORTED = """
import sys
import numpy as np
import emotion_detection
from emotion_detection.faces import detection, preprocessing
from emotion_detection.inference import classifier, pipeline
{statement}
print([name for name in ("tensorflow", "keras", "matplotlib") if name in sys.modules])
"""


@pytest.mark.parametrize(
    "statement",
    ["", "classifier.EmotionClassifier.load().predict_proba(np.zeros((1, 48, 48), np.uint8))"],
)
def test_classifying_imports_no_tensorflow(statement):
    code = IMPORTED.format(statement=statement)
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip().splitlines()[-1] == "[]"
