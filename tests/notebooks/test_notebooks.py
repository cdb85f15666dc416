"""The notebooks: as committed (house rules), and run from top to bottom on the drawn sample."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from emotion_detection import paths
from emotion_detection.errors import UnknownNameError
from emotion_detection.reporting import notebooks
from emotion_detection.training import catalog

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
ALL = sorted(FOLDER.glob("*.ipynb"))
MOST_WORDS = 700
MOST_CODE_CELLS = 12
MOST_LINES = 12
MOST_FIGURES = 5
MOST_ROWS = 12
MOST_BYTES = 500_000


@pytest.fixture(scope="module", params=ALL, ids=lambda path: path.stem)
def committed(request):
    return request.param, nbformat.read(request.param, as_version=4)


def number_of(path: Path) -> str:
    """Return "05" of a notebook or a figure, or "A" of an appendix."""
    return path.stem.partition("_")[0]


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks_with_numbers_in_their_names():
    assert len(ALL) >= 4
    assert all(re.fullmatch(r"(\d\d|[A-Z])_[a-z0-9_]+", path.stem) for path in ALL)


def test_a_notebook_opens_with_title_aims_imports_and_parameters(committed):
    _, notebook = committed
    first, second, third = notebook.cells[:3]
    assert first.source.startswith("# ")
    assert all(part in first.source for part in ("What you'll do", "What you'll learn", "What you'll need"))
    assert second.cell_type == "code"
    assert "import" in second.source
    assert third.metadata.tags == ["parameters"]
    assert all(re.match(r"[A-Z_]+ = ", line) for line in third.source.splitlines())


def test_a_notebook_ends_with_findings_and_a_link(committed):
    _, notebook = committed
    tail = "\n".join(cell.source for cell in notebook.cells[-3:])
    assert "## What we found" in tail
    link = re.search(r"\]\((\w+\.ipynb)\)", tail)
    assert (FOLDER / link[1]).is_file()


def words_of(notebook) -> list[str]:
    """Return the words of the Markdown; addresses of links and signs by themselves are none."""
    text = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return [word for word in re.sub(r"\]\([^)]*\)", "]", text).split() if re.search(r"\w", word)]


def test_a_notebook_only_imports_calls_and_shows(committed):
    _, notebook = committed
    for cell in code_cells(notebook):
        assert not re.search(r"^\s*(class|def) |sys\.path|^\s*[!%]|[\"']\.{0,2}/|\.\./", cell.source, re.MULTILINE), (
            cell.source
        )


def test_a_notebook_is_short_enough_to_be_read(committed):
    path, notebook = committed
    code = code_cells(notebook)
    outputs = [output.get("data", {}) for cell in code for output in cell.outputs]
    tables = [text for text in (data.get("text/markdown", "") for data in outputs) if "<details>" not in text]
    assert len(words_of(notebook)) <= MOST_WORDS
    assert len(code) - 2 <= MOST_CODE_CELLS  # imports and parameters are no reading
    assert max(len(cell.source.splitlines()) for cell in code) <= MOST_LINES
    assert sum("image/png" in data for data in outputs) <= MOST_FIGURES
    assert max((len(re.findall(r"^\|", text, re.MULTILINE)) - 2 for text in tables), default=0) <= MOST_ROWS
    assert path.stat().st_size <= MOST_BYTES


def test_the_text_of_a_notebook_is_written_by_a_person(committed):
    _, notebook = committed
    assert not [cell.source for cell in code_cells(notebook) if "Markdown(" in cell.source]
    assert any("## Questions to try" in cell.source for cell in notebook.cells)


def test_a_notebook_is_committed_executed_in_order_without_errors(committed):
    path, notebook = committed
    executed = notebook.metadata.emotion_detection.executed_source
    assert executed == notebooks.source_digest(notebook), f"{path.name} was changed since: run `make notebooks`"
    cells = [cell for cell in code_cells(notebook) if cell.source.strip()]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_a_notebook_holds_no_face_no_widget_and_no_machine_path(committed):
    _, notebook = committed
    assert set(notebook.metadata) == {"kernelspec", "language_info", "emotion_detection"}
    assert notebook.metadata.kernelspec.name == notebooks.KERNEL
    for cell in code_cells(notebook):
        assert set(cell.metadata) <= {"tags"}
        assert "face_grid" not in cell.source or "faces" in cell.metadata.tags
        if notebooks.NOT_KEPT & set(cell.metadata.get("tags", [])):
            assert cell.outputs == []
        for output in cell.outputs:
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
            text = {key: value for key, value in output.get("data", {}).items() if key != "image/png"}
            assert not re.search(r"(?<![\w.-])/(work|tmp|root|home|Users)/", json.dumps(text) + output.get("text", ""))


def test_each_figure_of_a_notebook_is_committed_with_its_numbers(committed):
    _, notebook = committed
    names = re.findall(r'save_figure\((?:figure, )?\s*"(\w+)"', "\n".join(cell.source for cell in notebook.cells))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    for name in names:
        figures = FOLDER.parent / "figures"
        assert (figures / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "source" in json.loads((figures / f"{name}.json").read_text(encoding="utf-8"))


def test_after_training_again_all_notebooks_run_once_more_from_the_new_records(monkeypatch):
    calls = []
    monkeypatch.setattr(notebooks, "execute", lambda path, _, *, fast, retrain: calls.append((path.stem, retrain)))
    notebooks.run_all(retrain=True)
    names = [path.stem for path in notebooks.notebook_paths()]
    assert calls == [(name, True) for name in names] + [(name, False) for name in names]


def test_bars_of_progress_and_warnings_are_not_committed():
    bar = nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "0%"})
    said = nbformat.v4.new_output("stream", name="stderr", text="a warning")
    table = nbformat.v4.new_output("execute_result", {"text/plain": "a table"}, execution_count=1)
    cell = nbformat.v4.new_code_cell("1", outputs=[bar, said, table])
    assert notebooks.cleaned(nbformat.v4.new_notebook(cells=[cell])).cells[0].outputs == [table]


def test_notebooks_are_chosen_by_number():
    assert [number_of(path) for path in notebooks.notebook_paths(["05", "00"])] == ["00", "05"]
    with pytest.raises(UnknownNameError, match="There is no notebook '99'"):
        notebooks.notebook_paths(["99"])


def _fast_figures(numbers: list[str], folder: Path) -> dict[str, dict]:
    """Run notebooks in FAST mode and return the numbers of their figures; ours must not be touched."""
    ours = {path: path.stat().st_mtime_ns for path in sorted((paths.project_root() / "figures").iterdir())}
    notebooks.run_all(numbers, fast=True)
    assert {path: path.stat().st_mtime_ns for path in ours} == ours
    values = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (folder / "figures").glob("*.json")}
    assert set(values) == {path.stem for path in ours if number_of(path) in numbers}
    return values


@pytest.mark.notebook
@pytest.mark.slow
def test_all_notebooks_run_on_the_drawn_sample(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_OUTPUT_DIR", str(tmp_path))
    values = _fast_figures([number_of(path) for path in ALL], tmp_path)
    _check_fast_training(values)
    _check_fast_scores(values)


def _check_fast_training(values: dict) -> None:
    """Assert on the numbers plotted: they are those of the sample, and complete."""
    counts = values["01_class_counts"]
    assert counts["source"].startswith("drawn sample")
    assert sum(counts["n"].values()) == 420
    curves = values["03_learning_curves"]
    assert [key for key in curves if key != "source"] == ["TL top", "TL 100", "TL whole"]
    assert all(len(curve["epoch"]) == 1 for key, curve in curves.items() if key != "source")
    assert curves["TL whole"]["epoch"] == [1]
    assert sum(values["00_first_answer"]["probabilities"].values()) == pytest.approx(1, abs=0.01)
    means = values["01_average_faces"]["mean_gray"]
    assert len(means) == 7 and all(0 < mean < 255 for mean in means.values())


def _check_fast_scores(values: dict) -> None:
    assert values["05_reliability"]["n"] == 42
    f1 = values["05_f1_by_emotion"]
    assert f1["source"].startswith("drawn sample")
    matrix = values["05_confusion_matrix"]["counts"]
    assert sum(map(sum, matrix)) == 42
    drawn = [name for name in values if name.startswith(("04", "06"))]
    assert all(values[name]["source"].startswith("drawn sample") for name in drawn)
    arms = {words for words, changes, _ in catalog.RARE_ARMS.values() if changes}
    assert set(values["04_rare_emotions"]) - {"source"} == arms
