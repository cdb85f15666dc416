"""What README's results block says: the scores of the three regimes and of the shipped network."""

import re
from pathlib import Path

from emotion_detection import paths
from emotion_detection.errors import DataError
from emotion_detection.evaluation import formatting, metrics
from emotion_detection.reporting import model_card
from emotion_detection.runs import lineage, registry, store
from emotion_detection.runs.run import Run
from emotion_detection.studies import final_runs, published_result

REGIMES = ("tl_top", "tl_100", "tl_whole")
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
    seeds = final_runs.recorded(shipped.info["recipe"]["name"])
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
        **times_by_hardware(list(needed.values())),
    }


def results_table():
    """Return the table of scores on PrivateTest as text: a row per regime, then the shipped network."""
    runs = [store.load_run(name) for name in (*REGIMES, registry.SHIPPED_RUN)]
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


def times_by_hardware(runs: list[Run]) -> dict:
    """Return how long runs take one after another.

    Returns:
        `core_hours` on `cores` processor cores, and `accelerator_minutes`: name of each accelerator → minutes.
    """
    on_cores = [run for run in runs if run.accelerator is None]
    accelerators = dict.fromkeys(run.accelerator for run in runs if run.accelerator is not None)
    return {
        "cores": max(run.info["hardware"]["cores"] for run in on_cores),
        "core_hours": sum(run.core_minutes for run in on_cores) / 60,
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
