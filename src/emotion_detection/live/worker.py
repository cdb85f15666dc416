"""The worker: one thread that opens a source, looks at its frames and answers each; it owns network and detector."""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Sequence

from emotion_detection.errors import ProjectError
from emotion_detection.inference.stream import Engine, Frame, FrameSource
from emotion_detection.live.sources import BadFrameError

log = logging.getLogger(__name__)

PATIENCE_S = 8.0  # when the page has not been heard of for so long, the camera is released
UNHEARD = (
    f"The page was not heard of for {PATIENCE_S:.0f} seconds, so the camera is off. The kernel was busy with a cell, "
    "or the page was away. Click Start."
)
READ_TIMEOUT_S = 0.2
JOIN_TIMEOUT_S = 8.0


@dataclasses.dataclass(frozen=True)
class Opened:
    """The source is open and the networks are loaded."""

    source: str
    detector: str
    networks: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Trouble:
    """Something went wrong; `message` tells the reader what, and what to do."""

    message: str
    sequence: int | None = None  # number of the frame that it happened to
    ends: bool = False  # whether the stream is over


class Worker(threading.Thread):
    """Looks at a source's frames until told to stop; then the source is closed, whatever happened.

    Args:
        source: to open, read and close.
        load: makes the engine, in this thread, so that a click on Start does not wait for a network.
        deliver: takes this worker and `Opened`, (`LiveResult`, `Frame`) or `Trouble`, in this thread; returning False
            stops it.
        wanted: whether a frame is wanted now; frames read meanwhile are dropped, so that the next is a new one.
        heard_s: when the page was last heard of, by `time.monotonic`.
        after: workers that are stopping and may still hold a camera, network or detector: they are waited for.
    """

    def __init__(
        self,
        source: FrameSource,
        *,
        load: Callable[[], Engine],
        deliver: Callable[["Worker", object], bool],
        wanted: Callable[[], bool] = lambda: True,
        heard_s: Callable[[], float] = time.monotonic,
        after: Sequence["Worker"] = (),
    ):
        super().__init__(name=f"live: {source.name}", daemon=True)
        self.source, self._load, self._deliver_from = source, load, deliver
        self._wanted, self._heard_s, self._after = wanted, heard_s, tuple(after)
        self._stopping = threading.Event()
        self.engine: Engine | None = None
        self.discarded = 0

    def stop(self, *, wait: bool = True) -> None:
        """Stop, and wait until the source is closed; from the worker's own thread it does not wait."""
        self._stopping.set()
        if wait and self.is_alive() and threading.current_thread() is not self:
            self.join(JOIN_TIMEOUT_S)

    def _deliver(self, event) -> bool:
        return self._deliver_from(self, event)

    def run(self) -> None:
        """Open, answer until stopped, close."""
        trouble = None
        for worker in self._after:
            worker.join(JOIN_TIMEOUT_S)
        self._after = ()
        try:
            self.source.open()
            self.engine = self._load()
            networks = tuple(self.engine.classifiers)
            if self._deliver(Opened(self.source.name, self.engine.detector.name, networks)) is not False:
                trouble = self._answer_all()
        except ProjectError as error:
            trouble = Trouble(str(error), ends=True)
        except Exception as error:
            log.exception("The live worker ended")
            trouble = Trouble(f"The live view ended with {type(error).__name__}: {error}. Start it again.", ends=True)
        finally:
            self.source.close()
        if trouble is not None and not self._stopping.is_set():
            self._deliver(trouble)

    def _answer_all(self) -> Trouble | None:
        while not self._stopping.is_set():
            if time.monotonic() - self._heard_s() > PATIENCE_S:
                return Trouble(UNHEARD, ends=True)
            try:
                frame = self.source.read(READ_TIMEOUT_S)
            except BadFrameError as error:
                self._deliver(Trouble(str(error), sequence=error.sequence))
                continue
            if frame is None:
                continue
            if not self._wanted():
                self.discarded += 1
            elif self._answer(frame) is False:
                return None
        return None

    def _answer(self, frame: Frame) -> bool:
        """Answer one frame; an exception is shown and the stream goes on."""
        try:
            result = self.engine.answer(frame)
        except Exception as error:
            log.warning("A frame could not be analysed", exc_info=error)
            reason = str(error) if isinstance(error, ProjectError) else f"{type(error).__name__}: {error}"
            return self._deliver(Trouble(f"A frame could not be analysed. {reason}", sequence=frame.sequence))
        return self._deliver((result, frame))
