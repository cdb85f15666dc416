"""Reading tables of text as people have them: compressed or in an archive, in any encoding, with any line ends.

What a file unpacks to is bounded, and so is each of its lines: a small file that unpacks without end is refused.
"""

import bz2
import csv
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
import pandas as pd

from emotion_detection import paths
from emotion_detection.errors import DataError, MissingFileError

LARGEST_TABLE = 1_000_000_000
"""Bytes of a table, unpacked: FER2013 as UTF-16 has 602 million."""

LONGEST_LINE = 100_000
"""Characters: a face of FER2013 has at most 9,216."""

DEEPEST_ARCHIVE = 3
PIECE = 1 << 20


def read(path: Path, columns: list[str], *, remedy: str, texts: Iterable[str] = ()) -> pd.DataFrame:
    """Return a small table as a DataFrame: columns of finite numbers (NaN where blank), `texts` and all others as text.

    The other arguments, and errors, are those of `rows`.
    """
    header, lines = rows(path, columns, remedy=remedy)
    table = pd.DataFrame(lines, columns=header, dtype=str)
    for name in set(header).difference(texts):
        numbers = pd.to_numeric(table[name], errors="coerce")
        if np.isfinite(numbers[table[name].str.strip() != ""]).all():
            table[name] = numbers
    return table


def rows(path: Path, columns: list[str], *, remedy: str) -> tuple[list[str], Iterator[list[str]]]:
    """Return the names in a table's first line (the spelling of `columns`), and its rows.

    Args:
        path: a CSV file, plain, compressed or in an archive (gzip, xz, Zstandard, bzip2, zip, tar), as its first bytes
            say; UTF-8 or UTF-16.
        columns: that it must have, in any order, in capitals or not, and beside others.
        remedy: for messages: what to do.

    Raises:
        MissingFileError: it is not there.
        DataError: now or while the rows are read: it is damaged, has other columns, has a name twice, or is too large;
            the message names the first row that has too few or too many fields.
    """
    if not path.is_file():
        raise MissingFileError(f"There is no file {paths.displayed(path)}. {remedy}")
    lines = _lines(path, remedy)
    asked = {name.lower(): name for name in columns}
    header = [asked.get(name.strip().lower(), name.strip()) for name in next(lines, [])]
    if not any(header):
        raise DataError(f"{path.name} is empty, expected the columns {', '.join(columns)}. {remedy}")
    lacking = [name for name in columns if name not in header]
    twice = sorted({name for name in header if header.count(name) > 1})
    if lacking or twice:
        wrong = f"no column {' and no column '.join(lacking)}" if lacking else f"two columns {twice[0][:30]!r}"
        received = ", ".join(repr(name[:20]) for name in header[:5]) + (", …" if len(header) > 5 else "")
        raise DataError(f"{path.name} has {wrong}; its first line reads: {received}. {remedy}")
    return header, _checked(lines, len(header), path.name, remedy)


def _checked(lines: Iterator[list[str]], width: int, name: str, remedy: str) -> Iterator[list[str]]:
    for number, fields in enumerate(filter(None, lines)):  # blank lines are none
        if len(fields) != width:
            raise DataError(
                f"{name} row {number} has {len(fields)} fields, expected {width} as in its header. {remedy}"
            )
        yield fields


def _lines(path: Path, remedy: str) -> Iterator[list[str]]:
    """Yield the fields of each line; whatever goes wrong with reading becomes a DataError."""
    with path.open("rb") as raw:
        try:
            content = _unpacked(io.BufferedReader(_Bounded(lambda: raw.read(PIECE))), raw)
            encoding = "utf-16" if content.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
            text = io.TextIOWrapper(content, encoding, errors="replace")
            yield from csv.reader(_bounded_lines(text), skipinitialspace=True)
        except Exception as error:  # zipfile, tarfile, lzma, zlib, zstandard and csv each raise their own
            raise DataError(
                f"{path.name} cannot be read to its end: it has {path.stat().st_size:,} bytes and reading stopped at "
                f"byte {raw.tell():,} ({error}). {remedy}"
            ) from error


def _bounded_lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise ValueError(f"a line has more than {LONGEST_LINE:,} characters")
        yield line


class _Bounded(io.RawIOBase):
    """Bytes that come piece by piece from a function, at most `LARGEST_TABLE` of them."""

    def __init__(self, read: Callable[[], bytes]):
        self._read, self._rest, self._count = read, b"", 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if not self._rest:
            self._rest = memoryview(self._read())
            self._count += len(self._rest)
            if self._count > LARGEST_TABLE:
                raise ValueError(f"it unpacks to more than {LARGEST_TABLE:,} bytes")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _unpacked(stream: io.BufferedReader, raw: BinaryIO, depth: int = 0) -> io.BufferedReader:
    """Return the table in a stream that may be compressed or an archive, by its first bytes."""
    head = stream.peek(512)
    if depth > DEEPEST_ARCHIVE:
        raise ValueError("it is packed more than three times")
    if head.startswith(b"PK\3\4") and depth == 0:  # the names are at a zip's end
        inner = _of_zip(zipfile.ZipFile(raw))
    elif head[257:262] == b"ustar":
        inner = _of_tar(tarfile.TarFile.open(fileobj=stream, mode="r|"))
    else:
        unpack = next((each for mark, each in UNPACKERS.items() if head.startswith(mark)), None)
        if unpack is None:
            return stream
        inner = unpack(stream)
    return _unpacked(io.BufferedReader(_Bounded(lambda: inner.read(PIECE))), raw, depth + 1)


def _of_zip(archive: zipfile.ZipFile) -> BinaryIO:
    tables = sorted(filter(_is_table, archive.namelist()), key=lambda name: ("fer2013" not in name, name))
    if not tables:
        raise _no_table(archive.namelist())
    return archive.open(tables[0])


def _of_tar(archive: tarfile.TarFile) -> BinaryIO:
    names = []
    for member in archive:
        if member.isfile() and _is_table(member.name):
            return archive.extractfile(member)
        names.append(member.name)
    raise _no_table(names)


def _is_table(name: str) -> bool:
    last = PurePosixPath(name).name.lower()
    return ".csv" in last and not last.startswith((".", "example"))


def _no_table(names: list[str]) -> ValueError:
    held = ", ".join(repr(name[:40]) for name in names[:3])
    return ValueError(f"the archive holds no CSV file but {held or 'nothing'}: unpack it, and give the folder")


class _Zstandard:
    """A stream of Zstandard frames; unlike the library's own reader it notices where one is cut off."""

    def __init__(self, stream: BinaryIO):
        self._stream, self._frame = stream, None

    def read(self, size: int) -> bytes:
        import zstandard  # not in the base install

        while packed := self._stream.read(size >> 12):  # one byte may unpack to thousands
            content = b""
            while packed:
                self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
                content += self._frame.decompress(packed)
                packed = self._frame.unused_data if self._frame.eof else b""
                self._frame = None if self._frame.eof else self._frame
            if content:
                return content
        if self._frame is not None:
            raise EOFError("the last frame is cut off")
        return b""


UNPACKERS = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\0": lzma.open, b"BZh": bz2.open, b"(\xb5/\xfd": _Zstandard}
"""First bytes of a file → what unpacks it."""
