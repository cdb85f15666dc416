"""The command line: `python -m emotion_detection --help`."""

import logging
import os
import sys

import typer

from emotion_detection.cli import analyse, data, evaluate, live, publish, train
from emotion_detection.errors import ProjectError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(data.app, name="data")
for group in (analyse, live, train, evaluate, publish):
    app.add_typer(group.app)


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
