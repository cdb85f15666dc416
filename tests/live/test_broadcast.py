"""Answers as JSON for other programs: who hears them, and who is refused."""

import json
import socket
import threading

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError
from emotion_detection.live import FileReplay
from emotion_detection.live.broadcast import Broadcast

FRIEND = "http://localhost:3000"


@pytest.fixture
def broadcast():
    made = Broadcast(0, origins=[FRIEND])
    yield made
    made.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "live stream"]


def handshake(port: int, host: str) -> str:
    """Ask for a WebSocket with a Host of one's own; return the status line."""
    request = (
        f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request.encode())
        return connection.recv(1024).decode().splitlines()[0]


def test_every_listener_hears_every_answer(broadcast):
    with connect(broadcast.address) as first, connect(broadcast.address, origin=FRIEND) as second:
        broadcast.send({"time_s": 1.5, "faces": []})
        assert [json.loads(each.recv(timeout=5)) for each in (first, second)] == 2 * [{"time_s": 1.5, "faces": []}]


def test_a_page_of_another_origin_is_refused(broadcast):
    with pytest.raises(InvalidStatus) as refused:
        connect(broadcast.address, origin="https://elsewhere.test")
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(("host", "status"), [("elsewhere.test", 403), ("localhost", 101), ("[", 403)])
def test_a_name_that_is_not_loopbacks_is_refused(broadcast, host, status):
    port = int(broadcast.address.rpartition(":")[2])
    assert f" {status} " in handshake(port, f"{host}:{port}")


def test_nothing_listens_beyond_loopback(broadcast):
    assert {each.getsockname()[0] for each in broadcast._server.sockets} == {"127.0.0.1"}


@pytest.mark.parametrize("port", [70_000, -1, "http"])
def test_a_port_that_is_none_is_refused_and_leaves_no_thread(port):
    with pytest.raises(DataError, match="port"):
        Broadcast(port)
    assert not [thread for thread in threading.enumerate() if thread.name == "live stream"]


def test_a_port_that_is_taken_is_told(broadcast):
    with pytest.raises(DataError, match="cannot be sent on port"):
        Broadcast(int(broadcast.address.rpartition(":")[2]))


def test_a_view_sends_what_its_timeline_holds_until_it_is_closed(opened):
    view, _ = opened(FileReplay())
    with connect(view.stream(0)) as listener:
        view.frame.running = True
        answers = [json.loads(listener.recv(timeout=20)) for _ in range(3)]
        view.stop()
        [face] = answers[-1]["faces"]
        row = view.timeline().iloc[2]
        assert answers[-1]["time_s"] == pytest.approx(row["time_s"], abs=1e-3)
        assert (face["face"], face["label"]) == (1, row["label"])
        assert face["box"] == pytest.approx(row[["x", "y", "width", "height"]].tolist(), abs=1e-3)
        assert list(face["shares"]) == list(EMOTIONS) and sum(face["shares"].values()) == pytest.approx(1, abs=1e-3)
        view.close()
        with pytest.raises(ConnectionClosed):
            while True:
                listener.recv(timeout=5)
