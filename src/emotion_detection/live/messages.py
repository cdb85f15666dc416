"""What the kernel sends: an answer to the page and as JSON, a frame as JPEG."""

import itertools
from collections.abc import Set

import cv2

from emotion_detection.emotions import DISPLAY_NAMES
from emotion_detection.inference.pipeline import NO_UPRIGHT_FACE, NOT_SURE
from emotion_detection.inference.stream import Frame, Heat, LiveResult
from emotion_detection.inference.tracking import TrackedFace

SENT_JPEG_QUALITY = 75
SENT_LONG_SIDE_PX = 640
PEOPLE = 10  # a share of the votes is told as so many people


def faces_of(result: LiveResult, *, of_votes: Set[str] = frozenset()) -> list[dict]:
    """Return the faces of a result as the page draws them: boxes as shares of the frame.

    `of_votes` names the networks whose answers are shares of people's votes.
    """
    width, height = result.size
    lines = []
    for index, (face, heat) in enumerate(itertools.zip_longest(result.faces, result.heats)):
        found = {name: faces[index] for name, faces in result.by_network.items()}
        shares = {name: _share_of(each, name in of_votes) for name, each in found.items()}
        lines.append(
            {
                "id": face.identity,
                "box": _box_of(face, result),
                "probabilities": {
                    name: [round(float(value), 3) for value in each.probabilities] for name, each in found.items()
                },
                "labels": {name: DISPLAY_NAMES.get(each.label, each.label) for name, each in found.items()},
                "shares": shares,
                "said": {name: _said(each, shares[name], name in of_votes) for name, each in found.items()},
                "heat": None if heat is None else _heat_of(heat, width, height),
            }
        )
    return lines


def answer_of(result: LiveResult, *, time_s: float) -> dict:
    """Return a result as other programs get it, by the first network: plain values, boxes as shares of the frame."""
    return {
        "time_s": round(time_s, 3),
        "faces": [
            {
                "face": face.identity,
                "box": _box_of(face, result),
                "label": face.label,
                "shares": {
                    name: round(float(value), 4) for name, value in zip(face.classes, face.probabilities, strict=True)
                },
            }
            for face in result.faces
        ],
    }


def _share_of(face: TrackedFace, of_votes: bool) -> str:
    """Return the share of the most probable emotion: "7 of 10" people, or "68 %"."""
    return f"{round(PEOPLE * face.confidence)} of {PEOPLE}" if of_votes else f"{100 * face.confidence:.0f} %"


def _said(face: TrackedFace, share: str, of_votes: bool) -> str:
    """Return what the share is of: of people who say so, or of the emotion that comes first where it is not sure."""
    if not face.box.is_upright:
        return NO_UPRIGHT_FACE
    sure, top = face.label != NOT_SURE, DISPLAY_NAMES[face.likeliest]
    if of_votes:
        return f"{share} would say {'so' if sure else top}"
    return share if sure else f"{share} for {top}"


def _box_of(face: TrackedFace, result: LiveResult) -> list[float]:
    (width, height), box = result.size, face.box
    return [round(value, 4) for value in (box.x / width, box.y / height, box.width / width, box.height / height)]


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
