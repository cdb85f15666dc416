"""Downloading FER2013 from Kaggle through `kagglehub`, which shows its own progress bar, into `data/raw/`."""

import dataclasses
import tempfile
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
        title: what it is, in words for the reader.
        handle: Kaggle's name of the competition or data set.
        file: the one file to take, or "" for all; `target` is its name in `data/raw/`.
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
    """Download a copy of FER2013; return its file or folder in `data/raw/`, where nothing is left if that fails.

    Args:
        source: "challenge" (the original, lossless) or "msambare" (a JPEG copy as a folder tree).
        force: download again where the copy is already there.

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
    with tempfile.TemporaryDirectory(dir=paths.raw_dir(), prefix=".fetching-", ignore_cleanup_errors=True) as folder:
        received = _download(download, Path(folder))
        if not (received / download.holds).exists():
            names = ", ".join(sorted(path.name for path in received.iterdir())[:5]) or "nothing"
            raise DataError(
                f"The download of {download.title} holds {names}, expected {download.holds}. Kaggle's copy has "
                "changed: download it by hand (see data/README.md)."
            )
        if target.is_dir():
            target.rename(Path(folder) / "before")  # deleted with the temporary folder
        received.replace(target)
    return target


def _download(download: Download, folder: Path) -> Path:
    """Download into `folder` and return the file or folder received."""
    get = kagglehub.competition_download if download.handle == CHALLENGE else kagglehub.dataset_download
    if download.handle == CHALLENGE and not _has_credentials():
        raise FetchError(_advice(download, "no Kaggle credentials were found"))
    try:
        return Path(get(download.handle, download.file or None, output_dir=str(folder / "received")))
    except Exception as error:  # requests, urllib3 and kagglehub each raise their own
        status = getattr(getattr(error, "response", None), "status_code", None)
        reason = f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no reason given'])[0][:120]}"
        if status in (401, 403):
            reason = f"Kaggle refused (status {status}): the rules are not accepted, or the token is not valid"
        raise FetchError(_advice(download, reason)) from error


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
