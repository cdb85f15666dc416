"""The command line: exit codes 0 done, 1 a clear error, 2 usage."""

import subprocess
import sys

import pytest

import emotion_detection
from emotion_detection.cli import main


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("evaluate", "tl_tip"), 1, "Did you mean 'tl_top'"),
        (("train", "tl_hole"), 1, "Did you mean 'tl_whole'"),
        (("evaluate", "tl_top", "--split", "validation"), 2, "public or private"),
        (("evaluate",), 2, "Missing argument"),
        (("analyse", "nowhere.jpg"), 1, "nowhere.jpg"),
        (("data", "check"), 1, "data/README.md"),
        (("evaluate", "tl_top", "--final"), 1, "reported once"),
        (("evaluate", "tl_top", "--recompute"), 1, "is not on this machine"),
        (("evaluate", "tl_top", "--averaged"), 1, "holds no answers averaged over views"),
        (("evaluate", "tl_top", "--averaged", "--recompute"), 2, "leave out --recompute"),
        (("unknown",), 2, "No such command"),
    ],
)
def test_mistakes_are_answered_with_a_sentence_and_the_right_exit_code(recorded, call, arguments, code, said):
    received, _, err = call(*arguments)
    assert received == code
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "command",
    [
        ("analyse", "ADDRESS"),
        ("analyse", "ADDRESS", "--csv", "out.csv"),
        ("analyse", "a.mp4", "--csv", "ADDRESS"),
        ("explain", "ADDRESS", "--out", "out.png"),
        ("data", "check", "ADDRESS"),
        ("data", "pictures", "ADDRESS"),
        ("evaluate", "ADDRESS"),
    ],
)
@pytest.mark.parametrize("address", ["rtsp://user:secret@host/s", "http://host/video?user=me&pwd=secret"])
def test_no_command_prints_the_secrets_of_an_address(isolated, call, command, address):
    code, out, err = call(*(address if each == "ADDRESS" else each for each in command))
    assert code in (1, 2)
    assert "secret" not in out + err


def test_the_version_is_the_packages(call):
    assert call("--version")[:2] == (0, f"emotion-detection {emotion_detection.__version__}\n")


def test_a_data_folder_that_does_not_exist_is_named(isolated, call, monkeypatch):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(isolated / "nowhere"))
    code, _, err = call("data", "check")
    assert code == 1
    assert "nowhere, which does not exist" in err


def test_help_works_from_the_shell():
    done = subprocess.run([sys.executable, "-m", "emotion_detection", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("data", "runs", "train", "evaluate", "analyse"))


@pytest.mark.parametrize("variable", ["EMOTION_OUTPUT_DIR", "EMOTION_DATA_DIR", "EMOTION_PICTURES"])
def test_a_home_folder_that_is_not_known_is_told(isolated, call, monkeypatch, variable):
    monkeypatch.setenv(variable, "~nosuch/faces")
    code, _, err = call("data", "check")
    assert code == 1
    assert "No home folder is known for the ~ of ~nosuch/faces" in err


def test_the_home_folder_is_known_where_a_shell_leaves_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    arguments = ["~/me.jpg", "--csv=~/faces.csv", "~", "~$me.jpg", "a~/b", "--csv"]
    expected = [str(tmp_path / "me.jpg"), f"--csv={tmp_path / 'faces.csv'}", *arguments[2:]]
    assert [main._with_home(each) for each in arguments] == expected


def test_an_empty_argument_is_told_and_not_taken_for_this_folder(isolated, call):
    for arguments in (("analyse", ""), ("analyse", "me.jpg", "--csv", "")):
        code, _, err = call(*arguments)
        assert code == 1 and "An argument is empty" in err


def test_an_interruption_is_told(call, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("emotion_detection.runs.store.load_run", interrupted)
    code, _, err = call("evaluate", "tl_top")
    assert code == 130
    assert "Interrupted" in err and "Traceback" not in err
