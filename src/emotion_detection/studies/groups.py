"""Does the shipped network answer alike for women and men, by ethnicity and by age?

On the Face Research Lab London Set, each person looks neutral once and smiles once. `record` keeps counts by group in
`data/results/groups/<network>.json`, and nothing about single people. It never chooses between networks.

Reference: DeBruine and Jones 2017, doi:10.6084/m9.figshare.5047666.v5.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection import files, paths
from emotion_detection.data import tables
from emotion_detection.errors import MissingFileError
from emotion_detection.evaluation import resampling
from emotion_detection.faces import detection, stills
from emotion_detection.studies import photographs

COMMAND = "python -m emotion_detection groups FOLDER --record"
INFO = "london_info.csv"
PICTURES = {"neutral": "neutral_front/{}_03.jpg", "happy": "smiling_front/{}_08.jpg"}
AGES = {"18 to 24": (18, 24), "25 to 34": (25, 34), "35 and older": (35, 120)}
LEAST_PEOPLE = 5
"""Smaller groups are left out: a share of them says nothing, and would tell about single people."""

SCORES = ("neutral_missed_share", "smile_recall")


def folder() -> Path:
    """Return the folder of the records."""
    return paths.project_root() / "data" / "results" / "groups"


def load_people(pictures: Path) -> pd.DataFrame:
    """Return a row per person that has both pictures: `face_id`, `gender`, `ethnicity`, `age` (a band, or None).

    Raises:
        MissingFileError: the folder is no copy of the set.
    """
    if not (pictures / INFO).is_file():
        raise MissingFileError(
            f"{pictures} holds no {INFO}. Name a copy of the Face Research Lab London Set "
            "(doi:10.6084/m9.figshare.5047666.v5): python -m emotion_detection data fetch london"
        )
    columns = ["face_id", "face_age", "face_gender", "face_eth"]
    info = tables.read(pictures / INFO, columns, remedy="Download it again.", texts=columns[:1])
    both = [all((pictures / each.format(name)).is_file() for each in PICTURES.values()) for name in info["face_id"]]
    info = info[both].reset_index(drop=True)
    years = pd.to_numeric(info["face_age"], errors="coerce")
    ages = [next((band for band, (low, high) in AGES.items() if low <= age <= high), None) for age in years]
    gender = info["face_gender"].map({"female": "women", "male": "men"})
    ethnicity = info["face_eth"].str.replace("_", " ").str.title()
    return pd.DataFrame({"face_id": info["face_id"], "gender": gender, "ethnicity": ethnicity, "age": ages})


def record(pictures: Path, *, detector: detection.Detector | None = None) -> list[Path]:
    """Let each network at hand answer both pictures of each person, and record counts by group.

    Args:
        pictures: a copy of the London Set.
        detector: finds the faces; `stills.load_detector()` if None.

    Returns:
        The records' paths.

    Raises:
        MissingFileError: the folder is no copy of the set.
    """
    people, detector = load_people(pictures), detector or stills.load_detector()
    listed = {name: [pictures / each.format(face) for face in people["face_id"]] for name, each in PICTURES.items()}
    faces = {name: photographs.find_largest_faces(each, detector) for name, each in listed.items()}
    both = np.all([each.is_read for each in faces.values()], axis=0)
    people, faces = people[both].reset_index(drop=True), {name: each[both] for name, each in faces.items()}
    facts = {"command": COMMAND, "detector": detector.name, "n": len(people)}
    facts["pictures_sha256"] = photographs.fingerprint([path for each in listed.values() for path in each])
    written = []
    for network, known in photographs.loaded_networks():
        answered = pd.DataFrame({name: photographs.answers_of(network, each) for name, each in faces.items()})
        called = answered.map(photographs.ANSWERS.__getitem__)
        counts = {name: called[name].value_counts().to_dict() for name in PICTURES}
        marks = {"neutral_missed": called["neutral"] != "neutral", "smile_happy": called["happy"] == "happy"}
        groups = {name: _counts(people[name], pd.DataFrame(marks)) for name in ("gender", "ethnicity", "age")}
        written.append(folder() / f"{known['name']}.json")
        files.write_json(written[-1], facts | {"network": known, "answers": counts, "groups": groups})
    return written


def _counts(group: pd.Series, marks: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return group → people and marks counted, the largest group first; small groups are left out."""
    table = marks.groupby(group).sum().assign(n=group.value_counts())
    table = table[table["n"] >= LEAST_PEOPLE].sort_values("n", ascending=False, kind="stable")
    return table.astype(int).to_dict("index")


# From records alone


def load() -> dict[str, dict]:
    """Return the records by network, as `photographs.load` does."""
    return photographs.load(folder())


def shares(record: dict) -> pd.DataFrame:
    """Return how often Neutral is called something else and smiles are called Happy, with 95 % Wilson intervals.

    Returns:
        A row for everyone and one per group: `by`, `group`, `n`, `neutral_missed_share`, `smile_recall` and their
        ends, 0–1.
    """
    n, answers = record["n"], record["answers"]
    everyone = {"n": n, "smile_happy": answers["happy"].get("happy", 0)}
    everyone["neutral_missed"] = n - answers["neutral"].get("neutral", 0)
    rows = []
    for by, groups in ({"everyone": {"everyone": everyone}} | record["groups"]).items():
        for group, found in groups.items():
            row = {"by": by, "group": group, "n": found["n"]}
            for score, count in zip(SCORES, (found["neutral_missed"], found["smile_happy"]), strict=True):
                low, high = resampling.share_interval(count, found["n"])
                row |= {score: count / found["n"], f"{score}_low": low, f"{score}_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def differences(record: dict) -> pd.DataFrame:
    """Return how far each group's smiles are from the largest group of its kind, with Newcombe's 95 % intervals.

    Returns:
        Columns `by`, `groups` ("women − men"), `smile_difference` and its ends, −1–1.
    """
    rows = []
    for by, groups in record["groups"].items():
        pairs = list(groups.items())  # empty where all were too small
        for group, found in pairs[1:]:
            largest, other = pairs[0]
            counts = found["smile_happy"], found["n"], other["smile_happy"], other["n"]
            low, high = resampling.difference_interval(*counts)
            difference = counts[0] / counts[1] - counts[2] / counts[3]
            row = {"by": by, "groups": f"{group} − {largest}", "smile_difference": difference}
            rows.append(row | {"smile_difference_low": low, "smile_difference_high": high})
    return pd.DataFrame(rows)
