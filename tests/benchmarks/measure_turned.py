"""Measure what turning faces upright is worth: mean recall on photographs that are turned in their plane.

    python tests/benchmarks/measure_turned.py FOLDER [pictures per emotion]

FOLDER holds <emotion>/*.jpg. Prints, for each turn, mean recall over the emotions with `LEAST_PICTURES` pictures: of
the largest face of a frame cropped as it lies, of a frame cropped upright, of a still, and of the third frame of a
stream. Then, for the face with the best score in a frame: how often each detector finds one, how often it is clear, and
how often the network takes it for upright as it lies.
"""

import dataclasses
import random
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from emotion_detection.emotions import EMOTIONS
from emotion_detection.faces import cropping, detection, images, stills
from emotion_detection.faces import turned as turned_faces
from emotion_detection.inference import tracking
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.studies.photographs import LEAST_PICTURES

TURNS_DEG = (0, 15, 30, 45, 90, 180, 270)
LONG_SIDE_PX = 500


def turned(bgr, angle_deg):
    """Turn a picture clockwise; its edge is repeated."""
    size = np.array(bgr.shape[1::-1])
    matrix = cv2.getRotationMatrix2D((size - 1) / 2, -angle_deg, 1.0)
    larger = np.ceil(np.abs(matrix[:, :2]) @ size - 1e-6).astype(int)
    matrix[:, 2] += (larger - size) / 2
    return cv2.warpAffine(bgr, matrix, larger, borderMode=cv2.BORDER_REPLICATE)


def crops(bgr, frames, still):
    """Yield the name of each way and its crop of the largest face, or None."""
    stream = tracking.live_detector("yunet")
    for _ in range(2):
        stream.detect(bgr)
    ways = (("as it lies", frames, False), ("frame", frames, True), ("still", still, True), ("stream", stream, True))
    for name, detector, upright in ways:
        box = next(iter(detector.detect(bgr)), None)
        if box is not None and not upright:
            box = dataclasses.replace(box, angle_deg=0.0)
        yield name, None if box is None else cropping.crop_face(bgr, box, framing=detector.framing)


def main(folder, per_emotion=75):
    """Print the table of a folder."""
    frames, still, classifier = (
        detection.load_detector("yunet"),
        stills.load_detector("yunet"),
        EmotionClassifier.load(),
    )
    cascade = detection.load_detector("haar", haar_long_side_px=detection.LIVE_LONG_SIDE_PX)
    rows, finds = [], []

    def is_upright(frame, box, detector):
        if box is None:
            return False
        as_it_lies = dataclasses.replace(box, angle_deg=0.0)
        return classifier.are_upright([cropping.crop_face(frame, as_it_lies, framing=detector.framing)])[0]

    for emotion in EMOTIONS:
        pictures = sorted((Path(folder) / emotion).glob("*.jpg"))
        chosen = random.Random(0).sample(pictures, min(int(per_emotion), len(pictures)))
        for picture in chosen if len(pictures) >= LEAST_PICTURES else ():
            bgr = images.read_picture(picture)
            ratio = min(1.0, LONG_SIDE_PX / max(bgr.shape))
            bgr = cv2.resize(bgr, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
            for turn_deg in TURNS_DEG:
                frame = turned(bgr, turn_deg)
                for detector in (frames, cascade):
                    best = max(detector.detect(frame), key=lambda box: box.score, default=None)
                    is_clear = best is not None and best.score >= turned_faces.SCORES[detector.name].clear
                    finds.append(
                        (detector.name, turn_deg, best is not None, is_clear, is_upright(frame, best, detector))
                    )
                for way, crop in crops(frame, frames, still):
                    right = crop is not None and classifier.predict([crop])[0] == emotion
                    rows.append((way, turn_deg, emotion, right))
    table = pd.DataFrame(rows, columns=["way", "turn", "emotion", "right"])
    print(len(finds) // len(TURNS_DEG) // 2, "photographs")
    print(table.groupby(["way", "turn", "emotion"])["right"].mean().groupby(["way", "turn"]).mean().unstack().round(3))
    found = pd.DataFrame(finds, columns=["detector", "turn", "found", "clear", "upright"])
    print(found.groupby(["detector", "turn"]).mean().unstack("turn").T.round(2))


if __name__ == "__main__":
    main(*sys.argv[1:])
