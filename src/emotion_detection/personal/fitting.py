"""The fit of a personal head (experimental): a small correction of the shipped one, from some clips of one face.

Answers become `scores + features @ weights + bias`, a multinomial logistic regression that starts from the shipped head
(its scores are an offset) and pays for every step away from it. An emotion that was not recorded has no example that
speaks for it, and would lose to those that have; so each clip stands in for it, too, moved by the difference of the two
emotions' average features in Training.

Reference: Hariharan and Girshick: Low-shot Visual Recognition by Shrinking and Hallucinating Features. ICCV 2017.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import missing_package

MOST_ITERATIONS = 200


@dataclasses.dataclass(frozen=True)
class Settings:
    """How far a fit may move; for the shipped network chosen on simulated users and recorded (`personal_simulation`).

    The prices are those where all seven emotions are recorded; of fewer, each is worth as much, so they rise by 7/k.

    Args:
        penalty: price of the weights, in units of the loss where features are scaled to length 1; larger stays nearer.
        bias_penalty: price of the bias.
        stand_in: weight of an emotion that was not recorded, in units of one that was; 0 leaves it unprotected.
        reach: how far a stand-in is moved, as a share of the difference of the averages; the less, the nearer to the
            border between the two emotions, and the more it protects.
    """

    penalty: float = 0.1
    bias_penalty: float = 0.1
    stand_in: float = 1.0
    reach: float = 0.75


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """What is learned from, a row each; the weights sum to 1, and `recorded` emotions have a clip."""

    features: np.ndarray  # float32 (n, 1280)
    scores: np.ndarray  # float32 (n, 7), the shipped head's
    label: np.ndarray  # int (n,), 0–6
    weight: np.ndarray  # float (n,)
    recorded: int


@dataclasses.dataclass(frozen=True, eq=False)
class Averages:
    """What Training looks like to the network on average, an emotion a row: float32 (7, 1280) and (7, 7)."""

    features: np.ndarray
    scores: np.ndarray


def examples(clips: Sequence, averages: Averages | None, *, settings: Settings, most_frames: int) -> Examples:
    """Return what is learned from clips: their frames and, for emotions without a clip, their stand-ins.

    Each recorded emotion weighs the same, of an emotion each clip, of a clip each frame.

    Args:
        clips: with `emotion`, `features` and `scores`, as `personal.Clip`.
        averages: the network's; None for no stand-ins.
        settings: its `stand_in` and `reach` are used.
        most_frames: of a clip so many are taken, evenly spaced.
    """
    names = [clip.emotion for clip in clips]
    parts = []
    for clip in clips:
        taken = np.unique(np.linspace(0, len(clip.features) - 1, most_frames).round().astype(int))
        share = 1 / names.count(clip.emotion)
        parts.append((clip.features[taken], clip.scores[taken], EMOTIONS.index(clip.emotion), share))
    if averages is not None and settings.stand_in > 0:
        parts += _stand_ins(parts, averages, settings, share=settings.stand_in / len(set(names)))
    weight = np.concatenate([np.full(len(features), share / len(features)) for features, _, _, share in parts])
    features, scores = (np.concatenate([part[index] for part in parts]) for index in (0, 1))
    label = np.concatenate([np.full(len(part[0]), part[2]) for part in parts])
    return Examples(features, scores, label, weight / weight.sum(), len(set(names)))


def _stand_ins(parts: list[tuple], averages: Averages, settings: Settings, *, share: float) -> list[tuple]:
    """Return a row per clip and emotion without a clip: the clip's mean, moved from one emotion towards the other."""
    rows = []
    for missing in sorted(set(range(len(EMOTIONS))) - {label for _, _, label, _ in parts}):
        for features, scores, label, of_emotion in parts:
            features_step = settings.reach * (averages.features[missing] - averages.features[label])
            scores_step = settings.reach * (averages.scores[missing] - averages.scores[label])
            moved = features.mean(axis=0) + features_step, scores.mean(axis=0) + scores_step
            rows.append((moved[0][None], moved[1][None], missing, share * of_emotion))
    return rows


def fit(learned: Examples, *, temperature: float, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Return weights, float32 (1280, 7), and bias, float32 (7,), to be added to the shipped head.

    The weights lie in the span of the examples, so the problem is solved there, by L-BFGS: it has as many unknowns as
    examples, times seven, whatever the network's width.
    """
    from scipy import optimize

    center = learned.weight @ learned.features.astype(np.float64)
    centered = learned.features - center
    scale = np.sqrt(max(learned.weight @ np.square(centered).sum(axis=1), 1e-12))
    reduced, directions = _reduced(centered / scale)
    problem = _Problem(reduced, learned, temperature, settings)
    start = np.zeros((reduced.shape[1] + 1) * len(EMOTIONS))
    found = optimize.minimize(
        problem.loss, start, jac=True, method="L-BFGS-B", options={"maxiter": MOST_ITERATIONS, "gtol": 1e-6}
    )
    table = found.x.reshape(-1, len(EMOTIONS))
    weights = directions @ table[:-1] / scale
    return weights.astype(np.float32), (table[-1] - center @ weights).astype(np.float32)


def warm_up() -> None:
    """Import what a fit needs, where there is time for it; MissingPackageError where the base install lacks it."""
    try:
        from scipy import optimize  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_package(error) from error


def _reduced(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows' coordinates (n, r) and the orthonormal directions (width, r) that they belong to."""
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = values > 1e-6 * max(values[-1], 1e-12)
    lengths = np.sqrt(values[kept])
    reduced = vectors[:, kept] * lengths
    return reduced, rows.T @ (vectors[:, kept] / lengths)


class _Problem:
    """Loss and gradient of the correction, for L-BFGS."""

    def __init__(self, reduced: np.ndarray, learned: Examples, temperature: float, settings: Settings):
        self._rows = np.column_stack([reduced, np.ones(len(reduced))])
        self._offset = learned.scores.astype(np.float64) / temperature
        self._wanted = np.eye(len(EMOTIONS))[learned.label]
        self._weight = learned.weight[:, None]
        self._temperature = temperature
        price = np.full((self._rows.shape[1], 1), settings.penalty)
        price[-1] = settings.bias_penalty
        self._price = price * len(EMOTIONS) / learned.recorded

    def loss(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        table = flat.reshape(self._rows.shape[1], -1)
        scores = self._offset + self._rows @ table / self._temperature
        scores -= scores.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(scores).sum(axis=1, keepdims=True))
        surprise = -(self._weight * self._wanted * (scores - log_sum)).sum()
        slope = self._rows.T @ (self._weight * (np.exp(scores - log_sum) - self._wanted)) / self._temperature
        slope += self._price * table
        return surprise + 0.5 * float((self._price * np.square(table)).sum()), slope.ravel()
