"""The layer that tells whether a face lies, on pictures whose upper half is bright, and in the shipped files."""

import numpy as np
import pytest

from emotion_detection import paths
from emotion_detection.data import FaceDataset
from emotion_detection.export import upright
from emotion_detection.faces import cropping, detection, images
from emotion_detection.inference import pipeline
from emotion_detection.inference.classifier import EmotionClassifier
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
