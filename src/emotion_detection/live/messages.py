"""What the kernel sends to the page: the faces of an answer as plain values, and a frame as JPEG."""

import itertools

import cv2

from emotion_detection.emotions import DISPLAY_NAMES
from emotion_detection.inference.stream import Frame, Heat, LiveResult

SENT_JPEG_QUALITY = 75
SENT_LONG_SIDE_PX = 640


def faces_of(result: LiveResult) -> list[dict]:
    """Return the faces of a result as the page draws them: boxes as shares of the frame."""
    width, height = result.size
    lines = []
    for index, (face, heat) in enumerate(itertools.zip_longest(result.faces, result.heats)):
        box = face.box
        shares = (box.x / width, box.y / height, box.width / width, box.height / height)
        found = {name: faces[index] for name, faces in result.by_network.items()}
        lines.append(
            {
                "id": face.identity,
                "box": [round(value, 4) for value in shares],
                "probabilities": {
                    name: [round(float(value), 3) for value in each.probabilities] for name, each in found.items()
                },
                "labels": {name: DISPLAY_NAMES.get(each.label, each.label) for name, each in found.items()},
                "heat": None if heat is None else _heat_of(heat, width, height),
            }
        )
    return lines


def _heat_of(heat: Heat, width: int, height: int) -> dict:
    """Return a face's heat as the page draws it: its square as shares of the frame, its cells row by row, 0–1."""
    left, top, side = heat.square
    shares = (left / width, top / height, side / width, side / height)
    return {"square": [round(value, 4) for value in shares], "cells": heat.values.astype(float).round(2).tolist()}


def jpeg_of(frame: Frame) -> bytes:
    """Return a frame as JPEG for the page to show, reduced to 640 px."""
    if frame.jpeg is not None:
        return frame.jpeg
    bgr = frame.bgr
    ratio = SENT_LONG_SIDE_PX / max(bgr.shape[:2])
    if ratio < 1:
        bgr = cv2.resize(bgr, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, SENT_JPEG_QUALITY])[1].tobytes()
