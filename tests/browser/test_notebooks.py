"""What a person sees in JupyterLab: each notebook runs in Chromium from top to bottom and shows its figures."""

import contextlib
import shutil
import time
from pathlib import Path

import nbformat
import playwright.sync_api
import pytest

import browsing
from emotion_detection.reporting import notebooks

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = notebooks.notebook_paths()
THE_FIRST_CELL_RAN = r"""() => /\[1\]/.test(document.querySelector(".jp-CodeCell .jp-InputPrompt").innerText)"""
pytestmark = [pytest.mark.browser, browsing.needs_chromium]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the notebooks without outputs, and of the records; Lab is set to render cells out of view too."""
    folder = tmp_path_factory.mktemp("lab")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, folder / path.name)
    shutil.copytree(ROOT / "data" / "results", folder / "out" / "results")
    settings = folder / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')
    return folder


@pytest.fixture(scope="module")
def lab(folder):
    """A JupyterLab on `folder`; yields its address."""
    with browsing.jupyter(folder, EMOTION_OUTPUT_DIR=str(folder / "out")) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browsing.CHROMIUM, args=browsing.FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    with browser.new_context(viewport=browsing.VIEWPORT) as context:
        yield context.new_page()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_restart_and_run_all_in_jupyterlab_shows_every_figure(lab, page, folder, path):
    page.goto(f"{lab}/lab/tree/{path.name}?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached", timeout=60_000)
    _restart_and_run_all(page)
    executed = _saved_when_executed(page, folder / path.name)
    pictures = [output for output in _outputs(executed) if "image/png" in output.get("data", {})]
    assert not [output for output in _outputs(executed) if output.output_type == "error"]
    assert pictures
    shown = page.locator(".jp-Notebook .jp-OutputArea-output img")
    assert shown.count() >= len(pictures)
    assert page.locator(".jp-Notebook h1").first.is_visible()
    assert page.locator(".jp-Dialog").count() == 0
    browsing.screenshot(page, path.stem)


def _restart_and_run_all(page) -> None:
    """Choose it from the menu until the first cell has run; Lab drops the request if the kernel was not quite ready.

    A cell marked as waiting is no proof: its request, too, is lost when the kernel restarts beneath it.
    """
    for _ in range(4):
        page.click("text=Run >> nth=0")
        page.click("text=Restart Kernel and Run All Cells…")
        page.click(".jp-Dialog button.jp-mod-accept")
        with contextlib.suppress(playwright.sync_api.TimeoutError):
            return page.wait_for_function(THE_FIRST_CELL_RAN, timeout=90_000)
    pytest.fail("Restart Kernel and Run All Cells was chosen four times, and the first cell never finished")


def _saved_when_executed(page, path: Path, *, timeout_s: float = 240) -> nbformat.NotebookNode:
    """Save until all cells of the file have run; return it."""
    ends, code = time.monotonic() + timeout_s, []
    while time.monotonic() < ends:
        page.wait_for_timeout(2000)
        page.keyboard.press("Control+s")
        try:
            notebook = nbformat.read(path, as_version=4)
        except nbformat.reader.NotJSONError:
            continue  # it is just being written
        code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
        failed = any(output.output_type == "error" for output in _outputs(notebook))
        if failed or all(cell.execution_count for cell in code):
            return notebook
    browsing.screenshot(page, f"{path.stem}_unfinished")
    pytest.fail(f"{path.name} was not executed in {timeout_s} s: {[cell.execution_count for cell in code]}")


def _outputs(notebook) -> list:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
