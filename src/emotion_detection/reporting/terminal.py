"""Signs that a terminal's code page cannot write are written in another way."""

import codecs
import contextlib
import sys

PLAIN = {"–": "-", "−": "-", "…": "...", "×": "x", "→": "->", "≥": ">=", "≤": "<=", "’": "'", "“": '"', "”": '"'}
"""Signs that messages use → how they are written where the code page lacks them."""


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
