"""What each change of a recipe is worth: every recorded ablation beside its base, on PublicTest."""

import pandas as pd

from emotion_detection.errors import MissingFileError
from emotion_detection.evaluation import comparison, metrics
from emotion_detection.runs import store

SPLIT = "PublicTest"
"""The search sees no other faces beside those of Training."""

ROUNDS = {
    "early": "Early: from ImageNet's weights (base: 64 px, 8 epochs)",
    "late": "Late: from TL whole's weights (base: 96 px, 4 epochs more)",
    "last": "Last: from TL best's weights (base: four teachers, 4 epochs more)",
    "structure": "Structure: from TL best's weights (base: 5 epochs more)",
}
"""Round of the ablations → its name in figures, with that of its base."""

PREFIXES = {"early": "abl_", "late": "late_", "last": "again_", "structure": "map_"}
"""Round → how the names of its recipes begin; that of the base ends in `base`."""

BASE_PX = 64
"""Input of the early round's base."""

VERDICTS = ("better", "worse", "no difference shown")
"""What a 95 % interval says: it lies above zero, below zero, or holds it."""


def differences(part: str) -> pd.DataFrame:
    """Return how each recorded ablation of a round differs from its base on the same faces, the best first.

    Returns:
        A row per ablation: `ablation`, `minutes` (as if it had all cores), `accuracy` (0–1), `difference`,
        `difference_low`, `difference_high` (accuracy minus the base's, with its paired 95 % interval), `p_value` (exact
        McNemar test), `macro_f1_difference`, `_low`, `_high`, `nll_difference`, `_low`, `_high` (negative
        log-likelihood, each calibrated; below zero is better), and by accuracy and by NLL one of `VERDICTS`: `verdict`,
        `nll_verdict`.

    Raises:
        MissingFileError: the base is not recorded.
    """
    base_name = f"{PREFIXES[part]}base"
    if not store.is_recorded(base_name):
        raise MissingFileError(
            "The base of the ablations is not recorded: train it first (python -m emotion_detection train "
            f"{base_name})."
        )
    base, rows = store.load_run(base_name).predictions[SPLIT], []
    for name in store.recorded():
        if not name.startswith(PREFIXES[part]) or store.split_name(name)[0] == base_name:
            continue
        run = store.load_run(name)
        own = run.predictions[SPLIT]
        compared, likelihood = comparison.compare(own, base), comparison.compare_likelihood(own, base)
        f1 = comparison.compare_f1(own, base).loc["macro"].rename(lambda end: f"macro_f1_difference_{end}")
        row = {
            "ablation": run.info["recipe"]["display_name"],
            "minutes": run.core_minutes,
            "accuracy": metrics.accuracy(own),
            **{key: compared[key] for key in ("difference", "difference_low", "difference_high", "p_value")},
            **f1.rename({"macro_f1_difference_difference": "macro_f1_difference"}),
            **likelihood,
            "verdict": _verdict(compared["difference_low"], compared["difference_high"]),
            "nll_verdict": _verdict(-likelihood["nll_difference_high"], -likelihood["nll_difference_low"]),
        }
        rows.append(row)
    return pd.DataFrame(rows).sort_values("difference", ascending=False, ignore_index=True)


def _verdict(low: float, high: float) -> str:
    return VERDICTS[0] if low > 0 else VERDICTS[1] if high < 0 else VERDICTS[2]


def input_sizes(milliseconds: pd.Series) -> pd.DataFrame:
    """Return what a larger input costs for one face, and what it brought in equal time of training (the early round).

    Args:
        milliseconds: of one face, by name of the size, such as "96px" (`baselines.costs`).

    Returns:
        A row per size: `input_px`, `one_face_ms`, `epochs`, `accuracy` on PublicTest, 0–1.
    """
    rows = []
    for size_px in (48, 64, 96, 112, 128):
        name = "abl_base" if size_px == BASE_PX else f"abl_{size_px}px"
        if f"{size_px}px" in milliseconds.index and store.is_recorded(name):
            run = store.load_run(name)
            accuracy = metrics.accuracy(run.predictions[SPLIT])
            rows.append((size_px, milliseconds[f"{size_px}px"], len(run.history), accuracy))
    return pd.DataFrame(rows, columns=("input_px", "one_face_ms", "epochs", "accuracy"))
