"""The browser of disagreements: filters, pages, and what it says without data."""

import numpy as np
import pytest

from emotion_detection.data import ferplus, load_sample
from emotion_detection.emotions import EMOTIONS
from emotion_detection.studies import label_browser


@pytest.fixture(scope="module")
def labelled():
    """350 drawn faces; the voters call every angry face sad (nine of ten) and agree unanimously otherwise."""
    faces = load_sample(350, seed=0)
    votes = np.zeros((350, 10), np.uint8)
    for row, emotion in zip(faces.row, faces.emotion, strict=True):
        votes[row, emotion] = 10
        if emotion == EMOTIONS.index("angry"):
            votes[row, [emotion, EMOTIONS.index("sad")]] = 1, 9
    return faces, ferplus.FerPlus(votes, faces.usage)


def test_the_table_holds_both_labels_and_the_voters_agreement(labelled):
    table = label_browser.label_table(*labelled)
    assert len(table) == 350
    angry = table[table["fer2013"] == "angry"]
    assert set(angry["ferplus"]) == {"sad"}
    assert set(angry["agreement"]) == {0.9}


def test_filters_keep_what_they_name(labelled):
    table = label_browser.label_table(*labelled)
    assert set(label_browser.filtered(table)["fer2013"]) == {"angry"}
    assert len(label_browser.filtered(table, disagreeing=False)) == 350
    assert label_browser.filtered(table, fer2013="happy").empty
    assert set(label_browser.filtered(table, ferplus_label="sad", disagreeing=False)["fer2013"]) == {"angry", "sad"}
    assert label_browser.filtered(table, agreement=(1.0, 1.0)).empty


def test_pages_hold_so_many_faces_and_stop_at_the_last(labelled):
    found = label_browser.filtered(label_browser.label_table(*labelled))
    assert len(label_browser.page_of(labelled[0], found, 1).values["captions"]) == label_browser.PER_PAGE == 18
    last = label_browser.page_of(labelled[0], found, 99).values["captions"]
    assert last == ["Angry → Sad\n90% agree"] * (50 - 2 * 18)
    assert label_browser.page_of(labelled[0], found[:0], 1).values["captions"] == []


def test_the_controls_choose_what_is_shown(labelled, monkeypatch):
    shown, page_of = [], label_browser.page_of
    monkeypatch.setattr(label_browser, "page_of", lambda *page: shown.append(page_of(*page)) or shown[-1])
    browser = label_browser.disagreements(*labelled)
    fer2013, *_, page, picture = browser.children
    page.value = 3
    fer2013.value = "happy"
    assert [len(figure.values["captions"]) for figure in shown] == [18, 50 - 2 * 18, 0]
    assert picture.value == shown[-1]._repr_mimebundle_()["image/png"]


def test_without_the_data_it_says_what_to_get(isolated):
    assert "FER2013 was not found" in label_browser.disagreements().value
