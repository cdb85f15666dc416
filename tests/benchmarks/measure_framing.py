"""Measure how FER2013's faces sit in their 48 px, as each detector sees it; prints the numbers for `detection.py`.

    python tests/benchmarks/measure_framing.py [N [yunet | haar]]

N faces of Training (4,000 if not given), evenly spaced, are enlarged and set into a larger frame whose margin repeats
their outermost pixels, at three sizes. For each detector that finds exactly one face, the position of the face's
48-px square relative to the detector's box gives scale and offsets; their medians are the framing. The overlap
(intersection over union) of the square so predicted with the true one says how well one framing serves all faces.
"""

import sys

import cv2
import numpy as np
import pandas as pd
import tqdm

from emotion_detection.data import load_fer2013
from emotion_detection.faces import detection

DETECTORS = {"yunet": detection.YuNetDetector, "haar": lambda: detection.HaarDetector(score_threshold=0.0)}
"""Name → detector; the cascade without its threshold, which would only drop 4 % of these faces."""

FACE_SIDES_PX = (96, 144, 192)
"""The face's square in the frame, whose side is twice as long."""


def framed(face, side):
    """Return a BGR frame of twice `side` with the face, uint8 (48, 48), enlarged to `side` in its middle."""
    enlarged = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    margin = side // 2
    frame = cv2.copyMakeBorder(enlarged, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    return cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)


def measure(detector, pixels):
    """Return a table with a row per face and size in which the detector found exactly one face."""
    rows = []
    for index, face in enumerate(tqdm.tqdm(pixels, desc=detector.name)):
        for side in FACE_SIDES_PX:
            boxes = detector.detect(framed(face, side))
            if len(boxes) == 1:
                rows.append({"index": index, "side": side, **relative(boxes[0], side)})
    return pd.DataFrame(rows)


def relative(box, side):
    """Return scale and offsets that lead from the box to the true square, in several units of the box."""
    center_x, center_y = box.x + box.width / 2, box.y + box.height / 2
    units = {"root_area": np.sqrt(box.area), "width": box.width, "height": box.height}
    values = {"x": center_x, "y": center_y, "box_width": box.width, "box_height": box.height}
    for name, size in units.items():
        values |= {
            f"scale_{name}": side / size,
            f"offset_x_{name}": (side - center_x) / size,
            f"offset_y_{name}": (side - center_y) / size,
        }
    return values


def overlap(table, unit, scale, offset_x, offset_y):
    """Return the intersection over union of predicted and true square, float array (rows,)."""
    size = table.side / table[f"scale_{unit}"]
    predicted = scale * size
    shift_x = np.abs(table.x + offset_x * size - table.side)
    shift_y = np.abs(table.y + offset_y * size - table.side)
    common = np.minimum(predicted, table.side)
    inside_x = np.clip(np.minimum(common, (predicted + table.side) / 2 - shift_x), 0, None)
    inside_y = np.clip(np.minimum(common, (predicted + table.side) / 2 - shift_y), 0, None)
    intersection = inside_x * inside_y
    return intersection / (predicted**2 + table.side**2 - intersection)


def report(detector, pixels):
    """Print the medians for one detector, with spread, per unit and per size."""
    table = measure(detector, pixels)
    tried = len(pixels) * len(FACE_SIDES_PX)
    print(
        f"{detector.name}: one face found in {len(table):,} of {tried:,} frames of {table['index'].nunique():,} faces"
    )
    print("  per size:", table.side.value_counts().sort_index().to_dict())
    for unit in ("root_area", "width", "height"):
        columns = [f"scale_{unit}", f"offset_x_{unit}", f"offset_y_{unit}"]
        medians = [float(np.median(table[column])) for column in columns]
        quartiles = [np.round(np.quantile(table[column], [0.25, 0.75]), 3).tolist() for column in columns]
        overlaps = overlap(table, unit, *medians)
        print(
            f"  in units of {unit}: scale {medians[0]:.3f} {quartiles[0]}, offset x {medians[1]:+.3f} {quartiles[1]}, "
            f"offset y {medians[2]:+.3f} {quartiles[2]}; overlap median {np.median(overlaps):.3f}, "
            f"10th percentile {np.quantile(overlaps, 0.1):.3f}"
        )
    print(table.groupby("side")[["scale_root_area", "offset_x_root_area", "offset_y_root_area"]].median().round(3))


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    training = load_fer2013().training
    pixels = training.pixels[np.linspace(0, len(training) - 1, count).astype(int)]
    for name in sys.argv[2:] or DETECTORS:
        report(DETECTORS[name](), pixels)


if __name__ == "__main__":
    main()
