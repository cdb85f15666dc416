"""Look at the faces that the shipped network gets wrong; needs FER2013, whose pictures no record holds."""

from emotion_detection.data import load_fer2013
from emotion_detection.emotions import DISPLAY_NAMES
from emotion_detection.errors import MissingFileError
from emotion_detection.evaluation import mistakes as errors_found
from emotion_detection.plots import evaluation as plots
from emotion_detection.runs import registry, store

SPLIT = "PrivateTest"


def mistakes(*, label: str, answer: str, n: int = 12):
    """Return a figure of faces of one emotion that the shipped network called another, the surest answers first.

    Args:
        label: emotion of FER2013's label, such as "sad".
        answer: what they were called, such as "fear".
        n: how many at most.

    Returns:
        A figure; without FER2013 a sentence (IPython's Markdown) that says what is missing.

    Raises:
        UnknownNameError: there is no such emotion.
    """
    run = store.load_run(registry.read_card()["run"])
    found = errors_found.mistaken(run.predictions[SPLIT], label=label, answer=answer, n=n)
    try:
        dataset = load_fer2013()
    except MissingFileError:
        from IPython.display import Markdown

        return Markdown("*The faces are FER2013's, which is not on this machine: see `data/README.md` to get it.*")
    place = {int(row): index for index, row in enumerate(dataset.row)}
    faces = dataset.pixels[[place[int(row)] for row in found["row"]]]
    title = (
        f"{DISPLAY_NAMES[label]} by FER2013's label, called {DISPLAY_NAMES[answer]}: the {len(found)} surest answers"
    )
    return plots.mistaken_faces(faces, found, title=title)
