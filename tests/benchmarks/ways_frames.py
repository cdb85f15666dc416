"""Ways from the JPEG files of 640×480 frames, or a video, to faces with emotions."""

from pathlib import Path

import cv2
import harness
import numpy as np

from emotion_detection import paths
from emotion_detection.inference import stream, tracking
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.live import sources
from emotion_detection.runs import registry


def package(settings: dict):
    """This package: what the live cell does with a frame of the browser."""
    files = [Path(file).read_bytes() for file in settings["files"]]
    network = EmotionClassifier.load()

    def turn():
        looking = stream.Engine({"shipped": network}, tracking.live_detector(settings["detector"]))
        frames = (stream.Frame(sources.decode_jpeg(data), number / 15, number) for number, data in enumerate(files))
        return {"faces": [len(looking.answer(frame).faces) for frame in frames]}

    return turn


def old_script(settings: dict):
    """The older repository's webcam script: Haar at full size, the crop narrowed by 30 %, `predict` for each face."""
    from emotion_detection.training import mobilenet

    files = [Path(file).read_bytes() for file in settings["files"]]
    network = mobilenet.load_network(paths.models_dir() / f"{registry.SHIPPED}.keras")
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")

    def turn():
        faces = []
        for data in files:
            gray = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2GRAY)
            found = cascade.detectMultiScale(gray, scaleFactor=1.1, minNeighbors=4, minSize=(48, 48))
            for x, y, width, height in found:
                margin = int(0.15 * width)
                crop = cv2.resize(gray[y : y + height, x + margin : x + width - margin], (48, 48))
                network.predict(crop[None, :, :, None], verbose=0)
            faces.append(len(found))
        return {"faces": faces}

    return turn


def video(settings: dict):
    """This package: a video into a CSV."""
    from emotion_detection.inference import recording

    network = EmotionClassifier.load()

    def turn():
        csv = Path(settings["csv"])
        csv.unlink(missing_ok=True)
        summary = recording.write_recording(
            settings["file"],
            csv=csv,
            detector=tracking.live_detector(settings["detector"]),
            classifier=network,
            every_ms=settings.get("every_ms"),
            progress=False,
        )
        return {"frames": summary.frames}

    return turn


WAYS = {"package": package, "old script": old_script, "video": video}

if __name__ == "__main__":
    harness.serve(WAYS)
