"""Fixtures for the live cell: networks and detector are loaded once, and every view is closed."""

import pytest

import playing_page
from emotion_detection.faces import detection
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.live import LiveView


@pytest.fixture(scope="session")
def classifier():
    return EmotionClassifier.load()


@pytest.fixture(scope="session")
def detector():
    return detection.load_detector("haar")


@pytest.fixture
def opened(classifier, detector, monkeypatch):
    """A function that makes a view with its browser; all are closed at the end, and no thread is left."""
    views = []

    def make(source=None, **settings) -> tuple[LiveView, playing_page.Browser]:
        view = LiveView(source, **({"classifier": classifier, "detector": detector} | settings))
        views.append(view)
        return view, playing_page.Browser(view, monkeypatch)

    yield make
    for view in views:
        view.close()
    assert not playing_page.alive()
