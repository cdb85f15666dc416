"""Accuracy on spoiled faces: what is recorded, and that tables are the record's."""

import json

import numpy as np
import pytest

from emotion_detection import files
from emotion_detection.data import ferplus, load_sample
from emotion_detection.data.perturbations import PERTURBATIONS
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.runs import registry, store
from emotion_detection.studies import baselines, robustness


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """A network that knows every unchanged face of the sample and nothing of a spoiled one, measured."""
    faces = load_sample(140, seed=0)
    known = dict(zip((face.tobytes() for face in faces.pixels), faces.emotion.tolist(), strict=True))
    monkeypatch.setattr(robustness, "folder", lambda: tmp_path)
    monkeypatch.setattr(robustness, "networks", lambda: ["mini_XCEPTION"])

    def scores(pixels):
        return np.eye(7)[[known.get(face.tobytes(), 3) for face in pixels]]

    monkeypatch.setattr(robustness, "load_network", lambda name: (scores, {"name": name}))
    return json.loads(robustness.measure("mini_XCEPTION", faces).read_text(encoding="utf-8"))


def test_right_answers_are_counted_for_each_way_and_strength(measured):
    n = measured["n"]
    assert measured["right_unchanged"] == n
    assert set(measured["right"]) == set(measured["strengths"]) == set(PERTURBATIONS)
    assert all(len(right) == 5 and max(right) < n for right in measured["right"].values())
    assert n / 7 <= measured["commonest"] < n


def test_the_table_has_a_row_per_strength_with_intervals(measured):
    records = robustness.load()
    table = robustness.accuracies(records)
    assert len(table) == 9 * 6
    unchanged = table[table["step"] == 0]
    assert (unchanged["accuracy"] == 1).all() and unchanged["strength"].isna().all()
    inside = (table["accuracy_low"] <= table["accuracy"]) & (table["accuracy"] <= table["accuracy_high"])
    assert inside.all()
    lost = 1 - table[table["step"] == 3].set_index("perturbation")["accuracy"]
    losses = robustness.losses(table)["mini_XCEPTION"]
    assert losses.iloc[0] == pytest.approx(lost.max()) and losses.is_monotonic_decreasing
    assert robustness.kept(table)["mini_XCEPTION"] == pytest.approx(1 - lost.mean())
    assert robustness.commonest(records) == measured["commonest"] / measured["n"]


def test_unknown_networks_and_faces_without_labels_are_refused(measured):
    faces = load_sample(140, seed=0)
    with pytest.raises(UnknownNameError, match="mini_XCEPTION"):
        robustness.measure("vgg", faces)
    with pytest.raises(DataError, match="PublicTest of drawn sample has 0 faces"):
        robustness.measure("mini_XCEPTION", faces.training)


def test_the_shipped_network_is_compared_with_the_one_that_it_goes_on_from_and_the_plain_one(monkeypatch):
    plain = robustness.plain_run()
    monkeypatch.setattr(registry, "read_card", lambda: {"run": plain})
    assert robustness.networks() == [plain, *baselines.FILES]
    monkeypatch.setattr(registry, "read_card", lambda: {"run": "best-s0"})
    assert robustness.networks() == ["best-s0", "taught-s0", plain, *baselines.FILES]


def test_a_record_of_an_earlier_training_is_not_read(tmp_path, monkeypatch):
    name = registry.read_card()["run"]
    monkeypatch.setattr(robustness, "folder", lambda: tmp_path)
    for finished, found in (("earlier", []), (store.load_info(name)["finished"], [name])):
        files.write_json(tmp_path / f"{name}.json", {"network": {"finished": finished}})
        assert list(robustness.load()) == found


def test_the_recorded_measurement_is_of_the_shipped_network_and_of_what_is_documented():
    records = robustness.load()
    name = registry.read_card()["run"]
    assert set(records) == set(robustness.networks()), "the shipped one, that before it, the plain one, the baselines"
    for record in records.values():
        assert record["strengths"] == {each.name: list(each.strengths) for each in PERTURBATIONS.values()}
        assert record["n"] == 3589
    right = 3589 * registry.read_card()["formats"]["float16"]["PublicTest"]["accuracy"]  # of the file that is measured
    assert records[name]["right_unchanged"] == pytest.approx(right, abs=0.001 * 3589)


def test_votes_are_scored_by_the_majority_of_people_among_the_seven(tmp_path, monkeypatch):
    faces = load_sample(140, seed=0)
    public = faces.labelled_split("PublicTest")
    majority = np.resize([0, 3, 7, -1], len(public)).astype(np.int8)
    monkeypatch.setattr(robustness, "folder", lambda: tmp_path)
    monkeypatch.setattr(ferplus, "strict_majority_labels", lambda rows: majority)
    always_happy = (lambda pixels: np.eye(7)[np.full(len(pixels), 3)], {"name": robustness.VOTES})
    monkeypatch.setattr(robustness, "load_network", lambda name: always_happy)
    record = json.loads(robustness.measure(robustness.VOTES, faces).read_text(encoding="utf-8"))
    assert record["n"] == np.isin(majority, (0, 3)).sum()
    assert record["right_unchanged"] == (majority == 3).sum()
    assert record["data"]["labels"] == "FER+, strict majority of the seven"
