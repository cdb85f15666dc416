"""What browser tests share: a Jupyter server on loopback, and Debian's Chromium driven by Playwright."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium not found: apt install chromium to run browser tests"
)
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
VIEWPORT = {"width": 1200, "height": 1600}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def jupyter(folder: Path, *, application: str = "lab", **variables: str) -> Iterator[str]:
    """Run JupyterLab ("lab") or Notebook 7 ("notebook") on a folder, with settings of its own; yield its address."""
    port = free_port()
    arguments = ["--no-browser", "--allow-root", "--IdentityProvider.token=", f"--ServerApp.port={port}"]
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
