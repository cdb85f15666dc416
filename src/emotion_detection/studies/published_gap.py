"""Why a network scores far less on the very images that it learns from: the switches of batch norm, on and off."""

import pandas as pd

from emotion_detection.evaluation import metrics
from emotion_detection.reporting.reports import percent, points
from emotion_detection.runs import store
from emotion_detection.studies.published_result import PUBLISHED_CURVES

GAP_RUNS = {
    "TL top": ("published_top", "gap_top_batch", "gap_top_kept"),
    "TL 100": ("published_100", "gap_100_momentum", "gap_100_batch", "gap_100_both", "gap_100_kept"),
}
"""Regime → the replay and, after it, the same with batch norm switched; all on the same rows."""

FROZEN = {
    "inference": "ImageNet's averages",
    "batch_statistics": "each batch's statistics; averages follow",
    "batch_statistics_averages_kept": "each batch's statistics; ImageNet's averages in inference",
}


def gaps(found: dict[str, store.Run]) -> pd.DataFrame:
    """Return, per run, accuracy while learning and in inference mode on the same rows, after the last epoch.

    Args:
        found: recipe → run, of all `GAP_RUNS`.

    Returns:
        Indexed by recipe; columns: regime, run, momentum, frozen (words), learning, inference (0–1), gap (points).
    """
    lines = {}
    for regime, names in GAP_RUNS.items():
        for name in names:
            last, recipe = found[name].history.iloc[-1], found[name].info["recipe"]
            lines[name] = {
                "regime": regime,
                "run": metrics.display_name(found[name]),
                "momentum": recipe["batch_norm_momentum"],
                "frozen": FROZEN[recipe["frozen_batch_norm"]],
                "learning": last["accuracy"],
                "inference": last["val_accuracy"],
                "gap": 100 * (last["accuracy"] - last["val_accuracy"]),
            }
    return pd.DataFrame.from_dict(lines, orient="index")


def published_gap(regime: str) -> float:
    """Return by how many points the published curves of a regime lie apart after the last epoch."""
    curves = PUBLISHED_CURVES[regime]
    return 100 * (curves["learning"] - curves["validation"])


def shares(gap: pd.DataFrame) -> pd.DataFrame:
    """Return the two accuracies (0–1) of each line of `gaps`, after those published for its regime, ready to plot."""
    lines = {}
    for regime, curves in PUBLISHED_CURVES.items():
        lines[f"{regime}, as published there"] = (curves["learning"], curves["validation"])
        for line in gap[gap["regime"] == regime].itertuples():
            lines[line.run.replace(" as published", ", replayed")] = (line.learning, line.inference)
    return pd.DataFrame.from_dict(lines, orient="index", columns=["while learning", "inference mode"])


def table(gap: pd.DataFrame) -> pd.DataFrame:
    """Return `gaps` as text for a notebook."""
    return pd.DataFrame(
        [
            {
                "Run": line.run,
                "Momentum of the averages": f"{line.momentum:g}",
                "Frozen batch norms use": line.frozen,
                "While learning": percent(line.learning),
                "Inference mode": percent(line.inference),
                "Gap": f"{points(line.gap / 100)} points",
            }
            for line in gap.itertuples()
        ]
    )


def verdict(gap: pd.DataFrame) -> str:
    """Return in words how wide the gap is as replayed, what each switch makes of it, and what comes nearest to it."""
    sentences = []
    for regime, (replay, *switched) in GAP_RUNS.items():
        told = "; ".join(f"{_switch(gap, name)} {points(gap.gap[name] / 100)}" for name in switched)
        wanted = published_gap(regime)
        nearest = _nearest(gap, regime)
        left = gap.gap[nearest] - wanted
        sentences.append(
            f"**{regime}**: {wanted:.1f} points between the published curves; replayed in Keras 3 "
            f"**{points(gap.gap[replay] / 100)}**; {told}. Nearest to what was published: {_switch(gap, nearest)}, "
            f"{abs(left):.1f} points {'wider' if left > 0 else 'narrower'}."
        )
    return "\n\n".join([*sentences, _conclusion(gap)])


def _nearest(gap: pd.DataFrame, regime: str) -> str:
    """Return the run of a regime whose gap is nearest to the published one."""
    return (gap.gap[list(GAP_RUNS[regime])] - published_gap(regime)).abs().idxmin()


def _conclusion(gap: pd.DataFrame) -> str:
    """Return in words which cause the runs point to, if it is one and the same in all regimes."""
    frozen = {gap.frozen[_nearest(gap, regime)] for regime in GAP_RUNS}
    lag = gap.gap["published_100"] - gap.gap["gap_100_momentum"]
    if frozen == {FROZEN["batch_statistics_averages_kept"]}:
        return (
            "What comes nearest in every regime are frozen layers that learn with each batch's own statistics and "
            f"answer with ImageNet's averages. Averages that lag account for {max(0.0, lag):.1f} of TL 100's "
            f"{published_gap('TL 100'):.1f} points, as far as a lower momentum tells. One training each."
        )
    return "No switch comes nearest in every regime: the runs do not say what the cause was."


def _switch(gap: pd.DataFrame, name: str) -> str:
    """Return what is switched in a run, in words."""
    _, _, switch = gap.run[name].partition(", ")
    return f"with {switch}" if switch else "the replay itself"
