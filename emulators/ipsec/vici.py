"""vici, the language in which charon is steered over a Unix socket: asyncio around the codec of the package `vici`.

Each request has a connection of its own, so that requests never wait for one another: an initiation may take its time
while another connection ends it. Nothing here waits longer than its caller does.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from vici.exception import DeserializationException
from vici.protocol import FiniteStream, Packet
from vici.protocol import Message as Codec

Message: TypeAlias = dict[str, Any]
"""A section: text, lists of text and further sections by name."""

PACKET_LIMIT = 512 * 1024
"""The longest packet of vici, in bytes, by its specification."""
DEPTH_LIMIT = 8
"""How deep sections may lie within one another; charon's lists of SAs need three."""


class ViciError(Exception):
    """charon could not be asked, or refused. The text says what it said.

    ViciError
    ├── ViciRefused  charon refuses a request
    └── ViciClosed   there is no charon at the socket, or it ended
    """


class ViciRefused(ViciError):
    """charon refuses a request."""


class ViciClosed(ViciError):
    """There is no charon at the socket, or it ended."""


def encode(message: Mapping[str, Any]) -> bytes:
    """A message as bytes; values are text, bytes, lists of these, or mappings. Raises ViciError when it is too long."""
    try:
        data: bytes = Codec.serialize(message)
    except struct.error as error:
        raise ViciError("a name or a value is too long for a message to charon") from error
    return data


def decode(data: bytes) -> Message:
    """A message from bytes, its values as text. Raises ViciError for what is none."""
    try:
        return _as_text(Codec.deserialize(FiniteStream(data)), DEPTH_LIMIT)
    except (DeserializationException, struct.error, UnicodeDecodeError) as error:
        raise ViciError("charon said something that is no message of vici") from error


class Vici:
    """Asks the charon whose vici socket is at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def ask(self, command: str, message: Mapping[str, Any] | None = None) -> Message:
        """Runs a command and returns its answer. Raises ViciError."""
        async with self._connection() as connection:
            connection.write(Packet.request(command, encode(message or {})))
            return await connection.answer(command)

    async def list(self, command: str, event: str, message: Mapping[str, Any] | None = None) -> list[Message]:
        """Runs a command that answers by a series of events, and returns them. Raises ViciError."""
        async with self._connection() as connection:
            await connection.register(event)
            connection.write(Packet.request(command, encode(message or {})))
            await connection.answer(command)
            return [told for _, told in connection.events]

    @asynccontextmanager
    async def listen(self, *events: str) -> AsyncIterator[AsyncIterator[tuple[str, Message]]]:
        """Registers for events; within, each is (name, message). The iterator raises ViciClosed when charon ends."""
        async with self._connection() as connection:
            for event in events:
                await connection.register(event)
            yield connection.listen()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Connection]:
        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
        except OSError as error:
            raise ViciClosed(f"charon does not serve {self._path}") from error
        try:
            yield _Connection(reader, writer)
        finally:
            writer.close()


class _Connection:
    """One connection to charon: packets in, packets out, events on the way kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.events: list[tuple[str, Message]] = []

    def write(self, packet: bytes) -> None:
        self._writer.write(struct.pack("!I", len(packet)) + packet)

    async def register(self, event: str) -> None:
        self.write(Packet.register_event(event))
        kind, _ = await self._next()
        if kind != Packet.EVENT_CONFIRM:
            raise ViciRefused(f"charon has no events {event!r}")

    async def answer(self, command: str) -> Message:
        kind, data = await self._next()
        if kind != Packet.CMD_RESPONSE:
            raise ViciRefused(f"charon has no command {command!r}")
        answer = decode(data)
        if answer.get("success", "yes") != "yes":
            raise ViciRefused(f"charon refuses {command}: {answer.get('errmsg', 'it gives no reason')}")
        return answer

    async def listen(self) -> AsyncIterator[tuple[str, Message]]:
        while True:
            while self.events:
                yield self.events.pop(0)
            self._take(await self._read())

    async def _next(self) -> tuple[int, bytes]:
        """The next packet that is no event."""
        while True:
            packet = await self._read()
            if not self._take(packet):
                return packet[0], packet[1:]

    def _take(self, packet: bytes) -> bool:
        if packet[0] != Packet.EVENT:
            return False
        if len(packet) < 2:
            raise ViciError("charon said something that is no message of vici")
        end = 2 + packet[1]
        self.events.append((packet[2:end].decode("ascii", "replace"), decode(packet[end:])))
        return True

    async def _read(self) -> bytes:
        try:
            (length,) = struct.unpack("!I", await self._reader.readexactly(4))
            if not 1 <= length <= PACKET_LIMIT:
                raise ViciError(f"charon sends a packet of {length} bytes (at most {PACKET_LIMIT})")
            return await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ViciClosed("charon ended") from error


def _as_text(section: Mapping[str, Any], depth: int) -> Message:
    if depth == 0:
        raise ViciError("charon's sections lie too deep in one another")
    return {name: _value(value, depth) for name, value in section.items()}


def _value(value: Any, depth: int) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [item.decode() for item in value]
    return _as_text(value, depth - 1)
