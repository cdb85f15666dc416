"""From a frame to faces and their emotions, and onto the frame."""

import json

import numpy as np
import pytest

from emotion_detection import paths
from emotion_detection.emotions import COLORS, EMOTIONS
from emotion_detection.faces import cropping, detection, images
from emotion_detection.inference import pipeline
from emotion_detection.inference.classifier import EmotionClassifier
from golden import make_golden
from stand_ins import HAPPY, AlwaysHappy, OneBox

PORTRAIT = paths.sample_dir() / "astronaut.webp"


@pytest.fixture
def portrait():
    return images.read_picture(PORTRAIT)


@pytest.fixture(scope="module")
def shipped():
    return EmotionClassifier.load(labels="fer2013")


@pytest.fixture(params=["yunet", "haar"])
def detector(request):
    if request.param == "yunet" and detection.find_yunet() is None:
        pytest.skip("YuNet not found: run make setup or set EMOTION_DATA_DIR")
    return detection.load_detector(request.param)


# --- the portrait ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(make_golden.TRANSFORMS))
def test_the_portrait_stays_happy(detector, shipped, portrait, name):
    changed = make_golden.TRANSFORMS[name](portrait)
    found = pipeline.analyse_frame(changed, detector=detector, classifier=shipped)
    assert [face.label for face in found] == ["happy"]


def test_the_portraits_probabilities_are_the_recorded_ones(detector, shipped):
    golden = json.loads(make_golden.PROBABILITIES.read_text(encoding="utf-8"))
    network = {key: shipped.metadata[key] for key in ("run", "finished")}
    assert {key: golden[key] for key in network} == network, "another network: python tests/golden/make_golden.py"
    received = make_golden.probabilities(detector, shipped)
    assert list(received) == list(golden[detector.name])
    for name, values in golden[detector.name].items():
        np.testing.assert_allclose(received[name], values, atol=0.05, err_msg=name)
        assert int(np.argmax(values)) == EMOTIONS.index("happy")
    np.testing.assert_allclose(received["unchanged"], golden[detector.name]["unchanged"], atol=0.02)


def test_there_are_ten_transforms_and_each_changes_the_picture(portrait):
    assert len(make_golden.TRANSFORMS) == 10
    for change in make_golden.TRANSFORMS.values():
        changed = change(portrait)
        assert changed.dtype == np.uint8
        assert changed.shape != portrait.shape or np.abs(changed.astype(int) - portrait).mean() > 2


# --- frames ---------------------------------------------------------------------------------------------------------


def test_each_face_is_cropped_by_its_detectors_framing(portrait):
    detector, classifier = OneBox((180, 60, 96, 96), (10, 10, 60, 60)), AlwaysHappy()
    found = pipeline.analyse_frame(portrait, detector=detector, classifier=classifier)
    for face, box, crop in zip(found, detector.boxes, classifier.crops, strict=True):
        assert face.box == box
        np.testing.assert_array_equal(crop, cropping.crop_face(portrait, box, framing=detector.framing))


def test_a_face_knows_its_label_and_confidence():
    face = pipeline.FaceEmotion(cropping.FaceBox(0, 0, 50, 50), HAPPY)
    assert face.label == "happy"
    assert face.confidence == pytest.approx(0.8)


def test_faces_too_small_to_judge_are_left_out(portrait):
    detector, classifier = OneBox((10, 10, 24, 24), (10, 10, 23, 23)), AlwaysHappy()
    found = pipeline.analyse_frame(portrait, detector=detector, classifier=classifier)
    assert [face.box.width for face in found] == [24]


def test_a_frame_without_a_face_gives_an_empty_list(detector):
    blank = np.full((240, 320, 3), 128, np.uint8)
    assert pipeline.analyse_frame(blank, detector=detector, classifier=AlwaysHappy()) == []


# --- annotated pictures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [(180, 60, 90, 110), (400, 10, 110, 110), (-30, 450, 90, 90), (0, 0, 512, 512)])
def test_annotating_draws_on_a_copy(portrait, box):
    before = portrait.copy()
    drawn = pipeline.annotate(portrait, [pipeline.FaceEmotion(cropping.FaceBox(*box), HAPPY)])
    np.testing.assert_array_equal(portrait, before)
    assert drawn.dtype == np.uint8 and drawn.shape[1] >= 512
    widened = np.full_like(drawn, 255)
    widened[:512, :512] = before
    changed = (drawn != widened).any(axis=2)
    assert 0.01 < changed.mean() < 0.6


def test_bars_that_have_no_room_beside_a_face_are_drawn_beyond_the_picture(portrait):
    close_up = [pipeline.FaceEmotion(cropping.FaceBox(60, 60, 400, 400), HAPPY)]
    drawn, boxed = pipeline.annotate(portrait, close_up), pipeline.annotate(portrait, close_up, bars=False)
    assert boxed.shape == portrait.shape
    np.testing.assert_array_equal(drawn[:, :512], boxed)
    assert drawn.shape[0] == 512 and drawn.shape[1] > 512 + 200
    twice = pipeline.annotate(portrait, close_up * 2)
    assert twice.shape[1] - drawn.shape[1] == pytest.approx(drawn.shape[1] - 512, abs=2)


def test_bars_are_as_long_as_their_probabilities():
    white = np.full((300, 600, 3), 255, np.uint8)
    drawn = pipeline.annotate(white, [pipeline.FaceEmotion(cropping.FaceBox(20, 60, 150, 200), HAPPY)])
    panel = drawn[:, 180:]
    lengths = {}
    for emotion in EMOTIONS:
        bgr = np.array([int(COLORS[emotion][i : i + 2], 16) for i in (5, 3, 1)])
        lengths[emotion] = (panel == bgr).all(axis=2).sum(axis=1).max()
    assert max(lengths, key=lengths.get) == "happy"
    per_unit = lengths["happy"] / 0.8
    for emotion, probability in zip(EMOTIONS, HAPPY, strict=True):
        assert lengths[emotion] == pytest.approx(per_unit * probability, abs=3)


@pytest.mark.parametrize("shape", [(24, 24, 3), (30, 900, 3), (2000, 60, 3)])
def test_annotating_copes_with_odd_frames(shape):
    frame = np.zeros(shape, np.uint8)
    box = cropping.FaceBox(0, 0, 24, 24)
    drawn = pipeline.annotate(frame, [pipeline.FaceEmotion(box, HAPPY)])
    assert drawn.shape[0] >= shape[0] and drawn.shape[1] >= shape[1]
    assert pipeline.annotate(frame, [pipeline.FaceEmotion(box, HAPPY)], bars=False).shape == shape
