"""Words and tables made from recorded runs: the terminal's, the README's, the model card's."""

import itertools
import logging
import re
import textwrap
from pathlib import Path

import pandas as pd

from emotion_detection import cards, evaluation, files, gallery, paths, protocols, recipes, routes, runs, scaling
from emotion_detection.emotions import DISPLAY_NAMES
from emotion_detection.errors import DataError, ProjectError

log = logging.getLogger(__name__)


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as percent, such as "68.7 %"; a dash for None."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def runs_table() -> pd.DataFrame:
    """Return one line per recorded run; a damaged record gets a line that says so."""
    lines = []
    for name in runs.recorded():
        try:
            run = runs.load_run(name)
        except ProjectError as error:
            log.warning("%s", error)
            lines.append({"run": name, "recipe": "damaged record"})
            continue
        scores = {split: evaluation.accuracy(predictions) for split, predictions in run.predictions.items()}
        lines.append(
            {
                "run": name,
                "recipe": evaluation.display_name(run),
                "protocol": protocols.describe(run.info["recipe"]),
                "epochs": len(run.history),
                "PublicTest": percent(scores.get("PublicTest")),
                "PrivateTest": percent(scores.get("PrivateTest")),
                "minutes": f"{run.info['wall_time_s'] / 60:.1f}",
                "shipped": "yes" if cards.is_shipped(run) else "",
            }
        )
    columns = ["run", "recipe", "protocol", "epochs", "PublicTest", "PrivateTest", "minutes", "shipped"]
    return pd.DataFrame(lines, columns=columns)


def describe(scores: dict) -> str:
    """Return the scores of `evaluation.scores` as lines for the terminal."""
    low, high = scores["accuracy_ci"]
    f1_low, f1_high = scores["macro_f1_ci"]
    lines = [
        f"{scores['run']} on {scores['split']} ({scores['labels']} labels, n = {scores['n']:,})",
        f"  accuracy           {percent(scores['accuracy'])}  (95 % interval {100 * low:.1f}–{100 * high:.1f})",
        f"  macro-F1           {scores['macro_f1']:.3f}  ({f1_low:.3f}–{f1_high:.3f})",
        "  F1 per emotion     "
        + ", ".join(f"{DISPLAY_NAMES[name]} {value:.2f}" for name, value in scores["f1"].items()),
    ]
    if scores["accuracy_deduplicated"] is not None:
        lines += [
            f"  de-duplicated      {percent(scores['accuracy_deduplicated'])}  (n = {scores['n_deduplicated']:,})",
            f"  near-twin-free     {percent(scores['accuracy_near_twin_free'])}  (n = {scores['n_near_twin_free']:,})",
        ]
    if scores["ferplus_strict"]:
        ferplus = scores["ferplus_strict"]
        lines.append(f"  FER+ strict        {percent(ferplus['accuracy'])}  (n = {ferplus['n']:,})")
    lines.append(f"  calibration error  {percent(scores['ece'])}  (temperature {scores['temperature']:.3g})")
    lines += [f"  {note}" for note in scores["notes"]]
    return "\n".join(lines)


def shown(frame: pd.DataFrame):
    """Return a table for a notebook to show: Markdown, so that it reads the same everywhere."""
    from IPython.display import Markdown

    return Markdown(evaluation.to_markdown(frame))


def side_by_side(found: list[runs.Run]) -> pd.DataFrame:
    """Return the scores of several runs with a row per score and a column per run, as text."""
    table = evaluation.table(found).set_index("Recipe").T
    return table.rename_axis("Score").reset_index()


def regimes_table(found: list[runs.Run]) -> pd.DataFrame:
    """Return what tells the runs apart: what is trained, how long, with what; a row per run."""
    names = {"top": "the last layer", "100": "what follows `block_11_expand`", "whole": "every layer"}
    lines = []
    for run in found:
        recipe, parameters = run.info["recipe"], run.info["parameters"]
        lines.append(
            {
                "Regime": evaluation.display_name(run),
                "Trained": names[recipe["regime"]],
                "Parameters trained": f"{parameters['trained']:,} of {parameters['all']:,}",
                "Epochs": len(run.history),
                "Learning rate": f"{recipe['learning_rate']:g}",
                "Augmented": "yes" if recipe["augmentation"] else "no",
                "PublicTest accuracy": percent(run.info["metrics"]["PublicTest"]["accuracy"]),
            }
        )
    return pd.DataFrame(lines)


def last_epochs(found: list[runs.Run]) -> pd.DataFrame:
    """Return each run's accuracy after its last epoch, on Training while learning and on PublicTest, and the gap."""
    lines = []
    for run in found:
        last = run.history.iloc[-1]
        seen = None if pd.isna(last["accuracy"]) else last["accuracy"]
        lines.append(
            {
                "Regime": evaluation.display_name(run),
                "Training, while learning": "not recorded" if seen is None else percent(seen),
                "PublicTest": percent(last["val_accuracy"]),
                "Gap": "–" if seen is None else f"{100 * (seen - last['val_accuracy']):+.1f} points",
            }
        )
    return pd.DataFrame(lines)


def comparisons(found: list[runs.Run], *, split: str) -> pd.DataFrame:
    """Compare each run with the one before it on the same faces: points ahead, paired interval, exact McNemar test."""
    lines = []
    for before, after in itertools.pairwise(found):
        result = evaluation.compare(after.predictions[split], before.predictions[split])
        low, high = result.difference_ci
        lines.append(
            {
                "Compared": f"{evaluation.display_name(after)} against {evaluation.display_name(before)}",
                "Points ahead": f"{100 * result.difference:+.1f}",
                "95 % interval": f"{100 * low:+.1f} to {100 * high:+.1f}",
                "Only the first right": f"{result.only_first:,} faces",
                "Only the second right": f"{result.only_second:,} faces",
                "McNemar p": f"{result.p_value:.1g}",
            }
        )
    return pd.DataFrame(lines)


def costs(found: list[runs.Run]) -> pd.DataFrame:
    """Return seconds per epoch (median) and in total, frozen features included, a row per run."""
    table = {evaluation.display_name(run): (run.history["seconds"].median(), run.info["wall_time_s"]) for run in found}
    return pd.DataFrame.from_dict(table, orient="index", columns=["seconds_per_epoch", "total_s"])


def hardware_of(run: runs.Run) -> str:
    """Return what a run was trained on, in a few words."""
    hardware = run.info["hardware"]
    accelerators = [device for device in hardware["devices"] if not device.startswith("cpu")]
    return accelerators[0] if accelerators else f"{hardware['cores']} cores ({hardware['system']})"


def results_table() -> str:
    """Return the README's table of the three regimes on PrivateTest, as Markdown."""
    found = [runs.load_run(name) for name in recipes.REGIMES if runs.is_recorded(name)]
    table = evaluation.table([run for run in found if run.is_final])
    costs = [f"{run.info['wall_time_s'] / 60:,.0f} min" for run in found if run.is_final]
    return evaluation.to_markdown(table.drop(columns=["Split", "n"]).assign(**{"Training time": costs}))


def model_card() -> str:
    """Return the shipped network's model card as Markdown: every figure is read from its record.

    Raises:
        DataError: the run was trained again since its network was shipped.
    """
    card = cards.read_card()
    run = runs.load_run(card["run"])
    if not cards.is_shipped(run):
        raise DataError(
            f"The shipped network is of {run.name} as finished {card.get('finished')}, the record says "
            f"{run.info.get('finished')}. Ship the recorded network: python -m emotion_detection ship {run.name}"
        )
    scores = evaluation.scores(run)
    recipe = recipes.get_recipe(card["recipe"])
    f1 = pd.DataFrame(
        {
            "Emotion": [DISPLAY_NAMES[name] for name in scores["f1"]],
            "F1": [f"{value:.3f}" for value in scores["f1"].values()],
            "Faces": evaluation.per_class(run.predictions["PrivateTest"])["support"].to_list(),
        }
    )
    sizes = {Path(name).suffix: f"{entry['bytes'] / 1e6:.1f} MB" for name, entry in card["files"].items()}
    return CARD.format(
        recipe_paragraph=textwrap.fill(_recipe_paragraph(run, recipe), width=120, break_on_hyphens=False),
        disgust=int(evaluation.per_class(run.predictions["PrivateTest"])["support"]["disgust"]),
        title=card["name"],
        keras_size=sizes[".keras"],
        tflite_size=sizes[".tflite"],
        parameters=f"{card['parameters']:,}",
        temperature=card["temperature"],
        difference=card["litert_largest_difference"],
        run=card["run"],
        results=evaluation.to_markdown(side_by_side([run])),
        ece=percent(scores["ece"]),
        f1=evaluation.to_markdown(f1),
    )


def _recipe_paragraph(run: runs.Run, recipe: recipes.Recipe) -> str:
    hardware, faces = run.info["hardware"], run.info["data"]["counts"]["Training"]
    return (
        f"Trained on the {faces:,} Training faces of FER2013 (Goodfellow et al., 2013), starting from ImageNet weights "
        f"of MobileNetV2 (trained at 224 px; Google, Apache-2.0). Recipe `{recipe.display_name}`: {_settings(recipe)}. "
        "After each epoch the batch-norm statistics are estimated anew on unchanged Training faces. Training took "
        f"{run.info['wall_time_s'] / 60:.0f} minutes on {hardware['cores']} cores, {hardware['memory_gb']} GB, "
        f"{hardware['system']}. PublicTest ({percent(run.info['metrics']['PublicTest']['accuracy'])}) was looked at to "
        "choose; PrivateTest was predicted once, after training."
    )


def _settings(recipe: recipes.Recipe) -> str:
    augmentation = recipe.augmentation
    text = (
        f"{recipe.epochs} epochs at {recipe.input_px} px, batch {recipe.batch_size}, {recipe.optimizer} at "
        f"{recipe.learning_rate:g} ({recipe.schedule}), weight decay {recipe.weight_decay:g}, dropout "
        f"{recipe.dropout:g}, label smoothing {recipe.label_smoothing:g}"
    )
    if augmentation is not None:
        text += (
            f"; flips, rotations up to {augmentation.rotation_deg:g}°, shifts up to {augmentation.shift:.0%}, zoom up "
            f"to {augmentation.zoom:.0%}, contrast up to {augmentation.contrast:.0%}, brightness up to "
            f"{augmentation.brightness:.0%}"
        )
    return text


CARD = """\
# {title}

MobileNetV2 that names one of seven emotions for a 48×48 grey face. Made by `python -m emotion_detection train` and
`ship`; the scores on this page are written by code from the recorded run `{run}`.

| file | size | for |
|---|---|---|
| `{title}.tflite` | {tflite_size} | LiteRT, float16 weights: what `EmotionClassifier` and the live cell run |
| `{title}.keras` | {keras_size} | Keras 3, float32: fine-tuning, explaining |
| `{title}.json` | | this card for machines: SHA-256 of both, classes, temperature |

- **Input**: uint8 grey faces (n, 48, 48, 1), 0–255, framed as in FER2013 (`faces.crop_face` does it). Resizing to 96 px
  and scaling are inside the network.
- **Output**: logits (n, 7) in the order Angry, Disgust, Fear, Happy, Sad, Surprise, Neutral; LiteRT also gives the
  pooled features (n, 1280) and the feature map (n, 3, 3, 1280). Divide logits by the temperature {temperature} (chosen
  on PublicTest) before the softmax; `EmotionClassifier` does.
- **Parameters**: {parameters}. LiteRT's probabilities differ from Keras' by at most {difference} on 200 faces.

## Data and recipe

{recipe_paragraph}

## Figures on PrivateTest, with 95 % bootstrap intervals

{results}
De-duplicated: without faces that have a pixel-identical twin in Training. Near-twin-free: without those that correlate
above 0.95 with one. FER+ strict majority: against the label with more than half of the FER+ votes (single votes
set aside), contempt counted as an error. Expected calibration error at the temperature above: {ece}.

{f1}
## Limits

- **What it learned from**: posed or searched-for web photographs of 2013, cut to 48×48 grey pixels. Other cameras,
  poses, light and crops do worse; profile views and covered faces were hardly seen.
- **Label noise**: FER2013's labels agree with the FER+ strict majority on about two thirds of PrivateTest. The
  labels of Fear, Disgust and Sad are the least reliable; Disgust has {disgust} faces in PrivateTest, so its figures are
  rough.
- **Groups not measured**: nothing is known about differences by age, gender, skin colour or culture. FER2013 does not
  record them, and they are likely.
- **An expression is not a feeling.** The network names what a posed face is usually called, not what a person feels. Do
  not use it for decisions about people: hiring, schooling, policing, health, border control. In the European Union,
  emotion recognition at work and in education is largely prohibited (AI Act, Article 5).

## Licences

Code and the trained weights: MIT. FER2013 comes with the terms of the Kaggle challenge (research use; not included
here). ImageNet weights of MobileNetV2: Apache-2.0. FER+ votes, used to score only: MIT (Microsoft).
"""


def audit_paragraph() -> str:
    """Return the README's paragraph on the published figure, as Markdown."""
    from emotion_detection import audit

    text = audit.paragraph(runs.load_run("published_whole"), runs.load_run("honest_whole"))
    return textwrap.fill(text, width=120, break_long_words=False, break_on_hyphens=False) + "\n"


def update_readme(text: str) -> str:
    """Return README text with what stands between its markers made anew.

    Raises:
        DataError: the markers are not there.
    """
    blocks = {"results": results_table, "audit": audit_paragraph, "gallery": gallery.block, "routes": routes.block}
    for name, make in blocks.items():
        pattern = re.compile(rf"(<!-- {name}:begin[^>]*-->\n).*?(<!-- {name}:end -->)", re.DOTALL)
        if not pattern.search(text):
            raise DataError(
                f"README.md has no '<!-- {name}:begin -->' … '<!-- {name}:end -->' markers, so what stands between "
                "them cannot be written. Put them where it belongs."
            )
        made = make()
        text = pattern.sub(lambda match, made=made: match[1] + made + match[2], text)
    return text


def rendered() -> dict[Path, str]:
    """Return path → text of the documents that hold recorded figures, as they should read."""
    readme = paths.project_root() / "README.md"
    return {
        readme: update_readme(readme.read_text(encoding="utf-8")),
        cards.card_path().with_suffix(".md"): model_card(),
        scaling.page_path(): scaling.page(),
    }


def write_all() -> list[Path]:
    """Rewrite README.md, the model card and the page on several machines; return the paths that changed."""
    changed = []
    for path, text in rendered().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            files.write_text(path, text)
            changed.append(path)
    return changed
