"""What the shipped network's model card, `data/models/<name>.md`, says: every number on it is read from a record."""

from pathlib import Path

import pandas as pd

from emotion_detection.emotions import DISPLAY_NAMES
from emotion_detection.errors import DataError
from emotion_detection.evaluation import calibration, ferplus_scores, formatting, leakage, metrics, mistakes
from emotion_detection.runs import lineage, registry, store
from emotion_detection.runs.run import Run
from emotion_detection.studies import final_runs, robustness, speed

SPLIT = "PrivateTest"
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
    "poor_camera": "augmentation: share of the faces with blur, noise and JPEG",
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
        "hardware": ", then ".join(dict.fromkeys(each.hardware for each in steps)),
        "minutes": lineage.training_minutes(run),
        "teaching_minutes": lineage.teaching_minutes(run),
        "scores": _table(scores_table(run)),
        "emotions": formatting.to_markdown(emotions_table(run)),
        "averaged": _averaged(run),
        "seeds": final_runs.by_recipe(final_runs.recorded(recipe["name"])).iloc[0],
        "is_chosen": final_runs.is_chosen(run),
        "calibration": calibration_values(run),
        "agreement": _agreement(run),
        "formats": formatting.to_markdown(formats_table(card)),
        "machine": bench.machine.iloc[0].to_dict(),
        "packages": bench.packages,
        "times": _table(times_table(bench.comparisons)),
        "robustness": robustness_values(card["run"]),
        "uses_ferplus": any(each.info["recipe"].get(key) for each in steps for key in FERPLUS_SETTINGS),
        "disgust": int(metrics.per_class(run.predictions[SPLIT])["support"]["disgust"]),
    }


FERPLUS_SETTINGS = ("ferplus_only", "ferplus_blend", "ferplus_auxiliary")


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
    predictions, rows = run.predictions[SPLIT], []
    twins = leakage.load_twins()
    for faces, kept in (
        ("all", predictions),
        ("de-duplicated", leakage.without_twins(predictions, twins)),
        ("near-twin-free", leakage.without_twins(predictions, twins, kind="near")),
    ):
        intervals = metrics.bootstrap(kept)
        found = {"n": len(kept), "accuracy": metrics.accuracy(kept), "accuracy_ci": intervals.accuracy}
        found |= {"macro_f1": metrics.macro_f1(kept), "macro_f1_ci": intervals.macro_f1}
        rows.append(_scores_row("FER2013", faces, found))
    recorded = (run.info.get("ferplus") or {}).get(SPLIT, {})
    for faces, counts in (("all", recorded), ("de-duplicated", recorded.get("deduplicated", {}))):
        if "confusion" in counts:
            rows.append(_scores_row("FER+ strict majority", faces, ferplus_scores.scores(counts)))
    return pd.DataFrame(rows)


def _scores_row(labels: str, faces: str, found: dict) -> dict:
    row = {"labels": labels, "faces": faces, "n": found["n"]}
    for score in ("accuracy", "macro_f1"):
        row |= {score: found[score], f"{score}_low": found[f"{score}_ci"][0], f"{score}_high": found[f"{score}_ci"][1]}
    return row


def emotions_table(run: Run) -> pd.DataFrame:
    """Return F1 per emotion with its interval as text: against both labels, of all faces and of those without twins."""
    predictions = run.predictions[SPLIT]
    table = metrics.per_class(predictions)
    columns = {
        "Emotion": [DISPLAY_NAMES[name] for name in table.index],
        "Faces": [formatting.number(int(value)) for value in table["support"]],
        "Precision": [f"{value:.3f}" for value in table["precision"]],
        "Recall": [f"{value:.3f}" for value in table["recall"]],
    }
    kept = leakage.without_twins(predictions, leakage.load_twins())
    for name, each in (("F1", predictions), ("F1, de-duplicated", kept)):
        rows = metrics.f1_with_intervals(each).itertuples()
        columns[name] = [_f1(row.f1, row.f1_low, row.f1_high) for row in rows]
    recorded = (run.info.get("ferplus") or {}).get(SPLIT, {})
    for name, counts in (("F1, FER+", recorded), ("F1, FER+, de-duplicated", recorded.get("deduplicated", {}))):
        if "confusion" in counts:
            found = ferplus_scores.scores(counts)
            columns[name] = [_f1(found["f1"][emotion], *found["f1_ci"][emotion]) for emotion in table.index]
    return pd.DataFrame(columns)


def _f1(value: float, low: float, high: float) -> str:
    return formatting.interval(value, low, high, write="{:.2f}".format)


def _averaged(run: Run) -> str | None:
    """Return the accuracy with the answers to ten views of each face averaged, with its interval."""
    averaged = run.predictions.get(f"{SPLIT}{store.VIEWS}")
    if averaged is None:
        return None
    return formatting.interval(metrics.accuracy(averaged), *metrics.bootstrap(averaged).accuracy)


def calibration_values(run: Run) -> dict:
    """Return how well confidence and accuracy agree, and what saying "not sure" costs and gains, 0–1."""
    predictions, temperature = run.predictions[SPLIT], run.info["temperature"]
    unseen = leakage.without_twins(predictions, leakage.load_twins())
    low, high = calibration.calibration_interval(predictions, temperature=temperature)
    threshold = calibration.choose_threshold(run.predictions["PublicTest"], temperature=temperature)
    answers = calibration.coverage(predictions, temperature=temperature, thresholds=[threshold]).iloc[0]
    return {
        "bins": calibration.CALIBRATION_BINS,
        "temperature": temperature,
        "as_trained": _ece(predictions, 1.0),
        "ece": formatting.interval(_ece(predictions, temperature), low, high),
        "deduplicated": _ece(unseen, temperature),
        "by_chance": calibration.calibration_by_chance(predictions, temperature=temperature),
        "threshold": threshold,
        "coverage": answers["coverage"],
        "accuracy": answers["accuracy"],
        "accuracy_of_all": metrics.accuracy(predictions),
    }


def _ece(predictions, temperature: float) -> float:
    return calibration.expected_calibration_error(calibration.reliability(predictions, temperature=temperature))


def _agreement(run: Run) -> dict | None:
    """Return accuracy where FER+'s voters agree least and most; None where it is not recorded."""
    counts = (run.info.get("ferplus") or {}).get(SPLIT, {}).get("by_agreement")
    if not counts:
        return None
    table = mistakes.shares_by_agreement(counts)
    table = table[table["n"] > 0]
    return {"least": table.iloc[0], "most": table.iloc[-1]}


def formats_table(card: dict) -> pd.DataFrame:
    """Return how each LiteRT file answers compared with Keras, a row per format and test split, as text."""
    rows = []
    for form in registry.SUFFIXES:
        for split in ("PublicTest", SPLIT):
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
    found = robustness.table(records)
    shown = robustness.display_name(name)
    lost = robustness.losses(found)[shown].sort_values(ascending=False)
    return {
        "unchanged": found[(found["step"] == 0) & (found["network"] == shown)]["accuracy"].iloc[0],
        "ways": len(lost),
        "most": (lost.index[0], lost.iloc[0]),
        "least": (lost.index[-1], lost.iloc[-1]),
        "kept": robustness.kept(found).to_dict(),
    }
