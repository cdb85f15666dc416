"""Errors that a person reads: what is wrong, what was received, what to do."""

import contextlib
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

CANONICAL = re.compile(r"(?<![/\\])python -m (?=emotion_detection|pip)")
"""How messages call this program and pip; `as_typed` puts in Python's place what works here."""

ADDRESS = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]+:/{1,2})(\S*@)?([^\s?]*)(\?[^\s'\"]*)?")
"""An address: kind (`Path` leaves one slash of two), user, host and path, query."""


BARE_SECRET = re.compile(r"(?<![^\s'\"(])[^\s'\"/@:]+:[^\s'\"/@]+@(?=[\w.-]+[:/])")
"""User and password before a host, where an address does not say its kind."""


class ProjectError(Exception):
    """An error whose message is meant for the reader: the command line prints it and exits with 1.

    Commands of this program that it names are shown as they can be typed in the working directory. What names and
    contents of files may hold does no harm: control characters are escapes, and secrets in addresses are masked.
    """

    def __str__(self):
        text = without_secrets(as_typed(str(self.args[0]) if self.args else ""))
        return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


class DataError(ProjectError, ValueError):
    """A data set, picture or recorded file does not hold what it should."""


class MissingFileError(ProjectError, FileNotFoundError):
    """A file that is needed is not in any of the places where it is looked for."""


class DownloadError(ProjectError, OSError):
    """A file could not be downloaded; the message says how to get it by hand."""


class MissingPackageError(ProjectError, ImportError):
    """A package is not installed that only a part of the project needs."""


def missing_package(error: ModuleNotFoundError) -> MissingPackageError:
    """Return what to tell the reader where a module is missing that the base install does not have."""
    return MissingPackageError(
        f"This needs {error.name}, which is not installed: the base install has only what classifies faces. Install "
        "the rest (3 GB): make setup in the project's folder, or python -m pip install 'emotion-detection[study]'."
    )


class UnknownNameError(ProjectError, KeyError):
    """A recipe, run or option has no such name."""


class OverlapError(ProjectError, ValueError):
    """Rows to validate on are among the rows to train on."""


class CameraError(ProjectError, OSError):
    """A camera, file or stream does not open, or stops giving frames."""


def as_typed(message: str) -> str:
    """Return a message in which the commands of this program are as they can be typed in the working directory."""
    return CANONICAL.sub(lambda _: f"{_python()} -m ", message)


def _python() -> str:
    """Return how the Python that runs is called: by its name where that finds it, else by its path."""
    running, found = Path(sys.executable or "python"), shutil.which("python")
    if not running.is_absolute() or (found is not None and Path(found).parent == running.parent):
        return "python"
    with contextlib.suppress(ValueError):
        return str(running.relative_to(Path.cwd()))
    return f'"{running}"' if os.name == "nt" else shlex.quote(str(running))


def without_secrets(text: str) -> str:
    """Return a text, such as a message, with user, password and query of each address in it masked."""

    text = BARE_SECRET.sub("***@", text)

    def masked(found: re.Match) -> str:
        kind, user, host, query = found.groups()
        return f"{kind}{'***@' if user else ''}{host}{'?***' if query else ''}"

    return ADDRESS.sub(masked, text)
