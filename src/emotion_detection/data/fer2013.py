"""FER2013 (Goodfellow et al., 2013) from any of its public shapes, verified, and parsed once.

Reference: Goodfellow et al., "Challenges in Representation Learning", ICONIP 2013, arXiv:1307.0414.
"""

import dataclasses
import hashlib
import json
import logging
import re
import shutil
from pathlib import Path

import numpy as np

from emotion_detection import files, paths
from emotion_detection.data import readers
from emotion_detection.data.dataset import FaceDataset
from emotion_detection.data.verification import Verification, identify
from emotion_detection.errors import DataError, MissingFileError

log = logging.getLogger(__name__)

PACKED = r"(\.(xz|gz|zst|bz2|zip))?"
CSV_NAME = re.compile(rf"(fer2013|icml_face_data)\.(csv{PACKED}|zip|tar{PACKED}|tgz)")
TRAIN_NAME, TEST_NAME = (re.compile(rf"{name}\.csv{PACKED}") for name in ("train", "test"))
CSV_FOLDERS = ("", "fer2013")
TREE_FOLDERS = ("", "fer2013", "FER2013", "FER-2013", "archive", "images")
CACHE_VERSION = 4
ARRAYS = {"pixels": ("u", (None, 48, 48)), "emotion": ("i", (None,)), "usage": ("U", (None,)), "row": ("i", (None,))}


@dataclasses.dataclass(frozen=True)
class Source:
    """A copy of FER2013 on disk: the CSV file, or the folder of the tree, and all files that its content depends on.

    `kind` is "csv" (one file), "challenge" (train.csv with or without test.csv) or "tree" (folders of pictures).
    """

    kind: str
    path: Path
    files: tuple[Path, ...]

    @property
    def key(self) -> str:
        """Name of this source in the cache: a hash of its path, then one of its files' sizes and times."""
        stats = [(file.stat().st_size, file.stat().st_mtime_ns) for file in self.files]
        content = repr((CACHE_VERSION, [file.name for file in self.files], stats))
        return f"{_short_hash(str(self.path))}-{_short_hash(content)}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_fer2013(*, path: Path | None = None, allow_altered: bool = False, use_cache: bool = True) -> FaceDataset:
    """Load FER2013: 35,887 grey faces of 48×48 px with one of seven emotions and their official split.

    Args:
        path: a CSV file, plain, compressed or in an archive, or the folder that holds `train/` and `test/`; None looks
            in the folders of `EMOTION_DATA_DIR`, then in `data/raw/`.
        allow_altered: load a copy whose faces were changed (blurred, clipped, resized, duplicated) all the same.
        use_cache: read and write the parsed arrays in `data/cache/`.

    Returns:
        The faces; `notes` says what this copy is, where it is not exact, and what it lacks.

    Raises:
        MissingFileError: no copy is found; the message says where it was looked for.
        DataError: the copy is damaged, or altered and `allow_altered` is False.
    """
    dataset, verification = load_verified(find_source(path), use_cache=use_cache)
    if verification.verdict == "altered" and not allow_altered:
        raise DataError(
            f"{verification.source} is an altered copy of FER2013. {' '.join(verification.sentences)} Get the "
            "original (see data/README.md), or load it all the same with allow_altered=True."
        )
    if verification.verdict == "exact":
        return dataset
    note = f"{Path(verification.source).name} is not the exact FER2013: {verification.sentences[0]}"
    if verification.verdict != "altered":  # an altered copy was asked for by name
        log.warning("%s", note)
    return dataclasses.replace(dataset, notes=(*dataset.notes, note))


def check(path: Path | None = None) -> Verification:
    """Read a copy anew, verify it, and hold the cache against it; a cache that differs is written again.

    The verification's sentences say what the copy is, what it lacks, and whether the cache agreed.
    """
    source = find_source(path)
    cached = _read_cache(source)
    dataset, verification = load_verified(source, use_cache=False)
    sentences = [*verification.sentences, *dataset.notes]
    if cached is not None and cached[0].fingerprint == dataset.fingerprint:
        sentences.append(f"The parsed arrays in {_displayed_cache()} agree with it.")
    elif _write_cache(source, dataset, verification):
        state = "were out of date and" if cached is not None else "were not there and"
        sentences.append(f"The parsed arrays in {_displayed_cache()} {state} have been written.")
    return dataclasses.replace(verification, sentences=tuple(sentences))


def find_source(path: Path | None = None) -> Source:
    """Find a copy of FER2013: at `path`, else in the folders that `paths.search_folders()` lists.

    Raises:
        MissingFileError: there is none.
    """
    if path is not None:
        return _source_at(paths.expanded(path))
    for folder in paths.search_folders():
        source = _source_in(folder)
        if source is not None:
            return source
    folders = paths.search_folders() or [paths.raw_dir()]
    looked_in = ", ".join(paths.displayed(folder) for folder in folders) + paths.missing_folders()
    raise MissingFileError(
        f"FER2013 was not found. Looked for fer2013.csv, icml_face_data.csv (also packed), train.csv and "
        f"train/<emotion>/ in {looked_in}. Run `python -m emotion_detection data fetch`, or set EMOTION_DATA_DIR to "
        "the folder that has it (see data/README.md)."
    )


def _source_at(path: Path) -> Source:
    path = path.resolve()
    if path.is_dir():
        source = _source_in(path)
        if source is None:
            raise MissingFileError(
                f"{paths.displayed(path)} holds no copy of FER2013: neither fer2013.csv, icml_face_data.csv, train.csv "
                "nor train/<emotion>/. Give the file, or the folder that holds it (see data/README.md)."
            )
        return source
    if not path.is_file():
        raise MissingFileError(
            f"{paths.displayed(path)} does not exist. Give a CSV file or a folder with train/ and test/ "
            "(see data/README.md)."
        )
    if TRAIN_NAME.fullmatch(path.name.lower()) or TEST_NAME.fullmatch(path.name.lower()):
        return _challenge(path)
    return Source("csv", path, (path,))


def _source_in(folder: Path) -> Source | None:
    for name in CSV_FOLDERS:
        if found := _tables_in(folder / name, CSV_NAME):
            return Source("csv", found[0], (found[0],))
    if found := _tables_in(folder, TRAIN_NAME):
        return _challenge(found[0])
    for name in TREE_FOLDERS:
        if (folder / name).is_dir() and readers.is_tree(folder / name):
            tree = (folder / name).resolve()
            return Source("tree", tree, tuple(readers.tree_files(tree)))
    return None


def _tables_in(folder: Path, name: re.Pattern) -> list[Path]:
    """List the files with such a name, the one that is packed the least first."""
    inside = folder.iterdir() if folder.is_dir() else ()
    found = [path for path in inside if name.fullmatch(path.name.lower()) and path.is_file()]
    return sorted(found, key=lambda path: (len(path.suffixes), path.name))


def _challenge(train: Path) -> Source:
    tests = [path for path in _tables_in(train.parent, TEST_NAME) if path != train]
    return Source("challenge", train, (train, *tests[:1]))


def load_verified(source: Source, *, use_cache: bool = True) -> tuple[FaceDataset, Verification]:
    """Return a source's faces and what its verification found, from the cache if they are there."""
    cached = _read_cache(source) if use_cache else None
    if cached is not None:
        return cached
    dataset = _read(source)
    dataset, verification = identify(dataset, paths.displayed(source.path))
    if use_cache and _write_cache(source, dataset, verification):
        return _read_cache(source) or (dataset, verification)
    return dataset, verification


def _read(source: Source) -> FaceDataset:
    if source.kind == "csv":
        return readers.read_csv(source.path)
    if source.kind == "tree":
        return readers.read_tree(source.path)
    return _read_challenge(source.files)


def _read_challenge(csv_files: tuple[Path, ...]) -> FaceDataset:
    """Read the challenge's train.csv and, where it is there, test.csv, which has no labels."""
    training = readers.read_csv(csv_files[0], usage="Training")
    if len(csv_files) == 1:
        return dataclasses.replace(training, notes=("train.csv alone: there is no face to test on.",))
    test = readers.read_csv(csv_files[1], usage="PublicTest")
    half = len(test) // 2
    usage = np.concatenate([training.usage, np.repeat(["PublicTest", "PrivateTest"], [half, len(test) - half])])
    return FaceDataset(
        pixels=np.concatenate([training.pixels, test.pixels]),
        emotion=np.concatenate([training.emotion, test.emotion]),
        usage=usage,
        row=np.arange(len(usage), dtype=np.int32),
        notes=(
            "test.csv has no labels: the faces of PublicTest and PrivateTest carry -1 and cannot be scored.",
            f"{readers.ASSUMED}the first half of test.csv is PublicTest, the second PrivateTest.",
        ),
    )


def _cache_path(source: Source) -> Path:
    return paths.cache_dir() / "fer2013" / f"{source.key}.npz"


def _read_cache(source: Source) -> tuple[FaceDataset, Verification] | None:
    """Return the cached faces, or None where there are none or they are not those that were written."""
    try:
        arrays = files.read_arrays(_cache_path(source), expected=ARRAYS | {"info": ("U", ())})
        info = files.parse_json(str(arrays.pop("info")))
        rows_are_official = bool(info["has_official_rows"])
        dataset = FaceDataset(**arrays, notes=tuple(info["notes"]), has_official_rows=rows_are_official)
        verification = Verification(**info["verification"] | {"sentences": tuple(info["verification"]["sentences"])})
    except MissingFileError:
        return None
    except (ValueError, KeyError, TypeError) as error:  # errors of the project among them
        log.warning("The parsed FER2013 is damaged and will be written again (%s).", error)
        return None
    if dataset.fingerprint != info["fingerprint"]:
        log.warning("The parsed FER2013 in %s was changed and will be written again.", _displayed_cache())
        return None
    return dataset, verification


def _displayed_cache() -> str:
    return paths.displayed(paths.cache_dir() / "fer2013")


def _write_cache(source: Source, dataset: FaceDataset, verification: Verification) -> bool:
    """Write the cache of a source, complete or not at all; return whether it is there."""
    path = _cache_path(source)
    info = {"notes": dataset.notes, "has_official_rows": dataset.has_official_rows}
    info |= {"verification": dataclasses.asdict(verification), "fingerprint": dataset.fingerprint}
    try:
        with files.written_beside(path) as temporary:
            np.savez(temporary, info=json.dumps(info), **{name: getattr(dataset, name) for name in ARRAYS})
    except (OSError, DataError) as error:
        place = _displayed_cache()
        log.warning("FER2013 was read but cannot be cached in %s: it will be parsed again next time. %s", place, error)
        return False
    for other in path.parent.glob(f"{source.key.split('-')[0]}-*"):  # at another time, or of an earlier version
        if other != path:
            shutil.rmtree(other) if other.is_dir() else other.unlink(missing_ok=True)
    return True
