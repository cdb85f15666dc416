"""Ways to load FER2013 from `fer2013.csv`."""

from pathlib import Path

import harness
import numpy as np


def package(settings: dict):
    """This package: parse the CSV, or map the cache of an earlier parse."""
    from emotion_detection.data import load_fer2013

    path = Path(settings["csv"])
    return lambda: {"faces": len(load_fer2013(path=path, allow_altered=True, use_cache=settings["cache"]))}


def lists(settings: dict):
    """The way of many notebooks: a list of ints per row, then a float64 RGB array of all (2 GB)."""

    def turn():
        with Path(settings["csv"]).open() as stream:
            next(stream)
            rows = [[int(pixel) for pixel in line.split(",")[1].split()] for line in stream]
        gray = np.array(rows, dtype=np.float64).reshape(-1, 48, 48, 1)
        return {"faces": len(np.repeat(gray, 3, axis=3))}

    return turn


def pandas(settings: dict):
    """Plain pandas: read the CSV, split each row's pixels into a uint8 array."""
    import pandas as pd

    def turn():
        table = pd.read_csv(settings["csv"])
        faces = np.stack([np.array(pixels.split(), np.uint8) for pixels in table["pixels"]])
        return {"faces": len(faces.reshape(-1, 48, 48))}

    return turn


def read_bytes(settings: dict):
    """Read a file, and do nothing with it: the limit."""
    return lambda: {"bytes": len(Path(settings["file"]).read_bytes())}


WAYS = {"package": package, "lists": lists, "pandas": pandas, "bytes": read_bytes}

if __name__ == "__main__":
    harness.serve(WAYS)
