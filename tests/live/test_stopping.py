"""The live cell lets go of its camera however it is stopped, and says what went wrong."""

import gc
import time
import weakref

import numpy as np
import pytest

from emotion_detection.errors import CameraError, MissingFileError
from emotion_detection.live import FileReplay, LiveView, sources, worker
from emotion_detection.live.widget import _deliver
from emotion_detection.live.worker import Trouble
from playing_page import alive

# Stops for sure


class Device(FileReplay):
    """A camera that only one can have open."""

    users = 0

    def open(self):
        if Device.users:
            raise CameraError("The camera is busy: another program uses it. Close that program.")
        Device.users += 1
        super().open()

    def close(self):
        Device.users -= self._began_s is not None
        super().close()


@pytest.mark.parametrize("way", ["stop", "trait", "close", "source", "silence"])
def test_the_camera_is_released_however_it_is_stopped(opened, monkeypatch, way):
    view, browser = opened(Device())
    view.frame.running = True
    browser.wait_for("frame")
    assert Device.users == 1
    if way == "silence":
        monkeypatch.setattr(worker, "PATIENCE_S", 0.3)
        browser.acknowledges = False
        assert "not heard of" in browser.wait_for("ended")["message"]
    else:
        actions = {
            "stop": view.stop,
            "trait": lambda: setattr(view.frame, "running", False),
            "close": view.close,
            "source": lambda: setattr(view.frame, "chosen", 1),
        }
        actions[way]()
    ends = time.monotonic() + 5
    while (Device.users or alive()) and time.monotonic() < ends:
        time.sleep(0.02)
    assert Device.users == 0 and not alive()
    assert not view.is_running


def test_started_again_at_once_it_waits_for_the_device_to_be_free(opened):
    view, browser = opened(Device())
    for count in range(1, 5):
        view.frame.running = True
        browser.wait_for("frame", count=count)
        view.frame.running = False
    assert not browser.of("ended")


def test_a_view_that_is_collected_leaves_no_thread(classifier, detector):
    view = LiveView(FileReplay(), classifier=classifier, detector=detector)
    view.frame.running = True
    gone, thread = weakref.ref(view), view._worker
    view.close()
    thread.join(5)
    assert not thread.is_alive()
    del view
    gc.collect()
    assert gone() is None


def test_lost_frames_do_not_stop_the_stream(opened, monkeypatch):
    monkeypatch.setattr("emotion_detection.live.widget.LOST_S", 0.2)
    view, browser = opened(FileReplay())
    browser.acknowledges = False
    view.frame.running = True
    browser.wait_for("frame", count=5)


def test_what_an_earlier_worker_still_has_to_say_is_not_heard(opened):
    view, browser = opened(FileReplay())
    view.frame.running = True
    browser.wait_for("frame")
    earlier = view._worker
    view.stop()
    view.frame.running = True
    told = len(browser.messages)
    assert _deliver(weakref.ref(view), earlier, Trouble("over", ends=True)) is False
    assert view.frame.running and not [each for each, _ in browser.messages[told:] if each["type"] == "ended"]


# Bad days


def test_a_busy_camera_ends_in_a_message_and_a_second_view_goes_on(opened):
    first, first_browser = opened(Device())
    second, second_browser = opened(Device())
    first.frame.running = True
    first_browser.wait_for("frame")
    second.frame.running = True
    assert "busy" in second_browser.wait_for("ended")["message"]
    assert not second.frame.running
    n = len(first_browser.of("frame"))
    first_browser.wait_for("frame", count=n + 2)


def test_a_camera_that_is_not_there_says_so_and_offers_others(opened, monkeypatch):
    view, browser = opened()
    browser.say({"type": "open", "address": "3"})
    message = browser.wait_for("ended")["message"]
    assert "The kernel's camera 3 does not open" in message and "this browser's camera" in message
    assert not view.frame.running


def test_a_camera_that_stops_giving_frames_ends_in_a_message(opened):
    class Unplugged(FileReplay):
        def read(self, timeout_s):
            if self._sequence >= 3:
                raise CameraError("The kernel's camera 0 gives no more frames: unplugged.")
            return super().read(timeout_s)

    view, browser = opened(Unplugged())
    view.frame.running = True
    assert "unplugged" in browser.wait_for("ended")["message"]
    assert not view.frame.running


def test_an_exception_on_one_frame_is_shown_and_the_stream_goes_on(opened, detector):
    class Moody:
        name, framing = "moody", detector.framing
        calls = 0

        def detect(self, frame_bgr):
            Moody.calls += 1
            if Moody.calls == 2:
                raise RuntimeError("a bad moment")
            return detector.detect(frame_bgr)

    view, browser = opened(FileReplay(), detector=Moody())
    view.frame.running = True
    browser.wait_for("frame", count=3)
    assert "RuntimeError: a bad moment" in browser.of("error")[0]["message"]


def test_a_missing_network_is_told_with_what_to_do(tmp_path):
    with pytest.raises(MissingFileError, match=r"gone\.tflite is missing"):
        LiveView(classifier=tmp_path / "gone.tflite")


def test_no_face_is_an_answer(opened):
    class Wall(FileReplay):
        def read(self, timeout_s):
            frame = super().read(timeout_s)
            return frame and sources.Frame(np.full((480, 640, 3), 90, np.uint8), frame.time_s, frame.sequence)

    view, browser = opened(Wall())
    view.frame.running = True
    assert browser.wait_for("frame", count=3)["faces"] == []
    assert view.timeline().empty
