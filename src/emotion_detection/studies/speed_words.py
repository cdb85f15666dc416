"""The recorded speed benchmark in words and in tables to be shown: every number comes from the tables of `speed`."""

import statistics

import pandas as pd

from emotion_detection import files
from emotion_detection.evaluation import metrics
from emotion_detection.reporting import scaling
from emotion_detection.reporting.reports import percent
from emotion_detection.studies import speed

UNITS = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s"), (float("inf"), 1 / 60, "min"))
"""Times below so many seconds → units in a second, and the unit's name."""


def in_units(seconds: float) -> str:
    """Return a time in fitting units, such as "1.52 ms"."""
    per_second, unit = next((per_second, unit) for below_s, per_second, unit in UNITS if abs(seconds) < below_s)
    return f"{_digits(seconds * per_second)} {unit}"


def times(ratio: float) -> str:
    """Return a ratio, such as "0.97×", "4.9×", "120×"."""
    return f"{ratio:,.{0 if ratio >= 20 else 1 if ratio >= 2 else 2}f}×"


def _digits(value: float) -> str:
    return f"{value:,.{0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2}f}".replace("-", "−")


def _megabytes(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:,.0f} MB"


def machine(record: dict) -> str:
    """Return in words when and on what a benchmark was measured."""
    hardware = record["hardware"]
    packages = ", ".join(f"{name} {version}" for name, version in record["packages"].items())
    return (
        f"Measured on {record['measured'][:10]}: {hardware['cores']} cores of {hardware['processor']}, "
        f"{hardware['memory_gb']} GB, {hardware['system']}; it multiplies matrices at "
        f"{record['matrix_gflops']:,.0f} GFLOP/s (float32, all cores). {packages}."
    )


def earlier_runs(record: dict) -> str:
    """Return in words what the earlier runs of a benchmark were measured on, whose ratios stand beside the present."""
    processors = record.get("earlier_processors")
    return f"The ratios of earlier runs were measured on {' and '.join(processors)}." if processors else ""


def comparisons(table: pd.DataFrame, group: str) -> pd.DataFrame:
    """Return the comparisons of one group with times, ratio and peak memory, as text."""
    lines = []
    for row in table[table["group"] == group].to_dict("records"):
        line = {
            "What": row["name"],
            "Ours": f"{row['ours']}: {in_units(row['ours_s'])}",
            "Instead": f"{row['other']}: {in_units(row['other_s'])}",
            "Ratio (least–most)": f"{times(row['ratio'])} ({times(row['low'])}–{times(row['high'])})",
            "In earlier runs": _span(row["earlier_low"], row["earlier_high"]),
            "Peak memory (ours, instead)": f"{_megabytes(row['ours_mb'])}, {_megabytes(row['other_mb'])}",
        }
        if pd.notna(row["accuracy_ours"]):
            line["PublicTest (ours, instead)"] = _accuracies(row)
        lines.append(line)
    return pd.DataFrame(lines).fillna("–")


def _accuracies(row: dict) -> str:
    """Return two accuracies, with their 95 % intervals where the number of faces is known."""
    words = [_with_interval(row[f"accuracy_{side}"], row["accuracy_faces"]) for side in ("ours", "other")]
    if pd.notna(row["accuracy_other_anew"]):
        words.append(f"{percent(row['accuracy_other_anew'])} once its batch norms are estimated anew")
    return ", ".join(words)


def _with_interval(accuracy: float, faces: float) -> str:
    if pd.isna(faces):
        return percent(accuracy)
    low, high = metrics.share_interval(round(accuracy * faces), int(faces))
    return f"{percent(accuracy)} ({100 * low:.0f}–{100 * high:.0f})"


def _span(low: float, high: float) -> str:
    if pd.isna(low):
        return "–"
    return times(low) if times(low) == times(high) else f"{times(low)}–{times(high)}"


def targets(table: pd.DataFrame) -> pd.DataFrame:
    """Return what is wanted, what is reached and whether that is enough, a row per target, as text."""
    found = speed.targets_table(table)
    return pd.DataFrame(
        {
            "Group": found["group"],
            "What": found["name"],
            "Wanted": [wanted_in_words(*each) for each in found[["kind", "wanted"]].itertuples(index=False)],
            "Reached": [in_kind(*each) for each in found[["kind", "reached"]].itertuples(index=False)],
            "Holds": found["holds"].map({True: "yes", False: "**no**"}),
        }
    )


def in_kind(kind: str, value: float) -> str:
    """Return a number of a kind of target (a key of `speed.TARGETS`) with its unit."""
    if pd.isna(value):
        return "not measured"
    return {"ratio": times, "seconds": in_units, "mb": _megabytes, "share": percent}[kind](value)


def wanted_in_words(kind: str, value: float) -> str:
    """Return what is wanted, such as "≥ 40×" or "≤ 1.50 ms"."""
    return f"{'≥' if kind in ('ratio', 'share') else '≤'} {in_kind(kind, value)}"


def ratios(table: pd.DataFrame) -> str:
    """Return in words which comparison gains most, and in how many ours is the slower one."""
    most = table.loc[table["ratio"].idxmax()]
    slower = table[table["ratio"] < 1]
    told = f" Where ours takes longer: {_listed(slower)}." if len(slower) else " In none does ours take longer."
    return (
        f"Of {len(table)} comparisons the largest ratio is **{times(most['ratio'])}** ({most['group']}, "
        f"{most['name']}: {in_units(most['ours_s'])} instead of {in_units(most['other_s'])}).{told}"
    )


def _listed(rows: pd.DataFrame) -> str:
    return "; ".join(f"{row.group}, {row.name_} ({times(row.ratio)})" for row in _named(rows))


def _named(rows: pd.DataFrame):
    return rows.rename(columns={"name": "name_"}).itertuples(index=False)


def limits(table: pd.DataFrame) -> str:
    """Return in words what is nearest to its limit and what is farthest from it."""
    found = speed.limits_table(table).sort_values("limit_share")
    if found.empty:
        return "No limit is recorded."
    near, far = found.iloc[-1], found.iloc[0]
    return (
        f"Nearest to its limit is {near['what']} ({percent(near['limit_share'], 0)} of the speed of {near['limit']}), "
        f"farthest {far['what']}: {in_units(far['ours_s'])} where {far['limit']} would take "
        f"{in_units(far['limit_s'])}, **{percent(far['limit_share'], 0)}** of that speed."
    )


def latency(table: pd.DataFrame) -> str:
    """Return in words how the shipped network compares with its peers in accuracy and time, by `latency_table`."""
    own, peers = (table[(table["network"] == "this network") == mine] for mine in (True, False))
    if own.empty:
        return "One face was not measured."
    first, slowest = own.iloc[0], own.loc[own["seconds"].idxmax()]
    text = (
        f"The same network takes {in_units(first['seconds'])} as {first['way']} and {in_units(slowest['seconds'])} as "
        f"{slowest['way']}, {times(slowest['seconds'] / first['seconds'])} as long."
    )
    if peers.empty:
        return f"{text} No other network was measured."
    fastest = peers.loc[peers["seconds"].idxmin()]
    points = 100 * (first["accuracy"] - fastest["accuracy"])
    return (
        f"{text} {fastest['network']}, run as {fastest['way']}, takes {in_units(fastest['seconds'])} and is right on "
        f"{percent(fastest['accuracy'])}, {abs(points):.1f} points {'less' if points > 0 else 'more'} than this "
        f"network. {speed.PEERS_SOURCE}"
    )


def growths(tables: dict[str, pd.DataFrame]) -> str:
    """Return in words, a line each, from where to where cost grows with the work, and what memory does meanwhile."""
    return "\n".join(f"- **{name}**: {growth(table)}" for name, table in tables.items()) or "No growth is recorded."


def growth(table: pd.DataFrame) -> str:
    """Return in words how time and memory grow with the work, by `speed.linear_until`."""
    known = table[table["x"] > 0]
    more, peaks = known["x"].iloc[-1] / known["x"].iloc[0], known["peak_mb"]
    return (
        f"{_time_words(table)} Peak memory goes from {_megabytes(peaks.iloc[0])} to {_megabytes(peaks.iloc[-1])} while "
        f"the work grows {more:,.3g} times."
    )


def _time_words(table: pd.DataFrame) -> str:
    line, unit = speed.linear_until(table), table.attrs["unit"]
    until = f"up to {line.until_x:,g} {unit}"
    if line.is_steep:
        steepest = max(line.exponents)
        until += f", **beyond which it grows faster** (local exponent up to {steepest:.2f}, above {line.band[1]:g})"
    if line.start == 0:
        return f"time grows with the work {until}."
    if line.start < line.end:
        return f"time grows with the work from {line.from_x:,g} {unit} {until}; below, {_fixed(table, line)}."
    return f"time grows no faster than the work {until}, since {_fixed(table, line)}."


def _fixed(table: pd.DataFrame, line: speed.Linearity) -> str:
    """Return in words how a fixed cost shows: time grows less than the work, though what is added costs the same."""
    unit, work, seconds = (table.attrs["unit"], table["x"].to_numpy(float), table["seconds"].to_numpy(float))
    first, last = ((seconds[end] - seconds[start]) / (work[end] - work[start]) for start, end in ((0, 1), (-2, -1)))
    known = table[table["x"] > 0].reset_index(drop=True)
    took = known["seconds"][line.start] / known["seconds"][0]
    return (
        f"a fixed cost hides the growth (from {line.work[0]:,g} to {line.from_x:,g} {unit} the work grows "
        f"{line.from_x / line.work[0]:,.3g} times, the time {took:.3g} times; each of the first added {unit} costs "
        f"{in_units(first)}, each of the last {in_units(last)})"
    )


def training(costs: pd.DataFrame, accuracies: dict[str, float]) -> str:
    """Return in words what each further regime costs and buys.

    Args:
        costs: as `reports.costs` returns them, from cheap to dear.
        accuracies: name of the run → PublicTest accuracy, 0–1.
    """
    cheap, dear = costs.index[0], costs.index[-1]
    return (
        f"{dear} takes {costs.loc[dear, 'total_s'] / costs.loc[cheap, 'total_s']:.3g} times as long as {cheap} "
        f"({in_units(costs.loc[dear, 'total_s'])} instead of {in_units(costs.loc[cheap, 'total_s'])}) and is right on "
        f"{percent(accuracies[dear])} of PublicTest instead of {percent(accuracies[cheap])}."
    )


def findings(table: pd.DataFrame) -> str:
    """Return in words which targets hold, which do not, and what limits those."""
    found = speed.targets_table(table)
    missed = found[~found["holds"].astype(bool)]
    lines = [f"**{len(found) - len(missed)} of {len(found)} targets hold.**"]
    for row in missed.to_dict("records"):
        limit = "no limit is stated for it"
        if row["limit"]:
            limit = f"{percent(row['limit_share'], 0)} of what {row['limit']} would allow is reached"
        lines.append(
            f"- Missed: {row['group']}, {row['name']}: {in_kind(row['kind'], row['reached'])}, wanted "
            f"{wanted_in_words(row['kind'], row['wanted'])}; {limit}. {row['note']}".rstrip()
        )
    return "\n".join([lines[0], "", *lines[1:]]) if len(missed) else f"{lines[0]} None is missed."


def two_processes() -> str:
    """Return in words what training in several processes bought, where that was measured; else nothing.

    Raises:
        DataError: its record is damaged.
    """
    file = scaling.path()
    if not file.is_file():
        return ""
    try:
        values = files.read_json(file, remake=scaling.COMMAND)
        gains = scaling.epoch_ratios(values)
        workers, cores = values["workers"], values["hardware"]["cores"]
        median = statistics.median(gains)
    except (KeyError, TypeError) as error:
        raise files.damaged(file, f"{type(error).__name__}: {error}", remake=scaling.COMMAND) from error
    return (
        f"Several trainings on {cores} cores: {workers} workers of one thread do {times(median)} the work of one "
        f"process with all cores (lowest {times(min(gains))}, highest {times(max(gains))})."
    )
