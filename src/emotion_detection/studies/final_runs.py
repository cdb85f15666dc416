"""Final runs of a recipe, a few seeds of it, beside what is aimed at."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from emotion_detection.errors import DataError
from emotion_detection.evaluation import metrics
from emotion_detection.reporting import reports
from emotion_detection.reporting.reports import percent, points
from emotion_detection.runs import lineage, store
from emotion_detection.training import catalog
from emotion_detection.training import recipe as recipe_module

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
    score: Callable[[store.Run], float | None]
    is_least: bool = True

    def holds(self, value: float) -> bool:
        """Return whether a score is as wanted."""
        return value >= self.wanted if self.is_least else value <= self.wanted


def _accuracy(run: store.Run) -> float:
    return metrics.accuracy(run.predictions[SPLIT])


def _averaged(run: store.Run) -> float | None:
    part = f"{SPLIT}{store.VIEWS}"
    return metrics.accuracy(run.predictions[part]) if part in run.predictions else None


def _deduplicated(run: store.Run) -> float:
    return metrics.accuracy(metrics.without_twins(run.predictions[SPLIT], metrics.load_twins()))


def _macro_f1(run: store.Run) -> float:
    return metrics.macro_f1(run.predictions[SPLIT])


def _ferplus(run: store.Run) -> float | None:
    known = (run.info.get("ferplus") or {}).get(SPLIT)
    return known["accuracy"] if known else None


def _calibration(run: store.Run) -> float | None:
    temperature = run.info.get("temperature")
    if temperature is None:
        return None
    return metrics.expected_calibration_error(metrics.reliability(run.predictions[SPLIT], temperature=temperature))


SEEDS = 3
"""So many are wanted: a goal is reached by their mean."""

GOALS = (
    Goal("accuracy", 0.715, _accuracy),
    Goal("accuracy, ten views averaged", 0.725, _averaged),
    Goal("accuracy, de-duplicated", 0.70, _deduplicated),
    Goal("macro-F1", 0.69, _macro_f1),
    Goal("calibration error", 0.025, _calibration, is_least=False),
)
"""What is aimed at on PrivateTest."""

FERPLUS_GOAL = Goal("accuracy against FER+'s strict majority", 0.885, _ferplus)
"""Aimed at, too, where FER+'s votes are in the targets of the answers."""


def goals_of(run: store.Run) -> tuple[Goal, ...]:
    """Return what is aimed at by a run's recipe.

    FER+'s majority is one aim more where its answers are FER+'s in part, and the only one where they are nothing else.
    """
    recipe = run.info["recipe"]
    if recipe.get("ferplus_only"):
        return (FERPLUS_GOAL,)
    return (*GOALS, FERPLUS_GOAL) if recipe.get("ferplus_blend") else GOALS


def recorded(recipe: str) -> list[store.Run]:
    """Return the final runs of a recipe, by seed."""
    found = [store.load_run(name) for name in store.recorded() if store.split_name(name)[0] == recipe]
    return sorted((run for run in found if run.is_final), key=lambda run: run.info["seed"])


def is_chosen(run: store.Run) -> bool:
    """Return whether a run has the highest accuracy on PublicTest of several final seeds of its recipe."""
    seeds = recorded(run.info["recipe"]["name"])
    scores = {each.name: metrics.accuracy(each.predictions["PublicTest"]) for each in seeds}
    return len(scores) > 1 and scores.get(run.name) == max(scores.values())


def table(found: list[store.Run]) -> pd.DataFrame:
    """Return each goal, what each run scores, their mean, and whether that is as wanted, as text.

    Args:
        found: final runs of one recipe.

    Raises:
        DataError: no run was given.
    """
    if not found:
        raise DataError("No final run was given. Train one, then make it final: evaluate RUN --final")
    lines = []
    for goal in goals_of(found[0]):
        values, mean = _scores(goal, found)
        line = {"PrivateTest": goal.name, "Wanted": f"{'≥' if goal.is_least else '≤'} {percent(goal.wanted)}"}
        line |= {f"Seed {run.info['seed']}": percent(value, 2) for run, value in zip(found, values, strict=True)}
        line["Mean"] = percent(mean, 2)
        if len(found) > 1:
            line["SD, points"] = "–" if mean is None else f"{100 * np.std(values, ddof=1):.2f}"
        line["Reached"] = _verdict(goal, mean, len(found))
        lines.append(line)
    return pd.DataFrame(lines)


def across_seeds(found: list[store.Run]) -> str:
    """Return in words what several final runs of a recipe reach on average, and how far they lie apart.

    Args:
        found: at least two final runs of one recipe.
    """
    values, mean = _scores(GOALS[0], found)
    averaged_mean = _scores(GOALS[1], found)[1]
    name = catalog.get_recipe(found[0].info["recipe"]["name"]).display_name
    told = (
        f"{len(found)} seeds of {name} are right on {percent(mean)} of {SPLIT} on average, from "
        f"{percent(min(values))} to {percent(max(values))}"
    )
    views_told = f"; with the answers to ten views of each face averaged on {percent(averaged_mean)}"
    return told + (views_told if averaged_mean is not None else "") + "."


def settings_table(recipe: catalog.Recipe, base: catalog.Recipe) -> pd.DataFrame:
    """Return what a recipe does otherwise than another one, as text: a line per setting."""
    return pd.DataFrame(
        [
            {"Setting": f"`{name}`", base.display_name: _as_text(others), recipe.display_name: _as_text(own)}
            for name, (own, others) in recipe_module.differing(recipe, base).items()
        ]
    )


def curve(run: store.Run) -> pd.DataFrame:
    """Return a network's accuracy on PublicTest over all its training, the runs that it went through before included.

    Returns:
        A row per epoch after which PublicTest was looked at: `epoch` (counted from the very first), `val_accuracy`
        (0–1), `run` (name of the run).
    """
    parts, before = [], 0
    for each in lineage.with_earlier(run):
        looked = each.history.dropna(subset="val_accuracy")
        parts.append(pd.DataFrame({"epoch": before + looked["epoch"], "val_accuracy": looked["val_accuracy"]}))
        parts[-1]["run"] = each.name
        before += len(each.history)
    return pd.concat(parts, ignore_index=True)


def _as_text(value) -> str:
    return ", ".join(value) or "none" if isinstance(value, tuple) else str(value)


def stage_told(run: store.Run, base: store.Run) -> str:
    """Return in words what a run has reached on PublicTest beside another, with the paired interval."""
    found = [each.predictions["PublicTest"] for each in (run, base)]
    mine, other = (
        f"{metrics.display_name(each)}, {len(each.history)} epochs: {percent(metrics.accuracy(answers))}"
        for each, answers in zip((run, base), found, strict=True)
    )
    result = metrics.compare(*found)
    return f"PublicTest: {mine}; {other}. That is {points(result.difference, result.difference_ci)} points."


def averaged(found: list[store.Predictions]) -> store.Predictions:
    """Return the answers of several networks to the same faces, their probabilities averaged."""
    probabilities = np.mean([each.probabilities() for each in found], axis=0)
    return dataclasses.replace(found[0], logits=np.log(np.maximum(probabilities, 1e-12)).astype(np.float32))


def teachers_told(found: list[store.Run]) -> str:
    """Return in words what a recipe's teachers reach on PublicTest alone, and what their averaged answers reach."""
    answers = [run.predictions["PublicTest"] for run in found]
    named = "; ".join(
        f"{metrics.display_name(run)} {percent(metrics.accuracy(each))}"
        for run, each in zip(found, answers, strict=True)
    )
    together = percent(metrics.accuracy(averaged(answers)))
    return f"The teachers on PublicTest: {named}. Their averaged answers: {together}."


def _scores(goal: Goal, found: list[store.Run]) -> tuple[list[float | None], float | None]:
    """Return each run's score, and their mean if all records hold it."""
    values = [goal.score(run) for run in found]
    return values, None if None in values else float(np.mean(values))


def _verdict(goal: Goal, mean: float | None, seeds: int) -> str:
    if mean is None:
        return "not recorded"
    return ("yes" if goal.holds(mean) else "no") + ("" if seeds >= SEEDS else f" ({seeds} of {SEEDS} seeds)")


def told(found: list[store.Run]) -> str:
    """Return in words how final runs do, and what they cost."""
    goals = goals_of(found[0])
    values, mean = _scores(goals[0], found)
    spread = ""
    if len(found) > 1 and mean is not None:
        spread = f" (from {percent(min(values), 2)} to {percent(max(values), 2)})"
    words = (
        f"{metrics.display_name(found[0])}: {goals[0].name} {percent(mean, 2)} on {SPLIT}, {len(found)} "
        f"{'seed' if len(found) == 1 else 'seeds'}{spread}. Training of the first took "
        f"{reports.training_told(found[0])}"
    )
    missed = [line for goal in goals if (line := _missed(goal, found))]
    return f"{words}. " + (f"Not reached: {'; '.join(missed)}." if missed else "All that was aimed at is reached.")


def _missed(goal: Goal, found: list[store.Run]) -> str | None:
    """Return in words how far a goal was missed, None if it was not."""
    _, mean = _scores(goal, found)
    if mean is None:
        return f"{goal.name} (not recorded)"
    return None if goal.holds(mean) else f"{goal.name} ({percent(mean, 2)}, wanted {percent(goal.wanted)})"


SCORES = ("accuracy", "accuracy_ten_views", "accuracy_deduplicated", "macro_f1", "ece", "accuracy_ferplus")
"""Columns of `by_seed` that are averaged over seeds."""


def by_seed(runs: list[store.Run]) -> pd.DataFrame:
    """Return what final runs score on PrivateTest, a row each.

    Returns:
        `recipe` (its display name), `seed`, `training_minutes` (with the runs that it goes on from),
        `teachers_minutes`, and `SCORES`, 0–1: `accuracy`, `accuracy_ten_views` (probabilities of ten views of each face
        averaged), `accuracy_deduplicated`, `macro_f1`, `ece` (at the recorded temperature), `accuracy_ferplus` (strict
        majority). What is not recorded is NaN.

    Raises:
        DataError: no run was given.
    """
    if not runs:
        raise DataError("No final run was given. Train one, then make it final: evaluate RUN --final")
    return pd.DataFrame(map(_scores_of, runs))


def _scores_of(run: store.Run) -> dict:
    answers, temperature = run.predictions[SPLIT], run.info.get("temperature")
    views = run.predictions.get(f"{SPLIT}{store.VIEWS}")
    calibrated = None if temperature is None else metrics.reliability(answers, temperature=temperature)
    ferplus = (run.info.get("ferplus") or {}).get(SPLIT)
    recipe = run.info["recipe"]
    return {
        "recipe": recipe.get("display_name", recipe["name"]),
        "seed": run.info["seed"],
        "accuracy": metrics.accuracy(answers),
        "accuracy_ten_views": np.nan if views is None else metrics.accuracy(views),
        "accuracy_deduplicated": metrics.accuracy(metrics.without_twins(answers, metrics.load_twins())),
        "macro_f1": metrics.macro_f1(answers),
        "ece": np.nan if calibrated is None else metrics.expected_calibration_error(calibrated),
        "accuracy_ferplus": ferplus["accuracy"] if ferplus else np.nan,
        "training_minutes": sum(each.minutes for each in lineage.with_earlier(run)),
        "teachers_minutes": sum(each.minutes for each in lineage.teachers_of(run)),
    }


def by_recipe(runs: list[store.Run]) -> pd.DataFrame:
    """Return `by_seed` averaged over the seeds of each recipe, in the order given.

    Returns:
        `recipe`, `seeds` (how many), the mean of each of `SCORES`, and of accuracy also `accuracy_sd` (of the sample;
        NaN for one seed), `accuracy_least` and `accuracy_most`. A mean of which a seed is not recorded is NaN.
    """
    grouped = by_seed(runs).groupby("recipe", sort=False)
    found = grouped[list(SCORES)].agg(lambda values: values.mean(skipna=False))
    accuracy = grouped["accuracy"].agg(["size", "std", "min", "max"])
    found.insert(0, "seeds", accuracy["size"])
    for place, (name, column) in enumerate({"sd": "std", "least": "min", "most": "max"}.items(), start=2):
        found.insert(place, f"accuracy_{name}", accuracy[column])
    return found.reset_index()


def ensembles(runs: dict[str, list[store.Run]]) -> pd.DataFrame:
    """Return what networks reach on PublicTest alone and together.

    Args:
        runs: name of the group, such as "teachers of TL best" → its runs.

    Returns:
        A row per group: `group`, `networks` (how many), `mean_accuracy` of one alone, `together_accuracy` of their
        averaged probabilities, 0–1.
    """
    rows = []
    for name, group in runs.items():
        answers = [run.predictions["PublicTest"] for run in group]
        alone = float(np.mean([metrics.accuracy(each) for each in answers]))
        rows.append((name, len(answers), alone, metrics.accuracy(averaged(answers))))
    return pd.DataFrame(rows, columns=("group", "networks", "mean_accuracy", "together_accuracy"))
