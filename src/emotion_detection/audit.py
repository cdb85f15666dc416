"""Where the published 96.9 % comes from: what was published, and tables that set our recorded runs beside it."""

import numpy as np
import pandas as pd

from emotion_detection import evaluation, protocols, runs
from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.reports import percent

SOURCE = "j-truong/Emotion-Detection, emotion_detection.ipynb, commit bd8f776 (2020)"

PUBLISHED_CONFUSION = np.array(
    [
        [3890, 2, 42, 23, 18, 1, 37],
        [2, 430, 5, 0, 8, 1, 1],
        [49, 2, 3944, 13, 49, 14, 27],
        [4, 0, 17, 7085, 21, 2, 9],
        [57, 0, 65, 22, 4627, 0, 82],
        [29, 1, 70, 38, 9, 3030, 25],
        [21, 0, 24, 51, 45, 0, 4817],
    ]
)
"""The confusion matrix in the published notebook: rows are labels, columns answers, in FER2013's order."""

PUBLISHED_CURVES = {
    "TL top": {"learning": 0.317, "validation": 0.273},
    "TL 100": {"learning": 0.637, "validation": 0.292},
}
"""Accuracy at the end of two published regimes, while learning and in inference mode on the same images."""

PUBLISHED_AUGMENTED = {"learning": 0.8028, "validation": 0.4801}
"""The published fourth run, with augmented rare emotions: last epoch."""


def published() -> dict:
    """Return what the published confusion matrix says: n, accuracy, F1 per emotion (0–1)."""
    counts = PUBLISHED_CONFUSION
    f1 = pd.Series(evaluation.f1_of(counts), index=EMOTIONS)
    return {"n": int(counts.sum()), "accuracy": float(evaluation.accuracy_of(counts)), "f1": f1}


def f1_beside_published(replay: runs.Run) -> pd.DataFrame:
    """Return F1 per emotion (0–1): as published, our replay on its training rows, and on rows that it never saw."""
    columns = {
        "published": published()["f1"],
        "replay, rows learned from": evaluation.per_class(replay.predictions["Training"])["f1"],
        "replay, rows never seen": evaluation.per_class(replay.predictions["Unseen"])["f1"],
    }
    return pd.DataFrame(columns).rename(index=DISPLAY_NAMES)


def gaps(found: list[runs.Run]) -> pd.DataFrame:
    """Return, per run, accuracy while learning and in inference mode on the same rows, after the last epoch.

    Returns:
        Columns: run, momentum, frozen_batch_norm, learning, inference (0–1), gap (points).
    """
    lines = []
    for run in found:
        last, recipe = run.history.iloc[-1], run.info["recipe"]
        lines.append(
            {
                "run": evaluation.display_name(run),
                "momentum": recipe["batch_norm_momentum"],
                "frozen_batch_norm": recipe["frozen_batch_norm"].replace("_", " "),
                "learning": last["accuracy"],
                "inference": last["val_accuracy"],
                "gap": 100 * (last["accuracy"] - last["val_accuracy"]),
            }
        )
    return pd.DataFrame(lines)


def epoch_choice(run: runs.Run) -> dict:
    """Return what choosing the epoch on PrivateTest buys.

    Returns:
        Epochs and PrivateTest accuracies (0–1) of the best epoch by PrivateTest, the best by PublicTest, and the last;
        `points`: what the first is ahead of the second.
    """
    history = run.history
    by_private = history["private_accuracy_for_audit"].idxmax()
    chosen = {"private": by_private, "public": history["val_accuracy"].idxmax(), "last": history.index[-1]}
    found = {
        name: {"epoch": int(history["epoch"][at]), "accuracy": float(history["private_accuracy_for_audit"][at])}
        for name, at in chosen.items()
    }
    return found | {"points": 100 * (found["private"]["accuracy"] - found["public"]["accuracy"])}


def scores_table(found: dict[str, tuple[runs.Run, str]]) -> pd.DataFrame:
    """Return one line per claim: what it is, protocol, accuracy with its interval, n, de-duplicated accuracy.

    Args:
        found: what the line is called → run and part of its record.
    """
    lines = []
    for name, (run, part) in found.items():
        values = evaluation.scores(run, split=part)
        low, high = values["accuracy_ci"]
        lines.append(
            {
                "What": name,
                "Rows": part,
                "Protocol": protocols.describe(run.info["recipe"]),
                "Accuracy (95 % interval)": f"{percent(values['accuracy'])} ({100 * low:.1f}–{100 * high:.1f})",
                "n": f"{values['n']:,}",
                "De-duplicated": percent(values["accuracy_deduplicated"]),
            }
        )
    return pd.DataFrame(lines)


def leaks() -> pd.DataFrame:
    """Return the share (0–1) of held-out faces with a twin among those learned from, from recorded counts.

    Returns:
        Index: the two official test splits and a random 80/20 split (mean of the recorded seeds); columns: identical,
        near (correlation above 0.95, identical included).
    """
    from emotion_detection.datasets import summaries

    quality = summaries.load_quality()
    table = {(line["split"], line["twin"]): line["share"] for line in quality["leaks"]}
    rows = {split: [table[split, "identical"], table[split, "near"]] for split in ("PublicTest", "PrivateTest")}
    random = pd.DataFrame(quality["random_split"])
    rows["random 80/20 split"] = random[["identical", "near"]].mean().tolist()
    return pd.DataFrame.from_dict(rows, orient="index", columns=["pixel-identical", "near"])


def leak_worth(found: list[runs.Run], twins: dict[str, np.ndarray]) -> dict[str, pd.DataFrame]:
    """Return each run's PrivateTest accuracy on faces with an identical twin in Training, on all, and without them.

    Returns:
        "shares", "low", "high" (95 % interval), each a DataFrame of floats 0–1, a row per run.
    """
    tables = {key: {} for key in ("shares", "low", "high")}
    for run in found:
        everything = run.predictions["PrivateTest"]
        parts = {
            "with a twin in Training": evaluation.select(
                everything, np.isin(everything.row, twins["PrivateTest_identical"])
            ),
            "all": everything,
            "without": evaluation.without_twins(everything, twins),
        }
        name = evaluation.display_name(run)
        intervals = {part: evaluation.bootstrap(each).accuracy for part, each in parts.items() if len(each)}
        tables["shares"][name] = {part: evaluation.accuracy(each) for part, each in parts.items() if len(each)}
        tables["low"][name] = {part: interval[0] for part, interval in intervals.items()}
        tables["high"][name] = {part: interval[1] for part, interval in intervals.items()}
    return {key: pd.DataFrame.from_dict(table, orient="index") for key, table in tables.items()}


def mean_votes(split: str = "Training") -> pd.DataFrame:
    """Return, per FER2013 label (row), the recorded mean share of FER+ votes per class (column), 0–1."""
    from emotion_detection.datasets import ferplus, summaries

    columns = [DISPLAY_NAMES.get(name, name) for name in (*ferplus.CLASSES, "unknown", "not a face")]
    values = summaries.load_agreement()[split]["mean_votes"]
    return pd.DataFrame(values, index=[DISPLAY_NAMES[name] for name in EMOTIONS], columns=columns)


def agreement() -> pd.DataFrame:
    """Return, per emotion, the recorded share of faces whose FER2013 label is FER+'s strict majority, per split."""
    from emotion_detection.datasets import summaries

    recorded = summaries.load_agreement()
    table = {
        split: {DISPLAY_NAMES[name]: line["agree"] / line["n"] for name, line in recorded[split]["emotions"].items()}
        for split in ("Training", "PublicTest", "PrivateTest")
    }
    return pd.DataFrame(table)


def overall_agreement(split: str) -> float:
    """Return the recorded share (0–1) of a split's strict-majority faces whose FER2013 label is that majority."""
    from emotion_detection.datasets import summaries

    recorded = summaries.load_agreement()[split]
    return recorded["agree"] / sum(line["n"] for line in recorded["emotions"].values())


def label_confusion(split: str) -> pd.DataFrame:
    """Return recorded counts of faces per FER2013 label (row) and FER+ strict majority (column), as text."""
    from emotion_detection.datasets import ferplus, summaries

    columns = [DISPLAY_NAMES.get(name, name.capitalize()) for name in ferplus.CLASSES]
    table = pd.DataFrame(summaries.load_agreement()[split]["confusion"], columns=columns).map("{:,}".format)
    table.insert(0, "FER2013", [DISPLAY_NAMES[name] for name in EMOTIONS])
    return table


def duplicates_table() -> pd.DataFrame:
    """Return the recorded counts of identical groups, their rows, near pairs and constant pictures, as text."""
    from emotion_detection.datasets import summaries

    quality = summaries.load_quality()
    names = {
        "identical_groups": "groups of pixel-identical pictures",
        "groups_across_splits": "… in more than one split",
        "groups_with_conflicting_labels": "… with different labels",
    }
    lines = [
        {"What": name, "Groups": f"{quality[key]['groups']:,}", "Faces": f"{quality[key]['rows']:,}"}
        for key, name in names.items()
    ]
    near = f"pairs that correlate above {quality['near_correlation']}"
    lines.append({"What": near, "Groups": f"{quality['near_pairs']:,}", "Faces": "–"})
    lines.append({"What": "pictures of one grey value", "Groups": "–", "Faces": f"{quality['constant_pictures']:,}"})
    return pd.DataFrame(lines)


GAP_RUNS = ("published_top", "gap_top_batch", "published_100", "gap_100_momentum", "gap_100_batch", "gap_100_both")


def number_of_faces() -> int:
    """Return how many faces FER2013 has, from the recorded counts."""
    from emotion_detection.datasets import summaries

    return int(summaries.load_counts().to_numpy().sum())


def protocols_table(found: list[runs.Run]) -> pd.DataFrame:
    """Return one line per run: recipe, protocol, input size, scaling, epochs, minutes."""
    lines = [
        {
            "Run": run.name,
            "Protocol": protocols.describe(run.info["recipe"]),
            "Input": f"{run.info['recipe']['input_px']} px",
            "Pixels": {"unit": "0 to 1", "symmetric": "−1 to 1"}[run.info["recipe"]["scaling"]],
            "Epochs": len(run.history),
            "Minutes": f"{run.info['wall_time_s'] / 60:.1f}",
        }
        for run in found
    ]
    return pd.DataFrame(lines)


def gap_shares(gap: pd.DataFrame) -> pd.DataFrame:
    """Return the two accuracies of `gaps` as shares, ready to plot; names are broken into lines."""
    table = gap.set_index(gap["run"].str.replace(", ", ",\n").str.replace(" and ", "\nand "))
    return table[["learning", "inference"]].rename(
        columns={"learning": "while learning", "inference": "inference mode"}
    )


def gap_table(gap: pd.DataFrame) -> pd.DataFrame:
    """Return `gaps` as text for a notebook, with the published figures of the two regimes first."""
    lines = [
        {
            "Run": f"{name} as published (printed there)",
            "Momentum": "0.999",
            "Frozen batch norms": "?",
            "While learning": percent(values["learning"]),
            "Inference mode": percent(values["validation"]),
            "Gap": f"{100 * (values['learning'] - values['validation']):+.1f} points",
        }
        for name, values in PUBLISHED_CURVES.items()
    ]
    for line in gap.itertuples():
        lines.append(
            {
                "Run": line.run,
                "Momentum": f"{line.momentum:g}",
                "Frozen batch norms": line.frozen_batch_norm,
                "While learning": percent(line.learning),
                "Inference mode": percent(line.inference),
                "Gap": f"{line.gap:+.1f} points",
            }
        )
    return pd.DataFrame(lines)


def gap_verdict(gap: pd.DataFrame) -> str:
    """Return in words which switch opens or closes the gap of TL 100, from the numbers."""
    by_run = dict(zip(gap["run"], gap["gap"], strict=True))
    names = {name: evaluation.display_name(runs.load_run(name)) for name in GAP_RUNS}
    plain = by_run[names["published_100"]]
    changes = {
        "a momentum of 0.9": by_run[names["gap_100_momentum"]] - plain,
        "batch statistics in the frozen layers": by_run[names["gap_100_batch"]] - plain,
        "both": by_run[names["gap_100_both"]] - plain,
    }
    told = "; ".join(f"{name} changes it by {change:+.1f} points" for name, change in changes.items())
    wanted = PUBLISHED_CURVES["TL 100"]
    published_gap = 100 * (wanted["learning"] - wanted["validation"])
    nearest = max(by_run[names[name]] for name in GAP_RUNS if "top" not in name)
    explained = "reaches" if nearest >= published_gap - 5 else "does not reach"
    return (
        f"Replayed in Keras 3, TL 100 has a gap of **{plain:.1f} points** (published: {published_gap:.1f}); {told}. "
        f"The widest gap among the four, {nearest:.1f} points, {explained} the published one."
    )


def mistakes_table(found: dict[str, runs.Run]) -> pd.DataFrame:
    """Return what each remaining mistake is worth on TL 100: the figure it gives, the figure without it, points."""
    augmented = found["augmented_before_split"].predictions
    public = {
        name: evaluation.accuracy(run.predictions["PublicTest"])
        for name, run in found.items()
        if "PublicTest" in run.predictions
    }
    claims = {
        "augmenting before splitting (its own validation against PublicTest)": (
            evaluation.accuracy(augmented["Unseen"]),
            evaluation.accuracy(augmented["PublicTest"]),
        ),
        "pixels 0 to 1 instead of −1 to 1, at 96 px": (public["tl_100_unit"], public["tl_100"]),
        "pixels 0 to 1 instead of −1 to 1, at 48 px": (public["tl_100_48_unit"], public["tl_100_48"]),
        "48 px instead of 96 px": (public["tl_100_48"], public["tl_100"]),
    }
    lines = [
        {
            "Mistake": name,
            "With it": percent(wrong),
            "Without": percent(right),
            "Difference": f"{100 * (wrong - right):+.1f} points",
        }
        for name, (wrong, right) in claims.items()
    ]
    return pd.DataFrame(lines)


def closing_table(found: dict[str, runs.Run]) -> pd.DataFrame:
    """Return claim, protocol, our replay and the honest figure, a line each."""
    replay, honest, augmented = (found[name] for name in ("published_whole", "honest_whole", "augmented_before_split"))
    chosen = epoch_choice(honest)
    accuracy = evaluation.accuracy
    official = evaluation.of_split(honest)
    lines = [
        (
            f'"validation accuracy {100 * published()["accuracy"]:.1f} %"',
            "all splits pooled, validated on the training rows",
            percent(accuracy(replay.predictions["Training"])),
            f"{percent(accuracy(replay.predictions['Unseen']))} on rows never seen; "
            f"{percent(accuracy(official))} on {official.split}, official split",
        ),
        (
            f'"F1 {published()["f1"].min():.2f} to {published()["f1"].max():.2f}"',
            "the same",
            f"macro-F1 {evaluation.macro_f1(replay.predictions['Training']):.2f}",
            f"macro-F1 {evaluation.macro_f1(replay.predictions['Unseen']):.2f} on rows never seen",
        ),
        (
            "best epoch by PrivateTest",
            "PrivateTest watched",
            percent(chosen["private"]["accuracy"]),
            f"{percent(chosen['public']['accuracy'])}, epoch chosen on PublicTest",
        ),
        (
            "validated on copies of training faces",
            "augmented before splitting",
            percent(accuracy(augmented.predictions["Unseen"])),
            f"{percent(accuracy(augmented.predictions['PublicTest']))} on PublicTest",
        ),
    ]
    return pd.DataFrame(lines, columns=["Claim", "Protocol", "Our replay", "Honest figure"])
