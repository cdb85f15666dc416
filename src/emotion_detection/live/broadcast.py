"""Answers as JSON over a WebSocket on loopback, for programs outside the notebook."""

import asyncio
import http
import json
import operator
import threading
import urllib.parse
from collections.abc import Sequence

from emotion_detection.errors import DataError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
STOP_TIMEOUT_S = 5.0
LARGEST_MESSAGE = 1024  # bytes that a listener may send; nothing is read of them


class Broadcast:
    """A WebSocket server in a thread of its own; whoever is connected gets every answer.

    Args:
        port: on 127.0.0.1; 0 for any that is free.
        origins: web pages that may listen, such as "http://localhost:3000". Programs send no origin and may.

    Raises:
        DataError: the port is taken or is none.
    """

    def __init__(self, port: int, *, origins: Sequence[str] = ()):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="live stream", daemon=True)
        self._thread.start()
        try:
            self._server = self._wait_for(self._serve(port, origins))
        except (OSError, OverflowError, TypeError) as error:
            self._end()
            raise DataError(
                f"Answers cannot be sent on port {port!r} ({error}). Pass another from 1024 to 65535, or 0 for any."
            ) from error
        self.address = f"ws://{LOOPBACK[0]}:{self._server.sockets[0].getsockname()[1]}"

    def send(self, answer: dict) -> None:
        """Send an answer to all who listen; it does not wait for them."""
        from websockets.asyncio.server import broadcast

        text = json.dumps(answer)
        self._loop.call_soon_threadsafe(lambda: broadcast(self._server.connections, text))

    def close(self) -> None:
        """Close all connections and the port."""
        self._wait_for(self._stop())
        self._end()

    async def _serve(self, port: int, origins: Sequence[str]):
        from websockets.asyncio.server import serve

        return await serve(
            _ignore_messages,
            LOOPBACK[0],
            operator.index(port),
            origins=[None, *origins],
            process_request=_refuse_other_hosts,
            max_size=LARGEST_MESSAGE,
        )

    async def _stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    def _wait_for(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(STOP_TIMEOUT_S)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_TIMEOUT_S)
        self._loop.close()


async def _ignore_messages(connection) -> None:
    async for _ in connection:
        pass


def _refuse_other_hosts(connection, request):
    """Refuse a request by another name than loopback's: a web page may have any name point to this machine."""
    hosts = request.headers.get_all("Host")
    try:
        name = urllib.parse.urlsplit(f"//{hosts[0]}").hostname if len(hosts) == 1 else None
    except ValueError:
        name = None
    if name in LOOPBACK:
        return None
    return connection.respond(http.HTTPStatus.FORBIDDEN, "Connect to 127.0.0.1 or localhost.\n")
