"""Write faces as a folder of pictures, as a reader's own would lie there."""

import json
from pathlib import Path

import cv2

from emotion_detection.data import FaceDataset, own_pictures_settings
from emotion_detection.emotions import EMOTIONS


def write_pictures(dataset: FaceDataset, folder: Path) -> Path:
    """Write `<folder>/<emotion>/<row>.png` and a `pictures.json` that says they are crops; return the folder."""
    for pixels, label, row in zip(dataset.pixels, dataset.emotion, dataset.row, strict=True):
        path = folder / EMOTIONS[label] / f"{row:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    (folder / own_pictures_settings.SETTINGS_FILE).write_text(json.dumps({"crop": "none"}))
    return folder
