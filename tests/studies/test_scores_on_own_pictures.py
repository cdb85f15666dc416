"""The shipped network on a folder of labelled pictures."""

import json

import cv2
import numpy as np
import pytest

import making_pictures
from emotion_detection.data import load_sample, own_pictures
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.studies import scores_on_own_pictures


class Echo:
    """A network that reads the label from the first pixel: always right, but for Sad, which it calls Fear."""

    labels = "fer2013"

    def output(self, name, faces):
        answers = faces[:, 0, 0].astype(int) // 30
        answers[answers == EMOTIONS.index("sad")] = EMOTIONS.index("fear")
        return np.eye(7, dtype=np.float32)[answers]


@pytest.fixture
def folder(tmp_path):
    """Three pictures each of happy, sad and angry, one of them damaged."""
    for emotion in ("happy", "sad", "angry"):
        for number in range(3):
            face = np.full((48, 48), 200, np.uint8)
            face[0, 0] = 30 * EMOTIONS.index(emotion)
            path = tmp_path / "mine" / emotion / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), face)
    (tmp_path / "mine" / "happy" / "2.png").write_bytes(b"no picture")
    return tmp_path / "mine"


def test_scores_are_over_the_emotions_that_the_folder_has(folder):
    found = scores_on_own_pictures.score(folder, crop="none", classifier=Echo())
    scores = found.summary()
    assert (scores["folder"], scores["n"]) == ("mine", 8)
    assert found.classes == ("angry", "happy", "sad")
    assert scores["accuracy"] == pytest.approx(5 / 8)
    assert scores["macro_f1"] == pytest.approx(2 / 3)
    assert scores["accuracy_ci"][0] <= 5 / 8 <= scores["accuracy_ci"][1]
    assert found.per_class()["recall"].to_dict() == {"angry": 1.0, "happy": 1.0, "sad": 0.0}
    assert found.confusion().loc["sad", "fear"] == 3
    assert found.report["file"].tolist() == ["happy/2.png"]
    assert json.loads(json.dumps(scores)) == scores


def test_pictures_without_a_face_are_listed(folder, monkeypatch):
    monkeypatch.setattr(own_pictures.detection, "find_faces", lambda bgr, detector: ([], []))
    nobody = type("Nobody", (), {"name": "nobody"})()
    with pytest.raises(DataError, match="--crop none"):
        scores_on_own_pictures.score(folder, detector=nobody, classifier=Echo())
    assert set(own_pictures.load_unsplit(folder, detector=nobody).report["kind"]) == {"no face", "unreadable"}


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere"):
        scores_on_own_pictures.score(tmp_path / "nowhere")


def test_the_shipped_network_answers_a_folder_and_leaves_it_as_it_was(tmp_path):
    making_pictures.write_pictures(load_sample(70, seed=0), tmp_path / "drawn")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    found = scores_on_own_pictures.score(tmp_path / "drawn")
    assert len(found.predictions) == 70 and found.report.empty
    other = scores_on_own_pictures.score(tmp_path / "drawn", labels="fer2013")
    assert (found.labels, other.labels) == ("votes", "fer2013")
    assert not np.array_equal(found.predictions.logits, other.predictions.logits)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
