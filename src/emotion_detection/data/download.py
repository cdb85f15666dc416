"""Downloading FER2013 from Kaggle through `kagglehub`, which shows its own progress bar, into `data/raw/`."""

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import kagglehub
from kagglehub import config

from emotion_detection import paths
from emotion_detection.errors import DataError, ProjectError, UnknownNameError

CHALLENGE = "challenges-in-representation-learning-facial-expression-recognition-challenge"


class FetchError(ProjectError, OSError):
    """FER2013 could not be downloaded."""


@dataclasses.dataclass(frozen=True)
class Download:
    """A copy of FER2013 on Kaggle.

    Args:
        title: what the reader is told it is.
        handle: Kaggle's name of the competition or data set.
        file: the one file to take, or "" for all.
        target: its name in `data/raw/`.
        holds: what the download must hold, relative to it.
        page: where its terms are accepted.
    """

    title: str
    handle: str
    file: str
    target: str
    holds: str
    page: str


SOURCES = {
    "challenge": Download(
        title="the challenge's icml_face_data.csv (lossless, 301 MB)",
        handle=CHALLENGE,
        file="icml_face_data.csv",
        target="icml_face_data.csv",
        holds="",
        page=f"https://www.kaggle.com/c/{CHALLENGE}/rules",
    ),
    "msambare": Download(
        title="the data set msambare/fer2013 (a JPEG copy: pixels differ a little from the original's)",
        handle="msambare/fer2013",
        file="",
        target="fer2013",
        holds="train",
        page="https://www.kaggle.com/datasets/msambare/fer2013",
    ),
}
"""What can be fetched, by name."""


def fetch(source: str = "challenge", *, force: bool = False) -> Path:
    """Download a copy of FER2013 into `data/raw/`; nothing is left there if that fails.

    Args:
        source: "challenge" (the original, lossless) or "msambare" (a JPEG copy as a folder tree).
        force: download again where the copy is already there.

    Returns:
        The file or folder in `data/raw/`.

    Raises:
        UnknownNameError: there is no such source.
        FetchError: Kaggle did not give it: no credentials, rules not accepted, no network.
        DataError: what was downloaded is not what it should be.
    """
    if source not in SOURCES:
        raise UnknownNameError(f"{source!r} cannot be fetched. Choose one of: {', '.join(SOURCES)}.")
    download = SOURCES[source]
    target = paths.raw_dir() / download.target
    if target.exists() and not force:
        return target
    paths.raw_dir().mkdir(parents=True, exist_ok=True)
    with _temporary_folder(paths.raw_dir()) as folder:
        received = _download(download, folder)
        if not (received / download.holds).exists():
            names = ", ".join(sorted(path.name for path in received.iterdir())[:5]) or "nothing"
            raise DataError(
                f"The download of {download.title} holds {names}, expected {download.holds}. Kaggle's copy has "
                "changed: download it by hand (see data/README.md)."
            )
        _replace(received, target)
    return target


@contextlib.contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=".fetching-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(received: Path, target: Path) -> None:
    if target.is_dir():
        target.rename(received.parent / f"{target.name}-before")  # deleted with the temporary folder
    received.replace(target)


def _download(download: Download, folder: Path) -> Path:
    """Download into `folder` and return the file or folder received."""
    get = kagglehub.competition_download if download.handle == CHALLENGE else kagglehub.dataset_download
    if download.handle == CHALLENGE and not _has_credentials():
        raise FetchError(_advice(download, "no Kaggle credentials were found"))
    try:
        return Path(get(download.handle, download.file or None, output_dir=str(folder / "received")))
    except Exception as error:  # requests, urllib3 and kagglehub each raise their own
        raise FetchError(_advice(download, _reason(error))) from error


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None and response.status_code in (401, 403):
        return f"Kaggle refused (status {response.status_code}): the rules are not accepted, or the token is not valid"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:120] if lines else 'no reason given'}"


def _has_credentials() -> bool:
    try:
        return config.get_kaggle_credentials() is not None
    except ValueError:  # a damaged kaggle.json
        return False


def _advice(download: Download, received: str) -> str:
    return (
        f"Could not download {download.title}: {received}. Log in at https://www.kaggle.com, accept the terms on "
        f"{download.page}, create an API token in your account settings, and save it as ~/.kaggle/kaggle.json (or set "
        "KAGGLE_USERNAME and KAGGLE_KEY); then run `python -m emotion_detection data fetch` again. Or download it in "
        f"the browser and put {download.target} into data/raw/ (see data/README.md)."
    )
