"""A finished network on a test split, once; and answers averaged over views of a face."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from emotion_detection import files
from emotion_detection.data import load_sample
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.evaluation import metrics
from emotion_detection.runs import registry, store
from emotion_detection.training import backends, catalog, finalize, mobilenet, trainer

RECIPE = catalog.TL_TOP.fast().replace(epochs=1, batch_norm_batches=1)
FACES = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)


def test_there_are_ten_views_the_first_is_the_face_and_the_sixth_its_mirror_image():
    found = list(finalize.ten_views(FACES))
    assert len(found) == 10
    assert all(view.shape == FACES.shape and view.dtype == np.uint8 for view in found)
    assert np.array_equal(found[0], FACES)
    assert np.array_equal(found[5], FACES[:, :, ::-1])


def test_a_view_is_moved_by_two_pixels_and_its_edge_repeated():
    right = list(finalize.ten_views(FACES))[1]
    assert np.array_equal(right[:, :, 2:], FACES[:, :, :-2])
    assert np.array_equal(right[:, :, 1], FACES[:, :, 0])
    down = list(finalize.ten_views(FACES))[3]
    assert np.array_equal(down[:, 2:], FACES[:, :-2])


def test_probabilities_are_averaged_not_logits():
    def logits_of(faces):
        return np.stack([faces[:, 0, index].astype(float) / 9 for index in range(7)], axis=1)

    expected = np.mean([special.softmax(logits_of(view), axis=1) for view in finalize.ten_views(FACES)], axis=0)
    found = finalize.averaged_over_views(logits_of, FACES)
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
    found = finalize.with_averaged_answers(run)
    assert set(found.predictions) == {"PublicTest"}
    assert found.predictions["PublicTest"].split == "PublicTest"
    assert metrics.accuracy(found.predictions["PublicTest"]) == pytest.approx(1 / 7)
    assert metrics.accuracy(run.predictions["PublicTest"]) == 1.0
    assert found.info["ferplus"] == {"PublicTest": {"n": 3, "accuracy": 0.5}}
    assert "temperature" not in found.info


def test_a_record_without_them_says_when_they_are_made(isolated):
    with pytest.raises(DataError, match=r"tl_top-s0 holds no answers averaged over views.*--final"):
        finalize.with_averaged_answers(recorded(isolated, with_views=False))


@pytest.fixture(scope="module")
def faces():
    return load_sample(140, seed=0)


def test_a_split_without_faces_is_not_finalised(isolated, faces):
    part = faces[faces.usage != "PrivateTest"]
    trainer.train(RECIPE, part)
    with pytest.raises(DataError, match="PrivateTest of drawn sample has 0 faces"):
        finalize.finalise("tl_top", part)


def test_a_record_appears_whole_and_can_be_finalised_once(isolated, faces):
    trained = trainer.train(RECIPE, faces)
    loaded = store.load_run("tl_top")
    assert loaded.info == trained.info
    assert not loaded.is_final
    labels = faces.emotion.copy()
    done = finalize.finalise("tl_top", faces, labels_ferplus=labels)
    assert done.is_final
    reread = store.load_run("tl_top")
    scored = reread.predictions["PrivateTest"]
    expected = float((scored.predicted == scored.label).mean())
    assert reread.info["metrics"]["PrivateTest"]["accuracy"] == pytest.approx(expected)
    assert reread.info["ferplus"]["PrivateTest"]["accuracy"] == pytest.approx(expected)
    with pytest.raises(DataError, match="reported once"):
        finalize.finalise("tl_top", faces)


def test_finalising_uses_the_trained_network_even_if_another_of_its_name_is_shipped(isolated, faces):
    run = trainer.train(RECIPE, faces)
    card = {"run": run.name, "finished": "earlier", "files": {}, "temperature": 1.0, "classes": list(EMOTIONS)}
    files.write_json(registry.card_path(), card)
    assert not registry.is_shipped(run)
    model = mobilenet.load_network(store.weights_path(run.name))
    expected = backends.predict_logits(model, faces.private_test.pixels)
    assert np.array_equal(finalize.finalise(run.name, faces).predictions["PrivateTest"].logits, expected)


def test_finalising_on_other_data_is_refused(isolated, faces):
    trainer.train(RECIPE, faces)
    with pytest.raises(DataError, match="was trained on data"):
        finalize.finalise("tl_top", load_sample(140, seed=9))


def test_recomputing_a_run_whose_network_is_not_here_says_so(isolated, faces):
    trainer.train(RECIPE, faces)
    store.weights_path("tl_top").unlink()
    with pytest.raises(MissingFileError, match="is not on this machine"):
        finalize.recompute(store.load_run("tl_top"), faces, split="PublicTest")
