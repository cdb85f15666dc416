"""The controls of the live cell: button, menu of sources, sliders, boxes; ordinary ipywidgets that know no stream."""

import ipywidgets

from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.inference.stream import ANSWER, FrameSource
from emotion_detection.live import sources
from emotion_detection.runs import registry

BROWSER, CLIP, ADDRESS, OWN = "browser", "clip", "address", "own"  # sources; `kernel:0` and so on are the kernel's
KERNEL_CAMERAS = 4
WIDE = {"style": {"description_width": "initial"}}
ROW = {"layout": {"flex_flow": "row wrap", "align_items": "center"}}


class SourceMenu:
    """The sources that a view offers, first the one that the reader passed."""

    def __init__(self, own: FrameSource | None):
        self._own = own
        given = [(own.name, OWN)] if self.first == OWN else []
        cameras = [(f"the kernel's camera {index}", f"kernel:{index}") for index in range(KERNEL_CAMERAS)]
        browser, clip = (sources.BrowserCamera.name, BROWSER), (sources.FileReplay.name, CLIP)
        self.choices = [*given, browser, *cameras, ("a file or URL …", ADDRESS), clip]

    @property
    def keys(self) -> list[str]:
        """Names of the sources, in order."""
        return [key for _, key in self.choices]

    @property
    def first(self) -> str:
        """Name of the source that is chosen at first."""
        if self._own is None or type(self._own) is sources.BrowserCamera:
            return BROWSER
        return CLIP if type(self._own) is sources.FileReplay else OWN

    @property
    def kinds(self) -> list[str]:
        """Who opens each source: the browser, the kernel, or the kernel once it has an address."""
        by_key = {BROWSER: BROWSER, ADDRESS: ADDRESS, OWN: BROWSER if getattr(self._own, "in_browser", 0) else "kernel"}
        return [by_key.get(key, "kernel") for key in self.keys]

    def open(self, key: str, *, address: str | None) -> FrameSource:
        """Return the source of a name; DataError if it is the one for an address, and there is none."""
        if key == OWN or (self._own is not None and key == self.first):
            return self._own
        if key == BROWSER:
            return sources.BrowserCamera()
        if key == CLIP:
            return sources.FileReplay()
        if key != ADDRESS:
            return sources.KernelCamera(int(key.removeprefix("kernel:")))
        if not address:
            raise DataError("No file or URL was given. Type it into the field below and press Enter.")
        return sources.KernelCamera(address)


class Controls:
    """What the reader sets, above and below the picture; the arguments say where that begins.

    The model card is that of the network whose labels are shown; it says what a minimum confidence is worth.
    """

    def __init__(self, menu: SourceMenu, *, card: dict, minimum_confidence: float, smoothing_s: float, mirror: bool):
        self._card = card
        self.button = ipywidgets.ToggleButton(False, description="Start / Stop", icon="play", button_style="primary")
        self.menu = ipywidgets.Dropdown(options=menu.choices, value=menu.first, description="camera", **WIDE)
        self.mirror = ipywidgets.Checkbox(mirror, description="mirror", indent=False, layout={"width": "auto"})
        self.confidence = ipywidgets.FloatSlider(
            minimum_confidence, min=0, max=1, step=0.01, description="minimum confidence", readout_format=".0%", **WIDE
        )
        self.worth = ipywidgets.Label()
        self.smoothing = ipywidgets.FloatSlider(
            smoothing_s, min=0, max=max(2.0, smoothing_s), step=0.1, description="smoothing (s)", **WIDE
        )
        self.plot = ipywidgets.Button(description="Draw timeline", icon="area-chart")
        self.save = ipywidgets.Button(description="Save CSV", icon="download")
        apart = {"width": "auto", "margin": "2px 16px 2px 2px"}
        self.why = ipywidgets.Checkbox(False, description="show why", indent=False, layout=apart)
        asked = [("the answer", ANSWER), *((DISPLAY_NAMES[name], name) for name in EMOTIONS)]
        self.why_of = ipywidgets.Dropdown(options=asked, description="evidence for", disabled=True, **WIDE)
        legend = ipywidgets.Label("yellow to red: the places that speak for it, the strongest red")
        self.rows = [
            ipywidgets.HBox([self.button, self.menu, self.mirror], **ROW),
            ipywidgets.HBox([self.confidence, self.worth], **ROW),
            ipywidgets.HBox([self.smoothing, self.plot, self.save], **ROW),
            ipywidgets.HBox([self.why, self.why_of, legend], **ROW),
        ]
        self.update()

    def settings(self) -> dict:
        """Return what an engine is set to."""
        return {
            "smoothing_s": self.smoothing.value,
            "minimum_confidence": self.confidence.value,
            "explained": self.why_of.value if self.why.value else None,
        }

    def update(self) -> None:
        """Say what the minimum confidence is worth, and offer only what applies."""
        self.why_of.disabled = not self.why.value
        found = registry.at_threshold(self._card, self.confidence.value)
        self.worth.value = (
            "How often this network is right at a confidence is not recorded in its model card."
            if found is None
            else f"On PrivateTest {100 * found[0]:.0f} % of the faces reach it, and {100 * found[1]:.0f} % of those "
            "answers are right."
        )

    def show_running(self, running: bool) -> None:
        """Have the button say what runs; the link in the page is not there when the page is closed."""
        self.button.value, self.button.icon = running, "stop" if running else "play"
