"""Write the golden crops and probabilities of the portrait, after a change that is meant to alter them.

    python tests/golden/make_golden.py

Writes `astronaut_crops.npz` (the crop of each detector) and, where the shipped network is there,
`astronaut_probabilities.json` (seven probabilities per detector and transform). Needs the YuNet detector. Look at the
difference before committing it.
"""

from pathlib import Path

import cv2
import numpy as np

from emotion_detection import files, paths
from emotion_detection.faces import cropping, detection, images
from emotion_detection.inference import pipeline
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs import registry

FOLDER = Path(__file__).resolve().parent
CROPS = FOLDER / "astronaut_crops.npz"
PROBABILITIES = FOLDER / "astronaut_probabilities.json"


def portrait():
    """Return the portrait, uint8 (512, 512, 3), BGR."""
    return images.read_picture(paths.sample_dir() / "astronaut.webp")


def warped(frame, *, angle_deg=0.0, shift_px=(0, 0)):
    """Turn a frame about the portrait's face, counter-clockwise, and shift it; the edge is repeated."""
    matrix = cv2.getRotationMatrix2D((224, 113), angle_deg, 1.0)
    matrix[:, 2] += shift_px
    return cv2.warpAffine(frame, matrix, frame.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def scaled(frame, factor):
    """Enlarge or reduce a frame."""
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(frame, None, fx=factor, fy=factor, interpolation=interpolation)


def noisy(frame, sigma=15.0):
    """Add normal noise, the same at every call."""
    noise = np.random.default_rng(0).normal(0.0, sigma, frame.shape)
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


TRANSFORMS = {
    "reduced to 60 %": lambda frame: scaled(frame, 0.6),
    "enlarged to 180 %": lambda frame: scaled(frame, 1.8),
    "shifted by 37 and 21 px": lambda frame: warped(frame, shift_px=(37, 21)),
    "turned 10° left": lambda frame: warped(frame, angle_deg=10),
    "turned 10° right": lambda frame: warped(frame, angle_deg=-10),
    "darkened to 40 %": lambda frame: cv2.convertScaleAbs(frame, alpha=0.4),
    "lightened by 50": lambda frame: cv2.add(frame, np.full_like(frame, 50)),
    "blurred, sigma 2 px": lambda frame: cv2.GaussianBlur(frame, (0, 0), 2.0),
    "noise, sigma 15": noisy,
    "mirrored": lambda frame: cv2.flip(frame, 1),
}
"""Name → function from a BGR frame to another: the ten under which the portrait must stay Happy."""


def probabilities(detector, classifier):
    """Return transform → probabilities of the largest face, rounded to four decimals."""
    frames = {"unchanged": portrait()} | {name: change(portrait()) for name, change in TRANSFORMS.items()}
    found = {
        name: pipeline.analyse_frame(frame, detector=detector, classifier=classifier) for name, frame in frames.items()
    }
    return {name: np.round(answers[0].probabilities.astype(float), 4).tolist() for name, answers in found.items()}


def main():
    detectors = [detection.load_detector(name) for name in ("yunet", "haar")]
    frame = portrait()
    crops = {
        detector.name: cropping.crop_face(frame, detector.detect(frame)[0], framing=detector.framing)
        for detector in detectors
    }
    with files.written_beside(CROPS) as temporary:
        np.savez_compressed(temporary, **crops)
    print(f"wrote {CROPS.name}")
    if not registry.card_path().is_file():
        print(f"{PROBABILITIES.name} not written: data/models/ holds no network")
        return
    classifier = EmotionClassifier.load(labels="fer2013")
    values = {detector.name: probabilities(detector, classifier) for detector in detectors}
    network = {key: classifier.metadata[key] for key in ("run", "finished")}
    files.write_json(PROBABILITIES, network | values)
    print(f"wrote {PROBABILITIES.name}")


if __name__ == "__main__":
    main()
