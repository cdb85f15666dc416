"""The progress of a sweep for people: a live table on a terminal, a line per change where output goes to a file."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live
from rich.table import Table

from emotion_detection.training.sweep import Progress

COLUMNS = ("run", "state", "watched", "left")
"""`watched` is accuracy on PublicTest after the last epoch, or on the fold held out."""


def state(progress: Progress) -> str:
    """Return the state of a job in words."""
    if progress.state == "running":
        words = f"epoch {progress.epoch} of {progress.job.epochs}"
    elif progress.state == "failed":
        words = f"failed: {progress.reason}"
    else:
        words = {"recorded": "recorded already"}.get(progress.state, progress.state)
    times = {0: "", 1: ", restarted once"}.get(progress.restarts, f", restarted {progress.restarts} times")
    return words + times


def watched(progress: Progress) -> str:
    """Return the accuracy so far as percent, or nothing."""
    return "" if progress.accuracy is None else f"{100 * progress.accuracy:.1f} %"


def left(progress: Progress) -> str:
    """Return the time to a job's end at the latest, or nothing."""
    if progress.left_s is None:
        return ""
    minutes = progress.left_s / 60
    return (
        f"{progress.left_s:.0f} s"
        if minutes < 2
        else f"{minutes:.0f} min"
        if minutes < 120
        else f"{minutes / 60:.1f} h"
    )


def table(states: list[Progress]) -> Table:
    """Return a table with a row per job."""
    made = Table(*COLUMNS, caption="watched: accuracy on PublicTest so far (in folds, on the fold held out)")
    for each in states:
        made.add_row(each.job.name, state(each), watched(each), left(each))
    return made


def line(progress: Progress) -> str:
    """Return a job's row as a line."""
    more = [f"watched {watched(progress)}" if watched(progress) else "", left(progress) and f"{left(progress)} left"]
    return ", ".join([f"{progress.job.name}: {state(progress)}", *filter(None, more)])


@contextlib.contextmanager
def shown(console: Console | None = None) -> Iterator[Callable[[list[Progress]], None]]:
    """Show the progress of a sweep while the block runs; yields what `sweeps.train` calls as `on_change`.

    Args:
        console: where to; standard output if None.
    """
    console = console or Console(soft_wrap=True)
    if not console.is_terminal:
        yield _Lines(console)
        return
    current: list[Progress] = []
    with Live(console=console, get_renderable=lambda: table(current), refresh_per_second=2):
        yield lambda states: current.__setitem__(slice(None), states)


class _Lines:
    """Print a line for each job that has changed."""

    def __init__(self, console: Console):
        self.console, self.told = console, {}

    def __call__(self, states: list[Progress]) -> None:
        for each in states:
            now = (each.state, each.epoch, each.restarts)
            if self.told.get(each.job.name) != now:
                self.told[each.job.name] = now
                self.console.print(line(each), highlight=False, markup=False, soft_wrap=True)
