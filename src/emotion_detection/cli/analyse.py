"""The commands about pictures and videos: `analyse` and `explain`."""

import importlib.util
import itertools
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from emotion_detection import files as outputs
from emotion_detection import locks
from emotion_detection.cli.options import refuse, require_png
from emotion_detection.errors import DataError

app = typer.Typer()


@app.command()
def analyse(
    files: Annotated[list[Path], typer.Argument(help="JPEG, PNG or WebP files or their folder, or one video.")],
    csv: Annotated[Path | None, typer.Option(help="Write the table here.")] = None,
    annotated: Annotated[
        Path | None, typer.Option(help="Write the pictures with their faces marked into this folder, a video here.")
    ] = None,
    parquet: Annotated[Path | None, typer.Option(help="Video: write the table here as Parquet (pyarrow).")] = None,
    plot: Annotated[Path | None, typer.Option(help="Video: draw the timeline here, as PNG.")] = None,
    labels: Annotated[
        str | None, typer.Option(help="votes: what most of ten people would say (usual); fer2013: FER2013's label.")
    ] = None,
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
        only_videos = {"--parquet": parquet, "--plot": plot, "--every-ms": every_ms}
        refuse(only_videos, "This is for videos; pictures were given.")
        side_by_side = {"workers": workers, "address": address, "folder": parts}
        _analyse_pictures(files, side_by_side, labels=labels, csv=csv, annotated=annotated)
    elif len(files) > 1:
        raise typer.BadParameter(
            f"{files[is_video.index(True)]} is a video, and {len(files) - 1} more were given. Analyse videos one at a "
            "time, pictures apart.",
            param_hint="FILES",
        )
    else:
        only_pictures = {"--workers": workers, "--address": address, "--parts": parts}
        refuse(only_pictures, "This is for pictures; a video was given.")
        settings = {"every_ms": every_ms, **_classifier(labels)}
        _analyse_video(files[0], settings, csv=csv, annotated=annotated, parquet=parquet, plot=plot)


def _classifier(labels: str | None) -> dict:
    """Return the classifier as a setting, where another than the usual one is asked for."""
    from emotion_detection.inference.classifier import EmotionClassifier

    return {} if labels is None else {"classifier": EmotionClassifier.load(labels=labels)}


def _analyse_pictures(
    files: list[Path], side_by_side: dict, *, labels: str | None, csv: Path | None, annotated: Path | None
) -> None:
    from emotion_detection.inference import analyse, bulk

    found = (analyse.pictures_in(path, annotated=annotated) if path.is_dir() else [path] for path in files)
    pictures = list(itertools.chain.from_iterable(found))
    drawn = {} if annotated is None else analyse.annotated_paths(pictures, annotated)
    outputs.check_outputs(drawn.values(), table=csv, inputs=pictures)
    with locks.locked(csv):
        if any(side_by_side.values()):
            table = bulk.analyse_pictures(pictures, labels=labels, **side_by_side)
        else:
            table = analyse.analyse_pictures(pictures, keep_interrupted=csv is not None, **_classifier(labels))
        if csv is not None:
            analyse.write_csv(table, csv)
        if annotated is not None:
            analyse.write_annotated(table, annotated)
    if done := table.attrs.get("interrupted"):
        typer.echo(f"\nInterrupted: {done:,} of {len(pictures):,} pictures are in {csv}.", err=True)
        raise typer.Exit(130)
    if len(table):
        typer.echo(table.to_string(index=False, float_format=lambda value: f"{round(float(value), 3):g}"))
    for picture in table.attrs["without_face"]:
        typer.echo(f"No face was found in {picture}. Try a larger or more frontal picture.", err=True)
    for reason in table.attrs["failed"].values():
        typer.echo(f"Error: {reason}", err=True)
    if table.attrs["without_face"] or table.attrs["failed"]:
        raise typer.Exit(1)


def _analyse_video(
    path: Path,
    settings: dict,
    *,
    csv: Path | None,
    annotated: Path | None,
    parquet: Path | None,
    plot: Path | None,
) -> None:
    from emotion_detection.inference import recording, video_io

    require_png(plot)
    if plot is not None:
        from emotion_detection import plots  # noqa: F401  (where matplotlib is missing, that is said before the work)
    if parquet is not None and importlib.util.find_spec("pyarrow") is None:
        raise DataError(
            "A Parquet file was asked for, and pyarrow, which writes it, is not installed. Install it "
            "(python -m pip install 'emotion-detection[parquet]'), or write a CSV."
        )
    outputs.check_outputs([annotated, parquet, plot], table=csv, inputs=[path])
    summary = recording.Summary()
    with tempfile.TemporaryDirectory() as folder:
        rows = csv or Path(folder) / "rows.csv"
        try:
            recording.write_recording(path, csv=rows, annotated=annotated, summary=summary, **settings)
        except KeyboardInterrupt:  # typer would end without a word
            kept = " and ".join(str(output) for output in (csv, annotated) if output is not None)
            until = f"what was done up to {video_io.clock(summary.seconds)} is in {kept}"
            typer.echo(f"\nInterrupted: {until if kept else 'nothing is kept; name a file by --csv'}.", err=True)
            raise typer.Exit(130) from None
        if parquet or plot:
            _write_others(rows, parquet=parquet, plot=plot)
    for note in summary.notes:
        typer.echo(f"Note: {note}", err=True)
    looked = f"{summary.frames:,} frames up to {video_io.clock(summary.seconds)} were looked at"
    if not summary.rows:
        typer.echo(f"{looked}, and no face was found. Try a recording with larger or more frontal faces.")
        raise typer.Exit(1)
    often = sorted(summary.labels.items(), key=lambda item: (-item[1], item[0]))
    shares = ", ".join(f"{label} {count / summary.rows:.0%}" for label, count in often)
    typer.echo(f"{looked}; {summary.with_face:,} show a face ({summary.faces} told apart). Answers: {shares}.")


def _write_others(rows: Path, *, parquet: Path | None, plot: Path | None) -> None:
    """Write a video's table as Parquet and its timeline as PNG."""
    from emotion_detection.inference import recording

    table = recording.read_csv(rows)
    if parquet is not None:
        with outputs.written_beside(parquet) as temporary:
            table.to_parquet(temporary, index=False)
    if plot is not None:
        from emotion_detection import plots
        from emotion_detection.plots import saving

        saving.write_png(plots.timeline(recording.thinned(table)), plot)


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
        refuse({"--out": out, "--emotion": emotion}, "This is for a picture.")
        from emotion_detection.studies import explanations

        typer.echo(f"Recorded in {explanations.record()}. Save appendix B again: {explanations.SAVE_NOTEBOOK}")
        return
    if out is None:
        raise typer.BadParameter("Say where the explained picture goes: --out F.png", param_hint="--out")
    from emotion_detection.inference import class_activation, pipeline

    found = class_activation.write_explained(picture, out, emotion=emotion)
    if not found:
        typer.echo(f"No face was found in {picture}. Try a larger or more frontal picture.", err=True)
        raise typer.Exit(1)
    labels = []
    for face in found:
        name = face.label if face.label == face.likeliest else f"{face.label}, {face.likeliest}"
        labels.append(
            f"{name} ({face.confidence:.0%})" if face.box.is_upright else f"{face.label} ({pipeline.NO_UPRIGHT_FACE})"
        )
    typer.echo(f"{out}: {'; '.join(labels)}. Heat shows what speaks for {emotion or 'each answer'}.")
