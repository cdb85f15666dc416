"""What a set-up needs and whether it is there: native libraries, data, weights, the face detector."""

import importlib
import importlib.metadata
import sys

from emotion_detection import paths
from emotion_detection.errors import ProjectError
from emotion_detection.runs import registry, store

NATIVE_MODULES = {"cv2": "OpenCV", "ai_edge_litert.interpreter": "LiteRT"}


def missing_libraries() -> list[str]:
    """Return a sentence for each native module that cannot be loaded, with what to install."""
    sentences = []
    for module, name in NATIVE_MODULES.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            sentences.append(
                f"{name} cannot be loaded: {error}. Install the library that is named: on Debian and Ubuntu "
                "`apt install libglib2.0-0 libgomp1 libstdc++6` holds the usual ones; on Windows the "
                "Microsoft Visual C++ Redistributable; on macOS nothing should be missing (reinstall Python)."
            )
    return sentences


def setup_table():
    """Return a DataFrame: what is needed, whether it is there, and what to do or use instead.

    It names no paths, so that it can be published.
    """
    import pandas as pd

    from emotion_detection.data import ferplus
    from emotion_detection.faces import detection

    rows = [
        ("FER2013", _has_fer2013(), "recorded numbers are shown"),
        ("FER+ votes", ferplus.find() is not None, "recorded FER+ scores are shown"),
        (
            "ImageNet weights",
            paths.find_file(*paths.IMAGENET_FILES) is not None,
            "Keras downloads them to train",
        ),
        ("YuNet face detector", detection.find_yunet() is not None, "OpenCV's Haar cascade finds faces"),
        ("shipped network", registry.card_path().is_file(), "git checkout -- data/models"),
        ("recorded runs", bool(store.recorded()), "git checkout -- data/results"),
    ]
    table = pd.DataFrame(rows, columns=["what", "found", "if not"])
    table["found"] = table["found"].map({True: "yes", False: "no"})
    return table.set_index("what")


def _has_fer2013() -> bool:
    from emotion_detection.data import fer2013

    try:
        fer2013.find_source()
    except ProjectError:  # not there, or damaged: `data check` says what is wrong
        return False
    return True


def versions_table():
    """Return a DataFrame: the packages that decide results, and their versions here."""
    import pandas as pd

    names = ("tensorflow", "keras", "ai-edge-litert", "opencv-python-headless", "numpy", "pandas", "scikit-learn")
    versions = [(name, importlib.metadata.version(name)) for name in names]
    return pd.DataFrame(versions, columns=["package", "version"]).set_index("package")


def main() -> None:
    """Check native libraries and try to get YuNet once; exit 1 if something cannot be loaded."""
    sentences = missing_libraries()
    for sentence in sentences:
        sys.stderr.write(sentence + "\n")
    if sentences:
        sys.exit(1)
    from emotion_detection.faces import detection

    sys.stdout.write(detection.fetch_yunet() + "\n")


if __name__ == "__main__":
    main()
