"""`ship`, `keep`, `export`, `report`, `photographs`, `groups`: write networks, documents and records of people."""

import json
from pathlib import Path
from typing import Annotated

import typer

from emotion_detection import paths
from emotion_detection.cli.options import MAINTAINERS

app = typer.Typer()


PHOTOGRAPHS = typer.Option(help="FOLDER/<emotion>/*.jpg, photographs of people: they choose the balanced prior.")


@app.command(rich_help_panel=MAINTAINERS)
def ship(
    run: Annotated[str, typer.Argument(help="A final run whose network is on this machine.")],
    photographs: Annotated[Path | None, PHOTOGRAPHS] = None,
):
    """Put a run's network into data/models/ as the one that is shipped, with a second head for FER+'s votes."""
    from emotion_detection.data import load_fer2013
    from emotion_detection.export import ship as shipping
    from emotion_detection.runs import registry

    registry.check_is_ours("data/models/")
    dataset, faces = load_fer2013(), _faces_in(photographs)
    chosen = shipping.choose_seed(run, dataset, faces)  # refuses before a file is replaced
    shipping.ship(run, dataset)
    shipping.teach_upright(dataset)
    _show_card(shipping.teach_votes(dataset, photographs=faces, chosen=chosen))


@app.command(rich_help_panel=MAINTAINERS)
def votes(photographs: Annotated[Path | None, PHOTOGRAPHS] = None):
    """Fit the shipped network's second head on FER+'s votes anew; its other outputs stay to the last bit.

    With --photographs the card also says how the other seeds of its recipe score.
    """
    from emotion_detection.data import load_fer2013
    from emotion_detection.export import ship as shipping
    from emotion_detection.runs import registry

    registry.check_is_ours("data/models/")
    dataset, faces = load_fer2013(), _faces_in(photographs)
    chosen = shipping.choose_seed(registry.read_card()["run"], dataset, faces)
    _show_card(shipping.teach_votes(dataset, photographs=faces, chosen=chosen))


def _faces_in(photographs: Path | None):
    from emotion_detection.studies import photographs as study

    return study.labelled_faces(photographs) if photographs else None


def _show_card(card: dict) -> None:
    """Rewrite the documents that are made from the card, and print it."""
    from emotion_detection.reporting import documents

    documents.write()
    typer.echo(json.dumps(card, indent=1))


@app.command(rich_help_panel=MAINTAINERS)
def keep(run: Annotated[str, typer.Argument(help="A recorded run whose network is on this machine.")]):
    """Put a run's network, rounded to float16, into data/models/kept/: runs that go on from it find it there."""
    from emotion_detection.export import ship as shipping

    path = shipping.keep(run)
    typer.echo(f"{paths.displayed(path)} ({path.stat().st_size:,} bytes)")


@app.command()
def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="float16 or int8 (LiteRT), onnx or keras.")],
    run: Annotated[str | None, typer.Option(help="A run whose network is on this machine; else the shipped.")] = None,
    output: Annotated[Path | None, typer.Option(help="The file; else in output/export/.")] = None,
):
    """Write a network as a file; all but keras say what they are: labels, input, temperature (int8 needs FER2013)."""
    from emotion_detection.data import load_fer2013
    from emotion_detection.export import litert
    from emotion_detection.export import ship as shipping
    from emotion_detection.runs import registry

    calibration = litert.calibration_of(load_fer2013()) if form == "int8" else None
    path = shipping.export_run(run or registry.read_card()["run"], form=form, path=output, calibration=calibration)
    typer.echo(f"{path} ({path.stat().st_size:,} bytes)")


@app.command(rich_help_panel=MAINTAINERS)
def report():
    """Rewrite README's results and the model card from data/results/."""
    from emotion_detection.reporting import documents

    for path in documents.write():
        typer.echo(path)


RECORD = typer.Option("--record", help="Measure, and record; else only show what is recorded.")


@app.command(rich_help_panel=MAINTAINERS)
def photographs(
    folder: Annotated[Path | None, typer.Argument(help="FOLDER/<emotion>/*.jpg, photographs of people.")] = None,
    record: Annotated[bool, RECORD] = False,
):
    """Score the networks at hand on photographs: detector, crop and network."""
    from emotion_detection.studies import photographs as study

    _record(study, folder, record=record)
    _show(study.summary(study.load()))


@app.command(rich_help_panel=MAINTAINERS)
def groups(
    folder: Annotated[Path | None, typer.Argument(help="The Face Research Lab London Set.")] = None,
    record: Annotated[bool, RECORD] = False,
):
    """Compare answers on neutral and smiling people by gender, ethnicity and age."""
    from emotion_detection.studies import groups as study

    _record(study, folder, record=record)
    for found in study.load().values():
        typer.echo(found["network"]["name"])
        _show(study.shares(found))


def _record(study, folder: Path | None, *, record: bool) -> None:
    if record != (folder is not None):
        raise typer.BadParameter("goes with FOLDER: give both to measure, none to show.", param_hint="--record")
    if record:
        for path in study.record(folder):
            typer.echo(paths.displayed(path))


def _show(table) -> None:
    from emotion_detection.evaluation import formatting

    typer.echo(formatting.format_table(table).to_string(index=False))
