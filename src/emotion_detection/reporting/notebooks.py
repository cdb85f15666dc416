"""Run the numbered notebooks in order (`make figures`), or save them executed (`make notebooks`)."""

import argparse
import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat

from emotion_detection import files, paths
from emotion_detection.errors import DataError, ProjectError, UnknownNameError
from emotion_detection.reporting import terminal
from emotion_detection.runs import registry, store

KERNEL = "emotion-detection"
NOT_KEPT = {"faces", "widget"}
"""Tags of cells whose output is not committed: faces that are not ours to give away, widgets without a kernel."""

SHOWN_ON_FAILURE = 2000
"""Bytes of what kernels wrote to stderr that are shown when a notebook fails."""


def notebook_paths(numbers: Sequence[str] = ()) -> list[Path]:
    """Return the numbered notebooks, in order, and the appendices after them.

    Args:
        numbers: such as "04" or "A"; none means all.

    Raises:
        UnknownNameError: there is no notebook of one of the numbers.
    """
    folder = paths.project_root() / "notebooks"
    everything = [*folder.glob("[0-9][0-9]_*.ipynb"), *folder.glob("[A-Z]_*.ipynb")]
    found = {path.stem.partition("_")[0]: path for path in everything}
    for number in numbers:
        if number not in found:
            raise UnknownNameError(f"There is no notebook {number!r}. Choose of {', '.join(sorted(found))}.")
    return [found[number] for number in sorted(numbers or found)]


@contextlib.contextmanager
def _stderr_kept_aside() -> Iterator[None]:
    """Keep what is written to stderr, here and by kernels that start, aside; show its end only if the block fails.

    TensorFlow writes notices there before any setting can silence it.
    """
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0, os.SEEK_END)
            aside.seek(max(0, aside.tell() - SHOWN_ON_FAILURE))
            os.write(before, b"\n" + aside.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)


def execute(path: Path, output: Path, *, fast: bool = False, retrain: bool = False) -> None:
    """Run one notebook through papermill with FAST and RETRAIN set, in the notebooks' folder."""
    import papermill

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # the kernel inherits it: no start-up messages of TensorFlow
    parameters = {key: True for key, value in (("FAST", fast), ("RETRAIN", retrain)) if value}
    papermill.execute_notebook(
        path,
        output,
        parameters=parameters,
        kernel_name=KERNEL,
        cwd=path.parent,
        progress_bar=False,
        extra_arguments=["--log-level=ERROR"],
    )


def cleaned(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return an executed notebook as it is committed: no timing, no widget state, no output of cells in `NOT_KEPT`."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Emotion Detection", "language": "python", "name": KERNEL},
            "language_info": {"name": "python"},
            "emotion_detection": {"executed_source": source_digest(notebook)},
        }
    )
    for cell in notebook.cells:
        tags = [tag for tag in cell.metadata.get("tags", []) if tag != "papermill-error-cell-tag"]
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type != "code":
            continue
        if NOT_KEPT & set(tags):
            cell.outputs = []
        kept = []
        for output in cell.outputs:
            is_widget = "application/vnd.jupyter.widget-view+json" in output.get("data", {})  # such as a progress bar
            is_warning = output.output_type == "stream" and output.name == "stderr"
            if not is_widget and not is_warning:
                kept.append(output)
        cell.outputs = kept
    return notebook


def source_digest(notebook: nbformat.NotebookNode) -> str:
    """Return a digest of all code, kept in the notebook's metadata: it tells whether outputs are those of this code."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\n\n".join(code).encode()).hexdigest()[:16]


def run_all(numbers: Sequence[str] = (), *, save: bool = False, fast: bool = False, retrain: bool = False) -> None:
    """Run notebooks with a line of progress each (all, if no numbers are given); with `save`, write them back executed.

    With `retrain` they run a second time, from the new records: a notebook may show a run that a later one trains.
    Those about a reader's own pictures are kept, executed, in the folder `notebooks/` beside their figures.

    Raises:
        UnknownNameError: there is no notebook of one of the numbers.
        papermill.PapermillExecutionError: a cell failed; the message shows it.
    """
    found = notebook_paths(numbers)
    if save:
        registry.check_is_ours("A saved notebook")
    if fast:
        _forget_earlier_runs()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(found, start=1):
            sys.stdout.write(f"[{number}/{len(found)}] {path.name} … ")
            sys.stdout.flush()
            started = time.perf_counter()
            output = _kept_folder(Path(folder)) / path.name
            with _stderr_kept_aside():
                execute(path, output, fast=fast, retrain=retrain)
            if save:
                text = nbformat.writes(cleaned(nbformat.read(output, as_version=4)), version=4) + "\n"
                files.write_text(path, text)
            sys.stdout.write(f"{time.perf_counter() - started:.0f} s\n")
    if retrain and not fast:
        sys.stdout.write("Once more, from the new records:\n")
        run_all(numbers, save=save)
        return
    where = paths.displayed(paths.figures_dir())
    sys.stdout.write(f"Done in {time.perf_counter() - began:.0f} s; figures are in {where}.\n")


def _kept_folder(temporary: Path) -> Path:
    """Return where executed notebooks go: a folder that stays, if they are about a reader's own pictures."""
    if paths.pictures_dir() is None:
        return temporary
    folder = paths.output_dir() / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _forget_earlier_runs() -> None:
    """Delete the records of an earlier FAST run, which would be read instead of trained; nothing else.

    Raises:
        DataError: the output would go where recorded runs of FER2013 are.
    """
    for name in store.recorded(here=True):
        run = store.load_run(name, here=True)
        if paths.output_dir() is None or not run.is_sample:
            raise DataError(
                f"FAST results would go to {paths.displayed(paths.results_dir())}, which holds the recorded run "
                f"{name}. Set EMOTION_OUTPUT_DIR to a folder of its own, such as output/fast."
            )
        shutil.rmtree(store.run_dir(name))


def main() -> None:
    """Parse the flags that `make` passes on."""
    terminal.make_readable()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", help="notebooks to run, such as 04 06; all if none is given")
    parser.add_argument("--save", action="store_true", help="write the notebooks back, executed and cleaned")
    parser.add_argument("--fast", action="store_true", help="drawn sample, one epoch, own output folder")
    parser.add_argument("--pictures", type=Path, help="a folder of your own labelled pictures, in FER2013's place")
    parser.add_argument("--retrain", action="store_true", help="train the runs again (hours)")
    arguments = parser.parse_args()
    if arguments.save and (arguments.fast or arguments.retrain):
        parser.error("--save keeps recorded numbers only: call it without --fast and --retrain")
    if arguments.pictures is not None:
        os.environ["EMOTION_PICTURES"] = str(paths.expanded(arguments.pictures).resolve())
    if paths.pictures_dir() is not None and (arguments.save or arguments.fast):
        parser.error("--save keeps the numbers of FER2013, --fast shows drawn faces: call it without EMOTION_PICTURES")
    # The notebooks' kernels inherit it. Without it, a notebook that is run by hand writes no figure of ours.
    os.environ.setdefault("EMOTION_FIGURES_DIR", str(paths.project_root() / "figures"))
    if arguments.fast:
        os.environ.setdefault("EMOTION_OUTPUT_DIR", str(paths.project_root() / "output" / "fast"))
    import papermill

    try:
        run_all(arguments.numbers, save=arguments.save, fast=arguments.fast, retrain=arguments.retrain)
    except papermill.PapermillExecutionError as error:
        sys.stderr.write(f"\nCell {error.exec_count} failed with {error.ename}: {error.evalue}\n")
        sys.exit(1)
    except ProjectError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
