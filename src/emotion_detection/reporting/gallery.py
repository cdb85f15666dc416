"""README's gallery: a figure of each notebook, two beside each other, each a link to the notebook that draws it."""

from emotion_detection import paths
from emotion_detection.reporting import notebooks

CAPTIONS = {
    "00_first_answer": "A first answer, on a public-domain portrait",
    "01_average_faces": "What the faces of an emotion have in common",
    "02_leak_worth": "What twins in Training are worth on the test",
    "03_learning_curves": "Three regimes of transfer learning, epoch by epoch",
    "04_rare_emotions": "What helping the rare emotions buys and costs",
    "05_confusion_matrix": "Which emotions are taken for which",
    "06_published_and_replay": "A published figure, and what it measures",
    "07_arms": "What each change of the recipe is worth",
    "10_timeline": "A recording, face by face",
    "10_session": "A live session, as numbers",
    "A_limits": "How near what we do is to what the machine can do",
    "B_class_heat": "Where in a face an answer comes from",
}
"""Figure → its caption; a figure that is not drawn yet is left out."""

COLUMNS = 2


def shown() -> list[str]:
    """Return the names of the figures that are shown, in order."""
    folder = paths.project_root() / "figures"
    return [name for name in CAPTIONS if (folder / f"{name}.png").is_file()]


def block() -> str:
    """Return the gallery as a table in Markdown."""
    links = {path.stem.partition("_")[0]: f"notebooks/{path.name}" for path in notebooks.notebook_paths()}
    cells = [
        f'<a href="{links[name.partition("_")[0]]}"><img src="figures/{name}.png" width="400" '
        f'alt="{CAPTIONS[name]}"></a><br>{CAPTIONS[name]}'
        for name in shown()
    ]
    cells += [""] * (-len(cells) % COLUMNS)
    rows = ["| " + " | ".join(cells[start : start + COLUMNS]) + " |" for start in range(0, len(cells), COLUMNS)]
    head = ["|" + "   |" * COLUMNS, "|" + ":---:|" * COLUMNS]
    return "\n".join(head + rows) + "\n"
