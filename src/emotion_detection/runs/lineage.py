"""What a network comes from: the runs that it goes on from, those that taught it, and the time of all of them."""

from emotion_detection.runs import store
from emotion_detection.runs.run import Run


def with_earlier(run: Run) -> list[Run]:
    """Return the runs that a network went through, this one last: each goes on from the network of the one before.

    Raises:
        UnknownNameError: an earlier one is not recorded.
        DataError: its record is damaged.
    """
    if not (recipe := run.info["recipe"].get("continues")):
        return [run]
    return [*with_earlier(store.load_run(f"{recipe}-s{run.info['seed']}")), run]


def teachers_of(run: Run) -> list[Run]:
    """Return the runs that taught those of `with_earlier`, with the runs that these went through, each once.

    Runs that the network itself went through are left out: their time is its own. Errors are those of `with_earlier`.
    """
    own = with_earlier(run)
    names = [name for each in own for name in each.info["recipe"].get("teachers", ())]
    found = {each.name: each for name in names for each in with_earlier(store.load_run(name))}
    for teacher in list(found.values()):
        found |= {each.name: each for each in teachers_of(teacher)}
    return [each for name, each in found.items() if name not in {mine.name for mine in own}]


def training_minutes(run: Run) -> float:
    """Return the minutes that a network was trained for, those of the runs that it goes on from included."""
    return sum(each.minutes for each in with_earlier(run))


def teaching_minutes(run: Run) -> float:
    """Return the minutes that a network's teachers were trained for; 0 if it has none."""
    return sum(each.minutes for each in teachers_of(run))
