"""`ship`, `keep`, `export`, `report`: write networks and documents."""

import json
from pathlib import Path
from typing import Annotated

import typer

from emotion_detection import paths
from emotion_detection.cli.options import refuse_pictures

app = typer.Typer()


@app.command()
def ship(run: Annotated[str, typer.Argument(help="A final run whose network is on this machine.")]):
    """Put a run's network into data/models/ as the one that is shipped."""
    refuse_pictures("ship")
    from emotion_detection.data import load_fer2013
    from emotion_detection.export import ship as shipping
    from emotion_detection.reporting import documents

    card = shipping.ship(run, load_fer2013())
    documents.write()
    typer.echo(json.dumps(card, indent=1))


@app.command()
def keep(run: Annotated[str, typer.Argument(help="A recorded run whose network is on this machine.")]):
    """Put a run's network, rounded to float16, into data/models/kept/: runs that go on from it find it there."""
    refuse_pictures("keep")
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


@app.command()
def report():
    """Rewrite README's results and the model card from data/results/."""
    refuse_pictures("report")
    from emotion_detection.reporting import documents

    for path in documents.write():
        typer.echo(path)
