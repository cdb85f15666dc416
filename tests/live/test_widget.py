"""The live cell on the kernel's side: frames, answers, settings, the record; the page is played by the test."""

import shutil
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from emotion_detection import paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.faces import cropping
from emotion_detection.inference import tracking
from emotion_detection.inference.pipeline import NOT_SURE
from emotion_detection.inference.stream import COLUMNS
from emotion_detection.live import FileReplay, LiveView
from emotion_detection.live.frame import FOLDER
from emotion_detection.live.timeline import Timeline
from playing_page import FACE_JPEG, jpeg
from stand_ins import face_at

NODE = shutil.which("node")


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
    assert tracking.overlap(cropping.FaceBox(x, y, width, height), face_at(0.0)) > 0.5
    [probabilities] = face["probabilities"].values()
    assert sum(probabilities) == pytest.approx(1, abs=0.01)
    assert face["labels"]["emotion_mobilenetv2"] == "Happy"


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


def test_the_threshold_is_that_of_the_labels_and_its_worth_is_told(opened, classifier):
    view, _ = opened(classifier=classifier.with_labels("fer2013"))
    assert view.frame.minimum_confidence == classifier.metadata["confidence"]["threshold"]
    assert "of these are right" in view.frame.worth
    view.frame.minimum_confidence = 0.9
    told = view.frame.worth
    view.frame.minimum_confidence = 0.2
    assert told != view.frame.worth


def test_settings_take_effect_while_it_runs(opened):
    view, browser = opened(FileReplay(), minimum_confidence=0.0)
    view.frame.running = True
    assert browser.wait_for("frame", count=2)["faces"][0]["labels"]["emotion_mobilenetv2"] == "Happy"
    view.frame.minimum_confidence = 1.0
    n = len(browser.of("frame"))
    assert browser.wait_for("frame", count=n + 3)["faces"][0]["labels"]["emotion_mobilenetv2"] == "not sure"


def test_why_is_off_at_first_and_shows_heat_where_the_face_is_once_it_is_ticked(opened):
    view, browser = opened(FileReplay())
    assert view.frame.explained == ""
    view.frame.running = True
    assert browser.wait_for("frame", count=2)["faces"][0]["heat"] is None
    view.frame.explained = "answer"
    n = len(browser.of("frame"))
    [face] = browser.wait_for("frame", count=n + 3)["faces"]
    cells = np.array(face["heat"]["cells"])
    least = (7 / 8) ** 2 - 0.005  # of the largest value, 1, an eighth of a cell beside it; cells are rounded
    assert cells.shape == (12, 12) and cells.min() >= 0 and least <= cells.max() <= 1
    squares = np.multiply([face["heat"]["square"], face["box"]], [640, 480, 640, 480])
    square, box = (cropping.FaceBox(*values) for values in squares)
    assert square.width == pytest.approx(square.height, abs=0.2)
    assert tracking.overlap(square, box) > 0.5


def test_evidence_for_another_emotion_looks_different_and_can_be_taken_away(opened):
    view, browser = opened(FileReplay())
    view.frame.running = True
    cells = {}
    for emotion in ("answer", "sad"):
        view.frame.explained = emotion
        n = len(browser.of("frame"))
        cells[emotion] = browser.wait_for("frame", count=n + 3)["faces"][0]["heat"]["cells"]
    assert cells["answer"] != cells["sad"]
    view.frame.explained = ""
    n = len(browser.of("frame"))
    assert browser.wait_for("frame", count=n + 3)["faces"][0]["heat"] is None


def test_a_network_that_cannot_say_why_is_told_and_goes_on_answering(opened):
    class Surprised:
        def predict_proba(self, crops):
            return np.tile(np.eye(7, dtype=np.float32)[EMOTIONS.index("surprise")], (len(crops), 1))

    view, browser = opened(FileReplay(), classifier=Surprised())
    view.frame.running = True
    browser.wait_for("frame")
    view.frame.explained = "answer"
    assert "cannot say why" in browser.wait_for("notice")["message"]
    n = len(browser.of("frame"))
    assert browser.wait_for("frame", count=n + 3)["faces"][0]["heat"] is None


@pytest.mark.parametrize("arguments", [{"minimum_confidence": 2}, {"smoothing_s": -1}, {"classifier": {}}])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(DataError):
        LiveView(**arguments)


def test_settings_moved_while_it_opens_are_those_of_the_first_answer(opened):
    view, browser = opened(FileReplay())
    view.frame.running = True
    view.frame.minimum_confidence = 1.0
    assert browser.wait_for("frame")["faces"][0]["labels"]["emotion_mobilenetv2"] == NOT_SURE


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
    browser.say({"type": "timeline"})
    assert "no face was seen" in browser.wait_for("notice")["message"]
    view.frame.running = True
    browser.wait_for("frame", count=5)
    view.stop()
    browser.say({"type": "timeline"})
    svg = browser.wait_for("timeline")["svg"]
    assert svg.startswith("<svg") and "currentColor" in svg and "seconds" in svg
    browser.say({"type": "save"})
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
    assert len(str(texts)) < 3000 and not any(isinstance(value, bytes | memoryview) for value in texts.values())


# The rest


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
