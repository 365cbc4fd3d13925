"""From a port of this machine's loopback to a Unix socket: how the user's browser gets to mitmweb inside a site."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from node.socketpath import short_path

CONNECTIONS_LIMIT = 64
"""So many connections are forwarded at once; more are turned away."""

_CHUNK = 64 * 1024
"""How many bytes of one direction of a connection are held at most, twice: what was read, and what waits to be sent."""

_STUCK = 60.0
"""Seconds after which an end that takes no bytes is given up, so that the other one need not keep them for it."""

_ANSWER = 5.0
"""Seconds to read a request that nobody can answer, before the browser is told so."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Forwarder:
    """Hands every byte through unchanged, both ways, so that WebSockets and the browser's own Host header pass.

    While nobody listens on the socket, as when the proxy's node is dead, a browser is told so in one sentence.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port on which it listens. LookupError while it does not."""
        if self._server is None:
            raise LookupError("the forwarder does not listen")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listens; port 0 is any free one. Raises OSError with one sentence when the port cannot be had."""
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=_CHUNK)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OSError(f"mitmweb cannot be served on {host}:{port}: {reason}. Choose another port.") from error

    async def stop(self) -> None:
        """Closes the port and every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, *browser: *Streams) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            async with _closing(browser[1]):
                await self._forward(browser)
        except* OSError:
            # One end broke off, or took nothing for too long. Both are closed by now.
            pass
        except* asyncio.CancelledError:
            # By `stop`, which waits for this task to end.
            pass
        finally:
            self._serving.discard(task)

    async def _forward(self, browser: Streams) -> None:
        if len(self._serving) > CONNECTIONS_LIMIT:
            await _say(browser, f"mitmweb takes no more than {CONNECTIONS_LIMIT} connections at once.")
            return
        try:
            mitmweb = await self._connect()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            await _say(browser, f"The web proxy of the site does not serve mitmweb now ({reason}): is its node alive?")
            return
        # Either end may close its direction first. When one breaks, the group ends the other.
        async with _closing(mitmweb[1]), asyncio.TaskGroup() as group:
            group.create_task(_pump(browser[0], mitmweb[1]))
            group.create_task(_pump(mitmweb[0], browser[1]))

    async def _connect(self) -> Streams:
        with short_path(self._socket) as path:
            return await asyncio.open_unix_connection(path, limit=_CHUNK)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    sink.transport.set_write_buffer_limits(high=_CHUNK)
    while data := await source.read(_CHUNK):
        sink.write(data)
        async with asyncio.timeout(_STUCK):
            await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()


async def _say(browser: Streams, sentence: str) -> None:
    reader, writer = browser
    async with asyncio.timeout(_ANSWER):
        # Closed with a request unread, the connection would be reset, and the browser would not show the answer.
        await reader.read(_CHUNK)
    body = f"{sentence}\n".encode()
    head = (
        "HTTP/1.1 502 Bad Gateway\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Closes a connection at the end: after what was written when all went well, at once otherwise."""
    try:
        yield
        writer.close()
        async with asyncio.timeout(_STUCK):
            await writer.wait_closed()
    except BaseException:
        writer.transport.abort()
        raise
