"""`live` and `personal`: the webcam cell as a page or in JupyterLab, and what heads of one's own are worth."""

import contextlib
import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from emotion_detection import files, paths
from emotion_detection.cli.options import MAINTAINERS, PICTURES, refuse, use_pictures
from emotion_detection.errors import MissingFileError

LIVE_NOTEBOOK = "10_live_webcam.ipynb"
PAGE_TITLE = (
    "# Emotions, live\n\nClick **Start**. Pictures stay in this page and in the kernel's memory; none is saved."
)
PAGE_CELL = """\
from emotion_detection import LiveView

view = LiveView(classifier={network!r}, labels={labels!r})
view"""
STOP_TIMEOUT_S = 15.0

app = typer.Typer()


@app.command()
def live(
    lab: Annotated[bool, typer.Option("--lab", help="Open the live notebook in JupyterLab.")] = False,
    browser: Annotated[bool, typer.Option(help="Open the browser; else only the address is printed.")] = True,
    network: Annotated[Path | None, typer.Option(help="A .tflite file that `export` wrote; else the shipped.")] = None,
    run: Annotated[str | None, typer.Option(help="A run whose network is on this machine, in its place.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="votes or fer2013; else votes where the network has them, as the shipped one does."),
    ] = None,
    pictures: Annotated[Path | None, PICTURES] = None,
):
    """Serve the live webcam cell to your browser, as a page of its own or in JupyterLab; Ctrl-C stops it."""
    use_pictures(pictures)
    if lab:
        passed = {"--network": network, "--run": run, "--labels": labels}
        refuse(passed, "This is for the page; a notebook takes LiveView(classifier=…, labels=…).")
        _require("jupyterlab", "Run `make demo` in the project, or `python -m pip install 'emotion-detection[lab]'`.")
        _serve_lab(opens_browser=browser)
        return
    other = "in JupyterLab the cell works without it: `python -m emotion_detection live --lab`."
    _require("voila", f"Run `python -m pip install 'emotion-detection[page]'`; {other}")
    if run is not None:
        from emotion_detection.export import ship

        refuse({"--network": network}, "A run was named as well.")
        network = ship.export_run(run, form="float16")
        typer.echo(f"The network of {run} is in {paths.displayed(network)}")
    _serve_page(write_page(network, labels=labels), opens_browser=browser)


@app.command("personal", rich_help_panel=MAINTAINERS)
def personal_heads(
    record: Annotated[bool, typer.Option("--record", help="Simulate again (minutes; needs FER2013).")] = False,
):
    """Show what a head of one's own brings to simulated users; --record prepares it for the shipped network."""
    from emotion_detection.evaluation import formatting
    from emotion_detection.studies import personal_simulation

    if record:
        typer.echo(f"Recorded in {personal_simulation.record()}")
    found = personal_simulation.load()
    if not personal_simulation.is_of_shipped(found):
        typer.echo(f"Warning: this is another network's record. Make it anew: {found['command']}", err=True)
    typer.echo(formatting.format_table(personal_simulation.changes_table(found)).to_string(index=False))


def _require(server: str, remedy: str) -> None:
    """Raise MissingFileError where what serves the cell is not installed."""
    if importlib.util.find_spec(server) is None:
        raise MissingFileError(f"The cell is served by {server}, which is not installed here. {remedy}")


def write_page(network: Path | None = None, *, labels: str | None = None) -> Path:
    """Write the notebook that is served as a page, into `output/live/`; return its path.

    Args:
        network: a `.tflite` file; the shipped network if None.
        labels: "votes" or "fer2013"; if None, votes where the network has them.

    Raises:
        MissingFileError: the network is missing.
        DataError: it is damaged, says nothing about itself, or has no votes.
        UnknownNameError: there are no such labels.
    """
    import nbformat

    from emotion_detection.inference.classifier import EmotionClassifier

    EmotionClassifier.load(network, labels=labels)
    code = PAGE_CELL.format(network=None if network is None else str(network.resolve()), labels=labels)
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(PAGE_TITLE), nbformat.v4.new_code_cell(code)])
    page.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = paths.scratch_dir() / "live" / "live.ipynb"
    files.write_text(path, nbformat.writes(page))
    return path


def _serve_lab(*, opens_browser: bool) -> None:
    """Run JupyterLab on the live notebook; it opens the browser itself."""
    place = [f"--notebook-dir={paths.project_root() / 'notebooks'}", f"--LabApp.default_url=/lab/tree/{LIVE_NOTEBOOK}"]
    options = ["--allow-root", "--LabApp.news_url=None", *([] if opens_browser else ["--no-browser"])]
    with _running(["jupyter", "lab", *place, *options]):
        typer.echo("In JupyterLab: Run, Run All Cells. Then click Start in the cell. Ctrl-C here ends JupyterLab.")


def _serve_page(page: Path, *, opens_browser: bool) -> None:
    """Run Voilà on a notebook; its token keeps the page, and so the cameras, from other users of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    token = secrets.token_urlsafe(24)
    address = f"http://127.0.0.1:{port}/?token={token}"
    options = ["--no-browser", "--Voila.ip=127.0.0.1", "--Voila.auto_token=True", f"--Voila.port={port}"]
    environment = os.environ | {"JUPYTER_TOKEN": token}  # on the command line other users could read it
    with _running(["voila", str(page), *options, "--Voila.log_level=WARN"], environment) as server:
        while server.poll() is None and not _listens(port):
            time.sleep(0.2)
        typer.echo(f"Open {address}\nClick Start there. Ctrl-C here stops the server and every camera.")
        if opens_browser:
            webbrowser.open(address)


@contextlib.contextmanager
def _running(command: list[str], environment: Mapping[str, str] = os.environ) -> Iterator[subprocess.Popen]:
    """Run `python -m …` until it ends or Ctrl-C; a closed terminal and `kill` end it, and its cameras, as Ctrl-C does.

    The server has a session of its own, so Ctrl-C is heard here alone, and Jupyter does not ask whether it is meant.
    """
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    with subprocess.Popen([sys.executable, "-m", *command], env=environment, start_new_session=True) as server:
        try:
            yield server
            server.wait()
        except KeyboardInterrupt:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(STOP_TIMEOUT_S)
            server.kill()
            return
    if server.returncode:
        raise typer.Exit(server.returncode)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
