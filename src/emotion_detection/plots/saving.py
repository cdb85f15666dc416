"""Figures as files: the picture, and beside it the numbers that are plotted in it."""

import io
import math
import re
from pathlib import Path

import matplotlib
import matplotlib.backends.backend_agg
import matplotlib.figure
import matplotlib.image
import numpy as np
import pandas as pd
import PIL.Image

from emotion_detection import files, paths, plots
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.evaluation import metrics
from emotion_detection.runs.store import Run

WIDTH_IN = 8.0
FILE_DPI = 200
"""Resolution of the files: 1,600 px wide, which a README shows at half that, sharp on dense screens too."""

NOTEBOOK_DPI = 100
NOTEBOOK_COLORS = 256
"""A saved notebook holds its pictures with a palette: they take half the space, and look the same."""

SIGNIFICANT_DIGITS = 6
"""Floats in the JSON keep so many digits, which hides differences between machines in the last bits."""

RECORDED_RUN = "recorded run"
RECORDED_SUMMARY = "recorded summary"
REAL_DATA = "FER2013"
PORTRAIT = "public-domain portrait"
SAMPLE = "drawn sample"
FAST = "drawn sample, one epoch"
SOURCES = (RECORDED_RUN, RECORDED_SUMMARY, REAL_DATA, PORTRAIT, SAMPLE, FAST)
"""What a figure may be made from; those of the drawn sample carry a banner."""

NAME = re.compile(r"[0-9a-z][0-9a-z_]*")
BANNER_HEIGHT_IN = 0.34


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure that a notebook shows as a cell's value, without pyplot and its state."""

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"image/png": png_bytes(self, dpi=NOTEBOOK_DPI, colors=NOTEBOOK_COLORS), "text/plain": repr(self)}


def new_figure(height_in: float = 4.5, *, width_in: float = WIDTH_IN) -> Figure:
    """Return an empty figure in the project's look, 800 px wide in a notebook; `plots` fills it."""
    with matplotlib.rc_context(plots.STYLE):
        figure = Figure(figsize=(width_in, height_in), dpi=FILE_DPI, layout="constrained")
        matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    return figure


def new_axes(height_in: float = 4.5, *, width_in: float = WIDTH_IN):
    """Return a new figure and the one Axes in it, in the project's look."""
    figure = new_figure(height_in, width_in=width_in)
    with matplotlib.rc_context(plots.STYLE):
        return figure, figure.add_subplot()


def source_of(run: Run) -> str:
    """Return which of `SOURCES` a figure of this run has."""
    return FAST if metrics.is_sample(run) else RECORDED_RUN


def save_figure(figure: matplotlib.figure.Figure, name: str, values: dict, *, source: str | None = None) -> Path:
    """Write `figures/<name>.png` and `<name>.json`, the numbers plotted in it, each atomically.

    The picture holds no date and no version, so it is byte-identical whenever the numbers are. A figure made from
    the drawn sample gets a banner that says so, and goes nowhere but to `EMOTION_OUTPUT_DIR`.

    Args:
        figure: to be saved.
        name: of the files, such as "01_class_balance".
        values: what is plotted; numpy and pandas values become plain ones, floats keep 6 significant digits.
        source: one of `SOURCES`; "recorded run" by default. It is added to the JSON.

    Returns:
        The path of the picture.

    Raises:
        UnknownNameError: `source` or `name` is not of the allowed form.
        DataError: a figure of the drawn sample was to be written into the project's own `figures/`, or a value
            cannot be written as JSON.
    """
    source = source or RECORDED_RUN
    _check(name, values, source)
    record = plain({"source": source} | values)
    if is_sample_source(source):
        add_banner(figure, source)
    picture = paths.figures_dir() / f"{name}.png"
    data = png_bytes(figure, dpi=FILE_DPI)
    with files.written_beside(picture) as temporary:
        temporary.write_bytes(data)
    files.write_json(picture.with_suffix(".json"), record)
    return picture


def is_sample_source(source: str) -> bool:
    """Return whether figures from this source show the drawn sample, and so no result."""
    return source.startswith(SAMPLE)


def _check(name: str, values: dict, source: str) -> None:
    if not NAME.fullmatch(name):
        raise UnknownNameError(
            f"{name!r} is no name for a figure. Use lower-case letters, digits and _, such as 05_f1_bars."
        )
    if source not in SOURCES:
        raise UnknownNameError(f"{source!r} is no source of a figure. Use one of {list(SOURCES)} (figures.SOURCES).")
    if "source" in values:
        raise DataError("The values of a figure hold a key 'source' of their own. Rename it: source= gives that.")
    if is_sample_source(source) and paths.output_dir() is None:
        raise DataError(
            f"Figure {name} shows the {source} and would go to the project's figures/, which holds results only. "
            "Set EMOTION_OUTPUT_DIR to a folder of your own."
        )


def png_bytes(figure: matplotlib.figure.Figure, *, dpi: int, colors: int | None = None) -> bytes:
    """Return the figure as PNG, without date or version, so that equal figures give equal bytes.

    A figure to which `add_banner` was applied has its banner in a strip of its own above the picture.

    Args:
        figure: to be drawn.
        dpi: pixels per inch.
        colors: so many colours at most (2–256), as a palette without transparency; None: all, and transparency.
    """
    pixels = _pixels(figure, dpi)
    if banner := getattr(figure, "banner", None):
        pixels = np.concatenate([_banner_pixels(banner, pixels.shape[1], dpi), pixels])
    stream = io.BytesIO()
    if colors is None:
        matplotlib.image.imsave(stream, pixels, format="png", dpi=dpi, metadata={"Software": None})
    else:
        PIL.Image.fromarray(pixels).convert("RGB").quantize(colors).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def add_banner(figure: matplotlib.figure.Figure, source: str) -> None:
    """Have the figure carry "<source>: not a result" wherever it is shown or saved by this module."""
    figure.banner = f"{source}: not a result"


def _pixels(figure: matplotlib.figure.Figure, dpi: int) -> np.ndarray:
    """Draw a figure: uint8 array (height, width, 4), RGBA."""
    stream = io.BytesIO()
    with matplotlib.rc_context(plots.STYLE):
        figure.savefig(stream, format="png", dpi=dpi)
    return np.asarray(PIL.Image.open(stream).convert("RGBA"))


def _banner_pixels(text: str, width_px: int, dpi: int) -> np.ndarray:
    """Draw the banner as wide as the picture that it goes on: uint8 array (height, width_px, 4), RGBA."""
    with matplotlib.rc_context(plots.STYLE):
        strip = matplotlib.figure.Figure(figsize=((width_px + 0.5) / dpi, BANNER_HEIGHT_IN), facecolor="#FFD166")
        strip.text(0.5, 0.46, text, ha="center", va="center", weight="bold", fontsize=11)
    return _pixels(strip, dpi)


def plain(value):
    """Return `value` with numpy and pandas values in it as plain lists, dicts, numbers and None.

    A DataFrame becomes {column: …}; a Series or column with names as index becomes {name: value}, with a plain
    0, 1, 2, … index a list. Floats keep `SIGNIFICANT_DIGITS`; those that are not finite become None.

    Raises:
        DataError: a value is of another kind.
    """
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, pd.DataFrame):
        return {str(column): plain(value[column]) for column in value.columns}
    if isinstance(value, pd.Series):
        return plain(value.tolist() if isinstance(value.index, pd.RangeIndex) else value.to_dict())
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(each) for each in (value.tolist() if isinstance(value, np.ndarray) else value)]
    return _plain_scalar(value)


def _plain_scalar(value):
    if value is None or isinstance(value, str | bool | np.bool_):
        return bool(value) if isinstance(value, np.bool_) else value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    raise DataError(f"A figure's values hold {value!r} of type {type(value).__name__}. Use numbers, text and tables.")
