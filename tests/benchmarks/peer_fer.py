"""Answers of the `fer` package, in a process of its own: `bench_live.py` sends names of JPEG files and reads times.

Its packages lie in a folder of their own (see `install`), because its pins are not ours.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

FER = "fer==25.10.3"
NEEDS = (FER, "setuptools<81")
"""fer imports pkg_resources, which later setuptools do not have. TensorFlow and OpenCV are those of this project."""


def install(folder: Path) -> str | None:
    """Put fer into a folder, once; return why that is not possible, or None."""
    if (folder / "fer").is_dir():
        return None
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *NEEDS]
    done = subprocess.run(command, capture_output=True, text=True)
    return None if done.returncode == 0 else f"{FER} cannot be installed: {done.stderr.strip().splitlines()[-1]}"


def main() -> None:
    """Read a JSON list of JPEG files per line; answer each with a JSON list of milliseconds and of faces found."""
    import cv2
    import numpy as np
    from fer.fer import FER as Detector

    detector = Detector()
    for line in sys.stdin:
        times_ms, faces = [], []
        for path in json.loads(line):
            data = Path(path).read_bytes()
            began = time.perf_counter()
            bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            found = detector.detect_emotions(bgr)
            times_ms.append(1000 * (time.perf_counter() - began))
            faces.append(len(found))
        print("answer", json.dumps({"ms": times_ms, "faces": faces}), flush=True)


if __name__ == "__main__":
    main()
