"""Ways of the `fer` package. Run with the interpreter of `fer_environment`; needs nothing of this project."""

from pathlib import Path

import harness


def frames(settings: dict):
    """Find faces in JPEG files and name their emotions, file by file."""
    import cv2
    import numpy as np
    from fer.fer import FER

    detector = FER()
    files = [Path(file).read_bytes() for file in settings["files"]]

    def turn():
        faces = [detector.detect_emotions(cv2.imdecode(np.frombuffer(data, np.uint8), 1)) for data in files]
        return {"faces": [len(found) for found in faces]}

    return turn


def face(settings: dict):
    """Name the emotion of faces whose box is known, one call for all of them; its network alone."""
    import cv2
    import numpy as np
    from fer.fer import FER

    detector = FER()

    def turn(faces: int, calls: int):
        pixels = np.random.default_rng(0).integers(0, 256, (64, 64 * faces), np.uint8)
        row = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
        boxes = [(64 * index, 0, 64, 64) for index in range(faces)]
        for _ in range(calls):
            detector.detect_emotions(row, face_rectangles=boxes)

    return turn


def video(settings: dict):
    """Look at every frame of a video."""
    import cv2
    from fer.fer import FER

    detector = FER()

    def turn():
        capture, count = cv2.VideoCapture(settings["file"]), 0
        while True:
            is_read, bgr = capture.read()
            if not is_read:
                return {"frames": count}
            detector.detect_emotions(bgr)
            count += 1

    return turn


WAYS = {"frames": frames, "face": face, "video": video}

if __name__ == "__main__":
    harness.serve(WAYS)
