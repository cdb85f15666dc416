"""Do maps of evidence mean something? Deletion curves, networks with shuffled weights, averages over many faces.

All take arrays, a Keras network or a function that answers; `explanations` runs them on PublicTest.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import tqdm

from emotion_detection.emotions import EMOTIONS
from emotion_detection.inference import class_activation

SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Shares of a face's area that are deleted."""

BLUR_PX = 6.0
"""Standard deviation of the blur that takes the place of what is deleted: of 48 px it leaves light and dark."""

CASCADE = ("logits", "Conv_1", "block_16", "block_14", "block_12", "block_9", "block_6", "block_3", "Conv1")
"""Layers down to which, from the answer on, weights are shuffled: the last step shuffles the whole network."""

NORMAL_95 = 1.96
PROGRESS_FROM_FACES = 50
"""From this many faces on (about two seconds) deletion shows a progress bar."""


def deletion_curves(
    predict: Callable[[np.ndarray], np.ndarray], faces: np.ndarray, importances: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return how the probability of each face's answer falls while what matters most is blurred away.

    Args:
        predict: from uint8 faces (n, 48, 48) to probabilities (n, 7).
        faces: uint8 array (n, 48, 48), grey.
        importances: name → float array (n, 48, 48): the order in which places are deleted, the highest first.

    Returns:
        Name → float array (n, len(SHARES)): the probability of the emotion that was most probable at the beginning.

    Reference:
        Petsiuk et al.: RISE: Randomized Input Sampling for Explanation of Black-box Models. BMVC 2018.
    """
    whole, gone = predict(faces), predict(blurred(faces))
    each, answer = np.arange(len(faces)), whole.argmax(axis=1)
    curves = {}
    hidden = len(faces) < PROGRESS_FROM_FACES
    for name, importance in tqdm.tqdm(importances.items(), desc="Deleting", unit="order", disable=hidden):
        ranks = deletion_ranks(importance)
        inner = [predict(deleted(faces, ranks, share))[each, answer] for share in SHARES[1:-1]]
        curves[name] = np.stack([whole[each, answer], *inner, gone[each, answer]], axis=1)
    return curves


def over_faces(maps: np.ndarray, size_px: int = 48) -> np.ndarray:
    """Return maps (n, h, w) stretched to faces by `class_activation.stretched`, float32 (n, size_px, size_px)."""
    return np.stack([class_activation.stretched(each, (size_px, size_px)) for each in maps])


def tiled_over_faces(maps: np.ndarray, size_px: int = 48) -> np.ndarray:
    """Return the same as most code stretches maps: as if each cell had seen its tile, and no more."""
    return np.stack([cv2.resize(np.asarray(each, np.float32), (size_px, size_px)) for each in maps])


def deletion_ranks(importance: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Return when each pixel is deleted: int array (n, h, w), 0 first; of equal ones a random one comes first.

    Args:
        importance: float array (n, h, w), as large as the faces.
        seed: decides between equal ones.
    """
    flat = -importance.reshape(len(importance), -1)
    chance = np.random.default_rng(seed).random(flat.shape)
    order = np.lexsort((chance, flat), axis=1)
    return np.argsort(order, axis=1).reshape(importance.shape)


def deleted(faces: np.ndarray, ranks: np.ndarray, share: float) -> np.ndarray:
    """Return faces, uint8 (n, 48, 48), with the pixels that come first blurred: this share of the area."""
    pixels = faces.shape[1] * faces.shape[2]
    return np.where(ranks < round(share * pixels), blurred(faces), faces)


def blurred(faces: np.ndarray) -> np.ndarray:
    """Return faces, uint8 (n, 48, 48), so blurred that no expression is left."""
    return np.stack([cv2.GaussianBlur(face, (0, 0), BLUR_PX) for face in faces])


def areas(curve: np.ndarray, *, up_to: float = 1.0) -> np.ndarray:
    """Return the mean height of deletion curves (n, len(SHARES)), float array (n,): the lower, the better the order.

    Args:
        curve: from `deletion_curves`.
        up_to: share of the face, one of `SHARES`, up to which the curve counts; 1: all of it, the area under it.
    """
    points = SHARES.index(up_to) + 1
    return np.trapezoid(curve[:, :points], SHARES[:points], axis=1) / up_to


def random_importance(count: int, cells: int, *, seed: int = 0) -> np.ndarray:
    """Return orders by chance, float array (count, cells, cells): patches as large as the cells of such a map."""
    return np.random.default_rng(seed).normal(size=(count, cells, cells))


def centre_importance(count: int, size_px: int = 48) -> np.ndarray:
    """Return the order of someone who looks at no face: from the middle outwards, float array (count, px, px)."""
    offsets = np.arange(size_px) - (size_px - 1) / 2
    return np.repeat(-np.hypot(offsets[:, None], offsets)[None], count, axis=0)


def measured_shift(model, faces: np.ndarray, layer: str, *, seed: int = 0) -> float:
    """Return how far from the middle of its tile that lies which a cell in the middle of the map reacts to, in cells.

    It is the centre of the squared gradients of the cell's channels, mixed at random, by the pixels.

    Args:
        model: as `mobilenet.build_model` makes it, with its layer "scale".
        faces: uint8 array (n, 48, 48).
        layer: whose cells.
        seed: of the mixture.
    """
    import keras
    import tensorflow as tf

    scaled = keras.Model(model.input, model.get_layer("scale").output)(faces[..., None], training=False)
    part = keras.Model(model.get_layer("scale").output, model.get_layer(layer).output)
    cells, channels = part.output.shape[2:]
    mixture = np.random.default_rng(seed).normal(size=channels).astype(np.float32)
    size_px, shifts = scaled.shape[1], []
    for cell in {(cells - 1) // 2, cells // 2}:
        with tf.GradientTape() as tape:
            tape.watch(scaled)
            reaction = tf.reduce_sum(part(scaled, training=False)[:, cell, cell] * mixture)
        energy = np.square(tape.gradient(reaction, scaled)).sum(axis=(0, 3))
        middles = [np.average(np.arange(size_px) + 0.5, weights=energy.sum(axis=axis)) for axis in (0, 1)]
        shifts += [middle * cells / size_px - (cell + 0.5) for middle in middles]
    return float(np.mean(shifts))


def mean_with_interval(values: np.ndarray) -> dict[str, float]:
    """Return the mean of values over faces, and its 95 % interval (normal approximation)."""
    mean, half = float(np.mean(values)), NORMAL_95 * float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def shuffled_cascade(model, *, seed: int = 0) -> Iterator[tuple[str, object]]:
    """Yield a Keras network with more and more of its layers' weights shuffled, from the answer back to the pixels.

    Each weight tensor keeps its values and loses their order, so that activations keep their scale. The network is a
    copy, the same one each time: use it before the next step.

    Args:
        model: as `mobilenet.build_model` makes it; it stays as it is.
        seed: decides the order.

    Yields:
        The lowest layer or block that is shuffled, of `CASCADE`, and the network.

    Reference:
        Adebayo et al.: Sanity Checks for Saliency Maps. NeurIPS 2018 (cascading randomisation).
    """
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    generator = np.random.default_rng(seed)
    weighted = [layer for layer in reversed(copy.layers) if layer.weights]
    for step in CASCADE:
        lowest = max(index for index, layer in enumerate(weighted) if layer.name.startswith(step))
        for layer in weighted[: lowest + 1]:
            layer.set_weights([_shuffled(values, generator) for values in layer.get_weights()])
        weighted = weighted[lowest + 1 :]
        yield step, copy


def _shuffled(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return generator.permutation(values.ravel()).reshape(values.shape)


def rank_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of two maps of each face, over cells: float array (n,), 0 where one is constant.

    Args:
        first: float array (n, h, w).
        second: the same.
    """
    from scipy import stats

    ranks = [stats.rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second)]
    centred = [each - each.mean(axis=1, keepdims=True) for each in ranks]
    norms = np.prod([np.linalg.norm(each, axis=1) for each in centred], axis=0)
    return np.divide((centred[0] * centred[1]).sum(axis=1), norms, out=np.zeros(len(first)), where=norms > 0)


def average_heat(
    maps: np.ndarray, answer: np.ndarray, *, chosen: np.ndarray | None = None
) -> tuple[np.ndarray, list[int]]:
    """Return the mean heat of each emotion over the faces that were called so, and their number.

    Each face counts the same: its map is made heat first.

    Args:
        maps: float array (n, h, w), each face's evidence for its answer.
        answer: int array (n,), the classes answered.
        chosen: bool array (n,), the faces that count; None: all.

    Returns:
        float32 array (7, h, w), 0–1, zero for an emotion without faces; and seven counts.
    """
    heats = np.stack([class_activation.heat(each) for each in maps])
    keep = np.ones(len(maps), bool) if chosen is None else chosen
    groups = [heats[keep & (answer == index)] for index in range(len(EMOTIONS))]
    means = [group.mean(axis=0) if len(group) else np.zeros(maps.shape[1:]) for group in groups]
    return np.stack(means).astype(np.float32), [len(group) for group in groups]
