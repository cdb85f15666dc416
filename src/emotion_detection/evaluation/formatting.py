"""Numbers as readers see them: percent, points, intervals, times, and whole tables. The one place for it.

Functions elsewhere return numbers, and tables as numeric DataFrames with snake_case columns. `format_table` turns such
a table into text once, where it is shown: it reads from a column's name what kind of number it holds.
"""

import functools
import html
import numbers
import re
from collections.abc import Callable

import pandas as pd

from emotion_detection.emotions import DISPLAY_NAMES

MISSING = "–"
SPANS = {("low", "high"): "95 % interval", ("least", "most"): "least–most"}
"""Endings of two columns that go into the cell of the column before them → what they are, for its header."""

SHARES = {"accuracy", "agreement", "confidence", "coverage", "ece", "precision", "recall", "share"}
"""Words in the name of a column of shares, 0–1, shown in percent, such as `accuracy_deduplicated`."""

DIFFERENCES = {"difference", "gain", "gap", "points"}
"""Words in the name of a column of differences between shares, −1–1, shown in points with a sign."""

NOT_SHARES = {"correlation", "f1", "kappa", "loss", "nll"}
"""Words in the name of a column of plain numbers, shown with three decimals."""

HEADERS = {
    "n": "n",
    "p": "p",
    "p_value": "p",
    "f1": "F1",
    "macro_f1": "Macro-F1",
    "weighted_f1": "Weighted F1",
    "ece": "Calibration error",
    "val_accuracy": "Accuracy on PublicTest",
    "accuracy_deduplicated": "De-duplicated",
    "accuracy_ferplus": "FER+ majority",
    "accuracy_near_twin_free": "Near-twin-free",
    "mb": "File",
    "minutes": "Training",
    "ms": "One face",
    "neutral_called_angry_share": "Neutral called Angry",
    "neutral_missed_share": "Neutral called something else",
    "neutral_recall": "Neutral right",
    "no_face_share": "No face found",
    "n_deduplicated": "n, de-duplicated",
    "n_ferplus": "n, FER+",
    "n_near_twin_free": "n, near-twin-free",
    "smile_recall": "Smiles called Happy",
    "teacher_minutes": "Teachers' training",
}
"""Columns whose header is not their name in words."""

WORDS = {
    "deduplicated": "de-duplicated",
    "f1": "F1",
    "fer2013": "FER2013",
    "ferplus": "FER+",
    "id": "ID",
    "int8": "int8",
    "keras": "Keras",
    "litert": "LiteRT",
    "near": "near",
    "nll": "NLL",
    "privatetest": "PrivateTest",
    "publictest": "PublicTest",
}
"""Words of a column's name that are written in their own way."""


def percent(share: float | None, *, digits: int = 1) -> str:
    """Return a share (0–1) as percent, such as "71.9 %"; a dash for None or NaN."""
    return MISSING if _is_missing(share) else f"{100 * share:.{digits}f} %"


def points(difference: float | None, low: float | None = None, high: float | None = None, *, digits: int = 1) -> str:
    """Return a difference of shares (−1–1) as points, such as "+0.8", or "−1.2 (−2.0 to −0.4)" with its interval."""
    if _is_missing(difference):
        return MISSING
    text = f"{100 * difference:+.{digits}f}".replace("-", "−")
    if _is_missing(low) or _is_missing(high):
        return text
    return f"{text} ({points(low, digits=digits)} to {points(high, digits=digits)})"


def number(value: float | None, *, digits: int = 3, signed: bool = False) -> str:
    """Return a number with thousands separators if it is whole, else with `digits` decimals; a dash for none."""
    if _is_missing(value):
        return MISSING
    plus = "+" if signed else ""
    text = f"{value:{plus},}" if isinstance(value, numbers.Integral) else f"{value:{plus},.{digits}f}"
    return text.replace("-", "−")


def interval(value: float | None, low: float | None, high: float | None, *, write: Callable[..., str] = percent) -> str:
    """Return a value with its interval, such as "71.9 % (70.4–73.3)" or "0.712 (0.693–0.729)".

    `write` turns a number into text, such as `percent` or `number`. Without an end the value stands alone.
    """
    text = write(value)
    if _is_missing(value) or _is_missing(low) or _is_missing(high) or low == high == value:
        return text  # an interval that is a point says nothing
    unit, ends = text.lstrip("+−0123456789.,"), [write(end) for end in (low, high)]
    if all(end.endswith(unit) for end in ends):
        ends = [end.removesuffix(unit) for end in ends]
    joined = " to ".join(ends) if any(end[:1] in "+−" for end in ends) else "–".join(ends)
    return f"{text} ({joined})"


def duration(seconds: float | None) -> str:
    """Return a time with three significant digits, in the unit that suits it: µs, ms, s, min or h."""
    if _is_missing(seconds):
        return MISSING
    if seconds == 0:
        return "0 s"
    for below_s, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min")):
        if abs(seconds) < below_s:
            return f"{_three_digits(seconds * factor)} {unit}"
    return f"{_three_digits(seconds / 3600)} h"


def ratio(value: float | None) -> str:
    """Return a ratio with about two significant digits, such as "0.97×", "4.9×" or "3,154×"."""
    return MISSING if _is_missing(value) else f"{value:,.{0 if value >= 20 else 1 if value >= 2 else 2}f}×"


def p_value(value: float | None) -> str:
    """Return a p-value, such as "0.034" or "< 0.001"."""
    if _is_missing(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def format_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a numeric table as text, for people to read.

    Columns `x`, `x_low`, `x_high` become one, "71.9 % (70.4–73.3)"; so do `low` and `high` with the column before them,
    and `x_least` and `x_most`, which are no interval but the least and the most that was found.
    Shares are written in percent, differences in points, whole numbers with thousands separators; the last word of a
    name may be a unit (`_s`, `_ms`, `_px`, `minutes`). Headers are in words. A named index becomes the first column.
    """
    if frame.index.name is not None or isinstance(frame.index, pd.MultiIndex):
        frame = frame.reset_index()
    columns = {}
    for name, ends in _with_ends(list(frame.columns)).items():
        write = _writer(name)
        if ends is None:
            columns[_header(name)] = [write(value) for value in frame[name]]
        else:
            rows = zip(frame[name], frame[ends[0]], frame[ends[1]], strict=True)
            span = next(text for (_, end), text in SPANS.items() if ends[1].endswith(end))
            columns[f"{_header(name)} ({span})"] = [interval(*row, write=write) for row in rows]
    return pd.DataFrame(columns)


def code(text: str) -> str:
    """Return text, such as a file's name, as Markdown code, in which no sign of it means anything."""
    text = re.sub(r"[\r\n]", " ", text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"


def to_markdown(frame: pd.DataFrame) -> str:
    """Return a table of text as GitHub Markdown, without its index; columns after the first are right-aligned.

    What would be read as HTML is escaped; other signs of Markdown are left, since tables hold links and code.
    """
    rows = [list(frame.columns), *frame.itertuples(index=False)]
    cells = [[_in_cell(str(value)) for value in row] for row in rows]
    cells.insert(1, ["---"] + ["---:"] * (len(frame.columns) - 1))
    return "\n".join("| " + " | ".join(row) + " |" for row in cells) + "\n"


def _in_cell(text: str) -> str:
    """Return text for one cell: no end of it, no end of the line, no HTML tag or entity begins in it."""
    text = re.sub(r"<(?=[A-Za-z/!?])|&(?=#?\w+;)", lambda sign: html.escape(sign[0]), text.replace("|", "\\|"))
    return re.sub(r"[\r\n]+", " ", text)


def _with_ends(columns: list[str]) -> dict[str, tuple[str, str] | None]:
    """Return each column that is shown → the columns of its interval, or None."""
    shown: dict[str, tuple[str, str] | None] = {}
    for index, name in enumerate(columns):
        pairs = [(f"{name}_{low}", f"{name}_{high}") for low, high in SPANS]
        if pair := next((pair for pair in pairs if set(pair) <= set(columns)), None):
            shown[name] = pair
        elif index and columns[index : index + 2] == ["low", "high"]:
            shown[columns[index - 1]] = ("low", "high")
        elif name == "high" and index > 1 and columns[index - 1] == "low":
            continue
        elif not any(name == f"{each}_{end}" for each in columns for pair in SPANS for end in pair):
            shown[name] = None
    return shown


def _writer(name: str) -> Callable[..., str]:
    """Return the function that writes the values of a column."""
    words = str(name).split("_")
    if name in ("p", "p_value"):
        write = p_value
    elif name.startswith("n_") or name == "n":
        write = number
    elif DIFFERENCES & set(words):
        write = functools.partial(number, signed=True) if NOT_SHARES & set(words) else points
    elif SHARES & set(words):
        write = percent
    else:
        write = BY_LAST_WORD.get(words[-1], number if NOT_SHARES & set(words) else _short_number)
    return lambda value: _plain(value) if isinstance(value, str | bool) or _is_missing(value) else write(value)


def _plain(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return DISPLAY_NAMES.get(value, value) if isinstance(value, str) else MISSING


def _short_number(value: float) -> str:
    small = isinstance(value, float) and 0 < abs(value) < 0.01
    return f"{value:.3g}".replace("-", "−") if small else number(value)


def _three_digits(value: float) -> str:
    return f"{value:.{max(0, 2 - len(str(int(abs(value)))) + 1)}f}" if abs(value) >= 1 else f"{value:.3g}"


def _header(name: str) -> str:
    if name in HEADERS:
        return HEADERS[name]
    words = str(name).split("_")
    if words[-1] in UNITS and len(words) > 1:
        words = words[:-1]
    text = " ".join(WORDS.get(word, word) for word in words)
    text = text if words[0] in WORDS else text[:1].upper() + text[1:]
    in_points = DIFFERENCES & set(words) and not NOT_SHARES & set(words) and "points" not in words
    return f"{text}, points" if in_points else text


def _is_missing(value) -> bool:
    return value is None or (isinstance(value, float) and value != value) or value is pd.NA or value is pd.NaT


def _in(unit: str) -> Callable[[float], str]:
    return lambda value: f"{value:,.0f} {unit}" if value >= 10 else f"{value:.2g} {unit}"


UNITS: dict[str, Callable[..., str]] = {
    "s": duration,
    "seconds": duration,
    "minutes": _in("min"),
    "hours": _in("h"),
    "ms": "{:,.3g} ms".format,
    "px": "{:,.0f} px".format,
    "mb": "{:,.1f} MB".format,
    "gb": "{:,.1f} GB".format,
    "deg": "{:g}°".format,
    "fps": "{:.1f} fps".format,
}
"""Last word of a column's name → the function that writes its numbers, with their unit."""

BY_LAST_WORD = UNITS | {"ratio": ratio, "faster": ratio, "times": ratio, "year": "{:.0f}".format}
