"""`EmotionClassifier`: the shipped network on LiteRT, from face crops to seven probabilities, without TensorFlow."""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tqdm

from emotion_detection import paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.faces import preprocessing
from emotion_detection.runs import network_metadata, registry

OUTPUTS = ("logits", "features", "feature_map")
MAXIMUM_THREADS = 2  # more gain little on a network of this size, and the live cell shares the processor with a browser
PROGRESS_FROM_FACES = 1000  # about two seconds
STANDARD_ERROR = 2  # number of the file that a process writes its notices to


class EmotionClassifier:
    """The shipped MobileNetV2: face crops in, probabilities of seven emotions out.

    Faces of any size are brought to 48×48 grey by `preprocessing.to_gray48`; give it crops that are framed as
    FER2013's faces are (`cropping.crop_face`). Faces go through the network one by one: on two cores a batch is no
    faster. One classifier may be used by several threads; they wait for each other.

    Args:
        path: a LiteRT network from uint8 faces (n, 48, 48, 1) to outputs named as in `OUTPUTS`, in float16 or int8.
        temperature: what logits are divided by before softmax; above 1 makes answers less sure. None: what the file
            says, 1 if it says nothing.
        metadata: the model card's machine-readable half, as `registry.check_against_card` returns it. None: what the
            file says about itself.
        threads: of the network; None: as many as there are cores, at most `MAXIMUM_THREADS`.

    Raises:
        DataError: the file is no such network or one for other classes, or the temperature is not positive.

    Example:
        >>> classifier = EmotionClassifier.load()
        >>> classifier.predict_proba(np.zeros((2, 48, 48), np.uint8)).shape
        (2, 7)

    Reference:
        Temperature: Guo et al.: On Calibration of Modern Neural Networks. ICML 2017.
    """

    classes = EMOTIONS

    def __init__(
        self,
        path: Path,
        *,
        temperature: float | None = None,
        metadata: dict | None = None,
        threads: int | None = None,
    ):
        if temperature is not None and not temperature > 0:
            raise DataError(f"The temperature is {temperature}, expected more than 0. Fit it on PublicTest again.")
        self._interpreter, self._runner = _open_network(Path(path), threads)
        said, self._head = network_metadata.read(path)
        self.temperature = float(said.get("temperature", 1.0) if temperature is None else temperature)
        self.metadata = metadata or said
        entry = self.metadata.get("files", {}).get(Path(path).name, {})
        self.sha256: str | None = entry.get("sha256")
        """Of the network's file, where a model card names it."""
        self._lock = threading.Lock()

    @classmethod
    def load(cls, network: Path | str | None = None, *, threads: int | None = None) -> "EmotionClassifier":
        """Load the shipped network, or one that `export` wrote.

        A file with a model card beside it is compared with the card, whose temperature is applied; one without is taken
        for what it says about itself.

        Args:
            network: "float16" or "int8", a format of the shipped network (float16 if None), or the path of a `.tflite`
                file.
            threads: as for the class.

        Raises:
            MissingFileError: the network is missing, or it has no card and says nothing about itself.
            DataError: the network or its card is damaged.
        """
        network = network or registry.DEFAULT_FORMAT
        is_shipped = network in registry.SUFFIXES
        path = registry.network_path(network) if is_shipped else Path(network)
        if is_shipped or not path.is_file() or registry.card_beside(path).is_file():
            card = registry.check_against_card(path)
            return cls(path, temperature=card["temperature"], metadata=card, threads=threads)
        loaded = cls(path, threads=threads)
        if not loaded.metadata:
            raise MissingFileError(
                f"The network {paths.displayed(path)} says nothing about itself, and no model card "
                f"{registry.card_beside(path).name} lies beside it: its classes and temperature are not known. Write "
                "it anew (python -m emotion_detection export), or put its card beside it."
            )
        return loaded

    def predict_proba(self, faces: preprocessing.Faces) -> np.ndarray:
        """Return how probable each emotion is, the temperature applied.

        Args:
            faces: uint8 array (n, h, w) grey or (n, h, w, 3) RGB, 0–255, or a list of single faces of differing sizes:
                arrays (h, w) or (h, w, 3), or PIL pictures; each side at least 24 px. For a photograph in which faces
                are yet to be found there is `emotion_detection.analyse`.

        Returns:
            float32 array (n, 7), each row summing to 1, classes in FER2013 order.

        Raises:
            DataError: the faces' type, shape or size is another.
        """
        return self.calibrated(self.logits(faces))

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Return float32 (n, 7): probabilities from this network's logits (n, 7), the temperature applied."""
        return softmax(logits / self.temperature)

    def predict(self, faces: preprocessing.Faces) -> list[str]:
        """Return the name of the most probable emotion of each face (arguments as for `predict_proba`)."""
        return [EMOTIONS[index] for index in self.logits(faces).argmax(axis=1)]

    def logits(self, faces: preprocessing.Faces) -> np.ndarray:
        """Return float32 (n, 7): before temperature and softmax (arguments as for `predict_proba`)."""
        return self.output("logits", faces)

    def output(self, name: str, faces: preprocessing.Faces) -> np.ndarray:
        """Return one output of the network.

        Args:
            name: "logits" (n, 7), "features" (n, 1280), the pooled features that the last layer weighs, or
                "feature_map" (n, 3, 3, 1280), the same before pooling.
            faces: as for `predict_proba`.

        Returns:
            float32 array; its first dimension is 0 for no faces.
        """
        return self.outputs((name,), faces)[name]

    def outputs(self, names: Sequence[str], faces: preprocessing.Faces) -> dict[str, np.ndarray]:
        """Return several outputs of the network from one pass over the faces (arguments as for `output`)."""
        for name in names:
            if name not in OUTPUTS:
                raise DataError(f"The network has no output {name!r}. Use one of {', '.join(OUTPUTS)}.")
        batch = preprocessing.to_gray48_batch(faces)
        shapes = {name: tuple(self._runner.get_output_details()[name]["shape"][1:]) for name in names}
        values = {name: np.empty((len(batch), *shape), np.float32) for name, shape in shapes.items()}
        hidden = len(batch) < PROGRESS_FROM_FACES
        for index, face in enumerate(tqdm.tqdm(batch, desc="Classifying", unit="face", disable=hidden)):
            with self._lock:
                answer = self._runner(faces=face[None, :, :, None])
            for name in names:
                values[name][index] = answer[name][0]
        return values

    @property
    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights (features, 7) and biases (7,) of the last layer, float32: logits = features @ weights + biases.

        With "feature_map" they say which part of a face speaks for which emotion, without Keras.

        Raises:
            DataError: the file does not hold them.
        """
        if not self._head:
            raise DataError(
                f"The network {self.metadata.get('name', '')} does not hold the weights of its last layer, which class "
                "activations need. Files that `python -m emotion_detection export` writes hold them where the last "
                "layer is linear; for others use grad_cam.grad_cam with the Keras network."
            )
        return tuple(self._head[name] for name in network_metadata.HEAD)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return float32 (n, 7): probabilities from logits (n, 7)."""
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
        with _without_notices():
            interpreter = Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
            runner = interpreter.get_signature_runner()
    except (ValueError, RuntimeError) as error:
        raise DataError(
            f"{paths.displayed(path)} is not a LiteRT network ({path.stat().st_size:,} bytes; {error}). "
            f"Restore it: git checkout -- data/models"
        ) from error
    received = {*runner.get_input_details(), *runner.get_output_details()}
    if received != {"faces", *OUTPUTS}:
        raise DataError(
            f"{paths.displayed(path)} has inputs and outputs {sorted(received)}, expected faces, {', '.join(OUTPUTS)}. "
            "Export networks with `python -m emotion_detection export`."
        )
    return interpreter, runner


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
    """Keep LiteRT from writing to the terminal how it computes; it has no switch for that."""
    try:
        kept = os.dup(STANDARD_ERROR)
    except OSError:  # there is none
        yield
        return
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), STANDARD_ERROR)
    try:
        yield
    finally:
        os.dup2(kept, STANDARD_ERROR)
        os.close(kept)
