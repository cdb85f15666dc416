"""Figures as files: the picture, and beside it the numbers that are plotted in it."""

import math
import re
from pathlib import Path

import matplotlib.figure
import numpy as np
import pandas as pd

from emotion_detection import files, paths
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.plots.style import (  # noqa: F401 (until the last notebook has left `saving.new_figure`)
    FAST,
    FILE_DPI,
    NOTEBOOK_COLORS,
    NOTEBOOK_DPI,
    SAMPLE,
    Figure,
    add_banner,
    new_axes,
    new_figure,
    png_bytes,
)
from emotion_detection.runs.store import Run

SIGNIFICANT_DIGITS = 6
"""Floats in the JSON keep so many digits, which hides differences between machines in the last bits."""

RECORDED_RUN = "recorded run"
RECORDED_SUMMARY = "recorded summary"
REAL_DATA = "FER2013"
PORTRAIT = "public-domain portrait"
SOURCES = (RECORDED_RUN, RECORDED_SUMMARY, REAL_DATA, PORTRAIT, SAMPLE, FAST)
"""What a figure may be made from; those of the drawn sample carry a banner."""

NAME = re.compile(r"[0-9A-Za-z][0-9a-z_]*")


def source_of(run: Run) -> str:
    """Return which of `SOURCES` a figure of this run has."""
    return FAST if run.is_sample else RECORDED_RUN


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
            f"{name!r} is no name for a figure. Use that of the notebook, lower-case letters, digits and _: 05_f1_bars."
        )
    if source not in SOURCES:
        raise UnknownNameError(f"{source!r} is no source of a figure. Use one of {list(SOURCES)} (figures.SOURCES).")
    if "source" in values:
        raise DataError("The values of a figure hold a key 'source' of their own. Rename it: source= gives that.")
    if is_sample_source(source) and paths.figures_dir() == paths.project_root() / "figures":
        raise DataError(
            f"Figure {name} shows the {source} and would go to the project's figures/, which holds results only. "
            "Set EMOTION_OUTPUT_DIR to a folder of your own."
        )


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
