"""A third linear layer on a network's pooled features: does the face lie? For detectors that do not tell it.

How often the shipped network takes faces for upright in photographs that are turned: see `faces.turned`.
"""

from collections.abc import Callable

import cv2
import numpy as np

from emotion_detection import files
from emotion_detection.data import FaceDataset
from emotion_detection.export.votes import fit_layers

LEARNED_FACES = 6000
UPRIGHT_TILT_DEG = 20.0  # upright faces are tilted by up to so much
TURNED_TILT_DEG = 30.0  # and those turned by a quarter, a half or three quarters of a circle, in addition
UPRIGHT_SLIP, TURNED_SLIP = 0.05, 0.25  # by how much their squares are shifted and scaled, as shares of the side
PENALTY = 0.01
LOST = 0.05
"""Share of PublicTest's upright faces that may be taken for turned ones: it sets the threshold."""


def fit(
    features_of: Callable[[np.ndarray], np.ndarray], dataset: FaceDataset
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Fit the layer on Training faces, half of them turned; PublicTest chooses its threshold.

    Args:
        features_of: from uint8 faces (n, 48, 48) to float32 features (n, features).
        dataset: FER2013.

    Returns:
        Weights, float32 (features, 1), and bias, float32 (1,): above 0 a face is upright. And what the card says:
        shares of `upright` (set by the threshold) and of `turned` faces of PublicTest that are taken for what they are.
    """
    rng = np.random.default_rng(0)
    training = dataset.training.pixels
    chosen = training[np.sort(rng.permutation(len(training))[:LEARNED_FACES])]
    upright, turned = (features_of(_turned(chosen, rng, is_upright=each)) for each in (True, False))
    is_upright = np.repeat([1.0, 0.0], len(chosen))[:, None]
    answers = np.hstack([is_upright, 1 - is_upright])
    layers = fit_layers(np.concatenate([upright, turned]), answers, [PENALTY])
    kernel, _ = layers[PENALTY]
    kernel = kernel[:, :1] - kernel[:, 1:]
    seen = [features_of(_turned(dataset.public_test.pixels, rng, is_upright=each)) @ kernel for each in (True, False)]
    threshold = np.quantile(seen[0], LOST)
    found = {"upright": (seen[0] > threshold).mean(), "turned": (seen[1] <= threshold).mean()}
    return kernel, -np.float32([threshold]), files.rounded(found)


def _turned(faces: np.ndarray, rng: np.random.Generator, *, is_upright: bool) -> np.ndarray:
    """Return uint8 faces (n, h, w), each tilted at random; unless it stays upright, turned by 90, 180 or 270°, too."""
    n, side = len(faces), faces.shape[1]
    tilt = UPRIGHT_TILT_DEG if is_upright else TURNED_TILT_DEG
    angles = rng.uniform(-tilt, tilt, n) + (0 if is_upright else rng.choice([90, 180, 270], n))
    slip = UPRIGHT_SLIP if is_upright else TURNED_SLIP
    scales, shifts = 1 + rng.uniform(-slip, slip, n), side * rng.uniform(-slip, slip, (n, 2))
    middle, turned = ((side - 1) / 2, (side - 1) / 2), np.empty_like(faces)
    for index, face in enumerate(faces):
        matrix = cv2.getRotationMatrix2D(middle, angles[index], scales[index])
        matrix[:, 2] += shifts[index]
        turned[index] = cv2.warpAffine(face, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return turned
