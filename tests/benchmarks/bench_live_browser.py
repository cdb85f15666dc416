"""The live cell in a real JupyterLab with Chromium and a fake camera, all on this machine.

    python tests/benchmarks/bench_live_browser.py [--minutes 1]

Prints answers a second and delay (medians of what the status line shows), the time from running the cell to the first
answer, and how the kernel's memory moves while it streams (`--minutes 10` for the long look). Exits 1 if a target is
missed. Run it on an idle machine.
"""

import argparse
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import playwright.sync_api
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import browsing

TARGET_ANSWERS_PER_S = 15.0
TARGET_DELAY_MS = 100.0
TARGET_FIRST_ANSWER_S = 3.0
TARGET_DRIFT_MB = 20.0
SETTLE_S = 20.0
CELL = "from emotion_detection.live import LiveView\n\nview = LiveView()\nview"
START = "button:has-text('Start / Stop')"
STATUS = re.compile(r"(\d+) pictures shown a second · (\d+) answers a second · delay (\d+) ms · (\d+) % dropped")


def write_notebook(path: Path) -> None:
    """Write a notebook with the live cell, after one that shows that the kernel is ready."""
    cells = [nbformat.v4.new_code_cell(source) for source in ("'ready'", CELL)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "emotion-detection", "display_name": "Emotion Detection"}
    nbformat.write(notebook, path)


def first_answer_s(page) -> float:
    """Run the live cell, click Start as soon as it is there, and return the seconds to the first answer."""
    browsing.run_cell(page, 0)
    began = time.perf_counter()
    page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea-editor").nth(1).click()
    page.keyboard.press("Shift+Enter")
    page.locator(START).first.click(timeout=60_000)
    page.wait_for_selector(".emotion-live .label", timeout=60_000)
    return time.perf_counter() - began


def kernel_of(server: str) -> psutil.Process:
    """Return the process of the only kernel among our children."""
    kernels = [
        child
        for child in psutil.Process().children(recursive=True)
        if any("ipykernel_launcher" in word for word in child.cmdline())
    ]
    if len(kernels) != 1:
        raise RuntimeError(f"{len(kernels)} kernels run under {server}, expected 1. Run this alone.")
    return kernels[0]


def watch(page, kernel: psutil.Process, seconds: float) -> tuple[list[tuple[int, ...]], list[float]]:
    """Return what the status line shows, a line a second, and the kernel's memory in MB."""
    shown, memory_mb = [], []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        page.wait_for_timeout(1000)
        if found := STATUS.search(page.locator(".emotion-live .status").first.inner_text()):
            shown.append(tuple(int(value) for value in found.groups()))
        memory_mb.append(kernel.memory_info().rss / 1e6)
    return shown, memory_mb


def main() -> None:
    """Measure, print, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to stream")
    minutes = parser.parse_args().minutes
    if browsing.CHROMIUM is None:
        print("Chromium not found: apt install chromium. Nothing is measured.")
        return
    with tempfile.TemporaryDirectory() as name, playwright.sync_api.sync_playwright() as driver:
        folder = Path(name)
        write_notebook(folder / "live.ipynb")
        camera = browsing.write_camera_file(folder / "camera.y4m", frames_per_s=30)
        with browsing.jupyter(folder) as server:
            browser = driver.chromium.launch(
                executable_path=browsing.CHROMIUM, args=[*browsing.FLAGS, *browsing.camera_flags(camera)]
            )
            page = browser.new_page(viewport=browsing.VIEWPORT)
            page.goto(f"{server}/lab/tree/live.ipynb?reset")
            first_s = first_answer_s(page)
            page.wait_for_timeout(1000 * SETTLE_S)
            shown, memory_mb = watch(page, kernel_of(server), 60 * minutes)
            browser.close()
    _, answers, delays_ms, dropped = (statistics.median(column) for column in zip(*shown, strict=True))
    drift_mb = max(memory_mb) - min(memory_mb)
    print(f"answers a second: {answers:.0f} (target {TARGET_ANSWERS_PER_S:.0f} or more), {dropped:.0f} % dropped")
    print(f"delay: {delays_ms:.0f} ms (target below {TARGET_DELAY_MS:.0f})")
    print(f"running the cell to the first answer: {first_s:.1f} s (target below {TARGET_FIRST_ANSWER_S:.0f})")
    print(f"kernel's memory over {minutes:g} min: {memory_mb[-1]:.0f} MB, within {drift_mb:.0f} MB", end=" ")
    print(f"(target ±{TARGET_DRIFT_MB:.0f})")
    missed = [answers < TARGET_ANSWERS_PER_S, delays_ms > TARGET_DELAY_MS, first_s > TARGET_FIRST_ANSWER_S]
    sys.exit(1 if any(missed) or drift_mb > 2 * TARGET_DRIFT_MB else 0)


if __name__ == "__main__":
    main()
