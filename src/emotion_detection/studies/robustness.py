"""How accuracy on PublicTest falls as faces are spoiled: of the shipped network, earlier ones and the baselines.

All are scored by FER2013's labels, and the shipped network's second answer by FER+'s strict majority. `measure` records
counts in `data/results/robustness/<network>.json`; tables and the figure are made from these, with neither faces nor
networks.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from emotion_detection import files, paths
from emotion_detection.data import FaceDataset, ferplus, perturbations
from emotion_detection.data.perturbations import PERTURBATIONS
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import MissingFileError, UnknownNameError
from emotion_detection.evaluation import resampling
from emotion_detection.runs import lineage, registry, store
from emotion_detection.studies import baselines
from emotion_detection.training import catalog

SPLIT = "PublicTest"
SEED = 0
MIDDLE_STEP = 3  # of the five strengths
Scoring = Callable[[np.ndarray], np.ndarray]
"""From uint8 faces (n, 48, 48) to scores (n, 7), the highest of which is the answer."""

SHIPPED_ANSWERS = {
    "labels": {"labels": "fer2013"},
    "votes": {"labels": "votes"},
    "balanced": {"labels": "votes", "prior": "balanced"},
}
SHIPPED = {
    name if answer == "labels" else f"{name}_{answer}": (form, settings)
    for form, name in baselines.OURS.items()
    for answer, settings in SHIPPED_ANSWERS.items()
}
"""Name of each answer of each shipped file → the file's format, and how it is loaded."""

VOTES = "shipped_float16_votes"
"""The answer that is scored by FER+'s strict majority, apart from the others."""


def folder() -> Path:
    """Return the folder of the records."""
    return paths.project_root() / "data" / "results" / "robustness"


def plain_run() -> str:
    """Return the run of the plain recipe that others are compared with."""
    return store.full_name(catalog.REGIMES[-1])


def networks() -> list[str]:
    """Name what is compared: the shipped run, the run that it goes on from, the plain one, the baselines."""
    last_two = [run.name for run in lineage.with_earlier(store.load_run(registry.SHIPPED_RUN))[-2:]]
    return list(dict.fromkeys([*reversed(last_two), plain_run(), *baselines.FILES]))


def measure(name: str, dataset: FaceDataset) -> Path:
    """Count the right answers of one network on PublicTest, as it is and spoiled in each way; some minutes.

    Args:
        name: one of `networks()`, or `VOTES`.
        dataset: FER2013.

    Returns:
        The record's path.

    Raises:
        UnknownNameError: no such network is compared.
        MissingFileError: the network is not on this machine.
        DataError: the faces of PublicTest have no labels.
    """
    if name not in (*networks(), VOTES):
        raise UnknownNameError(f"{name!r} is not compared. Use one of {', '.join([*networks(), VOTES])}.")
    faces, labels = dataset.labelled_split(SPLIT), "FER2013"
    label = faces.emotion
    if name == VOTES:
        label, labels = ferplus.strict_majority_labels(faces.row), "FER+, strict majority of the seven"
        counted = (label >= 0) & (label < len(EMOTIONS))
        faces, label = faces[counted], label[counted]
    scores_of, network = load_network(name)

    def count_right(pixels: np.ndarray) -> int:
        return int(np.count_nonzero(scores_of(pixels).argmax(axis=1) == label))

    right_unchanged, right = count_right(faces.pixels), {}
    for each in tqdm(PERTURBATIONS.values(), desc=name, unit="way"):
        spoiled = (perturbations.apply(each.name, faces.pixels, strength=s, seed=SEED) for s in each.strengths)
        right[each.name] = [count_right(pixels) for pixels in spoiled]
    values = {
        "network": network,
        "data": {"name": dataset.name, "fingerprint": dataset.fingerprint, "split": SPLIT, "labels": labels},
        "n": len(faces),
        "commonest": int(np.bincount(label).max()),
        "seed": SEED,
        "strengths": {each.name: list(each.strengths) for each in PERTURBATIONS.values()},
        "right_unchanged": right_unchanged,
        "right": right,
    }
    path = folder() / f"{name}.json"
    files.write_json(path, values)
    return path


def load_network(name: str) -> tuple[Scoring, dict]:
    """Return what gives scores of faces, and what is recorded of the network.

    Args:
        name: a key of `SHIPPED`; a run, the shipped one standing for its float16 file; or a baseline.

    Raises:
        MissingFileError: its file is not on this machine.
    """
    if name in baselines.FILES:
        other = baselines.load(name)
        return other.probabilities, {"name": name, "format": "keras", "sha256": other.sha256}
    if name in SHIPPED or name == registry.read_card()["run"]:
        from emotion_detection.inference.classifier import EmotionClassifier

        form, answer = SHIPPED.get(name, (registry.DEFAULT_FORMAT, SHIPPED_ANSWERS["labels"]))
        network = EmotionClassifier.load(form, **answer)
        facts = {"name": name, "format": form, "sha256": network.sha256, "finished": network.metadata["finished"]}
        return functools.partial(network.output, "scores"), facts
    path = store.trained_network(name)
    from emotion_detection.training import backends, mobilenet

    facts = {"name": name, "format": "keras", "sha256": files.sha256(path)}
    facts["finished"] = store.load_run(name).info["finished"]
    return functools.partial(backends.predict_logits, mobilenet.load_network(path)), facts


# From records alone


def load() -> dict[str, dict]:
    """Return the records of what is compared, by network, the shipped first; networks not measured are left out.

    A record of a run that is of an earlier training is left out too.
    """
    return {name: record for name in networks() if (record := _load(name)) is not None}


def load_votes() -> dict[str, dict]:
    """Return the record of the shipped network's votes by its name, as `load` does; nothing where there is none."""
    record = _load(VOTES)
    return {} if record is None else {VOTES: record}


def _load(name: str) -> dict | None:
    """Return the record of a network; None where it is missing or of an earlier training."""
    path = folder() / f"{name}.json"
    if not path.is_file():
        return None
    record = files.read_json(path, remake=f"python -m emotion_detection robustness {name}", keys=("network",))
    run = registry.read_card()["run"] if name == VOTES else name
    is_of_now = name in baselines.FILES or (
        store.is_recorded(run) and record["network"]["finished"] == store.load_info(run).get("finished")
    )
    return record if is_of_now else None


def display_name(name: str) -> str:
    """Return how figures and tables name a network that is compared."""
    if name in baselines.FILES:
        return name
    if name in SHIPPED:
        form, answer = SHIPPED[name]
        what = {"fer2013": "FER2013's labels", "votes": "votes"}[answer["labels"]]
        balanced = "balanced " if "prior" in answer else ""
        return f"shipped: {balanced}{what}{' (int8)' if form == 'int8' else ''}"
    shown = store.load_info(name)["recipe"].get("display_name", name)
    return f"{shown} (shipped)" if name == registry.read_card()["run"] else shown


def accuracies(records: dict[str, dict]) -> pd.DataFrame:
    """Return accuracy by network, way and strength from what `load` returns.

    Returns:
        Columns `network`, `perturbation`, `step` (0 for unchanged faces, then 1–5), `strength` (NaN at step 0), `n`,
        `accuracy`, `accuracy_low`, `accuracy_high` (95 % Wilson interval), 0–1.

    Raises:
        MissingFileError: nothing is recorded.
    """
    if not records:
        raise MissingFileError(
            f"Nothing is recorded in {paths.displayed(folder())}. Measure it with FER2013: python -m emotion_detection "
            "robustness"
        )
    lines = []
    for name, record in records.items():
        for way, right in record["right"].items():
            counts = [record["right_unchanged"], *right]
            for step, (count, strength) in enumerate(zip(counts, [np.nan, *record["strengths"][way]], strict=True)):
                low, high = resampling.share_interval(count, record["n"])
                place = {"network": display_name(name), "perturbation": way, "step": step, "strength": strength}
                shares = {"n": record["n"], "accuracy": count / record["n"]}
                shares |= {"accuracy_low": low, "accuracy_high": high}
                lines.append(place | shares)
    return pd.DataFrame(lines)


def commonest(records: dict[str, dict]) -> float:
    """Return the share of the commonest emotion: what a network gets right that always names it."""
    record = next(iter(records.values()))
    return record["commonest"] / record["n"]


def losses(found: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy (0–1) that each way to spoil faces costs each network at the middle strength.

    A row per way, the one that costs the first network most on top, a column per network; `found` is `accuracies`.
    """
    accuracy = found[found["step"] == MIDDLE_STEP].pivot(index="perturbation", columns="network", values="accuracy")
    unchanged = found[found["step"] == 0].groupby("network", sort=False)["accuracy"].first()
    lost = (unchanged - accuracy)[list(unchanged.index)]
    return lost.sort_values(unchanged.index[0], ascending=False)


def kept(found: pd.DataFrame) -> pd.Series:
    """Return which share of its accuracy each network keeps at the middle strength, mean over the ways."""
    unchanged = found[found["step"] == 0].groupby("network", sort=False)["accuracy"].first()
    return 1 - losses(found).mean() / unchanged
