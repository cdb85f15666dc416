"""Plots of explanations: heat on faces and on average faces, and what the checks found."""

import matplotlib.axes
import matplotlib.figure
import matplotlib.ticker
import numpy as np

from emotion_detection.emotions import COLORS, DISPLAY_NAMES, EMOTIONS
from emotion_detection.inference import class_activation
from emotion_detection.plots.style import SERIES_COLORS, styled
from emotion_detection.plots.style import set_title as _suptitle
from emotion_detection.studies import explanations

SHOWN_PX = 240
"""Faces are enlarged to so many pixels before heat is laid over them, so that it is smooth."""

HEAT_DIGITS = 2
"""Evidence is rounded before it is drawn: networks' last digits differ between processors."""

KINDS = {"right": "right answers", "all": "all answers", "right_fine": "right, finer"}
ORDER_NAMES = {
    explanations.RANDOM[3]: "random patches, 3×3",
    explanations.RANDOM[6]: "random patches, 6×6",
    explanations.CENTRE: "the middle first",
    explanations.TILED: "the 3×3 map, not aligned",
    explanations.AVERAGE: "the answer's average, 3×3",
    explanations.AVERAGE_FINE: "the answer's average, 6×6",
}
LINES = {
    explanations.RANDOM[3]: (":", "#999999"),
    explanations.RANDOM[6]: (":", "#444444"),
    explanations.CENTRE: ("--", SERIES_COLORS[3]),
    explanations.TILED: ("-.", SERIES_COLORS[0]),
    explanations.AVERAGE: ("--", "#228833"),
    explanations.AVERAGE_FINE: ("--", "#AA3377"),
}


def order_name(name: str) -> str:
    """Return how an order of deletion is called in figures and sentences."""
    if name in ORDER_NAMES:
        return ORDER_NAMES[name]
    cells = explanations.CELLS[name]
    return f"{name}, {cells}×{cells}"


@styled
def explained_face(crop: np.ndarray, maps: dict[str, np.ndarray], figure: matplotlib.figure.Figure) -> dict:
    """Show a face, and beside it the same face under each map's heat.

    Args:
        crop: uint8 array (48, 48), grey: what the network saw.
        maps: title → float array (h, w), evidence.
        figure: empty, about as many times as wide as high as there are pictures.
    """
    panels = figure.subplots(1, 1 + len(maps))
    large = np.repeat(np.repeat(crop, SHOWN_PX // crop.shape[0], axis=0), SHOWN_PX // crop.shape[1], axis=1)
    panels[0].imshow(large, cmap="gray", vmin=0, vmax=255)
    panels[0].set_title("what it sees", loc="center")
    values = {}
    for axes, (title, evidence_map) in zip(panels[1:], maps.items(), strict=True):
        values[title] = np.round(class_activation.heat(evidence_map), HEAT_DIGITS)
        axes.imshow(class_activation.heat_overlay(large, values[title]))
        axes.set_title(title, loc="center")
    for axes in panels:
        _as_picture(axes)
    return {"heat": values}


@styled
def class_heat(
    averages: dict[str, np.ndarray], faces: np.ndarray, figure: matplotlib.figure.Figure, *, counts: dict
) -> dict:
    """Show the average heat of each emotion on its average face: a row for the right answers, one for all, one finer.

    Args:
        averages: kind → float array (7, h, w), 0–1, from `explanations.load_averages`.
        faces: float array (7, 48, 48), the average faces, 0–255.
        figure: empty, about two and a half times as wide as high.
        counts: "right" and "all" → emotion → number of faces, as recorded.
    """
    grid = figure.subplots(len(KINDS), len(EMOTIONS))
    for row, (kind, words) in zip(grid, KINDS.items(), strict=True):
        for index, (axes, emotion) in enumerate(zip(row, EMOTIONS, strict=True)):
            axes.imshow(class_activation.heat_overlay(_enlarged(faces[index]), averages[kind][index]))
            axes.set_xlabel(f"n = {counts[kind.removesuffix('_fine')][emotion]:,}", fontsize=8)
            if kind == "right":
                axes.set_title(DISPLAY_NAMES[emotion], loc="center")
            _as_picture(axes, COLORS[emotion])
        row[0].set_ylabel(words, color="#222222")
    _suptitle(figure, f"Average heat of each answer, PublicTest (n = {sum(counts['all'].values()):,})")
    return {"n": counts, "heat": {kind: dict(zip(EMOTIONS, averages[kind], strict=True)) for kind in KINDS}}


def _enlarged(face: np.ndarray) -> np.ndarray:
    """Return a face as uint8 (240, 240), each pixel several times."""
    times = SHOWN_PX // face.shape[0]
    return np.repeat(np.repeat(np.round(face).astype(np.uint8), times, axis=0), times, axis=1)


def _as_picture(axes: matplotlib.axes.Axes, color: str | None = None) -> None:
    """Take away what belongs to a plot; frame it in a colour."""
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(color is not None)
    if color is not None:
        axes.spines[:].set(color=color, linewidth=2.5)


@styled
def sanity(values: dict, axes: matplotlib.axes.Axes) -> dict:
    """Plot how like the network's own maps those of ever more shuffled networks are.

    Args:
        values: "sanity" of `explanations.load`.
        axes: to draw on.
    """
    measures = {"rank_correlation": ("o-", "rank correlation"), "similarity": ("s--", "SSIM")}
    for color, (layer, found) in zip(SERIES_COLORS, values["layers"].items(), strict=False):
        for key, (marks, words) in measures.items():
            _plot_steps(axes, [step[key] for step in found["steps"]], marks, color, f"{words}, {order_name(layer)}")
        other = found["another_face"]["rank_correlation"]["mean"]
        axes.axhline(other, color=color, linestyle=":", linewidth=1.2, label=f"of another face, {order_name(layer)}")
    steps = [step["down_to"] for step in next(iter(values["layers"].values()))["steps"]]
    names = ["none", *steps[:-1], "all"]
    axes.axhline(0.0, color="#555555", linewidth=0.8)
    axes.set_xticks(range(len(names)), labels=names)
    axes.set(xlabel="shuffled from the answer down to", ylabel="likeness to the network's own map")
    axes.set(title=f"Maps of shuffled networks, PublicTest (n = {values['n']:,})", ylim=(None, 1.05))
    axes.grid(visible=False, axis="x")
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return values


def _plot_steps(axes: matplotlib.axes.Axes, likeness: list[dict], marks: str, color: str, label: str) -> None:
    """Plot the likeness after each step with its interval; before the first step it is 1."""
    means = [1.0, *(each["mean"] for each in likeness)]
    errors = [[0.0, *(abs(each[side] - each["mean"]) for each in likeness)] for side in ("low", "high")]
    style = {"ms": 4, "capsize": 2.5, "linewidth": 1.2, "elinewidth": 1.0}
    axes.errorbar(range(len(means)), means, yerr=errors, fmt=marks, color=color, label=label, **style)


@styled
def deletion(values: dict, figure: matplotlib.figure.Figure) -> dict:
    """Plot deletion curves of maps and of orders that know no face; right, how far the areas under them are apart.

    Args:
        values: "deletion" of `explanations.load`.
        figure: empty, not twice as wide as high.
    """
    places = figure.subplot_mosaic([["curves", "whole"], ["curves", "early"]], width_ratios=[1.2, 1])
    _deletion_curves(places["curves"], values)
    places["whole"].sharex(places["early"])
    titles = {"whole": "map − control, whole face", "early": f"the first {100 * values['early']['up_to']:.0f} %"}
    for key, title in titles.items():
        _area_differences(places[key], values[key]["differences"])
        places[key].set_title(title, fontsize=9)
    places["early"].set_xlabel("points, 95 % interval")
    places["whole"].tick_params(labelbottom=False)
    figure.legend(*places["curves"].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    _suptitle(figure, f"What is left of the answer when places are blurred, PublicTest (n = {values['n']:,})")
    return {key: values[key] for key in ("n", "shares", "curves", "whole", "early")}


def _deletion_curves(axes: matplotlib.axes.Axes, values: dict) -> None:
    layers = dict(zip(values["whole"]["differences"], SERIES_COLORS, strict=False))
    for name, curve in values["curves"].items():
        line, color = LINES.get(name) or ("-", layers[name])
        axes.plot(values["shares"], curve["mean"], line, color=color, label=order_name(name))
        if name in layers:
            axes.fill_between(values["shares"], curve["low"], curve["high"], color=color, alpha=0.15, linewidth=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.axvline(values["early"]["up_to"], color="#AAAAAA", linewidth=0.8)
    axes.set(xlabel="share of the face that is blurred", ylabel="probability of the first answer", ylim=(0, None))
    axes.set_title("lower is better", fontsize=9)
    axes.set_xlim(0, 1)


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
    axes.set_yticks(range(len(controls)), labels=[order_name(name) for name in controls], fontsize=7.5)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
