"""What several processes bought where it was measured: read from its record, put into words for the page on it."""

import re
import statistics
from pathlib import Path

from emotion_detection import files, paths
from emotion_detection.errors import DataError

COMMAND = "python tests/benchmarks/bench_sweep.py"
MARKERS = re.compile(r"(<!-- scaling:begin[^>]*-->\n).*?(<!-- scaling:end -->)", re.DOTALL)


def path() -> Path:
    """Return where the benchmark leaves its record."""
    return paths.project_root() / "data" / "results" / "benchmarks" / "sweep.json"


def page_path() -> Path:
    """Return the page that tells it."""
    return paths.project_root() / "notebooks" / "beyond_one_machine.md"


def ratios(values: dict) -> dict[str, list[float]]:
    """Return for each measured kind of work how many times faster the workers were, a number per round."""
    rounds = values["trainings"]["rounds"]
    return {
        "total": [each["plain"]["total_s"] / each["ray"]["total_s"] for each in rounds],
        "epochs": epoch_ratios(values),
        "pictures": [each["plain_s"] / each["ray_s"] for each in values["pictures"]["rounds"]],
    }


def epoch_ratios(values: dict) -> list[float]:
    """Return how many times faster the workers were in later epochs, a number per round.

    One after another takes the sum of the jobs' epochs, side by side the longest of them.
    """
    rounds = values["trainings"]["rounds"]
    return [sum(each["plain"]["epoch_s"]) / max(each["ray"]["epoch_s"]) for each in rounds]


def told(numbers: list[float]) -> str:
    """Return the median and the range of some ratios, such as "1.52 times (1.50–1.61)"."""
    return f"{statistics.median(numbers):.2f} times ({min(numbers):.2f}–{max(numbers):.2f})"


def block(values: dict | None = None) -> str:
    """Return the measured numbers as Markdown: of the record, or of `values`."""
    if values is None:
        if not path().is_file():
            return f"Not measured yet: `{COMMAND}`, then `python -m emotion_detection report`.\n"
        values = files.read_json(path(), remake=COMMAND)
    found, trainings = ratios(values), values["trainings"]
    starting_s = statistics.median(
        each["ray"]["total_s"] - trainings["epochs"] * max(each["ray"]["epoch_s"]) for each in trainings["rounds"]
    )
    return BLOCK.format(
        **{name: told(numbers) for name, numbers in found.items()},
        workers=values["workers"],
        rounds=len(trainings["rounds"]),
        pictures_count=values["pictures"]["count"],
        measured=values["measured"],
        packages=", ".join(f"{name} {version}" for name, version in values["packages"].items()),
        command=COMMAND,
        jobs=trainings["jobs"],
        n_epochs=trainings["epochs"],
        faces=trainings["faces"],
        starting_s=starting_s,
        **{name: values["hardware"][name] for name in ("system", "cores", "memory_gb")},
    )


BLOCK = """\
| {workers} workers of one thread, against one process with all cores | faster: median (range) of {rounds} rounds |
|---|---:|
| trainings, later epochs: what a long sweep comes to | {epochs} |
| trainings, this short sweep from start to end, Python, TensorFlow and Ray started anew | {total} |
| {pictures_count} pictures, workers started before | {pictures} |

Measured on {measured}: {cores} cores, {memory_gb} GB, {system}; {packages}; by `{command}`.
The trainings: {jobs} of TL whole at 96 px, {n_epochs} epochs of {faces} drawn faces each. About {starting_s:.0f} s of
the short sweep are starting, building and tracing: trainings of less than some minutes gain little by workers.
"""


def page() -> str:
    """Return the page with what stands between its markers made anew.

    Raises:
        DataError: the markers are not there.
    """
    text = page_path().read_text(encoding="utf-8")
    if not MARKERS.search(text):
        raise DataError(
            f"{paths.displayed(page_path())} has no '<!-- scaling:begin -->' … '<!-- scaling:end -->' markers, so what "
            "was measured cannot be written. Put them where it belongs."
        )
    return MARKERS.sub(lambda match: match[1] + block() + match[2], text)
