"""Where things are: the project's folders, and the places where data and weights are looked for."""

import contextlib
import importlib.resources
import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from emotion_detection.errors import ADDRESS, DataError, without_secrets

SEARCHED_SUBFOLDERS = ("", "data", "raw", "models")
IMAGENET_FILES = (
    "mobilenet_v2_1.0_224_imagenet_no_top.weights.h5",
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
)
"""Names under which the ImageNet weights of MobileNetV2 are looked for; the second is Keras' own."""

_chosen: dict[str, Path] = {}  # by `use_output_dir`; goes before the environment's


def use_output_dir(folder: Path | None) -> None:
    """Have this process write results, caches and figures into a folder, as `EMOTION_OUTPUT_DIR` does for all.

    Args:
        folder: None goes back to the environment's.
    """
    if folder is None:
        _chosen.pop("output", None)
    else:
        _chosen["output"] = expanded(folder).resolve()


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Within the block, write results and caches into a folder."""
    before = _chosen.get("output")
    use_output_dir(folder)
    try:
        yield
    finally:
        use_output_dir(before)


def expanded(path: Path | str) -> Path:
    """Return a path with `~` replaced by the home folder.

    Raises:
        DataError: this user, or the one that is named, has none.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(f"No home folder is known for the ~ of {path}. Write the whole path.") from error


def package_dir() -> Path:
    """Return the folder of the package's own files."""
    return Path(str(importlib.resources.files("emotion_detection")))


def checkout() -> Path | None:
    """Return the folder that holds `notebooks/`, `src/`, `data/`; None where the package was installed without it."""
    folder = package_dir().resolve().parents[1]
    return folder if (folder / "pyproject.toml").is_file() else None


def project_root() -> Path:
    """Return the project's folder: the checkout, or the working directory where the package was installed alone."""
    return checkout() or Path.cwd()


def raw_dir() -> Path:
    """Return the folder where the reader puts data sets."""
    return project_root() / "data" / "raw"


def cache_dir() -> Path:
    """Return the folder of derived arrays and checkpoints; safe to delete."""
    return project_root() / "data" / "cache"


def run_cache_dir() -> Path:
    """Return the folder of checkpoints, frozen features and trained weights; under `EMOTION_OUTPUT_DIR` if set."""
    return (output_dir() or project_root() / "data") / "cache"


def user_cache_dir() -> Path:
    """Return this user's cache folder, for files that projects share (the face detector); ours if there is no home."""
    try:
        folder = Path(platformdirs.user_cache_dir("emotion-detection", appauthor=False))
    except RuntimeError:  # older versions of platformdirs leave the ~ instead
        return cache_dir()
    return folder if folder.is_absolute() else cache_dir()


def models_dir() -> Path:
    """Return the folder of the shipped networks; a wheel carries them inside the package."""
    return _shipped("models")


def sample_dir() -> Path:
    """Return the folder of the sample pictures; a wheel carries them inside the package."""
    return _shipped("sample")


def _shipped(folder: str) -> Path:
    carried = package_dir() / "shipped" / folder
    return carried if carried.is_dir() else project_root() / "data" / folder


def output_dir() -> Path | None:
    """Return `EMOTION_OUTPUT_DIR` (or `use_output_dir`'s), where results of the sample go, or None if it is not set.

    A relative path counts from the project's folder, so that notebooks and the command line agree. What is made of a
    reader's own pictures goes into a folder of its own in it (in `output/`, if it is not set), named as theirs is.
    """
    chosen, own = _chosen.get("output") or _from_project("EMOTION_OUTPUT_DIR"), pictures_dir()
    return chosen if own is None else (chosen or project_root() / "output") / "pictures" / own.name


def scratch_dir() -> Path:
    """Return where what is tried goes, outside `data/`: `EMOTION_OUTPUT_DIR`, else `output/`."""
    return output_dir() or project_root() / "output"


def _from_project(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return (project_root() / expanded(value)).resolve() if value else None


def pictures_dir() -> Path | None:
    """Return `EMOTION_PICTURES`, a folder of the reader's own pictures that takes FER2013's place, or None.

    A relative path counts from the working directory or, where it leads nowhere, from the project's folder.
    """
    value = os.environ.get("EMOTION_PICTURES")
    if not value:
        return None
    path = expanded(value)
    return (path if path.is_dir() else project_root() / path).resolve()


def results_dir() -> Path:
    """Return the folder of recorded runs; under `EMOTION_OUTPUT_DIR` if that is set."""
    return (output_dir() or project_root() / "data") / "results"


def figures_dir() -> Path:
    """Return the folder that figures are written to: `figures/` in `scratch_dir()`.

    `make figures` and `make notebooks` set `EMOTION_FIGURES_DIR` to the project's own, which counts only as long as all
    output is the project's: a notebook that is run by hand changes no figure of the repository.
    """
    ours = _from_project("EMOTION_FIGURES_DIR")
    return ours if ours is not None and output_dir() is None else scratch_dir() / "figures"


def search_folders() -> list[Path]:
    """List the existing folders in which data sets and weights are looked for, in order.

    These are the folders of `EMOTION_DATA_DIR` (one or several, joined as in PATH), each with its `data/`, `raw/`
    and `models/`, then the project's `data/raw/`. A relative path counts from the working directory or, where it leads
    nowhere, from the project's folder: notebooks run in a folder of their own.
    """
    folders = [root / sub for root in _data_roots().values() for sub in SEARCHED_SUBFOLDERS]
    folders.append(raw_dir())
    return [folder.resolve() for folder in folders if folder.is_dir()]


def _data_roots() -> dict[str, Path]:
    """Return each part of `EMOTION_DATA_DIR` as it is written → the folder that it means."""
    parts = [part for part in os.environ.get("EMOTION_DATA_DIR", "").split(os.pathsep) if part]
    paths = {part: expanded(part) for part in parts}
    return {part: path if path.is_dir() else project_root() / path for part, path in paths.items()}


def missing_folders() -> str:
    """Return a remark for messages on folders of `EMOTION_DATA_DIR` that do not exist; empty if all do."""
    missing = [part for part, root in _data_roots().items() if not root.is_dir()]
    return f" (EMOTION_DATA_DIR names {', '.join(missing)}, which does not exist)" if missing else ""


def find_file(*names: str) -> Path | None:
    """Return the first file with one of these names in `search_folders()`, or None. Folders before names."""
    for folder in search_folders():
        for name in names:
            if (folder / name).is_file():
                return folder / name
    return None


def displayed(place: Path | str) -> str:
    """Return a path or an address as the reader should see it.

    A path inside the project is relative to it. User, password and query of an address are masked: secrets are there.
    """
    if ADDRESS.search(str(place)):
        return without_secrets(str(place).replace(" ", "%20"))
    path = Path(place).resolve()
    return path.relative_to(project_root()).as_posix() if path.is_relative_to(project_root()) else path.as_posix()
