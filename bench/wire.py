"""What the wire shows of the PBX: the only thing, beside what others saw, that scenarios judge it by."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterable
from dataclasses import dataclass

from bench.passage import Passage
from network.fabric import Site
from network.plan import Role
from network.wire.attempts import Attempt, Outcome
from network.wire.capture import Capture
from network.wire.frames import Frame, Udp

IKE_PORT, NAT_PORT = 500, 4500
"""The UDP ports of IKEv2, and of IKEv2 and ESP behind a NAT (RFC 7296, RFC 3948)."""

LINK_PORT = 443
"""The port of the WSS link (Installation Manual p. 42)."""


@dataclass(frozen=True)
class Try:
    """One attempt of the PBX at its link, in the device's time (seconds since the epoch)."""

    begun: float
    ended: float | None
    """When it was reset or closed, or None when nothing on the wire ended it."""


class VpnKind(enum.Enum):
    """What a packet of the VPN is, by what stands in clear in it (RFC 7296, RFC 3948)."""

    SA_INIT = "IKE_SA_INIT"
    AUTH = "IKE_AUTH"
    INFORMATIONAL = "INFORMATIONAL"
    OTHER_IKE = "IKE"
    ESP = "ESP"
    KEEPALIVE = "NAT keepalive"


@dataclass(frozen=True)
class VpnPacket:
    """A packet of the VPN: when it was seen on the wire, what it is, and for IKE who began (the initiator's SPI)."""

    time: float
    kind: VpnKind
    initiator: bytes = b""


class Wire:
    """Reads the site's capture anew for each question, so the answers hold at the moment of asking."""

    def __init__(self, site: Site, passage: Passage) -> None:
        self._site = site
        self._passage = passage
        self._oxo = site.plan.address(Role.OXO)
        self._pcg = site.plan.address(Role.PCG)
        self._proxy = site.plan.address(Role.PROXY)
        self._lan = site.plan.segment("lan").subnet

    def now(self) -> float:
        """The wire's time, to ask later for what has happened `since`."""
        return time.time()

    def capture(self) -> Capture:
        """Everything that was seen until now."""
        return Capture.read(self._site.capture())

    def attempts(self, since: float = 0.0) -> list[Attempt]:
        """The PBX's TCP connections toward Rainbow: to the proxy, or to anyone beyond the LAN but a DNS server."""
        dns_port = 53
        return [
            attempt
            for attempt in self.capture().attempts(segment="lan", source=self._oxo, since=since)
            if attempt.destination_port != dns_port
            and (attempt.destination == self._proxy or attempt.destination not in self._lan)
        ]

    def tries(self, since: float = 0.0) -> list[Try]:
        """The same attempts with their times in the device's time."""
        wall = self._passage.on_the_wall
        return [
            Try(wall(attempt.time), wall(attempt.closes[-1].time) if attempt.closes else None)
            for attempt in self.attempts(since)
        ]

    def unanswered(self, attempt: Attempt) -> bool:
        """Whether nobody answered the attempt at all."""
        return attempt.outcome is Outcome.UNANSWERED

    def beyond_the_lan(self, since: float = 0.0) -> list[Frame]:
        """The IP packets that the PBX itself sent to the Internet."""
        sent = self.capture().sent(self._oxo, since, time.time())
        return [frame for frame in sent if frame.destination is not None and frame.destination not in self._lan]

    def sent(self, since: float) -> list[Frame]:
        """Every IP packet that the PBX sent since then."""
        return self.capture().sent(self._oxo, since, time.time())

    def reached_rainbow(self, since: float = 0.0) -> list[Attempt]:
        """The TCP connections that got out through the firewall to the PCG, whoever opened them."""
        return self.capture().attempts(segment="wan", to=self._pcg, since=since)

    def vpn_packets(self, since: float = 0.0) -> list[VpnPacket]:
        """What the PBX sent to any VPN gateway: IKE and ESP, on the LAN."""
        return _vpn_packets(frame for frame in self.sent(since) if frame.segment == "lan")

    def vpn_packets_let_out(self, since: float = 0.0) -> list[VpnPacket]:
        """The IKE and ESP of the PBX that came out of the firewall."""
        source = self._site.plan.address(Role.FIREWALL, "wan")
        return _vpn_packets(self.capture().sent(source, since, time.time()))

    def seen_in_clear(self, text: bytes) -> bool:
        """Whether a frame on the Internet side carries these bytes."""
        return any(text in frame.data for frame in self.capture().frames if frame.segment == "wan")

    def names_asked(self, since: float = 0.0) -> list[str]:
        """The names that the PBX asked a DNS server for."""
        queries = self.capture().dns_queries(segment="lan", source=self._oxo, since=since)
        return [query.name.rstrip(".") for query in queries]

    def server_names(self, since: float = 0.0) -> list[str | None]:
        """The server names that the PBX asked for in TLS, directly or in a proxy's tunnel."""
        return [hello.name for hello in self.capture().server_names(segment="lan", source=self._oxo, since=since)]


_EXCHANGES = {34: VpnKind.SA_INIT, 35: VpnKind.AUTH, 37: VpnKind.INFORMATIONAL}
_IKE_HEADER = 28
_NON_ESP_MARKER = bytes(4)


def _vpn_packets(frames: Iterable[Frame]) -> list[VpnPacket]:
    packets = []
    for frame in frames:
        if isinstance(frame.content, Udp) and frame.content.destination_port in (IKE_PORT, NAT_PORT):
            packets.append(_vpn_packet(frame.time, frame.content.destination_port, frame.content.payload))
    return packets


def _vpn_packet(seen: float, port: int, payload: bytes) -> VpnPacket:
    if port == NAT_PORT and not payload.startswith(_NON_ESP_MARKER):
        return VpnPacket(seen, VpnKind.KEEPALIVE if len(payload) == 1 else VpnKind.ESP)
    ike = payload.removeprefix(_NON_ESP_MARKER) if port == NAT_PORT else payload
    if len(ike) < _IKE_HEADER:
        return VpnPacket(seen, VpnKind.OTHER_IKE)
    return VpnPacket(seen, _EXCHANGES.get(ike[18], VpnKind.OTHER_IKE), ike[:8])
