"""Where the live cell's frames come from: files, addresses, the clip, the browser."""

import logging
import time

import cv2
import numpy as np
import pytest

import making_videos
from emotion_detection.errors import CameraError
from emotion_detection.inference import tracking
from emotion_detection.live import BrowserCamera, KernelCamera, demo_clip, sources
from playing_page import FACE_JPEG
from stand_ins import face_at

# Files and addresses


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (640, 480))
    for step in range(10):
        writer.write(demo_clip.frame_at(step / 50))
    writer.release()
    return path


def test_a_file_is_shown_at_its_own_pace_and_its_end_is_told(opened, video):
    view, browser = opened(KernelCamera(video))
    began = time.monotonic()
    view.frame.running = True
    assert "clip.avi has ended" in browser.wait_for("ended")["message"].replace("Clip", "clip")
    assert time.monotonic() - began > 0.15
    assert browser.of("frame")


def test_a_file_keeps_its_own_times_and_a_slow_looker_misses_frames_instead_of_pace(tmp_path):
    times_ms = np.array([0, 40, 80, 240, 250, 260, 400, 420, 600])
    path = making_videos.timed(tmp_path / "a:b.webm", times_ms, rate=1000)
    for pause_s in (0.0, 0.3):
        camera, frames = KernelCamera(path), []
        camera.open()
        began = time.monotonic()
        with pytest.raises(CameraError, match="has ended"):
            while True:
                frame = camera.read(0.05)
                if frame is not None:
                    frames.append(frame)
                    time.sleep(pause_s)
        camera.close()
        seen_ms = np.array([1000 * (frame.time_s - frames[0].time_s) for frame in frames])
        assert 0.59 < time.monotonic() - began < 1.6
        if pause_s == 0:
            np.testing.assert_allclose(seen_ms, times_ms, atol=1)
        else:
            assert 2 <= len(frames) < len(times_ms) and np.isin(seen_ms.round(), times_ms).all()


def test_a_file_that_is_no_video_is_told_as_an_analysis_tells_it(tmp_path):
    (tmp_path / "letter.mp4").write_text("no video")
    with pytest.raises(CameraError, match="it holds text"):
        KernelCamera(tmp_path / "letter.mp4").open()


def test_an_address_is_taken_from_the_view_and_opened(opened, video):
    view, browser = opened()
    browser.say({"type": "open", "address": str(video)})
    assert view.frame.sources[view.frame.chosen]["key"] == "address"
    browser.wait_for("frame")


@pytest.mark.parametrize(
    "address",
    [
        "nothing/there.mp4",
        "rtsp://me:secret@127.0.0.1:9/stream?key=secret",
        "rtsp://me:sec/secret@127.0.0.1:9/x",
        "rtsp://127.0.0.1:9/user=admin_password=secret_channel=1",
        "rtsp://me:s[secret@127.0.0.1:9/x",
        "me:secret@127.0.0.1/stream",
        "me:secret@127.0.0.1",
        "rtsp://me:secret@127.0.0.1:9/\udce9",
        "secret@\udce9.mp4",
        "nothing\0.mp4",
    ],
)
def test_what_does_not_open_is_told_without_credentials(opened, address, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    view, browser = opened()
    browser.say({"type": "open", "address": address})
    message = browser.wait_for("ended")["message"]
    assert "There is no video" in message or message.startswith("The rtsp stream")
    assert "secret" not in message
    states = str([widget.get_state() for widget in (view, view.frame)])
    written = capfd.readouterr()
    assert "secret" not in states + caplog.text + written.out + written.err + str(browser.messages)


def test_an_address_is_asked_for_before_it_is_opened(opened):
    view, browser = opened()
    view.frame.chosen = [each["key"] for each in view.frame.sources].index("address")
    view.frame.running = True
    assert "Pass a camera's number" in browser.wait_for("ended")["message"]


def test_another_address_is_opened_while_one_is_shown(opened, video):
    _, browser = opened()
    browser.say({"type": "open", "address": str(video)})
    browser.wait_for("frame")
    browser.say({"type": "open", "address": "nothing/there.mp4"})
    assert "nothing/there.mp4" in browser.wait_for("ended")["message"]


def test_an_address_is_told_by_its_kind_and_a_file_by_its_name():
    assert sources.public_name("rtsp://u:p@host:554/a/b?token=1#x") == "the rtsp stream"
    assert sources.public_name("secret words://host") == "the stream"
    assert sources.public_name("/videos/me.mp4") == "me.mp4"
    assert sources.public_name("me:secret@host") == "that file"


# The rest


def test_of_frames_that_wait_only_the_newest_is_looked_at_and_the_others_are_reported(opened):
    camera = BrowserCamera()
    assert camera.put(FACE_JPEG, sequence=1) is None
    assert camera.put(FACE_JPEG, sequence=2) == 1
    assert camera.read(0.0).sequence == 2
    assert camera.read(0.0) is None


def test_the_clip_is_a_portrait_that_moves_and_turns_and_begins_anew(detector):
    overlaps = []
    for time_s in np.arange(0, demo_clip.PERIOD_S, 1.0):
        found = detector.detect(demo_clip.frame_at(time_s))
        overlaps.append(max((tracking.overlap(box, face_at(time_s)) for box in found), default=0))
    assert np.mean(np.array(overlaps) > 0.5) > 0.7
    assert np.array_equal(demo_clip.frame_at(1.0), demo_clip.frame_at(1.0 + demo_clip.PERIOD_S))
