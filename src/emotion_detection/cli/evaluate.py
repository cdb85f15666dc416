"""`runs`, `evaluate`, and what else is measured and recorded: `ferplus`, `robustness`, `baselines`."""

import json
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from emotion_detection import files, paths
from emotion_detection.cli.options import MAINTAINERS, PICTURES, refuse, require_png, use_pictures
from emotion_detection.emotions import DISPLAY_NAMES
from emotion_detection.errors import MissingFileError
from emotion_detection.runs import registry, store

app = typer.Typer()
USAGE_HELP = "public or private (in the audit also training or unseen)"


@app.command("runs")
def list_runs(pictures: Annotated[Path | None, PICTURES] = None):
    """List the recorded runs."""
    use_pictures(pictures)
    from emotion_detection.evaluation import formatting, metrics

    table = metrics.recorded_runs()
    if table.empty:
        typer.echo(f"No run is recorded in {paths.displayed(paths.results_dir())} yet: `train` makes one.")
        return
    typer.echo(formatting.format_table(table).to_string(index=False))


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="A recorded run, such as tl_whole or tl_whole-s0; or: shipped.")],
    split: Annotated[str | None, typer.Option(help=f"{USAGE_HELP}; else private where it is recorded.")] = None,
    final: Annotated[bool, typer.Option("--final", help="Predict PrivateTest and record it, once.")] = False,
    recompute: Annotated[bool, typer.Option("--recompute", help="Run the network over the faces again.")] = False,
    averaged: Annotated[bool, typer.Option("--averaged", help="Score answers averaged over ten views.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the confusion matrix here, as PNG.")] = None,
    pictures: Annotated[Path | None, PICTURES] = None,
    crop: Annotated[str | None, typer.Option(help="With shipped --pictures: face, or none (all of it).")] = None,
    labels: Annotated[
        str | None, typer.Option(help="With shipped --pictures: votes (as `analyse` answers) or fer2013; else votes.")
    ] = None,
):
    """Score a run from its recorded predictions, from its network with --recompute, or on your own pictures.

    `evaluate shipped --pictures FOLDER` scores the shipped network on FOLDER/<emotion>/*.jpg; nothing is trained.
    """
    if run == registry.SHIPPED_RUN and pictures is not None:
        runs_only = {"--split": split, "--final": final or None, "--recompute": recompute or None, "--plot": plot}
        runs_only["--averaged"] = averaged or None
        refuse(runs_only, "This is for a run's own splits.")
        _evaluate_pictures(pictures, crop, labels, as_json=as_json)
        return
    refuse({"--crop": crop, "--labels": labels}, "This is for `evaluate shipped --pictures FOLDER`.")
    use_pictures(pictures)
    if averaged and recompute:
        raise typer.BadParameter("is recorded only: leave out --recompute.", param_hint="--averaged")
    usage = _split_name(split)
    require_png(plot)
    if plot is not None:
        files.check_outputs([plot])
    loaded = store.load_run(run)
    from emotion_detection import notebook
    from emotion_detection.evaluation import metrics

    if final:
        loaded = notebook.finalise(run)
    if recompute:
        usage = usage or ("PrivateTest" if loaded.is_final else "PublicTest")
        loaded = notebook.recompute(run, usage)
    if averaged:
        from emotion_detection.training import finalize

        loaded = finalize.with_averaged_answers(loaded)
    scores, predictions = metrics.scores(loaded, split=usage), metrics.of_split(loaded, usage)
    typer.echo(json.dumps(scores, indent=1) if as_json else _described(scores))
    if not as_json:
        counts = metrics.confusion_table(predictions).loc[loaded.classes]
        _show_tables(metrics.per_class(predictions).loc[loaded.classes], counts)
    if plot is not None:
        _draw_confusion(loaded, predictions.split, plot)


def _show_tables(per_class: pd.DataFrame, counts: pd.DataFrame) -> None:
    """Print scores per emotion, and a confusion matrix."""
    from emotion_detection.evaluation import formatting

    counts = counts.rename(DISPLAY_NAMES).rename(columns=DISPLAY_NAMES)
    typer.echo(f"\n{formatting.format_table(per_class).to_string(index=False)}")
    typer.echo(f"\nLabel (row) and answer (column):\n{counts.to_string(index_names=False)}")


def _draw_confusion(run: store.Run, split: str, path: Path) -> None:
    from emotion_detection import plots
    from emotion_detection.plots import saving

    saving.write_png(plots.confusion_matrix(run, split=split), path)


def _described(scores: dict) -> str:
    """Return the scores of `metrics.scores` as lines for the terminal."""
    from emotion_detection.evaluation.formatting import percent

    low, high = scores["accuracy_ci"]
    f1_low, f1_high = scores["macro_f1_ci"]
    lines = [
        f"{scores['run']} on {scores['split']} ({scores['labels']} labels, n = {scores['n']:,})",
        f"  accuracy           {percent(scores['accuracy'])}  (95 % interval {100 * low:.1f}–{100 * high:.1f})",
        f"  macro-F1           {scores['macro_f1']:.3f}  ({f1_low:.3f}–{f1_high:.3f})",
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


def _evaluate_pictures(folder: Path, crop: str | None, labels: str | None, *, as_json: bool) -> None:
    from emotion_detection.evaluation import formatting
    from emotion_detection.studies import scores_on_own_pictures

    found = scores_on_own_pictures.score(folder, crop=crop, labels=labels)
    scores = found.summary()
    if as_json:
        typer.echo(json.dumps(scores, indent=1))
        return
    accuracy = formatting.interval(scores["accuracy"], *scores["accuracy_ci"])
    macro_f1 = formatting.interval(scores["macro_f1"], *scores["macro_f1_ci"], write=formatting.number)
    answer = "what most of ten people would say" if found.labels == "votes" else "FER2013's labels"
    typer.echo(f"The shipped network on {found.folder} (n = {scores['n']:,}; 95 % intervals), answering with {answer}")
    typer.echo(f"  accuracy  {accuracy}\n  macro-F1  {macro_f1}  (over {len(found.classes)} emotions)")
    _show_tables(found.per_class(), found.confusion())
    if len(found.report):
        typer.echo(f"\n{found.report.to_string(index=False)}")


def _split_name(split: str | None) -> str | None:
    names = {None: None, "public": "PublicTest", "private": "PrivateTest", "training": "Training", "unseen": "Unseen"}
    if split not in names:
        raise typer.BadParameter(f"{split!r} is not a split: use {USAGE_HELP}.", param_hint="--split")
    return names[split]


@app.command("ferplus", rich_help_panel=MAINTAINERS)
def record_ferplus(names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Recorded runs.")]):
    """Record how runs' answers go with FER+'s votes (needs them); `evaluate RUN --final` does it for a new run."""
    from emotion_detection.evaluation import ferplus_scores

    for name in names:
        ferplus_scores.record(name)
        typer.echo(f"{store.run_dir(name)}/run.json")


@app.command(rich_help_panel=MAINTAINERS)
def robustness(
    networks: Annotated[
        list[str] | None, typer.Argument(metavar="[NETWORK]...", help="Else those without a record of their own.")
    ] = None,
):
    """Measure how accuracy on PublicTest falls as faces are spoiled; minutes for each network (needs FER2013)."""
    from emotion_detection.studies import robustness as measuring

    recorded, known = measuring.load() | measuring.load_votes(), [*measuring.networks(), measuring.VOTES]
    _measure_each(networks, [name for name in known if name not in recorded], measuring.measure)


@app.command("baselines", rich_help_panel=MAINTAINERS)
def record_baselines(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Else those without a record.")] = None,
):
    """Let networks of other repositories answer PublicTest and PrivateTest; record what they say (needs FER2013)."""
    from emotion_detection.studies import baselines

    recorded = baselines.recorded()
    _measure_each(names, [name for name in baselines.FILES if name not in recorded], baselines.measure)


def _measure_each(asked: list[str] | None, waiting: list[str], measure) -> None:
    """Measure networks on FER2013: those asked for, else those waiting, of which some may not be on this machine."""
    if not (asked or waiting):
        typer.echo("All are recorded. To measure one again, name it.")
        return
    from emotion_detection.data import load_fer2013

    dataset = load_fer2013()
    for name in asked or waiting:
        try:
            typer.echo(measure(name, dataset))
        except MissingFileError as error:
            if asked:
                raise
            typer.echo(f"Left out: {error}", err=True)
