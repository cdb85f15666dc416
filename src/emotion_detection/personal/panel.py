"""The panel "Teach it your face" of the live cell (experimental): prompts, a table, a switch, a file of numbers."""

import dataclasses
import functools
import html
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import ipywidgets

from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.errors import ProjectError
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.inference.stream import LiveResult
from emotion_detection.personal import fitting
from emotion_detection.personal import head as personal
from emotion_detection.personal.lesson import HOLD_S, READY_S, REST_S, TAKES, Lesson, Step

TITLE = "Teach it your face (experimental)"
GENERAL, PERSONAL = "general", "personal"
EXAMPLE_PX = 144
FILE = "my_face.json"
INTRODUCTION = (
    f"Seven prompts of {READY_S + TAKES * HOLD_S + REST_S:.0f} seconds: a word, an example, a countdown, and you hold "
    "the expression twice. The network stays as it is; a small correction is fitted to what it makes of your face. "
    "Numbers are kept in memory, no picture, and nothing is written before you click Save."
)
ROW = {"layout": {"flex_flow": "row wrap", "align_items": "center"}}
WIDE = {"description_width": "initial"}
TEXT_STYLE = "line-height: 1.4; max-width: 640px; margin: 4px 0"


class TeachingPanel(ipywidgets.VBox):
    """Teaches the first network of a view, of which it sees networks and results only.

    The view passes its networks through `wrap`, and calls `answered` after each frame. Clicks come in one thread,
    frames in another.
    """

    def __init__(self, **layout):
        self.network: personal.PersonalClassifier | None = None
        self._reason = "Click Start above: the prompts begin with the first picture."
        self._heads: dict[str, personal.Head] = {}  # of each set of labels
        self._labels = "votes"
        self._calibration: personal.Calibration | None = None
        self._asked: tuple[str, ...] = ()
        self._missed: list[str] = []
        self._lesson: Lesson | None = None
        self._lock = threading.RLock()
        self._make_buttons()
        self._make_displays()
        self._prompt = ipywidgets.HBox([self._example, ipywidgets.VBox([self._word, self._progress])])
        self._controls = [
            ipywidgets.HBox([self._begin, self._skip, self._stop, self._repeat], **ROW),
            ipywidgets.HBox([self._which], **ROW),
            ipywidgets.HBox([self._file, self._save, self._load], **ROW),
        ]
        buttons, *others = self._controls
        super().__init__([self._introduction, buttons, self._prompt, self._status, self._table, *others], **layout)
        self._update()

    @property
    def _head(self) -> personal.Head | None:
        """The head for the labels that are answered with."""
        return self._heads.get(self._labels)

    # What the view calls

    def wrap(self, networks: dict) -> dict:
        """Return a view's networks with the first one teachable, where that is possible; a head in use is kept."""
        name, first = next(iter(networks.items()))
        first = personal.PersonalClassifier(first) if isinstance(first, EmotionClassifier) else first
        with self._lock:
            if not isinstance(first, personal.PersonalClassifier):
                self.network, self._reason = None, f"{name} cannot be taught: a {type(first).__name__} has no features."
                return dict(networks)
            self._guarded(lambda: self._take(first))
        return {**networks, name: first}

    def _take(self, network: personal.PersonalClassifier) -> None:
        """Teach this network from now on, with the head in use, or with the one that it brings."""
        self.network = None
        self._reason = "This network has no model card: load it with EmotionClassifier.load to teach it."
        personal.network_of(network)
        self.network = network
        self._labels = getattr(network, "labels", self._labels)
        head = self._heads.pop(self._labels, None)
        if head is None and network.personal_head is not None:
            head, self._which.value = network.personal_head, PERSONAL
        network.personal_head = head  # refused if it was loaded for another network
        if head is not None:
            self._heads[self._labels] = head
        network.is_on = self._which.value == PERSONAL

    def answered(self, result: LiveResult) -> None:
        """Go on with the lesson, after the network has looked at a frame."""
        with self._lock:
            if self._asked and self.network is not None:
                self._open_lesson()
            lesson = self._lesson
            if lesson is None or self.network is None:
                return
            seen = self.network.general.outputs(personal.LEARNED_OUTPUTS, result.crops[:1]) if result.crops else None
            self._show(lesson.answered(result.time_s, seen=seen, n_faces=len(result.crops)))
            if lesson.is_done:
                self._guarded(self._finish)

    def close(self) -> None:
        """Close the panel and every widget in it: ipywidgets keeps each alive until it is closed."""
        if "_controls" in self.__dict__:
            boxes = [self._prompt, *self._prompt.children, *self._controls]
            inside = [child for box in boxes if isinstance(box, ipywidgets.Box) for child in box.children]
            for widget in {*inside, *boxes, *self.children}:
                widget.unobserve_all()
                widget.close()
        super().close()

    # Widgets

    def _make_buttons(self) -> None:
        self._begin = _button("Begin", "graduation-cap", "Ask for the seven expressions, one after another")
        self._skip = _button("Skip this one", "step-forward", "Go on to the next expression")
        self._stop = _button("Stop", "stop", "End the prompts; what is recorded is used")
        self._repeat = _button(
            "Repeat what is missing", "repeat", "Ask for the expressions that are not recorded twice"
        )
        self._save = _button("Save", "download", "Write the numbers of the personal head into this file")
        self._load = _button("Load", "upload", "Read a personal head from this file")
        self._begin.on_click(lambda _: self._guarded(lambda: self._ask(EMOTIONS)))
        self._repeat.on_click(lambda _: self._guarded(lambda: self._ask(self._missing())))
        self._skip.on_click(lambda _: self._guarded(self._skip_prompt))
        self._stop.on_click(lambda _: self._guarded(self._stop_lesson))
        self._save.on_click(lambda _: self._guarded(self._save_head))
        self._load.on_click(lambda _: self._guarded(self._load_head))

    def _make_displays(self) -> None:
        self._introduction = ipywidgets.HTML(f'<p style="{TEXT_STYLE}">{INTRODUCTION}</p>')
        self._example = ipywidgets.Image(
            format="png", width=EXAMPLE_PX, height=EXAMPLE_PX, layout={"margin": "0 12px 0 0"}
        )
        self._word, self._status, self._table = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._progress = ipywidgets.FloatProgress(0.0, min=0, max=1, description="all prompts", style=WIDE)
        choices = [("General network", GENERAL), ("Personal", PERSONAL)]
        self._which = ipywidgets.ToggleButtons(options=choices, description="answers by", style=WIDE)
        self._which.observe(self._switched, "value")
        self._file = ipywidgets.Text(FILE, description="file name", style=WIDE)

    def _update(self) -> None:
        """Offer what can be done now."""
        busy = bool(self._asked) or self._lesson is not None
        self._begin.disabled, self._skip.disabled, self._stop.disabled = busy, not busy, not busy
        self._repeat.disabled = busy or self._calibration is None or not self._missing()
        self._which.disabled = self._save.disabled = self._head is None
        self._prompt.layout.display = "" if self._lesson is not None else "none"

    def _show(self, step: Step) -> None:
        """Show the prompt; what is the same already is not sent again."""
        if step.emotion is None:
            return
        word = f'<span style="font-size: 2em; font-weight: 600">{DISPLAY_NAMES[step.emotion]}</span>'
        self._word.value = (
            f'<div role="status" aria-live="polite" style="line-height: 1.6">{word} '
            f"<span>(take {step.take} of {TAKES})</span><br>{html.escape(step.instruction)}</div>"
        )
        self._example.value = _example_png(step.emotion)
        self._progress.value = round(step.share, 2)

    def _say(self, message: str) -> None:
        self._status.value = f'<p role="status" aria-live="polite" style="{TEXT_STYLE}">{html.escape(message)}</p>'

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do what a click or the last prompt asks for; what goes wrong is shown in the panel."""
        with self._lock:
            try:
                act()
            except (ProjectError, OSError) as error:
                self._say(str(error))
            self._update()

    # The lesson

    def _missing(self) -> tuple[str, ...]:
        recorded = self._calibration.frames if self._calibration is not None else {}
        return tuple(name for name in EMOTIONS if len(recorded.get(name, ())) < TAKES or name in self._missed)

    def _ask(self, emotions: tuple[str, ...]) -> None:
        self._asked = emotions
        self._say(self._reason if self.network is None else "")
        if self.network is not None:
            self._open_lesson()

    def _open_lesson(self) -> None:
        fitting.warm_up()  # the first fit then takes no longer than the next
        fresh = personal.Calibration.of(self.network)  # of this network, and these labels
        known = dataclasses.replace(self._calibration or fresh, clips=())
        if self._calibration is None or dataclasses.astuple(known) != dataclasses.astuple(fresh):
            self._calibration = fresh
        self._lesson, self._asked = Lesson(self._calibration, self._asked), ()
        self._say("")
        self._show(self._lesson.step)
        self._update()

    def _skip_prompt(self) -> None:
        if self._lesson is not None:
            self._lesson.skip()
            self._show(self._lesson.step)
            if self._lesson.is_done:
                self._finish()

    def _stop_lesson(self) -> None:
        self._asked = ()
        if self._lesson is not None:
            self._lesson.stop()
            self._finish()

    def _finish(self) -> None:
        """Fit the head to what was recorded, use it, and say what it is worth."""
        lesson, self._lesson = self._lesson, None
        self._calibration, self._missed = lesson.calibration, lesson.missed
        missed = f" No face was seen for {_listed(self._missed)}: repeat what is missing." if self._missed else ""
        if not self._calibration.clips:
            self._say(f"Nothing was recorded.{missed}")
            return
        began = time.perf_counter()
        self._use(personal.fit(self._calibration))
        fitted = f"Fitted in {time.perf_counter() - began:.1f} s to {len(self._calibration.clips)} clips.{missed}"
        self._table.value = _table(personal.leave_one_clip_out(self._calibration))
        self._say(f"{fitted} {self._head.note}".strip())

    # The head

    def _use(self, head: personal.Head) -> None:
        self.network.personal_head = self._heads[self._labels] = head
        self.network.is_on = True
        self._which.value = PERSONAL

    def _switched(self, change) -> None:
        if self.network is not None:
            self.network.is_on = change["new"] == PERSONAL

    def _save_head(self) -> None:
        privacy = personal.save(self._head, Path(self._file.value))
        self._say(f"Saved as {self._file.value}. {privacy}")

    def _load_head(self) -> None:
        network = self.network if self.network is not None else EmotionClassifier.load()
        head = personal.load(Path(self._file.value), network)
        if self.network is None:
            self._heads[self._labels], self._which.value = head, PERSONAL  # in use as soon as the view is started
        else:
            self._use(head)
        self._table.value = ""
        self._say(f"Loaded {self._file.value}, made from {_listed(head.frames)}. {head.note}".strip())


def _button(description: str, icon: str, tooltip: str) -> ipywidgets.Button:
    return ipywidgets.Button(description=description, icon=icon, tooltip=tooltip, layout={"width": "auto"})


def _listed(emotions) -> str:
    return ", ".join(DISPLAY_NAMES[name] for name in emotions) or "nothing"


@functools.cache
def _example_png(emotion: str) -> bytes:
    """Return the drawn example of an expression as PNG, twice as fine as it is shown."""
    from emotion_detection.data import synthetic  # brings pandas: the live cell starts without it

    size = (2 * EXAMPLE_PX, 2 * EXAMPLE_PX)
    drawn = cv2.resize(synthetic.draw_example(emotion), size, interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".png", drawn)[1].tobytes()


def _table(scores) -> str:
    """Return `head.leave_one_clip_out`'s table as HTML, and how it was made."""
    from emotion_detection.evaluation import formatting  # brings pandas

    shown = scores[["emotion", "clips", "accuracy_before", "accuracy_after"]]
    shown = shown.rename(columns={"accuracy_before": f"accuracy_{GENERAL}", "accuracy_after": f"accuracy_{PERSONAL}"})
    return (
        f'<p style="{TEXT_STYLE}">Frames answered as asked. Each clip was left out of the fit that answers it, so '
        "nothing here was learned by heart; with two clips each it is a rough estimate of what other moments bring.</p>"
        + formatting.format_table(shown).to_html(index=False, border=0, col_space=90)
    )
