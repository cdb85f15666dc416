"""Messages of the page while a cell is busy, in a real kernel: JupyterLab sends them to a subshell of their own."""

import ast
import queue
import time

import jupyter_client.manager
import pytest

BUSY_S = 8
VIEW = """
import threading, time
from emotion_detection.live.frame import FrameView

view = FrameView()
view.on_msg(lambda view, content, buffers: view.send({"heard": content["number"]}))

def work():
    while True:
        view.send({"from": "the worker"})
        time.sleep(0.05)

threading.Thread(target=work, daemon=True).start()
"""


@pytest.fixture
def client():
    manager, client = jupyter_client.manager.start_new_kernel()
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def heard(client, comm_id: str, *, within_s: float) -> int:
    """Return the number of the next message that the view says to have heard."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        try:
            content = client.get_iopub_msg(timeout=0.2)["content"]
        except queue.Empty:
            continue
        if content.get("comm_id") == comm_id and "heard" in content["data"].get("content", {}):
            return content["data"]["content"]["heard"]
    pytest.fail(f"No message was heard within {within_s} s")


def test_the_page_is_heard_while_a_cell_is_busy_and_a_worker_sends(client):
    reply = client.execute_interactive(
        VIEW, user_expressions={"id": "view.comm.comm_id"}, output_hook=lambda _: None, timeout=60
    )
    comm_id = ast.literal_eval(reply["content"]["user_expressions"]["id"]["data"]["text/plain"])
    client.control_channel.send(client.session.msg("create_subshell_request"))
    subshell = client.get_control_msg(timeout=30)["content"]["subshell_id"]

    def say(number: int) -> None:
        data = {"method": "custom", "content": {"number": number}}
        message = client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        message["header"]["subshell_id"] = subshell
        client.shell_channel.send(message)

    say(1)
    assert heard(client, comm_id, within_s=30) == 1
    begun_s = time.monotonic()
    client.execute(f"time.sleep({BUSY_S})")
    time.sleep(1)  # meanwhile the worker sends
    for number in (2, 3):
        say(number)
        assert heard(client, comm_id, within_s=BUSY_S) == number
    assert time.monotonic() - begun_s < BUSY_S
