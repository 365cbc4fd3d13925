"""Tells of TCP connections as their segments pass: opened, refused or unanswered, CONNECT, TLS, and who ended them.

A connection is told from the segment where its first SYN was seen. Where the firewall puts it on the other segment,
with its own address or not, it is known by its initial sequence number: from there comes how far it got, and who reset
it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from network.wire import queries
from network.wire.attempts import End
from network.wire.conversation import Answered, Asked, Conversation, Said
from network.wire.frames import ACK, FIN, FORGED, RST, SYN, Address, Frame, IcmpError, Tcp
from network.wire.happening import SILENCE, Happening, Kind, Names, Result
from network.wire.inflow import Inflow
from network.wire.latest import Deadlines, Latest
from network.wire.tlsrecords import Alert, Begun, Established

OPEN_LIMIT = 256
"""How many connections are followed at once; beyond that the one that was quiet for the longest is forgotten."""

RANDOMS_LIMIT = 256
"""Of how many TLS connections it is remembered that they were told, to know them where a proxy passes them on."""

_UNREACHABLE, _TOO_BIG = 3, 4
_AROUND = 2**32

_Flow = tuple[str, Address, int, Address, int]
"""Segment, source address and port, destination address and port."""

_Syn = tuple[Address, int, int]
"""Where a SYN goes to, address and port, and its initial sequence number."""

ReadPlain = Callable[["Connection", End, bytes, float], list[Happening]]
"""Reads what is no TLS: takes a connection, which end sent, what, and the device's time."""


class _Awaited(enum.Enum):
    ACCEPTANCE = enum.auto()
    TUNNEL = enum.auto()


@dataclass(eq=False, slots=True)
class Connection:
    """A TCP connection from the first SYN to what ends it. Times are the device's."""

    segment: str
    client: Address
    client_port: int
    server: Address
    server_port: int
    initial_sequence: int
    begun: float
    conversation: Conversation = field(default_factory=Conversation)
    is_open: bool = False
    passed: bool = False
    """Whether it was seen on another segment."""
    reset_beyond: int | None = None
    """The sequence number of the last reset by the server that was seen on another segment."""
    silence_told: bool = False
    asked_at: float = 0.0
    asked_silence_told: bool = False
    flows: list[_Flow] = field(default_factory=list)
    inflows: dict[End, Inflow] = field(default_factory=dict)
    acknowledged: dict[End, int] = field(default_factory=dict)

    @property
    def syn(self) -> _Syn:
        """By what it is known on another segment."""
        return self.server, self.server_port, self.initial_sequence


class Connections:
    """Follows the connections of a site."""

    def __init__(self, names: Names, read_dns: ReadPlain) -> None:
        self._names = names
        self._read_dns = read_dns
        self._open: Latest[Connection, Connection] = Latest(OPEN_LIMIT)
        self._flows: dict[_Flow, tuple[Connection, End]] = {}
        self._by_syn: dict[_Syn, Connection] = {}
        self._randoms: Latest[bytes, Connection] = Latest(RANDOMS_LIMIT)
        self._deadlines: Deadlines[tuple[Connection, _Awaited]] = Deadlines()

    @property
    def size(self) -> int:
        """How much is remembered, for tests of its bounds."""
        return len(self._flows) + len(self._by_syn) + len(self._randoms) + len(self._deadlines) + len(self._open)

    def see(self, frame: Frame, tcp: Tcp, now: float) -> list[Happening]:
        """Takes a segment."""
        source, destination = frame.source, frame.destination
        if source is None or destination is None:
            return []
        if frame.port == FORGED:
            return self._forged(tcp, source, destination, now)
        flow = (frame.segment, source, tcp.source_port, destination, tcp.destination_port)
        known, by = self._flows.get(flow, (None, End.CLIENT))
        if tcp.flags & (SYN | ACK | RST) == SYN and not self._repeats(known, by, tcp):
            self._begin(flow, tcp, now)
            return []
        if known is None:
            return []
        self._open.get(known)
        if frame.segment == known.segment:
            return self._take(known, by, tcp, now)
        if tcp.flags & RST and by is End.SERVER:
            known.reset_beyond = tcp.sequence
        return []

    def see_icmp(self, frame: Frame, error: IcmpError, now: float) -> list[Happening]:
        """Takes an ICMP error about a segment."""
        flow = (frame.segment, error.source, error.source_port, error.destination, error.destination_port)
        known, by = self._flows.get(flow, (None, End.CLIENT))
        harmless = error.kind != _UNREACHABLE or error.code == _TOO_BIG or error.source.version != 4
        if known is None or by is not End.CLIENT or known.segment != frame.segment or known.is_open or harmless:
            return []
        self._forget(known)
        who = "the network" if frame.source is None else self._names.title(frame.source)
        return [self._tell(known, now, Kind.TCP, f"unreachable, says {who}", Result.FAILED)]

    def time_passes(self, now: float) -> list[Happening]:
        """Tells what was not answered until now."""
        told = []
        for (connection, awaited), due in self._deadlines.over(now):
            if awaited is _Awaited.ACCEPTANCE:
                connection.silence_told = True
                told.append(self._tell(connection, due, Kind.TCP, f"no answer{self._where(connection)}", Result.FAILED))
            else:
                connection.asked_silence_told = True
                server = self._names.title(connection.server)
                text = f"no answer to CONNECT by {server} yet"
                told.append(self._tell(connection, due, Kind.CONNECT, text, Result.FAILED))
        return told

    def _repeats(self, known: Connection | None, by: End, tcp: Tcp) -> bool:
        return known is not None and by is End.CLIENT and known.initial_sequence == tcp.sequence

    def _begin(self, flow: _Flow, tcp: Tcp, now: float) -> None:
        segment, client, client_port, server, server_port = flow
        here = self._by_syn.get((server, server_port, tcp.sequence))
        if here is not None and here.segment != segment and not here.passed:
            here.passed = True
            self._add_flow(here, flow)
            return
        connection = Connection(segment, client, client_port, server, server_port, tcp.sequence, now)
        for old in (self._flows.get(flow), self._flows.get((segment, server, server_port, client, client_port))):
            if old is not None:
                self._forget(old[0])
        crowded_out = self._open.put(connection, connection)
        if crowded_out is not None:
            self._forget(crowded_out)
        self._by_syn[connection.syn] = connection
        self._add_flow(connection, flow)
        connection.inflows[End.CLIENT] = Inflow(tcp.sequence + 1)
        self._deadlines.put((connection, _Awaited.ACCEPTANCE), now + SILENCE)

    def _add_flow(self, connection: Connection, flow: _Flow) -> None:
        segment, client, client_port, server, server_port = flow
        for key, end in ((flow, End.CLIENT), ((segment, server, server_port, client, client_port), End.SERVER)):
            self._flows[key] = connection, end
            connection.flows.append(key)

    def _forget(self, connection: Connection) -> None:
        self._open.pop(connection)
        for flow in connection.flows:
            if flow in self._flows and self._flows[flow][0] is connection:
                del self._flows[flow]
        if self._by_syn.get(connection.syn) is connection:
            del self._by_syn[connection.syn]
        for awaited in _Awaited:
            self._deadlines.drop((connection, awaited))

    def _take(self, connection: Connection, by: End, tcp: Tcp, now: float) -> list[Happening]:
        if tcp.flags & RST:
            return self._take_reset(connection, by, tcp, now)
        if tcp.flags & ACK:
            connection.acknowledged[by] = tcp.acknowledgement
        told: list[Happening] = []
        accepts = tcp.flags & SYN and by is End.SERVER and self._answers_syn(connection, tcp)
        if accepts and not connection.is_open:
            connection.is_open = True
            connection.inflows[End.SERVER] = Inflow(tcp.sequence + 1)
            self._deadlines.drop((connection, _Awaited.ACCEPTANCE))
            told.append(self._accepted(connection, now))
        inflow = connection.inflows.get(by)
        if inflow is None:
            return told
        data = inflow.take(tcp.sequence + bool(tcp.flags & SYN), tcp.payload, tcp.length)
        if data and connection.is_open:
            told += self._read(connection, by, data, now)
        if tcp.flags & FIN:
            told.append(
                self._ended(connection, f"closed by {self._names.title(self._address(connection, by))}", by, now)
            )
        return told

    def _accepted(self, connection: Connection, now: float) -> Happening:
        client, place = self._names.title(connection.client), self._place(connection)
        late = f" after {now - connection.begun:.0f} s" if connection.silence_told else ""
        text = f"{client} opens TCP to {place}{late}"
        return self._names.tell(now, Kind.TCP, connection.client, connection.server, text, Result.OK)

    def _take_reset(self, connection: Connection, by: End, tcp: Tcp, now: float) -> list[Happening]:
        if not connection.is_open:
            if by is End.CLIENT or not self._answers_syn(connection, tcp):
                return []
            self._forget(connection)
            who = self._who_reset(connection, by, tcp)
            return [self._tell(connection, now, Kind.TCP, f"refused by {who}", Result.FAILED)]
        if not self._is_valid_reset(connection, by, tcp):
            return []
        # A client that gives up a connection of its own may well reset it.
        result = Result.INFO if by is End.CLIENT else Result.FAILED
        return [self._ended(connection, f"reset by {self._who_reset(connection, by, tcp)}", by, now, result)]

    def _forged(self, tcp: Tcp, source: Address, destination: Address, now: float) -> list[Happening]:
        if not tcp.flags & RST:
            return []
        for segment in self._names.segments:
            flow = (segment, source, tcp.source_port, destination, tcp.destination_port)
            known, by = self._flows.get(flow, (None, End.CLIENT))
            if known is not None and known.is_open and self._is_valid_reset(known, by, tcp):
                # The end that it was not sent to knows nothing of it: what that does is still to be told.
                text = f"the bench forges a reset by {self._names.title(source)}"
                return [self._tell(known, now, Kind.CLOSE, text, Result.FAILED, by is End.SERVER)]
        return []

    def _is_valid_reset(self, connection: Connection, by: End, tcp: Tcp) -> bool:
        # Any other number is ignored by the receiver, or asked about with a challenge ACK (RFC 5961).
        other = End.SERVER if by is End.CLIENT else End.CLIENT
        return tcp.sequence in (connection.inflows[by].next_sequence, connection.acknowledged.get(other))

    def _answers_syn(self, connection: Connection, tcp: Tcp) -> bool:
        return bool(tcp.flags & ACK) and tcp.acknowledgement == (connection.initial_sequence + 1) % _AROUND

    def _who_reset(self, connection: Connection, by: End, tcp: Tcp) -> str:
        if by is End.CLIENT:
            return self._names.title(connection.client)
        near = self._names.is_local(connection.segment, connection.server)
        itself = near or connection.reset_beyond == tcp.sequence
        return self._names.title(connection.server) if itself else "firewall"

    def _ended(self, connection: Connection, how: str, by: End, now: float, result: Result = Result.INFO) -> Happening:
        self._forget(connection)
        talk = connection.conversation
        if talk.waits_for_answer:
            how, result = f"{how} before CONNECT was answered", Result.FAILED
        elif talk.in_handshake:
            how, result = f"{how} during the TLS handshake", Result.FAILED
        elif talk.nothing_sent:
            how += " before anything was sent in TLS"
        return self._tell(connection, now, Kind.CLOSE, how, result, by is End.SERVER)

    def _read(self, connection: Connection, by: End, data: bytes, now: float) -> list[Happening]:
        if connection.server_port == queries.PORT:
            return self._read_dns(connection, by, data, now)
        told: list[Happening] = []
        for said in connection.conversation.take(by, data):
            if isinstance(said, Begun) and self._is_passed_on(connection, said):
                connection.conversation.stop()
                break
            told += self._say(connection, said, now)
        if connection.conversation.over:
            for inflow in connection.inflows.values():
                inflow.stop()
        return told

    def _is_passed_on(self, connection: Connection, hello: Begun) -> bool:
        first = self._randoms.get(hello.random)
        if first is None:
            self._randoms.put(hello.random, connection)
        return first is not None and first is not connection

    def _say(self, connection: Connection, said: Said, now: float) -> list[Happening]:
        client, server = self._names.title(connection.client), self._names.title(connection.server)
        match said:
            case Asked():
                connection.asked_at, connection.asked_silence_told = now, False
                self._deadlines.put((connection, _Awaited.TUNNEL), now + SILENCE)
                return []
            case Answered(target, answer):
                self._deadlines.drop((connection, _Awaited.TUNNEL))
                late = f", after {now - connection.asked_at:.0f} s" if connection.asked_silence_told else ""
                text = f"{client} asks {server} for CONNECT {target}: {answer}{late}"
                kind, result = Kind.CONNECT, Result.OK if said.is_good else Result.FAILED
            case Begun(name):
                way = f"through {server}" if connection.conversation.in_tunnel else f"with {server}"
                text = f"{client} begins TLS {way} for {name or 'no name'}"
                kind, result = Kind.TLS, Result.INFO
            case Alert(by, what):
                who = client if by is End.CLIENT else server
                if by is End.SERVER and connection.conversation.in_tunnel:
                    who = f"the other end of the tunnel through {server}"
                text = f"{who} breaks TLS off: {what or 'an alert that is encrypted'}"
                kind, result = Kind.TLS, Result.FAILED
            case Established():
                way = f"through {server}" if connection.conversation.in_tunnel else f"with {server}"
                text = f"TLS of {client} {way} is up"
                kind, result = Kind.TLS, Result.OK
        return [self._names.tell(now, kind, connection.client, connection.server, text, result)]

    def _tell(
        self, connection: Connection, now: float, kind: Kind, text: str, result: Result, from_server: bool = False
    ) -> Happening:
        source, target = connection.client, connection.server
        whole = f"TCP from {self._names.title(source)} to {self._place(connection)}: {text}"
        if from_server:
            source, target = target, source
        return self._names.tell(now, kind, source, target, whole, result)

    def _where(self, connection: Connection) -> str:
        if self._names.is_local(connection.segment, connection.server):
            return ""
        return ", though it was let out" if connection.passed else ", stopped at the firewall"

    def _place(self, connection: Connection) -> str:
        return f"{self._names.title(connection.server)}:{connection.server_port}"

    def _address(self, connection: Connection, by: End) -> Address:
        return connection.client if by is End.CLIENT else connection.server
