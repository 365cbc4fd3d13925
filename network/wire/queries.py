"""DNS queries on the wire and their answers, over UDP and TCP.

The messages are read by dnspython, not by scapy: it refuses what isn't a valid message, where scapy fills in defaults
for what is missing.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from network.wire.attempts import Attempt
from network.wire.frames import Address, Frame, Udp
from network.wire.streams import Stream

PORT = 53


class Transport(enum.Enum):
    """How a query was sent."""

    UDP = "udp"
    TCP = "tcp"


@dataclass(slots=True)
class DnsQuery:
    """One query as it was sent (a repetition is a query of its own), and its answer."""

    time: float
    segment: str
    source: Address
    source_port: int
    server: Address
    transport: Transport
    name: str
    """Without the dot at the end."""
    type: str
    """As `A` or `AAAA`."""
    answer_time: float | None = None
    rcode: str | None = None
    """As `NOERROR` or `NXDOMAIN`; None while unanswered."""
    truncated: bool = False
    """Whether the answer asks to come again over TCP."""
    answers: tuple[str, ...] = ()
    """The data of the records in the answer, as a zone file has them."""

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses among the answers."""
        if self.type not in ("A", "AAAA"):
            return ()
        return tuple(ipaddress.ip_address(answer) for answer in self.answers if _is_address(answer))


@dataclass(frozen=True, slots=True)
class _Seen:
    time: float
    segment: str
    client: Address
    client_port: int
    server: Address
    transport: Transport
    from_client: bool
    data: bytes


def find_queries(frames: Iterable[Frame], attempts: Iterable[Attempt]) -> list[DnsQuery]:
    """The queries to port 53 in the order of their times; what isn't a DNS message is left out.

    An answer belongs to the last unanswered query with its id, name and type between the same addresses and ports.
    """
    seen = [*_over_udp(frames), *(message for attempt in attempts for message in _over_tcp(attempt))]
    seen.sort(key=lambda message: (message.time, not message.from_client))
    queries: list[DnsQuery] = []
    unanswered: dict[tuple[object, ...], list[tuple[DnsQuery, Sequence[object]]]] = {}
    for item in seen:
        try:
            message = dns.message.from_wire(item.data, ignore_trailing=True)
        except dns.exception.DNSException:
            continue
        is_answer = bool(message.flags & dns.flags.QR)
        if is_answer is item.from_client:
            continue
        flow = (item.segment, item.client, item.client_port, item.server, item.transport, message.id)
        if is_answer:
            waiting = unanswered.get(flow, [])
            for number in reversed(range(len(waiting))):
                query, question = waiting[number]
                # A server that couldn't read the question leaves it out.
                if not message.question or list(message.question) == question:
                    del waiting[number]
                    _answer(query, item.time, message)
                    break
        elif len(message.question) == 1:
            asked = message.question[0]
            query = DnsQuery(
                item.time,
                item.segment,
                item.client,
                item.client_port,
                item.server,
                item.transport,
                asked.name.to_text(omit_final_dot=True),
                dns.rdatatype.to_text(asked.rdtype),
            )
            queries.append(query)
            unanswered.setdefault(flow, []).append((query, list(message.question)))
    return queries


def _answer(query: DnsQuery, time: float, message: dns.message.Message) -> None:
    query.answer_time = time
    query.rcode = dns.rcode.to_text(message.rcode())
    query.truncated = bool(message.flags & dns.flags.TC)
    query.answers = tuple(record.to_text() for records in message.answer for record in records)


def _over_udp(frames: Iterable[Frame]) -> Iterator[_Seen]:
    for frame in frames:
        udp = frame.content
        if not isinstance(udp, Udp) or frame.source is None or frame.destination is None:
            continue
        if udp.destination_port == PORT:
            client, port, server, from_client = frame.source, udp.source_port, frame.destination, True
        elif udp.source_port == PORT:
            client, port, server, from_client = frame.destination, udp.destination_port, frame.source, False
        else:
            continue
        yield _Seen(frame.time, frame.segment, client, port, server, Transport.UDP, from_client, udp.payload)


def _over_tcp(attempt: Attempt) -> Iterator[_Seen]:
    if attempt.destination_port != PORT:
        return
    for side, from_client in ((attempt.client, True), (attempt.server, False)):
        for time, data in _messages(side.stream()):
            yield _Seen(
                time,
                attempt.segment,
                attempt.source,
                attempt.source_port,
                attempt.destination,
                Transport.TCP,
                from_client,
                data,
            )


def _messages(stream: Stream) -> Iterator[tuple[float, bytes]]:
    """The messages in a stream, each after two bytes with its length (RFC 1035, 4.2.2)."""
    at = 0
    while at + 2 <= len(stream.data):
        end = at + 2 + int.from_bytes(stream.data[at : at + 2], "big")
        if end > len(stream.data):
            return
        yield stream.time_at(end - 1), stream.data[at + 2 : end]
        at = end


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
