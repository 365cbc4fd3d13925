"""Behind the VPN gateway: a service that only the tunnel reaches, and connections to the PBX's management page."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address

KEPT = 64 * 1024
"""So many bytes of what a connection received are kept, the newest ones."""
CONNECTION_LIMIT = 100
SERVED_KEPT = 1000
"""So many uses of the service are remembered, the latest ones."""
_RESET = struct.pack("ii", 1, 0)


class ConnectionState(StrEnum):
    """How a connection stands."""

    OPENING = "opening"
    OPEN = "open"
    ENDED = "ended"


@dataclass
class Connection:
    """A TCP connection from the inner address to a PBX."""

    number: int
    address: str
    port: int
    state: ConnectionState = ConnectionState.OPENING
    sent: int = 0
    received: int = 0
    text: str = field(default="", repr=False)
    """The end of what was received."""
    awaiting: bool = False
    """Whether something that was sent has not been answered."""
    why: str = ""
    """Why it ended."""


class InnerNetwork:
    """TCP from and to the inner address. `answer_within` (device's seconds) is how long an answer may take; a
    connection without one counts as dead."""

    def __init__(self, inner: str, first: IPv4Address, last: IPv4Address, port: int, answer_within: float) -> None:
        self._inner = inner
        self._first, self._last = first, last
        self._port = port
        self._answer_within = answer_within
        self._server: asyncio.Server | None = None
        self._connections: list[Connection] = []
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._answered: dict[int, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._served: deque[str] = deque(maxlen=SERVED_KEPT)

    async def start(self) -> None:
        """Serves at the inner address. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, self._inner, self._port)

    async def stop(self) -> None:
        """Ends all connections."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    @property
    def connections(self) -> list[Connection]:
        """All connections to PBXs so far, by number."""
        return list(self._connections)

    @property
    def served(self) -> list[str]:
        """The addresses that have used the service lately, in order."""
        return list(self._served)

    def connection(self, number: int) -> Connection:
        """The connection with this number. Raises ValueError when there is none."""
        if not 0 <= number < len(self._connections):
            raise ValueError(f"there is no connection {number} here")
        return self._connections[number]

    def open(self, address: str, port: int) -> Connection:
        """Begins a connection to a PBX; its state says what comes of it. Raises ValueError when there are too many."""
        if len(self._connections) >= CONNECTION_LIMIT:
            raise ValueError(f"the VPN gateway makes at most {CONNECTION_LIMIT} connections")
        connection = Connection(len(self._connections), address, port)
        self._connections.append(connection)
        self._start(self._hold(connection))
        return connection

    def send(self, number: int, data: bytes) -> None:
        """Sends bytes, and expects some in answer. Raises ValueError when the connection is not open."""
        connection = self.connection(number)
        if connection.state is not ConnectionState.OPEN:
            raise ValueError(f"connection {number} is {connection.state}{connection.why and f' ({connection.why})'}")
        connection.sent += len(data)
        connection.awaiting = True
        self._writers[number].write(data)
        expected = self._answered.get(number)
        if expected is None or expected.is_set():
            self._answered[number] = asyncio.Event()
            self._start(self._expect_answer(connection, self._answered[number]))

    def lost(self, address: str) -> None:
        """Ends the connections to a PBX whose tunnel is gone: nothing leads there any more."""
        for connection in self._connections:
            if connection.address == address and connection.state is not ConnectionState.ENDED:
                writer = self._writers.get(connection.number)
                # What the PBX has said last may have come without having been read.
                error = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if writer else 0
                self._end(connection, os.strerror(error) if error else "the tunnel is gone")
                if writer:
                    _reset(writer)

    def _start(self, work: asyncio._CoroutineLike[None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hold(self, connection: Connection) -> None:
        """Connects, and receives until the connection ends."""
        try:
            async with asyncio.timeout(self._answer_within):
                reader, writer = await asyncio.open_connection(
                    connection.address, connection.port, local_addr=(self._inner, 0)
                )
        except TimeoutError:
            self._end(connection, "no answer")
            return
        except OSError as error:
            self._end(connection, error.strerror or str(error))
            return
        connection.state = ConnectionState.OPEN
        self._writers[connection.number] = writer
        try:
            while data := await reader.read(4096):
                connection.received += len(data)
                connection.text = (connection.text + data.decode("latin-1"))[-KEPT:]
                connection.awaiting = False
                if answered := self._answered.get(connection.number):
                    answered.set()
            self._end(connection, "closed by the PBX")
        except OSError as error:
            self._end(connection, error.strerror or str(error))
        finally:
            writer.close()

    async def _expect_answer(self, connection: Connection, answered: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._answer_within):
                await answered.wait()
        except TimeoutError:
            if connection.state is not ConnectionState.ENDED:
                self._end(connection, "no answer")
                _reset(self._writers[connection.number])

    def _end(self, connection: Connection, why: str) -> None:
        if connection.state is not ConnectionState.ENDED:
            connection.state, connection.why, connection.awaiting = ConnectionState.ENDED, why, False
        if answered := self._answered.get(connection.number):
            answered.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Sends back what it receives, to those who come through the tunnel."""
        peer = writer.get_extra_info("peername")[0]
        try:
            if not self._first <= IPv4Address(peer) <= self._last:
                return
            self._served.append(peer)
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            # The client's connection was cut, as when its tunnel is.
            return
        finally:
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
