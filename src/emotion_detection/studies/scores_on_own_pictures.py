"""How does the shipped network do on a folder of your own labelled pictures? Nothing is trained or recorded."""

import dataclasses
from pathlib import Path

import pandas as pd

from emotion_detection.data import own_pictures
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.evaluation import metrics, resampling
from emotion_detection.faces import detection
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs.run import Predictions


@dataclasses.dataclass(frozen=True)
class PictureScores:
    """What a network answers on a folder of labelled pictures.

    Attributes:
        folder: its name.
        labels: what was answered with: "votes" or "fer2013".
        classes: the emotions that the folder has pictures of.
        predictions: what the network answered, a row per face; `row` indexes `files`.
        files: path within the folder of each face.
        report: the files with a problem, such as those without a face: file, kind, problem, done.
    """

    folder: str
    labels: str
    classes: tuple[str, ...]
    predictions: Predictions
    files: tuple[str, ...]
    report: pd.DataFrame

    def per_class(self) -> pd.DataFrame:
        """Return precision, recall, F1 and support of the folder's emotions, indexed by emotion."""
        return metrics.per_class(self.predictions).loc[list(self.classes)]

    def confusion(self) -> pd.DataFrame:
        """Return counts: a row per emotion of the folder, a column per answer."""
        return metrics.confusion_table(self.predictions).loc[list(self.classes)]

    def summary(self) -> dict:
        """Return all scores as plain numbers, ready for JSON.

        The interval of the accuracy is Wilson's, which suits folders of a few pictures too.
        """
        right = int((self.predictions.predicted == self.predictions.label).sum())
        intervals = metrics.bootstrap(self.predictions, classes=self.classes)
        return {
            "folder": self.folder,
            "labels": self.labels,
            "n": len(self.predictions),
            "accuracy": metrics.accuracy(self.predictions),
            "accuracy_ci": list(resampling.share_interval(right, len(self.predictions))),
            "macro_f1": metrics.macro_f1(self.predictions, classes=self.classes),
            "macro_f1_ci": list(intervals.macro_f1),
            "per_class": self.per_class().to_dict("index"),
            "confusion": self.confusion().to_dict("index"),
            "problems": self.report.to_dict("records"),
        }


def score(
    folder: Path | str,
    *,
    crop: str | None = None,
    labels: str | None = None,
    detector: detection.Detector | None = None,
    classifier: EmotionClassifier | None = None,
) -> PictureScores:
    """Let the shipped network answer a folder of labelled pictures, `<folder>/<emotion>/*.jpg`.

    Args:
        folder: any number of pictures, any of the seven emotions; other names of classes by a mapping, see
            `load_pictures`.
        crop: "face" finds the face in each picture, "none" takes the whole picture; None: as the folder's
            `pictures.json` says, else "face".
        labels: "votes" or "fer2013", as for `analyse`; None: the classifier's own, which are the shipped one's votes.
        detector: finds the faces; `stills.load_detector()` if None.
        classifier: the network; the shipped one if None.

    Raises:
        MissingFileError: there is no such folder, or the network is missing.
        PicturesError: a class is unknown.
        DataError: no picture of the folder can be used.
    """
    settings = {} if crop is None else {"crop": crop}
    faces = own_pictures.load_unsplit(folder, detector=detector, **settings)
    if not len(faces):
        problems = [f"{line.file} ({line.problem})" for line in faces.report.itertuples()]
        raise DataError(
            f"No picture of {folder} can be used: {len(problems)} have a problem, the first is "
            f"{problems[0] if problems else 'that it holds none'}. Check the files, or take whole pictures: --crop none"
        )
    classifier = classifier or EmotionClassifier.load()
    classifier = classifier.with_labels(labels) if labels else classifier
    scores = classifier.output("scores", faces.pixels)
    present = tuple(name for index, name in enumerate(EMOTIONS) if (faces.emotion == index).any())
    predictions = Predictions("own pictures", faces.row, faces.emotion, scores)
    return PictureScores(
        Path(folder).resolve().name, classifier.labels, present, predictions, faces.files, faces.report
    )
