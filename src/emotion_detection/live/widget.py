"""`LiveView`, the widget of the live cell: ordinary ipywidgets around one anywidget that shows the picture."""

import contextlib
import logging
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path

import anywidget
import ipywidgets
import traitlets

from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.errors import DataError, ProjectError
from emotion_detection.faces import detection
from emotion_detection.inference import tracking
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.inference.stream import Engine, Frame, FrameSource, LiveResult
from emotion_detection.live import controls, messages, sources
from emotion_detection.live.timeline import Timeline
from emotion_detection.live.worker import Opened, Trouble, Worker
from emotion_detection.personal import panel
from emotion_detection.runs import registry

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
IN_FLIGHT = 2  # frames under way between browser and kernel: a second doubles the rate, a third adds delay only
LOST_S = 3.0  # a frame that was not acknowledged for so long was lost on its way, and another is sent


class FrameView(anywidget.AnyWidget):
    """The picture, the boxes and bars, the status line; the half in the browser is `widget.js`.

    Frames and answers travel as messages, never as traits: traits are saved with the notebook. `kinds` says of each
    source that the menu offers whether the browser opens it, asks for its address, or leaves it to the kernel; `chosen`
    is the menu's place.
    """

    _esm = FOLDER / "widget.js"
    _css = FOLDER / "widget.css"
    running = traitlets.Bool(False).tag(sync=True)
    kinds = traitlets.List().tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)
    mirror = traitlets.Bool(True).tag(sync=True)
    emotions = traitlets.List().tag(sync=True)


class LiveView(ipywidgets.VBox):
    """A camera in a notebook cell, with the emotions of each face on the picture.

    Nothing is opened before Start is clicked, and no frame is kept: not on disk, not in the notebook.

    Args:
        source: what Start opens: a `BrowserCamera` (the default), `KernelCamera` or `FileReplay`, or your own with
            what `FrameSource` has. The menu of the view offers the others.
        classifier: the network, with `predict_proba`; or a mapping of names to networks, which are compared on the
            same faces. The shipped network if None.
        detector: from `detection.load_detector`; if None, YuNet where its file is found, else the Haar cascade. Two
            views that run at once must not share one.
        on_result: called with each `LiveResult`, in the worker's thread; an exception is shown, the stream goes on.
        minimum_confidence: below this a label is "not sure"; if None, the one that the network's model card chose on
            PublicTest.
        smoothing_s: time constant of the smoothing in seconds; 0 for none.
        mirror: whether the picture is shown as in a mirror.

    Raises:
        DataError: `classifier` is an empty mapping, or a number is out of range.

    Example:
        >>> from emotion_detection.live import LiveView
        >>> view = LiveView()
        >>> view  # shows it; then click Start
        >>> view.timeline()  # numbers of what was seen
    """

    def __init__(
        self,
        source: FrameSource | None = None,
        *,
        classifier: EmotionClassifier | Mapping[str, EmotionClassifier] | None = None,
        detector: detection.Detector | None = None,
        on_result: Callable[[LiveResult], object] | None = None,
        minimum_confidence: float | None = None,
        smoothing_s: float = 0.5,
        mirror: bool = True,
    ):
        if isinstance(classifier, Mapping) and not classifier:
            raise DataError("LiveView got an empty mapping of classifiers. Pass at least one network, or None.")
        self._given_classifier, self._detector, self._on_result = classifier, detector, on_result
        card = {}
        with contextlib.suppress(ProjectError):  # Start says what is wrong with the shipped network, and what to do
            shown = next(iter(classifier.values())) if isinstance(classifier, Mapping) else classifier
            card = registry.read_card() if shown is None else getattr(shown, "metadata", None) or {}
        if minimum_confidence is None:
            minimum_confidence = registry.threshold_of(card)
        tracking.FaceTracker(smoothing_s=smoothing_s, minimum_confidence=minimum_confidence)  # checks both
        self._sources = controls.SourceMenu(source)
        self._source: FrameSource | None = None
        self._worker: Worker | None = None
        self._timeline = Timeline()
        self._heard_s = time.monotonic()
        self._unanswered: dict[int, float] = {}
        self._round_trip_s = 0.0
        self._opened: dict | None = None
        self._address: str | None = None
        self._workers: list[Worker] = []
        self.teaching = panel.TeachingPanel()
        self.controls = controls.Controls(
            self._sources,
            card=card,
            minimum_confidence=minimum_confidence,
            smoothing_s=smoothing_s,
            mirror=mirror,
        )
        self.frame = FrameView(
            emotions=[{"shown": DISPLAY_NAMES[name], "color": COLORS[name]} for name in EMOTIONS],
            mirror=mirror,
            kinds=self._sources.kinds,
            chosen=self._sources.keys.index(self._sources.first),
        )
        self._picture = ipywidgets.Image(format="png", layout={"display": "none", "max_width": "820px"})
        self._connect()
        first, *others = self.controls.rows
        teaching = ipywidgets.Accordion([self.teaching], titles=[panel.TITLE])
        # Start stays where it is when the picture appears.
        super().__init__([first, self.frame, *others, self._picture, teaching])
        weakref.finalize(self, _stop_all, self._workers)

    # What a reader of the notebook calls

    def timeline(self):
        """Return what was seen since Start: a DataFrame with a row per face and answer (columns `timeline.COLUMNS`)."""
        return self._timeline.table()

    def stop(self) -> None:
        """Stop, release the camera, and wait until that is done."""
        self.frame.running = False
        self._stop_worker()

    def close(self) -> None:
        """Stop, and take the view away; afterwards nothing holds it but the reader's own variables."""
        if "frame" in self.__dict__:  # ipywidgets closes also what was never made, because an argument was refused
            self.stop()
            self.frame.on_msg(self._received, remove=True)
            self.controls.plot.on_click(self.draw_timeline, remove=True)
            self.controls.save.on_click(self._save_clicked, remove=True)
            for widget in self._parts():
                widget.unobserve_all()
                widget.close()
        super().close()

    def _parts(self) -> list[ipywidgets.Widget]:
        """Return all widgets inside: ipywidgets keeps each alive until it is closed."""
        rows = [child for child in self.children if isinstance(child, ipywidgets.Box)]
        return [*self._links, *(child for row in rows for child in row.children), *rows, *self.children]

    @property
    def is_running(self) -> bool:
        """Whether the worker looks at frames."""
        return self._worker is not None and self._worker.is_alive()

    # Controls

    def _connect(self) -> None:
        """Have the page and the kernel hear of the controls.

        Links live in the page: the camera stops, and the right one starts, even while the kernel is busy. A link begins
        with what its source has: the button follows the view, so that a page loaded again is not switched on by a
        button that was still pressed.
        """
        self._links = [
            ipywidgets.jslink((self.frame, "running"), (self.controls.button, "value")),
            ipywidgets.jslink((self.controls.menu, "index"), (self.frame, "chosen")),
            ipywidgets.jslink((self.controls.mirror, "value"), (self.frame, "mirror")),
        ]
        self.controls.menu.observe(self._source_changed, "value")
        for control in (self.controls.confidence, self.controls.smoothing, self.controls.why, self.controls.why_of):
            control.observe(self._settings_changed, "value")
        self.controls.plot.on_click(self.draw_timeline)
        self.controls.save.on_click(self._save_clicked)
        self.frame.on_msg(self._received)
        self.frame.observe(self._running_changed, "running")

    def _source_changed(self, _change) -> None:
        """Stop what runs: another camera opens on the next click on Start."""
        self.frame.running = False
        self.frame.chosen = self.controls.menu.index

    def _settings_changed(self, _change=None) -> None:
        self.controls.update()
        if self._worker is not None and self._worker.engine is not None:
            self._worker.engine.set(**self.controls.settings())
            if self.controls.why.value and not self._worker.engine.can_explain:
                self._notice("This network cannot say why: it gives no feature map.")

    # Timeline

    def draw_timeline(self, _button=None) -> None:
        """Draw the timeline of what was seen below the view."""
        from emotion_detection import plots
        from emotion_detection.plots import style

        table = self.timeline()
        if table.empty:
            self._notice("There is no timeline yet: no face was seen.")
            return
        self._picture.value = style.png_bytes(plots.timeline(table), dpi=style.NOTEBOOK_DPI)
        self._picture.layout.display = ""

    def _save_clicked(self, _button) -> None:
        table = self.timeline()
        if table.empty:
            self._notice("There is nothing to save yet: no face was seen.")
            return
        text = table.to_csv(index=False, lineterminator="\n", float_format="%.4f")
        self.frame.send({"type": "download", "name": time.strftime("emotions-%Y%m%d-%H%M%S.csv"), "text": text})

    # Messages

    def _received(self, _widget, content: dict, buffers: list) -> None:
        """Take a message of the browser; nothing here waits for network or camera."""
        self._heard_s = time.monotonic()
        kind = content.get("type")
        if kind == "frame" and buffers:
            self._take_frame(int(content.get("seq", -1)), buffers[0])
        elif kind == "ack":
            sent_s = self._unanswered.pop(content.get("seq"), None)
            self._round_trip_s = self._round_trip_s if sent_s is None else time.monotonic() - sent_s
        elif kind == "beat":
            self.frame.send({"type": "beat", "opened": self._opened if self.is_running else None})
        elif kind == "choose":
            self._choose(str(content.get("source")), content.get("address"))
        elif kind == "failed":
            log.info("The browser's camera: %s", content.get("reason"))

    def _take_frame(self, sequence: int, jpeg) -> None:
        source = self._source
        if not isinstance(source, sources.BrowserCamera) or not self.is_running:
            self.frame.send({"type": "dropped", "seq": sequence})
            return
        displaced = source.put(jpeg, sequence=sequence)
        if displaced is not None:
            self.frame.send({"type": "dropped", "seq": displaced})

    def _choose(self, source: str, address: str | None) -> None:
        """Start another source, as the reader asked by a click in the view."""
        if source not in self._sources.keys:
            return
        self.frame.running = False
        self.controls.menu.value = source
        if source == controls.ADDRESS:
            self._address = address
        if source == controls.ADDRESS and not address:
            self._notice("Type the path of a video or a URL into the field below, and press Enter.")
        else:
            self.frame.running = True

    def _running_changed(self, change) -> None:
        self.controls.show_running(change["new"])
        if change["new"]:
            self._start_worker()
        else:
            self._stop_worker(wait=False)

    # Worker

    def _start_worker(self) -> None:
        self._stop_worker(wait=False)
        try:
            self._source = self._sources.open(self.controls.menu.value, address=self._address)
        except ProjectError as error:
            self._end(str(error))
            return
        self._unanswered, self._heard_s, self._round_trip_s = {}, time.monotonic(), 0.0
        self._timeline.clear()
        self._opened = None
        this = weakref.ref(self)
        earlier = [worker for worker in self._workers if worker.is_alive()]
        self._worker = Worker(
            self._source,
            load=_engine_loader(
                self._given_classifier, self._detector, self.controls.settings(), wrap=self.teaching.wrap
            ),
            deliver=lambda worker, event: _deliver(this, worker, event),
            wanted=lambda: _is_wanted(this),
            heard_s=lambda: _last_heard_s(this),
            after=earlier,
        )
        self._workers[:] = [*earlier, self._worker]
        self._worker.start()

    def _stop_worker(self, *, wait: bool = True) -> None:
        self._worker = None
        for worker in self._workers:
            worker.stop(wait=wait)

    def _delivered(self, worker: Worker, event) -> None:
        """Take what the worker has to say, in its thread."""
        if isinstance(event, Opened):
            self._settings_changed()  # the sliders may have been moved meanwhile
            self._opened = {"source": event.source, "detector": event.detector, "networks": event.networks}
            self.frame.send({"type": "opened", **self._opened})
        elif isinstance(event, Trouble):
            kind = {"type": "error", "seq": event.sequence, "message": event.message}
            self._end(event.message) if event.ends else self.frame.send(kind)
        else:
            self._answered(worker, *event)

    def _answered(self, worker: Worker, result: LiveResult, frame: Frame) -> None:
        self._timeline.add(result)
        self.teaching.answered(result)
        message = {
            "seq": result.sequence,
            "ms": result.timings_ms,
            "faces": messages.faces_of(result),
            "size": result.size,
        }
        if self._source is not None and self._source.in_browser:
            self.frame.send({"type": "result", **message})
        else:
            picture, now_s = messages.jpeg_of(frame), time.monotonic()
            message["dropped"], worker.discarded = worker.discarded, 0
            message["ms"] = message["ms"] | {"delay": 1e3 * (now_s - result.time_s + self._round_trip_s)}
            self._unanswered[result.sequence] = now_s
            self.frame.send({"type": "frame", **message}, buffers=[picture])
        if self._on_result is not None:
            try:
                self._on_result(result)
            except Exception as error:  # the reader's own code may raise anything; the stream goes on
                self._notice(f"Your on_result raised {type(error).__name__}: {error}")

    def _end(self, message: str) -> None:
        """Say why the stream is over, and stop."""
        self.frame.send({"type": "ended", "message": message})
        self.frame.running = False

    def _notice(self, message: str) -> None:
        self.frame.send({"type": "notice", "message": message})


def _engine_loader(classifier, detector, settings: dict, *, wrap) -> Callable[[], Engine]:
    """Return a function that loads what is not given, networks passed through `wrap`; it holds no view."""

    def load() -> Engine:
        networks = classifier if isinstance(classifier, Mapping) else None
        if networks is None:
            network = classifier if classifier is not None else EmotionClassifier.load()
            networks = {(getattr(network, "metadata", None) or {}).get("name", type(network).__name__): network}
        return Engine(wrap(networks), detector if detector is not None else tracking.live_detector(), **settings)

    return load


def _deliver(this: weakref.ref, worker: Worker, event) -> bool:
    """Hand a worker's event to its view; False once that is gone or has another worker, which ends this one."""
    view = this()
    if view is None or view.frame.comm is None or view._worker is not worker:
        return False
    view._delivered(worker, event)
    return True


def _is_wanted(this: weakref.ref) -> bool:
    view = this()
    if view is None:
        return False
    for sequence, sent_s in list(view._unanswered.items()):
        if time.monotonic() - sent_s > LOST_S:
            view._unanswered.pop(sequence, None)
    return len(view._unanswered) < IN_FLIGHT


def _last_heard_s(this: weakref.ref) -> float:
    view = this()
    return view._heard_s if view is not None else float("-inf")


def _stop_all(workers: list[Worker]) -> None:
    """Stop what a view has left behind when it is collected."""
    for worker in workers:
        worker.stop(wait=False)
