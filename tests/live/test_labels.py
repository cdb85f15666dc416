"""Which question the answers of the live cell answer: people's votes, or FER2013's labels."""

import numpy as np
import pytest

from emotion_detection.emotions import EMOTIONS, VOTES
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.live import FileReplay, LiveView


def said(browser, *, after: int) -> dict:
    """What the first face's card says, some answers later."""
    [face] = browser.wait_for("frame", count=after + 3)["faces"]
    return face


def test_a_view_answers_with_votes_and_goes_on_with_the_other_labels_when_they_are_chosen(opened, classifier):
    view, browser = opened(FileReplay(), classifier=classifier.with_labels("votes"))
    assert [name for name, *_ in view.frame.label_sets] == ["votes", "fer2013"]
    assert view.frame.minimum_confidence == classifier.with_labels("votes").threshold
    view.frame.running = True
    [network] = said(browser, after=0)["said"]
    assert said(browser, after=0)["said"][network].endswith("of 10 would say so")
    view.frame.labels = "fer2013"
    assert view.frame.minimum_confidence == classifier.with_labels("fer2013").threshold
    face = said(browser, after=len(browser.of("frame")))
    assert face["said"][network].endswith(" %") and face["id"] == 1


def test_contempt_is_an_eighth_bar_on_request_and_a_column_of_the_timeline(opened, classifier):
    view, browser = opened(FileReplay(), classifier=classifier.with_labels("votes"))
    view.frame.running = True
    [found] = said(browser, after=0)["probabilities"].values()
    assert len(found) == len(EMOTIONS)
    view.frame.contempt = True
    [found] = said(browser, after=len(browser.of("frame")))["probabilities"].values()
    assert len(found) == len(VOTES) and sum(found) == pytest.approx(1, abs=0.01)
    view.stop()
    table = view.timeline()
    np.testing.assert_allclose(table[list(VOTES)].sum(axis=1), 1, atol=1e-4)
    assert table["contempt"].isna().iloc[0] and table["contempt"].notna().iloc[-1]


def test_fer2013s_labels_have_no_contempt(opened, classifier):
    view, _ = opened(classifier=classifier.with_labels("votes", contempt=True))
    assert view.frame.contempt
    view.frame.labels = "fer2013"
    assert not view.frame.contempt


def test_a_network_without_label_sets_offers_no_choice(opened):
    class Surprised:
        def predict_proba(self, crops):
            return np.tile(np.eye(7, dtype=np.float32)[EMOTIONS.index("surprise")], (len(crops), 1))

    view, _ = opened(classifier=Surprised())
    assert len(view.frame.label_sets) == 1 and view.frame.worth == ""


@pytest.mark.parametrize("form", ["float16", "int8"])
def test_networks_are_named_by_their_format(form):
    view = LiveView(classifier=form, labels="fer2013")
    assert view.frame.labels == "fer2013"
    assert view._networks._first.sha256 == EmotionClassifier.load(form).sha256
    view.close()


def test_what_a_minimum_confidence_is_worth_is_told_for_the_chosen_labels(opened, classifier):
    view, _ = opened(classifier=classifier.with_labels("votes"))
    of_votes = view.frame.worth
    view.frame.labels = "fer2013"
    assert "PrivateTest" in view.frame.worth != of_votes
