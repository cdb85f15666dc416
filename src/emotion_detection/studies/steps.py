"""What changes the speed of a training step, and how long a size, batch or schedule takes to reach an accuracy.

Speeds are from one measurement that takes turns (`tests/benchmarks/bench_step.py`); how many epochs an accuracy takes
is from the recorded runs, whose own times depend on what else the machine did.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection import files, paths
from emotion_detection.errors import DataError
from emotion_detection.evaluation import metrics
from emotion_detection.reporting.reports import percent
from emotion_detection.runs.store import Run
from emotion_detection.studies.speed_words import in_units, times

COMMAND = "python tests/benchmarks/bench_step.py --record"
DECIDES = ("input_px", "batch_size", "optimizer")
"""Settings of a recipe by which a measured step is found again."""

COMPARED = ("abl_base", "abl_48px", "abl_96px", "abl_progressive", "abl_batch_64")
"""Recipes that differ in size, batch or schedule alone."""

GOAL = 0.60
"""The PublicTest accuracy whose time is compared."""


def path() -> Path:
    """Return the file of the recorded measurement."""
    return paths.project_root() / "data" / "results" / "benchmarks" / "step.json"


def read(file: Path | None = None) -> dict:
    """Return a measurement as `bench_step.py` wrote it; None means the recorded one.

    Raises:
        MissingFileError: it is not there.
        DataError: it is damaged.
    """
    file = path() if file is None else Path(file)
    record = files.read_json(file, remake=COMMAND)
    try:
        for row in record["rows"]:
            _ = row["name"], row["changes"], row["environment"], row["images_per_s"], row["ratio"]["median"]
        _ = record["base"]["input_px"], record["not_run"]
    except (KeyError, TypeError) as error:
        raise files.damaged(file, f"{type(error).__name__}: {error}", remake=COMMAND) from error
    return record


def table(record: dict) -> pd.DataFrame:
    """Return what was tried, the fastest first, with its speed beside that of the base, as text."""
    lines = [
        {
            "Tried": row["name"],
            "Images a second": f"{row['images_per_s']:,.0f}",
            "Of the base (least–most)": f"{times(row['ratio']['median'])} "
            f"({times(row['ratio']['low'])}–{times(row['ratio']['high'])})",
        }
        for row in sorted(record["rows"], key=lambda row: -row["images_per_s"])
    ]
    return pd.DataFrame(lines)


def base_in_words(record: dict) -> str:
    """Return in words what the base is, and what did not run at all."""
    base, rate = record["base"], next(row for row in record["rows"] if not row["changes"])["images_per_s"]
    refused = "".join(f" {name} does not run: {reason}." for name, reason in record["not_run"].items())
    return (
        f"The base is all of MobileNetV2 at {base['input_px']} px in batches of {base['batch_size']}, "
        f"{base['optimizer']}: {rate:,.0f} images a second.{refused}"
    )


def rate(record: dict, recipe: dict) -> float:
    """Return how many images a second a step of this size, batch and optimiser trains.

    Raises:
        DataError: none like it was measured.
    """
    wanted = {name: recipe[name] for name in DECIDES}
    for row in record["rows"]:
        settings = record["base"] | row["changes"]
        if not row["environment"] and settings == record["base"] | wanted:
            return row["images_per_s"]
    raise DataError(
        f"No training step like that of {recipe['name']} was measured: {wanted}. Add it to VARIANTS of "
        "tests/benchmarks/bench_step.py, and measure: " + COMMAND
    )


def curve(run: Run, record: dict) -> pd.DataFrame:
    """Return how a run's PublicTest accuracy grows with the time that its training steps take.

    Args:
        run: recorded; its epochs count, not its times.
        record: as `read` returns it.

    Returns:
        Columns epoch, minutes (since the first step, evaluation left out), val_accuracy (0–1).
    """
    recipe = run.info["recipe"]
    faces, seconds = run.info["data"]["counts"]["Training"], []
    for size_px, count in recipe.get("stages") or [(recipe["input_px"], recipe["epochs"])]:
        seconds += [faces / rate(record, recipe | {"input_px": size_px})] * count
    epochs = run.history["epoch"].to_numpy()
    minutes = np.cumsum(seconds)[epochs - 1] / 60
    return pd.DataFrame({"epoch": epochs, "minutes": minutes, "val_accuracy": run.history["val_accuracy"].to_numpy()})


def curves(runs: list[Run], record: dict) -> dict[str, pd.DataFrame]:
    """Return name in figures → `curve`, of several runs."""
    return {metrics.display_name(run): curve(run, record) for run in runs}


def minutes_to(curve: pd.DataFrame, goal: float = GOAL) -> float:
    """Return after how many minutes an epoch ends with this accuracy or more; NaN if none does."""
    enough = curve[curve["val_accuracy"] >= goal]
    return float("nan") if enough.empty else float(enough["minutes"].iloc[0])


def times_table(curves: dict[str, pd.DataFrame], goal: float = GOAL) -> pd.DataFrame:
    """Return for each run the time to the goal and to its end, and its accuracy there, as text; the quickest first."""
    found = sorted(curves.items(), key=lambda item: np.nan_to_num(minutes_to(item[1], goal), nan=np.inf))
    lines = []
    for name, each in found:
        minutes = minutes_to(each, goal)
        reached = "not reached" if np.isnan(minutes) else in_units(60 * minutes)
        lines.append(
            {
                "Recipe": name,
                f"Time to {percent(goal, 0)} of PublicTest": reached,
                "Whole training": in_units(60 * each["minutes"].iloc[-1]),
                "PublicTest at its end": percent(each["val_accuracy"].iloc[-1]),
            }
        )
    return pd.DataFrame(lines)
