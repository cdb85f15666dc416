"""Faces to look at: those whose label FER+'s voters dispute, and those that the shipped network gets wrong.

They are FER2013's, whose pictures no record holds. The browser works in JupyterLab and Notebook 7.
"""

import html

import ipywidgets
import numpy as np
import pandas as pd

from emotion_detection import plots
from emotion_detection.data import FaceDataset, ferplus, load_fer2013
from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.errors import MissingFileError
from emotion_detection.evaluation import mistakes as errors_found
from emotion_detection.runs import registry, store

VOTERS = 10
PER_PAGE = 18
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
    low, high = agreement
    keep = table["agreement"].between(low - 1e-9, high + 1e-9)
    for column, wanted in (("fer2013", fer2013), ("ferplus", ferplus_label)):
        if wanted != ANY:
            keep &= table[column] == wanted
    if disagreeing:
        keep &= table["fer2013"] != table["ferplus"]
    return table[keep].sort_values(["agreement", "row"], ascending=[False, True])


def page_of(dataset: FaceDataset, found: pd.DataFrame, page: int) -> plots.Figure:
    """Return a page of faces with both labels, from `filtered`; after the last page it is the last."""
    pages = max(1, -(-len(found) // PER_PAGE))
    page = min(page, pages)
    shown = found.iloc[(page - 1) * PER_PAGE : page * PER_PAGE]
    captions = [
        f"{DISPLAY_NAMES[line.fer2013]} → {DISPLAY_NAMES.get(line.ferplus, line.ferplus)}\n{line.agreement:.0%} agree"
        for line in shown.itertuples()
    ]
    title = f"Page {page} of {pages}: {len(found):,} faces" if len(found) else "No face passes"
    return plots.captioned_faces(dataset.pixels[shown["position"]], captions, title=title)


def disagreements(dataset: FaceDataset | None = None, votes: ferplus.FerPlus | None = None) -> ipywidgets.Widget:
    """Return filters and, below them, a page of faces with FER2013's label → FER+'s.

    Args:
        dataset: the faces; None loads FER2013.
        votes: FER+'s votes; None loads them. Without the faces or the votes, the widget is one sentence that says
            what to get.
    """
    try:
        dataset = load_fer2013() if dataset is None else dataset
        table = label_table(dataset, ferplus.load_ferplus() if votes is None else votes)
    except MissingFileError as error:
        return ipywidgets.HTML(f"<p>{html.escape(str(error))}</p>")

    label = ipywidgets.Dropdown(options=[ANY, *EMOTIONS], description="FER2013:")
    voters_say = ipywidgets.Dropdown(options=[ANY, *ferplus.CLASSES, "none"], description="FER+:")
    votes_for_it = ipywidgets.IntRangeSlider(
        value=(VOTERS // 2 + 1, VOTERS), min=1, max=VOTERS, description="votes for it:"
    )
    differing = ipywidgets.Checkbox(True, description="only where the two differ")
    page = ipywidgets.BoundedIntText(1, min=1, max=10_000, description="page:")
    controls = (label, voters_say, votes_for_it, differing, page)
    picture = ipywidgets.Image()

    def show(_change=None):
        wanted = {"fer2013": label.value, "ferplus_label": voters_say.value, "disagreeing": differing.value}
        agreement = tuple(count / VOTERS for count in votes_for_it.value)
        figure = page_of(dataset, filtered(table, agreement=agreement, **wanted), page.value)
        picture.value = figure._repr_mimebundle_()["image/png"]

    for control in controls:
        control.observe(show, "value")
    show()
    return ipywidgets.VBox([*controls, picture])


def mistakes(*, label: str, answer: str, n: int = 12):
    """Return a figure of faces of one emotion that the shipped network called another, the surest answers first.

    `label` and `answer` are emotions, such as "sad" and "fear"; `n` is how many at most. Without FER2013 it is a
    sentence (IPython's Markdown) that says what is missing.

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
    faces = dataset.pixels[pd.Index(dataset.row).get_indexer(found["row"])]
    captions = [
        f"{DISPLAY_NAMES[answer]} {line.confidence:.0%}\n{DISPLAY_NAMES[label]} {line.label_probability:.0%}"
        for line in found.itertuples()
    ]
    title = f"{DISPLAY_NAMES[label]} by FER2013's label, called {DISPLAY_NAMES[answer]}: {len(found)} surest answers"
    return plots.captioned_faces(faces, captions, title=title)
