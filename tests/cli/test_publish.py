"""`export`, `photographs`, `groups`: what they write or show, and how they refuse."""

import pytest


def test_export_writes_the_shipped_network_and_says_where(call, tmp_path):
    path = tmp_path / "copy.keras"
    code, out, _ = call("export", "keras", "--output", str(path))
    assert (code, path.is_file()) == (0, True)
    assert out.startswith(f"{path} (") and f"{path.stat().st_size:,} bytes" in out


def test_export_refuses_an_unknown_format_with_exit_code_1(call):
    code, _, error = call("export", "pb")
    assert code == 1
    assert "keras, float16, int8, onnx" in error


def test_int8_without_fer2013_is_a_clear_error(call, monkeypatch, tmp_path):
    from emotion_detection import paths

    monkeypatch.setattr(paths, "search_folders", lambda: [tmp_path])
    code, _, error = call("export", "int8")
    assert code == 1
    assert "FER2013" in error and "data/README.md" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("study", "shown"), [("photographs", "big_XCEPTION"), ("groups", "women")])
def test_what_is_recorded_of_people_is_shown_without_pictures(call, study, shown):
    code, out, _ = call(study)
    assert code == 0
    assert shown in out and "95 % interval" in out


def test_a_folder_of_people_is_measured_only_to_be_recorded(call, tmp_path):
    assert call("photographs", str(tmp_path))[0] == 2
    assert call("groups", "--record")[0] == 2


@pytest.mark.parametrize("variable", ["EMOTION_OUTPUT_DIR", "EMOTION_PICTURES"])
@pytest.mark.parametrize("arguments", [("keep", "tl_top"), ("ship", "tl_top"), ("report",)])
def test_what_all_readers_get_is_not_made_from_records_that_are_elsewhere(
    recorded, call, monkeypatch, arguments, variable
):
    monkeypatch.setattr("emotion_detection.data.load_fer2013", lambda: None)
    monkeypatch.setattr("emotion_detection.runs.store.load_run", lambda name: None)
    monkeypatch.setenv(variable, str(recorded / "elsewhere"))
    code, _, error = call(*arguments)
    assert code == 1
    assert f"{variable} is set" in error and "export float16 --run RUN" in error


@pytest.mark.parametrize("command", ["keep", "ship"])
def test_the_network_of_a_fast_run_is_not_put_among_those_of_the_project(recorded, call, monkeypatch, command):
    monkeypatch.setattr("emotion_detection.data.load_fer2013", lambda: None)
    code, _, error = call(command, "tl_top")
    assert code == 1
    assert "learned from drawn sample" in error
    assert not (recorded / "data" / "models").exists()


def test_an_export_whose_name_does_not_say_its_format_or_that_finds_no_room_is_refused(call, tmp_path, small_disk):
    code, _, error = call("export", "float16", "--output", str(tmp_path / "network"))
    assert code == 1 and "End its name in .tflite" in error
    code, _, error = call("export", "keras", "--output", str(tmp_path / "network.keras"))
    assert code == 1
    assert "network.keras was not written to its end: No space left on device" in error
    assert not list(tmp_path.iterdir())
