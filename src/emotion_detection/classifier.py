"""`EmotionClassifier`: the shipped network on LiteRT, from face crops to seven probabilities, without TensorFlow."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tqdm

from emotion_detection import cards, paths, preprocessing
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError

OUTPUTS = ("logits", "features", "feature_map")
MAXIMUM_THREADS = 2
"""More threads gain little on a network of this size, and the live cell shares the processor with a browser."""

PROGRESS_FROM_FACES = 1000
"""From this many faces on (about two seconds) a progress bar is shown."""

Faces = np.ndarray | Sequence[np.ndarray]


class EmotionClassifier:
    """The shipped MobileNetV2: face crops in, probabilities of seven emotions out.

    Faces of any size are brought to 48×48 grey by `preprocessing.to_gray48`; give it crops that are framed as
    FER2013's faces are (`faces.crop_face`). Faces go through the network one by one: on two cores a batch is no
    faster. One classifier may be used by several threads; they wait for each other.

    Args:
        path: a LiteRT network from uint8 faces (n, 48, 48, 1) to outputs named as in `OUTPUTS`.
        temperature: what logits are divided by before softmax; above 1 makes answers less sure.
        metadata: the model card's machine-readable half, as `cards.check_against_card` returns it.
        threads: of the network; None: as many as there are cores, at most `MAXIMUM_THREADS`.

    Raises:
        DataError: the file is no such network, or the temperature is not positive.

    Example:
        >>> classifier = EmotionClassifier.load()
        >>> classifier.predict_proba(np.zeros((2, 48, 48), np.uint8)).shape
        (2, 7)

    Reference:
        Temperature: Guo et al.: On Calibration of Modern Neural Networks. ICML 2017.
    """

    classes = EMOTIONS

    def __init__(
        self, path: Path, *, temperature: float = 1.0, metadata: dict | None = None, threads: int | None = None
    ):
        if not temperature > 0:
            raise DataError(f"The temperature is {temperature}, expected more than 0. Fit it on PublicTest again.")
        self.temperature = float(temperature)
        self.metadata = metadata or {}
        self._interpreter, self._runner = _open_network(Path(path), threads)
        self._lock = threading.Lock()

    @classmethod
    def load(cls, path: Path | None = None, *, threads: int | None = None) -> "EmotionClassifier":
        """Load a network after comparing it with the model card beside it, whose temperature it applies.

        Args:
            path: a `.tflite` file with a `.json` of the same name beside it; the shipped network if None.
            threads: as for the class.

        Raises:
            MissingFileError: the network or its card is missing.
            DataError: the network or its card is damaged.
        """
        path = Path(path) if path is not None else paths.models_dir() / f"{cards.SHIPPED}.tflite"
        card = cards.check_against_card(path)
        return cls(path, temperature=card["temperature"], metadata=card, threads=threads)

    def predict_proba(self, faces: Faces) -> np.ndarray:
        """Return how probable each emotion is, the temperature applied.

        Args:
            faces: uint8 array (n, h, w) grey or (n, h, w, 3) RGB, 0–255, or a list of single faces (h, w) or
                (h, w, 3) of differing sizes; each side at least 24 px.

        Returns:
            float32 array (n, 7), each row summing to 1, classes in FER2013 order.

        Raises:
            DataError: the faces' type, shape or size is another.
        """
        return softmax(self.logits(faces) / self.temperature)

    def predict(self, faces: Faces) -> list[str]:
        """Return the name of the most probable emotion of each face (arguments as for `predict_proba`)."""
        return [EMOTIONS[index] for index in self.logits(faces).argmax(axis=1)]

    def logits(self, faces: Faces) -> np.ndarray:
        """Return float32 (n, 7): before temperature and softmax (arguments as for `predict_proba`)."""
        return self.output("logits", faces)

    def output(self, name: str, faces: Faces) -> np.ndarray:
        """Return one output of the network.

        Args:
            name: "logits" (n, 7), "features" (n, 1280), the pooled features that the last layer weighs, or
                "feature_map" (n, 3, 3, 1280), the same before pooling.
            faces: as for `predict_proba`.

        Returns:
            float32 array; its first dimension is 0 for no faces.
        """
        return self.outputs((name,), faces)[name]

    def outputs(self, names: Sequence[str], faces: Faces) -> dict[str, np.ndarray]:
        """Return several outputs of the network from one pass over the faces (arguments as for `output`)."""
        for name in names:
            if name not in OUTPUTS:
                raise DataError(f"The network has no output {name!r}. Use one of {', '.join(OUTPUTS)}.")
        batch = preprocessing.to_gray48_batch(faces)
        shapes = {name: self._runner.get_output_details()[name]["shape"][1:] for name in names}
        values = {name: np.empty((len(batch), *shape), np.float32) for name, shape in shapes.items()}
        hidden = len(batch) < PROGRESS_FROM_FACES
        for index, face in enumerate(tqdm.tqdm(batch, desc="Classifying", unit="face", disable=hidden)):
            answer = self._run(face)
            for name in names:
                values[name][index] = answer[name][0]
        return values

    def _run(self, face: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on one face, uint8 (48, 48)."""
        with self._lock:
            return self._runner(faces=face[None, :, :, None])


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
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
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
            f"Export networks with emotion_detection.export.export_litert."
        )
    return interpreter, runner
