"""FER+'s votes: joining by row, the rule of the majority, soft labels."""

import hashlib

import numpy as np
import pytest

from emotion_detection import paths
from emotion_detection.data import ferplus
from emotion_detection.data.ferplus import FerPlus, load_ferplus
from emotion_detection.errors import DataError, MissingFileError

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


@pytest.fixture
def write(isolated, monkeypatch):
    """Write fer2013new.csv into data/raw/ from lines of ten votes in the file's order."""
    names = [f"fer{index:07}.png" for index in range(4)] + [""]
    monkeypatch.setattr(ferplus, "OFFICIAL_ROWS", 5)
    monkeypatch.setattr(ferplus, "NAMES_SHA256", hashlib.sha256("\n".join(names).encode()).hexdigest())

    def write(votes, header=HEADER, order=range(5)):
        lines = [f"Training,{name},{','.join(map(str, row))}" for name, row in zip(names, votes, strict=False)]
        lines = [lines[index] for index in order if index < len(lines)]
        path = paths.raw_dir() / "fer2013new.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return write


VOTES = [  # neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
    [6, 1, 1, 1, 1, 0, 0, 0, 0, 0],  # neutral: 6 of 6 once single votes are gone
    [0, 5, 5, 0, 0, 0, 0, 0, 0, 0],  # exactly half: no strict majority; plurality takes the first
    [0, 0, 0, 0, 0, 0, 2, 8, 0, 0],  # contempt
    [0, 0, 0, 0, 3, 0, 0, 0, 7, 0],  # unknown
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],  # not a face
]


def test_votes_are_in_the_order_of_fer2013_with_contempt_last(write):
    votes = load_ferplus(path=write(VOTES)).votes
    assert votes.dtype == np.uint8
    assert votes[0].tolist() == [1, 0, 0, 1, 1, 1, 6, 0, 0, 0]
    assert votes[2].tolist() == [0, 0, 2, 0, 0, 0, 0, 8, 0, 0]


def test_strict_majority_needs_more_than_half_of_the_votes_that_are_not_single(write):
    write(VOTES)
    assert load_ferplus().majority(strict=True).tolist() == [6, -1, ferplus.CONTEMPT, -1, -1]


def test_plurality_takes_the_most_votes_and_the_first_of_equals(write):
    write(VOTES)
    assert load_ferplus().majority(strict=False).tolist() == [6, 3, ferplus.CONTEMPT, -1, -1]


def test_a_majority_among_single_votes_alone_is_none():
    votes = FerPlus(np.ones((1, 10), np.uint8), np.array(["Training"]))
    assert votes.majority(strict=False).tolist() == [-1]


def test_soft_labels_sum_to_one_where_anybody_voted(write):
    write(VOTES)
    eight, seven = load_ferplus().soft_labels(), load_ferplus().soft_labels(classes=7)
    assert eight.shape == (5, 8) and seven.shape == (5, 7)
    np.testing.assert_allclose(eight.sum(axis=1), [1, 1, 1, 1, 0])
    np.testing.assert_allclose(eight[2], [0, 0, 0.2, 0, 0, 0, 0, 0.8])
    np.testing.assert_allclose(seven[2], [0, 0, 1, 0, 0, 0, 0])


def test_soft_labels_over_other_numbers_of_classes_are_refused(write):
    write(VOTES)
    with pytest.raises(DataError, match="over 6 classes"):
        load_ferplus().soft_labels(classes=6)


def test_strict_labels_are_looked_up_by_row(write):
    write(VOTES)
    labels = ferplus.strict_majority_labels(np.array([2, 0]))
    assert labels.dtype == np.int8
    assert labels.tolist() == [7, 6]
    with pytest.raises(DataError, match="official row numbers, 0–4; received 0–5"):
        ferplus.strict_majority_labels(np.array([0, 5]))


def test_missing_votes_say_where_to_put_them(isolated):
    with pytest.raises(MissingFileError, match=r"fer2013new.csv in data/raw\. Put it into data/raw/"):
        load_ferplus()


@pytest.mark.parametrize(
    ("votes", "header", "message"),
    [
        (VOTES[:4], HEADER, "has 4 rows, expected 5"),
        (VOTES, HEADER.replace("contempt", "boredom"), "has no column contempt"),
        ([*VOTES[:4], [11, *VOTES[4][1:]]], HEADER, "row 4 has the votes"),
        ([*VOTES[:4], ["x", *VOTES[4][1:]]], HEADER, "row 4 has the votes"),
    ],
)
def test_another_table_is_refused(write, votes, header, message):
    with pytest.raises(DataError, match=message):
        load_ferplus(path=write(votes, header))


def test_rows_that_were_moved_are_refused(write):
    with pytest.raises(DataError, match="its rows were moved"):
        load_ferplus(path=write(VOTES, order=[1, 0, 2, 3, 4]))


def test_an_empty_file_is_refused(isolated):
    path = isolated / "fer2013new.csv"
    path.write_text("")
    with pytest.raises(DataError, match="is empty"):
        load_ferplus(path=path)


@pytest.mark.fer2013
def test_the_real_votes_give_the_published_numbers(fer2013):
    if ferplus.find() is None:
        pytest.skip("FER+ not found: put fer2013new.csv into data/raw/ (see data/README.md)")
    votes, private = load_ferplus(), fer2013.private_test
    np.testing.assert_array_equal(votes.usage, fer2013.usage)
    assert (votes.majority(strict=True)[private.row] >= 0).sum() == 3153
    assert (votes.majority(strict=False)[private.row] >= 0).sum() == 3546
    strict = votes.majority(strict=True)[private.row]
    assert (strict == private.emotion)[strict >= 0].mean() == pytest.approx(0.67, abs=0.01)
