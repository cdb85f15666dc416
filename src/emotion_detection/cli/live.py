"""`live` and `personal`: the webcam cell, and heads of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from emotion_detection import paths
from emotion_detection.cli.options import PICTURES, refuse, use_pictures

app = typer.Typer()


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

    use_pictures(pictures)
    if lab:
        refuse({"--network": network, "--run": run}, "This is for the page; notebook 11 takes LiveView(classifier=…).")
        serving.in_lab(opens_browser=browser, say=typer.echo)
        return
    if run is not None:
        from emotion_detection.export import own_network

        refuse({"--network": network}, "A run was named as well.")
        network = own_network.write(run)
        typer.echo(f"The network of {run} is in {paths.displayed(network)}")
    serving.as_page(opens_browser=browser, say=typer.echo, network=network)


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
