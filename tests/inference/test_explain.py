"""Explanations: that maps are what they claim, that the checks can tell good maps from bad, and their record."""

import json
import subprocess
import sys

import cv2
import numpy as np
import PIL.Image
import pytest

from emotion_detection import paths, plots
from emotion_detection.data import summaries
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.faces import detection
from emotion_detection.inference import explain, pipeline, stream
from emotion_detection.inference.classifier import EmotionClassifier, _dequantised
from emotion_detection.plots import saving
from emotion_detection.runs import registry
from emotion_detection.studies import explain_words, explanation_checks, explanations
from figure_texts import cut_and_overlapping

PORTRAIT = paths.sample_dir() / "astronaut.webp"


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier.load()


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("tensorflow")
    from emotion_detection.training import mobilenet

    return mobilenet.load_network(paths.models_dir() / f"{registry.SHIPPED}.keras")


@pytest.fixture(scope="module")
def drawn_faces():
    """Five blurred noise pictures, uint8 (5, 48, 48)."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 8, 8), np.uint8)
    return coarse.repeat(6, axis=1).repeat(6, axis=2)


@pytest.fixture(scope="module")
def tiny():
    """A Keras network of three layers, and a path past the second, named as `mobilenet.build_model` names its own."""
    keras = pytest.importorskip("keras")

    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, 1), dtype="uint8", name="faces")
    values = keras.layers.Rescaling(1 / 255)(inputs)
    first = keras.layers.Conv2D(4, 8, strides=8, activation="relu", name="first")(values)
    second = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="second")(first)
    added = keras.layers.Add(name="added")([first, second])
    pooled = keras.layers.GlobalAveragePooling2D(name="features")(added)
    return keras.Model(inputs, keras.layers.Dense(7, name="logits")(pooled))


# Maps


def test_the_mean_of_a_class_activation_is_the_logit(classifier, drawn_faces):
    logits = classifier.logits(drawn_faces)
    answered = explain.class_activation(classifier, drawn_faces)
    assert answered.shape == (5, 3, 3) and answered.dtype == np.float32
    np.testing.assert_allclose(answered.mean(axis=(1, 2)), logits.max(axis=1), atol=1e-4)
    for index, name in enumerate(EMOTIONS):
        maps = explain.class_activation(classifier, drawn_faces, name)
        np.testing.assert_allclose(maps.mean(axis=(1, 2)), logits[:, index], atol=1e-4)


def test_evidence_has_the_logits_and_the_maps_of_all_emotions_from_one_pass(classifier, drawn_faces):
    logits, maps = explain.evidence(classifier, drawn_faces)
    np.testing.assert_array_equal(logits, classifier.logits(drawn_faces))
    assert maps.shape == (5, 3, 3, 7)
    np.testing.assert_array_equal(maps[..., 3], explain.class_activation(classifier, drawn_faces, "happy"))


def test_the_head_is_that_of_the_keras_network(classifier, model):
    weights, biases = classifier.head
    kernel, bias = model.get_layer("logits").get_weights()
    np.testing.assert_allclose(weights, kernel, atol=1e-3)  # float16 in the file
    np.testing.assert_allclose(biases, bias, atol=1e-3)


def test_grad_cam_of_the_last_map_is_the_class_activation_of_the_same_weights(model, drawn_faces):
    from emotion_detection.training import mobilenet

    kernel, bias = model.get_layer("logits").get_weights()
    before, _ = mobilenet.split_at(model, explain.LAST_MAP)
    activations = np.asarray(before(drawn_faces[..., None], training=False))
    for emotion in ("happy", "sad"):
        index = EMOTIONS.index(emotion)
        class_activation = activations @ kernel[:, index] + bias[index]
        maps = explain.grad_cam(model, drawn_faces, emotion, layer=explain.LAST_MAP)
        np.testing.assert_allclose(9 * maps + bias[index], class_activation, atol=1e-3)


def test_keras_and_litert_explain_alike(model, classifier, drawn_faces):
    classes = classifier.logits(drawn_faces).argmax(axis=1)
    on_keras = explain.grad_cam(model, drawn_faces, classes, layer=explain.LAST_MAP)
    on_litert = explain.class_activation(classifier, drawn_faces, classes)
    np.testing.assert_allclose(9 * on_keras + classifier.head[1][classes][:, None, None], on_litert, atol=0.15)
    for one, other in zip(on_keras, on_litert, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.999


def test_grad_cam_weighs_channels_by_their_mean_gradient(tiny, drawn_faces):
    """Checked by differences: raising a channel everywhere raises the logit by its weight, times the places."""
    from emotion_detection.training import mobilenet

    before, after = mobilenet.split_at(tiny, "first")
    activations = np.asarray(before(drawn_faces[:1, ..., None], training=False))
    places, step, expected = activations.shape[1] * activations.shape[2], 1e-2, 0
    for channel in range(activations.shape[-1]):
        raised = activations.copy()
        raised[..., channel] += step
        slope = np.asarray(after(raised) - after(activations))[0, 3] / step
        expected = expected + slope / places * activations[0, ..., channel]
    maps = explain.grad_cam(tiny, drawn_faces[:1], "happy", layer="first")
    np.testing.assert_allclose(maps[0], expected, atol=2e-3)


@pytest.mark.parametrize("layer", explain.LAYERS)
def test_grad_cam_has_the_cells_of_its_layer(model, drawn_faces, layer):
    maps = explain.grad_cam(model, drawn_faces[:2], layer=layer)
    cells = explanations.CELLS[layer]
    assert maps.shape == (2, cells, cells) and maps.dtype == np.float32
    assert np.ptp(maps, axis=(1, 2)).min() > 0


def test_many_faces_are_explained_as_each_alone(tiny):
    many = np.random.default_rng(1).integers(0, 256, (explain.BATCH + 3, 48, 48), np.uint8)
    together = explain.grad_cam(tiny, many, layer="first")
    np.testing.assert_allclose(together[-1], explain.grad_cam(tiny, many[-1:], layer="first")[0], atol=1e-5)


def test_no_faces_have_no_maps(classifier, tiny):
    nothing = np.empty((0, 48, 48), np.uint8)
    assert explain.class_activation(classifier, nothing).shape == (0, 3, 3)
    assert len(explain.grad_cam(tiny, nothing, layer="first")) == 0


def test_a_layer_that_something_passes_by_is_refused(tiny, drawn_faces):
    with pytest.raises(DataError, match="does not cut the network in two"):
        explain.grad_cam(tiny, drawn_faces, layer="second")
    with pytest.raises(UnknownNameError, match="no layer 'nowhere'"):
        explain.grad_cam(tiny, drawn_faces, layer="nowhere")


@pytest.mark.parametrize("emotion", [[0, 1], [0.5] * 5, [7] * 5, [-1] * 5])
def test_classes_that_are_none_are_refused(classifier, drawn_faces, emotion):
    with pytest.raises(DataError, match="5 classes 0–6"):
        explain.class_activation(classifier, drawn_faces, emotion)


def test_an_emotion_that_is_none_is_refused(classifier, drawn_faces):
    with pytest.raises(UnknownNameError, match="'joy'"):
        explain.class_activation(classifier, drawn_faces, "joy")


def test_a_head_that_is_not_linear_is_refused(classifier, monkeypatch):
    other = EmotionClassifier(paths.models_dir() / f"{registry.SHIPPED}.tflite")
    monkeypatch.setattr(other, "_head", {})
    monkeypatch.setattr(other, "_constants", lambda shape: [np.zeros(shape, np.float32)])
    with pytest.raises(DataError, match="last layer is linear"):
        other.head  # noqa: B018


def test_weights_stored_as_integers_are_scaled_by_row():
    details = {"quantization_parameters": {"scales": np.array([0.5, 2.0]), "zero_points": np.array([1, 0])}}
    values = _dequantised(np.array([[1, 3], [1, -1]], np.int8), details)
    np.testing.assert_array_equal(values, [[0, 1], [2, -2]])


# Heat


def test_heat_is_the_share_of_the_strongest_place_and_nothing_where_evidence_speaks_against():
    np.testing.assert_allclose(explain.heat(np.array([[-2.0, 1.0], [4.0, 0.0]])), [[0, 0.25], [1, 0]])
    assert explain.heat(-np.ones((3, 3))).max() == 0
    assert explain.heat(np.eye(3), (48, 40)).shape == (40, 48)


@pytest.mark.parametrize("cells", [3, 6])
def test_a_cell_lies_over_what_it_reacts_to(cells):
    evidence_map = np.zeros((cells, cells))
    evidence_map[1, 1] = 1.0
    row, column = np.unravel_index(explain.stretched(evidence_map, (480, 480)).argmax(), (480, 480))
    middle = 480 * (1.5 + explain.SHIFT_CELLS) / cells
    assert (row, column) == pytest.approx((middle, middle), abs=6)  # OpenCV interpolates in steps
    np.testing.assert_allclose(explain.stretched(np.full((cells, cells), 0.3), (48, 40)), 0.3, rtol=1e-5)


def test_cells_react_to_places_right_of_their_tiles_and_below(model, drawn_faces):
    for layer in (explain.LAYER, explain.FINE_LAYER):
        assert explanation_checks.measured_shift(model, drawn_faces, layer) == pytest.approx(
            explain.SHIFT_CELLS, abs=0.15
        )


def test_average_heat_is_nearer_to_the_middle_of_a_face_than_on_tiles():
    heat = explanations.load_averages()["all"]
    aligned, tiled = (stretch(heat) for stretch in (explanation_checks.over_faces, explanation_checks.tiled_over_faces))
    assert abs(explain_words.across(aligned) - 0.5) < abs(explain_words.across(tiled) - 0.5) < 0.2


def test_an_overlay_is_red_where_the_evidence_is_and_the_picture_elsewhere():
    crop = np.full((48, 48), 100, np.uint8)
    evidence_map = np.zeros((3, 3))
    evidence_map[0, 0] = 5.0  # its middle lies right of its tile's and below
    overlay = explain.heat_overlay(crop, evidence_map)
    red, _, blue = overlay[4, 4].astype(int)
    assert red - blue > 80
    np.testing.assert_array_equal(overlay[40:, 40:], 100)
    np.testing.assert_array_equal(explain.heat_overlay(np.repeat(crop[..., None], 3, 2), evidence_map), overlay)


def test_a_face_at_the_edge_of_a_frame_is_explained_inside_the_frame(classifier):
    class Corner:
        name, framing = "corner", detection.Framing(1.0, 0.0, 0.0)

        def detect(self, frame_bgr):
            return [detection.FaceBox(-20, 150, 100, 100)]

    frame_bgr = cv2.resize(pipeline.read_picture(PORTRAIT), (300, 200))
    explained_bgr, [face] = explain.explain_frame(frame_bgr, detector=Corner(), classifier=classifier)
    assert explained_bgr.shape == frame_bgr.shape and face.label in EMOTIONS
    np.testing.assert_array_equal(explained_bgr[:100, 150:], frame_bgr[:100, 150:])
    changed = (explained_bgr != frame_bgr).any(axis=2)
    assert changed[152:, :78].mean() > 0.3


# The live engine


def answer_of(classifier, explained):
    detector = detection.load_detector("haar")
    looking = stream.Engine({"ours": classifier, "other": classifier}, detector, explained=explained)
    return looking.answer(stream.Frame(pipeline.read_picture(PORTRAIT), 0.0, 0))


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
    _, crops = pipeline.find_faces(pipeline.read_picture(PORTRAIT), detection.load_detector("haar"))
    expected = explain.class_activation(classifier, crops, EMOTIONS[answer])[0]
    np.testing.assert_allclose(heat, explain.heat(expected, (12, 12)))
    assert heat.shape == (12, 12) and LEAST_PEAK <= heat.max() <= 1


def test_the_engine_gives_heat_for_the_emotion_that_is_asked_for(classifier):
    portrait, detector = pipeline.read_picture(PORTRAIT), detection.load_detector("haar")
    heat = answer_of(classifier, "sad").heats[0]
    boxes, crops = pipeline.find_faces(portrait, detector)
    expected = explain.heat(explain.class_activation(classifier, crops, "sad")[0], (12, 12))
    np.testing.assert_allclose(heat.values, expected)
    assert heat.square == detector.framing.square(boxes[0])


def test_a_network_without_a_feature_map_answers_without_heat(classifier):
    class Plain:
        def predict_proba(self, crops):
            return classifier.predict_proba(crops)

    answer = answer_of(Plain(), stream.ANSWER)
    assert answer.heats == () and answer.faces


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
    orders = {"map": left, "against": -left, "chance": explanation_checks.random_importance(len(batch), 3)}
    orders = {name: explanation_checks.tiled_over_faces(maps) for name, maps in orders.items()}
    curves = explanation_checks.deletion_curves(looks_left, batch, orders)
    area = {name: explanation_checks.areas(curve).mean() for name, curve in curves.items()}
    assert area["map"] < area["chance"] < area["against"]
    ends = np.stack([curve[:, [0, -1]] for curve in curves.values()])
    np.testing.assert_array_equal(ends, ends[:1].repeat(3, axis=0))
    assert curves["map"].shape == (len(batch), len(explanation_checks.SHARES))


def test_a_share_of_the_pixels_is_deleted_the_most_important_first():
    batch = left_bright_faces(2)
    ranks = explanation_checks.deletion_ranks(explanation_checks.tiled_over_faces(np.tile(np.eye(3)[None], (2, 1, 1))))
    assert sorted(ranks[0].ravel()) == list(range(48 * 48))
    assert ranks[0, 0, 0] < ranks[0, 0, 47]
    changed = (explanation_checks.deleted(batch, ranks, 0.25) != batch).mean()
    assert 0.2 < changed <= 0.25
    np.testing.assert_array_equal(explanation_checks.deleted(batch, ranks, 0.0), batch)
    np.testing.assert_array_equal(explanation_checks.deleted(batch, ranks, 1.0), explanation_checks.blurred(batch))


def test_the_order_from_the_middle_begins_in_the_middle():
    importance = explanation_checks.centre_importance(2)
    assert importance.shape == (2, 48, 48)
    assert importance[0, 24, 24] > importance[0, 24, 40] > importance[0, 0, 0]


def test_areas_are_those_under_the_curve():
    assert explanation_checks.areas(np.ones((2, len(explanation_checks.SHARES)))).tolist() == pytest.approx([1, 1])
    falling = 1 - np.array(explanation_checks.SHARES)
    assert explanation_checks.areas(falling[None])[0] == pytest.approx(0.5)
    assert explanation_checks.areas(falling[None], up_to=0.2)[0] == pytest.approx(0.9)


def test_shuffling_changes_the_maps_and_leaves_the_network_as_it_is(model, drawn_faces):
    classes = np.full(len(drawn_faces), 3)
    own = explain.grad_cam(model, drawn_faces, classes)
    before = [values.copy() for values in model.get_weights()]
    found = {}
    for step, shuffled in explanation_checks.shuffled_cascade(model):
        found[step] = explain.grad_cam(shuffled, drawn_faces, classes)
        if step == "logits":
            for layer in ("Conv1", "block_16_project"):
                theirs = shuffled.get_layer(layer).get_weights()[0]
                np.testing.assert_array_equal(theirs, model.get_layer(layer).get_weights()[0])
            values = [each.get_layer("logits").get_weights()[0].ravel() for each in (shuffled, model)]
            assert not np.array_equal(*values)
            np.testing.assert_array_equal(*map(np.sort, values))
    assert tuple(found) == explanation_checks.CASCADE
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(shuffled.get_layer("Conv1").get_weights()[0], model.get_layer("Conv1").get_weights()[0])
    assert all(explanation_checks.rank_correlations(own, maps).mean() < 0.9 for maps in found.values())


def test_rank_correlation_is_one_for_the_same_order_and_zero_for_a_constant_map():
    maps = np.random.default_rng(0).normal(size=(4, 3, 3))
    np.testing.assert_allclose(explanation_checks.rank_correlations(maps, np.exp(maps)), 1)
    np.testing.assert_allclose(explanation_checks.rank_correlations(maps, -maps), -1)
    assert explanation_checks.rank_correlations(maps, np.zeros_like(maps)).tolist() == [0] * 4


def test_structural_similarity_is_one_for_equal_maps_and_lower_for_others():
    maps = np.random.default_rng(0).random((3, 6, 6))
    np.testing.assert_allclose(explanation_checks.structural_similarities(maps, 2 * maps), 1, atol=1e-3)
    assert explanation_checks.structural_similarities(maps, maps[:, ::-1]).max() < 0.8


def test_an_average_counts_each_face_the_same_and_only_those_chosen():
    maps = np.zeros((3, 3, 3))
    maps[0, 0, 0], maps[1, 2, 2], maps[2, 1, 1] = 100.0, 1.0, 5.0
    means, counts = explanation_checks.average_heat(maps, np.array([3, 3, 0]), chosen=np.array([True, True, False]))
    assert counts == [0, 0, 0, 2, 0, 0, 0]
    assert means[3, 0, 0] == means[3, 2, 2] == 0.5 and means[0].max() == 0


def test_an_interval_is_about_the_mean():
    found = explanation_checks.mean_with_interval(np.array([0.0, 1.0, 2.0, 3.0]))
    assert found["low"] < found["mean"] == 1.5 < found["high"]


# The record


def test_the_recorded_checks_are_of_the_shipped_network():
    record = explanations.load()
    assert explanations.is_current(record), (
        f"Another network is shipped than the one whose maps were checked: run `{explanations.COMMAND}`, then "
        f"`{explanations.SAVE_NOTEBOOK}`"
    )
    assert (record["layer"], record["fine_layer"]) == (explain.LAYER, explain.FINE_LAYER)


def test_the_record_is_of_public_test_and_states_its_faces():
    record = explanations.load()
    assert record["data"]["split"] == "PublicTest"
    assert sum(record["averages"]["all"].values()) == 3589
    assert record["deletion"]["n"] >= 300 and record["sanity"]["n"] >= 100
    for kind, average in explanations.load_averages().items():
        cells = explanations.CELLS[explanations.KINDS[kind]]
        assert average.shape == (7, cells, cells) and 0 <= average.min() < average.max() <= 1
    assert min(record["averages"]["right"].values()) >= 20  # no average comes near a single face


def test_the_words_tell_a_record_of_another_network():
    record = explanations.load()
    assert "the network that is shipped" in explain_words.belongs_to(record)
    stale = record | {"network": record["network"] | {"run": "tl_top-s0"}}
    assert not explanations.is_current(stale)
    assert "Another network is shipped by now" in explain_words.belongs_to(stale)


def interval(mean: float) -> dict:
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}


def test_the_words_follow_the_record():
    record = json.loads(json.dumps(explanations.load()))
    differences = dict.fromkeys(explanations.CONTROLS, interval(-0.05))
    differences |= {explanations.CENTRE: interval(0.03), explanations.AVERAGE: interval(0.005)}
    record["deletion"]["whole"]["differences"][explain.LAYER] = differences
    words = explain_words.findings(record)
    assert "**worse than** the middle first (3.0)" in words
    assert "not to be told from the answer's average, 3×3 (0.5)" in words
    assert "worth no more than knowing that a face is in the middle" in words
    differences[explanations.CENTRE] = interval(-0.03)
    assert "says more than that faces are in the middle" in explain_words.findings(record)


def test_the_words_tell_a_layer_that_is_no_longer_the_best():
    record = json.loads(json.dumps(explanations.load()))
    record["deletion"]["whole"]["areas"]["block_12_add"] = interval(0.01)
    assert f"`block_12_add` is the best over the whole face, and not `{explain.LAYER}`" in explain_words.deletion(
        record
    )


def test_maps_that_do_not_depend_on_the_weights_are_told():
    found = json.loads(json.dumps(explanations.load()["sanity"]["layers"][explain.LAYER]))
    for step in found["steps"]:
        step["rank_correlation"] = interval(-0.05)
    assert "depends on what was learned" in explain_words.sanity_verdict(found)
    found["steps"][2]["rank_correlation"] = interval(0.95)
    assert "Not all is well" in explain_words.sanity_verdict(found)
    assert f"down to `{found['steps'][2]['down_to']}` the maps" in explain_words.sanity_verdict(found)


@pytest.mark.parametrize("content", [b"", b"{", b'{"network": 1}', b"[]"])
def test_a_damaged_record_is_named(isolated, content):
    with pytest.raises(MissingFileError, match=r"explanations/checks\.json is missing"):
        explanations.load()
    explanations.folder().mkdir(parents=True)
    for name, load in (("checks.json", explanations.load), ("averages.npz", explanations.load_averages)):
        (explanations.folder() / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name} is damaged"):
            load()


def test_a_map_costs_at_most_what_was_wanted():
    speed = explanations.load_speed()
    assert speed["face"]["more_ms"] <= speed["wanted_ms"] == explanations.WANTED_MS
    assert "which holds" in explain_words.speed(speed)


@pytest.mark.fer2013
def test_recording_a_few_faces_again_gives_the_recorded_averages(fer2013, model, classifier):
    """The share of PublicTest that is cheap to do: maps of one emotion's faces, averaged."""
    answer = classifier.logits(fer2013.public_test.pixels[:300]).argmax(axis=1)
    maps = explain.grad_cam(model, fer2013.public_test.pixels[:300])
    happy, [*_, n] = explanation_checks.average_heat(maps[answer == 3], np.zeros(int((answer == 3).sum()), int))
    assert n == 0
    recorded = explanations.load_averages()["all"][3]
    assert np.corrcoef(happy[0].ravel(), recorded.ravel())[0, 1] > 0.9


# Figures


HEIGHTS_IN = {"class_heat": 4.4, "sanity": 4.4, "deletion": 5.0, "explained_face": 2.4}


def drawn(name):
    record = explanations.load()
    figure = saving.new_figure(HEIGHTS_IN[name])
    if name == "class_heat":
        arrays = explanations.load_averages(), summaries.load_averages()
        return figure, plots.class_heat(*arrays, figure, counts=record["averages"])
    if name == "sanity":
        return figure, plots.sanity(record["sanity"], figure.add_subplot())
    if name == "deletion":
        return figure, plots.deletion(record["deletion"], figure)
    crop = np.full((48, 48), 120, np.uint8)
    return figure, plots.explained_face(crop, {"one": np.eye(3), "two": -np.eye(6)}, figure)


@pytest.mark.parametrize("name", HEIGHTS_IN)
def test_drawn_twice_a_plot_has_the_same_bytes_and_values_to_save(name):
    first, second = drawn(name), drawn(name)
    assert saving.plain(first[1]) == saving.plain(second[1])
    assert saving.png_bytes(first[0], dpi=50) == saving.png_bytes(second[0], dpi=50)


@pytest.mark.parametrize("name", HEIGHTS_IN)
def test_no_text_of_a_plot_is_cut_or_overlaps_another(name):
    figure, _ = drawn(name)
    assert cut_and_overlapping(figure) == ([], [])


def test_the_deletion_plot_has_a_line_per_order_and_a_mark_per_layer_and_control():
    figure, values = drawn("deletion")
    curves, whole, early = figure.axes
    labelled = [line for line in curves.lines if not line.get_label().startswith("_")]
    for line, curve in zip(labelled, values["curves"].values(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), curve["mean"])
    assert len(whole.containers) == len(early.containers) == len(explain.LAYERS)


# The command line


def test_a_picture_is_explained_into_a_file(tmp_path):
    found = explain.write_explained(PORTRAIT, tmp_path / "why.png", emotion="happy")
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
        explain.write_explained(PORTRAIT, tmp_path / out, emotion=emotion)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["explain"], 2, "Name a picture"),
        (["explain", "a.png", "--record"], 2, "one of both"),
        (["explain", "a.png"], 2, "--out"),
        (["explain", "nowhere.png", "--out", "b.png"], 1, "nowhere.png"),
    ],
)
def test_mistakes_on_the_command_line_are_answered_with_a_sentence(arguments, code, said):
    command = [sys.executable, "-m", "emotion_detection", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=None)
    assert done.returncode == code and said in done.stderr


def test_explaining_on_litert_needs_no_tensorflow(tmp_path):
    code = (
        "import sys; from emotion_detection.inference import explain; "
        f"explain.write_explained({str(PORTRAIT)!r}, {str(tmp_path / 'why.png')!r}); "
        "assert not {'tensorflow', 'keras', 'matplotlib', 'pandas', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
