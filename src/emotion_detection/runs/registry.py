"""Which network is shipped, where its files lie, and which run a name means.

`data/models/<name>.json` is the machine-readable half of a shipped network's model card.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotion_detection import files, paths
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.runs import network_metadata

if TYPE_CHECKING:  # the live cell reads a card in a moment, without pandas
    from emotion_detection.runs.run import Run

SHIPPED = "emotion_mobilenetv2"
"""Name of the shipped network; its files are `<name>.keras`, `.tflite`, `_int8.tflite`, `.json` and the model card
`.md`."""

SHIPPED_RUN = "shipped"
"""The name that stands for the run whose network is shipped."""

FIRST_SEED = 0
RUN_NAME = re.compile(r"(?P<recipe>[a-z0-9_]+?)(?:-s(?P<seed>\d+))?")

SUFFIXES = {"float16": ".tflite", "int8": "_int8.tflite"}
"""Format of a network on LiteRT → what its file is called, after the network's name."""

DEFAULT_FORMAT = "float16"
"""What is loaded where nothing is said: the format that answers as Keras does."""


def card_path() -> Path:
    """Return the path of the shipped network's card."""
    return paths.models_dir() / f"{SHIPPED}.json"


def network_path(form: str = DEFAULT_FORMAT) -> Path:
    """Return the path of the shipped network on LiteRT, `form` being a key of `SUFFIXES`; else UnknownNameError."""
    if form not in SUFFIXES:
        raise UnknownNameError(f"{form!r} is no format of the shipped network. Use one of {', '.join(SUFFIXES)}.")
    return paths.models_dir() / f"{SHIPPED}{SUFFIXES[form]}"


def card_beside(path: Path) -> Path:
    """Return where the card of a network's file is: beside it, one card for all files of a network."""
    stem = path.name.removesuffix(SUFFIXES["int8"]) if path.name.endswith(SUFFIXES["int8"]) else path.stem
    return path.with_name(f"{stem}.json")


def read_card() -> dict:
    """Return the card of the shipped network, as `check_against_card` describes it.

    Raises:
        MissingFileError: there is none.
        DataError: it is damaged.
    """
    path = card_path()
    if not path.is_file():
        raise _missing(path, "model card")
    return _read_card(path)


def usual_seed(recipe: str) -> int:
    """Return the seed that a bare recipe name means: the shipped one of the recipe that is shipped, else the first."""
    match = RUN_NAME.fullmatch(read_card()["run"]) if card_path().is_file() else None
    return int(match["seed"]) if match is not None and match["recipe"] == recipe else FIRST_SEED


def threshold_of(card: dict) -> float:
    """Return the minimum confidence that a model card, or `EmotionClassifier.facts`, names; 0 where it says nothing."""
    return card.get("confidence", {}).get("threshold", 0.0)


def at_threshold(card: dict, threshold: float) -> tuple[float, float] | None:
    """Return coverage and accuracy on PrivateTest at a minimum confidence, 0–1 each; None where a card lacks them.

    Args:
        card: a model card with `confidence`, as `of_run` returns it, or `EmotionClassifier.facts`.
        threshold: minimum confidence, 0–1; between the thresholds of the card values are interpolated.
    """
    known = card.get("confidence")
    if not known or "PrivateTest" not in known:
        return None
    table = known["PrivateTest"]
    right = [value for value in table["accuracy"] if value is not None]  # none at thresholds that no face reaches
    coverage = np.interp(threshold, known["thresholds"], table["coverage"])
    accuracy = np.interp(threshold, known["thresholds"][: len(right)], right)
    return float(coverage), float(accuracy)


def check_is_ours(what: str, run: Run | None = None) -> None:
    """Raise DataError unless `what` is made from the project's own records, of FER2013: what all readers get.

    Args:
        what: is to be written, such as "data/models/kept/", for the message.
        run: that it is made from.
    """
    if paths.output_dir() is not None:
        variable = "EMOTION_OUTPUT_DIR" if paths.pictures_dir() is None else "EMOTION_PICTURES"
        raise DataError(
            f"{what} holds what the project's own records say, and {variable} is set: runs are in "
            f"{paths.displayed(paths.output_dir())}. Unset it. A network of yours is written by `python -m "
            "emotion_detection export float16 --run RUN` and opened by EmotionClassifier.load and LiveView."
        )
    if run is not None and (run.is_sample or run.is_own_pictures):
        raise DataError(
            f"{what} is for networks of FER2013, and {run.name} learned from {run.data_name}. Name another."
        )


def is_shipped(run: Run) -> bool:
    """Return whether the shipped network is this run's: the same name, trained at the same time."""
    if not card_path().is_file():
        return False
    card = read_card()
    return (card.get("run"), card.get("finished")) == (run.name, run.info.get("finished"))


def check_against_card(path: Path) -> dict:
    """Compare a network's file with the model card beside it.

    Args:
        path: a `.tflite` or `.keras` file.

    Returns:
        The card: `name`, `run`, `classes`, `input`, `temperature`, `files` (name → `sha256`, `bytes`).

    Raises:
        MissingFileError: the network or its card is missing.
        DataError: the card is damaged or of another kind of network, or the file's SHA-256 is not the card's.
    """
    path = Path(path)
    card_file = card_beside(path)
    for needed, what in ((path, "network"), (card_file, "model card")):
        if not needed.is_file():
            raise _missing(needed, what)
    card = _read_card(card_file)
    expected = card["files"].get(path.name, {}).get("sha256")
    received = files.sha256(path)
    if received != expected:
        raise DataError(
            f"The network {paths.displayed(path)} is damaged: its SHA-256 is {received[:12]}…, its model card says "
            f"{str(expected)[:12]}… ({path.stat().st_size:,} bytes). Restore it: git checkout -- data/models"
        )
    return card


def _missing(path: Path, what: str) -> MissingFileError:
    return MissingFileError(
        f"The {what} {paths.displayed(path)} is missing. The shipped networks lie in data/models/: restore them "
        f"(git checkout -- data/models), or pass the path of another network with its card beside it."
    )


CARD = network_metadata.FACTS | {"required": ["classes", "temperature", "files"]}
CARD["properties"] = CARD["properties"] | {
    "files": {"type": "object", "additionalProperties": {"type": "object"}},
    **{name: {"type": "string"} for name in ("name", "run", "finished")},
}
"""What readers of model cards rely on, as JSON Schema."""


def _read_card(path: Path) -> dict:
    return files.read_json(path, what="model card", remake="python -m emotion_detection export --help", schema=CARD)
