"""Damaging good files, from a seed: bytes, tables, JSON, arrays; and packing what was damaged."""

import bz2
import copy
import gzip
import io
import json
import lzma
import zipfile

import numpy as np
import zstandard

TOKENS = (
    *(b"NaN", b"-Infinity", b"1e999", b"-1", b"0.0", b"1e308", b"9" * 5000, b"\xd9\xa3", b"\xc2\xb2", b"true", b"null"),
    *(b"", b"\0", b"\r", b"\n", b"\r\r", b'"', b",", b"{", b"[" * 100_000, b"}", b"\xff\xfe", b"\xef\xbb\xbf", b"\xff"),
    *(
        b"\x1b[31m",
        b"\xf0\x9f\x98\x80",
        b"PK\3\4",
        b"\x1f\x8b",
        b"../../x",
        b"rtsp://user:secret@host/s",
        b"A" * 200_000,
    ),
)
VALUES = (
    *(
        None,
        True,
        -1,
        0,
        1,
        7,
        10**25,
        -(10**25),
        1e308,
        1e-308,
        0.5,
        "",
        "x",
        "happy",
        "\0",
        "\x1b[31m",
        "x" * 100_000,
    ),
    *(
        [],
        {},
        [[]],
        [None],
        {"": {}},
        [1] * 1000,
        {"a": 1},
        json.loads("[" * 60 + "]" * 60),
        float("nan"),
        float("inf"),
    ),
)


def damaged(content: bytes, name: str, rng: np.random.Generator) -> bytes:
    """Return a file's content with one to three faults, of a kind that its name allows."""
    kind = name.rpartition(".")[2]
    if kind == "json" and rng.random() < 0.6:
        return _json(content, rng)
    if kind == "npz" and rng.random() < 0.4:
        return _arrays(content, rng)
    for _ in range(rng.integers(1, 4)):
        content = _bytes(content, rng)
    if kind == "csv" and rng.random() < 0.4:
        content = _packed(content, rng)
        return _bytes(content, rng) if rng.random() < 0.5 else content
    return content


def _bytes(content: bytes, rng: np.random.Generator) -> bytes:
    first, last = sorted(rng.integers(0, len(content) + 1, 2).tolist())
    last = min(last, first + int(rng.choice([1, 4, 64, 4096])))
    piece = content[first:last]
    ways = (
        lambda: rng.bytes(len(piece)),  # noise
        lambda: bytes(len(piece)),  # a page of zeros
        lambda: b"",
        lambda: piece * int(rng.integers(2, 20)),
        lambda: piece + TOKENS[rng.integers(len(TOKENS))],
        lambda: bytes(byte ^ (1 << int(rng.integers(8))) for byte in piece[:1]) + piece[1:],
    )
    if rng.random() < 0.1:
        return content[:first]
    return content[:first] + ways[rng.integers(len(ways))]() + content[last:]


def _json(content: bytes, rng: np.random.Generator) -> bytes:
    values = json.loads(content)
    for _ in range(rng.integers(1, 3)):
        holder, place = {"": values}, ""
        while isinstance(holder[place], dict | list) and holder[place] and rng.random() < 0.75:
            holder = holder[place]
            place = _chosen(list(holder) if isinstance(holder, dict) else range(len(holder)), rng)
        if rng.random() < 0.2:
            del holder[place]
        else:
            holder[place] = copy.deepcopy(_chosen(VALUES, rng))
        values = values if place != "" else holder.get("", {})
    return json.dumps(values).encode()


def _arrays(content: bytes, rng: np.random.Generator) -> bytes:
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    name = _chosen(list(arrays), rng)
    array = arrays[name]
    with np.errstate(all="ignore"):
        ways = (
            lambda: array[..., :-1] if array.ndim else array,
            lambda: array.astype(_chosen(["f2", "i1", "u8", "c8", "?", "U3", "O"], rng)),
            lambda: np.concatenate([array, array]) if array.ndim else array,
            lambda: array[:0] if array.ndim else array,
            lambda: np.full(array.shape, _chosen([-1, 7, 10**9, np.nan, np.inf], rng)),
            lambda: np.reshape(array, -1),
            lambda: None,
        )
        try:
            changed = ways[rng.integers(len(ways))]()
        except ValueError:  # text has no number
            changed = None
    arrays = {**arrays, name: changed}
    stream = io.BytesIO()
    np.savez(stream, **{key: value for key, value in arrays.items() if value is not None})
    return stream.getvalue()


def _packed(content: bytes, rng: np.random.Generator) -> bytes:
    def zipped(data):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("fer2013.csv", data)
        return stream.getvalue()

    def in_utf16(data):
        return data.decode("utf-8", "replace").encode("utf-16")

    ways = (gzip.compress, lzma.compress, bz2.compress, zstandard.ZstdCompressor().compress, zipped, in_utf16)
    return ways[rng.integers(len(ways))](content)


def _chosen(options, rng: np.random.Generator):
    return options[int(rng.integers(len(options)))]
