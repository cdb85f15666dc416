"""Checks of explanations: that they can tell good maps from bad, and their record."""

import numpy as np
import pytest

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.studies import explanations
from emotion_detection.training import grad_cam

# Checks


def looks_left(batch: np.ndarray) -> np.ndarray:
    """A network that is the surer of the first emotion the brighter the left third is."""
    bright = batch[:, :, :16].mean(axis=(1, 2)) / 255
    others = (1 - bright)[:, None] / 6
    return np.concatenate([bright[:, None], np.repeat(others, 6, axis=1)], axis=1)


def left_bright_faces(count: int = 6) -> np.ndarray:
    bright = np.random.default_rng(0).integers(0, 40, (count, 48, 48), np.uint8)
    bright[:, :, :16] += 200
    return bright


def test_deleting_what_matters_takes_the_answer_away_first():
    batch = left_bright_faces()
    left = np.tile(np.array([[1.0, 0.0, 0.0]] * 3), (len(batch), 1, 1))
    orders = {"map": left, "against": -left, "chance": np.random.default_rng(0).normal(size=(len(batch), 3, 3))}
    orders = {name: explanations.tiled_over_faces(maps) for name, maps in orders.items()}
    curves = explanations.deletion_curves(looks_left, batch, orders)
    area = {name: explanations.areas(curve).mean() for name, curve in curves.items()}
    assert area["map"] < area["chance"] < area["against"]
    ends = np.stack([curve[:, [0, -1]] for curve in curves.values()])
    np.testing.assert_array_equal(ends, ends[:1].repeat(3, axis=0))
    assert curves["map"].shape == (len(batch), len(explanations.SHARES))


def test_places_are_ranked_the_most_important_first():
    ranks = explanations.deletion_ranks(explanations.tiled_over_faces(np.eye(3)[None]))
    assert sorted(ranks.ravel()) == list(range(48 * 48))
    assert ranks[0, 0, 0] < ranks[0, 0, 47]


def test_the_order_from_the_middle_begins_in_the_middle():
    importance = explanations.centre_importance(2)
    assert importance.shape == (2, 48, 48)
    assert importance[0, 24, 24] > importance[0, 24, 40] > importance[0, 0, 0]


def test_areas_are_those_under_the_curve():
    assert explanations.areas(np.ones((2, len(explanations.SHARES)))).tolist() == pytest.approx([1, 1])
    falling = 1 - np.array(explanations.SHARES)
    assert explanations.areas(falling[None])[0] == pytest.approx(0.5)
    assert explanations.areas(falling[None], up_to=0.2)[0] == pytest.approx(0.9)


def test_shuffling_changes_the_maps_and_leaves_the_network_as_it_is(model, drawn_faces):
    classes = np.full(len(drawn_faces), 3)
    own = grad_cam.grad_cam(model, drawn_faces, classes)
    before = [values.copy() for values in model.get_weights()]
    found = {}
    for step, shuffled in explanations.shuffled_cascade(model):
        found[step] = grad_cam.grad_cam(shuffled, drawn_faces, classes)
        if step == "logits":
            for layer in ("Conv1", "block_16_project"):
                theirs = shuffled.get_layer(layer).get_weights()[0]
                np.testing.assert_array_equal(theirs, model.get_layer(layer).get_weights()[0])
            values = [each.get_layer("logits").get_weights()[0].ravel() for each in (shuffled, model)]
            assert not np.array_equal(*values)
            np.testing.assert_array_equal(*map(np.sort, values))
    assert tuple(found) == explanations.CASCADE
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(shuffled.get_layer("Conv1").get_weights()[0], model.get_layer("Conv1").get_weights()[0])
    assert all(explanations.rank_correlations(own, maps).mean() < 0.9 for maps in found.values())


def test_rank_correlation_is_one_for_the_same_order_and_zero_for_a_constant_map():
    maps = np.random.default_rng(0).normal(size=(4, 3, 3))
    np.testing.assert_allclose(explanations.rank_correlations(maps, np.exp(maps)), 1)
    np.testing.assert_allclose(explanations.rank_correlations(maps, -maps), -1)
    assert explanations.rank_correlations(maps, np.zeros_like(maps)).tolist() == [0] * 4


def test_an_average_counts_each_face_the_same_and_only_those_chosen():
    maps = np.zeros((3, 3, 3))
    maps[0, 0, 0], maps[1, 2, 2], maps[2, 1, 1] = 100.0, 1.0, 5.0
    means, counts = explanations.average_heat(maps, np.array([3, 3, 0]), chosen=np.array([True, True, False]))
    assert counts == [0, 0, 0, 2, 0, 0, 0]
    assert means[3, 0, 0] == means[3, 2, 2] == 0.5 and means[0].max() == 0


def test_an_interval_is_about_the_mean():
    found = explanations.mean_with_interval(np.array([0.0, 1.0, 2.0, 3.0]))
    assert found["low"] < found["mean"] == 1.5 < found["high"]


# The record


def test_the_recorded_checks_are_of_the_shipped_network(caplog):
    record = explanations.load_checks()
    assert not caplog.records, f"run `{explanations.COMMAND}`, then `{explanations.SAVE_NOTEBOOK}`"
    assert (record["layer"], record["fine_layer"]) == (grad_cam.LAYER, grad_cam.FINE_LAYER)


def test_checks_of_another_network_are_read_with_a_warning(caplog, monkeypatch):
    monkeypatch.setattr(explanations, "_network", lambda: {"run": "another-s0"})
    explanations.load_checks()
    assert explanations.COMMAND in caplog.text


def test_the_record_is_of_public_test_and_states_its_faces():
    record = explanations.load_checks()
    assert record["data"]["split"] == "PublicTest"
    assert sum(record["averages"]["all"].values()) == 3589
    assert record["deletion"]["n"] >= 300 and record["sanity"]["n"] >= 100
    for kind, average in explanations.load_average_heat().items():
        cells = explanations.LAYERS[explanations.KINDS[kind]]
        assert average.shape == (7, cells, cells) and 0 <= average.min() < average.max() <= 1
    assert min(record["averages"]["right"].values()) >= 20  # no average comes near a single face


def test_heat_is_counted_by_place():
    heat = {"right": np.zeros((7, 3, 3)), "right_fine": np.ones((7, 6, 6))}
    heat["right"][:, 2] = 1.0
    table = explanations.heat_by_place({"averages": {"right": dict.fromkeys(EMOTIONS, 5)}}, heat)
    assert table["emotion"].tolist() == list(EMOTIONS) and table["n"].tolist() == [5] * 7
    assert (table["lower_third_share"] > 0.6).all()
    assert table["corners_share"].tolist() == pytest.approx([4 / 36] * 7)


def test_the_table_of_shuffled_networks_has_a_row_per_step_after_that_of_another_face():
    record = explanations.load_checks()
    table = explanations.sanity_table(record)
    assert table["shuffled"].tolist()[1:] == list(explanations.CASCADE)
    found = record["sanity"]["layers"][explanations.FINE]
    assert table["correlation_6x6"].iloc[0] == found["another_face"]["rank_correlation"]["mean"]
    assert table["correlation_6x6_high"].iloc[-1] == found["steps"][-1]["rank_correlation"]["high"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"network": 1}', b"[]"])
def test_a_damaged_record_is_named(isolated, content):
    with pytest.raises(MissingFileError, match=r"explanations/checks\.json is missing"):
        explanations.load_checks()
    explanations.folder().mkdir(parents=True)
    for name, load in (("checks.json", explanations.load_checks), ("averages.npz", explanations.load_average_heat)):
        (explanations.folder() / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name} is damaged"):
            load()


@pytest.mark.fer2013
def test_recording_a_few_faces_again_gives_the_recorded_averages(fer2013, model, classifier):
    """The share of PublicTest that is cheap to do: maps of one emotion's faces, averaged."""
    answer = classifier.logits(fer2013.public_test.pixels[:300]).argmax(axis=1)
    maps = grad_cam.grad_cam(model, fer2013.public_test.pixels[:300])
    happy, [*_, n] = explanations.average_heat(maps[answer == 3], np.zeros(int((answer == 3).sum()), int))
    assert n == 0
    recorded = explanations.load_average_heat()["all"][3]
    assert np.corrcoef(happy[0].ravel(), recorded.ravel())[0, 1] > 0.9


def test_average_heat_is_nearer_to_the_middle_of_a_face_than_on_tiles():
    def from_left(heat):
        columns = heat.sum(axis=(0, 1))
        return np.average(np.arange(len(columns)) + 0.5, weights=columns) / len(columns)

    heat = explanations.load_average_heat()["all"]
    aligned, tiled = (stretch(heat) for stretch in (explanations.over_faces, explanations.tiled_over_faces))
    assert abs(from_left(aligned) - 0.5) < abs(from_left(tiled) - 0.5) < 0.2
