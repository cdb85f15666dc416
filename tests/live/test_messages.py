"""What the page sends is not trusted, and what it is sent reads as people."""

import numpy as np
import pytest
from PIL import ImageColor

from emotion_detection.emotions import COLORS, VOTES
from emotion_detection.errors import DataError
from emotion_detection.faces.cropping import FaceBox
from emotion_detection.inference.stream import LiveResult
from emotion_detection.inference.tracking import TrackedFace
from emotion_detection.live import FileReplay, KernelCamera, LiveView, frame, menu, messages

NONSENSE = [None, 7, "open", [], {}, {"type": None}, {"type": ["open"]}, {"type": "ack", "seq": {}}, {"type": "frame"}]


@pytest.mark.parametrize("content", [*NONSENSE, {"type": "frame", "seq": "1"}, {"type": "ack", "seq": [1]}])
def test_a_message_of_another_shape_does_nothing(opened, content):
    view, browser = opened()
    browser.say(content, [b"no picture"])
    assert not view.frame.running and not browser.messages


@pytest.mark.parametrize("address", [None, 7, ["clip.mp4"], "", "  "])
def test_an_address_that_is_none_starts_nothing_and_asks_for_one(opened, address):
    view, browser = opened()
    browser.say({"type": "open", "address": address})
    assert "press Enter" in browser.wait_for("notice")["message"]
    assert not view.frame.running and not view.is_running


@pytest.mark.parametrize(
    "traits",
    [
        {"chosen": 99},
        {"chosen": -1},
        {"minimum_confidence": 7},
        {"smoothing_s": "long"},
        {"labels": "mine"},
        {"running": 3},
    ],
)
def test_a_setting_that_no_control_sends_is_left_out(opened, traits):
    view, _ = opened()
    before = {name: getattr(view.frame, name) for name in traits}
    view.frame.set_state(traits)
    assert {name: getattr(view.frame, name) for name in traits} == before


@pytest.mark.parametrize("given", [0, "0", "clip.mp4", "rtsp://user:secret@host/stream"])
def test_a_number_a_path_and_an_address_are_sources_of_the_kernel_and_show_no_secret(opened, given):
    view, _ = opened(given)
    assert view.frame.sources[0]["kind"] == "kernel" and "secret" not in str(view.frame.get_state())
    assert isinstance(menu.source_from(given), KernelCamera)


@pytest.mark.parametrize("given", [{"source": 1.5}, {"source": True}, {"source": ""}, {"classifier": 8}])
def test_what_is_no_source_and_no_network_is_refused(given):
    with pytest.raises(DataError):
        LiveView(**given)


def test_the_readers_own_source_comes_first_in_the_menu_and_none_comes_twice():
    assert [each.key for each in menu.choices(FileReplay())] == ["own", "browser", "kernel", "address"]
    assert [each.key for each in menu.choices(KernelCamera(0))] == ["own", "browser", "address", "clip"]


@pytest.mark.parametrize(
    ("probabilities", "of_votes", "label", "share", "said"),
    [
        ([0.05, 0, 0, 0.68, 0.17, 0, 0.1], True, "Happy", "7 of 10", "7 of 10 would say so"),
        ([0.05, 0, 0, 0.68, 0.17, 0, 0.1], False, "Happy", "68 %", "68 %"),
        ([0.05, 0, 0, 0.1, 0.36, 0.19, 0.3], True, "not sure", "4 of 10", "4 of 10 would say Sad"),
        ([0, 0, 0, 0, 0.04, 0, 0.0, 0.96], True, "Contempt", "10 of 10", "10 of 10 would say so"),
        ([0.05, 0, 0, 0.1, 0.36, 0.19, 0.3], False, "not sure", "36 %", "36 % for Sad"),
    ],
)
def test_a_share_of_the_votes_reads_as_people(probabilities, of_votes, label, share, said):
    face = TrackedFace(FaceBox(0, 0, 10, 10), np.float32(probabilities), VOTES[: len(probabilities)], 0.4, identity=1)
    result = LiveResult(1, 0.0, (100, 100), [face], {"ours": [face]}, {})
    [shown] = messages.faces_of(result, of_votes={"ours"} if of_votes else set())
    assert [shown[key]["ours"] for key in ("labels", "shares", "said")] == [label, share, said]
    assert len(shown["probabilities"]["ours"]) == len(probabilities)


def test_the_colours_of_faces_are_far_from_those_of_emotions():
    line = next(each for each in (frame.FOLDER / "widget.js").read_text().splitlines() if "FACE_COLORS =" in each)
    of_faces = [word for word in line.split('"') if word.startswith("#")]
    rgb = [np.array([ImageColor.getrgb(each) for each in colors]) for colors in (of_faces, COLORS.values())]
    assert len(of_faces) == 6
    assert np.abs(rgb[0][:, None] - rgb[1]).max(axis=2).min() >= 60
