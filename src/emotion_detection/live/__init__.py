"""The live cell: a camera in a notebook, with answers on the picture.

Here belongs what brings frames to the network and answers to the page: sources, the worker thread, the widget. Finding
and classifying faces is in `inference/`. TensorFlow is never imported here.
"""

from emotion_detection.live.sources import BrowserCamera, FileReplay, KernelCamera
from emotion_detection.live.widget import LiveView

__all__ = ["BrowserCamera", "FileReplay", "KernelCamera", "LiveView"]
