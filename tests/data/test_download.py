"""Fetching FER2013 from Kaggle, without the network: kagglehub is replaced."""

import kagglehub
import pytest
import requests

from emotion_detection import paths
from emotion_detection.data import download as fetch_module
from emotion_detection.data.download import FetchError, fetch
from emotion_detection.errors import DataError, UnknownNameError


@pytest.fixture
def kaggle(isolated, monkeypatch):
    """A Kaggle that writes what it is told to; returns the list of calls."""
    calls = []

    def download(handle, path=None, *, output_dir):
        calls.append((handle, path))
        folder = fetch_module.Path(output_dir)
        if path:
            folder.mkdir()
            (folder / path).write_text("emotion, Usage, pixels\n")
            return str(folder / path)
        (folder / "train" / "happy").mkdir(parents=True)
        (folder / "test").mkdir()
        return str(folder)

    monkeypatch.setattr(fetch_module, "_has_credentials", lambda: True)
    monkeypatch.setattr(kagglehub, "competition_download", download)
    monkeypatch.setattr(kagglehub, "dataset_download", download)
    return calls


def left():
    return sorted(path.name for path in paths.raw_dir().iterdir())


def test_the_challenge_becomes_icml_face_data(kaggle):
    assert fetch() == paths.raw_dir() / "icml_face_data.csv"
    assert kaggle == [(fetch_module.CHALLENGE, "icml_face_data.csv")]
    assert left() == ["icml_face_data.csv"]


def test_msambare_becomes_a_folder_tree(kaggle):
    assert (fetch("msambare") / "train" / "happy").is_dir()
    assert left() == ["fer2013"]


def test_what_is_there_is_not_fetched_again_unless_forced(kaggle):
    fetch("msambare")
    (paths.raw_dir() / "fer2013" / "mark").touch()
    fetch("msambare")
    assert len(kaggle) == 1
    fetch("msambare", force=True)
    assert len(kaggle) == 2
    assert not (paths.raw_dir() / "fer2013" / "mark").exists()
    assert left() == ["fer2013"]


def test_without_credentials_one_paragraph_says_what_to_do(isolated, monkeypatch):
    monkeypatch.setattr(fetch_module, "_has_credentials", lambda: False)
    with pytest.raises(FetchError, match="no Kaggle credentials") as caught:
        fetch()
    message = str(caught.value)
    assert "\n" not in message
    for part in ("API token", "kaggle.json", "KAGGLE_KEY", "data fetch", "/rules", "data/raw/"):
        assert part in message
    assert left() == []


def test_a_damaged_credentials_file_counts_as_none(isolated, monkeypatch):
    def damaged():
        raise ValueError("Invalid Kaggle credentials file")

    monkeypatch.setattr(kagglehub.config, "get_kaggle_credentials", damaged)
    assert not fetch_module._has_credentials()


def refused():
    response = requests.Response()
    response.status_code = 403
    return requests.HTTPError("403 Client Error\n\nYou don't have permission", response=response)


@pytest.mark.parametrize(
    ("error", "message"),
    [(refused(), "the rules are not accepted"), (requests.ConnectionError("no route\nto host"), "ConnectionError")],
)
@pytest.mark.parametrize("source", ["challenge", "msambare"])
def test_a_failed_download_leaves_nothing(kaggle, monkeypatch, error, message, source):
    def failing(handle, path=None, *, output_dir):
        fetch_module.Path(output_dir).mkdir()
        (fetch_module.Path(output_dir) / "half").touch()
        raise error

    monkeypatch.setattr(kagglehub, "competition_download", failing)
    monkeypatch.setattr(kagglehub, "dataset_download", failing)
    with pytest.raises(FetchError, match=message) as caught:
        fetch(source)
    assert "\n" not in str(caught.value)
    assert left() == []


def test_a_download_without_faces_is_refused(kaggle, monkeypatch):
    def other(handle, path=None, *, output_dir):
        (fetch_module.Path(output_dir) / "archive").mkdir(parents=True)
        return output_dir

    monkeypatch.setattr(kagglehub, "dataset_download", other)
    with pytest.raises(DataError, match="holds archive, expected train"):
        fetch("msambare")
    assert left() == []


def test_an_unknown_source_lists_the_known_ones(isolated):
    with pytest.raises(UnknownNameError, match="Choose one of: challenge, msambare"):
        fetch("elsewhere")
