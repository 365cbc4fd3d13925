"""What the two ends of a TCP connection say in clear, told as it is said: CONNECT, its answer, and TLS."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from network.wire.attempts import End
from network.wire.connect import HEAD_LIMIT
from network.wire.streams import printable
from network.wire.tlsrecords import Alert, Begun, Established, TlsReader

_CONNECT = b"CONNECT "
_TARGET_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """A client asks a proxy for a tunnel to `target`, host and port as it wrote them."""

    target: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The proxy's answer, without the version of HTTP, as `200 Connection established`."""

    target: str
    answer: str

    @property
    def is_good(self) -> bool:
        """Whether the tunnel is there."""
        return self.answer.startswith("2")


Said = Asked | Answered | Begun | Alert | Established


class _Stage(enum.Enum):
    START = enum.auto()
    """The client is to begin, with a CONNECT or with TLS."""
    ASKED = enum.auto()
    TLS = enum.auto()
    OVER = enum.auto()
    """Nothing more will be told."""


class Conversation:
    """Follows both ends of one connection; what it keeps is bounded by the limits on heads and ClientHellos."""

    def __init__(self) -> None:
        self._stage = _Stage.START
        self._client = b""
        self._server = b""
        self._target = ""
        self._tls = TlsReader()
        self.in_tunnel = False
        """Whether a proxy has opened a tunnel in it."""

    @property
    def over(self) -> bool:
        """Whether nothing more will be told, so that nothing need be read."""
        return self._stage is _Stage.OVER

    @property
    def waits_for_answer(self) -> bool:
        """Whether a CONNECT has not been answered."""
        return self._stage is _Stage.ASKED

    @property
    def in_handshake(self) -> bool:
        """Whether TLS has begun, and neither end has finished or broken the handshake off."""
        return self._stage is _Stage.TLS and not self._tls.handshake_done

    @property
    def nothing_sent(self) -> bool:
        """Whether TLS is up, and nothing was sent in it."""
        return self._stage is _Stage.TLS and self._tls.handshake_done

    def stop(self) -> None:
        """Tells nothing more."""
        self._stage = _Stage.OVER
        self._client = self._server = b""

    def take(self, by: End, data: bytes) -> list[Said]:
        """Takes what one end says next; returns what that tells."""
        if self._stage is _Stage.OVER:
            return []
        if self._stage is _Stage.TLS:
            return self._take_tls(by, data)
        if by is End.CLIENT:
            self._client += data
        elif self._stage is _Stage.ASKED:
            self._server += data
        told: list[Said] = []
        while (said := self._next()) is not None:
            told += said
        return told

    def _next(self) -> list[Said] | None:
        """Goes one step on; None when that takes more bytes."""
        if self._stage is _Stage.START and self._client:
            if self._client.startswith(_CONNECT):
                return self._ask()
            if self._client[0] == 22:
                self._stage = _Stage.TLS
                hello, self._client = self._client, b""
                return self._take_tls(End.CLIENT, hello)
            elif not _CONNECT.startswith(self._client):
                self.stop()
        elif self._stage is _Stage.ASKED:
            return self._answer()
        return None

    def _ask(self) -> list[Said] | None:
        end = self._client.find(b"\r\n\r\n", 0, HEAD_LIMIT)
        if end < 0:
            if len(self._client) >= HEAD_LIMIT:
                self.stop()
            return None
        line = self._client[: self._client.index(b"\r\n")]
        self._target = printable(line[len(_CONNECT) :].split(b" ")[0][:_TARGET_LIMIT])
        self._client = self._client[end + 4 :]
        self._stage = _Stage.ASKED
        return [Asked(self._target)]

    def _answer(self) -> list[Said] | None:
        end = self._server.find(b"\r\n\r\n", 0, HEAD_LIMIT)
        if end < 0:
            if len(self._server) >= HEAD_LIMIT or len(self._client) >= HEAD_LIMIT:
                self.stop()
            return None
        line = self._server[: self._server.index(b"\r\n")]
        version, _, status = line.partition(b" ")
        if not version.startswith(b"HTTP/"):
            self.stop()
            return None
        # The body of a refusal may follow, or nothing: in a tunnel the client speaks first.
        self._server = b""
        self._stage = _Stage.START
        answered = Answered(self._target, printable(status[:_TARGET_LIMIT]))
        self.in_tunnel = answered.is_good
        return [answered]

    def _take_tls(self, by: End, data: bytes) -> list[Said]:
        told: list[Said] = [*self._tls.take(by, data)]
        if self._tls.done:
            self.stop()
        return told
