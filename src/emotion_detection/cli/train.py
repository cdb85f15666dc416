"""`train` and `sweep`: train recipes and record the runs."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from emotion_detection import errors, paths
from emotion_detection.cli.options import PICTURES, refuse, use_pictures
from emotion_detection.runs import store
from emotion_detection.training import catalog

app = typer.Typer()


RECIPES = "\n\n".join(f"{title}: {', '.join(names)}" for title, names in catalog.GROUPS.items())


@app.command(epilog=f"Recipes.\n\n{RECIPES}")
def train(
    recipe: Annotated[str, typer.Argument(help="Its name; they are listed below.")],
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="Decides first weights, order, augmentation.")
    ] = store.FIRST_SEED,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train even if the run is recorded.")] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Try another number of epochs.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Try another highest learning rate.")] = None,
    faces: Annotated[int | None, typer.Option(min=1, help="Learn from so many Training faces, drawn by seed.")] = None,
    pictures: Annotated[Path | None, PICTURES] = None,
):
    """Train a recipe on FER2013, or on your own pictures, and record the run. It goes on where it was interrupted.

    With --epochs, --learning-rate or --faces it becomes an experiment, recorded in output/ as RECIPE_try.
    """
    catalog.get_recipe(recipe)  # known, before anything heavy is imported
    use_pictures(pictures)
    where = f" --pictures {shlex.quote(str(paths.pictures_dir()))}" if paths.pictures_dir() else ""
    changes = {"epochs": epochs, "learning_rate": learning_rate, "faces": faces}
    changes = {setting: value for setting, value in changes.items() if value is not None}
    if changes:
        refuse({"--retrain": retrain or None}, "An experiment overwrites no other.")
    elif store.is_recorded(name := f"{recipe}-s{seed}", here=True) and not retrain:
        from emotion_detection import notebook

        notebook.check_same_pictures(name)
        typer.echo(
            errors.as_typed(
                f"{name} is recorded already. To train it again: python -m emotion_detection train {recipe} --seed "
                f"{seed} --retrain{where}"
            )
        )
        return
    try:
        run = _try(recipe, seed, changes) if changes else _train(recipe, seed, replace=retrain)
    except KeyboardInterrupt:  # typer would end without a word
        typer.echo(
            "\nInterrupted. Finished epochs are kept; the same command goes on from there.",
            err=True,
        )
        raise typer.Exit(130) from None
    scores = ", ".join(f"{part} {values['accuracy']:.1%}" for part, values in run.info["metrics"].items())
    if run.is_sample:
        then = " These are drawn faces: it is no result."
    elif changes:
        then = f" Hold it against the recipe's own: python -m emotion_detection evaluate {recipe} --split public{where}"
    else:
        then = f" Report PrivateTest once: python -m emotion_detection evaluate {run.name} --final{where}"
    typer.echo(
        f"{run.name}: accuracy on {scores}." + (errors.as_typed(then) if "PublicTest" in run.predictions else "")
    )


def _train(recipe: str, seed: int, *, replace: bool) -> store.Run:
    from emotion_detection.data.selection import chosen_dataset

    dataset = chosen_dataset()  # before TensorFlow, which takes seconds and may have something to say
    from emotion_detection.training import trainer

    return trainer.train(catalog.get_recipe(recipe), dataset, seed=seed, replace=replace)


def _try(recipe: str, seed: int, changes: dict) -> store.Run:
    from emotion_detection.notebook import try_recipe

    return try_recipe(recipe, seed=seed, **changes)


@app.command()
def sweep(
    names: Annotated[list[str], typer.Argument(metavar="RECIPE...", help="One or several; see `train --help`.")],
    seeds: Annotated[str, typer.Option(help="Such as 0,1,2.")] = str(store.FIRST_SEED),
    needed: Annotated[bool, typer.Option("--needed", help="First those that these go on from or learn from.")] = False,
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster whose machines share a folder.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Jobs at a time, in processes of Ray's here.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Cores and threads of each job on Ray.")] = 1,
):
    """Train recipes with several seeds on FER2013; goes on where it was interrupted.

    One after another in this process, or side by side on Ray with --workers or --address.
    """
    from emotion_detection.training import sweep as sweeps

    wanted = sweeps.jobs(names, seeds=_numbers(seeds), needed=needed)
    try:
        failed = sweeps.train(wanted, _faces_for(wanted), address=address, workers=workers, threads=threads)
    except KeyboardInterrupt:
        ready = [job.name for job in wanted if store.is_recorded(job.name, here=True)]
        typer.echo(
            f"\nInterrupted. Recorded: {len(ready)} of {len(wanted)} ({', '.join(ready) or 'none'}). Finished epochs "
            "of the others are kept: the same command goes on from there.",
            err=True,
        )
        raise typer.Exit(130) from None
    for name, reason in failed.items():
        typer.echo(f"Failed: {name}: {reason}", err=True)
    typer.echo(f"{len(wanted) - len(failed)} of {len(wanted)} runs are recorded (see `runs`).")
    if failed:
        raise typer.Exit(1)


def _numbers(text: str) -> list[int]:
    """Return the seeds of a list such as "0,1,2"."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(f"{text!r} is not a list of seeds: write them as 0,1,2.", param_hint="--seeds")
    return [int(part) for part in parts]


def _faces_for(wanted: list):
    """Return the faces for jobs of which one is not recorded yet, else None."""
    from emotion_detection.data.selection import chosen_dataset

    return None if all(store.is_recorded(job.name, here=True) for job in wanted) else chosen_dataset()
