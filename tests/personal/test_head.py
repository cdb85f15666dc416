"""A head of one's own: the fit on synthetic faces, the table before and after, the file; no camera, no person."""

import dataclasses
import json

import numpy as np
import pytest

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.personal import fitting
from emotion_detection.personal import head as personal
from emotion_detection.runs import registry

NETWORK = "a" * 64
CENTERS = np.random.default_rng(0).normal(size=(7, personal.WIDTH)).astype(np.float32)
SHIFT = np.random.default_rng(1).normal(size=personal.WIDTH).astype(np.float32)


class Network:
    """Seven clouds of features, and the head that tells them apart; a user's camera shifts all clouds alike."""

    label_sets, temperature, classes, contempt, prior, threshold, facts = (), 1.0, EMOTIONS, False, None, 0.0, {}

    def __init__(self, sha256: str = NETWORK, labels: str = "votes"):
        self.metadata, self.sha256, self.labels = {}, sha256, labels

    head = (4 * CENTERS.T / personal.WIDTH, np.zeros(7, np.float32))

    @staticmethod
    def scores(features: np.ndarray) -> np.ndarray:
        return 4 * features @ CENTERS.T / personal.WIDTH

    def outputs(self, names, faces):
        return {"features": faces, "scores": self.scores(faces)}


def faces_of(emotion: int, *, count: int = 20, seed: int = 0, shift: float = 1.5) -> np.ndarray:
    """Features of a user's faces: float32 (count, 1280). The shift makes them look like the first emotion."""
    noise = np.random.default_rng([seed, emotion]).normal(size=(count, personal.WIDTH))
    return (CENTERS[emotion] + 1.5 * noise + shift * (CENTERS[0] + 0.3 * SHIFT)).astype(np.float32)


def calibrated(emotions=EMOTIONS, *, shift: float = 1.5) -> personal.Calibration:
    calibration = personal.Calibration(NETWORK, "votes", 1.0)
    for emotion in emotions:
        for take in (1, 2):
            features = faces_of(EMOTIONS.index(emotion), seed=take, shift=shift)
            calibration = calibration.with_clip(personal.Clip(emotion, features, Network.scores(features)))
    return calibration


def accuracy(head: personal.Head | None, *, shift: float = 1.5) -> np.ndarray:
    """Accuracy on other faces of the user, by emotion: float (7,)."""
    right = []
    for emotion in range(7):
        features = faces_of(emotion, count=100, seed=9, shift=shift)
        scores = Network.scores(features)
        scores = scores if head is None else head.corrected(scores, features)
        right.append((scores.argmax(axis=1) == emotion).mean())
    return np.array(right)


@pytest.fixture
def prepared(isolated):
    """Average features of the synthetic network, as recorded for the shipped one."""
    personal.prepared_for.cache_clear()
    averages = fitting.Averages(CENTERS, Network.scores(CENTERS).astype(np.float32))
    personal.write_prepared(NETWORK, "votes", personal.Prepared(averages, fitting.Settings()))
    yield
    personal.prepared_for.cache_clear()


# The fit


def test_a_head_puts_right_what_a_camera_shifts(prepared):
    assert accuracy(None)[1:].mean() < 0.4  # "always angry"
    head = personal.fit(calibrated())
    assert accuracy(head).min() > 0.95
    assert head.frames == {name: [20, 20] for name in EMOTIONS} and head.note == ""


@pytest.mark.parametrize("recorded", [("happy",), ("angry", "sad"), EMOTIONS[:4]])
def test_emotions_that_were_not_recorded_do_not_get_worse(prepared, recorded):
    others = [EMOTIONS.index(name) for name in EMOTIONS if name not in recorded]
    for shift in (0.0, 1.5):
        head = personal.fit(calibrated(recorded, shift=shift))
        change = accuracy(head, shift=shift) - accuracy(None, shift=shift)
        assert change[others].min() > -0.05, (shift, change)


@pytest.mark.parametrize(("stand_in", "holds"), [(0.0, False), (1.0, True)])
def test_stand_ins_hold_what_was_not_recorded_where_steps_are_cheap(prepared, stand_in, holds):
    settings = fitting.Settings(penalty=1e-4, bias_penalty=1e-5, stand_in=stand_in)
    head = personal.fit(calibrated(["happy"], shift=0.0), settings=settings)
    change = accuracy(head, shift=0.0) - accuracy(None, shift=0.0)
    others = np.delete(change, EMOTIONS.index("happy"))
    assert (others > -0.05).all() if holds else (others < -0.5).all()


def test_another_network_is_told_that_nothing_holds_what_was_not_recorded(isolated):
    personal.prepared_for.cache_clear()
    assert "nothing holds Disgust" in personal.fit(calibrated(["angry", "fear"])).note
    assert personal.fit(calibrated()).note == ""


def test_the_dearer_a_step_the_nearer_the_head_stays(prepared):
    calibration = calibrated()
    steps = [
        np.abs(personal.fit(calibration, settings=fitting.Settings(penalty, penalty)).weights).sum()
        for penalty in (0.01, 1.0, 1e6)
    ]
    assert steps[0] > steps[1] > steps[2]
    still = personal.fit(calibration, settings=fitting.Settings(1e6, 1e6))
    assert np.abs(still.corrected(np.zeros((1, 7)), CENTERS[:1])).max() < 1e-3


def test_the_gradient_is_that_of_the_loss(prepared):
    from scipy import optimize

    learned = fitting.examples(calibrated(["happy", "sad"]).clips, None, settings=fitting.Settings(), most_frames=3)
    reduced, directions = fitting._reduced(learned.features)
    np.testing.assert_allclose(reduced @ directions.T, learned.features, atol=1e-3)
    problem = fitting._Problem(reduced / 50, learned, 1.3, fitting.Settings())
    at = np.random.default_rng(0).normal(size=(reduced.shape[1] + 1) * 7)
    error = optimize.check_grad(lambda flat: problem.loss(flat)[0], lambda flat: problem.loss(flat)[1], at)
    assert error < 1e-5


def test_each_emotion_and_each_clip_weigh_the_same_however_long_they_are():
    clips = [
        personal.Clip("happy", np.ones((200, personal.WIDTH), np.float32), np.zeros((200, 7), np.float32)),
        personal.Clip("happy", np.ones((2, personal.WIDTH), np.float32), np.zeros((2, 7), np.float32)),
        personal.Clip("sad", np.ones((5, personal.WIDTH), np.float32), np.zeros((5, 7), np.float32)),
    ]
    learned = fitting.examples(clips, None, settings=fitting.Settings(), most_frames=16)
    assert len(learned.weight) == 16 + 2 + 5
    assert learned.weight[:16].sum() == pytest.approx(0.25) and learned.weight[-5:].sum() == pytest.approx(0.5)


def test_an_empty_calibration_is_refused():
    with pytest.raises(DataError, match="Nothing is recorded"):
        personal.fit(personal.Calibration(NETWORK, "votes", 1.0))


@pytest.mark.parametrize(
    ("emotion", "features", "scores", "words"),
    [
        ("bored", (3, 1280), (3, 7), "'bored' is no emotion"),
        ("happy", (3, 1000), (3, 7), r"features \(3, 1000\)"),
        ("happy", (3, 1280), (2, 7), r"scores \(2, 7\)"),
        ("happy", (0, 1280), (0, 7), "n from 1 on"),
    ],
)
def test_a_clip_of_another_shape_is_refused(emotion, features, scores, words):
    with pytest.raises((DataError, UnknownNameError), match=words):
        personal.Clip(emotion, np.zeros(features, np.float32), np.zeros(scores, np.float32))


def test_a_clip_with_numbers_that_are_not_finite_is_refused():
    with pytest.raises(DataError, match="not finite"):
        personal.Clip("sad", np.full((1, personal.WIDTH), np.nan, np.float32), np.zeros((1, 7), np.float32))


# Before and after


def test_each_clip_is_answered_by_a_head_that_has_not_seen_it(prepared, monkeypatch):
    fitted = []
    fit = personal.fit
    monkeypatch.setattr(
        personal, "fit", lambda calibration, **more: fitted.append(calibration) or fit(calibration, **more)
    )
    calibration = calibrated()
    table = personal.leave_one_clip_out(calibration)
    assert [[calibration.clips.index(clip) for clip in each.clips] for each in fitted] == [
        list(range(1, 14, 2)),
        list(range(0, 14, 2)),
    ]
    assert table["emotion"].tolist() == list(EMOTIONS) and table["clips"].tolist() == [2] * 7
    assert table["accuracy_after"].mean() > table["accuracy_before"].mean() + 0.3
    assert (table["probability_after"] > table["probability_before"])[1:].all()


def test_a_single_clip_is_answered_as_before(prepared):
    calibration = calibrated(["happy"])
    one = dataclasses.replace(calibration, clips=calibration.clips[:1])
    table = personal.leave_one_clip_out(one)
    assert table["accuracy_before"].tolist() == table["accuracy_after"].tolist()


# The network with a head


def test_a_head_is_switched_on_and_off(prepared):
    features = faces_of(3)
    network = personal.PersonalClassifier(Network(), personal.fit(calibrated()))
    assert (network.predict_proba(features).argmax(axis=1) == 3).all()
    network.is_on = False
    general = network.predict_proba(features)
    np.testing.assert_array_equal(general, personal.PersonalClassifier(Network()).predict_proba(features))


def test_weights_and_outputs_are_those_of_the_answers(prepared):
    features = faces_of(3)
    network = personal.PersonalClassifier(Network(), personal.fit(calibrated()))
    for network.is_on in (True, False):
        weights, biases = network.head
        scores = network.outputs(("scores",), features)["scores"]
        np.testing.assert_allclose(scores, features @ weights + biases, atol=1e-3)
        np.testing.assert_allclose(network.predict_proba(features), network.calibrated(scores))


def test_a_head_of_another_network_is_refused(prepared):
    with pytest.raises(DataError, match="made for another network"):
        personal.PersonalClassifier(Network("b" * 64), personal.fit(calibrated()))


def test_a_head_is_for_the_labels_that_it_was_taught(prepared):
    head = personal.fit(calibrated())
    with pytest.raises(DataError, match=r"labels='votes'.*answers with 'fer2013'"):
        personal.PersonalClassifier(Network(labels="fer2013"), head)
    eight = head.corrected(np.zeros((2, 8), np.float32), np.ones((2, 1280), np.float32))
    np.testing.assert_array_equal(eight[:, :7], head.corrected(np.zeros((2, 7)), np.ones((2, 1280), np.float32)))
    assert (eight[:, 7] == 0).all()


def test_a_network_without_a_card_cannot_be_taught():
    network = Network()
    network.sha256 = None
    with pytest.raises(DataError, match="without a model card cannot be taught"):
        personal.Calibration.of(network)


# The file


@pytest.fixture
def saved(prepared, tmp_path):
    head = personal.fit(calibrated(["happy", "sad"]))
    path = tmp_path / "mine.json"
    return head, path, personal.save(head, path)


def test_a_saved_head_answers_the_same_to_the_last_bit(saved):
    head, path, _ = saved
    again = personal.load(path, Network())
    np.testing.assert_array_equal(again.weights, head.weights)
    np.testing.assert_array_equal(again.bias, head.bias)
    assert (again.frames, again.network, again.labels, again.note) == (head.frames, head.network, "votes", head.note)


def test_the_file_is_small_holds_numbers_alone_and_says_what_they_are(saved):
    head, path, privacy = saved
    values = json.loads(path.read_text(encoding="utf-8"))
    assert values["privacy"] == privacy == head.privacy
    assert "8,967 numbers computed from 80 moments" in privacy and "no picture" in privacy
    assert set(values) == {"kind", "privacy", "network", "labels", "frames", "note", "bias", "weights"}
    assert np.shape(values["weights"]) == (1280, 7) and path.stat().st_size < 200_000


def test_a_file_made_for_another_network_is_refused(saved):
    with pytest.raises(DataError, match=r"mine\.json was made for another network .*Teach this network anew"):
        personal.load(saved[1], Network("b" * 64))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "something"},
        {"weights": [[0.0] * 7] * 3},
        {"weights": [["x"] * 7] * 1280},
        {"bias": [1e999] * 7},
        {"bias": None},
        {"frames": {"bored": [1]}},
        {"frames": {"happy": ["many"]}},
        {"frames": None},
    ],
)
def test_a_file_with_other_content_is_refused(saved, change):
    _, path, _ = saved
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(DataError, match=r"mine\.json is damaged.*teach this network anew"):
        personal.load(path, Network())


def test_a_cut_file_and_a_missing_one_are_told(saved):
    _, path, _ = saved
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="teach this network anew"):
        personal.load(path, Network())
    with pytest.raises(MissingFileError, match=r"gone\.json"):
        personal.load(path.with_name("gone.json"), Network())


def test_damaged_averages_are_told(prepared):
    personal.prepared_path("votes").write_bytes(b"PK no archive")
    personal.prepared_for.cache_clear()
    with pytest.raises(DataError, match="git checkout -- data/results/personal"):
        personal.fit(calibrated())


def test_a_head_from_the_shipped_network_fits_the_card():
    network = EmotionClassifier.load()
    assert personal.network_of(network) == registry.read_card()["files"]["emotion_mobilenetv2.tflite"]["sha256"]


@pytest.mark.parametrize(("labels", "highest"), [("fer2013", 7), ("votes", 5)])
def test_no_single_face_is_in_what_is_prepared(labels, highest):
    """Faces with FER2013's label are averaged; ten people would call many of the angry and sad ones neutral."""
    prepared = personal.prepared_for(personal.network_of(EmotionClassifier.load()), labels)
    assert prepared.averages.features.shape == (7, 1280) and prepared.averages.scores.shape == (7, 7)
    assert (prepared.averages.scores.argmax(axis=1) == np.arange(7)).sum() >= highest


def test_other_labels_of_the_shipped_network_keep_a_head_only_where_it_fits():
    network = EmotionClassifier.load()
    head = personal.Head(network.sha256, "votes", np.zeros((1280, 7), np.float32), np.ones(7, np.float32), {})
    eight = personal.PersonalClassifier(network, head).with_labels("votes", contempt=True)
    assert eight.classes[-1] == "contempt" and eight.personal_head is head
    with pytest.raises(DataError, match="labels='votes'"):
        eight.with_labels("fer2013")
