"""What helps the rare emotions: tables that compare arms by predictions in folds of Training."""

import numpy as np
import pandas as pd

from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.evaluation import metrics
from emotion_detection.reporting.reports import percent, points
from emotion_detection.runs import store

RARE = ("disgust", "surprise")
"""The emotions whose faces the older repository multiplies."""


def arms_table(found: list[store.Run]) -> pd.DataFrame:
    """Return accuracy, macro-F1 and the F1 of the rare emotions per arm, from predictions in folds, as text."""
    lines = []
    for run in found:
        predictions = run.predictions["Folds"]
        f1 = metrics.per_class(predictions)["f1"]
        lines.append(
            {
                "Arm": metrics.display_name(run),
                "Accuracy": percent(metrics.accuracy(predictions)),
                "Macro-F1": f"{f1.mean():.3f}",
                **{f"F1 {DISPLAY_NAMES[name]}": f"{f1[name]:.3f}" for name in RARE},
                "n": f"{len(predictions):,}",
            }
        )
    return pd.DataFrame(lines)


def differences(found: list[store.Run], plain: store.Run) -> dict[str, pd.DataFrame]:
    """Return, per arm, `metrics.compare_f1` against the plain arm."""
    return {
        metrics.display_name(run): metrics.compare_f1(run.predictions["Folds"], plain.predictions["Folds"])
        for run in found
    }


def best_arm(found: list[store.Run]) -> store.Run:
    """Return the arm with the highest mean F1 of the rare emotions, predicted in folds."""
    return max(found, key=lambda run: metrics.per_class(run.predictions["Folds"])["f1"][list(RARE)].mean())


def chosen_arm(found: list[store.Run], plain: store.Run) -> store.Run:
    """Return the best arm if its gain in macro-F1 is beyond chance (95 % paired interval above zero), else `plain`."""
    best = best_arm(found)
    gain = metrics.compare_f1(best.predictions["Folds"], plain.predictions["Folds"])
    return best if gain.loc["macro", "low"] > 0 else plain


def verdict(found: list[store.Run], plain: store.Run) -> str:
    """Return in words, per rare emotion, which arms differ from the plain one beyond chance."""
    sentences = []
    tables = differences(found, plain)
    for emotion in RARE:
        clear = {name: table.loc[emotion] for name, table in tables.items()}
        clear = {name: line for name, line in clear.items() if line["low"] > 0 or line["high"] < 0}
        told = "; ".join(f"{name} {_points(line)} points" for name, line in clear.items())
        sentences.append(f"**{DISPLAY_NAMES[emotion]}**: {told or 'no difference found for any arm'}.")
    return " ".join(sentences)


def moved_confusions(arm: store.Run, plain: store.Run, *, largest: int = 6) -> pd.DataFrame:
    """Return the confusions that change most from the plain arm to another, in faces, as text.

    Args:
        arm: a run in folds.
        plain: the plain arm, on the same faces.
        largest: how many lines.
    """
    before, after = (metrics.confusion(run.predictions["Folds"]) for run in (plain, arm))
    change = after - before
    order = np.argsort(-np.abs(change), axis=None, kind="stable")[:largest]
    lines = [
        {
            "Label": DISPLAY_NAMES[EMOTIONS[label]],
            "Answer": DISPLAY_NAMES[EMOTIONS[answer]],
            "Plain": f"{before[label, answer]:,}",
            metrics.display_name(arm): f"{after[label, answer]:,}",
            "Change": f"{change[label, answer]:+,}",
        }
        for label, answer in zip(*np.unravel_index(order, change.shape), strict=True)
    ]
    return pd.DataFrame(lines)


def costs(found: list[store.Run], plain: store.Run) -> str:
    """Return in words, per arm, which of the other emotions lose or gain beyond chance."""
    told = []
    for name, table in differences(found, plain).items():
        others = table.drop([*RARE, "macro"])
        clear = others[(others["low"] > 0) | (others["high"] < 0)]
        changes = [f"{DISPLAY_NAMES[emotion]} {points(line)}" for emotion, line in clear["difference"].items()]
        told.append(f"**{name}**: {', '.join(changes) + ' points of F1' if changes else 'no other emotion changes'}")
    return "Beyond chance, among the other five emotions: " + "; ".join(told) + "."


def official_recipes(best: store.Run, plain: store.Run) -> list[str]:
    """Return the recipes on the official split that belong to the plain and another arm."""
    names = [run.info["recipe"]["name"].replace("rare_", "tl_100_48_") for run in (plain, best)]
    return [name.removesuffix("_plain") for name in names]


def official_f1(plain: store.Run, other: store.Run) -> pd.DataFrame:
    """Return F1 per emotion of two runs on PrivateTest and their difference with its paired interval, as text."""
    first, second = (run.predictions["PrivateTest"] for run in (other, plain))
    before, after = (metrics.per_class(each)["f1"] for each in (second, first))
    difference = metrics.compare_f1(first, second)
    names = [*EMOTIONS, "macro"]
    lines = [
        {
            "Emotion": DISPLAY_NAMES.get(name, "all (macro)"),
            metrics.display_name(plain): f"{before.get(name, before.mean()):.3f}",
            metrics.display_name(other): f"{after.get(name, after.mean()):.3f}",
            "Points (95 % interval)": _points(difference.loc[name]),
        }
        for name in names
    ]
    return pd.DataFrame(lines)


def official_words(plain: store.Run, other: store.Run, in_folds: store.Run, twins: dict[str, np.ndarray] | None) -> str:
    """Return in words whether two runs differ on PrivateTest, and what twins do to the F1 of Disgust.

    Args:
        plain: final, trained on all of Training.
        other: the same with what the folds chose.
        in_folds: the plain arm in folds, which keep twins together.
        twins: as `metrics.load_twins` returns them; None if they are not about these faces (drawn sample).
    """
    first, second = (run.predictions["PrivateTest"] for run in (other, plain))
    macro = metrics.compare_f1(first, second).loc["macro"]
    told = f"On PrivateTest macro-F1 differs by {_points(macro)} points: {_verdict(macro)}."
    if twins is None:
        return told
    kept = metrics.without_twins(second, twins)
    everything, alone, folds = (
        metrics.per_class(each).loc["disgust"] for each in (second, kept, in_folds.predictions["Folds"])
    )
    return (
        f"{told} It has {everything['support']:.0f} Disgust faces, {everything['support'] - alone['support']:.0f} of "
        f"them with an identical twin in Training. The plain network's F1 of Disgust is {everything['f1']:.2f} on all, "
        f"**{alone['f1']:.2f}** without those, and **{folds['f1']:.2f}** in the folds, where near twins are kept away, "
        f"too (n = {folds['support']:.0f}, and {100 - 100 / in_folds.info['recipe']['folds']:.0f} % of Training is "
        "learned from). That fits with learning by heart, though these are not the same faces."
    )


def _points(line: pd.Series) -> str:
    return points(line["difference"], (line["low"], line["high"]))


def _verdict(line: pd.Series) -> str:
    return "no difference found" if line["low"] <= 0 <= line["high"] else "a difference beyond chance"


def findings(chosen: store.Run, found: list[store.Run], plain: store.Run, official: list[store.Run]) -> str:
    """Return in words which arm the folds choose, what every arm does to macro-F1, and what PrivateTest says to it.

    Args:
        chosen: as `chosen_arm` returns it.
        found: the arms in folds.
        plain: the plain arm in folds.
        official: final runs of the plain and the best arm on the official split.
    """
    lines = []
    for name, table in differences(found, plain).items():
        macro = table.loc["macro"]
        lines.append(f"- {name}: macro-F1 {_points(macro)} points, {_verdict(macro)}")
    reason = "no arm with a higher F1 of the rare emotions gains in macro-F1 beyond chance"
    if chosen is not plain:
        reason = "the highest F1 of the rare emotions, with a gain in macro-F1 beyond chance"
    before, after = (run.predictions["PrivateTest"] for run in official)
    macro = metrics.compare_f1(after, before).loc["macro"]
    lines.append(
        f"- on PrivateTest {metrics.display_name(official[1])}: macro-F1 {_points(macro)} points, {_verdict(macro)}"
    )
    return f"Chosen by the folds: **{metrics.display_name(chosen)}** ({reason}).\n\n" + "\n".join(lines)
