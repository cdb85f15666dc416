"""Damaged and hostile inputs for all that reads: only the project's errors may come out, soon, in bounded memory.

    python tests/fuzz/fuzzing.py --inputs 100000 --seed 1

Each input is a good file with faults from a seed (see `mutations`). What fails is kept in a folder, and printed with
its target and number, by which it is made again: `--only TARGET --first NUMBER --inputs 1`.
"""

import argparse
import collections
import faulthandler
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from emotion_detection.errors import ProjectError
from fuzz import mutations, targets

LIMIT_S = 20.0
"""For one input; a hundred times what the slowest takes on an idle machine."""

LIMIT_BYTES = 1_500_000_000
"""How much the process may grow by, all inputs together."""

ADDRESS_SPACE = 12_000_000_000


class TooSlow(BaseException):
    """One input took longer than `LIMIT_S`; no `except Exception` holds it back."""


def _too_slow(*_) -> None:
    raise TooSlow


def feed(target: targets.Target, number: int, seed: int, folder: Path, keep: Path) -> str:
    """Read one damaged input: return "read", "refused" or "failed"; what failed is told and kept."""
    rng = np.random.default_rng([seed, number, *target.name.encode()])
    names = sorted(target.files)
    name = names[int(rng.integers(len(names)))]
    content = mutations.damaged(target.files[name], name, rng)
    path = folder / name
    path.write_bytes(content)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        target.read(path)
        return "read"
    except ProjectError as error:
        if all(each.isprintable() or each == "\n" for each in str(error)):
            return "refused"
        told = f"a message with control characters: {str(error)!r}"
    except BaseException as error:  # whatever else comes out is what is looked for
        if isinstance(error, KeyboardInterrupt):
            raise
        told = "".join(traceback.format_exception(error, limit=-4))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        path.write_bytes(target.files[name])
    keep.mkdir(parents=True, exist_ok=True)
    (keep / f"{target.name}-{number}-{name}").write_bytes(content)
    print(f"FAILED --only {target.name} --first {number} --seed {seed}: {name}\n{told}", flush=True)
    return "failed"


def run(inputs: int, *, seed: int, first: int, only: list[str], keep: Path) -> int:
    """Feed so many inputs, shared among the targets by their weights; return how many failed."""
    signal.signal(signal.SIGALRM, _too_slow)
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        chosen = [each for each in targets.make_all(Path(temporary)) if each.name in (only or [each.name])]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        for target in chosen:
            folder = Path(temporary) / target.name
            folder.mkdir(exist_ok=True)
            for name, content in target.files.items():
                (folder / name).write_bytes(content)
            count = max(1, round(inputs * target.weight / sum(each.weight for each in chosen)))
            outcomes = collections.Counter(
                feed(target, number, seed, folder, keep) for number in range(first, first + count)
            )
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
            failed += outcomes["failed"] + (grown > LIMIT_BYTES)
            told = ", ".join(f"{outcomes[each]:,} {each}" for each in ("read", "refused", "failed"))
            print(f"{target.name}: {count:,} inputs, {told}; grown by {grown / 1e6:.0f} MB", flush=True)
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fuzz-failures")
    sys.exit(bool(run(**vars(parser.parse_args()))))
