"""What the shipped network's model card, `data/models/<name>.md`, says: every number on it is read from a record."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection.data import summaries
from emotion_detection.emotions import EMOTIONS, VOTES
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.evaluation import calibration, ferplus_scores, formatting, leakage, metrics, mistakes
from emotion_detection.runs import lineage, registry, store
from emotion_detection.runs.run import Predictions, Run
from emotion_detection.studies import final_runs, groups, photographs, robustness, speed

SPLIT = "PrivateTest"
SCORES = ("accuracy", "macro_f1")
ENDS = ("_low", "_high")
FERPLUS_SETTINGS = ("ferplus_only", "ferplus_blend", "ferplus_auxiliary")
SETTINGS = {
    "epochs": "epochs",
    "batch_size": "batch size",
    "optimizer": "optimiser",
    "learning_rate": "learning rate",
    "schedule": "schedule",
    "weight_decay": "weight decay",
    "dropout": "dropout",
    "label_smoothing": "label smoothing",
    "teachers": "teachers (Hinton et al., 2015)",
    "distillation": "share of the targets that are the teachers' answers",
    "ferplus_auxiliary": "weight of a second head that learns FER+'s classes",
    "ferplus_blend": "share of the targets that are FER+'s votes (Barsoum et al., 2016)",
    "cycles": "learning-rate cycles whose final weights are averaged (Izmailov et al., 2018)",
    "start_share": "share of the weights that training began with in the saved ones (Wortsman et al., 2022)",
    "flip": "augmentation: flips",
    "rotation_deg": "augmentation: rotation up to, degrees",
    "shift": "augmentation: shift up to, share",
    "zoom": "augmentation: zoom up to, share",
    "contrast": "augmentation: contrast up to, share",
    "brightness": "augmentation: brightness up to, share",
    "shear": "augmentation: shear up to",
    "blur_px": "augmentation: blur up to, pixels",
    "noise": "augmentation: noise up to, share",
    "jpeg_quality": "augmentation: JPEG quality down to",
    "poor_camera": "augmentation: share of the faces that may be blurred, noisy or compressed",
    "each_fault": "augmentation: of these, the share that each of the three faults befalls",
    "erasing": "augmentation: share of the faces with a rectangle erased",
    "mixup": "augmentation: share of the batches with mixup",
    "cutmix": "augmentation: share of the batches with cutmix",
}
"""Setting of a recipe → how the card names it."""


def path() -> Path:
    """Return where the model card is."""
    return registry.card_path().with_suffix(".md")


def values() -> dict:
    """Return what the template `model_card.md.j2` names.

    Raises:
        DataError: the run was trained again since its network was shipped.
    """
    card = registry.read_card()
    run = store.load_run(card["run"])
    if not registry.is_shipped(run):
        raise DataError(
            f"The shipped network is of {run.name} as finished {card.get('finished')}, the record says "
            f"{run.info.get('finished')}. Ship the recorded network: python -m emotion_detection ship {run.name}"
        )
    steps, bench = lineage.with_earlier(run), speed.load_benchmark()
    recipe = run.info["recipe"]
    return {
        "card": card,
        "run": run,
        "megabytes": {name: f"{entry['bytes'] / 1e6:.1f} MB" for name, entry in card["files"].items()},
        "counts": run.info["data"]["counts"],
        "recipe": recipe,
        "steps": steps,
        "settings": formatting.to_markdown(settings_table(steps)),
        "remarks": {each.recipe_name: said for each in steps if (said := _remarks(each))},
        "minutes": lineage.training_minutes(run),
        "teaching_minutes": lineage.teaching_minutes(run),
        "scores": _table(scores_table(run)),
        "emotions": _table(emotions_table(run)),
        "averaged": _averaged(run),
        "seeds": final_runs.by_recipe(store.final_seeds(recipe["name"])).iloc[0],
        "chosen": chosen_values(card),
        "calibration": calibration_values(run),
        "agreement": _agreement(run),
        "formats": formatting.to_markdown(formats_table(card)),
        "machine": bench.machine.iloc[0].to_dict(),
        "packages": bench.packages,
        "times": _table(times_table(bench.comparisons)),
        "robustness": robustness_values(card["run"]),
        "people": people_values(),
        "votes": votes_values(card),
        "uses_ferplus": any(each.info["recipe"].get(key) for each in steps for key in FERPLUS_SETTINGS),
        "disgust": int(metrics.per_class(run.predictions[SPLIT])["support"]["disgust"]),
    }


def _remarks(run: Run) -> str:
    """Return what a record says of how it came about, where that was unusual."""
    return " ".join(filter(None, ((run.info.get("code") or {}).get("note"), run.info.get("remark"))))


def _table(frame: pd.DataFrame) -> str:
    return formatting.to_markdown(formatting.format_table(frame))


def settings_table(steps: list[Run]) -> pd.DataFrame:
    """Return the settings of the trainings that a network went through as text: a row per setting, a column each."""
    columns = {}
    for run in steps:
        recipe = run.info["recipe"]
        found = recipe | (recipe.get("augmentation") or {})
        columns[f"{run.recipe_name} (`{run.name}`)"] = [_setting(found.get(key)) for key in SETTINGS]
    table = pd.DataFrame({"Setting": list(SETTINGS.values()), **columns})
    return table[(table.iloc[:, 1:] != formatting.MISSING).any(axis=1)]


def _setting(value) -> str:
    if value in (None, False, 0, [], ()):
        return formatting.MISSING
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "yes" if value is True else f"{value:g}" if isinstance(value, float) else str(value)


def scores_table(run: Run) -> pd.DataFrame:
    """Return accuracy and macro-F1 with intervals against both labels, of all faces and of those without twins."""
    rows = [
        {"labels": "FER2013", "faces": faces, "n": len(kept), **_scores(kept)} for faces, kept in _parts(run).items()
    ]
    for faces, counts in _ferplus(run).items():
        found = ferplus_scores.scores(counts)
        ends = {f"{score}{end}": found[f"{score}_ci"][place] for score in SCORES for place, end in enumerate(ENDS)}
        row = {"labels": "FER+ strict majority", "faces": faces, "n": found["n"]}
        rows.append(row | {score: found[score] for score in SCORES} | ends)
    return pd.DataFrame(rows)


def _parts(run: Run) -> dict[str, Predictions]:
    """Return the answers on PrivateTest: on all faces, and on those without twins in Training."""
    predictions, twins = run.predictions[SPLIT], summaries.load_twins()
    return {
        "all": predictions,
        "de-duplicated": leakage.without_twins(predictions, twins),
        "near-twin-free": leakage.without_twins(predictions, twins, kind="near"),
    }


def _ferplus(run: Run) -> dict[str, dict]:
    """Return what is recorded of the answers against FER+: of all faces, and of those without identical twins."""
    recorded = run.ferplus(SPLIT)
    found = {"all": recorded, "de-duplicated": recorded.get("deduplicated", {})}
    return {faces: counts for faces, counts in found.items() if "confusion" in counts}


def _scores(predictions: Predictions) -> dict[str, float]:
    intervals, found = metrics.bootstrap(predictions), {}
    for score in SCORES:
        low, high = getattr(intervals, score)
        found |= {score: getattr(metrics, score)(predictions), f"{score}_low": low, f"{score}_high": high}
    return found


def emotions_table(run: Run) -> pd.DataFrame:
    """Return precision, recall and F1 per emotion: against both labels, of all faces and of those without twins."""
    parts = _parts(run)
    table = metrics.f1_with_intervals(parts["all"])
    table.insert(0, "faces", table.pop("support"))
    kept = metrics.f1_with_intervals(parts["de-duplicated"])
    for end in ("", *ENDS):
        table[f"f1_deduplicated{end}"] = kept[f"f1{end}"]
    for faces, counts in _ferplus(run).items():
        found = ferplus_scores.scores(counts)
        name = "f1_ferplus" if faces == "all" else "f1_ferplus_deduplicated"
        table[name] = found["f1"]
        table[[f"{name}{end}" for end in ENDS]] = list(found["f1_ci"].values())
    return table


def _averaged(run: Run) -> str | None:
    """Return the accuracy with the answers to ten views of each face averaged, with its interval."""
    averaged = run.predictions.get(f"{SPLIT}{store.VIEWS}")
    if averaged is None:
        return None
    return formatting.interval(metrics.accuracy(averaged), *metrics.bootstrap(averaged).accuracy)


def chosen_values(card: dict) -> dict | None:
    """Return by what rule the shipped seed was chosen, and a table of the seeds; None where it was not chosen by it."""
    if "seeds" not in card:
        return None
    scores = pd.DataFrame.from_dict(card["seeds"]["scores"], orient="index")
    columns = {
        "FER2013's labels, PublicTest": scores["labels"],
        "FER+ strict majority, PublicTest": scores["votes"],
        "Photographs, balanced votes": scores["photographs"],
        "Mean of the three": scores[["labels", "votes", "photographs"]].mean(axis=1),
        "FER+ strict majority, PrivateTest": scores["votes_private_test"],
    }
    table = pd.DataFrame(columns).map(formatting.percent)
    table.insert(0, "Run", [f"`{name}`" for name in scores.index])
    return {
        "rule": card["seeds"]["rule"],
        "table": formatting.to_markdown(table),
        "votes_private_test": scores["votes_private_test"].mean(),
    }


def calibration_values(run: Run) -> dict:
    """Return how well confidence and accuracy agree, and what saying "not sure" costs and gains, 0–1."""
    predictions, temperature = run.predictions[SPLIT], run.info["temperature"]
    chosen_on = run.predictions["PublicTest"]
    held_out = calibration.held_out_probabilities(chosen_on.logits, np.eye(len(EMOTIONS))[chosen_on.label])
    unseen = leakage.without_twins(predictions, summaries.load_twins())
    low, high = calibration.calibration_interval(predictions, temperature=temperature)
    threshold = calibration.choose_threshold(chosen_on, temperature=temperature)
    answers = calibration.coverage(predictions, temperature=temperature, thresholds=[threshold]).iloc[0]
    return {
        "bins": calibration.CALIBRATION_BINS,
        "temperature": temperature,
        "as_trained": _ece(predictions, 1.0),
        "ece": formatting.interval(_ece(predictions, temperature), low, high),
        "deduplicated": _ece(unseen, temperature),
        "by_chance": calibration.calibration_by_chance(predictions, temperature=temperature),
        "debiased": _debiased(predictions.probabilities(temperature), predictions.label),
        "debiased_cross_fitted": _debiased(held_out, chosen_on.label),
        "threshold": threshold,
        "coverage": answers["coverage"],
        "accuracy": answers["accuracy"],
        "accuracy_of_all": metrics.accuracy(predictions),
    }


def _debiased(probabilities: np.ndarray, label: np.ndarray) -> float:
    right = probabilities.argmax(axis=1) == label
    return calibration.debiased_calibration_error(probabilities.max(axis=1), right.astype(float))


def _ece(predictions, temperature: float) -> float:
    return calibration.expected_calibration_error(calibration.reliability(predictions, temperature=temperature))


def _agreement(run: Run) -> dict | None:
    """Return accuracy where FER+'s voters agree least and most; None where it is not recorded."""
    counts = run.ferplus(SPLIT).get("by_agreement")
    if not counts:
        return None
    table = mistakes.shares_by_agreement(counts)
    table = table[table["n"] > 0]
    return {"least": table.iloc[0], "most": table.iloc[-1]}


def formats_table(card: dict) -> pd.DataFrame:
    """Return how each LiteRT file answers compared with Keras, a row per format and test split, as text."""
    rows = []
    for form, split in itertools.product(registry.SUFFIXES, ("PublicTest", SPLIT)):
        found = card["formats"][form][split]
        rows.append(
            {
                "Format": form,
                "Split": split,
                "n": formatting.number(found["n"]),
                "Accuracy": formatting.percent(found["accuracy"], digits=2),
                "Against Keras": f"{formatting.points(found['difference'], digits=2)} points",
                "Same answer": formatting.percent(found["agree"], digits=2),
                "Largest difference of a probability": f"{found['largest_difference']:.3f}",
            }
        )
    return pd.DataFrame(rows)


def times_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the median times of one face from the comparisons of a benchmark."""
    one = table[(table["group"] == "one face") & (table["ours"] == "EmotionClassifier")].iloc[0]
    rows = [(f"one face, EmotionClassifier ({registry.DEFAULT_FORMAT})", one["ours_s"])]
    for row in table[table["group"] == "formats"].itertuples():
        rows += [(f"{row.name}, {row.other}", row.other_s), (f"{row.name}, {row.ours}", row.ours_s)]
    return pd.DataFrame(rows, columns=["what", "median_s"])


def robustness_values(name: str) -> dict | None:
    """Return what spoiled faces cost the shipped network; None where that is not measured."""
    records = robustness.load()
    if name not in records:
        return None
    found = robustness.accuracies(records)
    shown = robustness.display_name(name)
    lost = robustness.losses(found)[shown].sort_values(ascending=False)
    return {
        "unchanged": found[(found["step"] == 0) & (found["network"] == shown)]["accuracy"].iloc[0],
        "ways": len(lost),
        "most": (lost.index[0], lost.iloc[0]),
        "least": (lost.index[-1], lost.iloc[-1]),
        "kept": robustness.kept(found).to_dict(),
        "votes": _votes_kept(),
    }


def _votes_kept() -> dict | None:
    """Return the accuracy of the votes on unchanged faces, and the share of it that is kept on spoiled ones."""
    records = robustness.load_votes()
    if not records:
        return None
    found = robustness.accuracies(records)
    return {"unchanged": found.loc[found["step"] == 0, "accuracy"].iloc[0], "kept": robustness.kept(found).iloc[0]}


def votes_values(card: dict) -> dict | None:
    """Return what the card says of the second head; None where the network has none."""
    facts = card.get("votes")
    if facts is None:
        return None
    rows = []
    for answer, counted in {"votes": facts, "votes, balanced prior": facts.get("balanced")}.items():
        for faces, counts in {"all": counted[SPLIT], "de-duplicated": counted[SPLIT]["deduplicated"]}.items():
            found = ferplus_scores.scores(counts)
            ends = {f"{score}{end}": found[f"{score}_ci"][place] for score in SCORES for place, end in enumerate(ENDS)}
            row = {"answer": answer, "faces": faces, "n": found["n"]} | {score: found[score] for score in SCORES}
            rows.append(row | ends)
    contempt = facts[SPLIT]["confusion"][VOTES.index("contempt")]
    threshold = registry.threshold_of(facts)
    coverage, accuracy = registry.at_threshold(facts, threshold)
    return facts | {
        "scores": _table(pd.DataFrame(rows)),
        "contempt_n": sum(contempt),
        "contempt_right": contempt[VOTES.index("contempt")],
        "not_sure": {"threshold": threshold, "coverage": coverage, "accuracy": accuracy},
        "int8": card["formats"]["int8"]["votes"],
    }


def people_values() -> dict | None:
    """Return what the shipped network answers on people outside FER2013; None where that is not measured.

    `photographs` and `recall` have an entry for each of its answers: "labels", "votes", "balanced".
    """
    names = dict(zip(robustness.SHIPPED_ANSWERS, robustness.SHIPPED, strict=False))  # of the float16 file
    try:
        records, people = photographs.load(), groups.load()
        faces = {answer: records[name] for answer, name in names.items()}
        smiles = {answer: groups.shares(people[name]) for answer, name in names.items()}
        votes = people[names["votes"]]
        differences = groups.differences(votes).iloc[0]
    except (MissingFileError, KeyError, IndexError):
        return None
    ends = [f"smile_recall{end}" for end in ("", *ENDS)]
    scores = {answer: photographs.summary({names[answer]: each}).iloc[0] for answer, each in faces.items()}
    return {
        "photographs": scores,
        "recall": {
            answer: formatting.interval(*each[[f"mean_recall{end}" for end in ("", *ENDS)]])
            for answer, each in scores.items()
        },
        "n": votes["n"],
        "neutral_right": 1 - smiles["votes"]["neutral_missed_share"].iloc[0],
        "smile_recall": {answer: table["smile_recall"].iloc[0] for answer, table in smiles.items()},
        "smiles": {row["group"]: formatting.interval(*row[ends]) for _, row in smiles["votes"].iterrows()},
        "groups": differences["groups"],
        "difference": formatting.points(*differences[[f"smile_difference{end}" for end in ("", *ENDS)]]),
    }
