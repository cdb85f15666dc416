"""What a LiteRT file says about itself: labels, input, temperature, where its weights are from, its last layer.

LiteRT files are flatbuffers with named entries for such things. Ours are `emotion_detection`, a JSON object, and
`head_kernel` and `head_bias`, the weights of the last layer as numpy writes them: with the pooled features they give
the logits, so class activation maps need neither Keras nor its file. Reading takes no TensorFlow.
"""

import io
import json
from pathlib import Path

import numpy as np

from emotion_detection import files, paths
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError

ENTRY = "emotion_detection"
HEAD = ("head_kernel", "head_bias")
ALIGNMENT = 16
"""Bytes: where in a file weights may begin. LiteRT maps files into memory and computes with what lies there."""


def entries(content: bytes) -> dict[str, bytes]:
    """Return name → bytes of all entries of a LiteRT file's content.

    Raises:
        ValueError: it is no LiteRT file, or a damaged one.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.Model.GetRootAs(content)
        found = [model.Metadata(index) for index in range(model.MetadataLength())]
        buffers = {entry.Name().decode(): model.Buffers(entry.Buffer()) for entry in found}
        return {name: buffer.DataAsNumpy().tobytes() for name, buffer in buffers.items() if buffer.DataLength()}
    except Exception as error:  # the generated code follows any offset: struct's, numpy's and Python's errors come out
        raise ValueError(f"it is not a LiteRT file ({type(error).__name__}: {error})") from error


def read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Return what a network says about itself, and its last layer; both empty if it says nothing.

    Args:
        path: a LiteRT network.

    Returns:
        `classes`, `input`, `outputs`, `temperature`, `keras_sha256` and more, as `describe` makes it; and
        `head_kernel` float32 (features, 7) and `head_bias` float32 (7,) where the last layer weighs pooled features.

    Raises:
        DataError: what it says is damaged, or about other classes.
    """
    try:
        found = entries(Path(path).read_bytes())
        if ENTRY not in found:
            return {}, {}
        values = json.loads(found[ENTRY])
        head = {name: np.load(io.BytesIO(found[name]), allow_pickle=False) for name in HEAD if name in found}
    except ValueError as error:
        raise _unusable(path, f"it cannot be read ({error})") from error
    _check(values, path)
    return values, head


def _check(values, path: Path) -> None:
    """Raise DataError unless the values are what the classifier relies on."""
    if not isinstance(values, dict) or values.get("classes") != list(EMOTIONS):
        received = values.get("classes") if isinstance(values, dict) else values
        raise _unusable(path, f"its classes are {received}, expected {list(EMOTIONS)}")
    temperature = values.get("temperature")
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not temperature > 0:
        raise _unusable(path, f"its temperature is {temperature!r}, expected a number above 0")


def _unusable(path: Path, received: str) -> DataError:
    return DataError(
        f"What the network {paths.displayed(path)} says about itself cannot be used: {received}. Restore it (git "
        "checkout -- data/models), or write it again: python -m emotion_detection export --help"
    )


def write(path: Path, values: dict, head: dict[str, np.ndarray]) -> Path:
    """Write what a LiteRT file is to say about itself into it, in place of what it said before.

    Args:
        path: a LiteRT network; rewritten atomically, its weights aligned as they were.
        values: as `describe` makes them; JSON.
        head: `head_kernel` and `head_bias`, or nothing.

    Returns:
        The path.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(Path(path).read_bytes()))
    wanted = {ENTRY: json.dumps(values, ensure_ascii=False).encode()} | {name: _npy(head[name]) for name in head}
    model.metadata = [entry for entry in model.metadata or [] if bytes(entry.name).decode() not in (ENTRY, *HEAD)]
    contents = [buffer.data for buffer in model.buffers]
    for name, content in wanted.items():
        model.metadata.append(schema.MetadataT(name=name, buffer=len(contents)))
        contents.append(content)
    model.buffers = [_aligned_buffer(content) for content in contents]
    with files.written_beside(path) as temporary:
        temporary.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))
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
