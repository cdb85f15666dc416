"""What a personal head is worth, without people: simulated users, half of the faces to choose settings, half to report.

Faces are those of PublicTest, divided by clusters of near twins so that no photograph is on both sides, and drawn ones.
Training only gives average features; PrivateTest is never looked at. `record()` writes `data/results/personal/`.
"""

import dataclasses
import datetime
import itertools
from pathlib import Path

import numpy as np
import tqdm
from scipy import stats

from emotion_detection import files, records
from emotion_detection.data import FaceDataset, duplicates, load_fer2013, summaries
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.personal import fitting
from emotion_detection.personal import head as personal
from emotion_detection.runs import registry
from emotion_detection.studies import personal_users

CHOOSING, REPORTING = "choosing", "reporting"
USERS = {CHOOSING: 20, REPORTING: 50}
"""Of each kind."""

STRENGTHS = {
    "photographs, strong shift": 1.0,
    "photographs, mild shift": 0.5,
    "photographs, no shift": 0.0,
    "drawn people, mild shift": 0.5,
}
"""Kind of users → how far their cameras are from FER2013's. Without shift little is to be gained, but to be lost."""

KINDS = tuple(STRENGTHS)
DRAWN = KINDS[-1]
RECORDED = (7, 4, 1)
"""How many emotions a user records; which ones is drawn by lot."""

PENALTIES = (0.01, 0.03, 0.1, 0.3)
BIAS_PENALTIES = (0.03, 0.1, 0.3)
STAND_INS = ((0.0, 1.0), (1.0, 0.5), (1.0, 0.75), (1.0, 1.0))
"""Weight and reach; the first protects nothing and is there to be compared with."""

LARGEST_HARM = 0.01
"""Settings are out that cost, on average over any kind of users, the recorded emotions or the others more than this."""

AVERAGED_FACES = 400
"""Faces of each emotion of Training in an average."""

COMMAND = "python -m emotion_detection personal --record"


def folder() -> Path:
    """Return the folder of the record, whether it exists or not."""
    return personal.prepared_path().parent


def load() -> dict:
    """Return the record.

    Raises:
        MissingFileError: there is none.
        DataError: it is damaged.
    """
    return records.read(folder() / "simulation.json", remake=f"{COMMAND} (needs FER2013)")


def is_of_shipped(record: dict) -> bool:
    """Return whether a record is the shipped network's."""
    return record["network"] == registry.read_card()["files"][f"{registry.SHIPPED}.tflite"]["sha256"]


def record(dataset: FaceDataset | None = None, *, users: dict[str, int] | None = None) -> Path:
    """Record average features, choose settings, report on other users; some minutes, most of it in the network.

    Args:
        dataset: all of FER2013; None loads it.
        users: how many of each kind choose and report; `USERS` if None.

    Returns:
        The path of the record.
    """
    dataset = dataset if dataset is not None else load_fer2013()
    users = users or USERS
    network = EmotionClassifier.load()
    averages = average(dataset.training, network)
    personal.write_prepared(personal.network_of(network), personal.Prepared(averages, fitting.Settings()))
    halves, twins = halved(dataset.public_test)
    seen = {
        (half, kind): look(network, halves[half], kind, half=half, users=users[half])
        for half, kind in itertools.product((CHOOSING, REPORTING), KINDS)
    }
    choosing = compared({kind: seen[CHOOSING, kind] for kind in KINDS})
    settings = chosen(choosing)
    personal.write_prepared(personal.network_of(network), personal.Prepared(averages, settings))
    values = {
        "network": personal.network_of(network),
        "run": network.metadata["run"],
        "made": datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat(),
        "command": COMMAND,
        "faces": {half: _counts(faces) for half, faces in halves.items()},
        "near_twins_in_public_test": twins,
        "users": users,
        "clips_per_emotion": personal_users.CLIPS_PER_EMOTION,
        "tested_per_emotion": personal_users.TESTED_PER_EMOTION,
        "choosing": choosing,
        "settings": dataclasses.asdict(settings),
        "reporting": {kind: reported(seen[REPORTING, kind], settings) for kind in KINDS},
        "foretold": {kind: foretold(seen[REPORTING, kind], settings) for kind in KINDS},
    }
    files.write_json(folder() / "simulation.json", values)
    return folder() / "simulation.json"


def halved(faces: FaceDataset) -> tuple[dict[str, FaceDataset], dict]:
    """Divide faces into two halves by lot, near twins together; return them, and counts of the twins' clusters."""
    clusters = summaries.load_clusters()
    cluster = duplicates.twin_clusters(len(clusters["identical"]), clusters["pairs"], clusters["identical"])[faces.row]
    numbers, of_face, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
    first = (np.random.default_rng(0).permutation(len(numbers)) < len(numbers) / 2)[of_face]
    labels = [len(set(faces.emotion[of_face == number])) for number in np.flatnonzero(sizes > 1)]
    twins = {"clusters": len(labels), "with_several_labels": sum(count > 1 for count in labels)}
    return {CHOOSING: faces[first], REPORTING: faces[~first]}, twins


def _counts(faces: FaceDataset) -> dict[str, int]:
    return dict(zip(EMOTIONS, np.bincount(faces.emotion, minlength=len(EMOTIONS)).tolist(), strict=True))


def average(training: FaceDataset, network: EmotionClassifier) -> fitting.Averages:
    """Return each emotion's average features and logits in Training, over hundreds of faces each."""
    averages = {name: [] for name in personal.LEARNED_OUTPUTS}
    for emotion in tqdm.trange(len(EMOTIONS), desc="Averaging features", unit="emotion"):
        faces = training.pixels[training.emotion == emotion][:AVERAGED_FACES]
        for name, values in network.outputs(personal.LEARNED_OUTPUTS, faces).items():
            averages[name].append(values.mean(axis=0))
    return fitting.Averages(np.array(averages["features"]), np.array(averages["logits"]))


# Users as the network sees them


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """A user as the network sees it.

    Args:
        calibration: two clips of each emotion.
        features: float32 array (7, faces, 1280), of the faces to test on.
        logits: float32 array (7, faces, 7), of the same.
    """

    calibration: personal.Calibration
    features: np.ndarray
    logits: np.ndarray

    def accuracy(self, head: personal.Head | None = None) -> np.ndarray:
        """Return the accuracy on each emotion: float array (7,)."""
        logits = self.logits if head is None else head.corrected(self.logits, self.features)
        return (logits.argmax(axis=2) == np.arange(len(EMOTIONS))[:, None]).mean(axis=1)

    def recording(self, emotions: set[int]) -> personal.Calibration:
        """Return the calibration with the clips of some emotions only."""
        kept = tuple(clip for clip in self.calibration.clips if EMOTIONS.index(clip.emotion) in emotions)
        return dataclasses.replace(self.calibration, clips=kept)


def look(network: EmotionClassifier, faces: FaceDataset, kind: str, *, half: str, users: int) -> list[Seen]:
    """Return simulated users as the network sees them.

    Args:
        network: looks.
        faces: of the half that the users may show.
        kind: of `KINDS`.
        half: its name; the users of the two halves differ in everything.
        users: how many.
    """
    found = []
    for number in tqdm.trange(users, desc=f"{half}: {kind}", unit="user"):
        seed = [KINDS.index(kind), int(half == REPORTING), number]
        generator = np.random.default_rng(seed)
        camera = personal_users.random_camera(generator, strength=STRENGTHS[kind])
        if kind == DRAWN:
            draw = personal_users.drawing_of_person(seed)
        else:
            draw = personal_users.drawing_from(faces.pixels, faces.emotion, generator)
        found.append(_seen(network, personal_users.make_user(draw, camera, generator)))
    return found


def _seen(network: EmotionClassifier, user: personal_users.User) -> Seen:
    calibration = personal.Calibration.of(network)
    for emotion, clips in zip(EMOTIONS, user.clips, strict=True):
        for frames in clips:
            outputs = network.outputs(personal.LEARNED_OUTPUTS, frames)
            calibration = calibration.with_clip(personal.Clip(emotion, outputs["features"], outputs["logits"]))
    tested = network.outputs(personal.LEARNED_OUTPUTS, user.tested.reshape(-1, *user.tested.shape[2:]))
    shape = user.tested.shape[:2]
    return Seen(calibration, *(tested[name].reshape(*shape, -1) for name in ("features", "logits")))


def recorded_by(number: int, count: int) -> set[int]:
    """Return which emotions a user records who records so many: the same for all kinds and settings."""
    return set(np.random.default_rng([7, number]).permutation(len(EMOTIONS))[:count].tolist())


def changes(seen: list[Seen], count: int, settings: fitting.Settings) -> dict[str, np.ndarray]:
    """Return what recording so many emotions does to each user's accuracy.

    Returns:
        "before", "recorded", "others", "all": float arrays (users,), the first the accuracy on all seven before, the
        others its change, on the emotions recorded, those not recorded (NaN where there are none), all seven.
    """
    lines = []
    for number, user in enumerate(seen):
        emotions = recorded_by(number, count)
        head = personal.fit(user.recording(emotions), settings=settings)
        change = user.accuracy(head) - user.accuracy()
        inside = np.isin(np.arange(len(EMOTIONS)), list(emotions))
        others = change[~inside].mean() if not inside.all() else np.nan
        lines.append((user.accuracy().mean(), change[inside].mean(), others, change.mean()))
    return dict(zip(("before", "recorded", "others", "all"), np.array(lines).T, strict=True))


# Choosing and reporting


def candidates() -> list[fitting.Settings]:
    """Return the settings that are chosen from."""
    combined = itertools.product(PENALTIES, BIAS_PENALTIES, STAND_INS)
    return [fitting.Settings(penalty, bias, *stand_in) for penalty, bias, stand_in in combined]


def compared(seen: dict[str, list[Seen]]) -> list[dict]:
    """Return what each of the candidates does to the choosing users, on average.

    Returns:
        A line per candidate: its settings, gain (mean change over all seven emotions, kinds and numbers of recorded
        emotions), harm (lowest mean change of the recorded emotions, or of the others, of any kind and number).
    """
    lines = []
    for settings in tqdm.tqdm(candidates(), desc="Choosing", unit="setting"):
        found = [changes(users, count, settings) for users in seen.values() for count in RECORDED]
        gain = np.mean([each["all"].mean() for each in found])
        parts = [each[part].mean() for each in found for part in ("recorded", "others")]
        harm = min(value for value in parts if np.isfinite(value))
        lines.append(dataclasses.asdict(settings) | {"gain": _rounded(gain), "harm": _rounded(harm)})
    return lines


def chosen(lines: list[dict]) -> fitting.Settings:
    """Return the settings with the highest gain of those that do no more than the largest harm."""
    harmless = [line for line in lines if line["harm"] >= -LARGEST_HARM]
    if not harmless:
        raise DataError(
            f"All {len(lines)} settings cost some emotions more than {100 * LARGEST_HARM:.0f} point. "
            "Try larger penalties (personal_simulation.PENALTIES)."
        )
    best = max(harmless, key=lambda line: line["gain"])
    return fitting.Settings(**{field.name: best[field.name] for field in dataclasses.fields(fitting.Settings)})


def reported(seen: list[Seen], settings: fitting.Settings) -> dict:
    """Return the changes of the reporting users, by number of recorded emotions, with 95 % intervals over users."""
    found = {}
    for count in RECORDED:
        values = changes(seen, count, settings)
        parts = ("recorded", "others", "all") if count < len(EMOTIONS) else ("recorded", "all")
        found[str(count)] = {"before": _rounded(values["before"].mean())} | {
            part: _summary(values[part]) for part in parts
        }
    return found


def foretold(seen: list[Seen], settings: fitting.Settings) -> dict:
    """Return how well the table before and after, which a user sees, tells what other faces will show.

    Returns:
        table: mean change by `personal.leave_one_clip_out`, all seven emotions recorded; true: mean change on other
        faces; correlation of the two over users (Pearson).
    """
    tables = [personal.leave_one_clip_out(user.calibration, settings=settings) for user in seen]
    told = np.array([(table["after"] - table["before"]).mean() for table in tables])
    true = changes(seen, len(EMOTIONS), settings)["all"]
    correlation = np.corrcoef(told, true)[0, 1] if told.std() and true.std() else 0.0
    return {"table": _rounded(told.mean()), "true": _rounded(true.mean()), "correlation": _rounded(correlation)}


def _summary(change: np.ndarray) -> dict:
    """Return mean, 95 % interval (Student's t), share of users who lose, and each user's change.

    Where all users change alike, the interval is their change.
    """
    low = high = change.mean()
    if error := stats.sem(change):
        low, high = stats.t.interval(0.95, len(change) - 1, loc=low, scale=error)
    shares = {"mean": change.mean(), "low": low, "high": high, "worse": (change < 0).mean()}
    return {name: _rounded(value) for name, value in shares.items()} | {"users": [_rounded(each) for each in change]}


def _rounded(value: float) -> float:
    return round(float(value), 4)
