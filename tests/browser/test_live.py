"""The live cell in the real thing: JupyterLab and Notebook 7 on loopback, Chromium with a fake camera."""

import json
import re
import time

import playwright.sync_api
import pytest

import browsing
from emotion_detection.faces import cropping
from emotion_detection.inference import tracking
from emotion_detection.live import demo_clip
from stand_ins import face_at

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
DRAWN = """() => {
  const canvas = document.querySelector(".emotion-live .overlay");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const opaque = (x, y) => pixels[4 * (y * canvas.width + x) + 3] > 128;
  const row = Math.round(0.4 * canvas.height);
  const xs = [...Array(canvas.width).keys()].filter((x) => opaque(x, row));
  return [xs[0] / canvas.width, xs.at(-1) / canvas.width];
}"""
"""Where the drawn box begins and ends on the line through the face, as shares of the width."""
BUSY = "import time\ntime.sleep(12)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def lab(folder):
    """A JupyterLab that saves widget states with notebooks; yields the address under which it opens notebooks."""
    settings = folder / "settings" / "@jupyter-widgets" / "jupyterlab-manager" / "plugin.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"saveState": true}')
    with browsing.jupyter(folder) as address:
        yield f"{address}/lab/tree"


@pytest.fixture(scope="module")
def notebook7(folder):
    """A Notebook 7; yields the address under which it opens notebooks."""
    with browsing.jupyter(folder, application="notebook") as address:
        yield f"{address}/notebooks"


@pytest.fixture(scope="module")
def camera_file(tmp_path_factory):
    return browsing.write_camera_file(tmp_path_factory.mktemp("camera") / "camera.y4m")


@pytest.fixture(scope="module")
def driver():
    with playwright.sync_api.sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def with_camera(driver, camera_file):
    browser = browsing.chromium(driver, *browsing.camera_flags(camera_file))
    yield browser
    browser.close()


@pytest.fixture
def page(with_camera):
    with with_camera.new_context(viewport=browsing.VIEWPORT) as context:
        context.add_init_script(WATCH_TRACKS)
        page = context.new_page()
        yield page
        browsing.screenshot(page, "live_last", height=1200)


def stream(page, address: str, folder, name: str, *cells: str) -> None:
    """Open a notebook with a live view, and other cells after it, and start the view."""
    browsing.open_notebook(page, address, folder, name, LIVE, *cells)
    browsing.start(page)
    browsing.wait_for_answers(page)


def wait_for_notice(page, words: str, *, timeout_s: float = 30) -> None:
    page.wait_for_selector(f".emotion-live .notice:has-text('{words}')", timeout=1000 * timeout_s)


def take_the_clip(page) -> None:
    page.click(".emotion-live .notice button:has-text('the sample clip')")
    browsing.wait_for_answers(page)
    assert "the sample clip" in answer_of(page)["status"]


def begin_cell(page, index: int) -> None:
    """Ask for a cell to be run, and do not wait for it."""
    page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea-editor").nth(index).click()
    page.keyboard.press("Shift+Enter")


def printed(page, index: int) -> str:
    """What a cell has printed, as soon as it has."""
    output = page.locator(".jp-CodeCell").nth(index).locator(".jp-OutputArea-output pre").last
    return output.inner_text(timeout=30_000)


def answer_of(page) -> dict:
    """What the first view shows: its status with all details, and the label of the first face."""
    status = page.locator(".emotion-live .status").first
    if status.get_attribute("open") is None:
        status.locator("summary").click()
        page.wait_for_timeout(700)
    return {
        "status": status.inner_text(),
        "label": page.locator(".emotion-live .label").first.inner_text(),
    }


def test_answers_flow_the_box_is_on_the_face_and_stop_turns_the_camera_off(lab, page, folder):
    report = "seen = []\nview = live.LiveView(on_result=seen.append)\nview"
    where = "box = seen[-1].faces[0].box\nprint([box.x, box.y, box.width, box.height, *seen[-1].size])"
    browsing.open_notebook(page, lab, folder, "answers", f"import emotion_detection.live as live\n{report}", where)
    browsing.start(page)
    browsing.wait_for_answers(page)
    page.wait_for_timeout(4000)
    shown = answer_of(page)
    assert shown["label"] == "Happy"
    assert "this browser's camera" in shown["status"] and re.search(r"1 face · \d+ ms", shown["status"])
    left, right = page.evaluate(DRAWN)
    face = face_at(0.0)
    mirrored = 1 - (face.x + face.width) / demo_clip.WIDTH_PX
    assert (left, right) == pytest.approx((mirrored, 1 - face.x / demo_clip.WIDTH_PX), abs=0.08)
    browsing.screenshot(page, "live_lab", height=1200)
    browsing.run_cell(page, 1)
    x, y, width, height, frame_width, _ = json.loads(printed(page, 1))
    scale = demo_clip.WIDTH_PX / frame_width
    box = cropping.FaceBox(scale * x, scale * y, scale * width, scale * height)
    assert tracking.overlap(box, face_at(0.0)) > 0.5
    browsing.start(page)
    page.wait_for_function(CAMERA_IS_OFF, timeout=OFF_WITHIN_MS)


HEAT = """() => {
  const canvas = document.querySelector(".emotion-live .overlay");
  const [x, y, size] = [canvas.width / 3, canvas.height / 4, canvas.height / 2].map(Math.round);
  const pixels = canvas.getContext("2d").getImageData(x, y, size, size).data;
  const translucent = (index) => pixels[4 * index + 3] > 30 && pixels[4 * index + 3] < 200;
  return [...Array(size * size).keys()].filter(translucent).length / (size * size);
}"""
"""Share of the picture's middle that is under translucent heat."""


def test_why_is_chosen_by_keyboard_and_heat_lies_over_the_face(lab, page, folder):
    stream(page, lab, folder, "why")
    page.wait_for_timeout(1500)
    assert page.evaluate(HEAT) < 0.02
    page.click(".emotion-live .settings summary")
    page.get_by_label("Show why").first.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function(f"() => ({HEAT})() > 0.1", timeout=20_000)
    browsing.screenshot(page, "live_why", height=1200)
    page.keyboard.press("ArrowUp")
    page.wait_for_function(f"() => ({HEAT})() < 0.02", timeout=20_000)


def test_a_notebook_saved_while_streaming_holds_no_frame(lab, page, folder):
    stream(page, lab, folder, "saved")
    page.keyboard.press("Control+s")
    page.wait_for_timeout(3000)
    text = (folder / "saved.ipynb").read_text()
    state = json.loads(text)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert "AnyModel" in {each["model_name"] for each in state.values()}
    without_code = re.sub(r'"_(esm|css)": "(?:[^"\\]|\\.)*"', "", text)
    assert not any(sign in without_code for sign in ("image/jpeg", "data:image", "/9j/"))
    assert len(without_code) < 100_000
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
    page.wait_for_function(CAMERA_IS_OFF, timeout=OFF_WITHIN_MS)
    assert "run this cell again" in page.locator(".emotion-live .notice").first.inner_text()


def test_running_the_cell_again_turns_the_first_camera_off(lab, page, folder):
    stream(page, lab, folder, "again")
    browsing.run_cell(page, 0)
    page.wait_for_function(CAMERA_IS_OFF, timeout=OFF_WITHIN_MS)


def test_closing_the_view_from_code_turns_the_camera_off(lab, page, folder):
    stream(page, lab, folder, "closed_view", "view.close()")
    browsing.run_cell(page, 1)
    page.wait_for_function(CAMERA_IS_OFF, timeout=OFF_WITHIN_MS)


def test_a_dead_kernel_turns_the_camera_off(lab, page, folder):
    stream(page, lab, folder, "died", "import os\nos._exit(1)")
    begin_cell(page, 1)
    page.wait_for_function(CAMERA_IS_OFF, timeout=OFF_WITHIN_MS)


def test_closing_the_notebook_in_lab_turns_the_camera_off(lab, page, folder):
    stream(page, lab, folder, "put_away")
    page.locator(".lm-TabBar-tab:has-text('put_away') .lm-TabBar-tabCloseIcon").first.click()
    page.click(".jp-Dialog button:has-text('Discard')")
    page.wait_for_function(CAMERA_IS_OFF, timeout=OFF_WITHIN_MS)


def test_a_closed_tab_releases_a_source_of_the_kernel(lab, with_camera, folder):
    watch = f"""import threading, time
def look():
    began = time.monotonic()
    while view.is_running and time.monotonic() - began < 60:
        time.sleep(0.1)
    open({str(folder / "released.txt")!r}, "w").write(str(time.monotonic() - began))
threading.Thread(target=look).start()"""
    with with_camera.new_context(viewport=browsing.VIEWPORT) as context:
        page = context.new_page()
        clip_view = "from emotion_detection import live\nview = live.LiveView(live.FileReplay())\nview"
        browsing.open_notebook(page, lab, folder, "closed_tab", clip_view, watch)
        browsing.start(page)
        browsing.wait_for_answers(page)
        browsing.run_cell(page, 1)
        page.close()
        closed = time.monotonic()
    while not (folder / "released.txt").exists() and time.monotonic() < closed + 30:
        time.sleep(0.1)
    assert time.monotonic() - closed < OFF_WITHIN_MS / 1000
    assert float((folder / "released.txt").read_text()) < 20


def test_a_face_is_taught_from_the_camera_prompt_by_prompt(lab, page, folder):
    stream(page, lab, folder, "taught")
    page.click("text=Teach it your face")
    page.click("button:has-text('Begin')")
    word = page.locator("[role=status]:has-text('take 1')")
    playwright.sync_api.expect(word).to_contain_text("Angry", timeout=20_000)
    for following in ("Disgust", "Fear", "Happy"):
        page.click("button:has-text('Skip this one')")
        playwright.sync_api.expect(page.locator(f"[role=status]:has-text('{following}')")).to_be_visible()
    page.wait_for_selector("[role=status]:has-text('Hold it')", timeout=20_000)
    browsing.screenshot(page, "live_teaching", height=1600)
    page.wait_for_selector("[role=status]:has-text('Sad')", timeout=30_000)
    page.click("button:has-text('Stop'):not(.start)")
    page.wait_for_selector("[role=status]:has-text('Fitted in')", timeout=30_000)
    assert "Happy" in page.locator(".widget-html table, .jupyter-widgets table").first.inner_text()
    browsing.screenshot(page, "live_taught", height=1600)
    page.click("button:has-text('General network')")
    browsing.wait_for_answers(page)


# Bad days


def test_a_refusal_ends_in_a_message_with_the_other_sources_as_buttons(lab, driver, folder):
    browser = browsing.chromium(driver, "--use-fake-device-for-media-stream", "--deny-permission-prompts")
    page = browser.new_page(viewport=browsing.VIEWPORT)
    browsing.open_notebook(page, lab, folder, "refused", LIVE)
    browsing.start(page)
    wait_for_notice(page, "refused")
    browsing.screenshot(page, "live_refused", height=1000)
    take_the_clip(page)
    browser.close()


def test_an_insecure_origin_is_told_and_the_clip_works(driver, folder):
    with browsing.jupyter(folder, "--ServerApp.allow_remote_access=True") as address:
        browser = browsing.chromium(driver, "--host-resolver-rules=MAP remote.test 127.0.0.1")
        page = browser.new_page(viewport=browsing.VIEWPORT)
        browsing.open_notebook(
            page, address.replace("127.0.0.1", "remote.test") + "/lab/tree", folder, "insecure", LIVE
        )
        browsing.start(page)
        wait_for_notice(page, "https")
        assert page.locator(browsing.START).first.get_attribute("aria-pressed") == "false"
        take_the_clip(page)
        browser.close()


def test_a_browser_without_a_camera_says_so(lab, driver, folder):
    browser = browsing.chromium(driver, "--use-fake-ui-for-media-stream")
    page = browser.new_page(viewport=browsing.VIEWPORT)
    browsing.open_notebook(page, lab, folder, "none", LIVE)
    browsing.start(page)
    wait_for_notice(page, "finds no camera")
    browser.close()


def test_a_camera_that_another_program_uses_is_told(lab, page, folder):
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('in use', 'NotReadableError'); };"
    )
    browsing.open_notebook(page, lab, folder, "in_use", LIVE)
    browsing.start(page)
    wait_for_notice(page, "another program uses it")
    take_the_clip(page)


def test_a_camera_that_is_pulled_out_is_told(lab, page, folder):
    stream(page, lab, folder, "pulled")
    page.evaluate("() => { for (const track of window.tracks) track.dispatchEvent(new Event('ended')); }")
    wait_for_notice(page, "unplugged")
    page.wait_for_function(CAMERA_IS_OFF, timeout=OFF_WITHIN_MS)


def test_in_lab_the_stream_goes_on_while_a_cell_is_busy(lab, page, folder):
    stream(page, lab, folder, "busy", BUSY)
    begin_cell(page, 1)
    page.wait_for_timeout(5000)
    browsing.wait_for_answers(page)
    assert page.evaluate(CAMERA_IS_ON)
    assert page.locator(".jp-CodeCell .jp-InputPrompt").nth(1).inner_text() == "[*]:"


def test_notebook_7_streams_and_survives_a_busy_kernel(notebook7, page, folder):
    stream(page, notebook7, folder, "seven", BUSY)
    browsing.screenshot(page, "live_notebook7", height=1200)
    begin_cell(page, 1)
    page.wait_for_timeout(14_000)
    if not page.evaluate(CAMERA_IS_ON):
        assert "busy with a cell" in page.locator(".emotion-live .notice").first.inner_text()
        browsing.start(page)
    browsing.wait_for_answers(page)
    browsing.start(page)
    page.wait_for_function(CAMERA_IS_OFF, timeout=OFF_WITHIN_MS)


def test_a_view_shown_twice_shows_one_camera_in_both(lab, page, folder):
    browsing.open_notebook(page, lab, folder, "twice", LIVE, "view")
    browsing.run_cell(page, 1)
    browsing.start(page)
    browsing.wait_for_answers(page)
    page.wait_for_function("() => document.querySelectorAll('.emotion-live [aria-label=\"Face 1\"]').length === 2")
    assert page.evaluate("() => window.tracks.length") == 1


def test_two_views_run_at_once(lab, page, folder):
    browsing.open_notebook(page, lab, folder, "two", LIVE, "other = live.LiveView(live.FileReplay())\nother")
    browsing.run_cell(page, 1)
    buttons = page.locator(browsing.START)
    buttons.nth(0).click()
    buttons.nth(1).click()
    page.wait_for_function(
        """() => [...document.querySelectorAll(".emotion-live .status")]
            .filter((status) => /(\\d+) answers.s/.exec(status.innerText)?.[1] > 0).length === 2""",
        timeout=60_000,
    )


def test_a_click_on_one_page_opens_no_camera_on_another(lab, page, folder, with_camera):
    browsing.open_notebook(page, lab, folder, "shared", LIVE)
    page.keyboard.press("Control+s")
    page.wait_for_timeout(2000)
    with with_camera.new_context(viewport=browsing.VIEWPORT) as context:
        context.add_init_script(WATCH_TRACKS)
        other = context.new_page()
        other.goto(f"{lab}/shared.ipynb?reset")
        other.wait_for_selector(browsing.START, timeout=60_000)
        page.wait_for_timeout(6000)  # Playwright's own looking at a page counts as a click there for five seconds
        browsing.start(page)
        browsing.wait_for_answers(page)
        wait_for_notice(other, "another page")
        assert other.evaluate("() => window.tracks.length") == 0
        assert page.evaluate(CAMERA_IS_ON)


def test_a_page_that_is_loaded_again_opens_no_camera_by_itself(lab, page, folder):
    stream(page, lab, folder, "reloaded")
    page.keyboard.press("Control+s")
    page.wait_for_timeout(2000)
    page.goto(f"{lab}/reloaded.ipynb?reset")
    page.wait_for_selector(browsing.START, timeout=60_000)
    page.wait_for_timeout(3000)
    assert page.evaluate("() => window.tracks.length") == 0
    assert page.locator(browsing.START).first.get_attribute("aria-pressed") == "false"
    browsing.start(page)
    browsing.wait_for_answers(page)


def test_a_tab_in_the_background_pauses_and_goes_on_when_it_is_looked_at_again(lab, page, folder):
    stream(page, lab, folder, "background")
    other = page.context.new_page()
    other.goto("about:blank")
    other.bring_to_front()
    page.wait_for_timeout(OFF_WITHIN_MS + 2000)  # longer than the patience of either half
    page.bring_to_front()
    page.wait_for_timeout(4000)
    browsing.wait_for_answers(page)
    assert page.evaluate(CAMERA_IS_ON) and page.evaluate("() => window.tracks.length") == 1
    assert page.locator(".emotion-live .notice").first.inner_text() == ""


# Served without typing


def test_the_demo_opens_the_live_notebook_in_jupyterlab(page, tmp_path):
    with browsing.served(tmp_path, "--lab") as address:
        browsing.run_the_live_cell(page, address)
        browsing.start(page)
        browsing.wait_for_answers(page)
        browsing.screenshot(page, "live_demo", height=1600)


def test_the_cell_is_served_as_a_page(page, tmp_path):
    pytest.importorskip("voila", reason="Voilà not installed: `make setup` installs it")
    with browsing.served(tmp_path) as address:
        page.goto(address)
        browsing.start(page)
        browsing.wait_for_answers(page)
        assert answer_of(page)["label"] == "Happy"
        page.click(".emotion-live .settings summary")
        page.get_by_label("Show why").first.select_option("answer")
        page.wait_for_function(f"() => ({HEAT})() > 0.1", timeout=20_000)
        page.click("text=Teach it your face")
        page.click("button:has-text('Begin')")
        page.wait_for_selector("[role=status]:has-text('take 1')", timeout=20_000)
        browsing.screenshot(page, "live_page", height=1600)
