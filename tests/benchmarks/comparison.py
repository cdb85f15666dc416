"""Comparisons as the benchmark records them: ours against another way, with a spread, a limit and a target."""

import dataclasses
import json
import platform
import statistics
from pathlib import Path

import psutil
from harness import progress, shown

from emotion_detection.studies import speed

KEPT_RUNS = 5
"""The record keeps the ratios of so many earlier recordings, which tells how they spread from run to run."""


@dataclasses.dataclass
class Row:
    """One comparison: ours against what one would use instead.

    Args:
        group: of comparisons, such as "one face".
        name: what is done.
        ours: words for our way.
        other: words for the other.
        ours_seconds: of each turn.
        other_seconds: of each turn; in pairs with ours where there are as many.
        units: how much work a turn is.
        ours_peak_mb: highest memory of our process.
        other_peak_mb: of the other's.
        limit: {"what", "seconds"}: what the same work takes at a stated limit of the machine.
        target: what is wanted: "ratio", "seconds" or "mb" of ours, "share" of the limit.
        accuracy: {"ours", "other"} on PublicTest; where both train, "other_anew", with the other's batch-norm
            statistics estimated anew, and the number of "faces", too.
    """

    group: str
    name: str
    ours: str
    other: str
    ours_seconds: list[float]
    other_seconds: list[float]
    units: int
    ours_peak_mb: float | None = None
    other_peak_mb: float | None = None
    limit: dict | None = None
    target: dict | None = None
    accuracy: dict | None = None

    @property
    def ratio(self) -> dict[str, float]:
        """How many times as long the other way takes: median, lowest and highest over the rounds."""
        if len(self.ours_seconds) == len(self.other_seconds):
            pairs = list(zip(self.other_seconds, self.ours_seconds, strict=True))
        else:
            pairs = [(theirs, own) for theirs in self.other_seconds for own in self.ours_seconds]
        ratios = [theirs / own for theirs, own in pairs]
        return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}

    @property
    def holds(self) -> bool | None:
        """Whether all that is wanted is reached, at the median; None where nothing is."""
        if not self.target:
            return None
        ours_s = statistics.median(self.ours_seconds)
        reached = {
            "ratio": lambda wanted: self.ratio["median"] >= wanted,
            "seconds": lambda wanted: ours_s <= wanted,
            "mb": lambda wanted: self.ours_peak_mb <= wanted,
            "share": lambda wanted: self.limit["seconds"] / ours_s >= wanted,
        }
        return all(reached[kind](wanted) for kind, wanted in self.target.items())

    def record(self) -> dict:
        """Return plain values, rounded to what a repetition would give again."""
        values = dataclasses.asdict(self) | {"ratio": self.ratio, "holds": self.holds}
        return rounded(values)

    def sentence(self) -> str:
        """Return the comparison in a line."""
        ours_s, other_s = (statistics.median(each) for each in (self.ours_seconds, self.other_seconds))
        ratio = self.ratio
        words = f"{self.group}, {self.name}: {self.ours} {shown(ours_s)}, {self.other} {shown(other_s)}: "
        words += f"{ratio['median']:.1f} times as long ({ratio['low']:.1f}–{ratio['high']:.1f})"
        if self.limit:
            words += f"; {self.limit['seconds'] / ours_s:.0%} of the limit ({self.limit['what']})"
        if self.target:
            words += f"; wanted {self.target}: {'holds' if self.holds else 'MISSED'}"
        return words


def rounded(value):
    """Return plain values with floats to four significant digits."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def hardware() -> dict:
    """Return what the numbers were measured on."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(psutil.Process().cpu_affinity())
        if hasattr(psutil.Process, "cpu_affinity")
        else psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "processor": names[0] if names else platform.processor() or "unknown",
    }


def compare_with_record(rows: list[Row]) -> None:
    """Print, for each comparison, the recorded ratio beside the one measured now, and whether the spreads meet."""
    path = speed.benchmark_path()
    if not path.is_file():
        return
    recorded = {_key(row): row for row in json.loads(path.read_text(encoding="utf-8"))["rows"]}
    for row in rows:
        if (was := recorded.get(_key(vars(row)))) is None:
            continue
        ratios = (was["ratio"]["low"], was["ratio"]["high"], *was.get("earlier_ratios", []))
        low, high = min(ratios), max(ratios)
        meets = row.ratio["low"] <= high and row.ratio["high"] >= low
        progress(
            f"{row.group}, {row.name}: now {row.ratio['median']:.1f} ({row.ratio['low']:.1f}–{row.ratio['high']:.1f}), "
            f"recorded {was['ratio']['median']:.1f} ({low:.1f}–{high:.1f}){'' if meets else ': OUTSIDE'}"
        )


def _key(row: dict) -> tuple:
    """Return what makes two measurements the same comparison."""
    return row["group"], row["name"], row["units"]


def merged(recorded: dict, values: dict) -> dict:
    """Return a record with the groups measured now in the place of the recorded ones.

    Ratios that were recorded are kept as earlier ones, with the processors that they are of. Of another machine nothing
    else is kept: times of two machines do not stand in one table.
    """
    before = {_key(row): [*row.get("earlier_ratios", []), row["ratio"]["median"]] for row in recorded["rows"]}
    for row in values["rows"]:
        row["earlier_ratios"] = before.get(_key(row), [])[-KEPT_RUNS:]
    replaced = [recorded["hardware"]["processor"]] if any(row["earlier_ratios"] for row in values["rows"]) else []
    values = values | {"earlier_processors": sorted({*recorded.get("earlier_processors", []), *replaced})}
    groups = {row["group"] for row in values["rows"]}
    others = [row for row in recorded["rows"] if row["group"] not in groups]
    if recorded["hardware"] != values["hardware"]:
        left_out = sorted({row["group"] for row in others}) + ([] if values["growth"] else ["growth"])
        words = f"; left out, measure them here too: {', '.join(left_out)}" if left_out else ""
        progress(f"The recorded benchmark is of another machine: of it the ratios are kept{words}.")
        return values
    rows = sorted(others + values["rows"], key=lambda row: speed.GROUPS.index(row["group"]))
    return values | {"rows": rows, "growth": values["growth"] or recorded["growth"]}
