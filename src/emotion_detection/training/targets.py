"""What a network learns to answer: FER2013's labels, FER+'s votes, other networks' answers, and mixtures of them.

Votes are learned from on Training rows only; those on PublicTest and PrivateTest are kept for scores. FER+ asks for
eight emotions, "unknown" and "not a face"; FER2013 has seven. In a distribution over seven, votes for contempt,
"unknown" and "not a face" are left out, single votes as well (FER+'s own rule), and the rest sums to one. Where nothing
is left (about one face in a hundred), the target is FER2013's label; `ferplus_only` leaves such a face out.

Reference: Barsoum et al., 2016, arXiv:1608.01041; Hinton et al., "Distilling the Knowledge in a Neural Network", 2015,
arXiv:1503.02531.
"""

import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special
from sklearn.utils import class_weight

from emotion_detection import files, paths
from emotion_detection.data import FaceDataset, ferplus
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.runs import store
from emotion_detection.training import backends, fast_layers, mobilenet
from emotion_detection.training.recipe import Targets

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What the network is to answer on the faces to learn from.

    Args:
        outputs: for each output float32 (n, classes), rows summing to 1: the seven emotions (with `views` before
            teachers have their share in them) and, where FER+ is a second task, its eight classes.
        weights: float32 (n,), what each face's loss is multiplied by, or None.
    """

    outputs: list[np.ndarray]
    weights: np.ndarray | None = None


def targets_of(settings: Targets, faces: FaceDataset) -> Answers:
    """Return what a recipe learns to answer on `faces`.

    Raises:
        MissingFileError: FER+'s votes, or a teacher's network, are not on this machine.
        DataError: a cross-validated teacher has answered other faces.
        OverlapError: faces outside Training would be learned from by their votes.
    """
    labels = np.eye(len(EMOTIONS), dtype=np.float32)[faces.emotion]
    votes = ferplus.votes_on(faces) if settings.uses_ferplus else None
    share = 1.0 if settings.ferplus_only else settings.ferplus_blend
    main = labels if not share else (1 - share) * labels + share * distribution(votes, faces.emotion, classes=7)
    if settings.teachers:
        main = (1 - settings.label_smoothing) * main + settings.label_smoothing / len(EMOTIONS)
    if settings.teachers and not settings.views:
        main = with_teachers(settings, main, taught(settings, faces))
    outputs = [main.astype(np.float32)]
    if settings.ferplus_auxiliary:
        outputs.append(distribution(votes, faces.emotion, classes=8))
    return Answers(outputs, class_weights(faces.emotion)[faces.emotion] if settings.class_weights else None)


def with_teachers(settings: Targets, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return float32 (n, 7): targets in which teachers' answers have their share."""
    return ((1 - settings.distillation) * targets + settings.distillation * answers).astype(np.float32)


def smoothing_in_loss(settings: Targets) -> float:
    """Return the label smoothing left to the loss: with teachers it is in the targets, where it spares theirs."""
    return 0.0 if settings.teachers else settings.label_smoothing


def distribution(votes: ferplus.FerPlus, emotion: np.ndarray, *, classes: int) -> np.ndarray:
    """Return float32 (n, classes): the share of votes for each of 7 classes, or 8 with contempt.

    Where nobody chose one of them, it is the label alone; `emotion` is int8 (n,), FER2013's labels.
    """
    shares = votes.soft_labels(classes=classes)
    return np.where(shares.any(axis=1, keepdims=True), shares, np.eye(classes, dtype=np.float32)[emotion])


def class_weights(labels: np.ndarray) -> np.ndarray:
    """Return float32 (7,): weights inverse to the frequency of each class, 1 on average over the faces."""
    present = np.unique(labels)
    weights = np.ones(len(EMOTIONS), np.float32)
    weights[present] = class_weight.compute_class_weight("balanced", classes=present, y=labels)
    return weights


def taught(settings: Targets, faces: FaceDataset, views: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Return the teachers' averaged probabilities on faces and their mirror images, kept under `data/cache/teachers/`.

    A teacher that was cross-validated gives the answers that its record holds, without mirror images: each is by a
    network that had not seen the face, so that it doubts labels that a network which learned them would repeat.

    The cache is keyed by the faces, the teachers' networks or recorded answers, and the temperature.

    Args:
        settings: name the teachers, and the temperature.
        faces: whom they are asked about.
        views: what they are shown instead of each face and its mirror image, uint8 (n, height, width) each; answers
            are averaged over them. Cross-validated teachers cannot be shown anything.

    Returns:
        float32 array (n, 7), each row summing to 1.
    """
    sources_sha256 = [files.sha256(_source_of(name)) for name in settings.teachers]
    key = f"{faces.fingerprint} {settings.distillation_temperature} {' '.join(sources_sha256)}"
    key += "".join(f" {hashlib.sha256(view).hexdigest()}" for view in views)
    path = paths.run_cache_dir() / "teachers" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    if path.exists():
        try:
            expected = {"answers": ("f", (len(faces), len(EMOTIONS)))}
            return files.read_arrays(path, what="cache of answers", expected=expected)["answers"]
        except DataError as error:
            log.warning("%s The teachers are asked again.", error)
    answers = np.mean(
        [_answers_of(name, faces, views, settings.distillation_temperature) for name in settings.teachers], axis=0
    )
    with files.written_beside(path) as temporary:
        np.save(temporary, answers.astype(np.float32))
    return answers.astype(np.float32)


def _answers_of(name: str, faces: FaceDataset, views: Sequence[np.ndarray], temperature: float) -> np.ndarray:
    """Return one teacher's probabilities, float64 (n, 7)."""
    if (held_out := _held_out_answers(name)) is not None:
        if views:
            raise DataError(
                f"The teacher {store.full_name(name)} was cross-validated: its answers are on faces as they are. Name "
                "a teacher that is one network, or leave `views` out."
            )
        places = pd.Index(held_out.row).get_indexer(faces.row)
        differing = int((places < 0).sum() + (held_out.label[places] != faces.emotion)[places >= 0].sum())
        if differing:
            raise DataError(
                f"The teacher {store.full_name(name)} has answered {len(held_out):,} held-out faces; {differing:,} of "
                f"the {len(faces):,} to be learned from are not among them, or have another label there. Train the "
                "teacher on this copy of the data."
            )
        return special.softmax(held_out.logits[places].astype(np.float64) / temperature, axis=1)
    model = fast_layers.folded(mobilenet.load_network(_source_of(name)))
    shown = views or (faces.pixels, faces.pixels[:, :, ::-1])
    logits = [backends.predict_logits(model, view, progress=f"ask {name}").astype(np.float64) for view in shown]
    return np.mean([special.softmax(each / temperature, axis=1) for each in logits], axis=0)


def _held_out_answers(name: str) -> store.Predictions | None:
    """Return what a cross-validated teacher answered on faces held out; None for a teacher that is one network."""
    return store.load_run(name).predictions.get("Folds") if store.is_recorded(name) else None


def _source_of(name: str) -> Path:
    """Return the file that a teacher's answers come from: its network, or its record if it was cross-validated."""
    if _held_out_answers(name) is not None:
        return store.find_dir(name) / "predictions.npz"
    return store.trained_network(name, role="The network of the teacher")


def sources(settings: Targets) -> dict[str, str]:
    """Return what a recipe learns from beside the faces and their labels: name → SHA-256 of the file."""
    found = {store.full_name(name): files.sha256(_source_of(name)) for name in settings.teachers}
    if settings.uses_ferplus and ferplus.find() is not None:
        found["FER+ votes"] = files.sha256(ferplus.find())
    return found
