"""Ray: a cluster that is not there, and Ray that is not installed, are told with the remedy."""

import importlib.util

import pytest

from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.runs import cluster


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason='Ray not installed: pip install -e ".[cluster]"')
def test_a_cluster_that_does_not_answer_is_named_at_once():
    with (
        pytest.raises(DataError, match=r"127\.0\.0\.1:1 .*ray start --head"),
        cluster.connected("127.0.0.1:1"),
    ):
        pytest.fail("it answered")


def test_without_ray_the_error_says_how_to_install_it_and_how_to_do_without(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with (
        pytest.raises(MissingFileError, match=r"pip install 'emotion-detection\[cluster\]'.* leave out --workers"),
        cluster.connected(None),
    ):
        pytest.fail("it is not installed")
