"""The command line: `python -m emotion_detection --help`."""

import json
import logging
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from emotion_detection import paths
from emotion_detection.cli import analyse, data
from emotion_detection.errors import DataError, MissingFileError, ProjectError, UnknownNameError
from emotion_detection.runs import store
from emotion_detection.training import catalog

PICTURES = typer.Option(
    "--pictures", envvar="EMOTION_PICTURES", help="A folder of your own labelled pictures, in FER2013's place."
)
USAGE_HELP = "public or private (in the audit also training or unseen)"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(data.app, name="data")
app.add_typer(analyse.app)


@app.command("runs")
def list_runs(pictures: Annotated[Path | None, PICTURES] = None):
    """List the recorded runs."""
    _use(pictures)
    from emotion_detection.reporting import reports

    typer.echo(reports.runs_table().to_string(index=False))


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help=f"One of: {', '.join(catalog.RECIPES)}")],
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="Decides first weights, order, augmentation.")
    ] = store.FIRST_SEED,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train even if the run is recorded.")] = False,
    pictures: Annotated[Path | None, PICTURES] = None,
):
    """Train a recipe on FER2013, or your own pictures, and record the run; goes on where it was interrupted."""
    chosen = catalog.get_recipe(recipe)
    name = f"{recipe}-s{seed}"
    _use(pictures)
    where = f" --pictures {shlex.quote(str(paths.pictures_dir()))}" if paths.pictures_dir() else ""
    from emotion_detection import notebook

    if store.is_recorded(name) and not retrain:
        notebook.check_same_pictures(name)
        typer.echo(
            f"{name} is recorded already (see `runs`). To train it again: train {recipe} --seed {seed} --retrain{where}"
        )
        return
    from emotion_detection.training import cross_validation

    try:
        run = cross_validation.train(chosen, notebook.chosen_dataset(), seed=seed)
    except KeyboardInterrupt:  # typer would end without a word
        typer.echo(
            f"\nInterrupted. Finished epochs are kept: `train {recipe} --seed {seed}{where}` goes on from there.",
            err=True,
        )
        raise typer.Exit(130) from None
    scores = ", ".join(f"{part} {values['accuracy']:.1%}" for part, values in run.info["metrics"].items())
    final = f" Report PrivateTest once: evaluate {run.name} --final{where}" if "PublicTest" in run.predictions else ""
    typer.echo(f"{run.name}: accuracy on {scores}.{final}")


@app.command()
def sweep(
    names: Annotated[list[str], typer.Argument(metavar="RECIPE...", help="One or several; see `train --help`.")],
    seeds: Annotated[str, typer.Option(help="Such as 0,1,2.")] = str(store.FIRST_SEED),
    needed: Annotated[bool, typer.Option("--needed", help="First those that these go on from or learn from.")] = False,
    engine: Annotated[str, typer.Option(help="ray, or plain: one job after another, without Ray.")] = "ray",
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; else processes on this machine.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Jobs at a time; else one per core.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Cores and threads of each job on Ray.")] = 1,
):
    """Train recipes with several seeds on FER2013, side by side; goes on where it was interrupted."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # the table takes the place of the bars
    from emotion_detection.training import progress_table
    from emotion_detection.training import sweep as sweeps

    wanted = sweeps.jobs(names, seeds=_numbers(seeds))
    wanted = sweeps.with_needed(wanted) if needed else wanted
    where = {"engine": engine, "address": address, "workers": workers, "threads": threads}
    try:
        with progress_table.shown() as on_change:
            states = sweeps.train(wanted, _faces_for(wanted), on_change=on_change, **where)
    except KeyboardInterrupt:
        ready = [job.name for job in wanted if store.is_recorded(job.name)]
        typer.echo(
            f"\nInterrupted. Recorded: {len(ready)} of {len(wanted)} ({', '.join(ready) or 'none'}). Finished epochs "
            "of the others are kept: the same command goes on from there.",
            err=True,
        )
        raise typer.Exit(130) from None
    failed = [state for state in states if state.state == "failed"]
    for state in failed:
        typer.echo(f"Failed: {state.job.name}: {state.reason}", err=True)
    typer.echo(f"{len(states) - len(failed)} of {len(states)} runs are recorded (see `runs`).")
    if failed:
        raise typer.Exit(1)


def _use(pictures: Path | None) -> None:
    """Have a folder of pictures take FER2013's place in this process and those that it starts."""
    if pictures is not None:
        os.environ["EMOTION_PICTURES"] = str(pictures.expanduser().resolve())


def _refuse_pictures(command: str) -> None:
    """Raise DataError where pictures are chosen: what the command writes is about FER2013."""
    if paths.pictures_dir() is not None:
        raise DataError(
            f"`{command}` is about FER2013, but EMOTION_PICTURES is {paths.pictures_dir()}. Unset it. The network of "
            "your own pictures is run by `live --run RUN`, or by LiveView with `own_network.write(RUN)` in a notebook."
        )


def _numbers(text: str) -> list[int]:
    """Return the seeds of a list such as "0,1,2"."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(f"{text!r} is not a list of seeds: write them as 0,1,2.", param_hint="--seeds")
    return [int(part) for part in parts]


def _faces_for(wanted: list):
    """Return the faces for jobs of which one is not recorded yet, else None."""
    from emotion_detection import notebook

    return None if all(store.is_recorded(job.name) for job in wanted) else notebook.chosen_dataset()


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="A recorded run, such as tl_whole or tl_whole-s0.")],
    split: Annotated[str | None, typer.Option(help=f"{USAGE_HELP}; else private where it is recorded.")] = None,
    final: Annotated[bool, typer.Option("--final", help="Predict PrivateTest and record it, once.")] = False,
    recompute: Annotated[bool, typer.Option("--recompute", help="Run the network over the faces again.")] = False,
    averaged: Annotated[bool, typer.Option("--averaged", help="Score answers averaged over ten views.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    pictures: Annotated[Path | None, PICTURES] = None,
):
    """Score a run from its recorded predictions, or from its network with --recompute."""
    _use(pictures)
    from emotion_detection import notebook
    from emotion_detection.evaluation import metrics
    from emotion_detection.reporting import reports
    from emotion_detection.training import views

    if averaged and recompute:
        raise typer.BadParameter("is recorded only: leave out --recompute.", param_hint="--averaged")
    usage = _split_name(split)
    loaded = store.load_run(run)
    if final:
        loaded = notebook.finalise(run)
    if recompute:
        usage = usage or ("PrivateTest" if loaded.is_final else "PublicTest")
        loaded = _recomputed(loaded, usage)
    scores = metrics.scores(views.of_run(loaded) if averaged else loaded, split=usage)
    typer.echo(json.dumps(scores, indent=1) if as_json else reports.describe(scores))


def _split_name(split: str | None) -> str | None:
    names = {None: None, "public": "PublicTest", "private": "PrivateTest", "training": "Training", "unseen": "Unseen"}
    if split not in names:
        raise typer.BadParameter(f"{split!r} is not a split: use {USAGE_HELP}.", param_hint="--split")
    return names[split]


def _recomputed(run: store.Run, usage: str) -> store.Run:
    """Return the run with one split's predictions (and its FER+ score, if votes are there) made again."""
    import dataclasses

    from emotion_detection import notebook
    from emotion_detection.evaluation import metrics
    from emotion_detection.training import finalize

    if usage == "PrivateTest" and not run.is_final:
        raise UnknownNameError(
            f"{run.name} is not final: PrivateTest is first predicted by `evaluate {run.name} --final`."
        )
    store.trained_network(run.name)  # before the faces are read: raises where it is not on this machine
    dataset = notebook.chosen_dataset()
    if dataset.fingerprint != run.info["data"]["fingerprint"]:
        typer.echo(f"Warning: {dataset.name} as it is here is not what the run was trained on.", err=True)
    predictions = finalize.recompute(run, dataset, split=usage)
    data = {field: getattr(dataset, field) for field in ("name", "fingerprint", "has_official_rows")}
    data["notes"] = list(dataset.notes)
    info = run.info | {"data": data, "ferplus": {}}
    labels = notebook.ferplus_labels(dataset)
    if labels is not None:
        strict = metrics.ferplus_strict(predictions, labels[predictions.row])
        info["ferplus"] = {usage: strict | {"source": "recomputed"}}
    return dataclasses.replace(run, info=info, predictions={**run.predictions, usage: predictions})


@app.command()
def ship(run: Annotated[str, typer.Argument(help="A final run whose network is on this machine.")]):
    """Put a run's network into data/models/ as the one that is shipped."""
    _refuse_pictures("ship")
    from emotion_detection.data import load_fer2013
    from emotion_detection.export import ship as shipping
    from emotion_detection.reporting import reports

    card = shipping.ship(run, load_fer2013())
    reports.write_all()
    typer.echo(json.dumps(card, indent=1))


@app.command()
def keep(run: Annotated[str, typer.Argument(help="A recorded run whose network is on this machine.")]):
    """Put a run's network, rounded to float16, into data/models/kept/: runs that go on from it find it there."""
    _refuse_pictures("keep")
    from emotion_detection.export import kept

    path = kept.keep(run)
    typer.echo(f"{paths.displayed(path)} ({path.stat().st_size:,} bytes)")


@app.command("personal")
def personal_heads(
    record: Annotated[bool, typer.Option("--record", help="Simulate again (minutes; needs FER2013).")] = False,
):
    """Say what a head of one's own brings to simulated users; --record prepares it for the shipped network."""
    from emotion_detection.studies import personal_simulation, personal_words

    if record:
        typer.echo(f"Recorded in {personal_simulation.record()}")
    found = personal_simulation.load()
    if not personal_simulation.is_of_shipped(found):
        typer.echo(f"Warning: this is another network's record. Make it anew: {found['command']}", err=True)
    typer.echo(personal_words.in_short(found))


@app.command()
def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="float16 or int8 (LiteRT), onnx or keras.")],
    run: Annotated[str | None, typer.Option(help="A run whose network is on this machine; else the shipped.")] = None,
    output: Annotated[Path | None, typer.Option(help="The file; else in output/export/.")] = None,
):
    """Write a network as a file; all but keras say what they are: labels, input, temperature (int8 needs FER2013)."""
    from emotion_detection.data import load_fer2013
    from emotion_detection.export import litert
    from emotion_detection.runs import registry

    calibration = litert.calibration_of(load_fer2013()) if form == "int8" else None
    path = litert.export_run(run or registry.read_card()["run"], form=form, path=output, calibration=calibration)
    typer.echo(f"{path} ({path.stat().st_size:,} bytes)")


@app.command("ferplus")
def record_ferplus(names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Recorded runs.")]):
    """Record how runs' answers go with FER+'s votes (needs them); `evaluate RUN --final` does it for a new run."""
    from emotion_detection.evaluation import ferplus_scores

    for name in names:
        ferplus_scores.record(name)
        typer.echo(f"{store.run_dir(name)}/run.json")


@app.command()
def robustness(
    networks: Annotated[
        list[str] | None, typer.Argument(metavar="[NETWORK]...", help="Else those without a record of their own.")
    ] = None,
):
    """Measure how accuracy on PublicTest falls as faces are spoiled; minutes for each network (needs FER2013)."""
    from emotion_detection.studies import robustness as measuring

    recorded = measuring.load()
    _measure_each(networks, [name for name in measuring.networks() if name not in recorded], measuring.measure)


@app.command("baselines")
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


@app.command()
def report():
    """Rewrite the tables of README.md and the model card from data/results/."""
    _refuse_pictures("report")
    from emotion_detection.reporting import reports

    for path in reports.write_all():
        typer.echo(path)


def _refuse(options: dict, reason: str) -> None:
    for option, value in options.items():
        if value is not None:
            raise typer.BadParameter(f"{reason} Leave it out.", param_hint=option)


@app.command()
def live(
    lab: Annotated[bool, typer.Option("--lab", help="Open notebook 11 in JupyterLab, run already.")] = False,
    browser: Annotated[bool, typer.Option(help="Open the browser; else only the address is printed.")] = True,
    network: Annotated[Path | None, typer.Option(help="A .tflite file, its card beside it; else the shipped.")] = None,
    run: Annotated[str | None, typer.Option(help="A run whose network is on this machine, in its place.")] = None,
    pictures: Annotated[Path | None, PICTURES] = None,
):
    """Serve the live webcam cell to your browser, as a page of its own or in JupyterLab; Ctrl-C stops it."""
    from emotion_detection.cli import serving

    _use(pictures)
    if lab:
        _refuse({"--network": network, "--run": run}, "This is for the page; notebook 11 takes LiveView(classifier=…).")
        serving.in_lab(opens_browser=browser, say=typer.echo)
        return
    if run is not None:
        from emotion_detection.export import own_network

        _refuse({"--network": network}, "A run was named as well.")
        network = own_network.write(run)
        typer.echo(f"The network of {run} is in {paths.displayed(network)}")
    serving.as_page(opens_browser=browser, say=typer.echo, network=network)


def main() -> None:
    """Run the command line: 0 done, 1 a clear error, 2 usage."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no start-up messages of TensorFlow
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except ProjectError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename} " if error.filename else ""
        typer.echo(f"Error: {place}cannot be read or written ({error.strerror or error}). Check the path.", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
