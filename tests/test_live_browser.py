"""The live cell in the real thing: JupyterLab and Notebook 7 on loopback, Chromium with a fake camera."""

import contextlib
import json
import re

import cv2
import nbformat
import playwright.sync_api
import pytest

import browsing
from emotion_detection import faces, notebooks, tracking
from emotion_detection.live import clip

pytestmark = [pytest.mark.browser, browsing.needs_chromium]

LIVE = "import emotion_detection.live as live\nview = live.LiveView()\nview"
WATCH_TRACKS = """
window.tracks = [];
const devices = navigator.mediaDevices;
if (devices?.getUserMedia) {
  const original = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (wanted) => {
    const stream = await original(wanted);
    window.tracks.push(...stream.getTracks());
    return stream;
  };
}
"""
CAMERA_IS_ON = "() => window.tracks.some((track) => track.readyState === 'live')"
CAMERA_IS_OFF = "() => window.tracks.length > 0 && window.tracks.every((track) => track.readyState === 'ended')"
OFF_WITHIN_MS = 10_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def lab(folder):
    """A JupyterLab; yields the address under which it opens notebooks."""
    with browsing.jupyter(folder) as address:
        yield f"{address}/lab/tree"


@pytest.fixture(scope="module")
def notebook7(folder):
    """A Notebook 7; yields the address under which it opens notebooks."""
    with browsing.jupyter(folder, application="notebook") as address:
        yield f"{address}/notebooks"


@pytest.fixture(scope="module")
def camera_file(tmp_path_factory):
    """What the fake camera sees: the portrait, still, so that it is known where the face is; raw frames (y4m)."""
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    planes = cv2.cvtColor(clip.frame_at(0.0), cv2.COLOR_BGR2YUV_I420).tobytes()
    header = f"YUV4MPEG2 W{clip.WIDTH_PX} H{clip.HEIGHT_PX} F15:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(header + 15 * (b"FRAME\n" + planes))
    return path


@pytest.fixture(scope="module")
def driver():
    with playwright.sync_api.sync_playwright() as driver:
        yield driver


def chromium(driver, *flags: str):
    return driver.chromium.launch(executable_path=browsing.CHROMIUM, args=[*browsing.FLAGS, *flags])


@pytest.fixture(scope="module")
def with_camera(driver, camera_file):
    camera = f"--use-file-for-fake-video-capture={camera_file}"
    browser = chromium(driver, "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", camera)
    yield browser
    browser.close()


@pytest.fixture
def page(with_camera):
    with with_camera.new_context(viewport=browsing.VIEWPORT) as context:
        context.add_init_script(WATCH_TRACKS)
        page = context.new_page()
        yield page
        browsing.screenshot(page, "live_last", height=1200)


def open_notebook(page, address: str, folder, name: str, *cells: str) -> None:
    """Write a notebook, open it in JupyterLab or Notebook 7 and run its first cell."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": notebooks.KERNEL, "display_name": "Emotion Detection", "language": "python"}
    nbformat.write(notebook, folder / f"{name}.ipynb")

    page.goto(f"{address}/{name}.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=60_000)
    run_cell(page, 0)


def run_cell(page, index: int) -> None:
    """Run a cell and wait until it is done; Lab loses the request if the kernel was not quite ready: it is repeated."""
    for _ in range(4):
        page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea-editor").nth(index).click()
        page.keyboard.press("Shift+Enter")
        with contextlib.suppress(AssertionError):
            prompt = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").nth(index)
            return playwright.sync_api.expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=20_000)
    pytest.fail("The cell was run four times and never finished")


def start(page) -> None:
    page.locator("button:has-text('Start / Stop')").first.click(timeout=60_000)


def wait_for_answers(page) -> None:
    page.wait_for_function(
        """() => [...document.querySelectorAll(".emotion-live .status")]
            .some((status) => /(\\d+) answers a second/.exec(status.innerText)?.[1] > 0)""",
        timeout=60_000,
    )


def stream(page, address: str, folder, name: str) -> None:
    """Open a notebook with a live view and start it."""
    open_notebook(page, address, folder, name, LIVE)
    start(page)
    wait_for_answers(page)


def answer_of(page) -> dict:
    """What the first view shows: status line and the label of the first face."""
    return {
        "status": page.locator(".emotion-live .status").first.inner_text(),
        "label": page.locator(".emotion-live .label").first.inner_text(),
    }


def test_answers_flow_the_box_is_on_the_face_and_stop_turns_the_camera_off(lab, page, folder):
    report = "seen = []\nview = live.LiveView(on_result=seen.append)\nview"
    where = "box = seen[-1].faces[0].box\nprint([box.x, box.y, box.width, box.height, *seen[-1].size])"
    open_notebook(page, lab, folder, "answers", f"import emotion_detection.live as live\n{report}", where)
    start(page)
    wait_for_answers(page)
    page.wait_for_timeout(4000)
    shown = answer_of(page)
    assert re.match(r"Happy \d+ %", shown["label"])
    assert "this browser's camera" in shown["status"] and "delay" in shown["status"]
    browsing.screenshot(page, "live_lab", height=1200)
    run_cell(page, 1)
    output = page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output pre")
    x, y, width, height, frame_width, _ = json.loads(output.inner_text(timeout=20_000))
    scale = clip.WIDTH_PX / frame_width
    box = faces.FaceBox(scale * x, scale * y, scale * width, scale * height)
    assert tracking.overlap(box, clip.face_at(0.0)) > 0.5
    start(page)
    page.wait_for_function(CAMERA_IS_OFF, timeout=OFF_WITHIN_MS)


def test_a_notebook_saved_while_streaming_holds_no_frame(lab, page, folder):
    stream(page, lab, folder, "saved")
    page.keyboard.press("Control+s")
    page.wait_for_timeout(3000)
    text = (folder / "saved.ipynb").read_text()
    assert "widget-view" in text
    assert "image/jpeg" not in text and "data:image" not in text and "/9j/" not in text
    without_code = re.sub(r'"_(esm|css)": "(?:[^"\\]|\\.)*"', "", text)
    assert len(without_code) < 60_000
    assert not re.search(r"[A-Za-z0-9+/]{400,}", without_code)


def test_clearing_the_output_turns_the_camera_off(lab, page, folder):
    stream(page, lab, folder, "cleared")
    page.click("text=Edit >> nth=0")
    page.click("text=Clear Outputs of All Cells")
    page.wait_for_function(CAMERA_IS_OFF, timeout=OFF_WITHIN_MS)


def test_restarting_the_kernel_turns_the_camera_off_and_says_what_to_do(lab, page, folder):
    stream(page, lab, folder, "restarted")
    page.click("text=Kernel >> nth=0")
    page.click("text=Restart Kernel… >> nth=0")
    page.click(".jp-Dialog button.jp-mod-accept")
    page.wait_for_function(CAMERA_IS_OFF, timeout=OFF_WITHIN_MS + 2000)
    assert "run this cell again" in page.locator(".emotion-live .notice").first.inner_text()


def test_a_refusal_ends_in_a_message_with_the_other_sources_as_buttons(lab, driver, folder):
    browser = chromium(driver, "--use-fake-device-for-media-stream", "--deny-permission-prompts")
    page = browser.new_page(viewport=browsing.VIEWPORT)
    open_notebook(page, lab, folder, "refused", LIVE)
    start(page)
    page.wait_for_selector(".emotion-live .notice:has-text('refused')", timeout=30_000)
    browsing.screenshot(page, "live_refused", height=1000)
    page.click(".emotion-live .notice button:has-text('the sample clip')")
    wait_for_answers(page)
    assert "the sample clip" in answer_of(page)["status"]
    browser.close()
