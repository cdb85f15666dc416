"""The shipped network's model card, `data/models/<name>.md`: every figure on it is read from a record."""

import textwrap

import pandas as pd

from emotion_detection.emotions import DISPLAY_NAMES
from emotion_detection.errors import DataError
from emotion_detection.evaluation import ferplus_scores, formatting, metrics, mistakes
from emotion_detection.reporting import reports
from emotion_detection.runs import registry, store
from emotion_detection.studies import final_runs, speed
from emotion_detection.training import catalog

SPLIT = "PrivateTest"
WIDTH = 120


def page() -> str:
    """Return the model card as Markdown.

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
    recipe = catalog.get_recipe(card["recipe"])
    sizes = {name: f"{entry['bytes'] / 1e6:.1f} MB" for name, entry in card["files"].items()}
    return CARD.format(
        title=card["name"],
        run=card["run"],
        keras_size=sizes[f"{card['name']}.keras"],
        float16_size=sizes[registry.network_path("float16").name],
        int8_size=sizes[registry.network_path("int8").name],
        int8_but=", the first convolutions apart" if card["formats"]["int8"]["convolutions_in_float"] else "",
        input_px=recipe.network.input_px,
        temperature=card["temperature"],
        features=card["outputs"]["features"],
        feature_map=card["outputs"]["feature_map"],
        parameters=f"{card['parameters']:,}",
        recipe_paragraph=_filled(_recipe_paragraph(run, recipe)),
        scores=metrics.to_markdown(scores_table(run)),
        f1=metrics.to_markdown(emotions_table(run)),
        further=_filled(further_told(run)),
        calibration=_filled(calibration_told(run)),
        agreement=_filled(_agreement(run)),
        formats=metrics.to_markdown(formats_table(card)),
        int8=_filled(int8_told(card["formats"]["int8"])),
        latency=latency(),
        robustness=_filled(robustness_told()),
        ferplus_use="train and to score" if recipe.targets.uses_ferplus else "score only",
        disgust=int(metrics.per_class(run.predictions[SPLIT])["support"]["disgust"]),
    )


def _filled(text: str) -> str:
    return textwrap.fill(text, width=WIDTH, break_long_words=False, break_on_hyphens=False)


def scores_table(run: store.Run) -> pd.DataFrame:
    """Return accuracy and macro-F1 with intervals against both labels, of all faces and of those without twins."""
    predictions, lines = run.predictions[SPLIT], []
    twins = metrics.load_twins()
    for faces, kept in (
        ("all", predictions),
        ("de-duplicated", metrics.without_twins(predictions, twins)),
        ("near-twin-free", metrics.without_twins(predictions, twins, kind="near")),
    ):
        intervals = metrics.bootstrap(kept)
        values = {"n": len(kept), "accuracy": metrics.accuracy(kept), "accuracy_ci": intervals.accuracy}
        values |= {"macro_f1": metrics.macro_f1(kept), "macro_f1_ci": intervals.macro_f1}
        lines.append(_scores_line("FER2013", faces, values))
    recorded = (run.info.get("ferplus") or {}).get(SPLIT, {})
    for faces, counts in (("all", recorded), ("de-duplicated", recorded.get("deduplicated", {}))):
        if "confusion" in counts:
            lines.append(_scores_line("FER+ strict majority", faces, ferplus_scores.scores(counts)))
    return pd.DataFrame(lines)


def _scores_line(labels: str, faces: str, values: dict) -> dict[str, str]:
    return {
        "Labels": labels,
        "Faces": faces,
        "n": f"{values['n']:,}",
        "Accuracy (95 % interval)": metrics.with_interval(values["accuracy"], values["accuracy_ci"], percent=True),
        "Macro-F1 (95 % interval)": metrics.with_interval(values["macro_f1"], values["macro_f1_ci"], percent=False),
    }


def further_told(run: store.Run) -> str:
    """Return in words what averaging over views brings, and what other seeds of the recipe reach."""
    told = ["One network, one look at each face."]
    if (averaged := run.predictions.get(f"{SPLIT}{store.VIEWS}")) is not None:
        interval = metrics.bootstrap(averaged).accuracy
        accuracy = metrics.with_interval(metrics.accuracy(averaged), interval, percent=True)
        told.append(f"With the answers to ten views of each face averaged (flips and shifts): {accuracy}.")
    rounds = filter(None, (run.info["recipe"]["name"], run.info["recipe"].get("continues")))
    if differing := [seeds for seeds in map(final_runs.recorded, rounds) if len(seeds) > 1]:
        told.append(f"Trainings differ: {' '.join(map(final_runs.across_seeds, differing))}")
    if final_runs.is_chosen(run):
        told.append("The shipped one is that of its seeds which is right most often on PublicTest.")
    return " ".join(told)


def emotions_table(run: store.Run) -> pd.DataFrame:
    """Return F1 per emotion with its interval as text: against both labels, of all faces and of those without twins."""
    predictions = run.predictions[SPLIT]
    table = metrics.per_class(predictions)
    columns = {
        "Emotion": [DISPLAY_NAMES[name] for name in table.index],
        "Faces": [f"{value:,}" for value in table["support"]],
        "Precision": [f"{value:.3f}" for value in table["precision"]],
        "Recall": [f"{value:.3f}" for value in table["recall"]],
    }
    kept = metrics.without_twins(predictions, metrics.load_twins())
    for name, each in (("F1", predictions), ("F1, de-duplicated", kept)):
        lines = metrics.f1_with_intervals(each).itertuples()
        columns[name] = [_f1(line.f1, (line.f1_low, line.f1_high)) for line in lines]
    recorded = (run.info.get("ferplus") or {}).get(SPLIT, {})
    for name, counts in (("F1, FER+", recorded), ("F1, FER+, de-duplicated", recorded.get("deduplicated", {}))):
        if "confusion" in counts:
            values = ferplus_scores.scores(counts)
            columns[name] = [_f1(values["f1"][emotion], values["f1_ci"][emotion]) for emotion in table.index]
    return pd.DataFrame(columns)


def _f1(value: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{value:.2f} ({low:.2f}–{high:.2f})"


def calibration_told(run: store.Run) -> str:
    """Return in words how well confidence and accuracy agree, and what saying "not sure" does."""
    predictions, temperature = run.predictions[SPLIT], run.info["temperature"]
    tables = [metrics.reliability(predictions, temperature=each) for each in (1.0, temperature)]
    before, after = (metrics.expected_calibration_error(table) for table in tables)
    low, high = metrics.calibration_interval(predictions, temperature=temperature)
    chance = metrics.calibration_by_chance(predictions, temperature=temperature)
    unseen = metrics.reliability(metrics.without_twins(predictions, metrics.load_twins()), temperature=temperature)
    return (
        f"Expected calibration error ({metrics.CALIBRATION_BINS} bins): {reports.percent(before)} as trained, "
        f"{reports.percent(after)} ({100 * low:.1f}–{100 * high:.1f}) at the temperature {temperature}; "
        f"de-duplicated {reports.percent(metrics.expected_calibration_error(unseen))}. Were every confidence "
        f"exactly right, chance alone would show {reports.percent(chance)} on so few faces. "
        f"{reports.not_sure_told(run, split=SPLIT)}"
    )


def _agreement(run: store.Run) -> str:
    counts = (run.info.get("ferplus") or {}).get(SPLIT, {}).get("by_agreement")
    if not counts:
        return f"How errors go with FER+'s votes is not recorded: `python -m emotion_detection ferplus {run.name}`."
    return mistakes.agreement_told(mistakes.shares_by_agreement(counts))


def formats_table(card: dict) -> pd.DataFrame:
    """Return how each LiteRT file answers compared with Keras, a row per format and test split, as text."""
    lines = []
    for form in registry.SUFFIXES:
        for split in ("PublicTest", SPLIT):
            values = card["formats"][form][split]
            lines.append(
                {
                    "Format": form,
                    "Split": split,
                    "n": f"{values['n']:,}",
                    "Accuracy": f"{100 * values['accuracy']:.2f} %",
                    "Against Keras": f"{reports.points(values['difference'], digits=2)} points",
                    "Same answer": f"{100 * values['agree']:.2f} %",
                    "Largest difference of a probability": f"{values['largest_difference']:.3f}",
                }
            )
    return pd.DataFrame(lines)


def int8_told(facts: dict) -> str:
    """Return in words what is rounded to 8 bits, and by which faces."""
    calibration, in_float = facts["calibration"], facts["convolutions_in_float"]
    kept = (
        f"resizing and scaling the faces and the first {in_float} convolutions stay in float32 "
        "(`emotion_detection.export.quantization` says why)"
        if in_float
        else "all else but the resizing of the faces is done in integers"
    )
    return (
        "int8: weights with a scale per channel, values between layers in 8 bits, their ranges taken from "
        f"{calibration['faces']:,} {calibration['split']} faces of {calibration['data']} (seed {calibration['seed']}); "
        f"{kept}.{_tried(facts)}"
    )


def _tried(facts: dict) -> str:
    """Return in words what came of keeping fewer convolutions in float32, with a space before it."""
    tried = [
        f"{each['convolutions_in_float']}: {reports.points(each['PublicTest'], digits=2)} and "
        f"{reports.points(each[SPLIT], digits=2)}"
        for each in facts.get("tried", [])
    ]
    words = f"With fewer convolutions in float32 it is too far from Keras (points on PublicTest and {SPLIT})"
    return f" {words}: {'; '.join(tried)}." if tried else ""


def latency() -> str:
    """Return the recorded times of one face as Markdown: the benchmark's, with the machine it ran on."""
    if not speed.benchmark_path().is_file():
        return "Not measured yet: `make bench RECORD=1`.\n"
    benchmark = speed.load_benchmark()
    table = benchmark.comparisons
    faces = table[table["group"].isin(["one face", "formats"])]
    known = {f"{row.group}: {row.ours}": row.ours_s for row in faces.itertuples()}
    lines = [
        {
            "What": f"one face, `EmotionClassifier` ({registry.DEFAULT_FORMAT})",
            "Median": known["one face: EmotionClassifier"],
        }
    ]
    for row in faces[faces["group"] == "formats"].itertuples():
        lines += [
            {"What": f"{row.name}, {form}", "Median": seconds}
            for form, seconds in ((row.other, row.other_s), (row.ours, row.ours_s))
        ]
    shown = pd.DataFrame(lines).assign(Median=lambda each: each["Median"].map(formatting.duration))
    machine, packages = benchmark.machine.iloc[0], [" ".join(each) for each in benchmark.packages.items()]
    measured = (
        f"Measured on {machine['measured']}: {machine['cores']} cores of {machine['processor']}, "
        f"{machine['memory_gb']} GB, {machine['system']}; it multiplies matrices at {machine['matrix_gflops']:,.0f} "
        f"GFLOP/s (float32, all cores). {', '.join(packages)}."
    )
    return f"{_filled(measured)}\n\n{metrics.to_markdown(shown)}"


def robustness_told() -> str:
    """Return in words what spoiled faces cost, from the records of `robustness`."""
    from emotion_detection.studies import robustness

    records = robustness.load()
    if registry.read_card()["run"] not in records:
        return "Not measured for this network yet: `python -m emotion_detection robustness`."
    return robustness.told(robustness.table(records))


def _recipe_paragraph(run: store.Run, recipe: catalog.Recipe) -> str:
    faces = run.info["data"]["counts"]["Training"]
    public = reports.percent(run.info["metrics"]["PublicTest"]["accuracy"])
    remark = f" {run.info['remark']}" if "remark" in run.info else ""
    return (
        f"Trained on the {faces:,} Training faces of FER2013 (Goodfellow et al., 2013), starting from "
        f"{_start(recipe)}. Recipe `{recipe.display_name}`: {_settings(recipe)}.{_statistics(recipe)} Training took "
        f"{reports.training_told(run)}.{remark} PublicTest ({public}) was looked "
        "at to choose; PrivateTest was predicted once, after training."
    )


def _start(recipe: catalog.Recipe) -> str:
    if recipe.network.continues:
        before = catalog.get_recipe(recipe.network.continues)
        return f"a network of recipe `{before.display_name}` ({_settings(before)}), which started from {_start(before)}"
    return "ImageNet weights of MobileNetV2 (trained at 224 px; Google, Apache-2.0)"


def _statistics(recipe: catalog.Recipe) -> str:
    if not recipe.optimisation.batch_norm_batches:
        return ""
    often = (
        "each epoch"
        if recipe.protocol.validate_every == 1
        else f"every {recipe.protocol.validate_every} epochs and the last"
    )
    return f" After {often} the batch-norm statistics are estimated anew on unchanged Training faces."


def _settings(recipe: catalog.Recipe) -> str:
    """Return in words what a recipe sets: the optimiser, the targets, the augmentation."""
    network, settings, targets = recipe.network, recipe.optimisation, recipe.targets
    parts = [
        f"{settings.epochs} epochs at {network.input_px} px, batch {settings.batch_size}, {settings.optimizer} at "
        f"{settings.learning_rate:g} ({settings.schedule}), weight decay {settings.weight_decay:g}, dropout "
        f"{network.dropout:g}, label smoothing {targets.label_smoothing:g}"
    ]
    if targets.ferplus_only or targets.ferplus_blend:
        share = 1.0 if targets.ferplus_only else targets.ferplus_blend
        parts.append(f"FER+'s votes on Training faces are {share:.0%} of the targets (Barsoum et al., 2016)")
    if targets.ferplus_auxiliary:
        parts.append("a second head learned FER+'s classes during training")
    if targets.teachers:
        names = ", ".join(f"`{name}`" for name in targets.teachers)
        parts.append(f"{targets.distillation:.0%} of the targets are the answers of {names} (Hinton et al., 2015)")
    if settings.ema:
        parts.append(f"a moving average of the weights (decay {settings.ema:g}) is kept")
    if settings.cycles > 1:
        parts.append(f"the weights at the ends of {settings.cycles} cycles are averaged (Izmailov et al., 2018)")
    return "; ".join(parts + ([_changes(recipe.augmentation)] if recipe.augmentation else []))


def _changes(augmentation: catalog.Augmentation) -> str:
    """Return in words how Training faces are changed at random."""
    known = {
        "rotation_deg": "rotations up to {:g}°",
        "shift": "shifts up to {:.0%}",
        "zoom": "zoom up to {:.0%}",
        "contrast": "contrast up to {:.0%}",
        "brightness": "brightness up to {:.0%}",
        "shear": "slant up to {:g}",
        "blur_px": "blur up to {:g} px",
        "noise": "noise up to {:.0%}",
        "jpeg_quality": "JPEG down to quality {:g}",
        "poor_camera": "these three in {:.0%} of the faces only",
        "erasing": "a rectangle erased in {:.0%} of the faces",
        "mixup": "mixup in {:.0%} of the batches",
        "cutmix": "cutmix in {:.0%} of the batches",
    }
    values, off = {name: getattr(augmentation, name) for name in known}, {"jpeg_quality": 100, "poor_camera": 1.0}
    used = [known[name].format(each) for name, each in values.items() if each != off.get(name, 0)]
    return ", ".join((["flips"] if augmentation.flip else []) + used)


CARD = """\
# {title}

MobileNetV2 that names one of seven emotions for a 48×48 grey face. Made by `python -m emotion_detection train` and
`ship`; the figures on this page are written by code from the recorded run `{run}`.

**Not for judging people.** An expression is not a feeling: the network names what a posed face is usually called, not
what a person feels. Do not use it for decisions about people: hiring, schooling, policing, health, border control. In
the European Union, inferring emotions of people at work or in schools is banned, but for medical or safety reasons (AI
Act, Regulation (EU) 2024/1689, Article 5(1)(f)).

| file | size | for |
|---|---|---|
| `{title}.tflite` | {float16_size} | LiteRT, float16 weights: what `EmotionClassifier` and the live cell run |
| `{title}_int8.tflite` | {int8_size} | LiteRT, 8-bit integers{int8_but}: `EmotionClassifier.load("int8")` |
| `{title}.keras` | {keras_size} | Keras 3, float32: fine-tuning, exporting |
| `{title}.json` | | this card for machines: SHA-256 of all, classes, temperature, confidence |

- **Input**: uint8 grey faces (n, 48, 48, 1), 0–255, framed as in FER2013 (`faces.crop_face` does it). Resizing to
  {input_px} px and scaling are inside the network.
- **Output**: logits (n, 7) in the order Angry, Disgust, Fear, Happy, Sad, Surprise, Neutral; LiteRT also gives the
  pooled features, {features}, and the feature map, {feature_map}. Divide logits by the temperature
  {temperature} (chosen on PublicTest) before the softmax; `EmotionClassifier` does.
- **Parameters**: {parameters}.
- **In the LiteRT files**: labels, preprocessing, temperature, SHA-256 of the `.keras` file and the last layer's
  weights, as metadata (`emotion_detection.runs.network_metadata`). Other formats:
  `python -m emotion_detection export --help`.

## Data and recipe

{recipe_paragraph}

## Figures on PrivateTest, with 95 % bootstrap intervals

{scores}
De-duplicated: without faces that have a pixel-identical twin in Training. Near-twin-free: without those that correlate
above 0.95 with one. FER+ strict majority: against the label with more than half of the FER+ votes (single votes
set aside), contempt counted as an error.

{further}

{f1}
{calibration}

{agreement}

## LiteRT against Keras

{formats}
{int8}

## Time

{latency}
## Spoiled faces

{robustness}
[Notebook 05](../../notebooks/05_evaluate_f1.ipynb) shows the curves.

## Limits

- **What it learned from**: posed or searched-for web photographs of 2013, cut to 48×48 grey pixels. Other cameras,
  poses, light and crops do worse; profile views and covered faces were hardly seen.
- **Label noise**: FER2013's labels agree with the FER+ strict majority on about two thirds of PrivateTest. The
  labels of Fear, Disgust and Sad are the least reliable; Disgust has {disgust} faces in PrivateTest, so its figures are
  rough.
- **Groups not measured**: nothing is known about differences by age, gender, skin colour or culture. FER2013 does not
  record them, and they are likely.

## Licences

Code and the trained weights: MIT. FER2013 comes with the terms of the Kaggle challenge (research use; not included
here). ImageNet weights of MobileNetV2: Apache-2.0. FER+ votes, used to {ferplus_use}: MIT (Microsoft).
"""
