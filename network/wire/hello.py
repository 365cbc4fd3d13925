"""The TLS ClientHello (RFC 8446, 4.1.2): the one thing in a TLS connection that shows where it is meant to go.

scapy's TLS layers would read it too, but take 0.4 s to import.
"""

from __future__ import annotations

from dataclasses import dataclass

from network.wire.frames import Address
from network.wire.streams import printable

_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0
_RECORD_LIMIT = 2**14


@dataclass(frozen=True, slots=True)
class ServerName:
    """A ClientHello that was seen; `name` is the server name in it (SNI), None where it has none."""

    time: float
    """When the whole ClientHello had been sent."""
    segment: str
    source: Address
    source_port: int
    destination: Address
    destination_port: int
    tunnel: str | None
    """`host:port` of the CONNECT in whose tunnel it was sent, None when it was sent directly."""
    name: str | None


@dataclass(frozen=True, slots=True)
class ClientHello:
    """A ClientHello at the beginning of a stream; its last record ends at `end`."""

    name: str | None
    end: int


def read_client_hello(data: bytes) -> ClientHello | None:
    """The ClientHello with which `data` begins, over as many records as it needs; None if there is no whole one."""
    message, at = bytearray(), 0
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4], "big"):
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if data[at : at + 2] != bytes([_HANDSHAKE, 3]) or not 0 < length <= _RECORD_LIMIT:
            return None
        if at + 5 + length > len(data):
            return None
        message += data[at + 5 : at + 5 + length]
        at += 5 + length
        if message[0] != _CLIENT_HELLO:
            return None
    try:
        return ClientHello(_read_name(_Reader(bytes(message[4 : 4 + int.from_bytes(message[1:4], "big")]))), at)
    except _TooShort:
        return None


def _read_name(hello: _Reader) -> str | None:
    hello.take(2 + 32)  # version, random
    hello.vector(1)  # session
    hello.vector(2)  # cipher suites
    hello.vector(1)  # compression methods
    if hello.at_end():
        return None
    extensions = _Reader(hello.vector(2))
    while not extensions.at_end():
        kind, content = extensions.number(2), _Reader(extensions.vector(2))
        if kind == _SERVER_NAME:
            names = _Reader(content.vector(2))
            while not names.at_end():
                kind, name = names.number(1), names.vector(2)
                if kind == _HOST_NAME:
                    return printable(name)
    return None


class _TooShort(Exception):
    pass


class _Reader:
    """Takes numbers and vectors (TLS's name for bytes with their length before them) off the front of bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> bytes:
        if self._at + length > len(self._data):
            raise _TooShort
        self._at += length
        return self._data[self._at - length : self._at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))

    def at_end(self) -> bool:
        return self._at == len(self._data)
