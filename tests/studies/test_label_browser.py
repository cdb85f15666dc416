"""The browser of disagreements: filters, pages, and what it says without data."""

import numpy as np
import pytest

from emotion_detection.data import ferplus, load_sample
from emotion_detection.emotions import EMOTIONS
from emotion_detection.studies.label_browser import PER_PAGE, DisagreementBrowser, filtered, label_table


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
    table = label_table(*labelled)
    assert len(table) == 350
    angry = table[table["fer2013"] == "angry"]
    assert set(angry["ferplus"]) == {"sad"}
    assert set(angry["agreement"]) == {0.9}


def test_filters_keep_what_they_name(labelled):
    table = label_table(*labelled)
    assert set(filtered(table)["fer2013"]) == {"angry"}
    assert len(filtered(table, disagreeing=False)) == 350
    assert filtered(table, fer2013="happy").empty
    assert set(filtered(table, ferplus_label="sad", disagreeing=False)["fer2013"]) == {"angry", "sad"}
    assert filtered(table, agreement=(1.0, 1.0)).empty


def test_pages_turn_and_stop_at_the_ends(labelled):
    browser = DisagreementBrowser(*labelled)
    assert browser.status.value == "of 3: 50 faces"
    assert browser.faces.value.count("<img") == PER_PAGE
    first = browser.faces.value
    browser.next.click()
    assert browser.faces.value != first
    browser.next.click()
    browser.next.click()
    assert browser.page.value == 3
    assert browser.faces.value.count("<img") == 50 - 2 * PER_PAGE
    browser.disagreeing.value = False
    assert browser.page.value == 1
    browser.previous.click()
    assert browser.page.value == 1


def test_nothing_found_says_so(labelled):
    browser = DisagreementBrowser(*labelled)
    browser.fer2013.value = "happy"
    assert "No face passes" in browser.faces.value
    assert browser.status.value == "of 1: 0 faces"


def test_without_the_data_it_says_what_to_get(isolated):
    browser = DisagreementBrowser()
    assert "FER2013 was not found" in browser.children[0].value
    assert len(browser.children) == 1
