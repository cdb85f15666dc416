"""`EmotionClassifier`: the shipped network on LiteRT, from face crops to probabilities, without TensorFlow."""

import copy
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import tqdm

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS, VOTES
from emotion_detection.errors import DataError, MissingFileError, UnknownNameError
from emotion_detection.faces import preprocessing
from emotion_detection.runs import network_metadata, registry

OUTPUTS = ("logits", "votes", "features", "feature_map")
LABEL_SETS = {"votes": "votes", "fer2013": "logits"}
"""Set of labels → the network's output that answers with them."""

PRIORS = (None, "balanced")
SCORES = "scores"
MAXIMUM_THREADS = 2  # more gain little on a network of this size, and the live cell shares the processor with a browser
PROGRESS_FROM_FACES = 1000  # about two seconds

LabelSet = Literal["votes", "fer2013"]
Prior = Literal["balanced"] | None


class EmotionClassifier:
    """The shipped MobileNetV2: face crops in, probabilities of emotions out.

    The network answers two questions. With `labels="votes"`: what would most of ten people call this face? With
    `labels="fer2013"`: which label did FER2013 give it? The first is the one to ask of people, the second is what the
    benchmark scores.

    Faces of any size are brought to 48×48 grey by `preprocessing.to_gray48`; give it crops that are framed as
    FER2013's faces are (`cropping.crop_face`). Faces go through the network one by one: on two cores a batch is no
    faster. One classifier may be used by several threads; they wait for each other.

    Args:
        path: a LiteRT network from uint8 faces (n, 48, 48, 1) to outputs named as in `OUTPUTS`, in float16 or int8;
            `votes` may be missing.
        labels: "votes" or "fer2013"; None: votes where the network has them, as the shipped one does.
        contempt: whether the votes' answer has contempt as an eighth class.
        prior: "balanced" answers as if all emotions were as frequent as each other, so that rare ones are named more
            often (logit adjustment); None takes them for as frequent as in FER2013.
        metadata: the model card's machine-readable half, as `registry.check_against_card` returns it. None: what the
            file says about itself.
        threads: of the network; None: as many as there are cores, at most `MAXIMUM_THREADS`.

    Attributes:
        classes: names of the answer's columns: FER2013's seven in its order, then contempt if asked for.
        temperature: what scores are divided by before softmax; above 1 makes answers less sure.
        threshold: minimum confidence chosen for these labels; below it, "not sure". 0 where none is known.
        facts: what the card says about these labels: `temperature`, `confidence`.

    Raises:
        UnknownNameError: there are no such labels, or no such prior.
        DataError: the file is no such network, one for other classes, or one that cannot answer with these labels.

    Example:
        >>> classifier = EmotionClassifier.load()
        >>> classifier.predict_proba(np.zeros((2, 48, 48), np.uint8)).shape
        (2, 7)

    Reference:
        Temperature: Guo et al.: On Calibration of Modern Neural Networks. ICML 2017.
        Logit adjustment: Menon et al.: Long-tail Learning via Logit Adjustment. ICLR 2021, arXiv:2007.07314.
    """

    def __init__(
        self,
        path: Path,
        *,
        labels: LabelSet | None = None,
        contempt: bool = False,
        prior: Prior = None,
        metadata: dict | None = None,
        threads: int | None = None,
    ):
        path = Path(path)
        self._interpreter, self._runner = _open_network(path, threads)
        said, self._heads = network_metadata.read(path)
        self.metadata = metadata or said
        self.sha256: str | None = self.metadata.get("files", {}).get(path.name, {}).get("sha256")
        """Of the network's file, where a model card names it."""
        self._lock = threading.Lock()
        self._choose(labels, contempt=contempt, prior=prior)

    @classmethod
    def load(
        cls,
        network: Path | str | None = None,
        *,
        labels: LabelSet | None = None,
        contempt: bool = False,
        prior: Prior = None,
        threads: int | None = None,
    ) -> "EmotionClassifier":
        """Load the shipped network, or one that `export` wrote.

        A file with a model card beside it is compared with the card, whose temperatures are applied; one without is
        taken for what it says about itself.

        Args:
            network: "float16" or "int8", a format of the shipped network (float16 if None), or the path of a `.tflite`
                file.
            labels, contempt, prior, threads: as for the class.

        Raises:
            MissingFileError: the network is missing, or it has no card and says nothing about itself.
            UnknownNameError, DataError: as for the class, or the card is damaged.
        """
        network = network or registry.DEFAULT_FORMAT
        is_shipped = network in registry.SUFFIXES
        path = registry.network_path(network) if is_shipped else Path(network)
        has_card = is_shipped or not path.is_file() or registry.card_beside(path).is_file()
        card = registry.check_against_card(path) if has_card else None
        loaded = cls(path, metadata=card, threads=threads)
        if not loaded.metadata:
            raise MissingFileError(
                f"The network {paths.displayed(path)} says nothing about itself, and no model card "
                f"{registry.card_beside(path).name} lies beside it: its classes and temperature are not known. Write "
                "it anew (python -m emotion_detection export), or put its card beside it."
            )
        return loaded.with_labels(labels, contempt=contempt, prior=prior)

    def with_labels(
        self, labels: LabelSet | None, *, contempt: bool = False, prior: Prior = None
    ) -> "EmotionClassifier":
        """Return the same open network with another answer (arguments as for the class)."""
        other = copy.copy(self)
        other._choose(labels, contempt=contempt, prior=prior)
        return other

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The labels that this network can answer with."""
        return tuple(labels for labels, output in LABEL_SETS.items() if output in self._runner.get_output_details())

    def _choose(self, labels: LabelSet | None, *, contempt: bool, prior: Prior) -> None:
        """Set what depends on the labels that are answered with."""
        labels = labels or self.label_sets[0]
        for received, known in ((labels, tuple(LABEL_SETS)), (prior, PRIORS)):
            if received not in known:
                raise UnknownNameError(f"{received!r} is not known here. Use one of {', '.join(map(repr, known))}.")
        name, facts = self.metadata.get("name", "of this file"), self.metadata
        if labels == "fer2013" and (contempt or prior):
            raise DataError(
                f"FER2013's labels were asked for with {'contempt' if contempt else f'the prior {prior!r}'}, which "
                'only the votes have. Pass labels="votes", or leave it out.'
            )
        if labels == "votes":
            if "votes" not in self.label_sets:
                raise DataError(
                    f"The network {name} answers with FER2013's labels alone, and votes were asked for. Pass "
                    'labels="fer2013".'
                )
            facts = self.metadata.get("votes", {})
        if prior and prior not in facts:
            raise DataError(
                f"No {prior} prior was chosen for the network {name}. Leave prior out, or ship the network with "
                "photographs: python -m emotion_detection ship --help"
            )
        self.labels, self.contempt, self.prior = labels, contempt, prior
        self.classes = VOTES if contempt else EMOTIONS
        self.temperature = float(facts.get("temperature", 1.0))
        self.facts = facts | facts[prior] if prior else facts
        self.threshold = registry.threshold_of(self.facts)
        self._offset = np.zeros(len(self.classes), np.float32)
        if prior:
            log_prior = np.log(np.array(facts["prior"], np.float32))[: len(self.classes)]
            self._offset = -np.float32(self.temperature * facts[prior]["strength"]) * log_prior

    def predict_proba(self, faces: preprocessing.Faces) -> np.ndarray:
        """Return how probable each of `classes` is, the temperature applied.

        Args:
            faces: uint8 array (n, h, w) grey or (n, h, w, 3) RGB, 0–255, or a list of single faces of differing sizes:
                arrays (h, w) or (h, w, 3), or PIL pictures; each side at least 24 px. For a photograph in which faces
                are yet to be found there is `emotion_detection.analyse`.

        Returns:
            float32 array (n, len(classes)), each row summing to 1. Votes without contempt are of the seven others.

        Raises:
            DataError: the faces' type, shape or size is another.
        """
        return self.calibrated(self.output(SCORES, faces))

    def calibrated(self, scores: np.ndarray) -> np.ndarray:
        """Return probabilities from the output "scores", of the same shape, the temperature applied."""
        return softmax(scores / self.temperature)

    def predict(self, faces: preprocessing.Faces) -> list[str]:
        """Return the name of the most probable emotion of each face (arguments as for `predict_proba`)."""
        return [self.classes[index] for index in self.output(SCORES, faces).argmax(axis=1)]

    def logits(self, faces: preprocessing.Faces) -> np.ndarray:
        """Return float32 (n, 7), before temperature and softmax: FER2013's labels, whatever `labels` are."""
        return self.output("logits", faces)

    def output(self, name: str, faces: preprocessing.Faces) -> np.ndarray:
        """Return one output of the network.

        Args:
            name: "scores" (n, len(classes)), what becomes the answer after temperature and softmax; "logits" (n, 7) or
                "votes" (n, 8), what the network says before any choice of labels; "features" (n, 1280), the pooled
                features that the last layers weigh; or "feature_map" (n, 3, 3, 1280), the same before pooling.
            faces: as for `predict_proba`.

        Returns:
            float32 array; its first dimension is 0 for no faces.
        """
        return self.outputs((name,), faces)[name]

    def outputs(self, names: Sequence[str], faces: preprocessing.Faces) -> dict[str, np.ndarray]:
        """Return several outputs of the network from one pass over the faces (arguments as for `output`)."""
        answering = LABEL_SETS[self.labels]
        asked = {answering if name == SCORES else name for name in names}
        details = self._runner.get_output_details()
        for name in asked - set(details):
            known = [SCORES, *(each for each in OUTPUTS if each in details)]
            raise DataError(f"The network has no output {name!r}. Use one of {', '.join(known)}.")
        batch = preprocessing.to_gray48_batch(faces)
        values = {name: np.empty((len(batch), *details[name]["shape"][1:]), np.float32) for name in asked}
        hidden = len(batch) < PROGRESS_FROM_FACES
        for index, face in enumerate(tqdm.tqdm(batch, desc="Classifying", unit="face", disable=hidden)):
            with self._lock:
                answer = self._runner(faces=face[None, :, :, None])
            for name in asked:
                values[name][index] = answer[name][0]
        if SCORES in names:
            values[SCORES] = values[answering][:, : len(self.classes)] + self._offset
        return {name: values[name] for name in names}

    def are_upright(self, faces: preprocessing.Faces) -> np.ndarray:
        """Return whether each face is upright, as far as the network sees: bool (n,).

        Args:
            faces: as for `predict_proba`, and so are the errors.

        Returns:
            True for all where the network's file has no layer that tells it; the shipped files have one.
        """
        kernel, bias = (self._heads.get(name) for name in network_metadata.HEADS["upright"])
        if kernel is None or bias is None:
            return np.ones(len(preprocessing.to_gray48_batch(faces)), bool)
        return (self.output("features", faces) @ kernel + bias)[:, 0] > 0

    @property
    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights (features, len(classes)) and biases, float32: scores = features @ weights + biases.

        With "feature_map" they say which part of a face speaks for which emotion, without Keras.

        Raises:
            DataError: the file does not hold them.
        """
        found = [self._heads.get(name) for name in network_metadata.HEADS[LABEL_SETS[self.labels]]]
        if any(each is None for each in found):
            raise DataError(
                f"The network {self.metadata.get('name', '')} does not hold the weights of its last layer, which class "
                "activations need. Files that `python -m emotion_detection export` writes hold them where the last "
                "layer is linear; for others use grad_cam.grad_cam with the Keras network."
            )
        weights, biases = (each[..., : len(self.classes)] for each in found)
        return weights, biases + self._offset


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities from logits, both (n, classes); float32."""
    scaled = logits.astype(np.float64)
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


def _open_network(path: Path, threads: int | None):
    """Return LiteRT's interpreter and its signature runner; the runner needs the interpreter alive."""
    from ai_edge_litert.interpreter import Interpreter

    if not path.is_file():
        raise MissingFileError(f"There is no network {paths.displayed(path)}. Pass the path of a .tflite file.")
    threads = threads or min(MAXIMUM_THREADS, os.cpu_count() or 1)
    try:
        with files.without_notices():
            interpreter = Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
            runner = interpreter.get_signature_runner()
    except (ValueError, RuntimeError) as error:
        raise DataError(
            f"{paths.displayed(path)} is not a LiteRT network ({path.stat().st_size:,} bytes; {error}). Pass one that "
            "`export` wrote; the shipped ones are restored by git checkout -- data/models"
        ) from error
    received = {*runner.get_input_details(), *runner.get_output_details()}
    if received | {"votes"} != {"faces", *OUTPUTS}:
        raise DataError(
            f"{paths.displayed(path)} has inputs and outputs {sorted(received)}, expected faces, {', '.join(OUTPUTS)}. "
            "Export networks with `python -m emotion_detection export`."
        )
    return interpreter, runner
