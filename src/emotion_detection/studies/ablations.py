"""What the search for the best recipe found: each recorded arm of the ablations beside the base, on PublicTest."""

import pandas as pd

from emotion_detection.errors import MissingFileError
from emotion_detection.evaluation import metrics
from emotion_detection.reporting import reports
from emotion_detection.reporting.reports import percent, points
from emotion_detection.runs import store
from emotion_detection.training import catalog

SPLIT = "PublicTest"
"""The search sees no other faces beside those of Training."""

ROUNDS = {
    "early": "Early: from ImageNet's weights",
    "late": "Late: from TL whole's weights",
}
"""Round of the ablations → its name in figures."""


def title(part: str) -> str:
    """Return a round's name with that of its base."""
    return f"{ROUNDS[part]} ({catalog.ABLATION_BASES[part].display_name})"


def base_of(part: str) -> store.Run:
    """Return the run of a round's base.

    Raises:
        MissingFileError: it is not recorded.
    """
    name = catalog.ABLATION_BASES[part].name
    if not store.is_recorded(name):
        raise MissingFileError(
            f"The base of the ablations is not recorded: train it first (python -m emotion_detection train {name})."
        )
    return store.load_run(name)


def recorded_rounds() -> list[str]:
    """Return the rounds whose base and at least one arm are recorded, in order."""
    return [part for part in ROUNDS if store.is_recorded(catalog.ABLATION_BASES[part].name) and _arms(part)]


def _arms(part: str) -> dict[str, store.Run]:
    """Return arm → run of a round's recorded arms, those whose code is gone among them."""
    base = catalog.ABLATION_BASES[part].name
    prefix = base.removesuffix("base")
    names = [store.split_name(name)[0] for name in store.recorded() if name.startswith(prefix)]
    return {name.removeprefix(prefix): store.load_run(name) for name in names if name != base}


def differences(part: str) -> pd.DataFrame:
    """Return how each recorded arm of a round differs from its base on the same faces, the best first.

    Returns:
        A row per arm: `arm`, `words`, `minutes` (of all cores: `reports.core_minutes`), `accuracy`, `macro_f1` (0–1),
        `difference`, `low`, `high` (accuracy minus the base's, with its paired 95 % interval, −1–1), `p_value` (exact
        McNemar test), `macro_f1_difference`, `macro_f1_low`, `macro_f1_high`, `nll` (calibrated), `nll_difference`,
        `nll_low`, `nll_high` (below zero is better), `verdict` (by accuracy) and `nll_verdict`.

    Raises:
        MissingFileError: the base is not recorded.
    """
    base = base_of(part).predictions[SPLIT]
    recorded = _arms(part)
    rows = [_row(arm, metrics.display_name(run), run.predictions[SPLIT], base) for arm, run in recorded.items()]
    found = pd.DataFrame(rows, columns=list(_row("base", "base", base, base)))
    found.insert(2, "minutes", [reports.core_minutes(run) for run in recorded.values()])
    found = found.sort_values("difference", ascending=False, ignore_index=True)
    return found.assign(
        verdict=list(map(verdict, found["low"], found["high"])),
        nll_verdict=list(map(verdict, -found["nll_high"], -found["nll_low"])),
    )


def _row(arm: str, words: str, own: store.Predictions, base: store.Predictions) -> dict:
    compared, f1 = metrics.compare(own, base), metrics.compare_f1(own, base).loc["macro"]
    likelihood = metrics.compare_likelihood(own, base)
    return {
        "arm": arm,
        "words": words,
        "accuracy": metrics.accuracy(own),
        "macro_f1": metrics.macro_f1(own),
        "difference": compared.difference,
        "low": compared.difference_ci[0],
        "high": compared.difference_ci[1],
        "p_value": compared.p_value,
        "macro_f1_difference": f1["difference"],
        "macro_f1_low": f1["low"],
        "macro_f1_high": f1["high"],
        "nll": likelihood["first"],
        "nll_difference": likelihood["difference"],
        "nll_low": likelihood["low"],
        "nll_high": likelihood["high"],
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
            "Minutes": f"{row['minutes']:.0f}",
            "PublicTest": percent(row["accuracy"]),
            "Points to the base (95 %)": points(row["difference"], (row["low"], row["high"])),
            "McNemar p": f"{row['p_value']:.1g}",
            "Macro-F1, points (95 %)": points(row["macro_f1_difference"], (row["macro_f1_low"], row["macro_f1_high"])),
            "NLL to the base (95 %)": _nats(row["nll_difference"], row["nll_low"], row["nll_high"]),
            "By accuracy": row["verdict"],
            "By NLL": row["nll_verdict"],
        }
        for row in found.to_dict("records")
    ]
    return pd.DataFrame(lines)


def _nats(difference: float, low: float, high: float) -> str:
    return f"{difference:+.3f} ({low:+.3f} to {high:+.3f})".replace("-", "−")


def in_words(part: str, found: pd.DataFrame) -> str:
    """Return in words how many arms are better or worse than the base, and what chance would make of so many."""
    base = base_of(part).predictions[SPLIT]
    better, worse = (int((found["verdict"] == each).sum()) for each in ("better", "worse"))
    likelier, unlikelier = (int((found["nll_verdict"] == each).sum()) for each in ("better", "worse"))
    return (
        f"The base is right on {percent(metrics.accuracy(base))} of {len(base):,} PublicTest faces. Of {len(found)} "
        f"arms {better} {'is' if better == 1 else 'are'} better than it, {worse} {'is' if worse == 1 else 'are'} "
        f"worse, and for {len(found) - better - worse} no difference is shown; with nothing but chance about "
        f"{0.05 * len(found):.1f} of so many intervals would miss zero. By NLL, calibrated, {likelier} "
        f"{'is' if likelier == 1 else 'are'} better and {unlikelier} worse. One seed each: another seed moves a "
        "network, too, so that intervals tell of the faces, not of the seeds."
    )


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
            f"{row.words} ({points(row.difference, (row.low, row.high))} points)" for row in rows.itertuples()
        )
        lines.append(f"- **{words}**: {named or 'none'}.")
    rows = found[found["nll_verdict"] == "better"].sort_values("nll_difference")
    named = "; ".join(
        f"{row.words} ({_nats(row.nll_difference, row.nll_low, row.nll_high)})" for row in rows.itertuples()
    )
    lines.append(f"- **Labels held more probable than by the base (NLL, calibrated)**: {named or 'none'}.")
    return "\n".join(lines)
