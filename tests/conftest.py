"""Fixtures for all tests: isolated folders, drawn faces, and the real FER2013 where it is there."""

import functools
import http.server
import os
import sys
import threading

import numpy as np
import pytest

from emotion_detection import notebook, paths
from emotion_detection.data import load_fer2013
from emotion_detection.errors import MissingFileError
from emotion_detection.faces import detection
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs import registry

# Ray reads them once, when it is imported; without a token it keeps one in the home folder.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": os.urandom(32).hex()}


@pytest.fixture(autouse=True)
def _no_download(monkeypatch):
    """No test fetches the face detector: its address is one where nobody answers."""
    monkeypatch.setattr(detection, "YUNET_URL", "http://127.0.0.1:9/yunet.onnx")
    detection._got_yunet.cache_clear()


@pytest.fixture
def served(tmp_path):
    """Serve files (path → bytes) over HTTP on this machine; return the address that their paths follow."""
    folder = tmp_path / "served"

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def serve(files: dict[str, bytes]) -> str:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield serve
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def two_machines():
    """A Ray cluster on loopback: two nodes of one core each; the first is this process's, `second` the other."""
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason='Ray not installed: pip install -e ".[cluster]"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # Ray's 15 lets a busy machine starve the workers
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        machines = cluster_utils.Cluster()
        machines.add_node(num_cpus=1, include_dashboard=False)
        machines.second = machines.add_node(num_cpus=1, include_dashboard=False)
        yield machines
        machines.shutdown()


@pytest.fixture
def isolated(tmp_path, monkeypatch):
    """A project folder of the test's own: nothing is found outside it and nothing is written outside it."""
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path)
    monkeypatch.setattr(paths, "user_cache_dir", lambda: tmp_path / "user_cache")
    monkeypatch.delenv("EMOTION_DATA_DIR", raising=False)
    monkeypatch.delenv("EMOTION_OUTPUT_DIR", raising=False)
    monkeypatch.delenv("EMOTION_PICTURES", raising=False)
    monkeypatch.delenv("EMOTION_FIGURES_DIR", raising=False)
    monkeypatch.setattr(paths, "_chosen", {})
    monkeypatch.setattr(notebook, "_mode", notebook._Mode())
    (tmp_path / "data" / "raw").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def fer2013():
    """The real FER2013, or a skip that says how to provide it."""
    try:
        return load_fer2013()
    except MissingFileError:
        pytest.skip("FER2013 not found: set EMOTION_DATA_DIR or put it into data/raw/ (see data/README.md)")


@pytest.fixture(scope="session")
def classifier():
    """The shipped network on LiteRT."""
    return EmotionClassifier.load()


@pytest.fixture(scope="session")
def model():
    """The shipped network in Keras."""
    pytest.importorskip("tensorflow")
    from emotion_detection.training import mobilenet

    return mobilenet.load_network(paths.models_dir() / f"{registry.SHIPPED}.keras")


@pytest.fixture(scope="session")
def drawn_faces():
    """Five blurred noise pictures, uint8 (5, 48, 48)."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 8, 8), np.uint8)
    return coarse.repeat(6, axis=1).repeat(6, axis=2)


@pytest.fixture
def small_disk():
    """No file of this process may be larger than 100,000 bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
