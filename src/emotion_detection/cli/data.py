"""Commands on data sets: `python -m emotion_detection data --help`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Check FER2013, fetch data sets, look at your own pictures, or record summaries.",
)


@app.command()
def check(path: Annotated[Path | None, typer.Argument(help="A file or folder; else it is looked for.")] = None):
    """Say which copy of FER2013 this is: exact, a JPEG copy, or altered. Exit code 1 if it is not to be used."""
    from emotion_detection.data import fer2013

    verification = fer2013.check(path)
    typer.echo("\n".join(verification.sentences))
    if verification.verdict == "altered":
        raise typer.Exit(1)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="One of those below.")] = "fer2013",
    force: Annotated[bool, typer.Option("--force", help="Download again what is already there.")] = False,
):
    """Download a data set into data/raw/.

    fer2013: the original, 301 MB; needs a Kaggle account.

    msambare: a JPEG copy of it in folders, 60 MB; needs a Kaggle account.

    london: 102 people, neutral and smiling, 100 MB (Face Research Lab London Set, CC BY 4.0).

    photographs: 1,076 press photographs in seven classes, 19 MB (muxspace/facial_expressions, Apache-2.0).

    yunet: the face detector, 230 kB, into your user cache.
    """
    from emotion_detection.data import download

    typer.echo(f"{download.fetch(name, force=force)} (an earlier download is kept; --force replaces it)")


@app.command()
def pictures(
    folder: Annotated[Path, typer.Argument(help="<name>/<emotion>/*.jpg (PNG, WebP)")],
    csv: Annotated[Path | None, typer.Option(help="Write the table of what was wrong here.")] = None,
):
    """Say what a folder of your own labelled pictures holds, and what is wrong with which file; 1 if it is refused."""
    from emotion_detection import files
    from emotion_detection.data import own_pictures

    files.check_outputs([], table=csv, inputs=folder.rglob("*") if csv else ())
    try:
        dataset, refused = own_pictures.load_pictures(folder), None
    except own_pictures.PicturesError as error:
        dataset, refused = None, error
    report = dataset.report if refused is None else refused.report
    if len(report):
        typer.echo(report.to_string(index=False))
    if csv is not None:
        files.write_text(csv, report.to_csv(index=False, lineterminator="\n"), **files.CSV)
    if refused is not None:
        raise refused
    typer.echo("\n".join([dataset.counts().to_string(), *dataset.notes]))


@app.command()
def summarise():
    """Record counts, class averages, twins and FER+ agreement in data/results/fer2013/ (needs FER2013)."""
    from emotion_detection.data import summaries

    typer.echo(f"Recorded in {summaries.record()}")
