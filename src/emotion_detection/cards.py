"""The machine-readable half of a shipped network's model card: `data/models/<name>.json`."""

import json
from pathlib import Path

from emotion_detection import files, paths, runs
from emotion_detection.errors import DataError, MissingFileError

SHIPPED = "emotion_mobilenetv2"
"""Name of the shipped network; its files are `<name>.keras`, `.tflite`, `.json` and the model card `.md`."""


def card_path(network: str = SHIPPED) -> Path:
    """Return the path of a shipped network's card."""
    return paths.models_dir() / f"{network}.json"


def read_card(network: str = SHIPPED) -> dict:
    """Return the card of a shipped network.

    Raises:
        MissingFileError: there is none.
        DataError: it is not valid JSON.
    """
    path = card_path(network)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingFileError(
            f"The model card {paths.displayed(path)} does not exist. Restore it: git checkout -- data/models"
        ) from error
    except ValueError as error:
        raise DataError(
            f"The model card {paths.displayed(path)} is not valid JSON ({error}). "
            "Restore it: git checkout -- data/models"
        ) from error


def is_shipped(run: str) -> bool:
    """Return whether the network of this run is the shipped one."""
    return card_path().is_file() and read_card().get("run") == runs.full_name(run)


def check_file(path: Path) -> dict | None:
    """Check a network's file against the card beside it; return the card, or None where the file has no card.

    Raises:
        MissingFileError: the file does not exist.
        DataError: the file's SHA-256 is not the card's.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(
            f"The network {paths.displayed(path)} does not exist. Restore it: git checkout -- data/models"
        )
    if not path.with_suffix(".json").is_file():
        return None
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    expected = card["files"].get(path.name, {}).get("sha256")
    received = files.sha256(path)
    if expected and received != expected:
        raise DataError(
            f"The network {paths.displayed(path)} is damaged: its SHA-256 is {received[:12]}…, the model card says "
            f"{expected[:12]}…. Restore it: git checkout -- data/models"
        )
    return card
