"""What the search for the best recipe found: each recorded arm of the ablations beside the base, on PublicTest."""

import pandas as pd

from emotion_detection import ablations, evaluation, recipes, runs
from emotion_detection.errors import MissingFileError
from emotion_detection.reports import percent

BASE = recipes.ABLATION_BASE.name
SPLIT = "PublicTest"
"""The search sees no other faces beside those of Training."""


def recorded_arms() -> list[str]:
    """Return the names of the arms whose runs are recorded, in the order of `ablations.ARMS`."""
    return [arm for arm in ablations.ARMS if runs.is_recorded(f"abl_{arm}")]


def missing_arms() -> list[str]:
    """Return the words of the arms that nobody trained yet."""
    return [words for arm, (words, _) in ablations.ARMS.items() if not runs.is_recorded(f"abl_{arm}")]


def differences() -> pd.DataFrame:
    """Return how each recorded arm differs from the base on the same faces, the best first.

    Returns:
        A row per arm: `arm`, `words`, `accuracy`, `macro_f1` (0–1), `difference`, `low`, `high` (accuracy minus the
        base's, with its paired 95 % interval, −1–1), `p_value` (exact McNemar test), `macro_f1_difference`,
        `macro_f1_low`, `macro_f1_high`, `epochs`, `verdict`.

    Raises:
        MissingFileError: the base is not recorded.
    """
    if not runs.is_recorded(BASE):
        raise MissingFileError(
            f"The base of the ablations is not recorded: train it first (python -m emotion_detection train {BASE})."
        )
    base = runs.load_run(BASE).predictions[SPLIT]
    rows = [_row(arm, runs.load_run(f"abl_{arm}"), base) for arm in recorded_arms()]
    columns = list(_row("base", runs.load_run(BASE), base))
    found = pd.DataFrame(rows, columns=columns).sort_values("difference", ascending=False, ignore_index=True)
    return found.assign(verdict=[verdict(low, high) for low, high in zip(found["low"], found["high"], strict=True)])


def _row(arm: str, run: runs.Run, base: runs.Predictions) -> dict:
    own = run.predictions[SPLIT]
    compared, f1 = evaluation.compare(own, base), evaluation.compare_f1(own, base).loc["macro"]
    return {
        "arm": arm,
        "words": ablations.ARMS.get(arm, ("base",))[0],
        "accuracy": evaluation.accuracy(own),
        "macro_f1": evaluation.macro_f1(own),
        "difference": compared.difference,
        "low": compared.difference_ci[0],
        "high": compared.difference_ci[1],
        "p_value": compared.p_value,
        "macro_f1_difference": f1["difference"],
        "macro_f1_low": f1["low"],
        "macro_f1_high": f1["high"],
        "epochs": int(run.history["epoch"].iloc[-1]),
    }


def verdict(low: float, high: float) -> str:
    """Return what the interval of a difference says: "better", "worse", or "no difference shown"."""
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no difference shown"


def table(found: pd.DataFrame) -> pd.DataFrame:
    """Return `differences` as text."""
    lines = [
        {
            "Arm": row["words"],
            "Epochs": row["epochs"],
            "PublicTest": percent(row["accuracy"]),
            "Points to the base (95 %)": _points(row["difference"], row["low"], row["high"]),
            "McNemar p": f"{row['p_value']:.1g}",
            "Macro-F1, points (95 %)": _points(row["macro_f1_difference"], row["macro_f1_low"], row["macro_f1_high"]),
            "Verdict": row["verdict"],
        }
        for row in found.to_dict("records")
    ]
    return pd.DataFrame(lines)


def _points(value: float, low: float, high: float) -> str:
    return f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})".replace("-", "−")


def in_words(found: pd.DataFrame) -> str:
    """Return in words how many arms are better or worse than the base, and what chance would make of so many."""
    base = evaluation.accuracy(runs.load_run(BASE).predictions[SPLIT])
    better, worse = (int((found["verdict"] == each).sum()) for each in ("better", "worse"))
    by_chance = 0.05 * len(found)
    waiting = missing_arms()
    told = (
        f"The base is right on {percent(base)} of {len(runs.load_run(BASE).predictions[SPLIT]):,} PublicTest faces. "
        f"Of {len(found)} arms {better} {'is' if better == 1 else 'are'} better than it, {worse} "
        f"{'is' if worse == 1 else 'are'} worse, and for {len(found) - better - worse} no difference is shown; with "
        f"nothing but chance about {by_chance:.0f} of so many intervals would miss zero. One seed each: another seed "
        "moves a network, too, so that intervals tell of the faces, not of the seeds."
    )
    return told + (f" Not trained yet: {', '.join(waiting)}." if waiting else "")


def findings(found: pd.DataFrame) -> str:
    """Return in words which arms are worth their while, which cost something, and what is left open."""
    told = {
        "better": "Better than the base, whatever the faces drawn",
        "worse": "Worse",
        "no difference shown": "No difference shown (it may be there, and too small for so many faces)",
    }
    lines = []
    for verdict, words in told.items():
        rows = found[found["verdict"] == verdict]
        named = "; ".join(
            f"{row.words} ({_points(row.difference, row.low, row.high)} points)" for row in rows.itertuples()
        )
        lines.append(f"- **{words}**: {named or 'none'}.")
    return "\n".join(lines)
