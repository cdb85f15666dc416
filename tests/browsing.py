"""What browser tests share: a Jupyter server on loopback, and Debian's Chromium driven by Playwright."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cv2
import nbformat
import playwright.sync_api
import pytest

from emotion_detection.live import demo_clip
from emotion_detection.reporting import notebooks

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium not found: apt install chromium to run browser tests"
)
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
VIEWPORT = {"width": 1200, "height": 1600}
START = ".emotion-live button.start"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def jupyter(folder: Path, *options: str, application: str = "lab", **variables: str) -> Iterator[str]:
    """Run JupyterLab ("lab") or Notebook 7 ("notebook") on a folder, with settings of its own; yield its address.

    Further options are passed on to the server.
    """
    port = free_port()
    arguments = ["--no-browser", "--allow-root", "--IdentityProvider.token=", f"--ServerApp.port={port}", *options]
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        **variables,
    }
    command = [sys.executable, "-m", "jupyter", application, *arguments, f"--ServerApp.root_dir={folder}"]
    with (
        (folder / f"{application}.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as server,
    ):
        try:
            wait_for(f"http://127.0.0.1:{port}/api/status", folder / f"{application}.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


def run_cell(page, index: int) -> None:
    """Run a cell and wait until it is done; Lab loses the request if the kernel was not quite ready: it is repeated."""
    for _ in range(4):
        page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea-editor").nth(index).click()
        page.keyboard.press("Shift+Enter")
        with contextlib.suppress(AssertionError):
            prompt = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").nth(index)
            return playwright.sync_api.expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=20_000)
    pytest.fail("The cell was run four times and never finished")


def chromium(driver, *flags: str):
    """Start Debian's Chromium."""
    return driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])


def open_notebook(page, address: str, folder, name: str, *cells: str) -> None:
    """Write a notebook, open it in JupyterLab or Notebook 7 and run its first cell."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": notebooks.KERNEL, "display_name": "Emotion Detection", "language": "python"}
    nbformat.write(notebook, folder / f"{name}.ipynb")

    page.goto(f"{address}/{name}.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached", timeout=60_000)
    run_cell(page, 0)


def start(page) -> None:
    page.locator(START).first.click(timeout=60_000)


def wait_for_answers(page) -> None:
    page.wait_for_function(
        """() => [...document.querySelectorAll(".emotion-live .status")]
            .some((status) => /(\\d+) answers.s/.exec(status.innerText)?.[1] > 0)""",
        timeout=60_000,
    )


def run_the_live_cell(page, address: str) -> None:
    """Open the live notebook in JupyterLab and run it as far as the live cell."""
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached", timeout=60_000)
    for index in range(3):
        run_cell(page, index)


def write_camera_file(path: Path, *, frames_per_s: int = 15) -> Path:
    """Write what the fake camera sees: the portrait, still, so that it is known where the face is; raw frames (y4m)."""
    planes = cv2.cvtColor(demo_clip.frame_at(0.0), cv2.COLOR_BGR2YUV_I420).tobytes()
    header = f"YUV4MPEG2 W{demo_clip.WIDTH_PX} H{demo_clip.HEIGHT_PX} F{frames_per_s}:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(header + frames_per_s * (b"FRAME\n" + planes))
    return path


def camera_flags(camera: Path) -> list[str]:
    """Return the flags that give Chromium a camera that shows a file, and the permission to use it."""
    fake = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    return [*fake, f"--use-file-for-fake-video-capture={camera}"]


@contextlib.contextmanager
def served(folder: Path, *options: str) -> Iterator[str]:
    """Run `python -m emotion_detection live`; yield the address that it prints; Ctrl-C must end it and its server."""
    command = [sys.executable, "-m", "emotion_detection", "live", "--no-browser", *options]
    environment = os.environ | {"EMOTION_OUTPUT_DIR": str(folder), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    log = folder / "live.log"
    with (
        log.open("w") as written,
        subprocess.Popen(command, stdout=written, stderr=written, env=environment) as run,
    ):
        ends, found = time.monotonic() + 60, None
        while found is None and run.poll() is None and time.monotonic() < ends:
            time.sleep(0.2)
            found = re.search(r"http://(?:127\.0\.0\.1|localhost):\d+/\S*token=\w\S+", log.read_text())
        try:
            assert found, log.read_text()
            yield found[0]
        finally:
            run.send_signal(signal.SIGINT)
            assert run.wait(30) == 0
    with pytest.raises(OSError):
        urllib.request.urlopen(found[0], timeout=2)


def wait_for(address: str, log: Path, *, timeout_s: float = 60) -> None:
    """Wait until a server answers; fail with the end of its log."""
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.5)
    pytest.fail(f"{address} does not answer:\n{log.read_text()[-2000:]}")


def screenshot(page, name: str, *, height: int = 9000) -> None:
    """Keep a picture of the whole page in the folder that EMOTION_SCREENSHOTS names, to be looked at."""
    if folder := os.environ.get("EMOTION_SCREENSHOTS"):
        page.set_viewport_size({"width": 1200, "height": height})
        page.wait_for_timeout(500)
        page.screenshot(path=Path(folder) / f"{name}.png")
        page.set_viewport_size(VIEWPORT)
