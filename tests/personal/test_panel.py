"""The lesson and its panel in the live cell: a source without a camera, a clock that is the frames' own."""

import gc
import time
import weakref

import ipywidgets
import numpy as np
import pytest

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.faces import detection
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.inference.stream import Engine, Frame
from emotion_detection.live import FileReplay, LiveView, demo_clip
from emotion_detection.personal import head as personal
from emotion_detection.personal import lesson
from emotion_detection.personal import panel as teaching
from stand_ins import face_at

NETWORK = "a" * 64
FRAME_S = 0.125
PROMPT_S = lesson.READY_S + lesson.TAKES * lesson.HOLD_S + lesson.REST_S
NOTHING = np.full((480, 640, 3), 40, np.uint8)


def seen(value: float = 0.0) -> dict[str, np.ndarray]:
    return {"features": np.full((1, 1280), value, np.float32), "scores": np.zeros((1, 7), np.float32)}


def go_on(taught: lesson.Lesson, seconds: float, *, begin_s: float = 0.0, face=lambda time_s: True) -> float:
    """Show a lesson frames for so many seconds; the features of a frame are its time. Return the time after."""
    for time_s in np.arange(begin_s, begin_s + seconds - 1e-9, FRAME_S):
        taught.answered(float(time_s), seen=seen(time_s) if face(time_s) else None)
    return begin_s + seconds


@pytest.fixture
def taught():
    return lesson.Lesson(personal.Calibration(NETWORK, "votes", 1.0), ["happy", "sad"])


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier.load()


class KnownFace:
    """Finds the clip's face where it is at first, without looking; none in a picture of one grey."""

    name, framing = "known", detection.HaarDetector.framing

    def detect(self, frame_bgr):
        return [face_at(0.0)] if np.ptp(frame_bgr) else []


@pytest.fixture(scope="module")
def detector():
    return KnownFace()


# The lesson


def test_every_prompt_counts_down_and_is_recorded_twice_with_a_rest_between(taught):
    phases, time_s = [], 0.0
    while not taught.is_done:
        step = taught.answered(time_s, seen=seen(time_s))
        if not phases or phases[-1] != (step.emotion, step.phase, step.take):
            phases.append((step.emotion, step.phase, step.take))
        time_s += FRAME_S
    one = [("ready", 1), ("hold", 1), ("rest", 2), ("hold", 2)]
    assert phases == [(name, *each) for name in ("happy", "sad") for each in one] + [(None, "done", 2)]
    assert time_s == pytest.approx(2 * PROMPT_S, abs=0.3)
    assert taught.calibration.frames == {"happy": [20, 20], "sad": [20, 20]} and not taught.missed


def test_only_frames_of_a_take_are_kept(taught):
    go_on(taught, PROMPT_S + 0.2)
    first, second = (clip.features[:, 0] for clip in taught.calibration.clips)
    assert first.min() >= lesson.READY_S - 0.01 and first.max() < lesson.READY_S + lesson.HOLD_S + 0.01
    assert second.min() - first.max() > lesson.REST_S - 0.2


def test_the_words_say_what_to_do_and_whether_a_face_is_seen(taught):
    assert taught.answered(0.0, seen=seen()).instruction == "Get ready: 3"
    assert "No face is seen" in taught.answered(0.1, seen=None).instruction
    assert "largest of several" in taught.answered(0.2, seen=seen(), n_faces=2).instruction
    go_on(taught, 3.0, begin_s=0.3)
    assert taught.step.instruction.startswith("Hold it")


def test_a_prompt_without_a_face_is_told_and_asked_again_without_losing_the_others(taught):
    go_on(taught, 2 * PROMPT_S + 0.3, face=lambda time_s: time_s > PROMPT_S)
    assert taught.is_done and taught.missed == ["happy"]
    assert taught.calibration.frames == {"sad": [20, 20]}
    again = lesson.Lesson(taught.calibration, ["happy"])
    go_on(again, PROMPT_S + 0.3)
    assert again.calibration.frames == {"happy": [20, 20], "sad": [20, 20]}


def test_a_face_that_is_gone_in_one_take_makes_the_prompt_a_missed_one(taught):
    go_on(taught, PROMPT_S + 0.2, face=lambda time_s: time_s < lesson.READY_S + lesson.HOLD_S)
    assert taught.missed == ["happy"] and taught.calibration.frames == {"happy": [20]}


def test_recording_an_emotion_again_replaces_its_clips(taught):
    go_on(taught, 2 * PROMPT_S + 0.3)
    again = lesson.Lesson(taught.calibration, ["sad"])
    go_on(again, PROMPT_S + 0.3, begin_s=100.0)
    assert again.calibration.frames == {"happy": [20, 20], "sad": [20, 20]}
    assert min(clip.features.min() for clip in again.calibration.clips if clip.emotion == "sad") > 100


def test_a_stalled_picture_does_not_eat_up_a_take(taught):
    time_s = go_on(taught, lesson.READY_S + 1.0)
    before = taught.step.left_s
    taught.answered(time_s + 60, seen=seen())
    assert taught.step.emotion == "happy" and taught.step.left_s == pytest.approx(before - lesson.LONGEST_STEP_S)


def test_skip_goes_on_and_stop_ends_and_keeps_what_is_finished(taught):
    time_s = go_on(taught, lesson.READY_S + 2)
    taught.skip()
    assert taught.step.emotion == "sad" and not taught.calibration.clips
    go_on(taught, PROMPT_S - 1, begin_s=time_s)
    taught.stop()
    assert taught.is_done and not taught.calibration.clips and not taught.missed
    taught.skip()  # does no harm


def test_a_lesson_asks_for_emotions_only():
    with pytest.raises(UnknownNameError, match="'bored' is no emotion"):
        lesson.Lesson(personal.Calibration(NETWORK, "votes", 1.0), ["bored"])
    with pytest.raises(DataError, match="no emotion to ask for"):
        lesson.Lesson(personal.Calibration(NETWORK, "votes", 1.0), [])


def test_a_face_is_taught_in_three_calls_without_a_widget(classifier, detector, tmp_path):
    calibration = lesson.record(
        FileReplay(frames_per_s=4, waits=False), ["happy"], network=classifier, detector=detector
    )
    head = personal.fit(calibration)
    network = personal.PersonalClassifier(classifier, head)
    assert [len(each) for each in calibration.frames.values()] == [2]
    engine = Engine({"mine": network}, detector)
    result = engine.answer(Frame(demo_clip.frame_at(0.0), 0.0, 0))
    general = Engine({"shipped": classifier}, detector).answer(Frame(demo_clip.frame_at(0.0), 0.0, 0))
    happy = EMOTIONS.index("happy")
    assert result.faces[0].probabilities[happy] > general.faces[0].probabilities[happy] - 0.01
    personal.save(head, tmp_path / "mine.json")
    np.testing.assert_array_equal(personal.load(tmp_path / "mine.json", classifier).weights, head.weights)


def test_a_source_that_shows_no_face_ends_in_a_message(classifier, detector):
    source = FileReplay(frames_per_s=4, waits=False)
    source.read = lambda timeout_s: Frame(NOTHING, FileReplay.read(source, timeout_s).time_s, 0)
    with pytest.raises(DataError, match="No face was seen for Happy"):
        lesson.record(source, ["happy"], network=classifier, detector=detector)


def test_a_source_without_frames_is_closed_and_told(classifier, detector, monkeypatch):
    monkeypatch.setattr(lesson, "LONGEST_WAIT_S", 0.05)
    source, closed = FileReplay(waits=False), []
    source.read, source.close = lambda timeout_s: None, lambda: closed.append(True)
    with pytest.raises(DataError, match="gave no frame"):
        lesson.record(source, ["happy"], network=classifier, detector=detector)
    assert closed == [True]


# The panel


class Stage:
    """A panel in front of an engine, shown frames by a clock of the test's own."""

    def __init__(self, classifier, detector):
        self.panel, self.time_s = teaching.TeachingPanel(), 0.0
        self.start(classifier, detector)

    def start(self, classifier, detector):
        self.engine = Engine(self.panel.wrap({"shipped": classifier}), detector)

    def look(self, seconds: float, *, bgr=None, frame_s: float = 0.4):
        """Look at frames for so many seconds."""
        ends_s = self.time_s + seconds
        while self.time_s < ends_s:
            frame = Frame(demo_clip.frame_at(0.0) if bgr is None else bgr, self.time_s, 0)
            result = self.engine.answer(frame)
            self.panel.answered(result)
            self.time_s += frame_s
        return result


@pytest.fixture
def stage(classifier, detector):
    made = Stage(classifier, detector)
    yield made
    made.panel.close()


def test_nothing_can_be_skipped_saved_or_switched_before_there_is_something(stage):
    panel = stage.panel
    assert not panel._begin.disabled
    assert all(button.disabled for button in (panel._skip, panel._stop, panel._repeat, panel._save, panel._which))
    assert panel._prompt.layout.display == "none"


def test_prompts_show_word_example_countdown_and_progress(stage):
    panel = stage.panel
    panel._begin.click()
    stage.look(1.0)
    assert "Angry" in panel._word.value and "Get ready" in panel._word.value and panel._prompt.layout.display == ""
    assert bytes(panel._example.value).startswith(b"\x89PNG") and 0 < panel._progress.value < 0.1
    panel._skip.click()
    assert "Disgust" in panel._word.value
    stage.look(1.0, bgr=NOTHING)
    assert "No face is seen" in panel._word.value


def test_after_the_prompts_the_answers_are_personal_and_a_table_compares(stage):
    panel = stage.panel
    panel._begin.click()
    for _ in range(3):
        panel._skip.click()
    stage.look(PROMPT_S + 0.8)  # happy
    assert not panel._stop.disabled
    panel._stop.click()
    assert "Fitted in" in panel._status.value and "2 clips" in panel._status.value
    assert "Happy" in panel._table.value and "general" in panel._table.value
    assert panel._which.value == teaching.PERSONAL and not panel._which.disabled and not panel._save.disabled
    own = stage.look(0.1).faces[0].probabilities
    panel._which.value = teaching.GENERAL
    stage.look(8.0)
    general = stage.look(0.1).faces[0].probabilities  # a sure answer moves little, its odds do
    assert np.abs(np.log(general / own)).max() > 0.02
    assert set(panel._missing()) == set(EMOTIONS) - {"happy"} and not panel._repeat.disabled


def test_prompts_without_a_face_are_told_and_can_be_repeated(stage):
    panel = stage.panel
    panel._begin.click()
    for _ in range(5):
        panel._skip.click()
    stage.look(2 * PROMPT_S + 0.8, bgr=NOTHING)  # surprise, neutral
    assert "Nothing was recorded. No face was seen for Surprise, Neutral" in panel._status.value
    assert not panel._repeat.disabled and panel._save.disabled


def test_a_head_survives_stop_and_start_and_is_saved_and_loaded(stage, classifier, detector, tmp_path):
    panel = stage.panel
    panel._begin.click()
    stage.look(PROMPT_S + 0.8)
    panel._stop.click()
    head = panel.network.personal_head
    stage.start(classifier, detector)
    assert panel.network.personal_head is head and panel.network.is_on
    panel._file.value = str(tmp_path / "me.json")
    panel._save.click()
    assert "no picture" in panel._status.value and (tmp_path / "me.json").is_file()
    other = Stage(classifier, detector)
    other.panel._file.value = str(tmp_path / "me.json")
    other.panel._load.click()
    np.testing.assert_array_equal(other.panel.network.personal_head.weights, head.weights)
    assert "made from Angry" in other.panel._status.value and other.panel._which.value == teaching.PERSONAL
    other.panel.close()


def test_what_goes_wrong_with_a_file_is_told_in_the_panel(stage, tmp_path):
    panel = stage.panel
    panel._file.value = str(tmp_path / "gone.json")
    panel._load.click()
    assert "gone.json is missing" in panel._status.value
    (tmp_path / "gone.json").write_text("{}")
    panel._load.click()
    assert "is damaged" in panel._status.value and panel.network.personal_head is None


def test_a_network_without_features_is_told_and_left_as_it_is(detector):
    class Surprised:
        def predict_proba(self, crops):
            return np.tile(np.eye(7, dtype=np.float32)[5], (len(crops), 1))

    panel, network = teaching.TeachingPanel(), Surprised()
    assert panel.wrap({"mine": network}) == {"mine": network}
    panel._begin.click()
    assert "mine cannot be taught: a Surprised has no features" in panel._status.value
    panel._stop.click()
    panel.close()


def test_begin_before_start_says_so_and_begins_with_the_first_picture(classifier, detector):
    panel = teaching.TeachingPanel()
    panel._begin.click()
    assert "Click Start above" in panel._status.value and not panel._stop.disabled
    engine = Engine(panel.wrap({"shipped": classifier}), detector)
    panel.answered(engine.answer(Frame(demo_clip.frame_at(0.0), 0.0, 0)))
    assert "Angry" in panel._word.value and panel._prompt.layout.display == ""
    panel.close()


def test_controls_have_words_and_the_state_is_read_out(stage):
    panel = stage.panel
    buttons = [panel._begin, panel._skip, panel._stop, panel._repeat, panel._save, panel._load]
    assert all(button.description and button.tooltip for button in buttons)
    assert all(widget.description for widget in (panel._file, panel._which, panel._progress))
    panel._say("<b>x</b>")
    assert 'aria-live="polite"' in panel._status.value and "<b>" not in panel._status.value


def test_the_live_view_teaches_from_its_own_stream(classifier, detector, monkeypatch):
    view = LiveView(FileReplay(frames_per_s=4, waits=False), classifier=classifier, detector=detector)
    monkeypatch.setattr(view.frame, "send", lambda content, buffers=None: acknowledge(view, content))
    view.teaching._begin.click()
    view.frame.running = True
    wait_until(lambda: "Disgust" in view.teaching._word.value)
    view.teaching._stop.click()
    assert view.teaching.network.personal_head.frames["angry"]
    assert view.teaching.network.personal_head.frames.keys() == {"angry"}
    view.close()


def acknowledge(view, content):
    if content["type"] == "frame":
        view.frame._handle_custom_msg({"type": "ack", "seq": content["seq"]}, [])


def wait_until(holds, *, timeout_s: float = 60.0):
    ends = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_a_closed_panel_leaves_no_widget():
    before = set(ipywidgets.widgets.widget._instances)
    panel = teaching.TeachingPanel()
    gone = weakref.ref(panel)
    panel.close()
    left = [ipywidgets.widgets.widget._instances[each] for each in set(ipywidgets.widgets.widget._instances) - before]
    looks = (ipywidgets.Layout, ipywidgets.Style)  # ipywidgets itself leaves these behind
    assert [type(each).__name__ for each in left if not isinstance(each, looks)] == []
    del panel
    gc.collect()
    assert gone() is None
