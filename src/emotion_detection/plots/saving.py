"""Figures as files: the picture, and beside it the numbers that are plotted in it."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection import files, paths
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.plots import style

SIGNIFICANT_DIGITS = 6
"""Floats in the JSON keep so many digits, which hides differences between machines in the last bits."""

RECORDED_RUN = "recorded run"
SOURCES = (
    RECORDED_RUN,
    "recorded summary",
    "FER2013",
    "public-domain portrait",
    "network",
    style.SAMPLE,
    style.FAST,
)
"""What a figure may be made from; those of the drawn sample carry a banner."""

NAME = re.compile(r"[0-9A-Za-z][0-9a-z_]*")


def save(figure: style.Figure, name: str, *, source: str = RECORDED_RUN) -> Path:
    """Write `<name>.png` and `<name>.json`, the figure's values, each atomically, into `paths.figures_dir()`.

    The picture holds no date and no version, so it is byte-identical whenever the numbers are. A figure made from
    the drawn sample gets a banner that says so, and never goes to the project's own figures.

    Args:
        figure: as a function of `plots` returns it.
        name: of the files, such as "01_class_counts".
        source: one of `SOURCES`; it is added to the JSON.

    Returns:
        The path of the picture.

    Raises:
        UnknownNameError: `source` or `name` is not of the allowed form.
        DataError: a figure of the drawn sample was to be written into the project's own `figures/`, or a value
            cannot be written as JSON.
    """
    if not NAME.fullmatch(name):
        raise UnknownNameError(
            f"{name!r} is no name for a figure. Use the notebook's number or letter, then lower-case letters, digits "
            "and _, such as 05_f1_bars."
        )
    if source not in SOURCES:
        raise UnknownNameError(f"{source!r} is no source of a figure. Use one of {list(SOURCES)}.")
    if "source" in figure.values:
        raise DataError("The values of a figure hold a key 'source' of their own. Rename it: source= gives that.")
    if source.startswith(style.SAMPLE):
        if paths.figures_dir() == paths.project_root() / "figures":
            raise DataError(
                f"Figure {name} shows the {source} and would go to the project's figures/, which holds results only. "
                "Set EMOTION_OUTPUT_DIR to a folder of your own."
            )
        style.add_banner(figure, source)
    record = plain({"source": source} | figure.values)
    picture = paths.figures_dir() / f"{name}.png"
    write_png(figure, picture)
    files.write_json(picture.with_suffix(".json"), record)
    return picture


def write_png(figure: style.Figure, path: Path) -> None:
    """Write a figure as PNG, atomically."""
    files.write_bytes(path, style.png_bytes(figure, dpi=style.FILE_DPI))


def plain(value):
    """Return `value` with numpy and pandas values in it as plain lists, dicts, numbers and None.

    A DataFrame becomes {column: …}; a Series or column with names as index becomes {name: value}, with a plain
    0, 1, 2, … index a list. Floats keep `SIGNIFICANT_DIGITS`; those that are not finite become None.

    Raises:
        DataError: a value is of another kind.
    """
    if isinstance(value, pd.Series):
        value = value.tolist() if isinstance(value.index, pd.RangeIndex) else value.to_dict()
    elif isinstance(value, pd.DataFrame):
        value = {column: value[column] for column in value}
    elif isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    raise DataError(f"A figure's values hold {value!r} of type {type(value).__name__}. Use numbers, text and tables.")
