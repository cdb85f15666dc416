"""The final runs of the best recipe, a few seeds of it, beside what was aimed at."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from emotion_detection import evaluation, runs
from emotion_detection.errors import DataError
from emotion_detection.reports import percent

SPLIT = "PrivateTest"


@dataclasses.dataclass(frozen=True)
class Goal:
    """A score that was aimed at.

    Args:
        name: of the score, for tables.
        wanted: 0–1.
        score: from a run to the score, 0–1; None where the record does not hold it.
        is_least: whether the score should be at least as high as wanted, or at most.
    """

    name: str
    wanted: float
    score: Callable[[runs.Run], float | None]
    is_least: bool = True

    def holds(self, value: float) -> bool:
        """Return whether a score is as wanted."""
        return value >= self.wanted if self.is_least else value <= self.wanted


def _accuracy(run: runs.Run) -> float:
    return evaluation.accuracy(run.predictions[SPLIT])


def _averaged(run: runs.Run) -> float | None:
    part = f"{SPLIT}{runs.VIEWS}"
    return evaluation.accuracy(run.predictions[part]) if part in run.predictions else None


def _deduplicated(run: runs.Run) -> float:
    return evaluation.accuracy(evaluation.without_twins(run.predictions[SPLIT], evaluation.load_twins()))


def _macro_f1(run: runs.Run) -> float:
    return evaluation.macro_f1(run.predictions[SPLIT])


def _ferplus(run: runs.Run) -> float | None:
    known = (run.info.get("ferplus") or {}).get(SPLIT)
    return known["accuracy"] if known else None


def _calibration(run: runs.Run) -> float | None:
    temperature = run.info.get("temperature")
    if temperature is None:
        return None
    return evaluation.expected_calibration_error(
        evaluation.reliability(run.predictions[SPLIT], temperature=temperature)
    )


GOALS = (
    Goal("accuracy", 0.715, _accuracy),
    Goal("accuracy, ten views averaged", 0.725, _averaged),
    Goal("accuracy, de-duplicated", 0.70, _deduplicated),
    Goal("macro-F1", 0.69, _macro_f1),
    Goal("calibration error", 0.025, _calibration, is_least=False),
)
"""What was aimed at on PrivateTest, before the first network was trained."""

FERPLUS_GOAL = Goal("accuracy against FER+'s strict majority", 0.885, _ferplus)
"""Aimed at by a recipe that learns from FER+'s votes."""


def recorded(recipe: str) -> list[runs.Run]:
    """Return the final runs of a recipe, by seed."""
    found = [runs.load_run(name) for name in runs.recorded() if runs.split_name(name)[0] == recipe]
    return sorted((run for run in found if run.is_final), key=lambda run: run.info["seed"])


def table(found: list[runs.Run], goals: tuple[Goal, ...] = GOALS) -> pd.DataFrame:
    """Return each goal, what each run scores, their mean, and whether that is as wanted, as text.

    Args:
        found: final runs of one recipe.
        goals: a row each.

    Raises:
        DataError: no run was given.
    """
    if not found:
        raise DataError("No final run was given. Train one, then make it final: evaluate RUN --final")
    lines = []
    for goal in goals:
        values = [goal.score(run) for run in found]
        known = [value for value in values if value is not None]
        mean = float(np.mean(known)) if known else None
        line = {"PrivateTest": goal.name, "Wanted": f"{'≥' if goal.is_least else '≤'} {percent(goal.wanted)}"}
        line |= {f"Seed {run.info['seed']}": percent(value, 2) for run, value in zip(found, values, strict=True)}
        line["Mean"] = percent(mean, 2)
        line["Reached"] = "not recorded" if mean is None else "yes" if goal.holds(mean) else "no"
        lines.append(line)
    return pd.DataFrame(lines)


def told(found: list[runs.Run]) -> str:
    """Return in words how final runs do, and what they cost."""
    accuracies = [_accuracy(run) for run in found]
    spread = f" (from {percent(min(accuracies))} to {percent(max(accuracies))})" if len(found) > 1 else ""
    hours = np.mean([run.info["wall_time_s"] for run in found]) / 3600
    words = (
        f"{evaluation.display_name(found[0])}: {percent(float(np.mean(accuracies)))} on {SPLIT} over {len(found)} "
        f"{'seed' if len(found) == 1 else 'seeds'}{spread}; {hours:.1f} hours of training each, on "
        f"{found[0].info['hardware']['cores']} cores"
    )
    missed = [line for goal in GOALS if (line := _missed(goal, found))]
    return f"{words}. " + (f"Not reached: {'; '.join(missed)}." if missed else "All that was aimed at is reached.")


def _missed(goal: Goal, found: list[runs.Run]) -> str | None:
    """Return in words how far a goal was missed, None if it was not."""
    values = [goal.score(run) for run in found]
    if None in values:
        return f"{goal.name} (not recorded)"
    mean = float(np.mean(values))
    return None if goal.holds(mean) else f"{goal.name} ({percent(mean)}, wanted {percent(goal.wanted)})"
