"""What FER2013 hides: tables of twins across splits, what they are worth, and FER+'s opinion of the labels."""

import numpy as np
import pandas as pd

from emotion_detection.data import ferplus, summaries
from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.evaluation import metrics
from emotion_detection.runs import store


def duplicates_table() -> pd.DataFrame:
    """Return the recorded counts of identical groups, their rows, near pairs and constant pictures, as text."""
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


def leaks() -> pd.DataFrame:
    """Return the share (0–1) of held-out faces with a twin among those learned from, from recorded counts.

    Returns:
        Index: the two official test splits and a random 80/20 split (mean of the recorded seeds); columns: identical,
        near (correlation above 0.95, identical included).
    """
    quality = summaries.load_quality()
    table = {(line["split"], line["twin"]): line["share"] for line in quality["leaks"]}
    rows = {split: [table[split, "identical"], table[split, "near"]] for split in ("PublicTest", "PrivateTest")}
    random = pd.DataFrame(quality["random_split"])
    rows["random 80/20 split"] = random[["identical", "near"]].mean().tolist()
    return pd.DataFrame.from_dict(rows, orient="index", columns=["pixel-identical", "near"])


def leak_worth(found: list[store.Run], twins: dict[str, np.ndarray]) -> dict[str, pd.DataFrame]:
    """Return each run's PrivateTest accuracy on faces with an identical twin in Training, on all, and without them.

    Returns:
        "shares", "low", "high" (95 % interval), each a DataFrame of floats 0–1, a row per run.
    """
    tables = {key: {} for key in ("shares", "low", "high")}
    for run in found:
        everything = run.predictions["PrivateTest"]
        parts = {
            "with a twin in Training": metrics.select(
                everything, np.isin(everything.row, twins["PrivateTest_identical"])
            ),
            "all": everything,
            "without": metrics.without_twins(everything, twins),
        }
        name = metrics.display_name(run)
        intervals = {part: metrics.bootstrap(each).accuracy for part, each in parts.items() if len(each)}
        tables["shares"][name] = {part: metrics.accuracy(each) for part, each in parts.items() if len(each)}
        tables["low"][name] = {part: interval[0] for part, interval in intervals.items()}
        tables["high"][name] = {part: interval[1] for part, interval in intervals.items()}
    return {key: pd.DataFrame.from_dict(table, orient="index") for key, table in tables.items()}


def mean_votes(split: str = "Training") -> pd.DataFrame:
    """Return, per FER2013 label (row), the recorded mean share of FER+ votes per class (column), 0–1."""
    columns = [DISPLAY_NAMES.get(name, name) for name in (*ferplus.CLASSES, "unknown", "not a face")]
    values = summaries.load_agreement()[split]["mean_votes"]
    return pd.DataFrame(values, index=[DISPLAY_NAMES[name] for name in EMOTIONS], columns=columns)


def agreement() -> pd.DataFrame:
    """Return, per emotion, the recorded share of faces whose FER2013 label is FER+'s strict majority, per split."""
    recorded = summaries.load_agreement()
    table = {
        split: {DISPLAY_NAMES[name]: line["agree"] / line["n"] for name, line in recorded[split]["emotions"].items()}
        for split in ("Training", "PublicTest", "PrivateTest")
    }
    return pd.DataFrame(table)


def overall_agreement(split: str) -> float:
    """Return the recorded share (0–1) of a split's strict-majority faces whose FER2013 label is that majority."""
    recorded = summaries.load_agreement()[split]
    return recorded["agree"] / sum(line["n"] for line in recorded["emotions"].values())


def label_confusion(split: str) -> pd.DataFrame:
    """Return recorded counts of faces per FER2013 label (row) and FER+ strict majority (column), as text."""
    columns = [DISPLAY_NAMES.get(name, name.capitalize()) for name in ferplus.CLASSES]
    table = pd.DataFrame(summaries.load_agreement()[split]["confusion"], columns=columns).map("{:,}".format)
    table.insert(0, "FER2013", [DISPLAY_NAMES[name] for name in EMOTIONS])
    return table
