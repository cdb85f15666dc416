"""Saving figures: equal bytes for equal numbers, the numbers beside them, and the banner of the drawn sample."""

import io
import json
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import PIL.Image
import pytest

from emotion_detection import plots
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.plots import saving, style

DRAW = """
from emotion_detection.plots import style
figure, axes = style.new_axes(2.0)
axes.plot([1, 2, 3], [0.1, 0.5, 0.2], label="a")
axes.set(title="A title", xlabel="epoch")
axes.legend()
style.finish(figure, {"accuracy": [0.1, 0.5, 0.2]})
"""


def opened(png):
    """The picture in a file or in bytes, unread."""
    return PIL.Image.open(io.BytesIO(png if isinstance(png, bytes) else png.read_bytes()))


@pytest.fixture
def ours(isolated, monkeypatch):
    """The isolated project, as `make figures` writes to it."""
    monkeypatch.setenv("EMOTION_FIGURES_DIR", "figures")
    return isolated


@pytest.fixture
def drawn():
    """A figure with the values in it."""
    names = {}
    exec(DRAW, names)
    return names["figure"]


def test_figure_and_its_numbers_are_written_to_the_figures_folder(ours, drawn):
    path = saving.save(drawn, "03_curves")
    assert path == ours / "figures" / "03_curves.png"
    assert json.loads(path.with_suffix(".json").read_text()) == {"source": "recorded run", "accuracy": [0.1, 0.5, 0.2]}
    assert sorted(each.name for each in path.parent.iterdir()) == ["03_curves.json", "03_curves.png"]
    assert opened(path).size == (1600, 400)


def test_saving_twice_or_after_showing_gives_the_same_bytes(isolated, drawn):
    first = saving.save(drawn, "a").read_bytes()
    drawn._repr_mimebundle_()
    assert saving.save(drawn, "a").read_bytes() == first


def test_another_process_draws_the_same_bytes(drawn, tmp_path):
    code = f"import pathlib\n{DRAW}\npathlib.Path('other.png').write_bytes(style.png_bytes(figure, dpi=200))"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert (tmp_path / "other.png").read_bytes() == style.png_bytes(drawn, dpi=200)


def test_picture_names_no_software_and_no_date(isolated, drawn):
    assert set(opened(saving.save(drawn, "a")).info) == {"dpi"}


def test_notebook_shows_a_figure_800_pixels_wide(drawn):
    assert opened(drawn._repr_mimebundle_()["image/png"]).size == (800, 200)


def test_a_palette_makes_a_shown_picture_smaller_and_looks_the_same(drawn):
    shown = drawn._repr_mimebundle_()["image/png"]
    whole = style.png_bytes(drawn, dpi=style.NOTEBOOK_DPI)
    assert len(shown) < 0.7 * len(whole)
    same, all_colors = (np.asarray(PIL.Image.open(io.BytesIO(each)).convert("RGB"), int) for each in (shown, whole))
    assert np.abs(same - all_colors).mean() < 0.5


def test_readers_own_settings_do_not_change_a_plot(drawn):
    def bars():
        return style.png_bytes(plots.class_counts(pd.DataFrame({"Training": [3, 5]}, index=["happy", "sad"])), dpi=50)

    usual = bars()
    with matplotlib.rc_context({"font.size": 20, "axes.grid": False, "figure.facecolor": "red", "savefig.dpi": 30}):
        assert bars() == usual


@pytest.mark.parametrize("source", [style.SAMPLE, style.FAST])
def test_drawn_sample_is_refused_in_the_projects_figures(ours, drawn, source):
    with pytest.raises(DataError, match="EMOTION_OUTPUT_DIR"):
        saving.save(drawn, "a", source=source)
    assert not (ours / "figures").exists()


def test_drawn_sample_goes_to_the_output_folder_under_a_banner(isolated, drawn, monkeypatch):
    monkeypatch.setenv("EMOTION_OUTPUT_DIR", str(isolated / "out"))
    plain = opened(saving.save(drawn, "plain")).convert("RGB")
    path = saving.save(drawn, "sample", source=style.FAST)
    again = saving.save(drawn, "again", source=style.FAST)
    assert path == isolated / "out" / "figures" / "sample.png"
    assert json.loads(path.with_suffix(".json").read_text())["source"] == "drawn sample, one epoch"
    bannered = np.asarray(opened(path).convert("RGB"))
    height = bannered.shape[0] - plain.height
    assert height == round(style.BANNER_HEIGHT_IN * style.FILE_DPI)
    np.testing.assert_array_equal(bannered[height:], np.asarray(plain))
    strip = bannered[:height].reshape(-1, 3)
    assert (strip == (0xFF, 0xD1, 0x66)).all(axis=1).mean() > 0.8
    assert (strip.sum(axis=1) < 200).sum() > 500  # there is dark text in it
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "values", "source", "error", "message"),
    [
        ("a", {}, "a guess", UnknownNameError, "recorded run"),
        ("../a", {}, "recorded run", UnknownNameError, "05_f1_bars"),
        ("a", {"source": 1}, "recorded run", DataError, "Rename"),
        ("a", {"x": object()}, "recorded run", DataError, "type object"),
    ],
)
def test_bad_arguments_write_nothing(ours, drawn, name, values, source, error, message):
    with pytest.raises(error, match=message):
        saving.save(style.finish(drawn, values), name, source=source)
    assert not (ours / "figures").exists()


def test_values_become_plain_and_keep_six_digits():
    frame = pd.DataFrame({"f1": [1 / 3, np.nan]}, index=["angry", "fear"])
    values = {
        "scalar": np.float32(0.1),
        "large": 1234567.8,
        "table": frame,
        "listed": frame.reset_index(drop=True),
        "array": np.array([[1, 2]], np.int8),
        "flag": np.bool_(True),
        "pair": (1, None),
    }
    assert saving.plain(values) == {
        "scalar": 0.1,
        "large": 1234570.0,
        "table": {"f1": {"angry": 0.333333, "fear": None}},
        "listed": {"f1": [0.333333, None]},
        "array": [[1, 2]],
        "flag": True,
        "pair": [1, None],
    }
    assert type(saving.plain(True)) is bool
