"""How fast the package is: what `make bench` recorded, checked, as numeric tables. Appendix A shows them."""

import dataclasses
import statistics
from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection import files, paths
from emotion_detection.errors import DataError

GROUPS = ("loading", "training", "one face", "batch of 32", "formats", "frame", "start", "video")
"""Groups of comparisons, in the order in which they are shown."""

TARGETS = ("ratio", "seconds", "mb", "share")
"""What a target may be set on: at least for a ratio and a share of the limit's speed, at most for time and memory."""

LINEAR_BAND = (0.85, 1.15)
"""Cost counts as growing with the work where its local exponent (slope of log seconds over log work) is in here."""

COMMAND = "make bench RECORD=1"
STEPS_COMMAND = "python tests/benchmarks/bench_step.py --record"


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A measured benchmark.

    Attributes:
        machine: one row: `measured` (date), `processor`, `cores`, `memory_gb`, `system`, `matrix_gflops` (billions of
            float32 operations a second when large matrices are multiplied on all cores).
        packages: name → version.
        comparisons: a row per comparison, see `compare`.
        growths: name → how cost grows with the work, see `grow`.
    """

    machine: pd.DataFrame
    packages: dict[str, str]
    comparisons: pd.DataFrame
    growths: dict[str, pd.DataFrame]


def benchmark_path() -> Path:
    """Return the file of the recorded benchmark; the project's own, whatever `EMOTION_OUTPUT_DIR` says."""
    return paths.project_root() / "data" / "results" / "benchmarks" / "speed.json"


def load_benchmark(file: Path | None = None) -> Benchmark:
    """Return a benchmark as `tests/benchmarks/bench.py` wrote it: that in `file`, or the recorded one.

    Raises:
        MissingFileError: it is not there.
        DataError: it is damaged.
    """
    file = benchmark_path() if file is None else Path(file)
    keys = ("measured", "hardware", "packages", "matrix_gflops", "rows", "growth")
    record = files.read_json(file, remake=COMMAND, keys=keys)
    try:
        hardware = {key: record["hardware"][key] for key in ("processor", "cores", "memory_gb", "system")}
        machine = {"measured": record["measured"][:10], **hardware, "matrix_gflops": float(record["matrix_gflops"])}
        return Benchmark(
            pd.DataFrame([machine]),
            dict(record["packages"]),
            compare(record["rows"]),
            {growth["name"]: grow(growth) for growth in record["growth"]},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise files.damaged(file, f"{type(error).__name__}: {error}", remake=COMMAND) from error


def compare(rows: list[dict]) -> pd.DataFrame:
    """Return recorded comparisons, a row each, in the order of `GROUPS`.

    Returns:
        Columns `group`, `name`, `ours`, `other` (text); `ours_s`, `other_s` (medians); `ratio`, `ratio_least`,
        `ratio_most` (how many times as long the other takes: median, least, most); `limit` (text), `limit_s`,
        `limit_share` (of the limit's speed that ours reaches, 0–1); `wanted_ratio`; `holds` (True, False, or None
        without a target); `accuracy_ours`, `accuracy_other`, `accuracy_other_reestimated` (PublicTest, 0–1; the last
        with the other's batch-norm statistics estimated anew, as ours are). NaN where there is none.

    Raises:
        KeyError, TypeError, ValueError: a row is not as the benchmark writes it.
    """
    table = pd.DataFrame([_comparison(row) for row in rows])
    times = table[["ours_s", "other_s", "ratio", "ratio_least", "ratio_most"]].to_numpy(float)
    if not (np.isfinite(times) & (times > 0)).all():
        raise ValueError(f"comparison {int(np.argmin(times.min(axis=1)))} has a time or ratio that is not above 0")
    order = table["group"].map({group: number for number, group in enumerate(GROUPS)}).fillna(len(GROUPS))
    return table.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def _comparison(row: dict) -> dict:
    limit, target = row["limit"] or {"what": "", "seconds": np.nan}, row["target"] or {}
    if unknown := set(target) - set(TARGETS):
        raise ValueError(f"comparison {row['name']!r} has a target on {', '.join(unknown)}")
    if min(*row["ours_seconds"], *row["other_seconds"]) <= 0:
        raise ValueError(f"comparison {row['name']!r} has a time that is not above 0")
    ours_s, other_s = (statistics.median(row[f"{side}_seconds"]) for side in ("ours", "other"))
    accuracy = row["accuracy"] or {}
    return {
        **{key: row[key] for key in ("group", "name", "ours", "other")},
        "ours_s": ours_s,
        "other_s": other_s,
        "ratio": row["ratio"]["median"],
        "ratio_least": row["ratio"]["low"],
        "ratio_most": row["ratio"]["high"],
        "limit": limit["what"],
        "limit_s": limit["seconds"],
        "limit_share": limit["seconds"] / ours_s,
        "wanted_ratio": target.get("ratio", np.nan),
        "holds": row["holds"],
        "accuracy_ours": accuracy.get("ours", np.nan),
        "accuracy_other": accuracy.get("other", np.nan),
        "accuracy_other_reestimated": accuracy.get("other_anew", np.nan),
    }


def limits_table(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return what has a limit, once each, however many other ways it is compared with.

    Returns:
        Columns `what`, `ours_s`, `limit`, `limit_s`, `limit_share`.
    """
    limited = comparisons[comparisons["limit_s"].notna()].drop_duplicates(["group", "ours_s", "limit"])
    own_names = [name.partition("against ")[0].strip(" ,") for name in limited["name"]]
    what = [f"{group}: {name}" if name else group for group, name in zip(limited["group"], own_names, strict=True)]
    return limited.assign(what=what)[["what", "ours_s", "limit", "limit_s", "limit_share"]].reset_index(drop=True)


def grow(growth: dict) -> pd.DataFrame:
    """Return how time and memory grow with the work, by growing work.

    Args:
        growth: as recorded: "x" (the work), "x_label" (its unit), "seconds", "peak_mb".

    Returns:
        Columns `x`, `seconds`, `peak_mb`; `is_linear` (whether time grows with the work there: neither hidden by a
        fixed cost nor faster, by `LINEAR_BAND`); `proportional_s` (time in proportion to the work, through the last
        amount up to which time grows no faster). `attrs["unit"]` says of what `x` is.

    Raises:
        DataError: there are less than two amounts of work above zero.
        KeyError, TypeError, ValueError: it is not as the benchmark writes it.
    """
    table = pd.DataFrame({key: growth[key] for key in ("x", "seconds", "peak_mb")}).sort_values("x")
    table = table.reset_index(drop=True).assign(is_linear=False, proportional_s=np.nan)
    worked = np.flatnonzero(table["x"] > 0)
    if len(worked) < 2:
        raise DataError(
            f"The growth {growth['name']!r} has {len(worked)} amounts of work above zero, so nothing can be said on "
            "how cost grows. Measure two or more (make bench)."
        )
    x, seconds = (table.loc[worked, column].to_numpy(float) for column in ("x", "seconds"))
    exponents = np.diff(np.log(seconds)) / np.diff(np.log(x))
    steep, flat = np.flatnonzero(exponents > LINEAR_BAND[1]), np.flatnonzero(exponents < LINEAR_BAND[0])
    end = int(steep[0]) if len(steep) else len(exponents)
    start = int(flat[-1]) + 1 if len(flat) else 0
    if start < end:
        table.loc[worked[start : end + 1], "is_linear"] = True
    table["proportional_s"] = seconds[end] * table["x"] / x[end]
    table.attrs["unit"] = growth["x_label"]
    return table


def steps_table(file: Path | None = None) -> pd.DataFrame:
    """Return what was tried on a training step of MobileNetV2, by `file` or the recorded one, the fastest first.

    Returns:
        Columns `tried` (text: what differs from the base, all of the network at 96 px in batches of 32 by AdamW),
        `faces_per_second`, `ratio`, `ratio_least`, `ratio_most` (its speed beside the base's: median, least, most).

    Raises:
        MissingFileError: it is not there.
        DataError: it is damaged.
    """
    file = benchmark_path().with_name("step.json") if file is None else Path(file)
    record = files.read_json(file, remake=STEPS_COMMAND, keys=("rows",))
    try:
        lines = [
            {
                "tried": row["name"],
                "faces_per_second": round(row["images_per_s"]),
                "ratio": row["ratio"]["median"],
                "ratio_least": row["ratio"]["low"],
                "ratio_most": row["ratio"]["high"],
            }
            for row in record["rows"]
        ]
        return pd.DataFrame(lines).sort_values("faces_per_second", ascending=False, ignore_index=True)
    except (KeyError, TypeError) as error:
        raise files.damaged(file, f"{type(error).__name__}: {error}", remake=STEPS_COMMAND) from error
