"""What networks cost: parameters, bytes, time of one face; as recorded by `tests/benchmarks/bench_networks.py`."""

from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection import files, paths
from emotion_detection.evaluation import metrics
from emotion_detection.reporting.reports import percent
from emotion_detection.runs import registry, store
from emotion_detection.studies import baselines, peers

REMAKE = "python tests/benchmarks/bench_networks.py --record"
SAME_FORMAT = "float16"
"""The format in which the baselines are measured, too."""

OURS = {f"shipped_{form}": form for form in registry.SUFFIXES}
"""Name of a shipped file in the record → its format."""


def path() -> Path:
    """Return the record's path."""
    return paths.project_root() / "data" / "results" / "benchmarks" / "networks.json"


def read() -> dict:
    """Read the record.

    Raises:
        MissingFileError: it is not there.
        DataError: it is damaged.
    """
    record = files.read_json(path(), remake=REMAKE, keys=("networks",))
    for name, entry in record["networks"].items():
        if not {"ms", "bytes", "parameters", "sha256"} <= set(entry):
            raise files.damaged(path(), f"{name} has {', '.join(entry)}", remake=REMAKE)
    return record


def table(record: dict) -> pd.DataFrame:
    """Return what each network costs.

    Args:
        record: as `read` returns it.

    Returns:
        By name of the network: `ms` (median over the rounds), `low_ms`, `high_ms` (least and most), `megabytes` (10⁶
        bytes), `parameters`.
    """
    rows = {
        name: {
            "ms": float(np.median(entry["ms"])),
            "low_ms": min(entry["ms"]),
            "high_ms": max(entry["ms"]),
            "megabytes": entry["bytes"] / 1e6,
            "parameters": entry["parameters"],
        }
        for name, entry in record["networks"].items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def with_accuracy(record: dict, *, split: str = "PrivateTest") -> pd.DataFrame:
    """Return cost and accuracy of the shipped files and of the baselines.

    Args:
        record: as `read` returns it.
        split: a test split.

    Returns:
        A row per network: the columns of `table`, `network`, `is_ours`, `accuracy`, `low`, `high` (95 % Wilson
        interval), 0–1.
    """
    costs, lines = table(record), []
    card, others = registry.read_card(), baselines.recorded()
    for name, form in OURS.items():
        known = card["formats"][form][split]
        lines.append(_line(f"ours, {form}", True, known["accuracy"], known["n"], costs.loc[name]))
    for name, answers in others.items():
        if name in costs.index:
            theirs = answers.predictions[split]
            lines.append(_line(name, False, metrics.accuracy(theirs), len(theirs), costs.loc[name]))
    return pd.DataFrame(lines)


def _line(network: str, is_ours: bool, accuracy: float, n: int, costs: pd.Series) -> dict:
    low, high = metrics.share_interval(round(accuracy * n), n)
    return {"network": network, "is_ours": is_ours, "accuracy": accuracy, "low": low, "high": high, **costs.to_dict()}


def against_parameters(run: store.Run, *, split: str = "PrivateTest") -> pd.DataFrame:
    """Return parameters and accuracy of a run of ours, of the baselines and of what is published.

    Returns:
        A row per network, ours first: `network`, `parameters`, `accuracy` (0–1), `status` ("ours" or that of a
        `peers.Peer`), `note`.
    """
    own = run.info["parameters"]["all"]
    lines = [("ours", own, metrics.accuracy(run.predictions[split]), "ours", "")]
    lines += [
        (peer.name, round(1e6 * peer.parameters_m), peer.accuracy, peer.status, peer.note)
        for peer in peers.everyone()
        if peer.parameters_m is not None
    ]
    return pd.DataFrame(lines, columns=["network", "parameters", "accuracy", "status", "note"])


def sizes_told(found: pd.DataFrame, interval: tuple[float, float]) -> str:
    """Return in words who is more accurate than ours, and who may be with no more parameters.

    Args:
        found: as `against_parameters` returns it.
        interval: 95 % interval of our accuracy, 0–1.
    """
    own, rest = found.iloc[0], found.iloc[1:]
    low, high = interval
    near = rest[(rest["parameters"] <= own["parameters"]) & (rest["accuracy"] >= low)]
    ahead = rest[(rest["parameters"] > own["parameters"]) & (rest["accuracy"] > own["accuracy"])]
    million = own["parameters"] / 1e6
    return (
        f"Ours: {percent(own['accuracy'])} ({100 * low:.1f}–{100 * high:.1f}) with {million:.2f} million parameters. "
        f"With no more, at or above the low end of our interval: {_named(near)}. With more, and more accurate: "
        f"{_named(ahead)}."
    )


def _named(found: pd.DataFrame) -> str:
    told = [
        f"{line.network} ({percent(line.accuracy)}, {line.parameters / 1e6:g} M, {line.status}"
        + (f"; {line.note})" if line.note else ")")
        for line in found.itertuples()
    ]
    return "; ".join(told) or "none"


def told(found: pd.DataFrame) -> str:
    """Return in words what `with_accuracy` found.

    Args:
        found: its table, ours first.
    """
    ours, rest = found[found["is_ours"]], found[~found["is_ours"]]
    alike = ours[ours["network"] == f"ours, {SAME_FORMAT}"].iloc[0]
    own = [
        f"{line.network.removeprefix('ours, ')}: {percent(line.accuracy)}, {line.megabytes:.1f} MB, {line.ms:.2f} ms"
        for line in ours.itertuples(index=False)
    ]
    others = [
        f" {line.network} takes {line.ms:.2f} ms ({line.ms / alike['ms']:.2f} times ours in {SAME_FORMAT}) and gets "
        f"{percent(line.accuracy)}."
        for line in rest.itertuples(index=False)
    ]
    return f"The shipped network in {'; in '.join(own)} for a face on one thread.{''.join(others)}"


def sizes_table(record: dict, accuracies: dict[str, store.Run]) -> pd.DataFrame:
    """Return what the size of the input costs in use, beside what it bought in equal time of training, as text.

    Args:
        record: as `read` returns it.
        accuracies: name of the size in the record ("96px") → the run that learned at this size.
    """
    costs = table(record)
    return pd.DataFrame(
        {
            "Input": size.replace("px", " px"),
            "One face, ms": f"{costs.loc[size, 'ms']:.2f}",
            "Epochs": len(run.history),
            "PublicTest": percent(metrics.accuracy(run.predictions["PublicTest"])),
        }
        for size, run in accuracies.items()
        if size in costs.index
    )
