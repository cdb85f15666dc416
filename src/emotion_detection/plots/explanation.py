"""Plots of explanations: heat on faces and on average faces."""

import numpy as np

from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.inference import class_activation
from emotion_detection.plots.style import INK, Figure, as_picture, finish, new_figure, set_title, styled

SHOWN_PX = 240
"""Faces are enlarged to so many pixels before heat is laid over them, so that it is smooth."""

HEAT_DIGITS = 2
"""Evidence is rounded before it is drawn: networks' last digits differ between processors."""

HEAT_ROWS = {"right": "right answers", "all": "all answers", "right_fine": "right, finer"}


@styled
def explained_face(crop: np.ndarray, maps: dict[str, np.ndarray]) -> Figure:
    """Show a face, and beside it the same face under each map's heat.

    Args:
        crop: uint8 array (48, 48), grey: what the network saw.
        maps: title → float array (h, w), evidence; three look well.
    """
    figure = new_figure(2.4)
    panels = figure.subplots(1, 1 + len(maps))
    large = _enlarged(crop)
    panels[0].imshow(large, cmap="gray", vmin=0, vmax=255)
    panels[0].set_title("what it sees", loc="center")
    values = {}
    for axes, (title, evidence_map) in zip(panels[1:], maps.items(), strict=True):
        values[title] = np.round(class_activation.heat(evidence_map), HEAT_DIGITS)
        axes.imshow(class_activation.heat_overlay(large, values[title]))
        axes.set_title(title, loc="center")
    for axes in panels:
        as_picture(axes)
    return finish(figure, {"heat": values})


@styled
def class_heat(averages: dict[str, np.ndarray], faces: np.ndarray, *, counts: dict) -> Figure:
    """Show the average heat of each emotion on its average face: a row for the right answers, one for all, one finer.

    Args:
        averages: kind → float array (7, h, w), 0–1, from `studies.explanations.load_average_heat`.
        faces: float array (7, 48, 48), the average faces, 0–255.
        counts: "right" and "all" → emotion → number of faces, as recorded.
    """
    figure = new_figure(4.4)
    grid = figure.subplots(len(HEAT_ROWS), len(EMOTIONS))
    for row, (kind, words) in zip(grid, HEAT_ROWS.items(), strict=True):
        for index, (axes, emotion) in enumerate(zip(row, EMOTIONS, strict=True)):
            axes.imshow(class_activation.heat_overlay(_enlarged(faces[index]), averages[kind][index]))
            axes.set_xlabel(f"n = {counts[kind.removesuffix('_fine')][emotion]:,}", fontsize=8)
            if kind == "right":
                axes.set_title(DISPLAY_NAMES[emotion], loc="center")
            as_picture(axes, COLORS[emotion])
        row[0].set_ylabel(words, color=INK)
    set_title(figure, f"Average heat of each answer, PublicTest (n = {sum(counts['all'].values()):,})")
    heat = {kind: dict(zip(EMOTIONS, averages[kind], strict=True)) for kind in HEAT_ROWS}
    return finish(figure, {"n": counts, "heat": heat})


def _enlarged(face: np.ndarray) -> np.ndarray:
    """Return a face as uint8 (240, 240), each pixel several times."""
    times = SHOWN_PX // face.shape[0]
    return np.repeat(np.repeat(np.round(face).astype(np.uint8), times, axis=0), times, axis=1)
