"""The look of every figure, and the figure that a plot function returns: shown in a notebook without pyplot's state.

A plot function makes its figure with `new_figure` or `new_axes`, draws, and returns `finish(figure, values)`.
"""

import functools
import io
from collections.abc import Callable, Iterable

import matplotlib
import matplotlib.axes
import matplotlib.backends.backend_agg
import matplotlib.figure
import matplotlib.image
import matplotlib.ticker
import numpy as np
import pandas as pd
import PIL.Image

from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.runs.store import Run

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.edgecolor": "#8A8A8A",
    "axes.facecolor": "white",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.8,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "text.color": "#222222",
    "axes.labelcolor": "#222222",
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "figure.titlesize": 11.0,
    "figure.titleweight": "bold",
    "savefig.facecolor": "auto",
    "savefig.bbox": None,
    "text.usetex": False,
    "path.simplify": True,
}
"""The look of every figure, as matplotlib settings."""

SERIES_COLORS = ("#004488", "#BB5566", "#DDAA33", "#66CCEE", "#777777")
"""Colours of regimes, runs and splits, in their order: Paul Tol's high-contrast triple, which also differs in grey,
and two more for what goes beyond three."""

SPLIT_COLORS = dict(zip(("Training", "PublicTest", "PrivateTest"), SERIES_COLORS, strict=False))
INK = "#222222"
INKS = tuple({STYLE[name].lower() for name in ("text.color", "xtick.color", "axes.edgecolor")} | {"#000000"})
"""Colours of what is written, lines and marks: in a dark page they turn light."""

NAMES = [DISPLAY_NAMES[emotion] for emotion in EMOTIONS]
PERCENT = matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %")

WIDTH_IN = 8.0
FILE_DPI = 200
"""Resolution of the files: 1,600 px wide, which a README shows at half that, sharp on dense screens too."""

NOTEBOOK_DPI = 100
NOTEBOOK_COLORS = 256
"""A saved notebook holds its pictures with a palette: they take half the space, and look the same."""

BANNER_HEIGHT_IN = 0.34
SAMPLE = "drawn sample"
FAST = "drawn sample, one epoch"


def styled(function):
    """Run a plot function in the project's look, whatever the reader's own settings are."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        with matplotlib.rc_context(STYLE):
            return function(*args, **kwargs)

    return wrapper


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure that a notebook shows as a cell's value, without pyplot and its state.

    Attributes:
        values: what is plotted, as a dict; `save_figure` writes it beside the picture.
        source: what it is made from, where the plot function knows it (see `saving.SOURCES`), else None.
        banner: text in a strip above the picture, else None.
    """

    values: dict
    source: str | None = None
    banner: str | None = None

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"image/png": png_bytes(self, dpi=NOTEBOOK_DPI, colors=NOTEBOOK_COLORS), "text/plain": repr(self)}


def new_figure(height_in: float) -> Figure:
    """Return an empty figure in the project's look, 800 px wide in a notebook."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, height_in), dpi=FILE_DPI, layout="constrained")
        matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    figure.values = {}
    return figure


def new_axes(height_in: float) -> tuple[Figure, matplotlib.axes.Axes]:
    """Return a new figure and the one Axes in it, in the project's look."""
    figure = new_figure(height_in)
    with matplotlib.rc_context(STYLE):
        return figure, figure.add_subplot()


def finish(figure: Figure, values: dict, *, runs: Iterable[Run] = ()) -> Figure:
    """Return a drawn figure with what is plotted in it: the last line of every plot function.

    Of the runs that it shows, one of the drawn sample makes it carry a banner.
    """
    figure.values = values
    drawn = [run.is_sample for run in runs]
    if any(drawn):
        figure.source = FAST if all(drawn) else SAMPLE
        add_banner(figure, figure.source)
    return figure


def set_title(figure: Figure, text: str) -> None:
    """Give a figure of several panels a title, on the left as those of panels are."""
    figure.suptitle(text, x=0.01, ha="left")


def as_picture(axes: matplotlib.axes.Axes, color: str | None = None) -> None:
    """Take away what belongs to a plot; frame it in a colour."""
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(color is not None)
    if color is not None:
        axes.spines[:].set(color=color, linewidth=2.5)


def pictures(panels: Iterable[matplotlib.axes.Axes], faces: np.ndarray, captions: Iterable[str] = ()) -> None:
    """Show grey faces, uint8 (n, h, w), one a panel, with their captions; panels that are left over stay empty."""
    for axes in panels:
        as_picture(axes)
    for axes, face in zip(panels, faces, strict=False):
        axes.imshow(face, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    for axes, caption in zip(panels, captions, strict=False):
        axes.set_title(caption, loc="center", size=7.5, weight="normal")


def whiskers(values, low, high) -> np.ndarray:
    """Return how far intervals reach below and above their values, (2, n), as matplotlib's error bars take it."""
    return np.clip([np.subtract(values, low), np.subtract(high, values)], 0.0, None)


def grouped_bars(
    axes: matplotlib.axes.Axes,
    values: pd.DataFrame,
    low: pd.DataFrame | None = None,
    high: pd.DataFrame | None = None,
    *,
    write: Callable[[float], str],
    colors: list[str] | None = None,
) -> None:
    """Draw a group of bars per row and a bar per column, each with its value and, where there is one, its interval.

    The text above a bar is what `write` makes of its value; `colors` are those of the bars of a single column.
    """
    width = 0.84 / len(values.columns)
    for index, name in enumerate(values.columns):
        centres = np.arange(len(values)) + (index - (len(values.columns) - 1) / 2) * width
        errors = None if low is None else whiskers(values[name], low[name], high[name])
        look = {"color": colors or series_color(index), "error_kw": {"ecolor": INK, "elinewidth": 1.0, "capsize": 2.0}}
        bars = axes.bar(centres, values[name], 0.94 * width, yerr=errors, label=name, **look)
        axes.bar_label(bars, labels=[write(value) for value in values[name]], padding=1, fontsize=7.5)
    axes.set_xticks(range(len(values)), labels=list(values.index))
    axes.set_ylim(0, 1.16 if len(values.columns) > 1 else 1.0)  # room for the legend above bars of any height
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    if len(values.columns) > 1:
        axes.legend(loc="upper right", ncols=len(values.columns), borderaxespad=0.0)


def shares_matrix(axes: matplotlib.axes.Axes, values: pd.DataFrame, *, write=None, highest: float = 1.0) -> None:
    """Draw a matrix with a number in each cell, white on dark and dark on light; shares are written in percent."""
    axes.imshow(values, cmap="Blues", vmin=0, vmax=highest, aspect="auto")
    for (row, column), value in np.ndenumerate(values.to_numpy()):
        look = {"color": "white" if value > 0.55 * highest else INK, "weight": "bold" if row == column else "normal"}
        text = write(value) if write else f"{100 * value:.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, **look)
    axes.set_xticks(range(len(values.columns)), labels=list(values.columns))
    axes.set_yticks(range(len(values)), labels=list(values.index))
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def legend_below(figure: Figure, **options) -> None:
    """Give a figure of several panels one legend below them, each label once."""
    handles = {}
    for axes in figure.axes:
        found, labels = axes.get_legend_handles_labels()
        handles |= dict(zip(labels, found, strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", **options)


def series_color(index: int) -> str:
    """Return the colour of the series with this number; after the last they begin anew."""
    return SERIES_COLORS[index % len(SERIES_COLORS)]


def add_banner(figure: Figure, source: str) -> None:
    """Have the figure carry "<source>: not a result" wherever it is shown or saved."""
    figure.banner = f"{source}: not a result"


def png_bytes(figure: matplotlib.figure.Figure, *, dpi: int, colors: int | None = None) -> bytes:
    """Return the figure as PNG, without date or version, so that equal figures give equal bytes.

    A figure with a banner has it in a strip of its own above the picture. With `colors` it has so many at most (2–256),
    as a palette without transparency.
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


def _pixels(figure: matplotlib.figure.Figure, dpi: int) -> np.ndarray:
    """Draw a figure: uint8 array (height, width, 4), RGBA."""
    stream = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(stream, format="png", dpi=dpi)
    return np.asarray(PIL.Image.open(stream).convert("RGBA"))


def _banner_pixels(text: str, width_px: int, dpi: int) -> np.ndarray:
    """Draw the banner as wide as the picture that it goes on: uint8 array (height, width_px, 4), RGBA."""
    with matplotlib.rc_context(STYLE):
        strip = matplotlib.figure.Figure(figsize=((width_px + 0.5) / dpi, BANNER_HEIGHT_IN), facecolor="#FFD166")
        strip.text(0.5, 0.46, text, ha="center", va="center", weight="bold", fontsize=11)
    return _pixels(strip, dpi)


def themed_svg(figure: matplotlib.figure.Figure) -> str:
    """Return the figure as SVG for a page: without background, its text and axes in the page's own colour."""
    stream = io.StringIO()
    with matplotlib.rc_context(STYLE | {"svg.fonttype": "none", "svg.hashsalt": "emotions"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    for color in INKS:
        svg = svg.replace(color, "currentColor")
    return svg[svg.index("<svg") :]
