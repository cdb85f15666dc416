"""Take the picture of the running live cell that the README shows: JupyterLab, the sample clip, a public-domain face.

    python tests/take_screenshot.py

Writes `figures/live_cell.png`. Needs Chromium.
"""

import io
import sys
import tempfile
from pathlib import Path

import PIL.Image
import playwright.sync_api

import browsing
from emotion_detection import files, paths

NAME = "live_cell.png"
WIDTH_PX, HEIGHT_PX = 1180, 1700
NO_POPUPS = ".Toastify { display: none }"
WARM_UP_MS = 8000
COLORS = 256
"""A palette is enough for a page and keeps the file small."""


def main() -> None:
    """Start JupyterLab on the live notebook, choose the clip, start it, and keep what the page shows."""
    if browsing.CHROMIUM is None:
        sys.exit("Chromium not found: apt install chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        browsing.served(Path(folder), "--lab") as address,
        playwright.sync_api.sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=browsing.CHROMIUM, args=browsing.FLAGS)
        page = browser.new_page(viewport={"width": WIDTH_PX, "height": HEIGHT_PX})
        browsing.run_the_live_cell(page, address)
        page.locator(".emotion-live .source").select_option("clip", timeout=60_000)
        page.keyboard.press("Control+b")  # the file list makes way
        browsing.start(page)
        page.wait_for_selector(".emotion-live [aria-label='Face 1']", timeout=60_000)
        page.wait_for_timeout(WARM_UP_MS)
        page.add_style_tag(content=NO_POPUPS)
        page.mouse.move(0, 0)
        box = page.locator(".jp-CodeCell:has(.emotion-live)").first.bounding_box()
        picture = page.screenshot(clip=box)
        browser.close()
    packed = io.BytesIO()
    PIL.Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLORS).save(packed, "PNG", optimize=True)
    picture = paths.project_root() / "figures" / NAME
    with files.written_beside(picture) as beside:
        beside.write_bytes(packed.getvalue())
    sys.stdout.write(f"{paths.displayed(picture)}: {len(packed.getvalue()) // 1000} kB\n")


if __name__ == "__main__":
    main()
