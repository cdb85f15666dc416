"""The numbers that a person wrote into the notebooks are those of the records."""

import functools
import json
import operator
import re
import statistics
import tomllib
from pathlib import Path

import pytest

from emotion_detection import paths
from emotion_detection.data import summaries
from emotion_detection.emotions import EMOTIONS
from emotion_detection.evaluation import leakage, metrics
from emotion_detection.runs import lineage, store
from emotion_detection.studies import final_runs

CLAIMS = tomllib.loads((Path(__file__).parent / "claims.toml").read_text(encoding="utf-8"))
SAID = [(name, claim) for name, claims in CLAIMS.items() for claim in claims if "says" in claim]

NUMBER = re.compile(r"(?<![\w.,/=-])[+−-]?\d[\d,]*(?:\.\d+)?(?: ?%| points?\b)?")
"""A number as prose has it, with what follows it where that makes it a claim."""


@functools.cache
def markdown(name: str) -> str:
    """Return a notebook's Markdown on one line, without code in backticks and addresses of links."""
    cells = json.loads((paths.project_root() / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return " ".join(re.sub(r"`[^`]*`|\]\([^)]*\)|<[^>]*>|https?://\S+|arXiv:\S+", " ", text).replace("**", "").split())


def is_claim(number: str) -> bool:
    """Whether a number must be held by a record: a share, points, a decimal, a count from 1,000 on."""
    return bool(re.search(r"%|point|\.\d|,\d{3}", number))


@functools.cache
def _file(name: str):
    root = paths.project_root() if name.startswith("figures/") else paths.project_root() / "data"
    return json.loads((root / name).read_text(encoding="utf-8"))


def _member(value, key: str):
    """Return what a record holds under a key; of a list by place, or by the name (or "group: name") of its member."""
    if isinstance(value, dict):
        return value[key]
    if key.lstrip("-").isdigit():
        return value[int(key)]
    return next(each for each in value if key in (each["name"], f"{each.get('group')}: {each['name']}"))


def _one(source: str) -> float:
    place, _, where = source.strip().partition(":")
    if place == "run":
        run, part, score = where.split("/")
        if score == "minutes":
            minutes = {"own": operator.attrgetter("minutes"), "all": lineage.training_minutes}
            return (minutes | {"teachers": lineage.teaching_minutes})[part](store.load_run(run))
        predictions = final_runs.averaged([store.load_run(each).predictions[part] for each in run.split("+")])
        if score == "n":
            return len(predictions)
        score, _, emotion = score.partition(".")
        if score == "confusion":
            label, answer = (EMOTIONS.index(name) for name in emotion.split("."))
            return int(metrics.confusion(predictions)[label, answer])
        if score == "f1_deduplicated":
            score, predictions = "f1", leakage.without_twins(predictions, summaries.load_twins())
        if emotion:
            return float(metrics.per_class(predictions).loc[emotion, score])
        if score == "deduplicated":
            return metrics.accuracy(leakage.without_twins(predictions, summaries.load_twins()))
        return {"accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1}[score](predictions)
    if place == "history":
        run, column, *row = where.split("/")
        values = store.load_run(run).history[column]
        return float(values.iloc[int(row[0])] if row else values.median())
    value = _file(place)
    for key in where.split("."):
        value = _member(value, key.replace("~", "."))
    return statistics.median(value) if isinstance(value, list) else value


def value_of(source: str) -> float:
    """Return the recorded value that a claim names."""
    if mean := re.fullmatch(r"mean\((.*)\)", source):
        values = [_one(each) for each in mean[1].split(", ")]
        return sum(values) / len(values)
    for sign, join in ((" - ", lambda a, b: a - b), (" / ", lambda a, b: a / b)):
        if sign in source:
            first, second = source.split(sign)
            return join(_one(first), _one(second))
    return _one(source)


def written(value: float, form: str) -> str:
    """Return a number as the notebooks write it: a space before the per cent sign, a real minus."""
    return re.sub(r"(?<=\d)%", " %", form.format(value, points=100 * value)).replace("-", "−")


@pytest.mark.parametrize(("name", "claim"), SAID, ids=[f"{name}: {claim['says']}" for name, claim in SAID])
def test_a_number_in_the_text_is_that_of_the_records(name, claim):
    number = written(value_of(claim["value"]), claim["format"])
    sentence = claim["says"].replace("{}", number)
    assert sentence in markdown(name), f"{name} should say: {sentence}"


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_each_number_of_a_notebook_has_its_claim(name):
    text = markdown(name)
    for claim in CLAIMS[name]:
        if "says" in claim:
            text = text.replace(claim["says"].replace("{}", written(value_of(claim["value"]), claim["format"])), " … ")
        for ignored in claim.get("ignore", ()):
            text = text.replace(ignored, " … ")
    assert [number for number in NUMBER.findall(text) if is_claim(number)] == []
