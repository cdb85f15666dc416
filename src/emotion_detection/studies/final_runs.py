"""Final runs: what the seeds of a recipe score on PrivateTest, how it differs from others."""

import dataclasses

import numpy as np
import pandas as pd

from emotion_detection.data import summaries
from emotion_detection.errors import DataError
from emotion_detection.evaluation import calibration, leakage, metrics
from emotion_detection.runs import lineage, store
from emotion_detection.runs.run import Predictions, Run
from emotion_detection.training import recipe as recipe_parts

SPLIT = "PrivateTest"
SCORES = ("accuracy", "accuracy_ten_views", "accuracy_deduplicated", "macro_f1", "ece", "accuracy_ferplus")
"""Columns of `by_seed` that are averaged over seeds."""


def by_seed(runs: list[Run]) -> pd.DataFrame:
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
    return pd.DataFrame(map(_scores, runs))


def _scores(run: Run) -> dict:
    answers, temperature = run.predictions[SPLIT], run.info.get("temperature")
    views = run.predictions.get(f"{SPLIT}{store.VIEWS}")
    calibrated = None if temperature is None else calibration.reliability(answers, temperature=temperature)
    ferplus = run.ferplus(SPLIT)
    return {
        "recipe": run.recipe_name,
        "seed": run.info["seed"],
        "accuracy": metrics.accuracy(answers),
        "accuracy_ten_views": np.nan if views is None else metrics.accuracy(views),
        "accuracy_deduplicated": metrics.accuracy(leakage.without_twins(answers, summaries.load_twins())),
        "macro_f1": metrics.macro_f1(answers),
        "ece": np.nan if calibrated is None else calibration.expected_calibration_error(calibrated),
        "accuracy_ferplus": ferplus["accuracy"] if ferplus else np.nan,
        "training_minutes": lineage.training_minutes(run),
        "teachers_minutes": lineage.teaching_minutes(run),
    }


def by_recipe(runs: list[Run]) -> pd.DataFrame:
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


def rounds(runs: list[Run]) -> pd.DataFrame:
    """Return the accuracy on PublicTest along the trainings that networks went through, from ImageNet's weights on.

    Returns:
        A row per look at PublicTest: `seed`, `round` (the recipe's display name), `epoch` (counted from the first
        training on), `accuracy` (0–1). The last row of a round is what the network that was saved answers.
    """
    rows = []
    for run in runs:
        before = 0
        for step in lineage.with_earlier(run):
            found, epochs = {"seed": run.info["seed"], "round": step.recipe_name}, len(step.history)
            looks = step.history[step.history["epoch"] < epochs].dropna(subset="val_accuracy")
            rows += [
                found | {"epoch": before + each.epoch, "accuracy": each.val_accuracy} for each in looks.itertuples()
            ]
            before += epochs
            rows.append(found | {"epoch": before, "accuracy": step.info["metrics"]["PublicTest"]["accuracy"]})
    return pd.DataFrame(rows)


def settings(recipe: recipe_parts.Recipe, base: recipe_parts.Recipe) -> pd.DataFrame:
    """Return what a recipe does otherwise than another one: a row per `setting`, a column for each, values as text."""
    rows = recipe_parts.differing(recipe, base).items()
    return pd.DataFrame(
        [
            {"setting": name, base.display_name: _text(theirs), recipe.display_name: _text(own)}
            for name, (own, theirs) in rows
        ]
    )


def _text(value) -> str:
    return ", ".join(value) or "none" if isinstance(value, tuple) else str(value)


def averaged(answers: list[Predictions]) -> Predictions:
    """Return the answers of several networks to the same faces, their probabilities averaged."""
    probabilities = np.mean([each.probabilities() for each in answers], axis=0)
    return dataclasses.replace(answers[0], logits=np.log(np.maximum(probabilities, 1e-12)).astype(np.float32))


def ensembles(runs: dict[str, list[Run]]) -> pd.DataFrame:
    """Return what networks reach on PublicTest alone and together, by the name of a group of runs.

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
