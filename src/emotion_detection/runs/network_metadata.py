"""What a LiteRT file says about itself: labels, input, temperature, where its weights are from, its last layer.

LiteRT files are flatbuffers with named entries for such things. Ours are `emotion_detection`, a JSON object, and the
weights of the last layers as numpy writes them (`HEADS`): with the pooled features they give logits and votes, so class
activation maps need neither Keras nor its file. A third layer tells whether a face lies. Reading takes no TensorFlow.
"""

import io
import json
from pathlib import Path

import numpy as np

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS, VOTES
from emotion_detection.errors import DataError

ENTRY = "emotion_detection"
HEADS = {
    "logits": ("head_kernel", "head_bias"),
    "votes": ("votes_kernel", "votes_bias"),
    "upright": ("upright_kernel", "upright_bias"),
}
"""Answer → entries of the layer that gives it: weights (features, classes) and biases (classes,)."""

WEIGHTS = tuple(name for names in HEADS.values() for name in names)
ALIGNMENT = 16
"""Bytes: where in a file weights may begin. LiteRT maps files into memory and computes with what lies there."""


def _answers(classes: tuple[str, ...]) -> dict:
    """Return the schema of what is said about the answers over some classes."""
    positive, shares = {"type": "number", "exclusiveMinimum": 0}, {"type": "array", "minItems": 20, "maxItems": 20}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    curve = {
        "type": "object",
        "required": ["coverage", "accuracy"],
        "properties": {
            "coverage": {**shares, "items": share},
            "accuracy": {**shares, "items": {"type": ["number", "null"]}, "contains": share},
        },
    }
    confidence = {
        "type": "object",
        "properties": {
            "threshold": share,
            "thresholds": {**shares, "items": share},
            "PublicTest": curve,
            "PrivateTest": curve,
        },
        "dependencies": {"PrivateTest": ["thresholds"]},
    }
    prior = {"type": "array", "minItems": len(classes), "maxItems": len(classes), "items": positive}
    balanced = {
        "type": "object",
        "required": ["strength"],
        "properties": {"strength": positive, "confidence": confidence},
    }
    return {
        "type": "object",
        "required": ["classes", "temperature"],
        "properties": {
            "classes": {"const": list(classes)},
            "temperature": positive,
            "confidence": confidence,
            "prior": prior,
            "balanced": balanced,
        },
        "dependencies": {"balanced": ["prior"]},
    }


FACTS = _answers(EMOTIONS)
FACTS["properties"]["votes"] = _answers(VOTES)
"""What a classifier relies on in a network's own words and in its card, as JSON Schema."""


def entries(content: bytes) -> dict[str, bytes]:
    """Return name → bytes of all entries of a LiteRT file's content; of a damaged file any exception may come."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content)
    found = [model.Metadata(index) for index in range(model.MetadataLength())]
    buffers = {entry.Name().decode(): model.Buffers(entry.Buffer()) for entry in found}
    return {name: buffer.DataAsNumpy().tobytes() for name, buffer in buffers.items() if buffer.DataLength()}


def read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Return what a network says about itself, and its last layers; both empty if it says nothing.

    Args:
        path: a LiteRT network.

    Returns:
        `classes`, `input`, `outputs`, `temperature`, `keras_sha256` and more, as `describe` makes it; and the arrays
        of `HEADS`, float32, of each last layer that weighs pooled features.

    Raises:
        DataError: what it says is damaged, or about other classes.
    """
    try:
        found = entries(Path(path).read_bytes())
        if ENTRY not in found:
            return {}, {}
        values = files.parse_json(found[ENTRY], schema=FACTS)
        head = {name: np.load(io.BytesIO(found[name]), allow_pickle=False) for name in WEIGHTS if name in found}
    except Exception as error:  # the generated code follows any offset: struct's, numpy's and Python's errors come out
        raise _unusable(path, f"it cannot be read ({error})") from error
    for (kernel, bias), classes in zip(HEADS.values(), (len(EMOTIONS), len(VOTES), 1), strict=True):
        for name, shape in ((kernel, (None, classes)), (bias, (classes,))):
            if name in head and (fault := files.array_fault(name, head[name], "f", shape)):
                raise _unusable(path, fault)
    return values, head


def _unusable(path: Path, received: str) -> DataError:
    return DataError(
        f"What the network {paths.displayed(path)} says about itself cannot be used: {received}. Restore it (git "
        "checkout -- data/models), or write it again: python -m emotion_detection export --help"
    )


def write(path: Path, values: dict, heads: dict[str, np.ndarray]) -> Path:
    """Write what a LiteRT file is to say about itself into it, in place of what it said before.

    Args:
        path: a LiteRT network; rewritten atomically, its weights aligned as they were.
        values: as `describe` makes them; JSON.
        heads: arrays by names of `HEADS`; those of a network without them are left out.

    Returns:
        The path.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(Path(path).read_bytes()))
    wanted = {ENTRY: json.dumps(values, ensure_ascii=False).encode()} | {name: _npy(heads[name]) for name in heads}
    contents = [buffer.data for buffer in model.buffers]
    for entry in model.metadata or []:
        if bytes(entry.name).decode() in (ENTRY, *WEIGHTS):
            contents[entry.buffer] = None  # what it said before would stay in the file
    model.metadata = [entry for entry in model.metadata or [] if contents[entry.buffer] is not None]
    for name, content in wanted.items():
        model.metadata.append(schema.MetadataT(name=name, buffer=len(contents)))
        contents.append(content)
    model.buffers = [_aligned_buffer(content) for content in contents]
    files.write_bytes(path, flatbuffer_utils.convert_object_to_bytearray(model))
    return Path(path)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array, np.float32), allow_pickle=False)
    return stream.getvalue()


def _aligned_buffer(content: bytes | np.ndarray | None):
    """Return a buffer that begins where `ALIGNMENT` wants it: the generated code forgets to ask for that."""
    from ai_edge_litert import schema_py_generated as schema

    class AlignedBuffer(schema.BufferT):
        def Pack(self, builder):
            if self.data is None:
                return super().Pack(builder)
            builder.StartVector(1, len(self.data), ALIGNMENT)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            data = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, data)
            return schema.BufferEnd(builder)

    return AlignedBuffer(data=None if content is None else bytes(content))
