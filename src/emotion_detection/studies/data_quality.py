"""What FER2013 hides: pictures that are there twice, what twins in Training are worth, FER+'s view of the labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from emotion_detection.data import ferplus, summaries
from emotion_detection.emotions import EMOTIONS
from emotion_detection.evaluation import metrics
from emotion_detection.runs.run import Run


def duplicates() -> pd.DataFrame:
    """Return the recorded counts of pictures that are there more than once, and of empty ones.

    Returns:
        Columns what, groups (or pairs), faces; whole numbers, missing where there is none to count.
    """
    quality = summaries.load_quality()
    kinds = {
        "pixel-identical pictures": "identical_groups",
        "… in more than one split": "groups_across_splits",
        "… with different labels": "groups_with_conflicting_labels",
    }
    rows = [
        {"what": what, "groups": quality[key]["groups"], "faces": quality[key]["rows"]} for what, key in kinds.items()
    ]
    rows.append({"what": f"pairs that correlate above {quality['near_correlation']}", "groups": quality["near_pairs"]})
    rows.append({"what": "pictures of one grey value", "faces": quality["constant_pictures"]})
    return pd.DataFrame(rows).astype({"groups": "Int64", "faces": "Int64"})


def leaks() -> pd.DataFrame:
    """Return the recorded shares of test faces that have a twin among the faces learned from.

    Returns:
        A row for each official test split and for a random fifth of all faces (mean over the recorded seeds); columns
        test_faces, n, share_identical, share_near (identical ones included), 0–1.
    """
    quality = summaries.load_quality()
    official = pd.DataFrame(quality["leaks"]).pivot(index="split", columns="twin", values="share")
    n = {line["split"]: line["of"] for line in quality["leaks"]}
    random = pd.DataFrame(quality["random_split"])
    table = pd.concat([official.loc[list(n)], random[["identical", "near"]].mean().to_frame("a random fifth").T])
    table = table.add_prefix("share_").rename_axis("test_faces").reset_index()
    table.insert(1, "n", [*n.values(), int(random["n"].iloc[0])])
    return table


def leak_worth(runs: Sequence[Run]) -> pd.DataFrame:
    """Return each run's accuracy on PrivateTest: on faces with an identical twin in Training, on all, without these.

    Args:
        runs: final ones. One of the drawn sample, which has no twins, gets the row "all" alone.

    Returns:
        Columns run, faces, n, accuracy, accuracy_low, accuracy_high (95 % interval), 0–1.
    """
    twins, rows = summaries.load_twins(), []
    for run in runs:
        everything = run.predictions["PrivateTest"]
        parts = {"all": everything}
        if not run.is_sample:
            has_twin = np.isin(everything.row, twins["PrivateTest_identical"])
            parts = {
                "with a twin in Training": everything.select(has_twin),
                "all": everything,
                "without": everything.select(~has_twin),
            }
        for faces, part in parts.items():
            row = {"run": run.display_name, "faces": faces, "n": len(part)}
            rows.append(row | metrics.accuracy_with_interval(part))
    return pd.DataFrame(rows)


def ferplus_labels(split: str) -> pd.DataFrame:
    """Return recorded counts of faces per FER2013 label (row) and FER+ strict majority (column)."""
    counts = summaries.load_agreement()[split]["confusion"]
    return pd.DataFrame(counts, index=pd.Index(EMOTIONS, name="fer2013"), columns=list(ferplus.CLASSES))
