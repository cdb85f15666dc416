"""Words and tables made from recorded runs: the terminal's, the README's, the model card's."""

import itertools
import logging
import re
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd

from emotion_detection import files, paths
from emotion_detection.emotions import DISPLAY_NAMES
from emotion_detection.errors import DataError, ProjectError
from emotion_detection.evaluation import calibration, metrics
from emotion_detection.reporting import gallery, routes, scaling
from emotion_detection.runs import lineage, registry, store
from emotion_detection.training import catalog, splits

log = logging.getLogger(__name__)


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as percent, such as "68.7 %"; a dash for None."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def runs_table() -> pd.DataFrame:
    """Return one line per recorded run; a damaged record gets a line that says so."""
    lines = []
    for name in store.recorded():
        try:
            run = store.load_run(name)
        except ProjectError as error:
            log.warning("%s", error)
            lines.append({"run": name, "recipe": "damaged record"})
            continue
        scores = {split: metrics.accuracy(predictions) for split, predictions in run.predictions.items()}
        lines.append(
            {
                "run": name,
                "recipe": metrics.display_name(run),
                "protocol": splits.describe(run.info["recipe"]),
                "epochs": len(run.history),
                "PublicTest": percent(scores.get("PublicTest")),
                "PrivateTest": percent(scores.get("PrivateTest")),
                "minutes": f"{run.minutes:.1f}",
                "shipped": "yes" if registry.is_shipped(run) else "",
            }
        )
    columns = ["run", "recipe", "protocol", "epochs", "PublicTest", "PrivateTest", "minutes", "shipped"]
    return pd.DataFrame(lines, columns=columns)


def describe(scores: dict) -> str:
    """Return the scores of `metrics.scores` as lines for the terminal."""
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

    return Markdown(metrics.to_markdown(frame))


def side_by_side(found: list[store.Run]) -> pd.DataFrame:
    """Return the scores of several runs with a row per score and a column per run, as text."""
    table = metrics.table(found).set_index("Recipe").T
    return table.rename_axis("Score").reset_index()


def coverage_tables(found: list[store.Run], *, split: str) -> dict[str, pd.DataFrame]:
    """Return what a minimum confidence does to each run's answers on a split: display name → `calibration.coverage`."""
    thresholds = calibration.FINE_THRESHOLDS
    return {
        metrics.display_name(run): calibration.coverage(
            run.predictions[split], temperature=run.info["temperature"], thresholds=thresholds
        )
        for run in found
    }


def not_sure_below(run: store.Run) -> float | None:
    """Return the minimum confidence that a final run gets, or None where none makes enough of its answers right."""
    try:
        return calibration.choose_threshold(run.predictions["PublicTest"], temperature=run.info["temperature"])
    except DataError:
        return None


def not_sure_told(run: store.Run, *, split: str) -> str:
    """Return in words what the minimum confidence of a final run costs and buys on a split."""
    chosen = not_sure_below(run)
    if chosen is None:
        return f"No minimum confidence makes {percent(calibration.WANTED_ACCURACY, 0)} of this network's answers right."
    thresholds = np.array([0.0, chosen])
    table = calibration.coverage(run.predictions[split], temperature=run.info["temperature"], thresholds=thresholds)
    before, after = table.to_dict("records")
    return (
        f"Below a confidence of {percent(chosen, 0)}, chosen on PublicTest, it says “not sure”: on {split} "
        f"**{percent(after['coverage'], 0)}** of the faces get an answer then, and **{percent(after['accuracy'])}** of "
        f"these answers are right, against {percent(before['accuracy'])} of all."
    )


def regimes_table(found: list[store.Run]) -> pd.DataFrame:
    """Return what tells the runs apart: what is trained, how long, with what; a row per run."""
    names = {"top": "the last layer", "100": "what follows `block_11_expand`", "whole": "every layer"}
    lines = []
    for run in found:
        recipe, parameters = run.info["recipe"], run.info["parameters"]
        lines.append(
            {
                "Regime": metrics.display_name(run),
                "Trained": names[recipe["regime"]],
                "Parameters trained": f"{parameters['trained']:,} of {parameters['all']:,}",
                "Epochs": len(run.history),
                "Learning rate": f"{recipe['learning_rate']:g}",
                "Augmented": "yes" if recipe["augmentation"] else "no",
                "PublicTest accuracy": percent(run.info["metrics"]["PublicTest"]["accuracy"]),
            }
        )
    return pd.DataFrame(lines)


def last_epochs(found: list[store.Run]) -> pd.DataFrame:
    """Return each run's accuracy after its last epoch, on Training while learning and on PublicTest, and the gap."""
    lines = []
    for run in found:
        last = run.history.iloc[-1]
        seen = None if pd.isna(last["accuracy"]) else last["accuracy"]
        lines.append(
            {
                "Regime": metrics.display_name(run),
                "Training, while learning": "not recorded" if seen is None else percent(seen),
                "PublicTest": percent(last["val_accuracy"]),
                "Gap": "–" if seen is None else f"{points(seen - last['val_accuracy'])} points",
            }
        )
    return pd.DataFrame(lines)


def points(share: float, interval: tuple[float, float] | None = None, *, digits: int = 1) -> str:
    """Return a difference of shares (−1–1) as points with a sign, such as "+0.8" or "−1.2 (−2.0 to −0.4)"."""
    text = f"{100 * share:+.{digits}f}".replace("-", "−")
    return text if interval is None else f"{text} ({' to '.join(points(end, digits=digits) for end in interval)})"


def comparisons(found: list[store.Run], *, split: str) -> pd.DataFrame:
    """Compare each run with the one before it on the same faces: points ahead, paired interval, exact McNemar test."""
    lines = []
    for before, after in itertools.pairwise(found):
        result = metrics.compare(after.predictions[split], before.predictions[split])
        lines.append(
            {
                "Compared": f"{metrics.display_name(after)} against {metrics.display_name(before)}",
                "Points ahead": points(result.difference),
                "95 % interval": " to ".join(map(points, result.difference_ci)),
                "Only the first right": f"{result.only_first:,} faces",
                "Only the second right": f"{result.only_second:,} faces",
                "McNemar p": f"{result.p_value:.1g}",
            }
        )
    return pd.DataFrame(lines)


def costs(found: list[store.Run]) -> pd.DataFrame:
    """Return seconds per epoch (median) and in total, frozen features included, a row per run."""
    table = {metrics.display_name(run): (run.history["seconds"].median(), 60 * run.minutes) for run in found}
    return pd.DataFrame.from_dict(table, orient="index", columns=["seconds_per_epoch", "total_s"])


def core_minutes(run: store.Run) -> float:
    """Return the minutes of a run on all cores, of which it may have had a share, with another run beside it."""
    hardware = run.info["hardware"]
    return run.minutes * hardware.get("threads", hardware["cores"]) / hardware["cores"]


def training_minutes(run: store.Run) -> float:
    """Return the minutes that a network was trained for, those of the runs that it goes on from included."""
    return sum(each.minutes for each in lineage.with_earlier(run))


def teaching_minutes(run: store.Run) -> float:
    """Return the minutes that a network's teachers were trained for; 0 if it has none."""
    return sum(each.minutes for each in lineage.teachers_of(run))


def training_told(run: store.Run) -> str:
    """Return in words how long a network was trained and on what, and how long its teachers were."""
    hardware = ", then ".join(dict.fromkeys(hardware_of(each) for each in lineage.with_earlier(run)))
    teaching = teaching_minutes(run)
    told = f"{training_minutes(run):,.0f} minutes on {hardware}"
    return told + (f", that of its teachers {teaching:,.0f} more" if teaching else "")


def _minutes_told(run: store.Run) -> str:
    teaching = teaching_minutes(run)
    return f"{training_minutes(run):,.0f} min" + (f", teachers {teaching:,.0f} min" if teaching else "")


def hardware_of(run: store.Run) -> str:
    """Return what a run was trained on, in a few words."""
    hardware = run.info["hardware"]
    if (accelerator := accelerator_of(run)) is not None:
        return f"one {accelerator}"
    threads = hardware.get("threads", hardware["cores"])
    cores = f"{hardware['cores']} cores" if threads == hardware["cores"] else f"{threads} of {hardware['cores']} cores"
    return f"{cores} ({hardware['system']})"


def evaluated_runs(*, fast: bool = False) -> list[str]:
    """Name the runs that the README and notebook 05 score: the three regimes, then the shipped run if it is another.

    Args:
        fast: the regimes alone: on the drawn sample nothing is shipped.
    """
    regimes = [store.full_name(name) for name in catalog.REGIMES]
    return regimes if fast else list(dict.fromkeys([*regimes, registry.read_card()["run"]]))


def results_table() -> str:
    """Return the README's table of the regimes and the shipped network on PrivateTest, and how far seeds differ."""
    found = [store.load_run(name) for name in evaluated_runs() if store.is_recorded(name)]
    table = metrics.table([run for run in found if run.is_final])
    costs = [_minutes_told(run) for run in found if run.is_final]
    shown = metrics.to_markdown(table.drop(columns=["Split", "n"]).assign(**{"Training time": costs}))
    return shown + "".join(f"\n{told}\n" for told in (*_seeds_told(), again_told()))


def _seeds_told() -> list[str]:
    """Tell, of each recipe in the table that was trained with several seeds, how far these lie apart.

    On PrivateTest where that is recorded for several, else on PublicTest.
    """
    from emotion_detection.studies import final_runs

    told = []
    for recipe in dict.fromkeys(store.split_name(name)[0] for name in evaluated_runs()):
        found = [store.load_run(name) for name in store.recorded() if store.split_name(name)[0] == recipe]
        if len(final := [run for run in found if run.is_final]) > 1:
            told.append(final_runs.across_seeds(final))
        elif len(found) > 1:
            scores = [metrics.accuracy(run.predictions["PublicTest"]) for run in found]
            name = catalog.get_recipe(recipe).display_name
            spread = f"{percent(min(scores))} to {percent(max(scores))}"
            told.append(f"{len(found)} seeds of {name} are right on {spread} of PublicTest.")
    return ["How far trainings of one recipe lie apart: " + " ".join(told)] if told else []


def again_told() -> str:
    """Tell how the shipped network, and all that is recorded, are trained again, and how long that takes."""
    from emotion_detection.training import sweep

    recipe, _ = store.split_name(registry.read_card()["run"])
    seeds = [seed for name, seed in map(store.split_name, store.recorded()) if name == recipe]
    needed = [job.name for job in sweep.jobs([recipe], seeds=seeds, needed=True)]
    command = f"sweep {recipe} --seeds {','.join(map(str, seeds))} --needed"
    return (
        f"Trained again from ImageNet's weights, all seeds and teachers, in a folder of its own: "
        f"`EMOTION_OUTPUT_DIR=again .venv/bin/python -m emotion_detection {command}` ({_times_told(needed)}). "
        f"All that is recorded: `make figures RETRAIN=1` ({_times_told(store.recorded())})."
        f"{_without_accelerator_told()}"
    )


def _without_accelerator_told() -> str:
    """Tell, with a space before it, what the last step comes to on processor cores; nothing if that is not recorded."""
    name = catalog.BEST_TWO_CORES.name
    if not store.is_recorded(name) or not (run := store.load_run(name)).is_final:
        return ""
    accuracy = percent(metrics.accuracy(run.predictions["PrivateTest"]))
    return (
        f" Without an accelerator `train {name}` takes the last step in {run.minutes:.0f} minutes on "
        f"{hardware_of(run)}; its one seed is right on {accuracy} of PrivateTest."
    )


def accelerator_of(run: store.Run) -> str | None:
    """Return the name of the accelerator that a run was trained on; None for processor cores."""
    return next((device for device in run.info["hardware"]["devices"] if not device.startswith("cpu")), None)


def _times_told(names: list[str]) -> str:
    """Return in words how long recorded runs take, one after another: on cores, and on each accelerator."""
    found = [store.load_run(name) for name in names]
    on_cores = [run for run in found if accelerator_of(run) is None]
    cores = max(run.info["hardware"]["cores"] for run in on_cores)
    told = [f"about {round(sum(map(core_minutes, on_cores)) / 60)} hours on {cores} cores"]
    for name in dict.fromkeys(accelerator_of(run) for run in found if run not in on_cores):
        taken = sum(run.minutes for run in found if accelerator_of(run) == name)
        told.append(f"{taken:.0f} minutes on one {name} with `KERAS_BACKEND=jax`")
    return " and ".join(told)


def audit_paragraph() -> str:
    """Return the README's paragraph on the published figure, as Markdown."""
    from emotion_detection.studies import published_result

    text = published_result.paragraph(store.load_run("published_whole"), store.load_run("honest_whole"))
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
    from emotion_detection.reporting import model_card

    readme = paths.project_root() / "README.md"
    return {
        readme: update_readme(readme.read_text(encoding="utf-8")),
        registry.card_path().with_suffix(".md"): model_card.page(),
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
