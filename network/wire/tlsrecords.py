"""What a TLS connection shows in clear while it goes on: its handshake's begin, alerts, and that something flows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from network.wire.attempts import End
from network.wire.hello import read_client_hello

HELLO_LIMIT = 20 * 1024
"""The longest ClientHello that is waited for, in bytes, record headers included."""

_ALERT, _HANDSHAKE, _DATA, _HEARTBEAT = 21, 22, 23, 24
_LONGEST = 2**14 + 2048
_HEAD = 80
_SERVER_HELLO = 2
_SHORTEST_FINISHED = 40
"""In TLS 1.3 a client's first protected record is its Finished, of 53 bytes or more, or an alert, of 19 [RFC 8446]."""

_ALERTS = {
    0: "close notify",
    10: "unexpected message",
    20: "bad record MAC",
    22: "record overflow",
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    47: "illegal parameter",
    48: "unknown CA",
    49: "access denied",
    50: "decode error",
    51: "decrypt error",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    86: "inappropriate fallback",
    90: "user canceled",
    109: "missing extension",
    110: "unsupported extension",
    112: "unrecognized name",
    116: "certificate required",
    120: "no application protocol",
}


@dataclass(frozen=True, slots=True)
class Begun:
    """A ClientHello: the server name in it, and its random, by which it is known where else it passes."""

    name: str | None
    random: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Alert:
    """An end breaks TLS off; `what` is None when that cannot be read, since TLS 1.3 encrypts it."""

    by: End
    what: str | None


@dataclass(frozen=True, slots=True)
class Established:
    """The handshake is over, and something flows."""


class TlsReader:
    """Reads a TLS connection from its first byte on, until it is established, broken off or no TLS at all."""

    def __init__(self) -> None:
        self.done = False
        """Whether nothing more will be told."""
        self._hello: bytearray | None = bytearray()
        self._client, self._server = _Records(), _Records()
        self._is_13: bool | None = None
        self._client_data = 0

    @property
    def handshake_done(self) -> bool:
        """Whether the client has finished the handshake."""
        return self._client_data > 0

    def take(self, by: End, data: bytes) -> list[Begun | Alert | Established]:
        """Takes what one end sends next."""
        told: list[Begun | Alert | Established] = []
        if by is End.CLIENT and self._hello is not None:
            self._hello += data
            hello = read_client_hello(bytes(self._hello))
            if hello is None:
                self.done = len(self._hello) > HELLO_LIMIT or not self._may_be_tls()
                return told
            data = bytes(self._hello)
            self._hello = None
            told.append(Begun(hello.name, data[11:43]))
        for kind, length, head in (self._client if by is End.CLIENT else self._server).take(data):
            if self.done:
                return told
            found = self._record(by, kind, length, head)
            if found is not None:
                self.done = True
                told.append(found)
        if self._client.broken or self._server.broken:
            self.done = True
        return told

    def _may_be_tls(self) -> bool:
        hello = self._hello or b""
        return bytes([_HANDSHAKE, 3]).startswith(hello[:2])

    def _record(self, by: End, kind: int, length: int, head: bytes) -> Alert | Established | None:
        if kind == _ALERT and length == 2 and head[1] != 0:
            return Alert(by, _ALERTS.get(head[1], f"alert {head[1]}"))
        if kind == _HANDSHAKE and by is End.SERVER and self._is_13 is None:
            self._is_13 = _chooses_13(head)
        if kind != _DATA:
            return None
        if not self._is_13:
            return Established()
        if by is End.CLIENT:
            self._client_data += 1
            if self._client_data == 1 and length < _SHORTEST_FINISHED:
                return Alert(by, None)
            if self._client_data > 1:
                return Established()
        return None


class _Records:
    """Cuts a stream into records: the type of each, its length, and its first bytes."""

    def __init__(self) -> None:
        self.broken = False
        self._data = b""
        self._skip = 0

    def take(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        self._data += data
        while not self.broken:
            skipped = min(self._skip, len(self._data))
            self._data = self._data[skipped:]
            self._skip -= skipped
            if len(self._data) < 5:
                return
            kind, length = self._data[0], int.from_bytes(self._data[3:5], "big")
            if not 20 <= kind <= _HEARTBEAT or self._data[1] != 3 or not 0 < length <= _LONGEST:
                self.broken = True
                self._data = b""
                return
            wanted = min(length, _HEAD)
            if len(self._data) < 5 + wanted:
                return
            head = self._data[5 : 5 + wanted]
            self._skip = 5 + length
            yield kind, length, head


def _chooses_13(hello: bytes) -> bool:
    """Whether a ServerHello chooses TLS 1.3: it has cipher suites of its own, 0x1301 and so on."""
    if len(hello) < 39 or hello[0] != _SERVER_HELLO:
        return False
    cipher = 39 + hello[38]
    return hello[cipher : cipher + 1] == b"\x13"
