"""What a set-up needs and whether it is there: native libraries, data, weights, the face detector.

What needs a native library is imported inside the functions: this module must load where one is missing, and say so.
"""

import importlib
import importlib.metadata
import sys

from emotion_detection import files, paths
from emotion_detection.errors import ProjectError
from emotion_detection.reporting import terminal
from emotion_detection.runs import registry, store

REMEDIES = {
    "FER2013": {
        "without_it": "recorded numbers and drawn faces are shown",
        "to_get_it": "`python -m emotion_detection data fetch`",
    },
    "FER+ votes": {"without_it": "recorded numbers are shown", "to_get_it": "put `fer2013new.csv` into `data/raw/`"},
    "ImageNet weights": {"without_it": "nothing, until you train", "to_get_it": "Keras downloads them when you train"},
    "YuNet face detector": {
        "without_it": "OpenCV's Haar cascade finds faces",
        "to_get_it": "`python -m emotion_detection data fetch yunet`",
    },
    "shipped network": {"without_it": "no picture gets an answer", "to_get_it": "`git checkout -- data/models`"},
    "recorded runs": {"without_it": "no figure can be redrawn", "to_get_it": "`git checkout -- data/results`"},
    "a place to write": {
        "without_it": "no figure or run of yours is kept",
        "to_get_it": "set `EMOTION_OUTPUT_DIR` to a folder of yours, then start Jupyter",
    },
}
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


def requirements():
    """Return a DataFrame: what is used, whether it is there, what happens without it, and how to get it.

    It names no paths, so that it can be published.
    """
    import pandas as pd

    from emotion_detection.data import ferplus
    from emotion_detection.faces import detection

    found = {
        "FER2013": _has_fer2013(),
        "FER+ votes": ferplus.find() is not None,
        "ImageNet weights": paths.find_file(*paths.IMAGENET_FILES) is not None,
        "YuNet face detector": detection.find_yunet() is not None,
        "shipped network": registry.card_path().is_file(),
        "recorded runs": bool(store.recorded()),
        "a place to write": _can_write(),
    }
    rows = [{"what": what, "found": is_there} | REMEDIES[what] for what, is_there in found.items()]
    return pd.DataFrame(rows)


def _has_fer2013() -> bool:
    from emotion_detection.data import fer2013

    try:
        fer2013.find_source()
    except ProjectError:  # not there, or damaged: `data check` says what is wrong
        return False
    return True


def _can_write() -> bool:
    try:
        files.require_writable(paths.scratch_dir())
    except ProjectError:
        return False
    return True


def versions():
    """Return a DataFrame: the packages that decide results, and their versions here."""
    import pandas as pd

    names = ("tensorflow", "keras", "ai-edge-litert", "opencv-python-headless", "numpy", "pandas", "scikit-learn")
    return pd.DataFrame([{"package": name, "version": importlib.metadata.version(name)} for name in names])


def main() -> None:
    """Check native libraries, and get YuNet if it can be had; exit 1 if something cannot be loaded."""
    terminal.make_readable()
    sentences = missing_libraries()
    for sentence in sentences:
        sys.stderr.write(sentence + "\n")
    if sentences:
        sys.exit(1)
    from emotion_detection.faces import detection

    sys.stdout.write(f"Face detector: {detection.load_detector().name}\n")


if __name__ == "__main__":
    main()
