"""Many pictures on Ray's workers, processes here or on a cluster: the table of `analyse.analyse_pictures`."""

import contextlib
import functools
import hashlib
import logging
import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import pandas as pd
import tqdm

from emotion_detection import files
from emotion_detection.errors import ProjectError
from emotion_detection.faces import detection, stills
from emotion_detection.inference import analyse, face_table
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs import cluster, registry

log = logging.getLogger(__name__)

FILES_PER_PART = 32  # some seconds of work


def analyse_pictures(
    pictures: Sequence[Path | str],
    *,
    workers: int | None = None,
    address: str | None = None,
    folder: Path | str | None = None,
    labels: str | None = None,
    files_per_part: int = FILES_PER_PART,
) -> pd.DataFrame:
    """Find and classify the faces of many pictures, side by side.

    Args:
        pictures: paths of JPEG, PNG or WebP files; on a cluster, the same on every machine (a shared folder).
        workers: processes on this machine; None: as many as cores. A cluster uses all of its cores.
        address: of a Ray cluster, as `ray start --head` prints it; None: this machine.
        folder: where finished parts are kept, so that the same call goes on from them; None: nowhere.
        labels: as for `analyse.analyse`.
        files_per_part: so many pictures make a part.

    Raises:
        MissingFileError: Ray is not installed, or a picture is missing.
        DataError: no picture can be read, or the cluster does not answer.
    """
    pictures = [Path(picture) for picture in pictures]
    detector = detection.load_detector().name.lower()  # the same on all machines: one that lacks it says so
    parts = [pictures[at : at + files_per_part] for at in range(0, len(pictures), files_per_part)]
    kept = [_kept_path(folder, part, (detector, labels)) for part in parts]
    tables = [_read_part(path) if path is not None and path.is_file() else None for path in kept]
    missing = [index for index, table in enumerate(tables) if table is None]
    settings = {"total": sum(len(parts[index]) for index in missing), "unit": "picture"}
    ray = cluster.connected(address, cores=workers) if missing else contextlib.nullcontext()
    with tqdm.tqdm(desc="Analysing", **settings) as bar, ray:
        for index, table in _computed(parts, missing, detector, labels):
            tables[index] = table
            if kept[index] is not None and not table.attrs["failed"]:
                _write_part(kept[index], table)
            bar.update(len(parts[index]))
    return joined(tables)


def _computed(parts, missing, detector, labels):
    """Have the missing parts made; yield index and table of each as it ends."""
    if not missing:
        return
    import ray

    variables = {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    task = ray.remote(num_cpus=1, max_retries=cluster.RETRIES, runtime_env={"env_vars": variables})(_faces_of)
    running = {task.remote(parts[index], detector, labels): index for index in missing}
    while running:
        (reference,), _ = ray.wait(list(running))
        index = running.pop(reference)
        try:
            yield index, ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except ray.exceptions.RayError as error:
            yield index, _empty({path.as_posix(): cluster.why_lost(error) for path in parts[index]})


def _faces_of(pictures: list[Path], detector: str, labels: str | None) -> pd.DataFrame:
    """Return the table of a part's pictures. Runs on a worker."""
    return analyse.analyse_pictures(pictures, **_tools(detector, labels))


@functools.cache
def _tools(detector: str, labels: str | None) -> dict:
    cv2.setNumThreads(1)
    classifier = EmotionClassifier.load(labels=labels or "votes", threads=1)
    return {"detector": stills.load_detector(detector), "classifier": classifier}


def _empty(failed: dict[str, str]) -> pd.DataFrame:
    table = face_table.from_rows([])
    table.attrs = {"without_face": [], "failed": failed}
    return table


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the tables of parts as one, in order, numbered anew, with what their `attrs` say."""
    filled = [table for table in tables if len(table)]  # empty ones would blur the columns' types
    whole = pd.concat(filled, ignore_index=True) if filled else _empty({})
    without_face = [name for table in tables for name in table.attrs["without_face"]]
    failed = {name: reason for table in tables for name, reason in table.attrs["failed"].items()}
    whole.attrs = (tables[0].attrs if tables else {}) | {"without_face": without_face, "failed": failed}
    return whole


def _kept_path(folder: Path | str | None, part: Sequence[Path], settings: tuple) -> Path | None:
    """Return where a part's table is kept: another place once a file, a setting or the network changed."""
    if folder is None:
        return None
    sizes_and_times = [(path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else () for path in part]
    facts = [(path.as_posix(), *each) for path, each in zip(part, sizes_and_times, strict=True)]
    digest = hashlib.sha256(repr((facts, settings, files.sha256(registry.card_path()))).encode()).hexdigest()
    return Path(folder) / f"part-{digest[:16]}.json"


def _write_part(path: Path, table: pd.DataFrame) -> None:
    rows = table.drop(columns="time_s").to_dict("split", index=False)  # it is NaN, which is no JSON
    files.write_json(path, rows | {"attrs": table.attrs})


def _read_part(path: Path) -> pd.DataFrame | None:
    """Return a finished part's table, or None if it is damaged, which is logged."""
    schema = {"properties": {"columns": {"type": "array"}, "data": {"type": "array"}, "attrs": {"type": "object"}}}
    try:
        values = files.read_json(path, what="finished part", schema=schema, keys=("columns", "data", "attrs"))
        table = pd.DataFrame(values["data"], columns=values["columns"], dtype=object).assign(time_s=math.nan)
        classes = values["columns"][len(face_table.columns(())) - 1 :]
        table = face_table.typed(table[list(face_table.columns(classes))], classes)
    except (ProjectError, ValueError, KeyError) as error:
        log.warning("%s It is made again.", error)
        return None
    table.attrs = values["attrs"]
    return table
