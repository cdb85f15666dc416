"""What a personal head gains and loses, without people: users are simulated, and no person was filmed.

A user has a camera (light, contrast, tilt, framing, blur, noise) and shows two short clips of each emotion.
*Photographs* are faces of PublicTest seen by one camera: each clip is another stranger's face, so a user's clips share
the camera alone. *Drawn people* have the same drawn head in all seven expressions, seen by such a camera. Half of the
faces choose the settings of the fit, the other half reports; near twins lie in the same half. Training gives average
features only, and PrivateTest is never looked at. `record` writes `data/results/personal/`.
"""

import dataclasses
import datetime
import itertools
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tqdm
from scipy import stats

from emotion_detection import files
from emotion_detection.data import FaceDataset, duplicates, load_fer2013, summaries, synthetic
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.personal import fitting, head
from emotion_detection.runs import registry

CHOOSING, REPORTING = "choosing", "reporting"
USERS = {CHOOSING: 20, REPORTING: 50}
"""Of each kind."""

STRENGTHS = {
    "photographs, strong shift": 1.0,
    "photographs, mild shift": 0.5,
    "photographs, no shift": 0.0,
    "drawn people, mild shift": 0.5,
}
"""Kind of users → how far their cameras are from FER2013's. Without a shift there is little to gain."""

KINDS = tuple(STRENGTHS)
DRAWN = KINDS[-1]
RECORDED = (7, 4, 1)
"""How many emotions a user records; which ones is drawn at random."""

CLIPS_PER_EMOTION, FRAMES_PER_CLIP = 2, 8
"""Of the 37 frames that 2.5 s bring at 15 a second: they differ so little that more would only repeat them."""

TESTED_PER_EMOTION = 12
"""Other faces of the user, one frame of each."""

PENALTIES = (0.01, 0.03, 0.1, 0.3)
BIAS_PENALTIES = (0.03, 0.1, 0.3)
STAND_INS = ((0.0, 1.0), (1.0, 0.5), (1.0, 0.75), (1.0, 1.0))
"""Weight and reach; the first protects nothing and is there to be compared with."""

LARGEST_HARM = 0.01
"""Settings are ruled out that cost any kind of users more than this on average, on recorded emotions or on others."""

AVERAGED_FACES = 400
"""Faces of each emotion of Training in an average."""

COMMAND = "python -m emotion_detection personal --record"
LABELS = "fer2013"
"""What the network answers with in front of simulated users: their faces carry FER2013's labels."""

_ROWS, _COLUMNS = np.mgrid[-1 : 1 : synthetic.SIDE_PX * 1j, -1 : 1 : synthetic.SIDE_PX * 1j]

Draw = Callable[[int, np.random.Generator], np.ndarray]
"""Number of an emotion and a generator → another face of the user, uint8 (48, 48); none twice."""


def path() -> Path:
    """Return the path of the record, whether it exists or not."""
    return head.prepared_path(LABELS).parent / "simulation.json"


def load() -> dict:
    """Return the record; raise MissingFileError if there is none, DataError if it is damaged."""
    return files.read_json(path(), remake=f"{COMMAND} (needs FER2013)")


def is_of_shipped(record: dict) -> bool:
    """Return whether a record is the shipped network's."""
    return record["network"] == registry.read_card()["files"][f"{registry.SHIPPED}.tflite"]["sha256"]


def changes_table(record: dict) -> pd.DataFrame:
    """Return the changes of accuracy that the record holds.

    Returns:
        A row per kind of user and number of recorded emotions: users, n, recorded (how many emotions), accuracy_before,
        share_losing (users whose accuracy on all seven falls), and the changes gain_recorded, gain_others, gain_all
        with the ends of their 95 % intervals over users; NaN where no emotion is left.
    """
    lines = []
    for kind, counts in record["reporting"].items():
        for count, parts in counts.items():
            line = {"users": kind, "n": len(parts["all"]["users"]), "recorded": int(count)}
            line |= {"accuracy_before": parts["before"], "share_losing": parts["all"]["worse"]}
            for part in ("recorded", "others", "all"):
                found = parts.get(part, {})
                ends = {"": "mean", "_low": "low", "_high": "high"}
                line |= {f"gain_{part}{end}": found.get(key, np.nan) for end, key in ends.items()}
            lines.append(line)
    return pd.DataFrame(lines)


def record(dataset: FaceDataset | None = None) -> Path:
    """Average features, choose settings, report on other users; return the record's path. Minutes; needs FER2013."""
    dataset = dataset if dataset is not None else load_fer2013()
    network = EmotionClassifier.load(labels=LABELS)
    averages = average(dataset.training, network)
    head.write_prepared(head.network_of(network), LABELS, head.Prepared(averages, fitting.Settings()))
    halves, twins = halved(dataset.public_test)
    seen = {
        (half, kind): look(network, halves[half], kind, half=half, users=USERS[half])
        for half, kind in itertools.product((CHOOSING, REPORTING), KINDS)
    }
    choosing = compared({kind: seen[CHOOSING, kind] for kind in KINDS})
    settings = chosen(choosing)
    head.write_prepared(head.network_of(network), LABELS, head.Prepared(averages, settings))
    of_votes = average(dataset.training, network.with_labels("votes"))  # nobody simulated votes: the same settings
    head.write_prepared(head.network_of(network), "votes", head.Prepared(of_votes, settings))
    values = {
        "network": head.network_of(network),
        "run": network.metadata["run"],
        "made": datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat(),
        "command": COMMAND,
        "faces": {
            half: dict(zip(EMOTIONS, np.bincount(faces.emotion, minlength=len(EMOTIONS)).tolist(), strict=True))
            for half, faces in halves.items()
        },
        "near_twins_in_public_test": twins,
        "users": USERS,
        "clips_per_emotion": CLIPS_PER_EMOTION,
        "tested_per_emotion": TESTED_PER_EMOTION,
        "choosing": choosing,
        "settings": dataclasses.asdict(settings),
        "reporting": {kind: reported(seen[REPORTING, kind], settings) for kind in KINDS},
        "foretold": {kind: predicted_change(seen[REPORTING, kind], settings) for kind in KINDS},
    }
    files.write_json(path(), values)
    return path()


def halved(faces: FaceDataset) -> tuple[dict[str, FaceDataset], dict]:
    """Divide faces into two halves at random, near twins together; return them, and counts of the twins' clusters."""
    clusters = summaries.load_clusters()
    cluster = duplicates.twin_clusters(len(clusters["identical"]), clusters["pairs"], clusters["identical"])[faces.row]
    numbers, of_face, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
    first = (np.random.default_rng(0).permutation(len(numbers)) < len(numbers) / 2)[of_face]
    labels = [len(set(faces.emotion[of_face == number])) for number in np.flatnonzero(sizes > 1)]
    twins = {"clusters": len(labels), "with_several_labels": sum(count > 1 for count in labels)}
    return {CHOOSING: faces[first], REPORTING: faces[~first]}, twins


def average(training: FaceDataset, network: EmotionClassifier) -> fitting.Averages:
    """Return each emotion's average features and scores in Training, over hundreds of faces each."""
    averages = {name: [] for name in head.LEARNED_OUTPUTS}
    for emotion in tqdm.trange(len(EMOTIONS), desc="Averaging features", unit="emotion"):
        faces = training.pixels[training.emotion == emotion][:AVERAGED_FACES]
        for name, values in network.outputs(head.LEARNED_OUTPUTS, faces).items():
            averages[name].append(values.mean(axis=0))
    return fitting.Averages(np.array(averages["features"]), np.array(averages["scores"]))


# Users


@dataclasses.dataclass(frozen=True)
class Camera:
    """What a user's place and camera do to every face; the defaults change nothing.

    Grey levels are changed by `gamma` (above 1 darkens), `contrast` (around middle grey) and `brightness` (added);
    `light_x` and `light_y` are the strength of light from the right and from below, 0–1. The head is turned by
    `tilt_deg`, framed by `zoom` and moved by pixels of 48. `blur_px` and `noise` (greys) are standard deviations.
    """

    gamma: float = 1.0
    contrast: float = 1.0
    brightness: float = 0.0
    light_x: float = 0.0
    light_y: float = 0.0
    tilt_deg: float = 0.0
    zoom: float = 1.0
    shift_x_px: float = 0.0
    shift_y_px: float = 0.0
    blur_px: float = 0.0
    noise: float = 0.0


def random_camera(generator: np.random.Generator, *, strength: float = 1.0) -> Camera:
    """Return a camera as one may meet it: a laptop's, off centre, in a room's light.

    A strength of 0 changes nothing; at 1 a third of the users sit tilted by more than 9°, or 2.5 px off centre.
    """
    normal, uniform = generator.normal, generator.uniform
    return Camera(
        gamma=float(np.exp(strength * normal(0, 0.4))),
        contrast=1 - strength * uniform(-0.1, 0.5),
        brightness=strength * normal(0, 20),
        light_x=strength * normal(0, 0.35),
        light_y=strength * normal(0, 0.25),
        tilt_deg=strength * normal(0, 9),
        zoom=float(np.exp(strength * normal(0, 0.13))),
        shift_x_px=strength * normal(0, 2.5),
        shift_y_px=strength * normal(0, 2.5),
        blur_px=strength * uniform(0, 1.3),
        noise=strength * uniform(0, 9),
    )


def photograph(face: np.ndarray, camera: Camera, generator: np.random.Generator) -> np.ndarray:
    """Return one frame of a face, both uint8 (48, 48): the camera's changes, and a little of a still head's moving."""
    tilt_deg, zoom = camera.tilt_deg + generator.normal(0, 2), camera.zoom * generator.normal(1, 0.02)
    shift_px = np.array([camera.shift_x_px, camera.shift_y_px]) + generator.normal(0, 0.7, 2)
    center = (synthetic.SIDE_PX - 1) / 2
    matrix = cv2.getRotationMatrix2D((center, center), tilt_deg, zoom)
    matrix[:, 2] += shift_px
    moved = cv2.warpAffine(face, matrix, face.shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    image = 255 * (moved.astype(np.float32) / 255) ** camera.gamma
    image *= 1 + camera.light_x * _COLUMNS + camera.light_y * _ROWS
    image = (image - 128) * camera.contrast + 128 + camera.brightness + generator.normal(0, 4)
    if camera.blur_px > 0.2:  # a narrower one changes nothing
        image = cv2.GaussianBlur(image, (0, 0), camera.blur_px)
    image += generator.normal(0, camera.noise, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def drawing_from(faces: FaceDataset, generator: np.random.Generator) -> Draw:
    """Return a function that hands out faces by emotion, at random and none twice; of each there must be 14."""
    waiting = [list(generator.permutation(np.flatnonzero(faces.emotion == number))) for number in range(len(EMOTIONS))]
    return lambda number, _: faces.pixels[waiting[number].pop()]


def drawing_of_person(seed) -> Draw:
    """Return a function that draws the same person with any expression."""
    return lambda number, generator: synthetic.draw_face(EMOTIONS[number], generator, look=np.random.default_rng(seed))


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """A user as the network sees it: the clips, and features (7, faces, 1280) and scores (7, faces, 7) to test on."""

    calibration: head.Calibration
    features: np.ndarray
    scores: np.ndarray

    def accuracy(self, personal: head.Head | None = None) -> np.ndarray:
        """Return the accuracy on each emotion: float array (7,)."""
        scores = self.scores if personal is None else personal.corrected(self.scores, self.features)
        return (scores.argmax(axis=2) == np.arange(len(EMOTIONS))[:, None]).mean(axis=1)


def look(network: EmotionClassifier, faces: FaceDataset, kind: str, *, half: str, users: int) -> list[Seen]:
    """Return simulated users of a kind as the network sees them; those of the two halves differ in everything."""
    found = []
    for number in tqdm.trange(users, desc=f"{half}: {kind}", unit="user"):
        seed = [KINDS.index(kind), int(half == REPORTING), number]
        generator = np.random.default_rng(seed)
        camera = random_camera(generator, strength=STRENGTHS[kind])
        draw = drawing_of_person(seed) if kind == DRAWN else drawing_from(faces, generator)
        found.append(see(network, draw, camera, generator))
    return found


def see(network: EmotionClassifier, draw: Draw, camera: Camera, generator: np.random.Generator) -> Seen:
    """Have a user record two clips of each emotion, each of one face, and show other faces to test on."""
    calibration, tested = head.Calibration.of(network), []
    for emotion in range(len(EMOTIONS)):
        for face in [draw(emotion, generator) for _ in range(CLIPS_PER_EMOTION)]:
            frames = [photograph(face, camera, generator) for _ in range(FRAMES_PER_CLIP)]
            outputs = network.outputs(head.LEARNED_OUTPUTS, np.array(frames))
            calibration = calibration.with_clip(head.Clip(EMOTIONS[emotion], **outputs))
        others = [draw(emotion, generator) for _ in range(TESTED_PER_EMOTION)]
        tested += [photograph(face, camera, generator) for face in others]
    outputs = network.outputs(head.LEARNED_OUTPUTS, np.array(tested))
    shape = (len(EMOTIONS), TESTED_PER_EMOTION, -1)
    return Seen(calibration, outputs["features"].reshape(shape), outputs["scores"].reshape(shape))


# Choosing and reporting


def changes(seen: list[Seen], count: int, settings: fitting.Settings) -> dict[str, np.ndarray]:
    """Return what recording so many emotions does to each user's accuracy.

    Which emotions a user records is drawn by the user's number, the same for all kinds and settings.

    Returns:
        "before", "recorded", "others", "all": float arrays (users,), the first the accuracy on all seven before, the
        others its change, on the emotions recorded, those not recorded (NaN where there are none), all seven.
    """
    lines = []
    for number, user in enumerate(seen):
        inside = np.isin(range(len(EMOTIONS)), np.random.default_rng([7, number]).permutation(len(EMOTIONS))[:count])
        clips = tuple(clip for clip in user.calibration.clips if inside[EMOTIONS.index(clip.emotion)])
        personal = head.fit(dataclasses.replace(user.calibration, clips=clips), settings=settings)
        change = user.accuracy(personal) - user.accuracy()
        others = change[~inside].mean() if not inside.all() else np.nan
        lines.append((user.accuracy().mean(), change[inside].mean(), others, change.mean()))
    return dict(zip(("before", "recorded", "others", "all"), np.array(lines).T, strict=True))


def compared(seen: dict[str, list[Seen]]) -> list[dict]:
    """Return a line per candidate: its settings and what they do to the choosing users.

    gain is the mean change over emotions, kinds and numbers of recorded emotions; harm the lowest mean change of the
    recorded emotions, or of the others, of any kind and number.
    """
    lines = []
    combined = list(itertools.product(PENALTIES, BIAS_PENALTIES, STAND_INS))
    for penalty, bias_penalty, stand_in in tqdm.tqdm(combined, desc="Choosing", unit="setting"):
        settings = fitting.Settings(penalty, bias_penalty, *stand_in)
        found = [changes(users, count, settings) for users in seen.values() for count in RECORDED]
        parts = [each[part].mean() for each in found for part in ("recorded", "others")]
        scores = {"gain": np.mean([each["all"].mean() for each in found]), "harm": np.nanmin(parts)}
        lines.append(dataclasses.asdict(settings) | files.rounded(scores))
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
        before = {"before": files.rounded(values["before"].mean())}
        found[str(count)] = before | {part: summary_of(values[part]) for part in parts}
    return found


def predicted_change(seen: list[Seen], settings: fitting.Settings) -> dict:
    """Return the mean change in the users' own tables, the one on other faces, their correlation over users."""
    tables = [head.leave_one_clip_out(user.calibration, settings=settings) for user in seen]
    shown = np.array([(table["accuracy_after"] - table["accuracy_before"]).mean() for table in tables])
    true = changes(seen, len(EMOTIONS), settings)["all"]
    correlation = np.corrcoef(shown, true)[0, 1] if shown.std() and true.std() else 0.0
    return files.rounded({"table": shown.mean(), "true": true.mean(), "correlation": correlation})


def summary_of(change: np.ndarray) -> dict:
    """Return mean, 95 % interval (Student's t; no wider than a change that all share), share of losers, each change."""
    low = high = change.mean()
    if error := stats.sem(change):
        low, high = stats.t.interval(0.95, len(change) - 1, loc=low, scale=error)
    shares = {"mean": change.mean(), "low": low, "high": high, "worse": (change < 0).mean()}
    return files.rounded(shares | {"users": list(change)})
