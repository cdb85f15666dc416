"""How fast the package is: what `make bench` recorded, as numeric tables. Appendix A shows them."""

import dataclasses
import statistics
from pathlib import Path

import pandas as pd

from emotion_detection import files, paths

GROUPS = ("loading", "training", "one face", "batch of 32", "formats", "frame", "start", "video")
"""Groups of comparisons, in the order in which they are shown."""

COLUMNS = {
    **{name: name for name in ("group", "name", "ours", "other", "ours_s", "other_s")},
    "ratio_median": "ratio",
    "ratio_low": "ratio_least",
    "ratio_high": "ratio_most",
    "limit_what": "limit",
    "limit_seconds": "limit_s",
    "limit_share": "limit_share",
    "target_ratio": "wanted_ratio",
    "holds": "holds",
    "accuracy_ours": "accuracy_ours",
    "accuracy_other": "accuracy_other",
    "accuracy_other_anew": "accuracy_other_reestimated",
}
"""Where the record has it → column of `compare`."""

REQUIRED = ("name", "ours", "other", "ratio_median", "ratio_low", "ratio_high")

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
        growths: name → columns `x` (the work, of which `attrs["unit"]` is the unit), `seconds`, `peak_mb`.
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
        growths = {growth["name"]: _growth(growth) for growth in record["growth"]}
        return Benchmark(pd.DataFrame([machine]), dict(record["packages"]), compare(record["rows"]), growths)
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
    """
    found = pd.json_normalize(rows, sep="_").sort_values(
        "group", key=lambda groups: groups.map(GROUPS.index), kind="stable", ignore_index=True
    )
    for side in ("ours", "other"):
        found[f"{side}_s"] = found[f"{side}_seconds"].map(statistics.median)
    if unknown := [column for column in REQUIRED if found[column].isna().any()]:
        raise ValueError(f"a comparison has no {unknown[0]}")
    found = found.reindex(columns=list(COLUMNS)).assign(limit_share=lambda each: each["limit_seconds"] / each["ours_s"])
    return found.rename(columns=COLUMNS)


def limits_table(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return what has a limit, once each, however many other ways it is compared with.

    Returns:
        Columns `what`, `ours_s`, `limited_by` (text), `limit_s`, `limit_share`.
    """
    limited = comparisons[comparisons["limit_s"].notna()].drop_duplicates(["group", "ours_s", "limit"])
    own_names = limited["name"].str.partition("against ")[0].str.strip(" ,")
    what = (limited["group"] + ": " + own_names).str.removesuffix(": ")
    limited = limited.assign(what=what).rename(columns={"limit": "limited_by"}).reset_index(drop=True)
    return limited[["what", "ours_s", "limited_by", "limit_s", "limit_share"]]


def _growth(growth: dict) -> pd.DataFrame:
    """Return how time and memory grow with the work, by growing work."""
    table = pd.DataFrame({key: growth[key] for key in ("x", "seconds", "peak_mb")})
    table = table.sort_values("x", ignore_index=True)
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
    rows = files.read_json(file, remake=STEPS_COMMAND, keys=("rows",))["rows"]
    columns = {"name": "tried", "images_per_s": "faces_per_second"}
    columns |= {"ratio_median": "ratio", "ratio_low": "ratio_least", "ratio_high": "ratio_most"}
    try:
        table = pd.json_normalize(rows, sep="_")[list(columns)].rename(columns=columns)
    except KeyError as error:
        raise files.damaged(file, f"{type(error).__name__}: {error}", remake=STEPS_COMMAND) from error
    table["faces_per_second"] = table["faces_per_second"].round().astype(int)
    return table.sort_values("faces_per_second", ascending=False, ignore_index=True)
