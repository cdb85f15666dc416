"""`export`: what it writes and how it refuses."""


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
