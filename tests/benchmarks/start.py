"""First answer about a picture, in a new process: `python start.py package|keras|fer PICTURE`; prints its peak memory.

`fer` runs in the environment of `fer_environment`, which has nothing of this project: each way imports its own.
"""

import sys

import harness


def package(picture: str) -> str:
    """This package."""
    from emotion_detection.faces import detection, images
    from emotion_detection.inference import pipeline
    from emotion_detection.inference.classifier import EmotionClassifier

    frame_bgr = images.read_picture(picture)
    found = pipeline.analyse_frame(frame_bgr, detector=detection.load_detector(), classifier=EmotionClassifier.load())
    return found[0].label


def keras(picture: str) -> str:
    """The same network in Keras."""
    from emotion_detection import paths
    from emotion_detection.emotions import EMOTIONS
    from emotion_detection.faces import detection, images
    from emotion_detection.runs import registry
    from emotion_detection.training import mobilenet

    _, crops = detection.find_faces(images.read_picture(picture), detection.load_detector())
    network = mobilenet.load_network(paths.models_dir() / f"{registry.SHIPPED}.keras")
    return EMOTIONS[int(network.predict(crops[0][None, :, :, None], verbose=0)[0].argmax())]


def fer(picture: str) -> str:
    """The `fer` package."""
    import cv2
    from fer.fer import FER

    emotions = FER().detect_emotions(cv2.imread(picture))[0]["emotions"]
    return max(emotions, key=emotions.get)


if __name__ == "__main__":
    way, picture = sys.argv[1:]
    print({"package": package, "keras": keras, "fer": fer}[way](picture), harness.peak_mb())
