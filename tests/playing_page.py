"""What tests of the live cell share: a page that is played by the test, and the workers that run."""

import threading

import cv2
import numpy as np

from emotion_detection.live import LiveView, demo_clip


def jpeg(bgr: np.ndarray) -> bytes:
    """Return a picture as JPEG."""
    return cv2.imencode(".jpg", bgr)[1].tobytes()


FACE_JPEG = jpeg(demo_clip.frame_at(0.0))


def alive() -> list[threading.Thread]:
    """Return the live workers that run."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("live:")]


class Browser:
    """Plays the page: keeps what a view sends, answers as told."""

    def __init__(self, view: LiveView, monkeypatch, *, acknowledges: bool = True):
        self.view, self.messages, self.acknowledges = view, [], acknowledges
        self.arrived = threading.Condition()
        monkeypatch.setattr(view.frame, "send", self._take)

    def _take(self, content, buffers=None):
        with self.arrived:
            self.messages.append((content, buffers))
            self.arrived.notify_all()
        if content["type"] == "frame" and self.acknowledges:
            self.say({"type": "ack", "seq": content["seq"]})

    def say(self, content, buffers=()):
        self.view.frame._handle_custom_msg(content, list(buffers))

    def of(self, kind: str) -> list[dict]:
        return [content for content, _ in self.messages if content["type"] == kind]

    def wait_for(self, kind: str, *, count: int = 1, timeout_s: float = 20) -> dict:
        with self.arrived:
            done = self.arrived.wait_for(lambda: len(self.of(kind)) >= count, timeout_s)
        assert done, f"no {kind} among {[content for content, _ in self.messages]}"
        return self.of(kind)[-1]
