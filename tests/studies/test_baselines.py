"""Other repositories' networks: found or named, scored on the same rows by the same code, compared in pairs."""

import dataclasses
import json

import numpy as np
import pytest

from emotion_detection.data import load_sample
from emotion_detection.data.dataset import TEST_SPLITS
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.evaluation import metrics
from emotion_detection.runs import registry, store
from emotion_detection.studies import baselines, peers

RUN = registry.read_card()["run"]


@pytest.fixture
def known(tmp_path, monkeypatch):
    """A baseline that knows every face of the sample but names the next emotion for each tenth."""
    faces = load_sample(140, seed=0)
    answers = {face.tobytes(): label for face, label in zip(faces.pixels, faces.emotion.tolist(), strict=True)}

    def probabilities(pixels):
        named = [answers[face.tobytes()] for face in pixels]
        wrong = np.arange(len(named)) % 10 == 0
        return np.eye(7, dtype=np.float32)[(np.array(named) + wrong) % 7]

    monkeypatch.setattr(baselines, "folder", lambda name: tmp_path / name)
    monkeypatch.setattr(baselines, "find", lambda name: tmp_path)
    monkeypatch.setattr(baselines, "load", lambda name: baselines.Baseline(probabilities, 58_000, "0" * 64))
    return dataclasses.replace(faces, has_official_rows=True)


def test_answers_are_recorded_for_both_test_splits_and_read_again(known):
    baselines.measure("mini_XCEPTION", known)
    found = baselines.recorded()["mini_XCEPTION"]
    assert found.info["parameters"] == 58_000
    assert set(found.predictions) == set(TEST_SPLITS)
    for split, answers in found.predictions.items():
        faces = known.split(split)
        wrong = np.arange(len(faces)) % 10 == 0
        assert np.array_equal(answers.row, faces.row)
        assert np.array_equal(answers.predicted, (faces.emotion + wrong) % 7)


def test_faces_that_cannot_be_compared_are_refused(known):
    with pytest.raises(DataError, match="PublicTest of drawn sample has 0 faces"):
        baselines.measure("mini_XCEPTION", known.training)
    with pytest.raises(DataError, match="lost its row numbers"):
        baselines.measure("mini_XCEPTION", dataclasses.replace(known, has_official_rows=False))
    assert baselines.recorded() == {}


def test_a_baseline_that_is_unknown_or_not_here_is_named(isolated):
    with pytest.raises(UnknownNameError, match="mini_XCEPTION"):
        baselines.find("mini_XCEPTON")
    with pytest.raises(MissingFileError, match="oarriaga/face_classification"):
        baselines.load("mini_XCEPTION")


def test_without_a_record_the_comparison_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "folder", lambda name: tmp_path / name)
    with pytest.raises(MissingFileError, match="git checkout -- data/results/baselines"):
        baselines.compared(store.load_run(RUN))


def test_the_comparison_is_on_the_same_faces_and_ours_comes_first():
    run = store.load_run(RUN)
    found = baselines.compared(run)
    assert found["network"].tolist() == [run.display_name, *baselines.FILES]
    own = found.iloc[0]
    assert own["accuracy"] == metrics.accuracy(run.predictions["PrivateTest"])
    assert np.isnan(own["difference"])
    for line in found.iloc[1:].itertuples():
        assert line.difference == pytest.approx(own["accuracy"] - line.accuracy)
        assert line.difference_low < line.difference < line.difference_high


def test_the_recorded_answers_reach_what_the_authors_publish():
    """Preprocessing and order of classes were right: 0.66 on both splits together is in the files' names."""
    found = baselines.recorded()
    assert list(found) == list(baselines.FILES)
    for answers in found.values():
        both = np.concatenate([each.predicted == each.label for each in answers.predictions.values()])
        assert both.mean() == pytest.approx(0.66, abs=0.006)
        assert answers.predictions["PrivateTest"].row.tolist() == list(range(32_298, 35_887))


def test_costs_are_of_the_shipped_files():
    recorded, card = json.loads(baselines.costs_path().read_text(encoding="utf-8"))["networks"], registry.read_card()
    table = baselines.read_costs()
    assert (table["ms_least"] <= table["ms"]).all() and (table["ms"] <= table["ms_most"]).all()
    for form, name in baselines.OURS.items():
        shipped = card["files"][registry.network_path(form).name]
        assert {key: recorded[name][key] for key in shipped} == shipped
        assert recorded[name]["parameters"] == card["parameters"]


def test_accuracy_stands_beside_the_cost_of_the_same_file():
    found, card = baselines.costs_and_accuracy().set_index("network"), registry.read_card()
    assert found.index.tolist() == ["ours, float16", "ours, int8", "mini_XCEPTION", "big_XCEPTION"]
    assert found.loc["ours, int8", "accuracy"] == card["formats"]["int8"]["PrivateTest"]["accuracy"]
    assert found.loc["ours, int8", "ms"] == baselines.read_costs().loc["shipped_int8", "ms"]


def test_a_damaged_record_of_costs_says_how_to_make_it_again(tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "costs_path", lambda: tmp_path / "networks.json")
    (tmp_path / "networks.json").write_text('{"networks": {"shipped_int8": {"ms": [1.0]}}}')
    with pytest.raises(DataError, match="--record"):
        baselines.read_costs()


def test_networks_without_answers_of_their_own_have_the_published_figure():
    found = peers.against_parameters(store.load_run(RUN)).set_index("network")
    assert found.loc["ours", "status"] == "ours"
    assert found.loc["mini_XCEPTION", "status"] == "recorded"
    assert found.loc["DenseNet121", ["parameters", "accuracy"]].tolist() == [6_900_000, 0.7316]
    assert found.index[-1] == "people"


@pytest.mark.fer2013
def test_a_baseline_answers_as_recorded(fer2013):
    try:
        network = baselines.load("mini_XCEPTION")
    except MissingFileError as error:
        pytest.skip(str(error))
    recorded = baselines.recorded()["mini_XCEPTION"].predictions["PublicTest"]
    answers = network.probabilities(fer2013.public_test.pixels[:200])
    assert np.allclose(answers, recorded.probabilities()[:200], atol=1e-3)


def test_a_baseline_sees_faces_enlarged_and_scaled_as_in_its_repository(tmp_path, monkeypatch):
    import keras

    inputs = keras.Input((64, 64, 1))
    outputs = keras.layers.Flatten()(keras.layers.AveragePooling2D(64)(inputs))
    path = tmp_path / "mean.keras"
    keras.Model(inputs, keras.layers.Concatenate()([outputs] * 7)).save(path)
    monkeypatch.setattr(baselines, "find", lambda name: path)
    faces = np.stack([np.full((48, 48), grey, np.uint8) for grey in (0, 51, 255)])
    assert np.allclose(baselines.load("mini_XCEPTION").probabilities(faces)[:, 0], [-1, -0.6, 1], atol=1e-6)


def test_half_a_record_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "folder", lambda name: tmp_path)
    own = store.load_run(RUN).predictions
    (tmp_path / "baseline.json").write_text('{"parameters": 1}')
    with pytest.raises(MissingFileError, match="baselines mini_XCEPTION"):
        baselines.recorded()
    store.write_predictions(tmp_path / "predictions.npz", {"PublicTest": own["PublicTest"]})
    with pytest.raises(DataError, match="it holds PublicTest, expected"):
        baselines.recorded()


def test_the_table_of_peers_has_the_recorded_accuracy_among_the_published_ones():
    table = peers.table().set_index("network")
    known = baselines.recorded()["mini_XCEPTION"].predictions["PrivateTest"]
    assert table.loc["mini_XCEPTION", "accuracy"] == metrics.accuracy(known)
    assert table["accuracy"].iloc[:-1].is_monotonic_decreasing and table.index[-1] == "people"
