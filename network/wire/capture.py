"""A capture of a site and the questions that the bench has about it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from network.wire.attempts import Attempt, follow
from network.wire.connect import ConnectLine, has_credentials, read_answer, read_requests
from network.wire.frames import Address, Frame, decode
from network.wire.hello import ServerName, read_client_hello
from network.wire.pcapng import Record, read_pcapng
from network.wire.queries import DnsQuery, find_queries

Fact = TypeVar("Fact", ConnectLine, ServerName, DnsQuery)


class Capture:
    """The frames of a site, each seen once a segment, at the port where it entered that.

    What goes through the firewall is seen twice: on `lan`, and on `wan` with the firewall's address for its source. So
    most questions take a `segment`; `since` leaves out what began earlier. Everything is in the order of time.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        # Frames of different ports may stand in the file in the wrong order; their times are the kernel's and right.
        ordered = sorted(records, key=lambda record: record.time_ns)
        self.frames: list[Frame] = [decode(record.time_ns / 1e9, record.port, record.data) for record in ordered]

    @classmethod
    def read(cls, path: Path) -> Capture:
        """Reads a pcapng file. Raises CaptureRefused (a ValueError, one sentence) if it isn't one, and OSError."""
        return cls(read_pcapng(path))

    def attempts(
        self,
        *,
        segment: str | None = None,
        source: Address | None = None,
        to: Address | None = None,
        port: int | None = None,
        since: float | None = None,
    ) -> list[Attempt]:
        """TCP connection attempts, optionally only those of a segment, a source, a destination address and port."""
        return [
            attempt
            for attempt in self._attempts
            if segment in (None, attempt.segment)
            and source in (None, attempt.source)
            and to in (None, attempt.destination)
            and port in (None, attempt.destination_port)
            and (since is None or attempt.time >= since)
        ]

    def connect_lines(
        self, *, segment: str | None = None, source: Address | None = None, since: float | None = None
    ) -> list[ConnectLine]:
        """CONNECT requests to a proxy on any port, with the proxy's answers."""
        return _chosen(self._connect_lines, segment, source, since)

    def server_names(
        self, *, segment: str | None = None, source: Address | None = None, since: float | None = None
    ) -> list[ServerName]:
        """The TLS ClientHellos on any port, sent directly or in the tunnel of a CONNECT."""
        return _chosen(self._server_names, segment, source, since)

    def dns_queries(
        self,
        *,
        segment: str | None = None,
        source: Address | None = None,
        name: str | None = None,
        since: float | None = None,
    ) -> list[DnsQuery]:
        """DNS queries over UDP and TCP with their answers, optionally only those for `name`."""
        wanted = None if name is None else name.rstrip(".").lower()
        queries = _chosen(self._dns_queries, segment, source, since)
        return [query for query in queries if wanted in (None, query.name.lower())]

    def sent(self, source: Address, since: float, until: float) -> list[Frame]:
        """The IP packets from `source` with `since <= time < until`.

        Only IP: a station that is silent still answers ARP, and its kernel asks for its neighbours.
        """
        return [frame for frame in self.frames if frame.source == source and since <= frame.time < until]

    def silence(self, since: float, until: float, source: Address) -> bool:
        """Whether `source` sent no IP packet with `since <= time < until`."""
        return not self.sent(source, since, until)

    @cached_property
    def _attempts(self) -> list[Attempt]:
        return follow(self.frames)

    @cached_property
    def _connect_lines(self) -> list[ConnectLine]:
        return sorted(
            (line for attempt in self._attempts for line in _connect_lines(attempt)), key=lambda line: line.time
        )

    @cached_property
    def _server_names(self) -> list[ServerName]:
        names = (_server_name(attempt) for attempt in self._attempts)
        return sorted((name for name in names if name is not None), key=lambda name: name.time)

    @cached_property
    def _dns_queries(self) -> list[DnsQuery]:
        return find_queries(self.frames, self._attempts)


def _chosen(facts: list[Fact], segment: str | None, source: Address | None, since: float | None) -> list[Fact]:
    return [
        fact
        for fact in facts
        if segment in (None, fact.segment) and source in (None, fact.source) and (since is None or fact.time >= since)
    ]


def _connect_lines(attempt: Attempt) -> list[ConnectLine]:
    client, server = attempt.client.stream(), attempt.server.stream()
    lines = []
    for request in read_requests(client.data):
        asked = client.time_at(request.end - 1)
        answer = read_answer(server, asked)
        lines.append(
            ConnectLine(
                asked,
                attempt.segment,
                attempt.source,
                attempt.source_port,
                attempt.destination,
                attempt.destination_port,
                request.line,
                request.headers,
                has_credentials(request.headers),
                answer[0] if answer else None,
                answer[1] if answer else None,
            )
        )
    return lines


def _server_name(attempt: Attempt) -> ServerName | None:
    client = attempt.client.stream()
    requests = read_requests(client.data)
    start = requests[-1].end if requests else 0
    hello = read_client_hello(client.data[start:])
    if hello is None:
        return None
    return ServerName(
        client.time_at(start + hello.end - 1),
        attempt.segment,
        attempt.source,
        attempt.source_port,
        attempt.destination,
        attempt.destination_port,
        requests[-1].line.split(" ")[1] if requests else None,
        hello.name,
    )
