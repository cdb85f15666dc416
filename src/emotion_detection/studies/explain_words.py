"""Sentences on the recorded checks of explanations: each number comes from the record."""

import numpy as np

from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.inference import class_activation
from emotion_detection.plots.explanation import order_name
from emotion_detection.studies import explanation_checks, explanations
from emotion_detection.training import grad_cam

SIGN = "−"


def belongs_to(values: dict) -> str:
    """Return which network the record is of; where another is shipped by now, that, and what to do."""
    network = values["network"]
    words = (
        f"The checks were recorded with `{network['name']}` (run `{network['run']}`, finished {network['finished']})"
    )
    if explanations.is_current(values):
        return f"{words}, the network that is shipped."
    return (
        f"{words}. **Another network is shipped by now: what follows is of the earlier one.** Record it again (needs "
        f"FER2013): `{explanations.COMMAND}`."
    )


def interval(value: dict, *, percent: bool = False) -> str:
    """Return a mean and its 95 % interval, such as "0.31 (0.29 to 0.33)" or "−3.1 (−4.0 to −2.2)" points."""
    times, digits = (100, 1) if percent else (1, 2)
    mean, low, high = (_signed(times * value[key], digits) for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


def _signed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", SIGN)


def placement(values: dict, heat: dict[str, np.ndarray]) -> str:
    """Return where cells are drawn, and why not on their tiles; arguments as for `averages`."""
    measured = " and ".join(
        f"{_signed(shift, 2)} of a cell for {order_name(layer)}" for layer, shift in values["shift_cells"].items()
    )
    middles = [
        across(stretch(heat["all"])) for stretch in (explanation_checks.over_faces, explanation_checks.tiled_over_faces)
    ]
    aligned, tiled = (f"{100 * middle:.0f} %" for middle in middles)
    return (
        "A cell is not drawn on its tile. MobileNetV2 halves its maps with a border on one side only, so that a cell "
        f"reacts to places further to the right and below: by the gradients of the cells in the middle {measured}. "
        f"Maps are drawn, and tested, {class_activation.SHIFT_CELLS:g} of a cell off: the middle of the average heat "
        f"then lies at {aligned} of the width of a face from the left, on tiles it would at {tiled}."
    )


def across(heat: np.ndarray) -> float:
    """Return where from left to right the middle of heat over faces (n, h, w) lies, as a share of the width."""
    columns = heat.sum(axis=(0, 1))
    return float(np.average(np.arange(len(columns)) + 0.5, weights=columns) / len(columns))


def averages(values: dict, heat: dict[str, np.ndarray]) -> str:
    """Return how many faces stand behind each average, where it is hottest, and how far right and wrong answers differ.

    Args:
        values: from `explanations.load`.
        heat: from `explanations.load_averages`.
    """
    right, every = values["averages"]["right"], values["averages"]["all"]
    least = min(every, key=every.get)
    return (
        f"{sum(right.values()):,} of {sum(every.values()):,} PublicTest faces are called rightly. "
        f"{DISPLAY_NAMES[least]} rests on the fewest: {right[least]} right of {every[least]} called so. Share of "
        f"the heat in the lower third of the face, where the mouth is: {_lower_shares(heat['right'])}. {_alike(heat)} "
        f"{_corners(heat['right_fine'])}"
    )


def _lower_shares(heat: np.ndarray) -> str:
    """Return each emotion's share of its heat in the lower third, the highest first."""
    heat = explanation_checks.over_faces(heat)
    third = heat.shape[1] // 3
    shares = heat[:, -third:].sum(axis=(1, 2)) / np.maximum(heat.sum(axis=(1, 2)), 1e-9)
    return ", ".join(f"{DISPLAY_NAMES[EMOTIONS[index]]} {100 * shares[index]:.0f} %" for index in np.argsort(-shares))


def _corners(heat: np.ndarray) -> str:
    """Return how much of the finer maps' heat lies in the corners, where there is no face."""
    corners = heat[:, [0, 0, -1, -1], [0, -1, 0, -1]].sum(axis=1) / np.maximum(heat.sum(axis=(1, 2)), 1e-9)
    area = 4 / (heat.shape[1] * heat.shape[2])
    most = int(corners.argmax())
    return (
        f"Finer is not cleaner: the four corner cells, hair and background, hold {100 * corners.mean():.0f} % of the "
        f"finer maps' heat ({DISPLAY_NAMES[EMOTIONS[most]]}: {100 * corners[most]:.0f} %) on {100 * area:.0f} % of the "
        "area."
    )


def _alike(heat: dict[str, np.ndarray]) -> str:
    """Return how like the average of all answers is to that of the right ones."""
    alike = explanation_checks.rank_correlations(heat["right"], heat["all"])
    least = int(alike.argmin())
    return (
        f"Counting the wrong answers, too, changes little where the rank correlation of both rows is near one: the "
        f"lowest is {_signed(alike[least], 2)} ({DISPLAY_NAMES[EMOTIONS[least]]})."
    )


def sanity(values: dict) -> str:
    """Return what shuffled weights do to the maps, layer by layer of the network, and whether that is well."""
    lines = []
    for layer, found in values["sanity"]["layers"].items():
        first, last = found["steps"][0], found["steps"][-1]
        other = found["another_face"]["rank_correlation"]
        lines.append(
            f"- {order_name(layer)}: the rank correlation with the network's own map falls from {_signed(1, 2)} to "
            f"**{interval(first['rank_correlation'])}** with `{first['down_to']}` alone shuffled, and to "
            f"**{interval(last['rank_correlation'])}** with all layers shuffled. Maps of the same network for the same "
            f"emotion, but of another face: {interval(other)}. {sanity_verdict(found)}"
        )
    return "\n".join(lines)


def sanity_verdict(found: dict) -> str:
    """Return which shuffled networks' maps are still liker to the network's own than those of another face."""
    other = max(found["another_face"]["rank_correlation"]["mean"], 0.0)
    above = [step["down_to"] for step in found["steps"] if step["rank_correlation"]["low"] > other]
    if not above:
        return "So the map depends on what was learned: no shuffled network's is liker than another face's."
    return (
        f"**Not all is well**: shuffled down to {', '.join(f'`{name}`' for name in above)} the maps are still liker "
        "than another face's."
    )


def deletion(values: dict) -> str:
    """Return which maps delete the answer faster than which controls, over the whole face and at the beginning."""
    found = values["deletion"]
    lines = ["Points of probability under the curve, lower is better:", ""]
    for layer in grad_cam.LAYERS:
        whole, early = found["whole"], found["early"]
        lines.append(
            f"- {order_name(layer)}: **{interval(whole['areas'][layer], percent=True)}**; {_against(layer, whole)} "
            f"In the first {100 * early['up_to']:.0f} % of the face: {_against(layer, early)}"
        )
    return "\n".join([*lines, "", _layers(values)])


def _against(layer: str, found: dict) -> str:
    """Return which controls a map beats, which beat it, and which it cannot be told from, by paired intervals."""
    groups = {"better than": [], "**worse than**": [], "not to be told from": []}
    for control, difference in found["differences"][layer].items():
        words = f"{order_name(control)} ({_signed(100 * difference['mean'], 1)})"
        groups[_verdict(difference)].append(words)
    return ", ".join(f"{verdict} {' and '.join(names)}" for verdict, names in groups.items() if names) + "."


def _verdict(difference: dict) -> str:
    if difference["high"] < 0:
        return "better than"
    return "**worse than**" if difference["low"] > 0 else "not to be told from"


def _layers(values: dict) -> str:
    """Return whether the default layer and the fine one are those that these faces would choose."""
    sentences = []
    for key, words, layer in (
        ("whole", "over the whole face", values["layer"]),
        ("early", "at the beginning", values["fine_layer"]),
    ):
        areas = values["deletion"][key]["areas"]
        best = min(grad_cam.LAYERS, key=lambda name: areas[name]["mean"])
        same = "which is why it is used" if best == layer else f"and not `{layer}`, which is used"
        sentences.append(f"Of the layers `{best}` is the best {words}, {same}.")
    return " ".join(sentences)


def speed(values: dict) -> str:
    """Return what a map costs in the live cell, and what Grad-CAM by Keras would cost instead."""
    face, hardware = values["face"], values["hardware"]
    holds = "holds" if face["more_ms"] <= values["wanted_ms"] else "**is missed**"
    return (
        f"One face takes {face['plain_ms']:.1f} ms plain and {face['with_map_ms']:.1f} ms with its map: "
        f"**{_signed(face['more_ms'], 2)} ms more** (median of {face['turns']} turns, 95th percentile "
        f"{_signed(face['more_p95_ms'], 2)} ms; in processor time {_signed(face['more_cpu_ms'], 2)} ms more); at most "
        f"{values['wanted_ms']:g} ms more was wanted, which {holds}. A frame of the live cell with a face in it takes "
        f"{_signed(values['frame']['more_ms'], 2)} ms more. Grad-CAM of a face by Keras takes "
        f"{values['keras_grad_cam_ms']:.0f} ms. Measured on {values['measured'][:10]}, {hardware['cores']} cores of "
        f"{hardware['processor']}."
    )


def findings(values: dict) -> str:
    """Return what the checks say of the map that the live cell shows, and of the finer one, in short."""
    found, layer, fine = values["deletion"], values["layer"], values["fine_layer"]
    verdicts = " ".join(sorted({sanity_verdict(each) for each in values["sanity"]["layers"].values()}))
    return (
        f"- {verdicts}\n"
        f"- Blurring a face in the order of the map that the live cell shows ({order_name(layer)}) takes the answer "
        f"away as follows: {_against(layer, found['whole'])}\n"
        f"- While little of the face is gone, the finer map ({order_name(fine)}) is {_against(fine, found['early'])}\n"
        f"- {_of_own(values)}"
    )


def _of_own(values: dict) -> str:
    """Return whether a face's own map is worth more than looking at the middle."""
    difference = values["deletion"]["whole"]["differences"][values["layer"]][explanations.CENTRE]
    if difference["high"] < 0:
        return "A face's own map says more than that faces are in the middle of the picture."
    return (
        "By this test a face's own map is worth no more than knowing that a face is in the middle of the picture: "
        "take it as a hint at the region, not as a finding about this face."
    )
