"""Name the emotion of faces in pictures, videos and a webcam; train networks on FER2013 and score them."""

import atexit
import contextlib
import logging
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import emotion_detection
from emotion_detection import locks, paths
from emotion_detection.cli import analyse, data, evaluate, live, publish, train
from emotion_detection.errors import ProjectError, missing_package
from emotion_detection.reporting import terminal

INTERRUPTED = "\nInterrupted. Unfinished files were not kept."
HOME = re.compile(r"((?:--[\w-]+=)?)(~/.*)", re.DOTALL)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(data.app, name="data")
for group in (analyse, live, train, evaluate, publish):
    app.add_typer(group.app)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"emotion-detection {emotion_detection.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
):
    pass


def _with_home(argument: str) -> str:
    """Return an argument with the home folder for a `~` that the shell left: within quotes, and after "="."""
    if not argument:
        raise ProjectError('An argument is empty. Name a file or folder, or leave it out; this folder is ".".')
    found = HOME.fullmatch(argument)
    return f"{found[1]}{paths.expanded(found[2])}" if found else argument


def main() -> None:
    """Run the command line: 0 done, 1 a clear error, 2 usage."""
    terminal.make_readable()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no start-up messages of TensorFlow
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    _give_a_home()
    try:
        with _leaving_nothing_behind():
            app([_with_home(argument) for argument in sys.argv[1:]])
    except SystemExit as ended:  # typer ends without a word
        if isinstance(ended.__context__, typer.Exit) and isinstance(ended.__context__.__cause__, KeyboardInterrupt):
            typer.echo(INTERRUPTED, err=True)
        raise
    except KeyboardInterrupt:  # while it was started, or cleared up
        typer.echo(INTERRUPTED, err=True)
        sys.exit(130)
    except ModuleNotFoundError as error:
        typer.echo(f"Error: {missing_package(error)}", err=True)
        sys.exit(1)
    except ProjectError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename} " if error.filename else ""
        typer.echo(f"Error: {place}cannot be read or written ({error.strerror or error}). Check the path.", err=True)
        sys.exit(1)


@contextlib.contextmanager
def _leaving_nothing_behind() -> Iterator[None]:
    """Clear what killed commands left, here and where temporary files go; `kill` ends this one as Ctrl-C does."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_DFL:  # nohup ignores SIGHUP
            signal.signal(getattr(signal, name), signal.default_int_handler)
    for folder in {paths.results_dir(), paths.run_cache_dir(), paths.cache_dir(), paths.scratch_dir()}:
        for each in (folder, *folder.glob("*/")):
            locks.clear_abandoned(each)
    before, opened = tempfile.gettempdir(), contextlib.ExitStack()
    tempfile.tempdir = str(opened.enter_context(locks.working_folder(Path(before))))
    atexit.register(opened.close)  # after libraries, registered later, have deleted what they put there
    try:
        yield
    finally:
        tempfile.tempdir = before


def _give_a_home() -> None:
    """Name a home folder where none is known, as for a user whom a container's files do not list: Keras makes one."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(paths.cache_dir())
        logging.warning("No home folder is known for this user: %s takes its place. Set HOME.", paths.cache_dir())


if __name__ == "__main__":
    main()
