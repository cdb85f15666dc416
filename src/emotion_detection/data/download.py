"""Downloading data sets into `data/raw/`: FER2013 from Kaggle, other pictures of people from their publishers.

Nothing has its name in `data/raw/` before it is whole. What was finished before an interruption is not loaded again,
but for Kaggle's files.
"""

import csv
import dataclasses
import hashlib
import logging
import shutil
import tempfile
import urllib.parse
import zipfile
from collections.abc import Callable
from pathlib import Path

import pooch
from tqdm.auto import tqdm

from emotion_detection import files, paths
from emotion_detection.errors import DataError, DownloadError, UnknownNameError
from emotion_detection.faces import detection

CHALLENGE = "challenges-in-representation-learning-facial-expression-recognition-challenge"

LONDON_DOI = "10.6084/m9.figshare.5047666.v5"
LONDON_ARCHIVES = ("neutral_front.zip", "smiling_front.zip")
LONDON_INFO = {"london_faces_info.csv": "london_info.csv"}
"""The table of the people, and its name here."""

PHOTOGRAPHS_URL = "https://raw.githubusercontent.com/muxspace/facial_expressions/master/"
PHOTOGRAPHS_LEGEND = "data/legend.csv"
PHOTOGRAPHS_LIST = Path(__file__).with_name("photographs.sha256")
"""The photographs that studies use, a line each: SHA-256 of its bytes, emotion and name, as `sha256sum` writes it. The
names are the first 12 digits of the SHA-256 of the names that they are published under."""


@dataclasses.dataclass(frozen=True)
class Kaggle:
    """A copy of FER2013 on Kaggle.

    Args:
        title: what it is, in words for the reader.
        handle: Kaggle's name of the competition or data set.
        file: the one file to take, or "" for all.
        holds: what the download must hold, relative to it.
        page: where its terms are accepted.
    """

    title: str
    handle: str
    file: str
    holds: str
    page: str

    def fetch(self, target: Path) -> None:
        """Download into `target`; Kaggle's own client shows its progress."""
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-", ignore_cleanup_errors=True) as folder:
            received = self._received(Path(folder), target)
            if not (received / self.holds).exists():
                names = ", ".join(sorted(path.name for path in received.iterdir())[:5]) or "nothing"
                raise DataError(
                    f"The download of {self.title} holds {names}, expected {self.holds}. Kaggle's copy has changed: "
                    "download it by hand (see data/README.md)."
                )
            _replace(received, target)

    def _received(self, folder: Path, target: Path) -> Path:
        """Download into `folder` and return the file or folder received."""
        import kagglehub  # not in the base install

        is_challenge = self.handle == CHALLENGE
        get = kagglehub.competition_download if is_challenge else kagglehub.dataset_download
        if is_challenge and not _has_credentials():
            raise DownloadError(self._advice(target, "no Kaggle credentials were found"))
        try:
            return Path(get(self.handle, self.file or None, output_dir=str(folder / "received")))
        except Exception as error:  # requests, urllib3 and kagglehub each raise their own
            reason = files.reason_of(error)
            status = getattr(getattr(error, "response", None), "status_code", None)
            if status in (401, 403):
                reason = f"Kaggle refused (status {status}): the rules are not accepted, or the token is not valid"
            raise DownloadError(self._advice(target, reason)) from error

    def _advice(self, target: Path, received: str) -> str:
        return (
            f"Could not download {self.title}: {received}. Log in at https://www.kaggle.com, accept the terms on "
            f"{self.page}, create an API token in your account settings, and save it as ~/.kaggle/kaggle.json (or set "
            "KAGGLE_USERNAME and KAGGLE_KEY); then run `python -m emotion_detection data fetch` again. Or download it "
            f"in the browser and put {target.name} into data/raw/ (see data/README.md)."
        )


def _has_credentials() -> bool:
    from kagglehub import config

    try:
        return config.get_kaggle_credentials() is not None
    except ValueError:  # a damaged kaggle.json
        return False


def _fetch_london(target: Path) -> None:
    """Download the Face Research Lab London Set's frontal pictures, checked by the checksums of its DOI's record."""
    pooch.get_logger().setLevel(logging.WARNING)
    parts = _unfinished(target)
    remote = pooch.create(path=parts / "archives", base_url=f"doi:{LONDON_DOI}/", registry=None)
    try:
        remote.load_registry_from_doi()
        received = {name: Path(remote.fetch(name, progressbar=True)) for name in (*LONDON_ARCHIVES, *LONDON_INFO)}
    except Exception as error:  # a missing network shows in many ways
        raise DownloadError(
            f"The Face Research Lab London Set could not be downloaded ({files.reason_of(error)}). Open "
            f"https://doi.org/{LONDON_DOI} in a browser, and put neutral_front/, smiling_front/ (unpacked) and "
            f"london_faces_info.csv, renamed to london_info.csv, into {paths.displayed(target)}/."
        ) from error
    for name in LONDON_ARCHIVES:
        with zipfile.ZipFile(received[name]) as archive:
            for entry in archive.namelist():
                if entry.endswith(".jpg") and not Path(entry).name.startswith("."):
                    picture = parts / Path(name).stem / Path(entry).name
                    picture.parent.mkdir(exist_ok=True)
                    picture.write_bytes(archive.read(entry))
    for name, here in LONDON_INFO.items():
        received[name].rename(parts / here)
    shutil.rmtree(parts / "archives")
    _replace(parts, target)


def _fetch_photographs(target: Path) -> None:
    """Download the press photographs that `PHOTOGRAPHS_LIST` names, each checked by its SHA-256."""
    by_hand = (
        "What arrived is kept: run `python -m emotion_detection data fetch photographs` again, online. Or get "
        "https://github.com/muxspace/facial_expressions in a browser, and put its pictures into "
        f"{paths.displayed(target)}/<emotion>/, named by the first 12 digits of the SHA-256 of their names."
    )
    wanted = [line.split() for line in PHOTOGRAPHS_LIST.read_text(encoding="utf-8").splitlines()]
    parts = _unfinished(target)
    names = _published_names(parts, by_hand)
    for sha256, name in tqdm(wanted, desc="Downloading", unit="photograph"):
        published = names.get(Path(name).stem)
        if published is None:
            raise DownloadError(f"The photograph {name} is no longer in {PHOTOGRAPHS_LEGEND}. {by_hand}")
        url = f"{PHOTOGRAPHS_URL}images/{urllib.parse.quote(published)}"
        files.download(url, parts / name, sha256=sha256, by_hand=by_hand)
    _replace(parts, target)


def _published_names(folder: Path, by_hand: str) -> dict[str, str]:
    """Return the name that a photograph has here → the one that it is published under."""
    legend = files.download(PHOTOGRAPHS_URL + PHOTOGRAPHS_LEGEND, folder / "legend.csv", sha256=None, by_hand=by_hand)
    cells = {cell for row in csv.reader(legend.read_text(encoding="utf-8").splitlines()) for cell in row}
    legend.unlink()
    return {hashlib.sha256(cell.encode()).hexdigest()[:12]: cell for cell in cells}


def _unfinished(target: Path) -> Path:
    """Return the folder that a download grows in; it stays after an interruption."""
    return target.with_name(f".fetching-{target.name}")


def _replace(received: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    received.replace(target)


SOURCES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "fer2013": (
        "icml_face_data.csv",
        Kaggle(
            title="the challenge's icml_face_data.csv (lossless, 301 MB)",
            handle=CHALLENGE,
            file="icml_face_data.csv",
            holds="",
            page=f"https://www.kaggle.com/c/{CHALLENGE}/rules",
        ).fetch,
    ),
    "msambare": (
        "fer2013",
        Kaggle(
            title="the data set msambare/fer2013 (a JPEG copy: pixels differ a little from the original's)",
            handle="msambare/fer2013",
            file="",
            holds="train",
            page="https://www.kaggle.com/datasets/msambare/fer2013",
        ).fetch,
    ),
    "london": ("london", _fetch_london),
    "photographs": ("photographs", _fetch_photographs),
}
"""What can be fetched: name → its file or folder in `data/raw/`, and what downloads it there."""


def fetch(name: str = "fer2013", *, force: bool = False) -> Path:
    """Download a data set; return its file or folder in `data/raw/`.

    Args:
        name: "fer2013" (the challenge's original, lossless), "msambare" (a JPEG copy of it as a folder tree), "london"
            (the Face Research Lab London Set, 102 people neutral and smiling, 100 MB), "photographs" (1,076 press
            photographs in seven classes, 19 MB), or "yunet", the face detector, which goes to the user's cache folder.
        force: download again where it is already there.

    Raises:
        UnknownNameError: there is no such data set.
        DownloadError: it cannot be had: no network, on Kaggle no credentials, or rules not accepted.
        DataError: what was downloaded is not what it should be.
    """
    if name == "yunet":
        return detection.fetch_yunet()
    if name not in SOURCES:
        raise UnknownNameError(f"{name!r} cannot be fetched. Choose one of: {', '.join(SOURCES)}, yunet.")
    target_name, download = SOURCES[name]
    target = paths.raw_dir() / target_name
    if force or not target.exists():
        files.require_writable(paths.raw_dir())
        download(target)
    return target
