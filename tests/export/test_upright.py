"""The layer that tells whether a face lies, on pictures whose upper half is bright, and in the shipped files."""

import dataclasses

import numpy as np
import pytest

from emotion_detection import paths
from emotion_detection.data import FaceDataset
from emotion_detection.export import upright
from emotion_detection.faces import cropping, detection, images, stills
from emotion_detection.inference import class_activation, pipeline, stream
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.live import messages
from emotion_detection.personal import head as personal
from emotion_detection.runs import registry
from stand_ins import OneBox


def means(faces: np.ndarray) -> np.ndarray:
    """Return the mean grey of 16 squares of each face: float32 (n, 16)."""
    return faces.reshape(len(faces), 4, 12, 4, 12).mean(axis=(2, 4)).reshape(len(faces), 16).astype(np.float32)


def test_turned_faces_are_told_from_upright_ones():
    pixels = np.random.default_rng(0).integers(0, 60, (600, 48, 48), dtype=np.uint8)
    pixels[:, :24] += 150
    usage = np.repeat(["Training", "PublicTest"], [400, 200])
    faces = FaceDataset(pixels, np.zeros(600, np.int8), usage, np.arange(600, dtype=np.int32), name="bright above")
    kernel, bias, found = upright.fit(means, faces)
    assert kernel.shape == (16, 1) and kernel.dtype == bias.dtype == np.float32
    assert found["upright"] == pytest.approx(1 - upright.LOST, abs=0.01)
    assert found["turned"] > 0.99
    turns = [(means(np.rot90(pixels, turns, axes=(1, 2))) @ kernel + bias > 0).mean() for turns in range(4)]
    assert turns[0] > 0.99 and max(turns[1:]) < 0.01


@pytest.mark.parametrize("form", registry.SUFFIXES)
def test_a_face_without_landmarks_that_lies_gets_no_answer(form):
    portrait, haar = images.read_picture(paths.sample_dir() / "astronaut.webp"), detection.load_detector("haar")
    [box] = haar.detect(portrait)
    classifier = EmotionClassifier.load(form, labels="fer2013")
    assert pipeline.analyse_frame(portrait, detector=haar, classifier=classifier)[0].label == "happy"
    crop = cropping.crop_face(portrait, box, framing=haar.framing)
    turns = [np.ascontiguousarray(np.rot90(crop, turns)) for turns in range(4)]
    assert classifier.are_upright(turns).tolist() == [True, False, False, False]
    height, width = portrait.shape[:2]
    lies = OneBox((width - box.x - box.width, height - box.y - box.height, box.width, box.height))
    lies.framing = haar.framing
    [face] = pipeline.analyse_frame(np.ascontiguousarray(portrait[::-1, ::-1]), detector=lies, classifier=classifier)
    assert not face.box.is_upright and face.label == pipeline.NOT_SURE


class FromCopies(OneBox):
    """Finds a lying face as YuNet does at times: with landmarks, and a score that tells nothing."""

    def detect(self, frame_bgr):
        return [dataclasses.replace(box, landmarks=((0.0, 0.0),) * 5, score=0.85) for box in self.boxes]


@pytest.fixture(scope="module")
def lying():
    """The portrait upside down, and a detector that finds its face."""
    portrait, haar = images.read_picture(paths.sample_dir() / "astronaut.webp"), detection.load_detector("haar")
    [box] = haar.detect(portrait)
    height, width = portrait.shape[:2]
    detector = FromCopies((width - box.x - box.width, height - box.y - box.height, box.width, box.height))
    detector.framing = haar.framing
    return np.ascontiguousarray(portrait[::-1, ::-1]), detector


def test_the_live_cell_says_why_a_lying_face_has_no_answer(lying):
    frame, detector = lying
    shipped = EmotionClassifier.load(labels="fer2013")
    for network in (shipped, personal.PersonalClassifier(shipped)):
        result = stream.Engine({"shipped": network}, detector).answer(stream.Frame(frame, 0.0, 0))
        [line] = messages.faces_of(result, of_votes={"shipped"})
        assert line["labels"] == {"shipped": pipeline.NOT_SURE} and line["said"] == {
            "shipped": pipeline.NO_UPRIGHT_FACE
        }


def test_an_explained_picture_has_no_answer_for_a_lying_face(lying):
    frame, detector = lying
    explained, [face] = class_activation.explain_frame(frame, detector=detector, classifier=EmotionClassifier.load())
    assert face.label == pipeline.NOT_SURE and not face.box.is_upright
    assert explained.shape == frame.shape


@pytest.mark.parametrize("name", ["yunet", "haar"])
def test_a_still_turned_by_quarters_has_nearly_the_same_crop(name):
    if name == "yunet" and detection.find_yunet() is None:
        pytest.skip("YuNet not found: run make setup or set EMOTION_DATA_DIR")
    portrait, detector = images.read_picture(paths.sample_dir() / "astronaut.webp"), stills.load_detector(name)
    crops = [detection.find_faces(np.ascontiguousarray(np.rot90(portrait, turns)), detector)[1] for turns in range(4)]
    for crop, *_ in crops:
        assert np.abs(crop.astype(int) - crops[0][0]).mean() < 12
