"""What several commands share: the option `--pictures`, and refusals."""

import os
from pathlib import Path

import typer

from emotion_detection import paths

PICTURES = typer.Option(
    "--pictures", envvar="EMOTION_PICTURES", help="A folder of your own labelled pictures, in FER2013's place."
)


MAINTAINERS = "For maintainers"
"""Where `--help` lists the commands that record studies and write the project's own files."""


def use_pictures(pictures: Path | None) -> None:
    """Have a folder of pictures take FER2013's place in this process and those that it starts."""
    if pictures is not None:
        os.environ["EMOTION_PICTURES"] = str(paths.expanded(pictures).resolve())


def require_png(plot: Path | None) -> None:
    """Raise a usage error where `--plot` names another kind of file than the one that is drawn."""
    if plot is not None and plot.suffix.lower() != ".png":
        raise typer.BadParameter(f"{plot} is to be a PNG: end its name in .png.", param_hint="--plot")


def refuse(options: dict, reason: str) -> None:
    """Raise a usage error for each option that was given and does not apply."""
    for option, value in options.items():
        if value is not None:
            raise typer.BadParameter(f"{reason} Leave it out.", param_hint=option)
