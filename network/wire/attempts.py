"""TCP connections as the wire shows them: how each was attempted, answered, used and ended."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from network.wire.frames import ACK, FIN, FORGED, RST, SYN, TCP, Address, Frame, IcmpError, Tcp
from network.wire.streams import LIMIT, Stream

WINDOW = 16 * 1024 * 1024
"""How far ahead of what was seen a segment may lie, in bytes, to be counted as part of its connection."""

_UNREACHABLE = {4: (3, {4}), 6: (1, {2})}
"""By IP version: the ICMP type that refuses a destination, and the codes of it that don't (too big; beyond scope)."""


class Outcome(enum.Enum):
    """What came of a connection attempt."""

    ANSWERED = "answered"
    RESET = "reset"
    REJECTED = "rejected by ICMP"
    UNANSWERED = "unanswered"


class End(enum.Enum):
    """One of the two ends of a connection: the client is the one that sent the first SYN."""

    CLIENT = "client"
    SERVER = "server"


class Closing(enum.Enum):
    """How an end closes a connection."""

    FIN = "FIN"
    RST = "RST"


@dataclass(frozen=True, slots=True)
class Close:
    """A FIN or a RST in the name of `by`; `port` is where it entered the segment."""

    time: float
    how: Closing
    by: End
    port: str

    @property
    def is_forged(self) -> bool:
        """Whether the bench sent it, and not the end in whose name it was."""
        return self.port == FORGED


@dataclass(slots=True)
class Side:
    """What one end sent. Sequence numbers are as on the wire; None until something of this end was seen."""

    address: Address
    port: int
    initial_sequence: int | None = None
    acknowledged: int | None = None
    """The last acknowledgement number it sent: what it expects next, as far as it said so."""
    length: int = 0
    """Bytes of payload sent, repetitions not counted."""
    finished: bool = False
    last: Frame | None = None
    chunks: list[tuple[int, float, bytes]] = field(default_factory=list, repr=False)

    @property
    def next_sequence(self) -> int:
        """The sequence number of whatever it sends next."""
        assert self.initial_sequence is not None, "nothing was seen of this end"
        return (self.initial_sequence + 1 + self.length + self.finished) % 2**32

    def stream(self) -> Stream:
        """The beginning of what it sent, in order."""
        return Stream(self.chunks)

    def _take(self, frame: Frame, tcp: Tcp) -> None:
        assert self.initial_sequence is not None
        self.last = frame
        if tcp.flags & ACK:
            self.acknowledged = tcp.acknowledgement
        sequence = tcp.sequence + bool(tcp.flags & SYN)
        position = self.length + _signed(sequence - self.initial_sequence - 1 - self.length)
        if tcp.length and 0 <= position <= self.length + WINDOW:
            self.length = max(self.length, position + tcp.length)
            if position < LIMIT:
                self.chunks.append((position, frame.time, tcp.payload))


@dataclass(slots=True)
class Attempt:
    """One TCP connection attempt and what became of it, as seen on one segment.

    SYNs that repeat the first one (same addresses, ports and initial sequence number) belong to the same attempt.
    """

    segment: str
    client: Side
    server: Side
    syn_times: list[float]
    outcome: Outcome = Outcome.UNANSWERED
    outcome_time: float | None = None
    """When it was answered, reset or rejected."""
    icmp: IcmpError | None = None
    closes: list[Close] = field(default_factory=list)
    """The first FIN and RST of each end, in order. A reset that the bench forged toward the client counts as the
    server's; of one toward the server the client knows nothing, so it doesn't count."""

    @property
    def time(self) -> float:
        """When the first SYN was sent."""
        return self.syn_times[0]

    @property
    def source(self) -> Address:
        """The client's address."""
        return self.client.address

    @property
    def source_port(self) -> int:
        """The client's port."""
        return self.client.port

    @property
    def destination(self) -> Address:
        """The server's address."""
        return self.server.address

    @property
    def destination_port(self) -> int:
        """The server's port."""
        return self.server.port

    @property
    def sent(self) -> int:
        """Bytes of payload from the client."""
        return self.client.length

    @property
    def received(self) -> int:
        """Bytes of payload from the server."""
        return self.server.length

    @property
    def ending(self) -> Close | None:
        """What began the end of the connection, None while it is open."""
        return self.closes[0] if self.closes else None

    @property
    def ended(self) -> float | None:
        """When its end began, be it that the network refused it; None while nothing has ended it."""
        if self.ending is not None:
            return self.ending.time
        return self.outcome_time if self.outcome is Outcome.REJECTED else None

    @property
    def is_open(self) -> bool:
        """Whether it was answered and nothing has ended it."""
        return self.outcome is Outcome.ANSWERED and not self.closes

    def _take(self, frame: Frame, tcp: Tcp, by: End) -> None:
        side, peer = (self.client, self.server) if by is End.CLIENT else (self.server, self.client)
        if tcp.flags & RST:
            self._take_reset(frame, tcp, by, side, peer)
            return
        if tcp.flags & (SYN | ACK) == SYN and by is End.CLIENT:
            self.syn_times.append(frame.time)
        elif tcp.flags & SYN and by is End.SERVER and side.initial_sequence is None and self._answers_syn(tcp):
            side.initial_sequence = tcp.sequence
            self.outcome, self.outcome_time = Outcome.ANSWERED, frame.time
        if side.initial_sequence is None:
            return
        side._take(frame, tcp)
        if tcp.flags & FIN and not side.finished:
            side.finished = True
            self._close(frame, Closing.FIN, by)

    def _take_reset(self, frame: Frame, tcp: Tcp, by: End, side: Side, peer: Side) -> None:
        if by is End.SERVER and side.initial_sequence is None:
            if self._answers_syn(tcp) and self.outcome is Outcome.UNANSWERED:
                self.outcome, self.outcome_time = Outcome.RESET, frame.time
                self._close(frame, Closing.RST, by)
        # Any other number is ignored by the receiver, or asked about with a challenge ACK (RFC 5961).
        elif tcp.sequence in (side.next_sequence, peer.acknowledged):
            self._close(frame, Closing.RST, by)

    def _answers_syn(self, tcp: Tcp) -> bool:
        assert self.client.initial_sequence is not None
        return bool(tcp.flags & ACK) and tcp.acknowledgement == (self.client.initial_sequence + 1) % 2**32

    def _close(self, frame: Frame, how: Closing, by: End) -> None:
        close = Close(frame.time, how, by, frame.port)
        if not any((known.how, known.by, known.is_forged) == (how, by, close.is_forged) for known in self.closes):
            self.closes.append(close)

    def _take_icmp(self, frame: Frame, error: IcmpError) -> None:
        kind, harmless = _UNREACHABLE[error.source.version]
        if self.outcome is Outcome.UNANSWERED and error.kind == kind and error.code not in harmless:
            self.outcome, self.outcome_time, self.icmp = Outcome.REJECTED, frame.time, error


_Flow = tuple[str, Address, int, Address, int]


def follow(frames: Iterable[Frame]) -> list[Attempt]:
    """The connection attempts in frames that are in the order of their times.

    Connections whose first SYN isn't among the frames are left out, as are answers to nothing.
    """
    attempts: list[Attempt] = []
    flows: dict[_Flow, tuple[Attempt, End]] = {}
    segments: set[str] = set()
    for frame in frames:
        content, source, destination = frame.content, frame.source, frame.destination
        if source is None or destination is None:
            continue
        if isinstance(content, Tcp):
            ends = (source, content.source_port, destination, content.destination_port)
            if frame.port == FORGED:
                _take_forged(frame, content, [flows.get((segment, *ends)) for segment in segments])
                continue
            segments.add(frame.segment)
            flow = (frame.segment, *ends)
            attempt, by = flows.get(flow, (None, End.CLIENT))
            if content.flags & (SYN | ACK | RST) == SYN and not _repeats(attempt, by, content):
                attempt = Attempt(
                    frame.segment,
                    Side(source, content.source_port, initial_sequence=content.sequence),
                    Side(destination, content.destination_port),
                    [],
                )
                by = End.CLIENT
                attempts.append(attempt)
                flows[flow] = attempt, End.CLIENT
                flows[frame.segment, *flow[3:], *flow[1:3]] = attempt, End.SERVER
            if attempt is not None:
                attempt._take(frame, content, by)
        elif isinstance(content, IcmpError) and content.protocol == TCP:
            about = content.source, content.source_port, content.destination, content.destination_port
            attempt, by = flows.get((frame.segment, *about), (None, End.CLIENT))
            if attempt is not None and by is End.CLIENT:
                attempt._take_icmp(frame, content)
    return attempts


def _take_forged(frame: Frame, tcp: Tcp, known: Iterable[tuple[Attempt, End] | None]) -> None:
    """Takes a frame that the bench has forged. On which segment isn't known, but it fits one connection only."""
    for attempt, by in filter(None, known):
        if by is End.SERVER and tcp.flags & RST:
            attempt._take(frame, tcp, by)


def _repeats(attempt: Attempt | None, by: End, tcp: Tcp) -> bool:
    return attempt is not None and by is End.CLIENT and attempt.client.initial_sequence == tcp.sequence


def _signed(difference: int) -> int:
    """A difference of sequence numbers, which go around at 2**32, as the nearer of the two it may stand for."""
    return (difference + 2**31) % 2**32 - 2**31
