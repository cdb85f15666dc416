"""The live cell without typing: JupyterLab on the live notebook, run already, or the cell alone as a page by Voilà.

Both are servers of this machine alone (127.0.0.1), which is also what browsers ask of a page that may use a camera.
"""

import contextlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import nbformat.sign

from emotion_detection import paths
from emotion_detection.errors import MissingFileError, ProjectError
from emotion_detection.reporting import notebooks
from emotion_detection.runs import registry

LIVE_NOTEBOOK = "11_live_webcam.ipynb"
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 15.0
PAGE_TITLE = (
    "# Emotions, live\n\nClick **Start**. Pictures stay in this page and in the kernel's memory; none is saved."
)
PAGE_CELL = "from emotion_detection.live import LiveView\n\nview = LiveView()\nview"
NETWORK_CELL = """\
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.live import LiveView

view = LiveView(classifier=EmotionClassifier.load({path!r}))
view"""


class ServerError(ProjectError):
    """A server for notebooks did not start, or a cell failed before the page was opened."""


def in_lab(*, opens_browser: bool = True, say: Callable[[str], object]) -> None:
    """Run the live notebook in a JupyterLab of its own and open it; return when the server is stopped (Ctrl-C).

    What runs is a copy under `output/live/`: the notebook of the repository stays as it is.

    Args:
        opens_browser: whether the reader's browser is opened; else the address is only said.
        say: takes the lines for the reader.

    Raises:
        MissingFileError: the notebooks' kernel is not installed.
        ServerError: the server does not start, or a cell of the notebook fails.
    """
    _check_kernel()
    folder = _folder()
    copy = folder / LIVE_NOTEBOOK
    notebook = _without_outputs(nbformat.read(paths.project_root() / "notebooks" / LIVE_NOTEBOOK, as_version=4))
    nbformat.write(notebook, copy)
    token = secrets.token_urlsafe(24)
    arguments = ["jupyter", "lab", "--no-browser", "--LabApp.news_url=None", "--ServerApp.port_retries=0"]
    arguments.append(f"--ServerApp.root_dir={folder}")
    if getattr(os, "geteuid", lambda: 1)() == 0:
        arguments.append("--allow-root")  # Jupyter refuses the administrator's account, which containers run as
    with _server(arguments, port_option="--ServerApp.port", folder=folder, JUPYTER_TOKEN=token) as address:
        say("Running the notebook …")
        run_in_server(notebook, address=address, token=token, name=LIVE_NOTEBOOK)
        nbformat.write(notebook, copy)
        nbformat.sign.NotebookNotary().sign(nbformat.read(copy, as_version=4))  # else Lab shows widgets as text
        _open(f"{address}/lab/tree/{LIVE_NOTEBOOK}?token={token}", opens_browser=opens_browser, say=say)


def as_page(*, opens_browser: bool = True, say: Callable[[str], object], network: Path | None = None) -> None:
    """Serve the live cell as a page by Voilà and open it; return when the server is stopped (Ctrl-C).

    Args:
        opens_browser: whether the reader's browser is opened; else the address is only said.
        say: takes the lines for the reader.
        network: a `.tflite` file with its card beside it, as `own_network.write` makes them; None: the shipped one.

    Raises:
        MissingFileError: Voilà, the notebooks' kernel or the network is not there.
        DataError: the network is damaged.
        ServerError: the server does not start.
    """
    if importlib.util.find_spec("voila") is None:
        raise MissingFileError(
            "The page is served by Voilà, which is not installed here. Run `make setup`, or "
            '`pip install "voila>=0.5.8,<0.6"`; in JupyterLab the cell works without it: `live --lab`.'
        )
    _check_kernel()
    folder = _folder()
    page = page_notebook(network)
    page.metadata.kernelspec = {"name": notebooks.KERNEL, "display_name": "Emotion Detection", "language": "python"}
    nbformat.write(page, folder / "live.ipynb")
    token = secrets.token_urlsafe(24)
    _write_for_us_alone(folder / "voila.json", json.dumps({"Voila": {"token": token}}))
    arguments = ["voila", "live.ipynb", "--no-browser", "--Voila.ip=127.0.0.1", "--Voila.port_retries=0"]
    with _server(arguments, port_option="--Voila.port", folder=folder) as address:
        _open(f"{address}/?token={token}", opens_browser=opens_browser, say=say)


def page_notebook(network: Path | None = None) -> nbformat.NotebookNode:
    """Return the notebook that is served as a page; a network is checked against its card before any page opens."""
    if network is not None:
        registry.check_against_card(network)
    code = PAGE_CELL if network is None else NETWORK_CELL.format(path=str(Path(network).resolve()))
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(PAGE_TITLE), nbformat.v4.new_code_cell(code)])


def run_in_server(notebook: nbformat.NotebookNode, *, address: str, token: str, name: str) -> None:
    """Run a notebook in a kernel of a Jupyter server on this machine, as its session, and fill in the outputs.

    Opened in the browser the notebook finds that session, so its widgets are alive.

    Args:
        notebook: changed in place.
        address: of the server.
        token: of the server.
        name: path of the notebook under the server's folder.

    Raises:
        ServerError: a cell fails, or the kernel does not answer.
    """
    import jupyter_client

    wanted = {"path": name, "name": name, "type": "notebook", "kernel": {"name": notebooks.KERNEL}}
    request = urllib.request.Request(
        f"{address}/api/sessions",
        data=json.dumps(wanted).encode(),
        headers={"Authorization": f"token {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=START_TIMEOUT_S) as answer:
        kernel = json.load(answer)["kernel"]["id"]
    client = jupyter_client.BlockingKernelClient(
        connection_file=jupyter_client.find_connection_file(f"kernel-{kernel}.json")
    )
    client.load_connection_file()
    client.start_channels()
    try:
        _wait_until_ready(client)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                _run_cell(client, cell)
    except (RuntimeError, TimeoutError) as error:
        raise ServerError(f"The notebook's kernel does not answer: {error}. Try again.") from error
    finally:
        client.stop_channels()


def _wait_until_ready(client) -> None:
    """Wait for a kernel that may just be starting: until its heart beats, jupyter_client takes it for dead."""
    ends = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return client.wait_for_ready(timeout=START_TIMEOUT_S)
        except RuntimeError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.5)


def _run_cell(client, cell) -> None:
    outputs = []
    shown = ("stream", "display_data", "execute_result", "error")

    def keep(message):
        if message["msg_type"] in shown:
            outputs.append(nbformat.v4.output_from_msg(message))

    reply = client.execute_interactive(cell.source, output_hook=keep, allow_stdin=False, timeout=START_TIMEOUT_S)
    cell.execution_count = reply["content"].get("execution_count")
    cell.outputs = outputs
    if reply["content"]["status"] != "ok":
        told = f"{reply['content'].get('ename')}: {reply['content'].get('evalue')}"
        raise ServerError(f"A cell of the live notebook failed with {told}. `make test` may say what is missing.")


def _write_for_us_alone(path: Path, text: str) -> None:
    """Write a file that other users of this machine cannot read; a token on the command line they could."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _check_kernel() -> None:
    from jupyter_client import kernelspec

    try:
        kernelspec.get_kernel_spec(notebooks.KERNEL)
    except kernelspec.NoSuchKernel as error:
        raise MissingFileError(
            f"The kernel {notebooks.KERNEL!r} of the notebooks is not installed here. Run `make setup`, or: python -m "
            f'ipykernel install --sys-prefix --name {notebooks.KERNEL} --display-name "Emotion Detection"'
        ) from error


def _folder() -> Path:
    folder = (paths.output_dir() or paths.project_root() / "output") / "live"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _without_outputs(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


@contextlib.contextmanager
def _server(arguments: list[str], *, port_option: str, folder: Path, **variables: str) -> Iterator[str]:
    """Start `python -m …` on a free port of 127.0.0.1; yield its address once it listens; stop it at the end.

    What its notebooks write goes to the folder, not to `figures/`.
    """
    port = _free_port()
    variables = {"EMOTION_OUTPUT_DIR": str(folder)} | variables
    command = [sys.executable, "-m", *arguments, f"{port_option}={port}"]
    log = folder / "server.log"
    with (
        log.open("w", encoding="utf-8") as written,
        subprocess.Popen(
            command,
            stdout=written,
            stderr=written,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=os.environ | variables,
            start_new_session=True,  # Ctrl-C is ours to hear; Jupyter would ask whether it is meant
        ) as process,
    ):
        try:
            with _ended_as_by_ctrl_c():
                _wait_until_it_listens(port, process, log)
                yield f"http://127.0.0.1:{port}"
                process.wait()
        except KeyboardInterrupt:
            pass
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT_S)
            process.kill()


@contextlib.contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Let a closed terminal and `kill` end us as Ctrl-C does, so that the server and its cameras end, too."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), _interrupt) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _interrupt(_number, _frame) -> None:
    raise KeyboardInterrupt


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_until_it_listens(port: int, process: subprocess.Popen, log: Path) -> None:
    ends = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
    raise ServerError(
        f"The server did not start within {START_TIMEOUT_S:.0f} s. Its last lines: {' / '.join(last) or 'none'} "
        f"(all in {paths.displayed(log)})."
    )


def _open(address: str, *, opens_browser: bool, say: Callable[[str], object]) -> None:
    say(f"Open {address}\nClick Start there. Ctrl-C here stops the server and every camera.")
    if opens_browser:
        webbrowser.open(address)
