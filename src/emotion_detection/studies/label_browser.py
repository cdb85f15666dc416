"""Faces to look at: those whose label FER+'s voters dispute, and those that the shipped network gets wrong.

They are FER2013's, whose pictures no record holds. The browser works in JupyterLab and Notebook 7.
"""

import base64
import html

import cv2
import ipywidgets
import numpy as np
import pandas as pd

from emotion_detection.data import FaceDataset, ferplus, load_fer2013
from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.errors import MissingFileError
from emotion_detection.evaluation import mistakes as errors_found
from emotion_detection.plots import evaluation as plots
from emotion_detection.runs import registry, store

VOTERS = 10
PER_PAGE = 21
SHOWN_PX = 96
ANY = "any"


def label_table(dataset: FaceDataset, votes: ferplus.FerPlus) -> pd.DataFrame:
    """Return one row per face with both labels; the faces have FER2013's row numbers.

    Returns:
        Columns: position (in `dataset`), row, split, fer2013, ferplus (plurality; "none" without one; seven emotions,
        "contempt"), agreement (share of the ten votes for the most-voted class, 0–1).
    """
    names = np.array([*ferplus.CLASSES, "none"])
    of_rows = votes.votes[dataset.row]
    return pd.DataFrame(
        {
            "position": np.arange(len(dataset)),
            "row": dataset.row,
            "split": dataset.usage,
            "fer2013": np.array(EMOTIONS)[dataset.emotion],
            "ferplus": names[votes.majority(strict=False)[dataset.row]],
            "agreement": of_rows.max(axis=1) / np.maximum(of_rows.sum(axis=1), 1),
        }
    )


def filtered(
    table: pd.DataFrame,
    *,
    fer2013: str = ANY,
    ferplus_label: str = ANY,
    agreement: tuple[float, float] = (0.0, 1.0),
    disagreeing: bool = True,
) -> pd.DataFrame:
    """Return the rows of `label_table` that pass all filters, the most agreed-upon first.

    `agreement` is the lowest and highest share of voters for the most-voted class; `disagreeing` keeps only faces
    whose two labels differ.
    """
    keep = table["agreement"].between(agreement[0] - 1e-9, agreement[1] + 1e-9)
    if fer2013 != ANY:
        keep &= table["fer2013"] == fer2013
    if ferplus_label != ANY:
        keep &= table["ferplus"] == ferplus_label
    if disagreeing:
        keep &= table["fer2013"] != table["ferplus"]
    return table[keep].sort_values(["agreement", "row"], ascending=[False, True])


class DisagreementBrowser(ipywidgets.VBox):
    """Filters above, a page of faces with both labels below; every control works from the keyboard.

    Args:
        dataset: the faces; None loads FER2013.
        votes: FER+'s votes; None loads them.

    Without the faces or the votes it shows one sentence that says what to get, and no controls.
    """

    def __init__(self, dataset: FaceDataset | None = None, votes: ferplus.FerPlus | None = None):
        try:
            self._dataset = load_fer2013() if dataset is None else dataset
            self._table = label_table(self._dataset, ferplus.load_ferplus() if votes is None else votes)
        except MissingFileError as error:
            super().__init__([ipywidgets.HTML(f"<p>{html.escape(str(error))}</p>")])
            return
        self._make_controls()
        self.faces = ipywidgets.HTML()
        filters = ipywidgets.HBox([self.fer2013, self.ferplus, self.agreement, self.disagreeing])
        filters.layout.flex_flow = "row wrap"
        super().__init__([filters, ipywidgets.HBox([self.previous, self.next, self.page, self.status]), self.faces])
        self._filter()

    def _make_controls(self) -> None:
        """Make the controls and have each redraw the page."""
        emotions = [(DISPLAY_NAMES[name], name) for name in EMOTIONS]
        wide = {"style": {"description_width": "initial"}}
        self.fer2013 = ipywidgets.Dropdown(options=[(ANY, ANY), *emotions], description="FER2013 label", **wide)
        more = [("Contempt", "contempt"), ("no emotion", "none")]
        self.ferplus = ipywidgets.Dropdown(options=[(ANY, ANY), *emotions, *more], description="FER+ majority", **wide)
        self.agreement = ipywidgets.IntRangeSlider(
            value=(VOTERS // 2 + 1, VOTERS), min=1, max=VOTERS, description="votes for it", **wide
        )
        self.disagreeing = ipywidgets.Checkbox(True, description="only where they differ", indent=False)
        self.previous = ipywidgets.Button(description="◀ previous", tooltip="Previous page")
        self.next = ipywidgets.Button(description="next ▶", tooltip="Next page")
        self.page = ipywidgets.IntSlider(1, min=1, max=1, description="page", continuous_update=False)
        self.status = ipywidgets.Label()
        for control in (self.fer2013, self.ferplus, self.agreement, self.disagreeing):
            control.observe(self._filter, "value")
        self.page.observe(self._draw, "value")
        self.previous.on_click(lambda _: self._turn(-1))
        self.next.on_click(lambda _: self._turn(1))

    def _filter(self, _change=None) -> None:
        """Apply the filters and go to the first page."""
        low, high = self.agreement.value
        self.found = filtered(
            self._table,
            fer2013=self.fer2013.value,
            ferplus_label=self.ferplus.value,
            agreement=(low / VOTERS, high / VOTERS),
            disagreeing=self.disagreeing.value,
        )
        self.page.max = max(1, -(-len(self.found) // PER_PAGE))
        self.page.value = 1
        self._draw()

    def _turn(self, pages: int) -> None:
        self.page.value = min(max(self.page.value + pages, 1), self.page.max)

    def _draw(self, _change=None) -> None:
        """Show the page that is chosen."""
        start = (self.page.value - 1) * PER_PAGE
        shown = self.found.iloc[start : start + PER_PAGE]
        self.status.value = f"of {self.page.max:,}: {len(self.found):,} faces"
        cells = "".join(self._cell(line) for line in shown.itertuples())
        self.faces.value = f"<div style='display:flex;flex-wrap:wrap;gap:10px'>{cells or 'No face passes.'}</div>"

    def _cell(self, line) -> str:
        """Return one face with its two labels as HTML."""
        _, png = cv2.imencode(".png", self._dataset.pixels[line.position])
        picture = base64.b64encode(png).decode()
        color = COLORS.get(line.ferplus, "#444444")
        name = DISPLAY_NAMES.get(line.ferplus, {"none": "no emotion"}.get(line.ferplus, line.ferplus))
        text = f"row {line.row}: FER2013 says {DISPLAY_NAMES[line.fer2013]}, FER+ {name}"
        return (
            f"<figure style='margin:0;width:{SHOWN_PX}px;font-size:11px;line-height:1.25'>"
            f"<img alt='{text}' title='{text}' width={SHOWN_PX} src='data:image/png;base64,{picture}'>"
            f"<figcaption>{DISPLAY_NAMES[line.fer2013]} → <b style='color:{color}'>{name}</b><br>"
            f"{100 * line.agreement:.0f} % of votes</figcaption></figure>"
        )


def mistakes(*, label: str, answer: str, n: int = 12):
    """Return a figure of faces of one emotion that the shipped network called another, the surest answers first.

    Args:
        label: emotion of FER2013's label, such as "sad".
        answer: what they were called, such as "fear".
        n: how many at most.

    Returns:
        A figure; without FER2013 a sentence (IPython's Markdown) that says what is missing.

    Raises:
        UnknownNameError: there is no such emotion.
    """
    run = store.load_run(registry.read_card()["run"])
    found = errors_found.mistaken(run.predictions["PrivateTest"], label=label, answer=answer, n=n)
    try:
        dataset = load_fer2013()
    except MissingFileError:
        from IPython.display import Markdown

        return Markdown("*The faces are FER2013's, which is not on this machine: see `data/README.md` to get it.*")
    place = {int(row): index for index, row in enumerate(dataset.row)}
    faces = dataset.pixels[[place[int(row)] for row in found["row"]]]
    title = (
        f"{DISPLAY_NAMES[label]} by FER2013's label, called {DISPLAY_NAMES[answer]}: the {len(found)} surest answers"
    )
    return plots.mistaken_faces(faces, found, title=title)
