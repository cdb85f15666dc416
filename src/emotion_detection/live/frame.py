"""`FrameView`: the anywidget that shows the live cell; what is in its traits is synchronised with the page."""

import contextvars
import logging
from pathlib import Path

import anywidget
import traitlets

from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS, VOTES
from emotion_detection.inference.stream import ANSWER
from emotion_detection.live.networks import LABEL_SETS

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
BARS = [{"name": name, "shown": DISPLAY_NAMES[name], "color": COLORS[name]} for name in VOTES]


class FrameView(anywidget.AnyWidget):
    """Buttons, picture and boxes, bars, settings; the half in the browser is `widget.js`.

    Frames and answers travel as messages, never as traits: traits are saved with the notebook. `sources` are the lines
    of the menu, with who opens each; `emotions` the bars, contempt last; `worth` what the minimum confidence is worth.
    """

    _esm = FOLDER / "widget.js"
    _css = FOLDER / "widget.css"
    running = traitlets.Bool(False).tag(sync=True)
    sources = traitlets.List().tag(sync=True)
    chosen = traitlets.Int(0, min=0).tag(sync=True)
    emotions = traitlets.List(default_value=BARS).tag(sync=True)
    mirror = traitlets.Bool(True).tag(sync=True)
    labels = traitlets.Enum(list(LABEL_SETS), "votes").tag(sync=True)
    label_sets = traitlets.List().tag(sync=True)
    contempt = traitlets.Bool(False).tag(sync=True)
    minimum_confidence = traitlets.Float(0.0, min=0, max=1).tag(sync=True)
    smoothing_s = traitlets.Float(0.5, min=0).tag(sync=True)
    explained = traitlets.Enum(["", ANSWER, *EMOTIONS], "").tag(sync=True)
    worth = traitlets.Unicode("").tag(sync=True)

    def __init__(self, **traits):
        self._page = contextvars.copy_context()
        super().__init__(**traits)

    def _handle_msg(self, msg: dict) -> None:
        """Take a message of the page."""
        self._page = contextvars.copy_context()
        super()._handle_msg(msg)

    def _send(self, msg: dict, buffers: list | None = None) -> None:
        """Send, from whatever thread, as an answer to the page's last message.

        Where JupyterLab gives widgets a subshell, ipykernel 7.4 takes what the page says next to where its last answer
        came from. Sent from the worker's thread, that would be the cell that runs, and the page would wait for its end.
        """
        self._page.copy().run(super()._send, msg, buffers=buffers)

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal) -> int:
        if not 0 <= proposal["value"] < max(1, len(self.sources)):
            raise traitlets.TraitError(f"There is no source {proposal['value']}.")
        return proposal["value"]

    def set_state(self, sync_data: dict) -> None:
        """Take traits from the page; what no control of ours can have sent is left out."""
        try:
            super().set_state(sync_data)
        except (traitlets.TraitError, TypeError) as error:
            log.warning("The page sent a setting that is none: %s", error)

    @property
    def settings(self) -> dict:
        """What an engine is set to."""
        explained = self.explained or None
        return {
            "smoothing_s": self.smoothing_s,
            "minimum_confidence": self.minimum_confidence,
            "explained": explained,
        }
