"""The terminal: what its code page cannot write, and how this program is called there."""

import codecs
import contextlib
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

PLAIN = {"–": "-", "−": "-", "…": "...", "×": "x", "→": "->", "≥": ">=", "≤": "<=", "’": "'", "“": '"', "”": '"'}
"""Signs that messages use → how they are written where the code page lacks them."""

CANONICAL = re.compile(r"(?<![/\\])python -m emotion_detection")
"""How messages name this program; `as_typed` puts in its place what works here."""


ADDRESS = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]+:/{1,2})(\S*@)?([^\s?]*)(\?[^\s'\"]*)?")
"""An address: kind (`Path` leaves one slash of two), user, host and path, query."""


def make_readable() -> None:
    """Have standard output and error write signs that their code page lacks in another way: Python raises."""
    codecs.register_error("readable", _readable)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # something else was put in its place
            stream.reconfigure(errors="readable")


def _readable(error: UnicodeEncodeError) -> tuple[str, int]:
    signs = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign) or _escaped(sign) for sign in signs), error.end


def _escaped(sign: str) -> str:
    is_byte = 0xDC80 <= ord(sign) <= 0xDCFF  # of a file's name that is not UTF-8
    return f"\\x{ord(sign) - 0xDC00:02x}" if is_byte else sign.encode("ascii", "backslashreplace").decode()


def as_typed(message: str) -> str:
    """Return a message in which the commands of this program are as they can be typed in the working directory."""
    return CANONICAL.sub(lambda _: f"{_python()} -m emotion_detection", message)


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

    def masked(found: re.Match) -> str:
        kind, user, host, query = found.groups()
        return f"{kind}{'***@' if user else ''}{host}{'?***' if query else ''}"

    return ADDRESS.sub(masked, text)
