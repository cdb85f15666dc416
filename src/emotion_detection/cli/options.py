"""What several commands share: the option `--pictures`, and refusals."""

import os
from pathlib import Path

import typer

from emotion_detection import paths
from emotion_detection.errors import DataError

PICTURES = typer.Option(
    "--pictures", envvar="EMOTION_PICTURES", help="A folder of your own labelled pictures, in FER2013's place."
)


def use_pictures(pictures: Path | None) -> None:
    """Have a folder of pictures take FER2013's place in this process and those that it starts."""
    if pictures is not None:
        os.environ["EMOTION_PICTURES"] = str(pictures.expanduser().resolve())


def refuse_pictures(command: str) -> None:
    """Raise DataError where pictures are chosen: what the command writes is about FER2013."""
    if paths.pictures_dir() is not None:
        raise DataError(
            f"`{command}` is about FER2013, but EMOTION_PICTURES is {paths.pictures_dir()}. Unset it. The network of "
            "your own pictures is run by `live --run RUN`, or by LiveView with what `export float16 --run RUN` writes."
        )


def refuse(options: dict, reason: str) -> None:
    """Raise a usage error for each option that was given and does not apply."""
    for option, value in options.items():
        if value is not None:
            raise typer.BadParameter(f"{reason} Leave it out.", param_hint=option)
