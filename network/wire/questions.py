"""Tells of questions to DNS servers with their answers, as they pass. A repetition is not told again.

Of questions for IPv6 addresses, which resolvers ask beside the others, only those are told that get one.
"""

from __future__ import annotations

from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from network.wire.attempts import End
from network.wire.connections import Connection
from network.wire.frames import Address, Frame, IcmpError, Udp
from network.wire.happening import SILENCE, Happening, Kind, Names, Result
from network.wire.latest import Deadlines, Latest
from network.wire.queries import PORT

OPEN_LIMIT = 256
"""How many questions without an answer are remembered."""

MESSAGE_LIMIT = 4096
"""The longest message that is read over TCP, in bytes."""

_ANSWERS_SHOWN = 3
_UNREACHABLE = 3
_WORDS = {"NXDOMAIN": "no such name (NXDOMAIN)", "SERVFAIL": "the server failed (SERVFAIL)"}

_Key = tuple[str, Address, Address, int]
"""Segment, client, server, and the message's ID."""


@dataclass(eq=False, slots=True)
class _Question:
    segment: str
    client: Address
    client_port: int
    server: Address
    id: int
    name: str
    type: str
    begun: float
    over_tcp: bool
    passed: bool = False
    answered_beyond: bool = False
    silence_told: bool = False

    @property
    def key(self) -> _Key:
        return self.segment, self.client, self.server, self.id

    @property
    def elsewhere(self) -> tuple[object, ...]:
        """By what it is known on another segment."""
        return self.server, self.id, self.name, self.type


class Questions:
    """Follows the questions to DNS servers."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._open: Latest[_Key, _Question] = Latest(OPEN_LIMIT)
        self._elsewhere: Latest[tuple[object, ...], _Question] = Latest(OPEN_LIMIT)
        self._streams: Latest[tuple[Connection, End], bytes] = Latest(OPEN_LIMIT)
        self._deadlines: Deadlines[_Question] = Deadlines()

    @property
    def size(self) -> int:
        """How much is remembered, for tests of its bounds."""
        return len(self._open) + len(self._elsewhere) + len(self._streams) + len(self._deadlines)

    def see(self, frame: Frame, udp: Udp, now: float) -> list[Happening]:
        """Takes a datagram."""
        if frame.source is None or frame.destination is None:
            return []
        if udp.destination_port == PORT:
            return self._take(frame.segment, frame.source, udp.source_port, frame.destination, True, udp.payload, now)
        if udp.source_port == PORT:
            port = udp.destination_port
            return self._take(frame.segment, frame.destination, port, frame.source, False, udp.payload, now)
        return []

    def see_tcp(self, connection: Connection, by: End, data: bytes, now: float) -> list[Happening]:
        """Takes what an end of a TCP connection to a DNS server sends; each message has its length before it."""
        stream = (self._streams.pop((connection, by)) or b"") + data
        told: list[Happening] = []
        while len(stream) >= 2 and len(stream) >= 2 + (length := int.from_bytes(stream[:2], "big")):
            message, stream = stream[2 : 2 + length], stream[2 + length :]
            client, server = connection.client, connection.server
            told += self._take(
                connection.segment, client, connection.client_port, server, by is End.CLIENT, message, now, True
            )
        if len(stream) > MESSAGE_LIMIT:
            connection.inflows[by].stop()
        elif stream:
            self._streams.put((connection, by), stream)
        return told

    def see_icmp(self, frame: Frame, error: IcmpError, now: float) -> list[Happening]:
        """Takes an ICMP error about a datagram."""
        if error.destination_port != PORT or error.kind != _UNREACHABLE:
            return []
        about = (frame.segment, error.source, error.source_port, error.destination)
        who = "the network" if frame.source is None else self._names.title(frame.source)
        told = []
        for question in self._open.values():
            if (question.segment, question.client, question.client_port, question.server) == about:
                self._forget(question)
                told.append(self._tell(question, now, f"unreachable, says {who}", Result.FAILED))
        return told

    def time_passes(self, now: float) -> list[Happening]:
        """Tells what was not answered until now."""
        told = []
        for question, due in self._deadlines.over(now):
            question.silence_told = True
            if question.type == "AAAA":
                continue
            told.append(self._tell(question, due, f"no answer{self._where(question)}", Result.FAILED))
        return told

    def _take(
        self,
        segment: str,
        client: Address,
        port: int,
        server: Address,
        from_client: bool,
        data: bytes,
        now: float,
        over_tcp: bool = False,
    ) -> list[Happening]:
        try:
            message = dns.message.from_wire(data, ignore_trailing=True)
        except dns.exception.DNSException:
            return []
        if bool(message.flags & dns.flags.QR) is from_client:
            return []
        if not from_client:
            return self._answer(segment, client, server, message, now)
        if len(message.question) == 1:
            asked = message.question[0]
            name, type_ = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
            self._ask(_Question(segment, client, port, server, message.id, name, type_, now, over_tcp))
        return []

    def _ask(self, question: _Question) -> None:
        known = self._open.get(question.key)
        if known is not None and known.elsewhere == question.elsewhere and known.over_tcp is question.over_tcp:
            known.client_port = question.client_port
            return
        here = self._elsewhere.get(question.elsewhere)
        if here is not None and here.segment != question.segment:
            here.passed = True
            return
        for replaced in (self._open.put(question.key, question), self._elsewhere.put(question.elsewhere, question)):
            if replaced is not None:
                self._forget(replaced)
        self._deadlines.put(question, question.begun + SILENCE)

    def _answer(
        self, segment: str, client: Address, server: Address, message: dns.message.Message, now: float
    ) -> list[Happening]:
        question = self._open.get((segment, client, server, message.id))
        asked = message.question[0] if message.question else None
        if question is not None:
            # A server that couldn't read the question leaves it out.
            if asked is not None and asked.name.to_text(omit_final_dot=True).lower() != question.name:
                return []
            self._forget(question)
            text, result = _read_answer(message, question.type)
            if question.type == "AAAA" and result is not Result.OK:
                return []
            late = f", after {now - question.begun:.0f} s" if question.silence_told else ""
            return [self._tell(question, now, text + late, result)]
        if asked is not None:
            name, type_ = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
            here = self._elsewhere.get((server, message.id, name, type_))
            if here is not None and here.segment != segment:
                here.answered_beyond = True
        return []

    def _forget(self, question: _Question) -> None:
        if self._open.get(question.key) is question:
            self._open.pop(question.key)
        if self._elsewhere.get(question.elsewhere) is question:
            self._elsewhere.pop(question.elsewhere)
        self._deadlines.drop(question)

    def _tell(self, question: _Question, now: float, text: str, result: Result) -> Happening:
        client, server = self._names.title(question.client), self._names.title(question.server)
        way = " over TCP" if question.over_tcp else ""
        what = question.name if question.type == "A" else f"{question.name} ({question.type})"
        sentence = f"{client} asks {server}{way} for {what}: {text}"
        return self._names.tell(now, Kind.DNS, question.client, question.server, sentence, result)

    def _where(self, question: _Question) -> str:
        if self._names.is_local(question.segment, question.server):
            return ""
        if question.answered_beyond:
            return ", it was stopped at the firewall"
        return ", though it was let out" if question.passed else ", stopped at the firewall"


def _read_answer(message: dns.message.Message, asked: str) -> tuple[str, Result]:
    rcode = dns.rcode.to_text(message.rcode())
    if rcode != "NOERROR":
        return _WORDS.get(rcode, rcode), Result.FAILED
    if message.flags & dns.flags.TC:
        return "cut short, to be asked again over TCP", Result.INFO
    answers = [
        record.to_text()
        for records in message.answer
        if dns.rdatatype.to_text(records.rdtype) == asked
        for record in records
    ]
    if not answers:
        return "the name has none", Result.FAILED
    more = f" and {len(answers) - _ANSWERS_SHOWN} more" if len(answers) > _ANSWERS_SHOWN else ""
    return ", ".join(answers[:_ANSWERS_SHOWN]) + more, Result.OK
