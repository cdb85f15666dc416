"""`live` and `personal`: the page that Voilà serves, and what the record of simulated users says."""

import importlib.util
from pathlib import Path

import nbformat
import pytest

from emotion_detection.cli import live
from emotion_detection.errors import MissingFileError
from emotion_detection.runs import registry


def test_the_record_of_personal_heads_is_a_table_and_another_networks_record_is_warned_of(call, monkeypatch):
    from emotion_detection.studies import personal_simulation

    code, said, warned = call("personal")
    assert code == 0 and all(kind in said for kind in personal_simulation.KINDS)
    assert personal_simulation.is_of_shipped(personal_simulation.load()) is ("Warning" not in warned)
    monkeypatch.setattr(personal_simulation, "is_of_shipped", lambda record: False)
    assert "another network's record" in call("personal")[2]


def test_the_page_is_a_notebook_with_the_cell_and_the_network_that_was_named(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_OUTPUT_DIR", str(tmp_path))
    path = registry.network_path(registry.DEFAULT_FORMAT)
    for network in (None, path):
        code = nbformat.read(live.write_page(network), as_version=4).cells[1].source
        compile(code, "page", "exec")
        assert repr(str(path)) in code if network else "None" in code


def test_a_page_is_not_served_with_a_network_that_is_not_there(tmp_path):
    with pytest.raises(MissingFileError):
        live.write_page(tmp_path / "nowhere.tflite")


def test_without_voila_the_page_is_refused_with_what_to_do(call, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_OUTPUT_DIR", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, _, warned = call("live", "--no-browser")
    assert code == 1 and "live --lab" in warned


def test_a_network_is_not_for_jupyterlab(call):
    assert call("live", "--lab", "--run", "tl_whole")[0] == 2


def test_a_network_that_says_what_it_is_needs_no_card_for_the_page(isolated):
    project = Path(__file__).resolve().parents[2]
    exported = isolated / "mine.tflite"
    exported.write_bytes((project / "data/models/emotion_mobilenetv2.tflite").read_bytes())
    assert str(exported) in nbformat.read(live.write_page(exported), as_version=4).cells[1].source
