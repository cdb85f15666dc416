"""A recorded run in memory: what was trained, how it went, and what the network answered."""

import dataclasses

import numpy as np
import pandas as pd

from emotion_detection.data.dataset import OWN_PICTURES
from emotion_detection.emotions import EMOTIONS


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a network answered on one split.

    Args:
        split: one of `store.RECORDED_PARTS`, without `store.VIEWS`.
        row: int32 array (n,), FER2013 row numbers.
        label: int8 array (n,), FER2013 labels.
        logits: float32 array (n, 7), before softmax and before any temperature.
    """

    split: str
    row: np.ndarray
    label: np.ndarray
    logits: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    @property
    def predicted(self) -> np.ndarray:
        """int64 array (n,): the class with the highest logit."""
        return self.logits.argmax(axis=1)

    def probabilities(self, temperature: float = 1.0) -> np.ndarray:
        """Return float64 (n, 7): softmax of the logits divided by `temperature`."""
        scaled = self.logits.astype(np.float64) / temperature
        exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def select(self, keep: np.ndarray) -> "Predictions":
        """Return the predictions that `keep` chooses: a boolean array (n,), or indices."""
        return dataclasses.replace(self, row=self.row[keep], label=self.label[keep], logits=self.logits[keep])


@dataclasses.dataclass(frozen=True)
class Run:
    """A recorded run: its `run.json` as a dict, its history as a DataFrame, its predictions per split."""

    name: str
    info: dict
    history: pd.DataFrame
    predictions: dict[str, Predictions]

    @property
    def recipe_name(self) -> str:
        """The recipe as figures and tables name it, such as "TL whole"."""
        recipe = self.info["recipe"]
        return recipe.get("display_name") or recipe["name"]

    @property
    def display_name(self) -> str:
        """The recipe as figures and tables name it; a seed other than 0 is added: "TL best, seed 2"."""
        return f"{self.recipe_name}, seed {self.info['seed']}" if self.info["seed"] else self.recipe_name

    @property
    def is_final(self) -> bool:
        """Whether PrivateTest has been predicted."""
        return "PrivateTest" in self.predictions

    def ferplus(self, split: str) -> dict:
        """Return what `run.json` says of a split by FER+'s votes (`ferplus_scores`); empty where it says nothing."""
        return (self.info.get("ferplus") or {}).get(split) or {}

    @property
    def data_name(self) -> str:
        """The name of the data set that the run was trained on."""
        return self.info["data"]["name"]

    @property
    def is_own_pictures(self) -> bool:
        """Whether the run was trained on a reader's own pictures."""
        return self.data_name.startswith(OWN_PICTURES)

    @property
    def is_sample(self) -> bool:
        """Whether the run was trained on the drawn sample, so that its scores are no result."""
        return not self.is_own_pictures and "sample" in self.data_name

    @property
    def classes(self) -> list[str]:
        """The emotions that the data set has: all seven, or those of a reader's own pictures."""
        return list(self.info["data"].get("classes", EMOTIONS))

    @property
    def minutes(self) -> float:
        """Minutes of the median epoch times their number, and what came before the first.

        A run that stood still for a while is not a slow one.
        """
        seconds = self.history["seconds"]
        before_s = max(0.0, self.info["wall_time_s"] - seconds.sum())
        return float((before_s + len(seconds) * seconds.median()) / 60)

    @property
    def core_minutes(self) -> float:
        """Minutes on all cores of the machine, where the run may have had a share, with another run beside it."""
        hardware = self.info["hardware"]
        return self.minutes * hardware.get("threads", hardware["cores"]) / hardware["cores"]

    @property
    def accelerator(self) -> str | None:
        """The name of the accelerator that the run was trained on; None for processor cores."""
        return next((device for device in self.info["hardware"]["devices"] if not device.startswith("cpu")), None)

    @property
    def hardware(self) -> str:
        """What the run was trained on, such as "2 cores (Linux x86_64)" or "one NVIDIA H200"."""
        if self.accelerator is not None:
            return f"one {self.accelerator}"
        hardware = self.info["hardware"]
        cores = hardware["cores"]
        threads = hardware.get("threads", cores)
        return f"{cores if threads == cores else f'{threads} of {cores}'} cores ({hardware['system']})"
