"""What a client asks of a web proxy: CONNECT requests (RFC 9110, 9.3.6) and the proxy's answers."""

from __future__ import annotations

from dataclasses import dataclass

from network.wire.frames import Address
from network.wire.streams import Stream, printable

HEAD_LIMIT = 16 * 1024
"""The longest head of a request that is looked for, in bytes."""

_LINE_LIMIT = 8 * 1024
_CREDENTIALS = {"proxy-authorization", "authorization"}


@dataclass(frozen=True, slots=True)
class ConnectLine:
    """A CONNECT request. Of its headers only the names are kept, since a value may be a password."""

    time: float
    """When the whole head had been sent."""
    segment: str
    source: Address
    source_port: int
    proxy: Address
    proxy_port: int
    line: str
    """The request line, as `CONNECT agent.openrainbow.com:443 HTTP/1.1`."""
    headers: tuple[str, ...]
    """The names of its headers, as they were written and in that order."""
    has_credentials: bool
    answer: str | None
    """The status line of the proxy's answer, as `HTTP/1.1 200 Connection established`; None where none came."""
    answer_time: float | None

    @property
    def target(self) -> str:
        """`host:port` as the client wrote it."""
        return self.line.split(" ")[1]

    @property
    def status(self) -> int | None:
        """The status code of the answer, None without a valid answer."""
        words = (self.answer or "").split(" ")
        return int(words[1]) if len(words) > 1 and len(words[1]) == 3 and words[1].isdecimal() else None


@dataclass(frozen=True, slots=True)
class Request:
    """A CONNECT request as it stands in the client's bytes; it ends at `end`."""

    line: str
    headers: tuple[str, ...]
    end: int


def read_requests(data: bytes) -> list[Request]:
    """The CONNECT requests at the beginning of what a client sent.

    There are several when the proxy refused the first (407) and kept the connection. What follows the last one is the
    tunnel.
    """
    requests: list[Request] = []
    start = 0
    while data.startswith(b"CONNECT ", start):
        end = data.find(b"\r\n\r\n", start, start + HEAD_LIMIT)
        if end < 0:
            break
        line, *headers = data[start:end].split(b"\r\n")
        names = tuple(printable(header.partition(b":")[0].strip()) for header in headers)
        start = end + 4
        requests.append(Request(printable(line), names, start))
    return requests


def read_answer(server: Stream, asked: float) -> tuple[str, float] | None:
    """The status line with which a server answered a request that was sent at `asked`, and when.

    A client must not send anything between its CONNECT and the answer, so the answer is what the server sent from then
    on: the body of an earlier answer has been read to its end before.
    """
    start = server.position_at(asked)
    end = server.data.find(b"\r\n", start, start + _LINE_LIMIT)
    if end < 0 or not server.data.startswith(b"HTTP/1.", start):
        return None
    return printable(server.data[start:end]), server.time_at(end + 1)


def has_credentials(headers: tuple[str, ...]) -> bool:
    """Whether one of the headers carries an account and a password."""
    return any(name.lower() in _CREDENTIALS for name in headers)
