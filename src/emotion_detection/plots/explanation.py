"""Plots of explanations: heat on faces and on average faces, and what the checks found."""

import matplotlib.axes
import numpy as np

from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.inference import class_activation
from emotion_detection.plots.style import (
    INK,
    PERCENT,
    SERIES_COLORS,
    Figure,
    as_picture,
    finish,
    new_figure,
    set_title,
    styled,
)

SHOWN_PX = 240
"""Faces are enlarged to so many pixels before heat is laid over them, so that it is smooth."""

HEAT_DIGITS = 2
"""Evidence is rounded before it is drawn: networks' last digits differ between processors."""

HEAT_ROWS = {"right": "right answers", "all": "all answers", "right_fine": "right, finer"}
ORDERS = {
    "out_relu": ("out_relu, 3×3", "-", SERIES_COLORS[0]),
    "block_13_expand_relu": ("block_13_expand_relu, 6×6", "-", SERIES_COLORS[1]),
    "block_12_add": ("block_12_add, 6×6", "-", SERIES_COLORS[2]),
    "random_3": ("random patches, 3×3", ":", "#999999"),
    "random_6": ("random patches, 6×6", ":", "#444444"),
    "centre": ("the middle first", "--", SERIES_COLORS[3]),
    "tiled": ("the 3×3 map, not aligned", "-.", SERIES_COLORS[0]),
    "average": ("the answer's average, 3×3", "--", "#228833"),
    "average_fine": ("the answer's average, 6×6", "--", "#AA3377"),
}
"""Order of deletion, as recorded → its name in the figure, its line and its colour."""


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


@styled
def deletion_curves(values: dict) -> Figure:
    """Plot deletion curves of maps and of orders that know no face; right, how far the areas under them are apart.

    The values are those under "deletion" of `studies.explanations.load_checks`.
    """
    figure = new_figure(5.0)
    places = figure.subplot_mosaic([["curves", "whole"], ["curves", "early"]], width_ratios=[1.2, 1])
    left = places["curves"]
    for name, curve in values["curves"].items():
        label, line, color = ORDERS[name]
        left.plot(values["shares"], curve["mean"], line, color=color, label=label)
        if line == "-":
            left.fill_between(values["shares"], curve["low"], curve["high"], color=color, alpha=0.15, linewidth=0)
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_formatter(PERCENT)
    left.axvline(values["early"]["up_to"], color="#AAAAAA", linewidth=0.8)
    left.set(xlabel="share of the face that is blurred", ylabel="probability of the first answer", ylim=(0, None))
    left.set_title("lower is better", fontsize=9)
    left.set_xlim(0, 1)
    places["whole"].sharex(places["early"])
    titles = {"whole": "map − control, whole face", "early": f"the first {100 * values['early']['up_to']:.0f} %"}
    for key, title in titles.items():
        _area_differences(places[key], values[key]["differences"])
        places[key].set_title(title, fontsize=9)
    places["early"].set_xlabel("points, 95 % interval")
    places["whole"].tick_params(labelbottom=False)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    set_title(figure, f"What is left of the answer when places are blurred, PublicTest (n = {values['n']:,})")
    return finish(figure, {key: values[key] for key in ("n", "shares", "curves", "whole", "early")})


def _area_differences(axes: matplotlib.axes.Axes, differences: dict) -> None:
    """Plot the paired difference of each layer's area to each control's, in points of probability."""
    controls = list(next(iter(differences.values())))
    for index, found in enumerate(differences.values()):
        places = np.arange(len(controls)) + 0.22 * (index - 1)
        means, lows, highs = (
            np.array([100 * found[each][key] for each in controls]) for key in ("mean", "low", "high")
        )
        style = {"fmt": "o", "ms": 3.5, "capsize": 2.0, "elinewidth": 1.2, "color": SERIES_COLORS[index]}
        axes.errorbar(means, places, xerr=[means - lows, highs - means], **style)
    axes.axvline(0.0, color="#555555", linewidth=1.0)
    axes.set_yticks(range(len(controls)), labels=[ORDERS[name][0] for name in controls], fontsize=7.5)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
