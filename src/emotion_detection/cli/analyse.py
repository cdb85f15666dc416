"""The commands about pictures and videos: `analyse` and `explain`."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from emotion_detection.cli.options import refuse

app = typer.Typer()


@app.command()
def analyse(
    files: Annotated[list[Path], typer.Argument(help="JPEG, PNG or WebP files, or one video.")],
    csv: Annotated[Path | None, typer.Option(help="Write the table here.")] = None,
    annotated: Annotated[
        Path | None, typer.Option(help="Write the pictures with their faces marked into this folder, a video here.")
    ] = None,
    parquet: Annotated[Path | None, typer.Option(help="Video: write the table here as Parquet (pyarrow).")] = None,
    plot: Annotated[Path | None, typer.Option(help="Video: draw the timeline here, as PNG.")] = None,
    every_ms: Annotated[
        float | None, typer.Option(min=0.001, help="Video: look at a frame so often; else at each.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Pictures: processes side by side (needs Ray).")] = None,
    address: Annotated[str | None, typer.Option(help="Pictures: of a Ray cluster.")] = None,
    parts: Annotated[
        Path | None, typer.Option(help="Pictures: keep finished parts in this folder, to go on from (needs Ray).")
    ] = None,
):
    """Find faces in pictures, or follow them through a video, and say which emotion each shows."""
    from emotion_detection.inference import video_io

    is_video = [video_io.is_recording(path) for path in files]
    if not any(is_video):
        refuse(
            {"--parquet": parquet, "--plot": plot, "--every-ms": every_ms}, "This is for videos; pictures were given."
        )
        side_by_side = {"workers": workers, "address": address, "folder": parts}
        _analyse_pictures(files, side_by_side, csv=csv, annotated=annotated)
    elif len(files) > 1:
        raise typer.BadParameter(
            f"{files[is_video.index(True)]} is a video, and {len(files) - 1} more were given. Analyse videos one at a "
            "time, pictures apart.",
            param_hint="FILES",
        )
    else:
        only_pictures = {"--workers": workers, "--address": address, "--parts": parts}
        refuse(only_pictures, "This is for pictures; a video was given.")
        _analyse_video(files[0], every_ms, csv=csv, parquet=parquet, annotated=annotated, plot=plot)


def _analyse_pictures(pictures: list[Path], side_by_side: dict, *, csv: Path | None, annotated: Path | None) -> None:
    from emotion_detection.inference import bulk, pipeline

    if any(side_by_side.values()):
        table = bulk.analyse_pictures(pictures, **side_by_side)
    else:
        table = pipeline.analyse_pictures(pictures)
    without_face = table.attrs.get("without_face", [])
    if csv is not None:
        pipeline.write_csv(table, csv)
    if annotated is not None:
        pipeline.write_annotated(table, annotated)
    if len(table):
        typer.echo(table.round(3).to_string(index=False))
    for picture in without_face:
        typer.echo(f"No face was found in {picture}. Try a larger or more frontal picture.", err=True)
    if without_face:
        raise typer.Exit(1)


def _analyse_video(path: Path, every_ms: float | None, **outputs: Path | None) -> None:
    from emotion_detection.inference import recording, recording_files

    asked = [output for output in outputs.values() if output is not None]
    try:
        analyst = recording.Analyst(every_ms=every_ms)
        if asked:
            say = functools.partial(typer.echo, err=True)
            summary = recording_files.write_recording(path, **outputs, analyst=analyst, say=say)
        else:
            summary = recording.look_through(path, analyst)
    except KeyboardInterrupt:  # typer would end without a word
        nothing = "Interrupted. Nothing is kept: name a file by --csv, and the same command can go on."
        typer.echo(f"\n{recording_files.kept(asked[0]) if asked else nothing}", err=True)
        raise typer.Exit(130) from None
    for note in summary.notes:
        typer.echo(f"Note: {note}", err=True)
    typer.echo(summary.in_words())
    if not summary.rows:
        raise typer.Exit(1)


@app.command("explain")
def explain_answers(
    picture: Annotated[Path | None, typer.Argument(help="A JPEG, PNG or WebP file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the picture with its heat here, as PNG or JPEG.")] = None,
    emotion: Annotated[str | None, typer.Option(help="Evidence for this one; else for each face's answer.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Check the maps on PublicTest and record it (minutes; needs FER2013).")
    ] = False,
):
    """Show what in a picture's faces speaks for an answer, or record the checks of such maps."""
    if record == (picture is not None):
        raise typer.BadParameter("Name a picture, or ask for --record: one of both.", param_hint="PICTURE")
    if record:
        from emotion_detection.studies import explanations

        typer.echo(f"Recorded in {explanations.record()}. Save appendix B again: {explanations.SAVE_NOTEBOOK}")
        return
    if out is None:
        raise typer.BadParameter("Say where the explained picture goes: --out F.png", param_hint="--out")
    from emotion_detection.inference import class_activation

    found = class_activation.write_explained(picture, out, emotion=emotion)
    if not found:
        typer.echo(f"No face was found in {picture}. Try a larger or more frontal picture.", err=True)
        raise typer.Exit(1)
    labels = ", ".join(f"{face.label} ({face.confidence:.0%})" for face in found)
    typer.echo(f"{out}: {labels}; heat shows what speaks for {emotion or 'each answer'}.")
