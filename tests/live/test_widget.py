"""The kernel's half of the live cell: sources, worker, messages; the browser is played by the test."""

import gc
import logging
import shutil
import subprocess
import sys
import threading
import time
import weakref

import cv2
import numpy as np
import pytest

from emotion_detection import paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import CameraError, DataError, MissingFileError
from emotion_detection.faces import detection
from emotion_detection.inference import tracking
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.inference.tracking import NOT_SURE
from emotion_detection.live import BrowserCamera, FileReplay, KernelCamera, LiveView, demo_clip, sources, worker
from emotion_detection.live.timeline import COLUMNS, Timeline
from emotion_detection.live.widget import FOLDER, _deliver
from emotion_detection.live.worker import Trouble

NODE = shutil.which("node")


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier.load()


@pytest.fixture(scope="module")
def detector():
    return detection.load_detector("haar")


def jpeg(bgr: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", bgr)[1].tobytes()


FACE_JPEG = jpeg(demo_clip.frame_at(0.0))


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


@pytest.fixture
def opened(classifier, detector, monkeypatch):
    """A function that makes a view with its browser; all are closed at the end, and no thread is left."""
    views = []

    def make(source=None, **settings) -> tuple[LiveView, Browser]:
        view = LiveView(source, **({"classifier": classifier, "detector": detector} | settings))
        views.append(view)
        return view, Browser(view, monkeypatch)

    yield make
    for view in views:
        view.close()
    assert not alive()


# The path of a frame


def test_every_frame_of_the_browser_is_answered_with_the_face_where_it_is(opened):
    view, browser = opened()
    view.frame.running = True
    assert browser.wait_for("opened")["detector"] == "Haar"
    browser.say({"type": "frame", "seq": 7}, [memoryview(FACE_JPEG)])
    answer = browser.wait_for("result")
    assert answer["seq"] == 7 and answer["size"] == (640, 480)
    [face] = answer["faces"]
    x, y, width, height = np.multiply(face["box"], [640, 480, 640, 480])
    assert tracking.overlap(detection.FaceBox(x, y, width, height), demo_clip.face_at(0.0)) > 0.5
    [probabilities] = face["probabilities"].values()
    assert sum(probabilities) == pytest.approx(1, abs=0.01)
    assert face["labels"]["emotion_mobilenetv2"] == "Happy"


def test_of_frames_that_wait_only_the_newest_is_looked_at_and_the_others_are_reported(opened):
    camera = BrowserCamera()
    assert camera.put(FACE_JPEG, sequence=1) is None
    assert camera.put(FACE_JPEG, sequence=2) == 1
    assert camera.read(0.0).sequence == 2
    assert camera.read(0.0) is None


def test_a_frame_that_comes_while_nothing_runs_is_answered_as_dropped(opened):
    _, browser = opened()
    browser.say({"type": "frame", "seq": 3}, [FACE_JPEG])
    assert browser.wait_for("dropped")["seq"] == 3


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (b"", "no JPEG"),
        (b"no picture at all", "no JPEG"),
        (FACE_JPEG[:300], "JPEG"),
        (jpeg(np.zeros((8000, 8000), np.uint8)), "8,000×8,000 px, at most 4,096"),
    ],
)
def test_a_bad_frame_is_told_and_the_next_is_answered(opened, bad, words):
    view, browser = opened()
    view.frame.running = True
    browser.wait_for("opened")
    browser.say({"type": "frame", "seq": 1}, [bad])
    error = browser.wait_for("error")
    assert error["seq"] == 1 and words in error["message"]
    browser.say({"type": "frame", "seq": 2}, [FACE_JPEG])
    assert browser.wait_for("result")["seq"] == 2


@pytest.mark.parametrize("shape", [(1, 1, 3), (480, 640)])
def test_tiny_and_grey_frames_are_answered(opened, shape):
    view, browser = opened()
    view.frame.running = True
    browser.wait_for("opened")
    browser.say({"type": "frame", "seq": 1}, [jpeg(np.full(shape, 90, np.uint8))])
    assert browser.wait_for("result")["faces"] == []


def test_frames_of_the_kernel_come_with_their_answers_two_at_a_time(opened):
    view, browser = opened(FileReplay())
    browser.acknowledges = False
    view.frame.running = True
    browser.wait_for("frame", count=2)
    time.sleep(0.5)
    frames = browser.of("frame")
    assert len(frames) == 2
    browser.say({"type": "ack", "seq": frames[0]["seq"]})
    browser.wait_for("frame", count=3)
    content, buffers = next(message for message in browser.messages if message[0]["type"] == "frame")
    picture = cv2.imdecode(np.frombuffer(buffers[0], np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (480, 640, 3)
    assert content["faces"]


def test_two_networks_are_compared_on_the_same_face(opened, classifier):
    class Surprised:
        def predict_proba(self, crops):
            return np.tile(np.eye(7, dtype=np.float32)[EMOTIONS.index("surprise")], (len(crops), 1))

    view, browser = opened(FileReplay(), classifier={"ours": classifier, "another": Surprised()})
    view.frame.running = True
    [face] = browser.wait_for("frame")["faces"]
    assert face["labels"] == {"ours": "Happy", "another": "Surprise"}
    assert set(view.timeline()["network"]) == {"ours", "another"}


def test_a_callback_gets_every_result_and_its_exception_is_shown_while_the_stream_goes_on(opened):
    seen = []

    def callback(result):
        seen.append(result)
        raise ZeroDivisionError("of mine")

    view, browser = opened(FileReplay(), on_result=callback)
    view.frame.running = True
    browser.wait_for("frame", count=4)
    assert "ZeroDivisionError: of mine" in browser.wait_for("notice")["message"]
    assert len(seen) >= 3 and seen[0].faces[0].label == "happy"


# Trust


def test_the_threshold_is_that_of_the_model_card_and_its_worth_is_told(opened, classifier):
    view, _ = opened()
    assert view.controls.confidence.value == classifier.metadata["confidence"]["threshold"]
    assert "of those answers are right" in view.controls.worth.value
    view.controls.confidence.value = 0.9
    told = view.controls.worth.value
    view.controls.confidence.value = 0.2
    assert told != view.controls.worth.value


def test_settings_take_effect_while_it_runs(opened):
    view, browser = opened(FileReplay(), minimum_confidence=0.0)
    view.frame.running = True
    assert browser.wait_for("frame", count=2)["faces"][0]["labels"]["emotion_mobilenetv2"] == "Happy"
    view.controls.confidence.value = 1.0
    n = len(browser.of("frame"))
    assert browser.wait_for("frame", count=n + 3)["faces"][0]["labels"]["emotion_mobilenetv2"] == "not sure"


def test_why_is_off_at_first_and_shows_heat_where_the_face_is_once_it_is_ticked(opened):
    view, browser = opened(FileReplay())
    assert not view.controls.why.value and view.controls.why_of.disabled
    view.frame.running = True
    assert browser.wait_for("frame", count=2)["faces"][0]["heat"] is None
    view.controls.why.value = True
    assert not view.controls.why_of.disabled
    n = len(browser.of("frame"))
    [face] = browser.wait_for("frame", count=n + 3)["faces"]
    cells = np.array(face["heat"]["cells"])
    least = (7 / 8) ** 2 - 0.005  # of the largest value, 1, an eighth of a cell beside it; cells are rounded
    assert cells.shape == (12, 12) and cells.min() >= 0 and least <= cells.max() <= 1
    squares = np.multiply([face["heat"]["square"], face["box"]], [640, 480, 640, 480])
    square, box = (detection.FaceBox(*values) for values in squares)
    assert square.width == pytest.approx(square.height, abs=0.2)
    assert tracking.overlap(square, box) > 0.5


def test_evidence_for_another_emotion_looks_different_and_can_be_taken_away(opened):
    view, browser = opened(FileReplay())
    view.controls.why.value = True
    view.frame.running = True
    cells = {}
    for emotion in ("answer", "sad"):
        view.controls.why_of.value = emotion
        n = len(browser.of("frame"))
        cells[emotion] = browser.wait_for("frame", count=n + 3)["faces"][0]["heat"]["cells"]
    assert cells["answer"] != cells["sad"]
    view.controls.why.value = False
    n = len(browser.of("frame"))
    assert browser.wait_for("frame", count=n + 3)["faces"][0]["heat"] is None


def test_a_network_that_cannot_say_why_is_told_and_goes_on_answering(opened):
    class Surprised:
        def predict_proba(self, crops):
            return np.tile(np.eye(7, dtype=np.float32)[EMOTIONS.index("surprise")], (len(crops), 1))

    view, browser = opened(FileReplay(), classifier=Surprised())
    view.frame.running = True
    browser.wait_for("frame")
    view.controls.why.value = True
    assert "cannot say why" in browser.wait_for("notice")["message"]
    n = len(browser.of("frame"))
    assert browser.wait_for("frame", count=n + 3)["faces"][0]["heat"] is None


@pytest.mark.parametrize("arguments", [{"minimum_confidence": 2}, {"smoothing_s": -1}, {"classifier": {}}])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(DataError):
        LiveView(**arguments)


# The record


def test_the_timeline_is_tidy_and_holds_what_was_answered(opened):
    view, browser = opened(FileReplay())
    view.frame.running = True
    browser.wait_for("frame", count=5)
    view.stop()
    table = view.timeline()
    assert list(table.columns) == list(COLUMNS)
    assert len(table) >= 5 and set(table["face"]) == {1}
    assert table["time_s"].iloc[0] == 0 and table["time_s"].is_monotonic_increasing
    np.testing.assert_allclose(table[list(EMOTIONS)].sum(axis=1), 1, atol=1e-5)
    assert table[["x", "y", "width", "height"]].to_numpy().max() < 1
    assert set(table["label"]) <= {*EMOTIONS, "not sure"}


def test_the_timeline_is_drawn_and_downloaded(opened):
    view, browser = opened(FileReplay())
    view.controls.plot.click()
    assert "no face was seen" in browser.wait_for("notice")["message"]
    view.frame.running = True
    browser.wait_for("frame", count=5)
    view.stop()
    view.controls.plot.click()
    assert bytes(view._picture.value).startswith(b"\x89PNG") and view._picture.layout.display == ""
    view.controls.save.click()
    download = browser.wait_for("download")
    assert download["name"].endswith(".csv") and download["text"].startswith("time_s,face,x,y")
    assert download["text"].count("\n") == len(view.timeline()) + 1


def test_an_empty_timeline_has_all_columns():
    table = Timeline().table()
    assert list(table.columns) == list(COLUMNS) and table.empty


def test_no_trait_ever_holds_a_frame_or_an_answer(opened):
    view, browser = opened(FileReplay())
    before = {widget: set(widget.keys) for widget in (view, view.frame)}
    view.frame.running = True
    browser.wait_for("frame", count=3)
    state = view.frame.get_state()
    assert set(state) == before[view.frame]
    texts = {key: value for key, value in state.items() if key not in ("_esm", "_css", "_anywidget_id")}
    assert len(str(texts)) < 2000 and not any(isinstance(value, bytes | memoryview) for value in texts.values())


# Stops for sure


def alive() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("live:")]


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
            "source": lambda: setattr(view.controls.menu, "value", "clip"),
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


def test_a_button_says_what_runs_also_while_no_page_is_open(opened):
    view, browser = opened(FileReplay())
    view.controls.button.value = view.frame.running = True
    browser.wait_for("frame")
    assert view.controls.button.icon == "stop"
    view.frame.running = False
    assert not view.controls.button.value and view.controls.button.icon == "play"


def test_on_a_page_that_is_loaded_again_the_button_follows_the_view_and_never_the_view_the_button(opened):
    view, _browser = opened()
    (link,) = [link for link in view._links if (view.frame, "running") in (link.source, link.target)]
    assert link.source == (view.frame, "running")  # the page sets a link's target from its source when it is loaded


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
    view.controls.menu.value = "kernel:3"
    view.frame.running = True
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


def test_a_missing_network_is_told_with_what_to_do(opened, monkeypatch):
    def missing():
        raise MissingFileError("The network data/models/emotion_mobilenetv2.tflite is missing. Restore it.")

    monkeypatch.setattr(EmotionClassifier, "load", missing)
    view, browser = opened(FileReplay(), classifier=None)
    view.frame.running = True
    assert "Restore it" in browser.wait_for("ended")["message"]


def test_no_face_is_an_answer(opened):
    class Wall(FileReplay):
        def read(self, timeout_s):
            frame = super().read(timeout_s)
            return frame and sources.Frame(np.full((480, 640, 3), 90, np.uint8), frame.time_s, frame.sequence)

    view, browser = opened(Wall())
    view.frame.running = True
    assert browser.wait_for("frame", count=3)["faces"] == []
    assert view.timeline().empty


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


def test_an_address_is_taken_from_the_view_and_opened(opened, video):
    view, browser = opened()
    browser.say({"type": "choose", "source": "address", "address": str(video)})
    assert view.controls.menu.value == "address"
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
    ],
)
def test_what_does_not_open_is_told_without_credentials(opened, address, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    view, browser = opened()
    browser.say({"type": "choose", "source": "address", "address": address})
    message = browser.wait_for("ended")["message"]
    assert "There is no video" in message or message.startswith("The rtsp stream does not open")
    assert "secret" not in message
    states = str([widget.get_state() for widget in (view, view.frame, view.controls.menu, view.controls.worth)])
    written = capfd.readouterr()
    assert "secret" not in states + caplog.text + written.out + written.err + str(browser.messages)


def test_an_address_is_asked_for_before_it_is_opened(opened):
    view, browser = opened()
    view.controls.menu.value = "address"
    assert view.frame.kinds[view.frame.chosen] == "address"
    view.frame.running = True
    assert "Type it into the field" in browser.wait_for("ended")["message"]


def test_a_source_that_is_not_offered_is_not_started(opened):
    view, browser = opened()
    browser.say({"type": "choose", "source": "kernel:99"})
    assert not view.frame.running


def test_another_address_is_opened_while_one_is_shown(opened, video):
    _, browser = opened()
    browser.say({"type": "choose", "source": "address", "address": str(video)})
    browser.wait_for("frame")
    browser.say({"type": "choose", "source": "address", "address": "nothing/there.mp4"})
    assert "nothing/there.mp4" in browser.wait_for("ended")["message"]


def test_the_button_for_an_address_asks_for_one_and_opens_nothing(opened):
    view, browser = opened()
    browser.say({"type": "choose", "source": "address"})
    assert "Type the path" in browser.wait_for("notice")["message"]
    assert not view.frame.running and view.frame.kinds[view.frame.chosen] == "address"


def test_an_address_is_told_by_its_kind_and_a_file_by_its_name():
    assert sources.told_address("rtsp://u:p@host:554/a/b?token=1#x") == "the rtsp stream"
    assert sources.told_address("secret words://host") == "the stream"
    assert sources.told_address("/videos/me.mp4") == "me.mp4"
    assert sources.told_address("me:secret@host") == "that file"


def test_settings_moved_while_it_opens_are_those_of_the_first_answer(opened):
    view, browser = opened(FileReplay())
    view.frame.running = True
    view.controls.confidence.value = 1.0
    assert browser.wait_for("frame")["faces"][0]["labels"]["emotion_mobilenetv2"] == NOT_SURE


# The rest


def test_the_clip_is_a_portrait_that_moves_and_turns_and_begins_anew(detector):
    overlaps = []
    for time_s in np.arange(0, demo_clip.PERIOD_S, 1.0):
        found = detector.detect(demo_clip.frame_at(time_s))
        overlaps.append(max((tracking.overlap(box, demo_clip.face_at(time_s)) for box in found), default=0))
    assert np.mean(np.array(overlaps) > 0.5) > 0.7
    assert np.array_equal(demo_clip.frame_at(1.0), demo_clip.frame_at(1.0 + demo_clip.PERIOD_S))


def test_a_beat_is_answered(opened):
    _, browser = opened()
    browser.say({"type": "beat"})
    assert browser.wait_for("beat") == {"type": "beat", "opened": None}


def test_a_page_that_comes_later_is_told_what_is_open(opened):
    view, browser = opened(FileReplay())
    view.frame.running = True
    browser.wait_for("frame")
    browser.say({"type": "beat"})
    assert browser.wait_for("beat")["opened"]["source"] == "the sample clip"


def test_the_live_cell_starts_without_tensorflow_pandas_and_scipy():
    code = "import sys; from emotion_detection.live import LiveView; LiveView()"
    code += (
        "; slow = {'tensorflow', 'keras', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules); assert not slow, slow"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=paths.project_root())


@pytest.mark.skipif(NODE is None, reason="node not found: install Node.js to test the pump's logic")
def test_the_pump_in_javascript(tmp_path):
    shutil.copy(FOLDER / "widget.js", tmp_path / "widget.mjs")
    command = [NODE, "--test", "--test-reporter=spec", str(paths.project_root() / "tests" / "live" / "pump.test.mjs")]
    done = subprocess.run(
        command, env={"WIDGET_MODULE": (tmp_path / "widget.mjs").as_uri(), "PATH": ""}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
