"""Tells of a VPN what stands in clear in it (RFC 7296, RFC 3948): IKE exchanges, and whether ESP flows.

Of an IKE_AUTH with several rounds only the first is told, and any that nobody answers; NAT keepalives are not.
"""

from __future__ import annotations

from dataclasses import dataclass

from network.wire.frames import Address, Frame, IcmpError, Udp
from network.wire.happening import SILENCE, Happening, Kind, Names, Result
from network.wire.ike import HEADER, IKE_PORT, NAT_PORT, Carried, Exchange, IkeMessage, unwrap
from network.wire.latest import Deadlines, Latest

OPEN_LIMIT = 256
"""How many IKE requests without an answer, and how many flows of ESP, are remembered."""

QUIET = 60.0
"""After how many seconds of the device's time without a packet a flow of ESP is told to have stopped."""

_NOTIFY = 41
_ERRORS = 16384
"""Kinds of notifications below this are errors (RFC 7296, 3.10.1)."""
_NOTIFICATIONS = {7: "INVALID_SYNTAX", 14: "NO_PROPOSAL_CHOSEN", 17: "INVALID_KE_PAYLOAD", 24: "AUTHENTICATION_FAILED"}
_UNREACHABLE = 3

_Key = tuple[bytes, Exchange, int, bool]
"""The initiator's SPI, the kind of exchange, the message's ID, and whether the initiator asks."""


@dataclass(eq=False, slots=True)
class _Request:
    key: _Key
    segment: str
    source: Address
    target: Address
    begun: float
    passed: bool = False
    answered_beyond: bool = False
    silence_told: bool = False


@dataclass(eq=False, slots=True)
class _Flow:
    source: Address
    target: Address
    count: int = 0
    last: float = 0.0
    flowing: bool = False


class VpnTraffic:
    """Follows IKE and ESP."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._requests: Latest[_Key, _Request] = Latest(OPEN_LIMIT)
        self._deadlines: Deadlines[_Request] = Deadlines()
        self._flows: Latest[tuple[Address, Address], _Flow] = Latest(OPEN_LIMIT)

    @property
    def size(self) -> int:
        """How much is remembered, for tests of its bounds."""
        return len(self._requests) + len(self._deadlines) + len(self._flows)

    def see(self, frame: Frame, udp: Udp, now: float) -> list[Happening]:
        """Takes a datagram."""
        match unwrap(udp):
            case Carried.IKE, data:
                message = IkeMessage.read(data)
                return [] if message is None else self._see_ike(frame, message, now)
            case Carried.ESP, _:
                return self.see_esp(frame, now)
        return []

    def see_esp(self, frame: Frame, now: float) -> list[Happening]:
        """Takes a packet of ESP. What has the firewall's own address is what it forwards, and was seen before."""
        source, target = frame.source, frame.destination
        if source is None or target is None or self._names.is_firewall(source) or self._names.is_firewall(target):
            return []
        flow = self._flows.get((source, target))
        if flow is None:
            flow = _Flow(source, target)
            self._flows.put((source, target), flow)
        told = []
        if not flow.flowing:
            begins = "flows again" if flow.count else "flows"
            told = [self._tell_flow(flow, now, begins, Result.OK)]
            flow.count, flow.flowing = 0, True
        flow.count, flow.last = flow.count + 1, now
        return told

    def see_icmp(self, frame: Frame, error: IcmpError, now: float) -> list[Happening]:
        """Takes an ICMP error about a datagram."""
        if error.destination_port not in (IKE_PORT, NAT_PORT) or error.kind != _UNREACHABLE:
            return []
        who = "the network" if frame.source is None else self._names.title(frame.source)
        about = (frame.segment, error.source, error.destination)
        told = []
        for request in self._requests.values():
            if (request.segment, request.source, request.target) == about:
                self._forget(request)
                told.append(self._tell(request, now, f"unreachable, says {who}", Result.FAILED))
        return told

    def time_passes(self, now: float) -> list[Happening]:
        """Tells what was not answered, and what has stopped, until now."""
        told = []
        for request, due in self._deadlines.over(now):
            request.silence_told = True
            told.append(self._tell(request, due, f"no answer{self._where(request)}", Result.FAILED))
        for flow in self._flows.values():
            if flow.flowing and flow.last + QUIET <= now:
                flow.flowing = False
                count = f"{flow.count} packet" + "s" * (flow.count != 1)
                text = f"has stopped: none for {QUIET:g} s, after {count}"
                told.append(self._tell_flow(flow, flow.last + QUIET, text, Result.INFO))
        return told

    def _see_ike(self, frame: Frame, message: IkeMessage, now: float) -> list[Happening]:
        if frame.source is None or frame.destination is None:
            return []
        by_initiator = message.from_initiator is not message.is_response
        key = (message.initiator, message.exchange, message.number, by_initiator)
        known = self._requests.get(key)
        if message.is_response:
            if known is None:
                return []
            if known.segment != frame.segment:
                known.answered_beyond = True
                return []
            self._forget(known)
            return self._answered(known, message, now)
        if known is None:
            request = _Request(key, frame.segment, frame.source, frame.destination, now)
            crowded_out = self._requests.put(key, request)
            if crowded_out is not None:
                self._forget(crowded_out)
            self._deadlines.put(request, now + SILENCE)
        elif known.segment != frame.segment:
            known.passed = True
            if self._names.is_firewall(known.target):
                known.target = frame.destination
        return []

    def _answered(self, request: _Request, answer: IkeMessage, now: float) -> list[Happening]:
        _, exchange, number, _ = request.key
        if exchange is Exchange.IKE_AUTH and number > 1 and not request.silence_told:
            return []
        text, result = _read_answer(answer)
        late = f" after {now - request.begun:.0f} s" if request.silence_told else ""
        return [self._tell(request, now, text + late, result)]

    def _forget(self, request: _Request) -> None:
        if self._requests.get(request.key) is request:
            self._requests.pop(request.key)
        self._deadlines.drop(request)

    def _where(self, request: _Request) -> str:
        if self._names.is_local(request.segment, request.target):
            return ""
        if request.answered_beyond:
            return ", it was stopped at the firewall"
        return ", though it was let out" if request.passed else ", stopped at the firewall"

    def _tell(self, request: _Request, now: float, text: str, result: Result) -> Happening:
        source, target = self._names.title(request.source), self._names.title(request.target)
        sentence = f"{source} sends {request.key[1].name} to {target}: {text}"
        return self._names.tell(now, Kind.IKE, request.source, request.target, sentence, result)

    def _tell_flow(self, flow: _Flow, now: float, text: str, result: Result) -> Happening:
        sentence = f"ESP from {self._names.title(flow.source)} to {self._names.title(flow.target)} {text}"
        return self._names.tell(now, Kind.ESP, flow.source, flow.target, sentence, result)


def _read_answer(answer: IkeMessage) -> tuple[str, Result]:
    """What an answer tells in clear: one to IKE_SA_INIT may begin with an error, the others are encrypted."""
    if answer.first_payload != _NOTIFY or len(answer.data) < HEADER + 8:
        return "answered", Result.OK
    kind = int.from_bytes(answer.data[HEADER + 6 : HEADER + 8], "big")
    if kind >= _ERRORS:
        return "answered, it is to be sent again", Result.INFO
    return f"refused, {_NOTIFICATIONS.get(kind, f'error {kind}')}", Result.FAILED
