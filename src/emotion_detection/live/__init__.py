"""The live cell: a camera in a notebook, with answers on the picture. TensorFlow is never imported here."""

from emotion_detection.live.sources import BrowserCamera, FileReplay, KernelCamera
from emotion_detection.live.widget import LiveView

__all__ = ["BrowserCamera", "FileReplay", "KernelCamera", "LiveView"]
