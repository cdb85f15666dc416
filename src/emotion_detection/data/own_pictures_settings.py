"""How a folder of pictures is read: what its class folders mean, what is cropped, what stays together."""

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from emotion_detection import files
from emotion_detection.data import readers
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError

SETTINGS_FILE = "pictures.json"
Group = Callable[[PurePosixPath], object]

CROPS = ("face", "none", "face_or_none")
"""What is taken of a picture: the face found in it, all of it (pictures that are crops already), or the face where one
is found and else all of it."""

KNOWN_CLASSES = {
    name: emotion for emotion, names in readers.FOLDER_NAMES.items() for name in names if not name.isdigit()
}
"""Folder name in lower case → emotion: the seven and other forms of the same words."""

SYNONYMS = {
    "angry": ("annoyed", "furious", "fury", "mad", "rage"),
    "disgust": ("aversion", "disgusting", "revulsion"),
    "fear": ("anxious", "frightened", "scared", "terror"),
    "happy": ("enjoyment", "joy", "joyful", "laugh", "smile", "smiling"),
    "sad": ("crying", "gloom", "grief", "sorrow", "unhappy"),
    "surprise": ("amazed", "amazement", "astonished", "astonishment", "shocked"),
    "neutral": ("calm", "natural", "normal"),
}
"""Words that are proposed, not taken for granted, for each emotion. Any other, contempt say, is left out."""

PROPOSALS = KNOWN_CLASSES | {word: emotion for emotion, words in SYNONYMS.items() for word in words}
EXAMPLES = {"classes": '{"joy": "happy"}', "test_share": "0.1", "seed": "0"}


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a folder is read.

    Args:
        classes: name of a class folder → one of the seven emotions, or None to leave the class out. Names that the
            project knows (angry, anger, happy, happiness, …) need none.
        crop: one of `CROPS`.
        group: what pictures belong together, such as those of one person, and so stay in one split: a function from a
            file's path within the folder to a key (None: unknown), or a regular expression, whose first group is the
            key. None: pictures in sub-folders of one name are a group (happy/anna/ and sad/anna/); else each picture is
            on its own. Twins are found and kept together in any case.
        test_share: share of PublicTest, and of PrivateTest.
        seed: of the split.
    """

    classes: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    crop: str = "face"
    group: Group | str | None = None
    test_share: float = 0.1
    seed: int = 0

    def __post_init__(self):
        self._check_kinds()
        wrong = {name: emotion for name, emotion in self.classes.items() if emotion not in (*EMOTIONS, None)}
        if wrong:
            raise DataError(f"classes maps to {wrong}, expected one of {list(EMOTIONS)}, or None to leave a class out.")
        if not 0 <= self.seed < 2**32:
            raise DataError(f"seed is {self.seed}, expected a whole number of 0–4294967295.")
        if self.crop not in CROPS:
            raise DataError(f"crop is {self.crop!r}, expected one of {list(CROPS)}.")
        if not 0.001 <= self.test_share <= 1 / 3:
            raise DataError(f"test_share is {self.test_share}, expected 0.001 to a third.")

    def _check_kinds(self) -> None:
        kinds = {"classes": Mapping, "test_share": int | float, "seed": int}
        for field, kind in kinds.items():
            value = getattr(self, field)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise DataError(f"{field} is {value!r}, expected such as {EXAMPLES[field]}.")
        if self.group is not None and not callable(self.group):
            try:
                has_group = re.compile(self.group).groups > 0
            except (re.error, TypeError, OverflowError, RecursionError):
                has_group = False
            if not has_group:
                raise DataError(f"group is {self.group!r}, expected a regular expression with (…) around the person.")

    def emotion_of(self, name: str) -> str | None:
        """Return the emotion of a class folder, or None to leave it out; KeyError where the name is unknown."""
        own = {each.lower(): emotion for each, emotion in self.classes.items()}
        return (KNOWN_CLASSES | own)[name.lower()]

    def key_of(self, file: str):
        """Return what a file belongs to, or None; `file` is its path within the folder."""
        path = PurePosixPath(file)
        if callable(self.group):
            return self.group(path)
        if self.group is not None:
            found = re.search(self.group, file)
            return found[1] if found else None
        return path.parts[1:-1] or None


def proposed_class(name: str) -> str | None:
    """Return the emotion that the name of an unknown class folder most likely means, or None to leave it out."""
    likeliest = difflib.get_close_matches(re.sub("[^a-z]", "", name.lower()), PROPOSALS, n=1, cutoff=0.85)
    return PROPOSALS[likeliest[0]] if likeliest else None


def is_split_folder(name: str) -> bool:
    """Return whether a folder is named as a split is: train, test, validation, …"""
    return any(name.lower() in names for names in readers.SPLIT_FOLDERS.values())


def read_settings(folder: Path | str, **given) -> Settings:
    """Return how a folder is to be read: what is given, else what its `pictures.json` says, else the defaults.

    Raises:
        DataError: the file is damaged, or a setting is unknown or wrong.
    """
    path = Path(folder) / SETTINGS_FILE
    values = {**(files.read_json(path, what="file of settings") if path.exists() else {}), **given}
    known = [field.name for field in dataclasses.fields(Settings)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise DataError(f"There is no setting {', '.join(unknown)} for a folder of pictures. Use {', '.join(known)}.")
    return Settings(**values)
