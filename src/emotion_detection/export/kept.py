"""Networks of finished runs as small files, to be committed where a machine may go before the next run goes on."""

import zipfile
from pathlib import Path

import numpy as np

from emotion_detection import files
from emotion_detection.runs import store
from emotion_detection.training import mobilenet


def keep(name: str) -> Path:
    """Write a run's network to `data/models/kept/`: half the bytes, since its weights are rounded to float16.

    It is an ordinary `.keras` file of float32 weights; what is rounded away compresses to nothing. Runs that go on from
    this one find it there (see `store.trained_network`). The archive's comment says of which training it is.

    Args:
        name: of a recorded run whose network is on this machine.

    Returns:
        The file's path.

    Raises:
        UnknownNameError: no such run is recorded.
        MissingFileError: its network is not on this machine.
    """
    run, path = store.load_run(name), store.kept_path(name)
    network = mobilenet.load_network(store.trained_network(name))
    network.set_weights([values.astype(np.float16).astype(values.dtype) for values in network.get_weights()])
    with files.written_beside(path) as temporary:
        network.save(temporary)
        with zipfile.ZipFile(temporary) as archive:
            parts = {part: archive.read(part) for part in archive.namelist()}
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.comment = run.info["finished"].encode()
            for part, content in parts.items():
                archive.writestr(part, content)
    return path
