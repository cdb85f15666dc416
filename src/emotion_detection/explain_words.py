"""Sentences on the recorded checks of explanations: each number comes from the record."""

import numpy as np

from emotion_detection import explain, explain_checks, explain_records
from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.plots_explain import order_name

SIGN = "−"


def belongs_to(values: dict) -> str:
    """Return which network the record is of; where another is shipped by now, that, and what to do."""
    network = values["network"]
    words = (
        f"The checks were recorded with `{network['name']}` (run `{network['run']}`, finished {network['finished']})"
    )
    if explain_records.is_current(values):
        return f"{words}, the network that is shipped."
    return (
        f"{words}. **Another network is shipped by now: what follows is of the earlier one.** Record it again (needs "
        f"FER2013): `{explain_records.COMMAND}`."
    )


def interval(value: dict, *, percent: bool = False) -> str:
    """Return a mean and its 95 % interval, such as "0.31 (0.29 to 0.33)" or "−3.1 (−4.0 to −2.2)" points."""
    times, digits = (100, 1) if percent else (1, 2)
    mean, low, high = (_signed(times * value[key], digits) for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


def _signed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", SIGN)


def averages(values: dict, heat: dict[str, np.ndarray]) -> str:
    """Return how many faces stand behind each average, where it is hottest, and how far right and wrong answers differ.

    Args:
        values: from `explain_records.load`.
        heat: from `explain_records.load_averages`.
    """
    right, every = values["averages"]["right"], values["averages"]["all"]
    least = min(every, key=every.get)
    return (
        f"{sum(right.values()):,} of {sum(every.values()):,} PublicTest faces are called rightly. "
        f"{DISPLAY_NAMES[least]} rests on the fewest: {right[least]} right of {every[least]} called so. Share of the heat in the lower third of the "
        f"face, where the mouth is: {_lower_shares(heat['right'])}. {_alike(heat)}"
    )


def _lower_shares(heat: np.ndarray) -> str:
    """Return each emotion's share of its heat in the lower third, the highest first."""
    third = heat.shape[1] // 3
    shares = heat[:, -third:].sum(axis=(1, 2)) / np.maximum(heat.sum(axis=(1, 2)), 1e-9)
    return ", ".join(f"{DISPLAY_NAMES[EMOTIONS[index]]} {100 * shares[index]:.0f} %" for index in np.argsort(-shares))


def _alike(heat: dict[str, np.ndarray]) -> str:
    """Return how like the average of all answers is to that of the right ones."""
    alike = explain_checks.rank_correlations(heat["right"], heat["all"])
    least = int(alike.argmin())
    return (
        f"Counting the wrong answers, too, changes little where the rank correlation of both rows is near one: the "
        f"lowest is {_signed(alike[least], 2)} ({DISPLAY_NAMES[EMOTIONS[least]]})."
    )


def sanity(values: dict) -> str:
    """Return what shuffled weights do to the maps."""
    found = values["sanity"]
    first, last = found["steps"][0], found["steps"][-1]
    lowest = min(step["rank_correlation"]["mean"] for step in found["steps"])
    other = found["another_face"]["rank_correlation"]
    return (
        f"With the weights of `{first['down_to']}` alone shuffled the rank correlation with the network's own map "
        f"falls from {_signed(1, 2)} to **{interval(first['rank_correlation'])}**, with all shuffled to "
        f"**{interval(last['rank_correlation'])}**; over the steps it is never below {_signed(lowest, 2)} (95 % "
        f"intervals, n = {found['n']:,} faces). For comparison, maps of the same network on another face: "
        f"{interval(other)}. {_sanity_verdict(found)}"
    )


def _sanity_verdict(found: dict) -> str:
    """Return whether maps depend on the weights: every step must leave less likeness than another face has, or none."""
    other = max(found["another_face"]["rank_correlation"]["high"], 0.0)
    above = [step["down_to"] for step in found["steps"] if step["rank_correlation"]["low"] > other]
    if not above:
        return "So the maps depend on what the network has learned: no shuffled one is liker than another face's."
    return (
        f"Not all is well: shuffled down to {', '.join(f'`{name}`' for name in above)} the maps are still liker than "
        "another face's."
    )


def deletion(values: dict) -> str:
    """Return which order deletes the answer fastest, and what the maps are ahead of."""
    found, layer = values["deletion"], values["layer"]
    best = min(found["areas"], key=lambda name: found["areas"][name]["mean"])
    lines = [
        f"Area under the curve of the map that is used, `{layer}`: {interval(found['areas'][layer], percent=True)} "
        f"points. The lowest of all has {order_name(best)}: {interval(found['areas'][best], percent=True)}.",
        "",
        *(_against(layer, control, found) for control in explain_records.CONTROLS),
        "",
        _layers(values),
    ]
    return "\n".join(lines)


def _against(layer: str, control: str, found: dict) -> str:
    """Return whether the map's order beats a control's, judged by the interval of the paired difference."""
    difference = found["differences"][layer][control]
    verdict = "no difference can be told"
    if difference["high"] < 0:
        verdict = "the map is better"
    elif difference["low"] > 0:
        verdict = "**the map is worse**"
    return f"- against {order_name(control)}: {interval(difference, percent=True)} points: {verdict}"


def _layers(values: dict) -> str:
    """Return how the layers compare, and whether the default is the best of them on these faces."""
    found, layer = values["deletion"], values["layer"]
    best = min(explain.LAYERS, key=lambda name: found["areas"][name]["mean"])
    others = "; ".join(
        f"`{name}` {interval(difference, percent=True)}" for name, difference in found["between_layers"].items()
    )
    chosen = f"the default is the best of them, and was chosen by these {found['n']:,} faces"
    if best != layer:
        chosen = f"the best of them is now `{best}`, which is not the default"
    return f"Other layers against `{layer}` (points of area, lower is better): {others}. So {chosen}."


def speed(values: dict) -> str:
    """Return what a map costs in the live cell, and what Grad-CAM by Keras would cost instead."""
    face, hardware = values["face"], values["hardware"]
    holds = "holds" if face["more_ms"] <= values["wanted_ms"] else "**is missed**"
    return (
        f"One face takes {face['plain_ms']:.1f} ms plain and {face['with_map_ms']:.1f} ms with its map: "
        f"**{_signed(face['more_ms'], 2)} ms more** (95th percentile of {face['turns']} turns: "
        f"{_signed(face['more_p95_ms'], 2)} ms); at most {values['wanted_ms']:g} ms more was wanted, which {holds}. A "
        f"frame of the live cell with a face in it takes {_signed(values['frame']['more_ms'], 2)} ms more. Grad-CAM "
        f"of a face by Keras takes {values['keras_grad_cam_ms']:.0f} ms. Measured on {values['measured'][:10]}, "
        f"{hardware['cores']} cores of {hardware['processor']}."
    )


def findings(values: dict) -> str:
    """Return what the checks say, in short."""
    found, layer = values["deletion"], values["layer"]
    differences = found["differences"][layer]
    ahead = [order_name(name) for name, each in differences.items() if each["high"] < 0]
    behind = [order_name(name) for name in differences if order_name(name) not in ahead]
    missed = f" It does not beat: {', '.join(behind)}." if behind else ""
    return (
        f"Blurring a face in the order of its map takes the answer away faster than {', '.join(ahead) or 'no control'}."
        f"{missed} {_sanity_verdict(values['sanity'])}"
    )
