"""The PBX's management page, as it is reached through the VPN: HTTP on the VPN address, while there is one.

What a real one shows is not the bench's business: this one shows that bytes get there and back.
"""

from __future__ import annotations

import asyncio
import socket
import struct

PORT = 80
HEAD_LIMIT = 8 * 1024
"""The longest request, in bytes."""
CLIENT_LIMIT = 64
"""So many connections are served at once; one more is reset."""

_BODY = b"<!doctype html>\n<title>OXO Connect</title>\n<h1>OXO Connect</h1>\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
_AT_ONCE = struct.pack("ii", 1, 0)


class ManagementPage:
    """Serves the page on one address at a time."""

    def __init__(self, port: int = PORT) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    @property
    def clients(self) -> int:
        """How many connections are open."""
        return len(self._clients)

    async def start(self, address: str) -> None:
        """Serves on this address. Raises OSError when it can't."""
        self._server = await asyncio.start_server(self._serve, address, self._port, limit=HEAD_LIMIT)

    def stop(self) -> int:
        """Serves no more, and resets every connection; returns how many there were."""
        if self._server is not None:
            self._server.close()
            self._server = None
        count = len(self._clients)
        for client in self._clients:
            _reset(client)
        self._clients.clear()
        return count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None or len(self._clients) >= CLIENT_LIMIT:
            _reset(writer)
            return
        self._clients.add(writer)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(_ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            # The client has gone, or sends no request: its connection ends here.
            writer.close()
        finally:
            self._clients.discard(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection by a reset, so that the other end's next byte fails."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
