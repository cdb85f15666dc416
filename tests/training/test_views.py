"""Answers averaged over views: which views, what is averaged, and how a record keeps them."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from emotion_detection.errors import DataError
from emotion_detection.evaluation import metrics
from emotion_detection.runs import store
from emotion_detection.training import views

FACES = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)


def test_there_are_ten_views_the_first_is_the_face_and_the_sixth_its_mirror_image():
    found = list(views.of_faces(FACES))
    assert len(found) == 10
    assert all(view.shape == FACES.shape and view.dtype == np.uint8 for view in found)
    assert np.array_equal(found[0], FACES)
    assert np.array_equal(found[5], FACES[:, :, ::-1])


def test_a_view_is_moved_by_two_pixels_and_its_edge_repeated():
    right = list(views.of_faces(FACES))[1]
    assert np.array_equal(right[:, :, 2:], FACES[:, :, :-2])
    assert np.array_equal(right[:, :, 1], FACES[:, :, 0])
    down = list(views.of_faces(FACES))[3]
    assert np.array_equal(down[:, 2:], FACES[:, :-2])


def test_probabilities_are_averaged_not_logits():
    def logits_of(faces):
        return np.stack([faces[:, 0, index].astype(float) / 9 for index in range(7)], axis=1)

    expected = np.mean([special.softmax(logits_of(view), axis=1) for view in views.of_faces(FACES)], axis=0)
    found = views.averaged(logits_of, FACES)
    assert found.dtype == np.float32
    assert np.exp(found) == pytest.approx(expected, abs=1e-6)


def recorded(isolated, *, with_views: bool) -> store.Run:
    label = np.arange(70, dtype=np.int8) % 7
    plain = store.Predictions("PublicTest", np.arange(70, dtype=np.int32), label, np.eye(7, dtype=np.float32)[label])
    worse = store.Predictions("PublicTest", plain.row, label, np.eye(7, dtype=np.float32)[label * 0])
    info = {
        "run": "tl_top-s0",
        "recipe": {"name": "tl_top"},
        "seed": 0,
        "data": {"name": "FER2013", "fingerprint": "0" * 64},
    }
    info |= {
        "metrics": {"PublicTest": {"accuracy": 1.0}},
        "parameters": {"all": 1, "trained": 1},
        "hardware": {"cores": 2, "devices": [], "system": "Linux"},
    }
    info |= {"wall_time_s": 1.0, "temperature": 1.2, "ferplus": {"PublicTest_views": {"n": 3, "accuracy": 0.5}}}
    history = pd.DataFrame(
        {"epoch": [1], "accuracy": 1.0, "loss": 1.0, "val_accuracy": 1.0, "val_loss": 1.0, "seconds": 1}
    )
    parts = {"PublicTest": plain} | ({"PublicTest_views": worse} if with_views else {})
    store.write_run("tl_top-s0", info, history, parts)
    return store.load_run("tl_top-s0")


def test_a_record_gives_them_back_in_the_place_of_the_plain_answers(isolated):
    run = recorded(isolated, with_views=True)
    found = views.of_run(run)
    assert set(found.predictions) == {"PublicTest"}
    assert found.predictions["PublicTest"].split == "PublicTest"
    assert metrics.accuracy(found.predictions["PublicTest"]) == pytest.approx(1 / 7)
    assert metrics.accuracy(run.predictions["PublicTest"]) == 1.0
    assert found.info["ferplus"] == {"PublicTest": {"n": 3, "accuracy": 0.5}}
    assert "temperature" not in found.info


def test_a_record_without_them_says_when_they_are_made(isolated):
    with pytest.raises(DataError, match=r"tl_top-s0 holds no answers averaged over views.*--final"):
        views.of_run(recorded(isolated, with_views=False))
