"""Fetching data sets, without the network: kagglehub is replaced, a server on this machine stands for the others."""

import hashlib
import io
import urllib.parse
import zipfile

import kagglehub
import pytest
import requests

from emotion_detection import paths
from emotion_detection.data import download as fetch_module
from emotion_detection.data.download import fetch
from emotion_detection.errors import DataError, DownloadError, UnknownNameError


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
    with pytest.raises(DownloadError, match="no Kaggle credentials") as caught:
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
@pytest.mark.parametrize("source", ["fer2013", "msambare"])
def test_a_failed_download_leaves_nothing(kaggle, monkeypatch, error, message, source):
    def failing(handle, path=None, *, output_dir):
        fetch_module.Path(output_dir).mkdir()
        (fetch_module.Path(output_dir) / "half").touch()
        raise error

    monkeypatch.setattr(kagglehub, "competition_download", failing)
    monkeypatch.setattr(kagglehub, "dataset_download", failing)
    with pytest.raises(DownloadError, match=message) as caught:
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
    with pytest.raises(UnknownNameError, match="Choose one of: fer2013, msambare, london, photographs, yunet"):
        fetch("elsewhere")


PICTURES = {"Anna Å_0001.jpg": b"one", "Bo_0002.jpg": b"two"}


@pytest.fixture
def photographs(isolated, monkeypatch, served, tmp_path):
    """Two photographs at their publisher's, and the list of them; returns what the publisher holds."""
    legend = "user.id,image,emotion\n" + "".join(f"1,{name},anger\n" for name in PICTURES)
    files = {"data/legend.csv": legend.encode()} | {f"images/{name}": content for name, content in PICTURES.items()}
    address = served(files)
    monkeypatch.setattr(fetch_module, "PHOTOGRAPHS_URL", address)
    lines = [f"{hashlib.sha256(each).hexdigest()}  angry/{short(name)}.jpg" for name, each in PICTURES.items()]
    (tmp_path / "list").write_text("\n".join(lines))
    monkeypatch.setattr(fetch_module, "PHOTOGRAPHS_LIST", tmp_path / "list")
    return tmp_path / "served" / "images"


def short(name):
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def test_photographs_are_found_by_the_names_that_their_publisher_gave_them(photographs):
    folder = fetch("photographs")
    found = {path.name: path.read_bytes() for path in (folder / "angry").iterdir()}
    assert found == {f"{short(name)}.jpg": content for name, content in PICTURES.items()}
    assert left() == ["photographs"]


def test_a_photograph_that_was_changed_is_refused_and_the_next_call_goes_on(photographs):
    (photographs / "Bo_0002.jpg").write_bytes(b"another")
    with pytest.raises(DownloadError, match=r"hash.*data fetch photographs"):
        fetch("photographs")
    assert left() == [".fetching-photographs"]
    (photographs / "Bo_0002.jpg").write_bytes(PICTURES["Bo_0002.jpg"])
    (photographs / "Anna Å_0001.jpg").unlink()  # was kept
    assert len(list(fetch("photographs").rglob("*.jpg"))) == 2


def archive(name, content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as written:
        written.writestr(f"{name}/", b"")
        written.writestr(f"{name}/{content}.jpg", content)
        written.writestr(f"__MACOSX/{name}/._{content}.jpg", b"resource fork")
        written.writestr(f"{name}/{content}.tem", b"landmarks")
    return stream.getvalue()


@pytest.fixture
def london(isolated, monkeypatch, served):
    """A server that stands for doi.org and figshare; returns what figshare holds, which a test may change."""
    held = {
        "neutral_front.zip": archive("neutral_front", "001_03"),
        "smiling_front.zip": archive("smiling_front", "001_08"),
        "london_faces_info.csv": b"face_id,face_age\n001,24\n",
    }
    sums = {name: hashlib.md5(content).hexdigest() for name, content in held.items()}
    address, get = served({}), requests.get

    def answered(url, **options):
        if "doi.org" in url or "api.figshare.com" in url:
            listed = [{"name": name, "computed_md5": sums[name], "download_url": address + name} for name in held]
            response = requests.Response()
            response.status_code, response.url = 200, "https://figshare.com/articles/dataset/x/5047666"
            response.json = lambda: [{"id": 1}] if "?doi=" in url else {"files": listed}
            return response
        assert urllib.parse.urlparse(url).hostname == "127.0.0.1"
        served({name: content for name, content in held.items() if content is not None})
        return get(url, **options)

    monkeypatch.setattr(requests, "get", answered)
    return held


def test_london_becomes_two_folders_and_a_table(london):
    folder = fetch("london")
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert found == ["london_info.csv", "neutral_front/001_03.jpg", "smiling_front/001_08.jpg"]
    assert left() == ["london"]


def test_a_london_archive_that_is_not_the_published_one_is_refused(london):
    london["smiling_front.zip"] = b"cut"
    with pytest.raises(DownloadError, match=r"hash.*https://doi.org/10.6084"):
        fetch("london")
    assert not (paths.raw_dir() / "london").exists()


@pytest.mark.parametrize("name", ["london", "photographs", "yunet"])
def test_without_a_network_it_is_said_how_to_get_the_files_by_hand(isolated, monkeypatch, name):
    def nowhere(*arguments, **options):
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(requests, "get", nowhere)
    with pytest.raises(DownloadError, match=r"no route to host.*in a browser, and put") as caught:
        fetch(name)
    assert "\n" not in str(caught.value)
    assert not list(paths.raw_dir().rglob("*.*g"))
