"""Where a network errs: confusions by share, errors by agreement of FER+'s voters, counts that make scores again."""

import json

import numpy as np
import pytest

from emotion_detection.data import summaries
from emotion_detection.data.ferplus import FerPlus
from emotion_detection.errors import MissingFileError, UnknownNameError
from emotion_detection.evaluation import ferplus_scores, mistakes
from emotion_detection.runs import registry, store
from made_predictions import predictions_of


def votes_for(*faces: dict[int, int]) -> FerPlus:
    """Votes of faces, each given as class → number of votes (7 contempt, 8 unknown, 9 not a face)."""
    votes = np.zeros((len(faces), 10), np.uint8)
    for row, face in enumerate(faces):
        for column, n in face.items():
            votes[row, column] = n
    return FerPlus(votes, np.full(len(faces), "PrivateTest"))


def test_confusions_are_ordered_by_their_share_of_the_label_not_by_their_number():
    counts = np.diag([100, 10, 0, 0, 0, 0, 0])
    counts[0, 3], counts[1, 4] = 50, 10
    table = mistakes.worst_confusions(counts, most=2)
    assert table[["label", "answer", "faces", "n"]].to_numpy().tolist() == [
        ["disgust", "sad", 10, 20],
        ["angry", "happy", 50, 150],
    ]
    assert table["share"].tolist() == pytest.approx([1 / 2, 1 / 3])
    low, high = table["share_low"], table["share_high"]
    assert (low < table["share"]).all() and (table["share"] < high).all()
    assert high[0] - low[0] > high[1] - low[1]


def test_mistaken_faces_are_those_asked_for_and_the_surest_answers_come_first():
    found = predictions_of([4, 4, 4, 2, 4], [2, 2, 4, 2, 2])
    found.logits[1] *= 5
    table = mistakes.mistaken(found, label="sad", answer="fear", n=2)
    assert table["row"].tolist() == [1, 0]
    assert table["confidence"].tolist() == sorted(table["confidence"], reverse=True)
    assert (table["confidence"] > table["label_probability"]).all()
    assert len(mistakes.mistaken(found, label="sad", answer="happy")) == 0
    with pytest.raises(UnknownNameError, match="gloomy"):
        mistakes.mistaken(found, label="gloomy", answer="fear")


def test_faces_are_counted_by_the_votes_for_their_most_voted_emotion():
    votes = votes_for({0: 10}, {0: 9, 3: 1}, {4: 6, 6: 4}, {3: 3, 4: 2, 9: 5}, {9: 10})
    counts = mistakes.by_agreement(predictions_of([0, 3, 4, 3, 3], [0, 0, 6, 4, 3]), votes)
    lines = [tuple(band[name] for name in mistakes.BAND_COLUMNS) for band in counts]
    assert lines == [(1, 4, 1, 0, 0, 1), (5, 6, 1, 0, 0, 1), (7, 8, 0, 0, 0, 0), (9, 10, 2, 1, 2, 1)]


def test_shares_by_agreement_have_intervals_also_without_faces():
    counts = [{"votes_least": 1, "votes_most": 4, "n": 0, "right": 0, "right_by_votes": 0, "labels_agree": 0}]
    counts.append({"votes_least": 5, "votes_most": 6, "n": 40, "right": 30, "right_by_votes": 20, "labels_agree": 10})
    table = mistakes.shares_by_agreement(counts)
    assert table["accuracy"].tolist() == [0, 0.75]
    assert table["agreement"].tolist() == [0, 0.25]
    assert table[["accuracy_low", "accuracy_high"]].to_numpy()[0].tolist() == [0, 1]
    assert 0.5 < table["accuracy_low"][1] < 0.75 < table["accuracy_high"][1] < 0.95


def test_the_recorded_counts_cover_nearly_all_faces_and_agree_with_the_record():
    name = registry.read_card()["run"]
    run = store.load_run(name)
    for split in ferplus_scores.TEST_SPLITS:
        table = mistakes.shipped_by_agreement(split=split)
        assert 0.97 * len(run.predictions[split]) < table["n"].sum() <= len(run.predictions[split])
        right = np.count_nonzero(run.predictions[split].predicted == run.predictions[split].label)
        assert (table["accuracy"] * table["n"]).sum() == pytest.approx(right, abs=0.03 * right)
        recorded = run.info["ferplus"][split]
        assert ferplus_scores.scores(recorded)["accuracy"] == pytest.approx(recorded["accuracy"])
        assert recorded["deduplicated"]["n"] < recorded["n"]


@pytest.mark.fer2013
def test_the_recorded_counts_are_those_of_the_votes(fer2013):
    from emotion_detection.data import ferplus

    if ferplus.find() is None:
        pytest.skip("FER+ votes not found: set EMOTION_DATA_DIR or put fer2013new.csv into data/raw/")
    run = store.load_run(registry.read_card()["run"])
    votes, twins = ferplus.load_ferplus(), summaries.load_twins()
    for split in ferplus_scores.TEST_SPLITS:
        assert run.info["ferplus"][split] == ferplus_scores.counts_of(run.predictions[split], votes, twins)


def test_scores_against_ferplus_count_contempt_as_an_error():
    confusion = np.zeros((8, 7), int)
    confusion[:7] = np.diag([10] * 7)
    confusion[7, 0] = 30
    scores = ferplus_scores.scores({"confusion": confusion.tolist()})
    assert scores["n"] == 100
    assert scores["accuracy"] == pytest.approx(0.7)
    assert scores["macro_f1"] == pytest.approx((6 + 2 * 10 / (10 + 40)) / 7)
    assert scores["f1"]["angry"] == pytest.approx(2 * 10 / (10 + 40))
    assert scores["accuracy_ci"] == pytest.approx((0.7, 0.7))  # resampled within each class: nothing varies


def test_a_record_without_counts_says_how_to_make_them(monkeypatch):
    monkeypatch.setattr(store, "load_info", lambda name: json.loads('{"ferplus": {"PrivateTest": {"n": 1}}}'))
    with pytest.raises(MissingFileError, match="emotion_detection ferplus"):
        mistakes.shipped_by_agreement(split="PrivateTest")
