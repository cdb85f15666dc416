"""What was seen during a session, as numbers: a row per face and frame, no picture."""

from __future__ import annotations

import array
import threading
from typing import TYPE_CHECKING

import numpy as np

from emotion_detection.emotions import VOTES
from emotion_detection.inference.stream import LiveResult

if TYPE_CHECKING:  # imported where a table is made: the live cell starts without it
    import pandas as pd

LARGEST_ROWS = 1_000_000  # then the oldest half is forgotten: 13 hours of one face at 20 answers a second, 52 MB
_PLACE = ("time_s", "face", "x", "y", "width", "height")
_NUMBERS = len(_PLACE) + len(VOTES)


class Timeline:
    """Grows by every answer; may be read while it grows."""

    def __init__(self):
        self._lock = threading.Lock()
        self._began_s: float | None = None
        self._numbers = array.array("f")
        self._names: dict[str, int] = {}
        self._codes = array.array("B")

    def __len__(self) -> int:
        return len(self._codes) // 2

    def add(self, result: LiveResult) -> float:
        """Add the faces of one frame, for each network; return its time in seconds since the first."""
        width, height = result.size
        with self._lock:
            self._began_s = result.time_s if self._began_s is None else self._began_s
            time_s = result.time_s - self._began_s
            for network, found in result.by_network.items():
                for face in found:
                    box = face.box
                    place = (box.x / width, box.y / height, box.width / width, box.height / height)
                    shares = np.full(len(VOTES), np.nan)  # an answer without contempt has none of it
                    shares[: len(face.probabilities)] = face.probabilities
                    self._numbers.extend((time_s, face.identity, *place, *shares.tolist()))
                    self._codes.extend((self._code(face.label), self._code(network)))
            if len(self) > LARGEST_ROWS:
                forgotten = len(self) - LARGEST_ROWS // 2
                del self._numbers[: forgotten * _NUMBERS], self._codes[: forgotten * 2]
        return time_s

    def table(self) -> pd.DataFrame:
        """Return all rows: a DataFrame with time_s, face, the box 0–1, a probability for each emotion, label, network.

        Contempt has a column if it was asked for.
        """
        import pandas as pd

        with self._lock:
            numbers, codes, names = self._numbers[:], self._codes[:], list(self._names)
        columns = {name: numbers[index::_NUMBERS] for index, name in enumerate((*_PLACE, *VOTES))}
        table = pd.DataFrame({name: pd.Series(values, dtype="float32") for name, values in columns.items()})
        table["face"] = table["face"].astype(int)
        if table[VOTES[-1]].isna().all():
            del table[VOTES[-1]]
        for index, name in enumerate(("label", "network")):
            table[name] = pd.Series([names[code] for code in codes[index::2]], dtype="str")
        return table

    def clear(self) -> None:
        """Forget all rows."""
        with self._lock:
            self._began_s = None
            del self._numbers[:], self._codes[:]

    def _code(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))
