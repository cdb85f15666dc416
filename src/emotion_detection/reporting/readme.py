"""What README's results block says: the scores of the three regimes and of the shipped network."""

import re
from pathlib import Path

import pandas as pd

from emotion_detection import paths
from emotion_detection.errors import DataError
from emotion_detection.evaluation import formatting, metrics
from emotion_detection.reporting import model_card
from emotion_detection.runs import lineage, registry, store
from emotion_detection.runs.run import Run
from emotion_detection.studies import baselines, final_runs, photographs, published_result, robustness
from emotion_detection.training import catalog

MARKERS = re.compile(r"(<!-- results:begin[^>]*-->\n).*?(<!-- results:end -->)", re.DOTALL)
COLUMNS = {
    "accuracy": ("Accuracy", "n"),
    "macro_f1": ("Macro-F1", "n"),
    "accuracy_deduplicated": ("De-duplicated accuracy", "n_deduplicated"),
    "accuracy_ferplus": ("FER+ accuracy", "n_ferplus"),
}
"""Score → its header, and the column that counts its faces."""


def path() -> Path:
    """Return where README is."""
    return paths.project_root() / "README.md"


def values() -> dict:
    """Return what the template `results.md.j2` names."""
    shipped = store.load_run("shipped")
    audit = published_result.scores(store.load_run("published_whole"), store.load_run("honest_whole")).iloc[-1]
    seeds = store.final_seeds(shipped.info["recipe"]["name"])
    needed = {each.name: each for run in seeds for each in (*lineage.with_earlier(run), *lineage.teachers_of(run))}
    return {
        "table": formatting.to_markdown(results_table()),
        "published_accuracy": published_result.published()["accuracy"],
        "audit_interval": formatting.interval(*audit[["accuracy", "accuracy_low", "accuracy_high"]]),
        "recipe": shipped.info["recipe"]["name"],
        "display_name": shipped.recipe_name,
        "seeds": [run.info["seed"] for run in seeds],
        "spread": final_runs.by_recipe(seeds).iloc[0],
        "people": model_card.people_values(),
        "kept": robustness.kept(robustness.accuracies(robustness.load())).to_dict(),
        "compared": formatting.to_markdown(compared_table()),
        **times_by_hardware(list(needed.values()), epoch_minutes=shipped.minutes / len(shipped.history)),
    }


def results_table():
    """Return the table of scores on PrivateTest as text: a row per regime, then the shipped network."""
    runs = [store.load_run(name) for name in (*catalog.REGIMES, registry.SHIPPED_RUN)]
    runs = list({run.name: run for run in runs}.values())
    summary = metrics.summary(runs, split="PrivateTest")
    kept = [f"{column}{end}" for column in COLUMNS for end in ("", "_low", "_high")]
    shown = formatting.format_table(summary[[*kept, "minutes", "teacher_minutes"]])
    headers = {}
    for column, name in zip(COLUMNS, shown.columns[1:], strict=False):
        header, counted = COLUMNS[column]
        headers[name] = f"{header} (n = {summary[counted].iloc[0]:,.0f})"
    shown = shown.rename(columns=headers)
    shown = shown.rename(columns={"Name": "Network"})
    shown.iloc[-1, 0] += " (shipped)"
    return shown


def compared_table() -> pd.DataFrame:
    """Return accuracy on FER2013 and FER+ beside what is recorded of photographs, as text: our answers, then others."""
    scored, shipped = photographs.load(), robustness.SHIPPED
    names = [name for name in scored if name not in shipped or shipped[name][0] == registry.DEFAULT_FORMAT]
    people = photographs.summary({name: scored[name] for name in names})
    accuracies = {robustness.display_name(name): _accuracies(name) for name in names}
    table = pd.DataFrame.from_dict(accuracies, orient="index", columns=["FER2013", "FER+ strict majority"])
    columns = ["mean_recall", "mean_recall_low", "mean_recall_high", "neutral_called_angry_share"]
    table = table.join(people[columns].rename(columns={"neutral_called_angry_share": "angry_share"}))
    shown = formatting.format_table(table.rename_axis("network").reset_index())
    shown.columns = [
        "Network",
        "FER2013",
        "FER+ strict majority",
        "Photographs, mean recall of six",
        "Neutral called Angry",
    ]
    return shown


def _accuracies(name: str) -> tuple[str, str]:
    """Return the accuracy of a network that is compared on PrivateTest, on FER2013's labels and FER+'s, as text."""
    if name in baselines.FILES:
        other = baselines.recorded()[name]
        found = metrics.accuracy(other.predictions["PrivateTest"]), other.info["ferplus"]["PrivateTest"]["accuracy"]
    elif "votes" in name or "balanced" in name:
        facts = registry.read_card()["votes"]
        counts = (facts["balanced"] if "balanced" in name else facts)["PrivateTest"]
        found = counts["fer2013_accuracy"], counts["accuracy"]
    else:
        run = store.load_run(registry.SHIPPED_RUN if name in robustness.SHIPPED else name)
        found = metrics.accuracy(run.predictions["PrivateTest"]), run.info["ferplus"]["PrivateTest"]["accuracy"]
    return tuple(map(formatting.percent, found))


def times_by_hardware(runs: list[Run], *, epoch_minutes: float) -> dict:
    """Return how long runs take one after another.

    Args:
        runs: on processor cores or on accelerators.
        epoch_minutes: what an epoch of those on accelerators takes on all cores.

    Returns:
        `core_hours` on `cores` processor cores, `accelerator_minutes`: name of each accelerator → minutes, and
        `hours_without_accelerator`: an estimate of all of them on cores.
    """
    on_cores = [run for run in runs if run.accelerator is None]
    accelerators = dict.fromkeys(run.accelerator for run in runs if run.accelerator is not None)
    core_hours = sum(run.core_minutes for run in on_cores) / 60
    other_epochs = sum(len(run.history) for run in runs if run.accelerator is not None)
    return {
        "cores": max(run.info["hardware"]["cores"] for run in on_cores),
        "core_hours": core_hours,
        "hours_without_accelerator": core_hours + other_epochs * epoch_minutes / 60,
        "accelerator_minutes": {
            name: sum(run.minutes for run in runs if run.accelerator == name) for name in accelerators
        },
    }


def with_results(block: str) -> str:
    """Return README with another results block.

    Raises:
        DataError: README has no markers for it.
    """
    text = path().read_text(encoding="utf-8")
    if not MARKERS.search(text):
        raise DataError(
            "README.md has no '<!-- results:begin -->' … '<!-- results:end -->' markers, so the results cannot be "
            "written. Put the markers where the results belong."
        )
    return MARKERS.sub(lambda match: match[1] + block + match[2], text)
