"""A lesson (experimental): seven prompts, two takes each, timed by the frames that arrive; features are kept.

Time is that of the frames: where none come, the lesson waits, and a long gap does not eat up a take.
"""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.faces import detection
from emotion_detection.inference import tracking
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.inference.stream import Frame, FrameSource
from emotion_detection.personal import head

READY_S, HOLD_S, REST_S = 3.0, 2.5, 1.5
"""Of a prompt: the countdown, each of the two takes, the pause between them, in which the face relaxes."""

TAKES = 2
PHASES = (("ready", 1, READY_S), ("hold", 1, HOLD_S), ("rest", 2, REST_S), ("hold", 2, HOLD_S))
"""Of a prompt: name, number of the take, seconds."""

LONGEST_STEP_S = 0.5
"""Frames farther apart count as so far apart."""

FEWEST_FRAMES = 3
"""A take in which the face was seen in fewer frames is not kept."""

READ_TIMEOUT_S = 0.2
LONGEST_WAIT_S = 10.0


@dataclasses.dataclass(frozen=True)
class Step:
    """Where a lesson is: `share` of it is over (0–1), the next phase comes in `left_s`; `emotion` is None when done."""

    phase: Literal["ready", "hold", "rest", "done"]
    emotion: str | None
    take: int
    left_s: float
    share: float
    faces: int

    @property
    def instruction(self) -> str:
        """What to do now."""
        if self.phase == "done":
            return "Done."
        if self.faces == 0:
            return "No face is seen: come into the light, face the camera."
        seconds = max(1, int(np.ceil(self.left_s)))
        asked = {"ready": f"Get ready: {seconds}", "hold": f"Hold it: {seconds}", "rest": f"Relax your face: {seconds}"}
        more = " (the largest of several faces counts)" if self.faces > 1 else ""
        return f"{asked[self.phase]}{more}"


class Lesson:
    """Leads through the prompts and keeps the clips; every method may be called from any thread.

    Args:
        calibration: what is recorded already; clips of the emotions asked for replace those in it.
        emotions: the prompts, in order, at least one.
    """

    def __init__(self, calibration: head.Calibration, emotions: Sequence[str] = EMOTIONS):
        unknown = [name for name in emotions if name not in EMOTIONS]
        if unknown:
            raise UnknownNameError(f"{unknown[0]!r} is no emotion. Use some of {', '.join(EMOTIONS)}.")
        if not emotions:
            raise DataError("A lesson got no emotion to ask for. Pass at least one.")
        self.calibration, self.emotions = calibration, tuple(emotions)
        self.missed: list[str] = []
        self._prompt, self._phase, self._into_s = 0, 0, 0.0
        self._last_s: float | None = None
        self._taken: list[dict[str, np.ndarray]] = []
        self._clips: list[head.Clip] = []
        self._faces = 1
        self._lock = threading.RLock()

    @property
    def is_done(self) -> bool:
        """Whether no prompt is left."""
        return self._prompt >= len(self.emotions)

    @property
    def step(self) -> Step:
        """Where the lesson is now."""
        with self._lock:
            if self.is_done:
                return Step("done", None, TAKES, 0.0, 1.0, self._faces)
            phase, take, length_s = PHASES[self._phase]
            whole_s = sum(each[2] for each in PHASES)
            over_s = sum(each[2] for each in PHASES[: self._phase]) + self._into_s
            share = (self._prompt + over_s / whole_s) / len(self.emotions)
            return Step(phase, self.emotions[self._prompt], take, length_s - self._into_s, share, self._faces)

    def answered(self, time_s: float, *, seen: dict[str, np.ndarray] | None, n_faces: int = 1) -> Step:
        """Take what the network saw in one frame, and go on.

        Args:
            time_s: of the frame.
            seen: "features" (n, 1280) and "scores" (n, 7, or 8 with contempt) of its faces, the largest first; None
                if there is none.
            n_faces: in the frame.
        """
        with self._lock:
            elapsed_s = 0.0 if self._last_s is None else time_s - self._last_s
            self._last_s, self._faces = time_s, n_faces if seen is not None else 0
            self._into_s += min(max(elapsed_s, 0.0), LONGEST_STEP_S)
            while not self.is_done and self._into_s >= PHASES[self._phase][2]:
                self._into_s -= PHASES[self._phase][2]
                self._end_phase()
            if not self.is_done and PHASES[self._phase][0] == "hold" and seen is not None:
                self._taken.append({name: seen[name][0] for name in head.LEARNED_OUTPUTS})
            return self.step

    def skip(self) -> None:
        """Go on to the next prompt; what was recorded of this emotion before this lesson stays."""
        with self._lock:
            if not self.is_done:
                self._clips = []
                self._next_prompt()

    def stop(self) -> None:
        """End the lesson; prompts that were not finished are as if skipped."""
        with self._lock:
            self._clips, self._prompt = [], len(self.emotions)

    def _end_phase(self) -> None:
        if PHASES[self._phase][0] == "hold":
            self._end_take()
        self._phase += 1
        if self._phase == len(PHASES):
            self._keep()
            self._next_prompt()

    def _end_take(self) -> None:
        if len(self._taken) >= FEWEST_FRAMES:
            arrays = {name: np.stack([each[name] for each in self._taken]) for name in head.LEARNED_OUTPUTS}
            scores = arrays["scores"][:, : len(EMOTIONS)]
            self._clips.append(head.Clip(self.emotions[self._prompt], arrays["features"], scores))
        self._taken = []

    def _keep(self) -> None:
        """Put the prompt's clips into the calibration; a take without a face makes the prompt a missed one."""
        emotion = self.emotions[self._prompt]
        if len(self._clips) < TAKES:
            self.missed.append(emotion)
        if self._clips:
            self.calibration = self.calibration.without_emotion(emotion)
            for clip in self._clips:
                self.calibration = self.calibration.with_clip(clip)

    def _next_prompt(self) -> None:
        self._taken, self._clips = [], []
        self._prompt, self._phase, self._into_s = self._prompt + 1, 0, 0.0


def record(
    source: FrameSource,
    emotions: Sequence[str] = EMOTIONS,
    *,
    network: EmotionClassifier | head.PersonalClassifier | None = None,
    detector: detection.Detector | None = None,
    on_step: Callable[[Step], object] = lambda step: None,
) -> head.Calibration:
    """Lead through a lesson without a widget, in front of any source but the browser's camera.

    Args:
        source: opened, read and closed here.
        emotions: the prompts, in order; about ten seconds each.
        network: the shipped one if None.
        detector: `tracking.live_detector()` if None.
        on_step: called with each step, such as `lambda step: print(step.emotion, step.instruction)`.

    Returns:
        The calibration, for `head.fit`.

    Raises:
        DataError: the source gave no frame for ten seconds, or no take of any prompt showed a face.
        CameraError: the source does not open, or ends.
    """
    network = network if network is not None else EmotionClassifier.load()
    network = getattr(network, "general", network)  # what is learned is a correction of the network's own answers
    detector = detector if detector is not None else tracking.live_detector()
    lesson = Lesson(head.Calibration.of(network), emotions)
    for frame in _frames(source):
        _, crops = detection.find_faces(frame.bgr, detector)
        seen = network.outputs(head.LEARNED_OUTPUTS, crops[:1]) if crops else None
        on_step(lesson.answered(frame.time_s, seen=seen, n_faces=len(crops)))
        if lesson.is_done:
            break
    if not lesson.calibration.clips:
        asked = ", ".join(DISPLAY_NAMES[name] for name in emotions)
        raise DataError(f"No face was seen for {asked} in {source.name}. Come closer, face the camera, and repeat.")
    return lesson.calibration


def _frames(source: FrameSource) -> Iterator[Frame]:
    source.open()
    try:
        heard_s = time.monotonic()
        while time.monotonic() - heard_s < LONGEST_WAIT_S:
            frame = source.read(READ_TIMEOUT_S)
            if frame is not None:
                heard_s = time.monotonic()
                yield frame
    finally:
        source.close()
    raise DataError(f"{source.name} gave no frame for {LONGEST_WAIT_S:.0f} s. Check it, or take another source.")
