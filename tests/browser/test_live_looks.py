"""How the live cell looks on a small laptop, in both themes and beside JupyterLab's file list; and without a mouse."""

import re

import playwright.sync_api
import pytest

import browsing
from emotion_detection.live import demo_clip

pytestmark = [pytest.mark.browser, browsing.needs_chromium]

LAPTOP = {"width": 1366, "height": 768}
CLIP = "from emotion_detection import live\nview = live.LiveView(live.FileReplay())\nview"
CONTRASTS = """() => {
  const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
  const blend = ([r, g, b, a = 1], under) => [r, g, b].map((each, at) => a * each + (1 - a) * under[at]);
  const luminance = (color) => color.map((each) => each / 255)
    .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
    .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (node) => {
    if (!node) return [255, 255, 255];
    const color = rgb(getComputedStyle(node).backgroundColor);
    return color[3] === 0 ? behind(node.parentElement) : blend(color, behind(node.parentElement));
  };
  const ofText = (node) => node.matches("select, input[type=text]") ||
    [...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
  const others = "option, :disabled, label:has(:disabled) *, svg *";
  const shown = [...document.querySelectorAll(".emotion-live *, .emotion-live-fold, .emotion-live-teach *")]
    .filter((node) => node.checkVisibility() && !node.matches(others) && ofText(node));
  return shown.map((node) => {
    const under = behind(node);
    const both = [luminance(blend(rgb(getComputedStyle(node).color), under)), luminance(under)];
    const [light, dark] = both.sort((a, b) => b - a);
    return [(light + 0.05) / (dark + 0.05), node.textContent.trim().slice(0, 30)];
  });
}"""
"""Contrast of every text in the cell with what is behind it, and the text."""

FOCUSED = """() => {
  const node = document.activeElement;
  const label = node.ariaLabel || node.closest("label")?.innerText.split("\\n")[0];
  return label || node.innerText.trim() || node.tagName;
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("looks")


@pytest.fixture(scope="module")
def lab(folder):
    with browsing.jupyter(folder) as address:
        yield f"{address}/lab/tree"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_api.sync_playwright() as driver:
        browser = browsing.chromium(driver)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    with browser.new_context(viewport=LAPTOP) as context:
        yield context.new_page()


def choose_theme(folder, theme: str) -> None:
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(f'{{"theme": "JupyterLab {theme}"}}')


def box(page, selector: str) -> dict:
    return page.locator(f".emotion-live {selector}").first.bounding_box()


def places(page) -> list[dict]:
    return [box(page, each) for each in (".start", ".stage", ".faces", ".foot", ".settings")]


def tab_until(page, name: str, *, key: str = "Tab") -> list[str]:
    """Press Tab until this has the focus; return what had it on the way."""
    passed = []
    for _ in range(25):
        page.keyboard.press(key)
        passed.append(page.evaluate(FOCUSED))
        if passed[-1] == name:
            return passed
    pytest.fail(f"Tab never came to {name}: {passed}")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_picture_bars_and_buttons_fit_a_laptop_and_are_read_well_in_both_themes(lab, page, folder, theme):
    choose_theme(folder, theme)
    browsing.open_notebook(page, lab, folder, theme, CLIP)
    page.wait_for_selector(browsing.START)
    off = places(page)
    browsing.start(page)
    browsing.wait_for_answers(page)
    page.wait_for_selector(".emotion-live [aria-label='Face 1']")
    page.wait_for_timeout(1000)
    assert places(page) == off, "nothing moves when the picture comes"
    start, stage, faces, foot, _ = off
    visible = page.locator(".jp-NotebookPanel-notebook").bounding_box()
    assert page.locator(".jp-DirListing").is_visible()
    assert start["y"] >= visible["y"] and foot["y"] + foot["height"] <= visible["y"] + visible["height"]
    assert faces["x"] >= stage["x"] + stage["width"] and stage["width"] >= 500
    assert faces["x"] + faces["width"] <= visible["x"] + visible["width"]
    for summary in (".status summary", ".settings summary"):
        page.click(f".emotion-live {summary}")
    page.click("text=Teach it your face")
    page.wait_for_timeout(1000)
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 40
    assert not [each for each in contrasts if each[0] < 4.5]
    browsing.screenshot(page, f"live_{theme.lower()}", height=1500)


def test_where_the_cell_is_narrow_bars_are_below_the_picture(lab, page, folder):
    choose_theme(folder, "Light")
    page.set_viewport_size({"width": 1000, "height": 900})
    browsing.open_notebook(page, lab, folder, "narrow", CLIP)
    page.wait_for_selector(browsing.START)
    _, stage, faces, _, _ = places(page)
    assert faces["y"] >= stage["y"] + stage["height"] and faces["x"] == stage["x"]


def test_the_cell_is_started_set_and_stopped_by_keyboard_alone(lab, page, folder):
    browsing.open_notebook(page, lab, folder, "keys", CLIP, "1")
    page.wait_for_selector(browsing.START)
    for key in ("Escape", "ArrowUp"):
        page.keyboard.press(key)
    tab_until(page, "Start")
    page.keyboard.press("Enter")
    browsing.wait_for_answers(page)
    assert page.evaluate(FOCUSED) == "Stop"
    assert page.locator(browsing.START).get_attribute("aria-pressed") == "true"
    assert tab_until(page, "Settings")[0] == "Camera"
    page.keyboard.press("Enter")
    assert tab_until(page, "Mirror the picture")[-2] == "Show why"
    page.keyboard.press("Space")
    assert page.locator(".emotion-live .picture").evaluate("node => node.style.transform") == ""
    tab_until(page, "Teach it your face (experimental)")
    page.keyboard.press("Enter")
    page.wait_for_selector("button:has-text('Begin')")
    tab_until(page, "Begin")
    tab_until(page, "Stop", key="Shift+Tab")
    page.keyboard.press("Space")
    page.wait_for_selector(f"{browsing.START}[aria-pressed=false]")


def test_enter_opens_what_is_typed_into_the_address_field(lab, page, folder):
    demo_clip.write(folder / "clip.mp4", seconds=20)
    browsing.open_notebook(page, lab, folder, "address", CLIP)
    page.locator(".emotion-live .source").select_option("address", timeout=60_000)
    page.get_by_label("file or URL").focus()
    page.keyboard.type(str(folder / "gone.mp4"))
    page.keyboard.press("Enter")
    page.wait_for_selector(".emotion-live .notice:has-text('no video')", timeout=30_000)
    page.keyboard.type(str(folder / "clip.mp4"))
    page.keyboard.press("Enter")
    browsing.wait_for_answers(page)
    assert page.get_by_label("file or URL").input_value() == "", "it may hold a password"


def test_the_timeline_is_drawn_in_the_pages_colour_and_as_fine_as_the_screen(lab, browser, folder):
    choose_theme(folder, "Dark")
    with browser.new_context(viewport=LAPTOP, device_scale_factor=2) as context:
        page = context.new_page()
        browsing.open_notebook(page, lab, folder, "timeline", CLIP)
        browsing.start(page)
        browsing.wait_for_answers(page)
        page.wait_for_timeout(3000)
        page.click("button:has-text('Draw timeline')")
        words = page.locator(".emotion-live .timeline svg text:has-text('seconds')")
        words.wait_for(timeout=60_000)
        red, green, blue = map(int, re.findall(r"\d+", words.evaluate("node => getComputedStyle(node).fill"))[:3])
        assert min(red, green, blue) > 180, "light on dark"
        overlay = page.locator(".emotion-live .overlay").evaluate("node => [node.width, node.clientWidth]")
        assert overlay[0] == 2 * overlay[1]


def test_what_is_drawn_has_words_and_what_changes_all_the_time_is_not_read_out(lab, page, folder):
    browsing.open_notebook(page, lab, folder, "words", CLIP)
    browsing.start(page)
    browsing.wait_for_answers(page)
    page.wait_for_selector(".emotion-live .overlay[aria-label*=Happy]")
    assert page.locator(".emotion-live canvas:not([aria-label])").count() == 0
    read_out = page.locator(".emotion-live :is([aria-live], [role=status], [role=alert])")
    assert [each.get_attribute("class") for each in read_out.all()] == ["notice"]
    controls = page.locator(".emotion-live :is(button, select, input)")
    named = "node => Boolean(node.ariaLabel || node.labels?.[0] || node.innerText)"
    assert all(each.evaluate(named) for each in controls.all())
