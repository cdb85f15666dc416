"""What a person sees in JupyterLab: a notebook opens in Chromium and shows its figures."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium not found: apt install chromium to run browser tests"),
]


def free_port() -> int:
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab on a copy of the notebooks; yields its address."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    port = free_port()
    arguments = ["--no-browser", "--allow-root", "--IdentityProvider.token=", f"--ServerApp.port={port}"]
    environment = os.environ | {"JUPYTER_CONFIG_DIR": str(folder / "config"), "EMOTION_OUTPUT_DIR": str(folder / "out")}
    command = [sys.executable, "-m", "jupyter", "lab", *arguments, f"--ServerApp.root_dir={folder / 'notebooks'}"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as server,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status", folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


def _wait_for(address: str, log: Path) -> None:
    for _ in range(120):
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.5)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def page():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser.new_page(viewport={"width": 1200, "height": 1600})
        browser.close()


def test_a_notebook_opens_in_jupyterlab_with_its_figures(lab, page, tmp_path):
    page.goto(f"{lab}/lab/tree/01_explore_class_balance.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_selector(".jp-OutputArea-output img", timeout=60_000)
    page.screenshot(path=os.environ.get("EMOTION_SCREENSHOT", tmp_path / "notebook.png"))
    assert page.locator(".jp-Notebook h1").first.inner_text().startswith("Explore")
    assert page.locator(".jp-Dialog").count() == 0
