"""Many files on Ray's workers: a function that makes a table of a file, its tables in order, resumable part by part."""

import functools
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tqdm

from emotion_detection import cluster, files
from emotion_detection.errors import DataError, ProjectError
from emotion_detection.runs import registry

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

FILES_PER_PART = 32
"""Pictures that a worker takes at a time: some seconds of work."""

FAILURES_TOLD = 5


def analyse_pictures(
    pictures: Sequence[Path | str],
    *,
    address: str | None = None,
    workers: int | None = None,
    folder: Path | str | None = None,
    files_per_part: int = FILES_PER_PART,
) -> "pd.DataFrame":
    """Find and classify the faces of many pictures; the table is that of `pipeline.analyse_pictures`.

    Args:
        pictures: paths of JPEG, PNG or WebP files; on a cluster, the same on every machine (a shared folder).
        address: of a Ray cluster; None: worker processes on this machine.
        workers: so many at a time; None: as many as there are cores.
        folder: where finished parts are kept, so that the same call goes on from them; None: nowhere.
        files_per_part: so many pictures make a part.

    Raises:
        MissingFileError: Ray is not installed.
        DataError: a picture is missing, damaged or too large; all others are analysed first.
    """
    from emotion_detection.faces import detection
    from emotion_detection.inference import pipeline

    cluster.require_ray()
    detector = detection.load_detector().name.lower()  # the same on all machines: one that lacks it says so
    version = f"{detector} {files.sha256(registry.card_path())}"
    settings = {"address": address, "workers": workers, "folder": folder, "files_per_part": files_per_part}
    table = map_files(functools.partial(_faces_of, detector=detector), pictures, version=version, **settings)
    found = table if len(table) else table.reindex(columns=list(pipeline.COLUMNS))
    found.attrs = {"without_face": [], **table.attrs}
    return found


def map_files(
    function: Callable[[Path], "pd.DataFrame"],
    paths: Sequence[Path | str],
    *,
    address: str | None = None,
    workers: int | None = None,
    folder: Path | str | None = None,
    files_per_part: int = 1,
    version: str = "",
) -> "pd.DataFrame":
    """Call a function for each file on Ray's workers, one thread each, and join its tables in the order of the files.

    Args:
        function: importable on the workers (or a `functools.partial` of such a one); path → table. What
            `table.attrs` holds as lists is joined too.
        paths: the files.
        address: of a Ray cluster; None: worker processes on this machine.
        workers: parts at a time; None: as many as there are cores.
        folder: where finished parts are kept. A part counts as finished as long as its files (name, size, time of
            change), function and `version` are the same.
        files_per_part: so many files make a part, which a worker takes at a time.
        version: what else decides the tables, such as the network.

    Raises:
        MissingFileError: Ray is not installed.
        DataError: the function failed on some files; the others are done, and kept where `folder` is given.
    """
    paths = [Path(path) for path in paths]
    parts = [_Part(tuple(paths[at : at + files_per_part])) for at in range(0, len(paths), files_per_part)]
    for part in parts if folder is not None else ():
        part.kept_at(Path(folder), function, version)
    missing = [index for index, part in enumerate(parts) if part.table is None]
    if missing:
        with cluster.connected(address, workers=workers):
            _compute(function, parts, missing, at_once=workers)
    failures = [failure for part in parts for failure in part.failures]
    if failures:
        raise _failed(failures, len(paths))
    return joined([part.table for part in parts])


class _Part:
    """Some files, their table once it is there, and the file that keeps it."""

    def __init__(self, paths: tuple[Path, ...]):
        self.paths, self.path, self.table, self.failures = paths, None, None, []

    def kept_at(self, folder: Path, function: Callable, version: str) -> None:
        """Keep the part in a folder; read it if it is there."""
        facts = [_described(function), version, *(_facts(path) for path in self.paths)]
        digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        self.path = folder / f"part-{digest[:16]}.json"
        self.table = read_table(self.path) if self.path.is_file() else None

    def ended(self, table: "pd.DataFrame", failures: list[str]) -> None:
        """Take what a worker made; keep it if it is whole."""
        self.table, self.failures = table, failures
        if self.path is not None and not failures:
            write_table(table, self.path)


def _described(function: Callable) -> str:
    """Return the name of a function, with the arguments of a `functools.partial`."""
    if isinstance(function, functools.partial):
        return f"{_described(function.func)} {function.args} {sorted(function.keywords.items())}"
    return f"{function.__module__}.{function.__qualname__}"


def _facts(path: Path) -> list:
    """Return what tells a file from a changed one; one that is not on this machine has its name alone."""
    if not path.is_file():
        return [path.as_posix()]
    return [path.as_posix(), path.stat().st_size, path.stat().st_mtime_ns]


def _compute(function: Callable, parts: list[_Part], missing: list[int], *, at_once: int | None) -> None:
    """Make the tables of the missing parts on Ray's workers."""
    call = cluster.remote(_tables_of, threads=1)
    ended = cluster.results(lambda index: call.remote(function, parts[index].paths), missing, at_once=at_once)
    with tqdm.tqdm(total=sum(len(parts[index].paths) for index in missing), desc="Analysing", unit="file") as bar:
        for index, found in ended:
            if index is None:
                continue
            if isinstance(found, cluster.Lost):
                parts[index].failures = [f"{parts[index].paths[0]}: {found}"]
            else:
                parts[index].ended(*found)
            bar.update(len(parts[index].paths))


def _tables_of(function: Callable, paths: tuple[Path, ...]) -> tuple["pd.DataFrame", list[str]]:
    """Call the function for each file of a part; return the joined table and why files failed. Runs on a worker."""
    tables, failures = [], []
    for path in paths:
        try:
            tables.append(function(path))
        except ProjectError as error:
            failures.append(str(error))
        except Exception as error:  # one file does not stop the others
            failures.append(f"{path}: {type(error).__name__}: {error}")
    return joined(tables), failures


def _faces_of(picture: Path, *, detector: str) -> "pd.DataFrame":
    """Return the table of one picture, with detector and network of this worker. Runs on a worker."""
    from emotion_detection.inference import pipeline

    return pipeline.analyse_pictures([picture], detector=_detector(detector), classifier=_classifier())


@functools.cache
def _detector(name: str):
    import cv2

    from emotion_detection.faces import detection

    cv2.setNumThreads(1)
    return detection.load_detector(name)


@functools.cache
def _classifier():
    from emotion_detection.inference.classifier import EmotionClassifier

    return EmotionClassifier.load(threads=1)


def joined(tables: Sequence["pd.DataFrame"]) -> "pd.DataFrame":
    """Return tables as one, in order, numbered anew; lists in their `attrs` are joined as well."""
    import pandas as pd

    filled = [table for table in tables if len(table)] or list(tables[:1])  # empty ones would blur the columns' types
    whole = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()
    names = dict.fromkeys(name for table in tables for name, value in table.attrs.items() if isinstance(value, list))
    whole.attrs = {name: [each for table in tables for each in table.attrs.get(name, [])] for name in names}
    return whole


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a table with its types and `attrs` as JSON, atomically; numbers come back bit by bit."""
    content = {
        "columns": [str(column) for column in table.columns],
        "types": [str(kind) for kind in table.dtypes],
        "rows": table.to_dict("split")["data"],
        "attrs": table.attrs,
    }
    files.write_text(path, json.dumps(content))


def read_table(path: Path) -> "pd.DataFrame | None":
    """Read what `write_table` wrote; None if the file is damaged (which is logged), so that it is made again."""
    import pandas as pd

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        table = pd.DataFrame(content["rows"], columns=content["columns"])
        table = table.astype(dict(zip(content["columns"], content["types"], strict=True)))
    except (ValueError, KeyError, TypeError) as error:
        log.warning("The part %s is damaged (%s): it is made again.", path, error)
        return None
    table.attrs = content["attrs"]
    return table


def _failed(failures: list[str], count: int) -> DataError:
    told = "\n  ".join(failures[:FAILURES_TOLD])
    more = f"\n  and {len(failures) - FAILURES_TOLD} more" if len(failures) > FAILURES_TOLD else ""
    return DataError(
        f"{len(failures)} of {count} files could not be analysed:\n  {told}{more}\nThe others are done. Correct or "
        "leave out these; with a folder for finished parts, the same call then goes on from them."
    )
