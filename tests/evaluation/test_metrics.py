"""Scores of recorded predictions: against hand-worked examples and scikit-learn, and how intervals behave."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from emotion_detection.data import summaries
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.evaluation import metrics as evaluation
from emotion_detection.runs import store

TWINS = {"PublicTest_identical": [0], "PublicTest_near": [0, 1], "PrivateTest_identical": [2], "PrivateTest_near": [2]}
TWINS = {key: np.array(rows, np.int32) for key, rows in TWINS.items()}


def predictions_of(label, predicted, *, split="PublicTest", logit=5.0, row=None):
    """Predictions with the given answers, each with the same logit."""
    label, predicted = np.asarray(label, np.int8), np.asarray(predicted, int)
    logits = np.zeros((len(label), 7), np.float32)
    logits[np.arange(len(label)), predicted] = logit
    row = np.arange(len(label), dtype=np.int32) if row is None else np.asarray(row, np.int32)
    return store.Predictions(split, row, label, logits)


def random_predictions(n=3000, *, seed=0, scale=1.0, right=0.6, split="PublicTest"):
    """Predictions of which about `right` are right, over unequal classes."""
    rng = np.random.default_rng(seed)
    label = rng.choice(7, n, p=[0.14, 0.02, 0.14, 0.25, 0.16, 0.12, 0.17]).astype(np.int8)
    logits = rng.normal(size=(n, 7))
    chosen = np.where(rng.random(n) < right, label, rng.integers(0, 7, n))
    logits[np.arange(n), chosen] += 3.0
    return store.Predictions(split, np.arange(n, dtype=np.int32), label, (scale * logits).astype(np.float32))


def calibrated_predictions(n=10000, *, scale=1.0, seed=0):
    """Predictions whose labels are drawn from their own probabilities, then with logits multiplied by `scale`."""
    rng = np.random.default_rng(seed)
    logits = 2.0 * rng.normal(size=(n, 7))
    label = (logits + rng.gumbel(size=(n, 7))).argmax(axis=1).astype(np.int8)
    return store.Predictions("PublicTest", np.arange(n, dtype=np.int32), label, (scale * logits).astype(np.float32))


def run_of(*predictions, recipe="TL whole", seed=0, data="FER2013", **info):
    record = {"run": "tl_whole-s0", "recipe": {"name": "tl_whole", "display_name": recipe}, "seed": seed}
    record |= {"data": {"name": data}, "metrics": {}} | info
    return store.Run(f"tl_whole-s{seed}", record, pd.DataFrame(), {each.split: each for each in predictions})


# Three angry faces (two right, one called fear), two fear (one right), one happy (called angry).
SMALL = predictions_of([0, 0, 0, 2, 2, 3], [0, 0, 2, 2, 0, 0])


def test_scores_agree_with_an_example_worked_by_hand():
    expected = np.zeros((7, 7), int)
    expected[0, 0], expected[0, 2], expected[2, 2], expected[2, 0], expected[3, 0] = 2, 1, 1, 1, 1
    np.testing.assert_array_equal(evaluation.confusion(SMALL), expected)
    table = evaluation.per_class(SMALL)
    assert evaluation.accuracy(SMALL) == pytest.approx(3 / 6)
    assert table.loc["angry"].tolist() == pytest.approx([2 / 4, 2 / 3, 4 / 7, 3])
    assert table.loc["fear"].tolist() == pytest.approx([1 / 2, 1 / 2, 1 / 2, 2])
    assert table.loc["happy"].tolist() == pytest.approx([0, 0, 0, 1])
    assert evaluation.macro_f1(SMALL) == pytest.approx((4 / 7 + 1 / 2) / 7)
    assert evaluation.weighted_f1(SMALL) == pytest.approx((3 * 4 / 7 + 2 * 1 / 2) / 6)


def test_scores_agree_with_scikit_learn():
    given = random_predictions()
    labels = {"labels": range(7), "zero_division": 0.0}
    assert evaluation.accuracy(given) == pytest.approx(metrics.accuracy_score(given.label, given.predicted))
    for average, score in (("macro", evaluation.macro_f1), ("weighted", evaluation.weighted_f1)):
        expected = metrics.f1_score(given.label, given.predicted, average=average, **labels)
        assert score(given) == pytest.approx(expected)


def test_f1_of_confusions_agrees_with_f1_of_rows():
    given = random_predictions()
    from_counts = evaluation.f1_of(evaluation.confusion(given))
    np.testing.assert_allclose(from_counts, evaluation.per_class(given)["f1"])


def test_nothing_to_score_is_an_error():
    with pytest.raises(DataError, match="0 predictions"):
        evaluation.per_class(predictions_of([], []))


def test_resampled_confusions_keep_the_number_of_faces_per_class():
    counts = evaluation.confusion(random_predictions())
    drawn = evaluation.resampled_confusions(counts, resamples=50)
    assert (drawn.sum(axis=2) == counts.sum(axis=1)).all()
    assert len(np.unique(drawn[:, 0, 0])) > 5


def test_resampled_confusions_are_distributed_as_resampled_rows():
    given, rng = random_predictions(400), np.random.default_rng(1)
    by_class = [given.predicted[given.label == each] for each in range(7)]
    reference = [
        sum((rng.choice(answers, len(answers)) == each).sum() for each, answers in enumerate(by_class)) / 400
        for _ in range(2000)
    ]
    drawn = evaluation.resampled_confusions(evaluation.confusion(given), resamples=2000)
    accuracies = np.trace(drawn, axis1=1, axis2=2) / 400
    assert accuracies.mean() == pytest.approx(np.mean(reference), abs=0.004)
    assert accuracies.std() == pytest.approx(np.std(reference), rel=0.06)


def test_intervals_contain_the_score_and_are_reproducible():
    given = random_predictions()
    first, again, other = (evaluation.bootstrap(given, seed=seed) for seed in (0, 0, 1))
    assert first.accuracy[0] < evaluation.accuracy(given) < first.accuracy[1]
    assert first.macro_f1[0] < evaluation.macro_f1(given) < first.macro_f1[1]
    assert first.weighted_f1[0] < evaluation.weighted_f1(given) < first.weighted_f1[1]
    table = evaluation.f1_with_intervals(given)
    assert ((table.f1_low < table.f1) & (table.f1 < table.f1_high)).all()
    assert first.accuracy == again.accuracy
    assert (first.f1 == again.f1).all()
    assert first.accuracy != other.accuracy


def test_intervals_cover_the_true_accuracy_about_95_times_in_100():
    """True accuracy is 0.7 in every class; 100 samples of 500 faces."""
    rng, covered = np.random.default_rng(5), 0
    label = np.arange(500) % 7
    for _ in range(100):
        answers = np.where(rng.random(500) < 0.7, label, (label + 1) % 7)
        low, high = evaluation.bootstrap(predictions_of(label, answers), resamples=200).accuracy
        covered += low <= 0.7 <= high
    assert 0.90 <= covered / 100 <= 0.99


def test_perfect_predictions_have_an_interval_without_width():
    label = np.arange(70) % 7
    assert evaluation.bootstrap(predictions_of(label, label)).accuracy == (1.0, 1.0)


def test_a_class_without_faces_has_f1_zero_and_no_warning():
    table = evaluation.f1_with_intervals(SMALL)
    assert table.loc["disgust", ["f1", "f1_low", "f1_high", "support"]].tolist() == [0, 0, 0, 0]


def test_rows_with_twins_are_left_out():
    kept = evaluation.without_twins(SMALL, TWINS, kind="near")
    assert kept.row.tolist() == [2, 3, 4, 5]
    assert kept.label.tolist() == [0, 2, 2, 3]
    assert evaluation.accuracy(kept) == pytest.approx(1 / 4)
    assert len(evaluation.without_twins(SMALL, TWINS)) == 5


def test_unknown_kind_of_twins_is_an_error():
    with pytest.raises(UnknownNameError, match=r"PublicTest_identicle.*PrivateTest_identical"):
        evaluation.without_twins(SMALL, TWINS, kind="identicle")


def test_comparison_agrees_with_an_example_worked_by_hand():
    label = [0] * 10
    first = predictions_of(label, [0] * 8 + [1] * 2)
    second = predictions_of(label, [0] * 3 + [1] * 6 + [0])
    found = evaluation.compare(first, second)
    assert (found.n, found.only_first, found.only_second) == (10, 5, 1)
    assert found.difference == pytest.approx(0.4)
    assert found.p_value == pytest.approx(2 * (1 + 6) / 2**6)  # exact binomial: 5 or more of 6, both sides
    assert found.difference_ci[0] <= 0.4 <= found.difference_ci[1]


def test_comparison_does_not_depend_on_the_order_of_rows():
    first, second = random_predictions(seed=0), random_predictions(seed=0, right=0.5)
    shuffled = evaluation.select(second, np.random.default_rng(0).permutation(len(second)))
    assert evaluation.compare(first, second) == evaluation.compare(first, shuffled)


def test_comparison_of_a_run_with_itself_finds_no_difference():
    found = evaluation.compare(SMALL, SMALL)
    assert (found.difference, found.difference_ci, found.p_value) == (0.0, (0.0, 0.0), 1.0)


def test_clear_difference_is_significant_and_its_interval_excludes_zero():
    label = np.arange(700) % 7
    better = predictions_of(label, np.where(np.arange(700) < 560, label, (label + 1) % 7))
    worse = predictions_of(label, np.where(np.arange(700) < 420, label, (label + 1) % 7))
    found = evaluation.compare(better, worse)
    assert found.difference == pytest.approx(0.2)
    assert 0.15 < found.difference_ci[0] < 0.2 < found.difference_ci[1] < 0.25
    assert found.p_value < 1e-6


def test_f1_differences_are_those_of_the_two_tables_and_intervals_are_paired():
    first, second = random_predictions(seed=1, right=0.7), random_predictions(seed=1, right=0.5)
    table = evaluation.compare_f1(first, second)
    expected = evaluation.per_class(first)["f1"] - evaluation.per_class(second)["f1"]
    np.testing.assert_allclose(table.loc[list(EMOTIONS), "difference"], expected)
    assert table.loc["macro", "difference"] == pytest.approx(expected.mean())
    assert (table["low"] < table["difference"]).all() and (table["difference"] < table["high"]).all()
    assert table.loc["macro", "low"] > 0
    same = evaluation.compare_f1(first, first)
    assert (same == 0).all().all()


def test_comparison_of_different_faces_is_an_error():
    other = predictions_of(SMALL.label, SMALL.predicted, row=[0, 1, 2, 3, 4, 99])
    with pytest.raises(DataError, match="5 in common"):
        evaluation.compare(SMALL, other)


def test_ferplus_counts_contempt_as_error_and_leaves_out_faces_without_majority():
    given = predictions_of([0, 0, 0, 0, 0], [3, 4, 0, 6, 2])
    labels = np.array([3, 4, 7, -1, 1], np.int8)
    assert evaluation.ferplus_strict(given, labels) == {"n": 4, "accuracy": 0.5}
    assert evaluation.ferplus_strict(given, np.full(5, -1)) == {"n": 0, "accuracy": None}


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 0, 0, 0, 8]])
def test_ferplus_labels_that_do_not_fit_are_an_error(labels):
    with pytest.raises(DataError, match="strict_majority_labels"):
        evaluation.ferplus_strict(SMALL, np.array(labels))


def test_calibration_error_agrees_with_an_example_worked_by_hand():
    """Ten answers at 0.9, six right (gap 0.3); ten at 0.5, five right (gap 0): error 0.15."""
    label, answers = np.zeros(20, int), np.array([0] * 6 + [1] * 4 + [0] * 5 + [1] * 5)
    confidence = np.repeat([0.9, 0.5], 10)
    given = predictions_of(label, answers)
    others = (1 - confidence) / 6
    logits = np.log(np.where(given.logits > 0, confidence[:, None], others[:, None])).astype(np.float32)
    given = store.Predictions("PublicTest", given.row, given.label, logits)
    table = evaluation.reliability(given)
    filled = table[table.n > 0]
    assert filled.n.tolist() == [10, 10]
    assert filled.confidence.tolist() == pytest.approx([0.5, 0.9], abs=1e-6)
    assert filled.accuracy.tolist() == [0.5, 0.6]
    assert filled.low.tolist() == pytest.approx([7 / 15, 13 / 15])
    assert evaluation.expected_calibration_error(table) == pytest.approx(0.15, abs=1e-6)


def test_reliability_counts_every_face_once_full_confidence_included():
    given = predictions_of([0, 1], [0, 1], logit=200.0)
    table = evaluation.reliability(given)
    assert table.n.tolist() == [0] * 14 + [2]
    assert evaluation.reliability(random_predictions()).n.sum() == 3000


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.5])
def test_temperature_recovers_a_known_scale_and_lowers_the_calibration_error(scale):
    given = calibrated_predictions(scale=scale)
    temperature = evaluation.fit_temperature(given)
    assert temperature == pytest.approx(scale, rel=0.05)
    assert evaluation.expected_calibration_error(evaluation.reliability(given, temperature=temperature)) < 0.015


def test_the_interval_of_the_calibration_error_holds_it_and_narrows_with_the_faces():
    few, many = (calibrated_predictions(scale=1.0, n=n) for n in (500, 8000))
    widths = []
    for given in (few, many):
        low, high = evaluation.calibration_interval(given, temperature=2.0)
        error = evaluation.expected_calibration_error(evaluation.reliability(given, temperature=2.0))
        assert low < error < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_the_calibration_error_by_chance_is_that_of_networks_whose_confidence_is_right():
    given = [calibrated_predictions(scale=2.0, n=1000, seed=seed) for seed in range(20)]
    errors = [evaluation.expected_calibration_error(evaluation.reliability(each, temperature=2.0)) for each in given]
    assert evaluation.calibration_by_chance(given[0], temperature=2.0) == pytest.approx(np.mean(errors), rel=0.15)
    assert evaluation.calibration_by_chance(given[0], temperature=2.0) > 0.01


def test_log_likelihood_agrees_with_scikit_learn():
    given = random_predictions()
    expected = metrics.log_loss(given.label, given.probabilities(1.7), labels=range(7))
    assert evaluation.negative_log_likelihood(given, temperature=1.7) == pytest.approx(expected)


def test_likelihoods_are_compared_after_calibration_and_face_by_face():
    first, second = random_predictions(seed=1, right=0.7), random_predictions(seed=1, right=0.5)
    found = evaluation.compare_likelihood(first, second)
    one, other = (
        evaluation.negative_log_likelihood(each, temperature=evaluation.fit_temperature(each))
        for each in (first, second)
    )
    assert found["first"] == pytest.approx(one) and found["second"] == pytest.approx(other)
    assert found["difference"] == pytest.approx(one - other) and found["low"] < one - other < found["high"] < 0
    surer = dataclasses.replace(first, logits=3 * first.logits)  # the temperature takes that back
    assert evaluation.compare_likelihood(surer, first)["difference"] == pytest.approx(0, abs=1e-5)


def test_likelihood_intervals_agree_with_resampling():
    first, second = random_predictions(seed=1, right=0.7), random_predictions(seed=2, right=0.65)
    second = dataclasses.replace(second, label=first.label)
    found = evaluation.compare_likelihood(first, second)
    drawn = []
    gap = surprise(first) - surprise(second)
    generator = np.random.default_rng(0)
    for _ in range(800):
        rows = [generator.choice(np.flatnonzero(first.label == each), (first.label == each).sum()) for each in range(7)]
        drawn.append(gap[np.concatenate(rows)].mean())
    half = (found["high"] - found["low"]) / 2
    assert half == pytest.approx(1.96 * np.std(drawn), rel=0.1)


def surprise(given: store.Predictions) -> np.ndarray:
    probabilities = given.probabilities(evaluation.fit_temperature(given))
    return -np.log(probabilities[np.arange(len(given)), given.label])


def test_temperature_is_never_fitted_on_private_test():
    with pytest.raises(DataError, match="PublicTest"):
        evaluation.fit_temperature(random_predictions(split="PrivateTest"))


def test_scores_read_private_test_where_recorded_else_public_test():
    public, private = random_predictions(), random_predictions(split="PrivateTest", seed=1)
    assert evaluation.scores(run_of(public), twins=TWINS)["split"] == "PublicTest"
    assert evaluation.scores(run_of(public, private), twins=TWINS)["split"] == "PrivateTest"
    assert evaluation.scores(run_of(public, private), split="PublicTest", twins=TWINS)["split"] == "PublicTest"


def test_scores_on_a_split_that_is_not_recorded_say_how_to_make_it():
    with pytest.raises(
        DataError, match=r"tl_whole-s0 has no predictions on PrivateTest; recorded: PublicTest.*--final"
    ):
        evaluation.scores(run_of(SMALL), split="PrivateTest", twins=TWINS)


def test_scores_hold_every_number_of_the_command_line():
    ferplus = {"PublicTest": {"n": 4, "accuracy": 0.75, "note": "x"}}
    values = evaluation.scores(run_of(SMALL, temperature=1.5, ferplus=ferplus), twins=TWINS)
    assert (values["run"], values["labels"], values["n"]) == ("tl_whole-s0", "FER2013", 6)
    assert (values["accuracy"], values["n_deduplicated"], values["accuracy_deduplicated"]) == (0.5, 5, 0.4)
    assert (values["n_near_twin_free"], values["accuracy_near_twin_free"]) == (4, 0.25)
    assert list(values["f1"]) == list(EMOTIONS)
    assert values["macro_f1"] == pytest.approx((4 / 7 + 1 / 2) / 7, abs=1e-6)
    assert values["accuracy_ci"][0] <= 0.5 <= values["accuracy_ci"][1]
    assert values["ferplus_strict"] == {"n": 4, "accuracy": 0.75}
    assert values["ferplus_source"] == "recorded"
    assert values["temperature"] == 1.5
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_calibration_uses_the_given_temperature_before_the_recorded_one():
    given = calibrated_predictions(3000, scale=3.0)
    recorded = evaluation.scores(run_of(given, temperature=3.0), twins=TWINS)
    overruled = evaluation.scores(run_of(given, temperature=3.0), temperature=1.0, twins=TWINS)
    unknown = evaluation.scores(run_of(given), twins=TWINS)
    assert recorded["ece"] < 0.03 < overruled["ece"]
    assert unknown["ece"] == overruled["ece"]
    assert any("none recorded" in note for note in unknown["notes"])


def test_scores_without_ferplus_say_so():
    values = evaluation.scores(run_of(SMALL), twins=TWINS)
    assert values["ferplus_strict"] is None
    assert any("no FER+ score" in note for note in values["notes"])


def test_scores_without_recorded_twins_say_so(monkeypatch):
    def missing():
        raise MissingFileError("No twins are recorded.")

    monkeypatch.setattr(summaries, "load_twins", missing)
    values = evaluation.scores(run_of(SMALL))
    assert values["n_deduplicated"] is None
    assert any("No twins are recorded" in note for note in values["notes"])


def test_twins_of_fer2013_are_not_applied_to_the_drawn_sample(monkeypatch):
    monkeypatch.setattr(summaries, "load_twins", lambda: TWINS)
    assert evaluation.scores(run_of(SMALL))["n_deduplicated"] == 5
    values = evaluation.scores(run_of(SMALL, data="drawn sample"))
    assert values["labels"] == "drawn sample"
    assert values["n_deduplicated"] is None
    assert any("not a result" in note for note in values["notes"])


def test_scores_on_the_rows_learned_from_are_named_no_result(monkeypatch):
    monkeypatch.setattr(summaries, "load_twins", lambda: TWINS)
    values = evaluation.scores(run_of(dataclasses.replace(SMALL, split="Training")), split="Training")
    assert values["n_deduplicated"] is None
    assert any(note.startswith("Not a result") for note in values["notes"])


def test_where_all_splits_were_pooled_twins_are_those_among_the_rows_learned_from(monkeypatch):
    identical = np.full(20, -1, np.int32)
    identical[[1, 12]] = 0
    identical[[2, 3]] = 1  # both unseen: no twin among the learned
    clusters = {"pairs": np.array([[1, 12], [4, 15]], np.int32), "identical": identical}
    monkeypatch.setattr(summaries, "load_clusters", lambda: clusters)
    learned = dataclasses.replace(SMALL, split="Training", row=SMALL.row + 10)
    run = run_of(dataclasses.replace(SMALL, split="Unseen"), learned)
    run.info["recipe"]["pool_all_splits_as_published"] = True
    values = evaluation.scores(run)
    assert (values["split"], values["n_deduplicated"], values["n_near_twin_free"]) == ("Unseen", 5, 4)


def test_table_names_each_score_with_its_interval_and_n(monkeypatch):
    monkeypatch.setattr(summaries, "load_twins", lambda: TWINS)
    row = evaluation.table([run_of(SMALL)]).iloc[0]
    assert row["Recipe"] == "TL whole"
    assert row["De-duplicated (n)"] == "40.0 % (5)"
    assert row["FER+ strict majority (n)"] == "–"
    assert row["Accuracy (95 % interval)"].startswith("50.0 % (")


def test_table_tells_seeds_apart(monkeypatch):
    monkeypatch.setattr(summaries, "load_twins", lambda: TWINS)
    assert evaluation.table([run_of(SMALL), run_of(SMALL, seed=3)])["Recipe"].tolist() == [
        "TL whole",
        "TL whole, seed 3",
    ]


def test_markdown_has_a_line_per_row_and_escapes_bars():
    frame = pd.DataFrame({"Recipe": ["a|b", "c"], "n": [1, 22]})
    assert evaluation.to_markdown(frame) == "| Recipe | n |\n| --- | ---: |\n| a\\|b | 1 |\n| c | 22 |\n"
