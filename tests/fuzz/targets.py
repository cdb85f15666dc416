"""What is fed to which reader: good files, and a function that reads one of them as the program does."""

import dataclasses
import functools
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image

import making_videos
from emotion_detection import paths
from emotion_detection.data import fer2013, load_sample, own_pictures_settings, verification
from emotion_detection.evaluation import metrics
from emotion_detection.faces import images
from emotion_detection.inference import video_io
from emotion_detection.live import LiveView
from emotion_detection.personal import head
from emotion_detection.runs import network_metadata, registry, store

RUN = "tl_top-s0"
LONGEST_VIDEO = 200


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader: its name, its share of the inputs, good files by name, and what reads the one at a path."""

    name: str
    weight: float
    files: dict[str, bytes]
    read: Callable[[Path], object]


def make_all(folder: Path) -> list[Target]:
    """Return all targets; `folder` is where the project is to look for records."""
    return [
        *(_faces(), _caches(folder), _runs(folder), _cards(), _networks(), _heads(folder), _settings(), _messages()),
        *(_pictures(), _videos(folder)),
    ]


def _faces() -> Target:
    dataset = load_sample(70)[:6]
    lines = ["emotion,pixels,Usage"]
    for pixels, emotion, usage in zip(dataset.pixels, dataset.emotion, dataset.usage, strict=True):
        lines.append(f"{emotion},{' '.join(map(str, pixels.ravel()))},{usage}")
    text = "\n".join(lines) + "\n"
    quoted = "\n".join(
        ["emotion, Usage, pixels", *(f'{i % 7},Training,"{line.split(",")[1]}"' for i, line in enumerate(lines[1:]))]
    )

    def read(path):
        verification.identify(fer2013._read(fer2013.find_source(path)), path.name)

    return Target("faces", 20, {"fer2013.csv": text.encode(), "icml_face_data.csv": quoted.encode()}, read)


def _caches(folder: Path) -> Target:
    dataset, checked = verification.identify(load_sample(70)[:6])
    source = fer2013.Source("csv", Path("fer2013.csv"), ())
    paths.cache_dir = lambda: folder / "cache"
    fer2013._write_cache(source, dataset, checked)
    content = fer2013._cache_path(source).read_bytes()

    def read(path):
        shutil.copy(path, fer2013._cache_path(source))
        found = fer2013._read_cache(source)
        assert found is None or found[0].fingerprint == dataset.fingerprint, "a changed cache was taken for FER2013"

    return Target("caches", 10, {"cache.npz": content}, read)


def _runs(folder: Path) -> Target:
    good = store.find_dir(RUN)
    content = {name: (good / name).read_bytes() for name in ("run.json", "history.csv")}
    predictions = {split: each.select(np.arange(50)) for split, each in store.load_run(RUN).predictions.items()}
    store.write_predictions(folder / "small.npz", predictions)
    with np.load(folder / "small.npz") as archive:
        stream = io.BytesIO()
        np.savez(stream, **archive)
    place = folder / "runs"

    def read(path):
        run = store.Run(
            name=RUN,
            info=store._read_info(place / "run.json"),
            history=store._read_history(place / "history.csv"),
            predictions=store.read_predictions(place / "predictions.npz"),
        )
        for attribute in ("display_name", "classes", "minutes", "core_minutes", "hardware", "is_sample", "is_final"):
            getattr(run, attribute)
        if "PrivateTest" in run.predictions:
            metrics.summary([run], split="PrivateTest")

    return Target("runs", 25, content | {"predictions.npz": stream.getvalue()}, read)


def _cards() -> Target:
    def read(path):
        card = registry._read_card(path)
        for answers in (card, card.get("votes", {}), card.get("votes", {}).get("balanced", {})):
            registry.at_threshold(answers, registry.threshold_of(answers))

    return Target("cards", 10, {"card.json": registry.card_path().read_bytes()}, read)


@functools.cache
def _small_network() -> bytes:
    """A LiteRT file that says something about itself, without its weights."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    found = network_metadata.entries(registry.network_path().read_bytes())
    model = schema.ModelT()
    model.version, model.subgraphs, model.operatorCodes, model.metadata, model.buffers = 3, [], [], [], []
    for index, (name, content) in enumerate(found.items()):
        model.metadata.append(schema.MetadataT(name=name, buffer=index))
        model.buffers.append(schema.BufferT(data=content))
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _networks() -> Target:
    return Target("networks", 5, {"network.tflite": _small_network()}, network_metadata.read)


class _Network:
    """Stands for the network that a personal head was made for."""

    labels, temperature, metadata, sha256 = "fer2013", 1.0, {}, "a" * 64


def _heads(folder: Path) -> Target:
    weights = np.random.default_rng(0).normal(size=(head.WIDTH, 7)).astype(np.float32)
    head.save(head.Head("a" * 64, "fer2013", weights, weights[0], {"happy": [3]}), folder / "mine.json")
    content = (folder / "mine.json").read_bytes()
    return Target("heads", 1, {"mine.json": content}, lambda path: head.load(path, _Network()))


def _messages() -> Target:
    """Messages of the page, as values of JSON; no source is opened."""
    view = LiveView()
    view._start_worker = lambda: None
    wanted = [
        {"type": "frame", "seq": 3},
        {"type": "ack", "seq": 3},
        *({"type": "beat"}, {"type": "timeline"}, {"type": "save"}),
        {"type": "open", "address": "rtsp://user:secret@host/s"},
        {"type": "failed", "reason": "NotAllowedError"},
    ]

    def read(path):
        try:
            values = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            return
        for content in values if isinstance(values, list) else [values]:
            view._received(None, content, [b"x"])
        view.frame.running = False

    return Target("messages", 10, {"messages.json": json.dumps(wanted).encode()}, read)


def _settings() -> Target:
    settings = {
        "classes": {"joy": "happy", "contempt": None},
        "crop": "face",
        "group": "(.*)_",
        "seed": 0,
        "test_share": 0.1,
    }

    def read(path):
        own_pictures_settings.read_settings(path.parent).key_of("happy/anna_1.jpg")

    return Target("settings", 10, {"pictures.json": json.dumps(settings).encode()}, read)


def _pictures() -> Target:
    picture = PIL.Image.open(paths.sample_dir() / "astronaut.webp").convert("RGB").resize((60, 50))
    content = {}
    for name, mode in (("a.jpg", "RGB"), ("b.png", "RGBA"), ("c.png", "P"), ("d.png", "L"), ("e.webp", "RGB")):
        stream = io.BytesIO()
        picture.convert(mode).save(stream, {"jpg": "JPEG"}.get(name[2:], name[2:].upper()))
        content[name] = stream.getvalue()
    return Target("pictures", 15, content, images.read_picture)


def _videos(folder: Path) -> Target:
    content = {}
    for name, codec in (("a.mp4", "mp4v"), ("b.avi", "MJPG"), ("c.webm", "VP80")):
        content[name] = making_videos.write(folder / name, 8, codec=codec).read_bytes()

    def read(path):
        with video_io.Recording(path) as recording:
            for count, _ in enumerate(recording.times()):
                recording.picture_bgr()
                if count > LONGEST_VIDEO:
                    break

    return Target("videos", 5, content, read)
