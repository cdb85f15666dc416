"""Class activations on LiteRT: that maps are what they claim, how they are drawn, and the command `explain`."""

import subprocess
import sys

import cv2
import numpy as np
import PIL.Image
import pytest

from emotion_detection import paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.faces import cropping, detection, images
from emotion_detection.inference import class_activation, pipeline, stream

PORTRAIT = paths.sample_dir() / "astronaut.webp"


# Maps


def test_the_mean_of_a_class_activation_is_the_score(classifier, drawn_faces):
    scores = classifier.output("scores", drawn_faces)
    answered = class_activation.activation_maps(classifier, drawn_faces)
    assert answered.shape == (5, 3, 3) and answered.dtype == np.float32
    np.testing.assert_allclose(answered.mean(axis=(1, 2)), scores.max(axis=1), atol=1e-4)
    for index, name in enumerate(EMOTIONS):
        maps = class_activation.activation_maps(classifier, drawn_faces, name)
        np.testing.assert_allclose(maps.mean(axis=(1, 2)), scores[:, index], atol=1e-4)


def test_evidence_has_the_scores_and_the_maps_of_all_emotions_from_one_pass(classifier, drawn_faces):
    scores, maps = class_activation.evidence(classifier, drawn_faces)
    np.testing.assert_array_equal(scores, classifier.output("scores", drawn_faces))
    assert maps.shape == (5, 3, 3, 7)
    np.testing.assert_array_equal(maps[..., 3], class_activation.activation_maps(classifier, drawn_faces, "happy"))


def test_the_head_is_that_of_the_keras_network(classifier, model):
    weights, biases = classifier.with_labels("fer2013").head
    kernel, bias = model.get_layer("logits").get_weights()
    np.testing.assert_allclose(weights, kernel, atol=1e-3)  # float16 in the file
    np.testing.assert_allclose(biases, bias, atol=1e-3)


def test_no_faces_have_no_maps(classifier):
    assert class_activation.activation_maps(classifier, np.empty((0, 48, 48), np.uint8)).shape == (0, 3, 3)


@pytest.mark.parametrize("emotion", [[0, 1], [0.5] * 5, [7] * 5, [-1] * 5])
def test_classes_that_are_none_are_refused(classifier, drawn_faces, emotion):
    with pytest.raises(DataError, match="5 classes 0–6"):
        class_activation.activation_maps(classifier, drawn_faces, emotion)


def test_an_emotion_that_is_none_is_refused(classifier, drawn_faces):
    with pytest.raises(UnknownNameError, match="'joy'"):
        class_activation.activation_maps(classifier, drawn_faces, "joy")


def test_a_file_without_the_weights_of_its_last_layer_is_refused(classifier, monkeypatch):
    monkeypatch.setattr(classifier, "_heads", {})
    with pytest.raises(DataError, match="last layer"):
        classifier.head  # noqa: B018


# Heat


def test_heat_is_the_share_of_the_strongest_place_and_nothing_where_evidence_speaks_against():
    np.testing.assert_allclose(class_activation.heat(np.array([[-2.0, 1.0], [4.0, 0.0]])), [[0, 0.25], [1, 0]])
    assert class_activation.heat(-np.ones((3, 3))).max() == 0
    assert class_activation.heat(np.eye(3), (48, 40)).shape == (40, 48)


@pytest.mark.parametrize("cells", [3, 6])
def test_a_cell_lies_over_what_it_reacts_to(cells):
    evidence_map = np.zeros((cells, cells))
    evidence_map[1, 1] = 1.0
    row, column = np.unravel_index(class_activation.stretched(evidence_map, (480, 480)).argmax(), (480, 480))
    middle = 480 * (1.5 + class_activation.SHIFT_CELLS) / cells
    assert (row, column) == pytest.approx((middle, middle), abs=6)  # OpenCV interpolates in steps
    np.testing.assert_allclose(class_activation.stretched(np.full((cells, cells), 0.3), (48, 40)), 0.3, rtol=1e-5)


def test_an_overlay_is_red_where_the_evidence_is_and_the_picture_elsewhere():
    crop = np.full((48, 48), 100, np.uint8)
    evidence_map = np.zeros((3, 3))
    evidence_map[0, 0] = 5.0  # its middle lies right of its tile's and below
    overlay = class_activation.heat_overlay(crop, evidence_map)
    red, _, blue = overlay[4, 4].astype(int)
    assert red - blue > 80
    np.testing.assert_array_equal(overlay[40:, 40:], 100)
    np.testing.assert_array_equal(
        class_activation.heat_overlay(np.repeat(crop[..., None], 3, 2), evidence_map), overlay
    )


@pytest.mark.parametrize(("angle_deg", "corner"), [(0, (0, 0)), (90, (0, -1)), (180, (-1, -1)), (-90, (-1, 0))])
def test_heat_is_shown_where_it_is_in_a_turned_face(angle_deg, corner):
    evidence_map = np.zeros((3, 3), np.float32)
    evidence_map[0, 0] = 1.0  # the upper left of the face
    shown = class_activation.heat(evidence_map, (12, 12), angle_deg=angle_deg)
    quarter = shown.reshape(2, 6, 2, 6).max(axis=(1, 3))
    assert quarter[corner] == quarter.max() > 0.7
    assert shown.sum() == pytest.approx(class_activation.heat(evidence_map, (12, 12)).sum(), rel=0.01)


def test_a_face_at_the_edge_of_a_frame_is_explained_inside_the_frame(classifier):
    class Corner:
        name, framing = "corner", cropping.Framing(1.0, 0.0, 0.0)

        def detect(self, frame_bgr):
            return [cropping.FaceBox(-20, 150, 100, 100)]

    frame_bgr = cv2.resize(images.read_picture(PORTRAIT), (300, 200))
    explained_bgr, [face] = class_activation.explain_frame(frame_bgr, detector=Corner(), classifier=classifier)
    assert explained_bgr.shape == frame_bgr.shape and face.label == pipeline.NOT_SURE  # a corner is no face
    np.testing.assert_array_equal(explained_bgr[:100, 150:], frame_bgr[:100, 150:])
    changed = (explained_bgr != frame_bgr).any(axis=2)
    assert changed[152:, :78].mean() > 0.3


# The live engine


def answer_of(classifier, explained):
    detector = detection.load_detector("haar")
    looking = stream.Engine({"ours": classifier, "other": classifier}, detector, explained=explained)
    return looking.answer(stream.Frame(images.read_picture(PORTRAIT), 0.0, 0))


LEAST_PEAK = (7 / 8) ** 2
"""What is left of the map's largest value, 1, where three cells become twelve: samples lie an eighth of a cell beside
it, and the cells around may be 0."""


def test_the_engine_gives_heat_only_when_asked_and_the_same_answer(classifier):
    plain, explained = (answer_of(classifier, asked) for asked in (None, stream.ANSWER))
    assert plain.heats == ()
    assert len(explained.heats) == len(explained.faces) >= 1
    for one, other in zip(plain.faces, explained.faces, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
    answer, heat = explained.faces[0].probabilities.argmax(), explained.heats[0].values
    _, crops = detection.find_faces(images.read_picture(PORTRAIT), detection.load_detector("haar"))
    expected = class_activation.activation_maps(classifier, crops, EMOTIONS[answer])[0]
    np.testing.assert_allclose(heat, class_activation.heat(expected, (12, 12)))
    assert heat.shape == (12, 12) and LEAST_PEAK <= heat.max() <= 1


def test_evidence_may_be_switched_off_while_a_frame_is_looked_at(classifier):
    haar = detection.load_detector("haar")

    class SwitchingOff:
        name, framing = haar.name, haar.framing

        def detect(self, frame_bgr):
            looking.explained = None  # as another thread does
            return haar.detect(frame_bgr)

    looking = stream.Engine({"ours": classifier}, SwitchingOff(), explained="sad")
    assert len(looking.answer(stream.Frame(images.read_picture(PORTRAIT), 0.0, 0)).heats) == 1


def test_the_engine_gives_heat_for_the_emotion_that_is_asked_for(classifier):
    portrait, detector = images.read_picture(PORTRAIT), detection.load_detector("haar")
    heat = answer_of(classifier, "sad").heats[0]
    boxes, crops = detection.find_faces(portrait, detector)
    expected = class_activation.heat(class_activation.activation_maps(classifier, crops, "sad")[0], (12, 12))
    np.testing.assert_allclose(heat.values, expected)
    assert heat.square == detector.framing.square(boxes[0])


def test_a_network_without_a_feature_map_answers_without_heat(classifier):
    class Plain:
        def predict_proba(self, crops):
            return classifier.predict_proba(crops)

    answer = answer_of(Plain(), stream.ANSWER)
    assert answer.heats == () and answer.faces


# The command line


def test_a_picture_is_explained_into_a_file(tmp_path):
    found = class_activation.write_explained(PORTRAIT, tmp_path / "why.png", emotion="happy")
    with PIL.Image.open(tmp_path / "why.png") as explained, PIL.Image.open(PORTRAIT) as portrait:
        assert explained.size == portrait.size
        difference = np.abs(np.asarray(explained.convert("RGB"), int) - np.asarray(portrait.convert("RGB"), int))
    box = found[0].box
    inside = difference[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)]
    assert inside.mean() > 5 * difference.mean() / 2


@pytest.mark.parametrize(
    ("out", "emotion", "error"), [("why.txt", None, DataError), ("why.png", "joy", UnknownNameError)]
)
def test_what_cannot_be_written_is_refused_before_work(tmp_path, out, emotion, error):
    with pytest.raises(error):
        class_activation.write_explained(PORTRAIT, tmp_path / out, emotion=emotion)
    assert not list(tmp_path.iterdir())


def test_explaining_on_litert_needs_no_tensorflow(tmp_path):
    code = (
        "import sys; from emotion_detection.inference import class_activation; "
        f"class_activation.write_explained({str(PORTRAIT)!r}, {str(tmp_path / 'why.png')!r}); "
        "assert not {'tensorflow', 'keras', 'matplotlib', 'pandas', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
