"""What networks cost: parameters, bytes, time of one face; as recorded by `tests/benchmarks/bench_networks.py`."""

from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection import baselines, cards, evaluation, paths, peers, records, runs
from emotion_detection.reports import percent

OURS = {f"shipped_{form}": form for form in cards.SUFFIXES}
"""Name of a shipped file in the record → its format."""


def path() -> Path:
    """Return the record's path."""
    return paths.project_root() / "data" / "results" / "benchmarks" / "networks.json"


def read() -> dict:
    """Read the record.

    Raises:
        MissingFileError: it is not there.
    """
    return records.read(path(), remake="python tests/benchmarks/bench_networks.py --record", keys=("networks",))


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
    card, others = cards.read_card(), baselines.recorded()
    for name, form in OURS.items():
        known = card["formats"][form][split]
        lines.append(_line(f"ours, {form}", True, known["accuracy"], known["n"], costs.loc[name]))
    for name, answers in others.items():
        if name in costs.index:
            theirs = answers.predictions[split]
            lines.append(_line(name, False, evaluation.accuracy(theirs), len(theirs), costs.loc[name]))
    return pd.DataFrame(lines)


def _line(network: str, is_ours: bool, accuracy: float, n: int, costs: pd.Series) -> dict:
    low, high = evaluation.share_interval(round(accuracy * n), n)
    return {"network": network, "is_ours": is_ours, "accuracy": accuracy, "low": low, "high": high, **costs.to_dict()}


def against_parameters(run: runs.Run, *, split: str = "PrivateTest") -> pd.DataFrame:
    """Return parameters and accuracy of a run of ours, of the baselines and of what is published.

    Returns:
        A row per network: `network`, `parameters`, `accuracy` (0–1), `status`: "ours", "same code" (answers recorded
        here), or that of the publication (see `peers.Peer`).
    """
    own = run.info["parameters"]["all"]
    lines = [("ours", own, evaluation.accuracy(run.predictions[split]), "ours")]
    for name, answers in baselines.recorded().items():
        lines.append((name, answers.info["parameters"], evaluation.accuracy(answers.predictions[split]), "same code"))
    for peer in peers.PUBLISHED:
        if peer.parameters_m is not None:
            lines.append((peer.name, round(1e6 * peer.parameters_m), peer.accuracy, peer.status))
    return pd.DataFrame(lines, columns=["network", "parameters", "accuracy", "status"])


def sizes_told(found: pd.DataFrame) -> str:
    """Return in words who of those that are not larger gets more than ours, and who of the larger ones.

    Args:
        found: as `against_parameters` returns it, ours first.
    """
    own, rest = found.iloc[0], found.iloc[1:]
    rest = rest[rest["status"] != "unclear"]
    ahead = rest[rest["accuracy"] > own["accuracy"]]
    smaller, larger = (ahead[(ahead["parameters"] > own["parameters"]) == is_larger] for is_larger in (False, True))
    words = f"Ours: {percent(own['accuracy'])} with {own['parameters'] / 1e6:.2f} million parameters. "
    names = [f"{line.network} ({percent(line.accuracy)}, {line.parameters / 1e6:g} M)" for line in smaller.itertuples()]
    words += f"As accurate with no more parameters: {', '.join(names) or 'none of those whose faces are known'}. "
    names = [
        f"{line.network} ({percent(line.accuracy)}, {line.parameters / own['parameters']:.0f} times as many)"
        for line in larger.itertuples()
    ]
    return words + f"More accurate with more: {', '.join(names) or 'none'}."


def told(found: pd.DataFrame) -> str:
    """Return in words what `with_accuracy` found.

    Args:
        found: its table, ours first.
    """
    ours, rest = found[found["is_ours"]], found[~found["is_ours"]]
    sentences = [
        f"{line.network.removeprefix('ours, ')}: {percent(line.accuracy)}, {line.megabytes:.1f} MB, {line.ms:.2f} ms"
        for line in ours.itertuples(index=False)
    ]
    words = f"The shipped network in {'; in '.join(sentences)} for a face on one thread."
    for line in rest.itertuples(index=False):
        nearest = ours.loc[ours["ms"].idxmin()]
        words += (
            f" {line.network} takes {line.ms:.2f} ms ({line.ms / nearest['ms']:.1f} times our fastest) and gets "
            f"{percent(line.accuracy)}."
        )
    return words


def sizes_table(record: dict, accuracies: dict[str, tuple[int, float]]) -> pd.DataFrame:
    """Return what the size of the input costs, as text.

    Args:
        record: as `read` returns it.
        accuracies: name of the size in the record ("96px") → epochs and accuracy of the arm that learned at this size.
    """
    costs = table(record)
    return pd.DataFrame(
        {
            "Input": size.replace("px", " px"),
            "One face, ms": f"{costs.loc[size, 'ms']:.2f}",
            "PublicTest, in equal time of training": f"{percent(accuracy)} ({epochs} epochs)",
        }
        for size, (epochs, accuracy) in accuracies.items()
        if size in costs.index
    )
