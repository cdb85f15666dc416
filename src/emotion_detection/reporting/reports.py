"""Words and tables made from recorded runs: the terminal's, the README's, the model card's."""

import itertools
import logging

import numpy as np
import pandas as pd

from emotion_detection.errors import DataError
from emotion_detection.evaluation import calibration, comparison, formatting, metrics
from emotion_detection.runs import lineage, registry, store
from emotion_detection.training import catalog

log = logging.getLogger(__name__)


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as percent, such as "68.7 %"; a dash for None."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def shown(frame: pd.DataFrame):
    """Return a table for a notebook to show: Markdown, so that it reads the same everywhere."""
    from IPython.display import Markdown

    return Markdown(formatting.to_markdown(frame))


def side_by_side(found: list[store.Run]) -> pd.DataFrame:
    """Return the scores of several runs with a row per score and a column per run, as text."""
    table = metrics.table(found).set_index("Recipe").T
    return table.rename_axis("Score").reset_index()


def coverage_tables(found: list[store.Run], *, split: str) -> dict[str, pd.DataFrame]:
    """Return what a minimum confidence does to each run's answers on a split: display name → `calibration.coverage`."""
    thresholds = calibration.FINE_THRESHOLDS
    return {
        run.display_name: calibration.coverage(
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
                "Regime": run.display_name,
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
                "Regime": run.display_name,
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
        result = comparison.compare(after.predictions[split], before.predictions[split])
        lines.append(
            {
                "Compared": f"{after.display_name} against {before.display_name}",
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
    table = {run.display_name: (run.history["seconds"].median(), 60 * run.minutes) for run in found}
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


def accelerator_of(run: store.Run) -> str | None:
    """Return the name of the accelerator that a run was trained on; None for processor cores."""
    return next((device for device in run.info["hardware"]["devices"] if not device.startswith("cpu")), None)
