"""Write faces as a folder of pictures, as a reader's own would lie there, and plain pictures for a drawn network."""

import json
from pathlib import Path

import cv2
import numpy as np

from emotion_detection.data import FaceDataset, own_pictures_settings
from emotion_detection.emotions import EMOTIONS
from emotion_detection.faces import cropping

SHADES = {name: 30 * index + 40 for index, name in enumerate(EMOTIONS)}
BLACK = 0
"""Plain pictures stand for photographs: a shade of grey for each emotion, black for a picture without a face."""


class WholePicture:
    """A detector that takes a picture for one face, and a black picture for none."""

    name, framing = "whole picture", cropping.Framing(scale=1.0, offset_x=0.0, offset_y=0.0)

    def detect(self, frame_bgr):
        height, width = frame_bgr.shape[:2]
        return [cropping.FaceBox(0, 0, width, height)] if frame_bgr.max() > 20 else []


def name_shades(crops):
    """Name the emotion whose shade of grey is nearest."""
    shades = np.array(list(SHADES.values()))
    return -np.abs(crops.mean(axis=(1, 2))[:, None] - shades[None])


def write_gray(path: Path, shade: int) -> None:
    """Write a plain grey picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((60, 60, 3), shade, np.uint8))


def write_pictures(dataset: FaceDataset, folder: Path) -> Path:
    """Write `<folder>/<emotion>/<row>.png` and a `pictures.json` that says they are crops; return the folder."""
    for pixels, label, row in zip(dataset.pixels, dataset.emotion, dataset.row, strict=True):
        path = folder / EMOTIONS[label] / f"{row:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    (folder / own_pictures_settings.SETTINGS_FILE).write_text(json.dumps({"crop": "none"}))
    return folder
