"""`LiveView`, the live cell: it joins what the page shows, the worker, the networks and the teaching panel."""

import functools
import logging
import time
import weakref
from collections.abc import Callable, Sequence

import ipywidgets

from emotion_detection.errors import ProjectError
from emotion_detection.faces import detection
from emotion_detection.inference import tracking
from emotion_detection.inference.stream import Engine, Frame, FrameSource, LiveResult
from emotion_detection.live import menu, messages, networks, sources
from emotion_detection.live.broadcast import Broadcast
from emotion_detection.live.frame import FrameView
from emotion_detection.live.timeline import Timeline
from emotion_detection.live.worker import Opened, Trouble, Worker
from emotion_detection.personal import panel

log = logging.getLogger(__name__)

IN_FLIGHT = 2  # frames under way between browser and kernel: a second doubles the rate, a third adds delay only
DRAWING_S = 20.0  # matplotlib may take so long where it has to be imported; meanwhile no message is heard
LOST_S = 3.0  # a frame that was not acknowledged for so long was lost on its way, and another is sent
PLOTTED_MOMENTS = 1500  # of a timeline in the page: more than it has pixels


class LiveView(ipywidgets.VBox):
    """A camera in a notebook cell, with the emotions of each face on the picture.

    Nothing is opened before Start is clicked, and no frame is kept: not on disk, not in the notebook.

    Args:
        source: what Start opens: the number of a camera of the kernel's machine, the path of a video, a URL; or a
            `BrowserCamera` (the default), `FileReplay`, or your own with what `FrameSource` has. The menu has others.
        classifier: "float16", "int8", the path of a `.tflite` file, or a network with `predict_proba`; or a mapping of
            names to such, which are compared on the same faces. The shipped network if None.
        labels: what networks that are loaded here answer with: "votes", what most of ten people would call a face, or
            "fer2013", the labels of that data set. The view offers both. None: votes where a network has them.
        detector: from `detection.load_detector`; if None, YuNet where its file is found, else the Haar cascade. Two
            views that run at once must not share one.
        on_result: called with each `LiveResult`, in the worker's thread; an exception is shown, the stream goes on.
        minimum_confidence: below this a label is "not sure"; the network's own threshold if None.
        smoothing_s: time constant of the smoothing in seconds; 0 for none.
        mirror: whether the picture is shown as in a mirror.

    Raises:
        DataError: `source` or `classifier` is none, or a number is out of range.
        MissingFileError: a network is missing.

    Example:
        >>> from emotion_detection.live import LiveView
        >>> view = LiveView()
        >>> view  # shows it; then click Start
        >>> view.timeline()  # numbers of what was seen
    """

    def __init__(
        self,
        source: menu.Given = None,
        *,
        classifier: networks.Given = None,
        labels: str | None = None,
        detector: detection.Detector | None = None,
        on_result: Callable[[LiveResult], object] | None = None,
        minimum_confidence: float | None = None,
        smoothing_s: float = 0.5,
        mirror: bool = True,
    ):
        self._choices = menu.choices(menu.source_from(source))
        self._networks = found = networks.Networks.from_given(classifier, labels=labels)
        minimum_confidence = found.threshold if minimum_confidence is None else minimum_confidence
        tracking.FaceTracker(smoothing_s=smoothing_s, minimum_confidence=minimum_confidence)  # checks both
        self._detector, self._on_result = detector, on_result
        self._address = ""
        self._source: FrameSource | None = None
        self._worker: Worker | None = None
        self._workers: list[Worker] = []
        self._broadcasts: list[Broadcast] = []
        self._timeline = Timeline()
        self._heard_s = time.monotonic()
        self._unanswered: dict[int, float] = {}
        self._round_trip_s = 0.0
        self._opened: dict | None = None
        self.frame = FrameView(
            sources=[{"key": each.key, "shown": each.shown, "kind": each.kind} for each in self._choices],
            mirror=mirror,
            labels=found.labels,
            label_sets=found.label_sets,
            contempt=found.contempt,
            minimum_confidence=minimum_confidence,
            smoothing_s=smoothing_s,
            worth=found.worth(minimum_confidence),
        )
        self.teaching = panel.TeachingPanel(layout={"display": "none", "padding": "0 0 0 18px"})
        self.teaching.add_class("emotion-live-teach")
        self._teach = ipywidgets.ToggleButton(
            description=panel.TITLE, icon="caret-right", layout={"width": "auto", "align_self": "flex-start"}
        )
        self._teach.add_class("emotion-live-fold")
        self._teach.observe(self._teach_clicked, "value")
        self.frame.on_msg(self._received)
        self.frame.observe(self._running_changed, "running")
        self.frame.observe(self._source_changed, "chosen")
        self.frame.observe(self._labels_changed, ["labels", "contempt"])
        self.frame.observe(self._settings_changed, list(self.frame.settings))
        super().__init__([self.frame, self._teach, self.teaching])
        weakref.finalize(self, _stop_all, self._workers, self._broadcasts)

    # What a reader of the notebook calls

    def timeline(self):
        """Return what was seen since Start: a DataFrame with a row per face and answer."""
        return self._timeline.table()

    def stream(self, port: int = 8765, *, origins: Sequence[str] = ()) -> str:
        """Send each answer as JSON to programs on this machine, until the view is closed.

        >>> view.stream(8765)  # then, in another program:
        >>> from websockets.sync.client import connect
        >>> for answer in connect("ws://127.0.0.1:8765"): print(answer)

        An answer is {"time_s", "faces": [{"face", "box", "label", "shares"}, …]}, boxes as shares of the frame. It is
        sent on loopback alone. Web pages are refused, unless `origins` names theirs ("http://localhost:3000").

        Returns:
            The address.

        Raises:
            DataError: the port is taken.
        """
        self._end_broadcasts()
        self._broadcasts.append(Broadcast(port, origins=origins))
        return self._broadcasts[0].address

    def stop(self) -> None:
        """Stop, release the camera, and wait until that is done."""
        self.frame.running = False
        self._stop_worker()

    def close(self) -> None:
        """Stop, and take the view away; afterwards nothing holds it but the reader's own variables."""
        if "frame" in self.__dict__:  # ipywidgets closes also what was never made, because an argument was refused
            self.stop()
            self._end_broadcasts()
            self.frame.on_msg(self._received, remove=True)
            for widget in self.children:  # ipywidgets keeps each alive until it is closed
                widget.unobserve_all()
                widget.close()
        super().close()

    @property
    def is_running(self) -> bool:
        """Whether the worker looks at frames."""
        return self._worker is not None and self._worker.is_alive()

    # Settings

    def _source_changed(self, _change) -> None:
        """Stop what runs: another camera opens on the next click on Start."""
        if self._source is not None and self._chosen().key != self._source_key:
            self.frame.running = False

    def _labels_changed(self, change) -> None:
        """Have the open networks answer with the other labels, from the next frame on."""
        frame = self.frame
        contempt = frame.contempt and frame.labels == "votes"
        try:
            self._networks = self._networks.answering(frame.labels, contempt=contempt)
        except ProjectError as error:
            self._notice(str(error))
            setattr(frame, change["name"], change["old"])
            return
        frame.contempt = contempt
        frame.minimum_confidence = self._networks.threshold
        self._set_engine(anew=True)

    def _settings_changed(self, _change=None) -> None:
        self.frame.worth = self._networks.worth(self.frame.minimum_confidence)
        self._set_engine()

    def _set_engine(self, *, anew: bool = False) -> None:
        """Have the engine follow the settings; `anew`: its networks, too, the first one ready to be taught."""
        engine = self._worker.engine if self._worker is not None else None
        if engine is not None:
            classifiers = self.teaching.wrap(self._networks.by_name) if anew else engine.classifiers
            engine.set(classifiers=classifiers, **self.frame.settings)
            if self.frame.explained and not engine.can_explain:
                self._notice("This network cannot say why: it gives no feature map.")

    def _teach_clicked(self, change) -> None:
        self._teach.icon = "caret-down" if change["new"] else "caret-right"
        self.teaching.layout.display = "" if change["new"] else "none"

    # Timeline

    def _draw_timeline(self) -> None:
        try:
            from emotion_detection import plots
            from emotion_detection.inference import recording
            from emotion_detection.plots import style
        except ProjectError as error:  # matplotlib is not installed
            self._notice(str(error))
            return
        table = self.timeline()
        if table.empty:
            self._notice("There is no timeline yet: no face was seen.")
            return
        figure = plots.timeline(recording.thinned(table, PLOTTED_MOMENTS))
        self.frame.send({"type": "timeline", "svg": style.themed_svg(figure)})

    def _save_table(self) -> None:
        table = self.timeline()
        if table.empty:
            self._notice("There is nothing to save yet: no face was seen.")
            return
        text = table.to_csv(index=False, lineterminator="\n", float_format="%.4f")
        self.frame.send({"type": "download", "name": time.strftime("emotions-%Y%m%d-%H%M%S.csv"), "text": text})

    # Messages

    def _received(self, _widget, content, buffers: list) -> None:
        """Take a message of the browser; nothing here waits for network or camera. What is no message of ours is left.

        The page is not trusted: a value of another type than ours sends is as good as none.
        """
        if not isinstance(content, dict):
            return
        self._heard_s = time.monotonic()
        kind, sequence, address = (content.get(name) for name in ("type", "seq", "address"))
        sequence = sequence if isinstance(sequence, int) else None
        if kind == "frame" and buffers and sequence is not None:
            self._take_frame(sequence, buffers[0])
        elif kind == "ack":
            sent_s = self._unanswered.pop(sequence, None)
            self._round_trip_s = self._round_trip_s if sent_s is None else time.monotonic() - sent_s
        elif kind == "beat":
            self.frame.send({"type": "beat", "opened": self._opened if self.is_running else None})
        elif kind == "open":
            self._open_address(address if isinstance(address, str) else "")
        elif kind == "timeline":
            self._heard_s = time.monotonic() + DRAWING_S
            self._draw_timeline()
        elif kind == "save":
            self._save_table()
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

    def _open_address(self, address: str) -> None:
        """Open what the reader typed."""
        self.frame.running = False
        self._address = address.strip()
        self.frame.chosen = [each.key for each in self._choices].index("address")
        if self._address:
            self.frame.running = True
        else:
            self._notice("Type a camera number, the path of a video or a URL into the field, and press Enter.")

    def _running_changed(self, change) -> None:
        if change["new"]:
            self._start_worker()
        else:
            self._stop_worker(wait=False)

    # Worker

    def _start_worker(self) -> None:
        self._stop_worker(wait=False)
        try:
            self._source_key = self._chosen().key
            self._source = self._chosen().make(self._address)
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
            load=functools.partial(_load_engine, self._networks.by_name, self._detector, self.frame.settings),
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
            self._set_engine(anew=True)  # settings may have been changed meanwhile
            self._opened = {"source": event.source, "detector": event.detector, "networks": event.networks}
            self.frame.send({"type": "opened", **self._opened})
        elif isinstance(event, Trouble):
            kind = {"type": "error", "seq": event.sequence, "message": event.message}
            self._end(event.message) if event.ends else self.frame.send(kind)
        else:
            self._answered(worker, *event)

    def _answered(self, worker: Worker, result: LiveResult, frame: Frame) -> None:
        time_s = self._timeline.add(result)
        for stream in self._broadcasts:
            stream.send(messages.answer_of(result, time_s=time_s))
        self.teaching.answered(result)
        message = {
            "seq": result.sequence,
            "ms": result.timings_ms,
            "faces": messages.faces_of(result, of_votes=self._networks.of_votes),
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

    def _chosen(self) -> menu.Choice:
        return self._choices[self.frame.chosen]

    def _end_broadcasts(self) -> None:
        while self._broadcasts:
            self._broadcasts.pop().close()

    def _end(self, message: str) -> None:
        """Say why the stream is over, and stop."""
        self.frame.send({"type": "ended", "message": message})
        self.frame.running = False

    def _notice(self, message: str) -> None:
        self.frame.send({"type": "notice", "message": message})


def _load_engine(by_name: dict, detector: detection.Detector | None, settings: dict) -> Engine:
    """Return the engine of a worker; it holds no view."""
    return Engine(by_name, detector if detector is not None else tracking.live_detector(), **settings)


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


def _stop_all(workers: list[Worker], broadcasts: list[Broadcast]) -> None:
    """Stop what a view has left behind when it is collected."""
    for worker in workers:
        worker.stop(wait=False)
    for stream in broadcasts:
        stream.close()
