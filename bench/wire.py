"""What the wire shows of the PBX: the only thing, beside what others saw, that scenarios judge it by."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from bench.passage import Passage
from network.fabric import Site
from network.plan import Role
from network.wire.attempts import Attempt, Outcome
from network.wire.capture import Capture
from network.wire.frames import Frame, Udp
from network.wire.ike import Carried, Exchange, IkeMessage, unwrap

LINK_PORT = 443
"""The port of the WSS link (Installation Manual p. 42)."""


@dataclass(frozen=True)
class Try:
    """One attempt of the PBX at its link, in the device's time (seconds since the epoch)."""

    begun: float
    ended: float | None
    """When it began to end, by a FIN or a RST, or refused by ICMP, or None when nothing on the wire ended it."""


@dataclass(frozen=True)
class VpnPacket:
    """A packet of the VPN: when it was seen on the wire, what it carries, and the message if it is one of IKE."""

    time: float
    carried: Carried
    ike: IkeMessage | None = None

    @property
    def exchange(self) -> Exchange | None:
        """The IKE exchange that it is part of."""
        return None if self.ike is None else self.ike.exchange

    @property
    def title(self) -> str:
        """What it is, in a word."""
        return self.carried.value if self.exchange is None else self.exchange.name


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
            Try(wall(attempt.time), None if attempt.ended is None else wall(attempt.ended))
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


def _vpn_packets(frames: Iterable[Frame]) -> list[VpnPacket]:
    packets = []
    for frame in frames:
        inside = unwrap(frame.content) if isinstance(frame.content, Udp) else None
        if inside is not None:
            carried, data = inside
            packets.append(VpnPacket(frame.time, carried, IkeMessage.read(data) if carried is Carried.IKE else None))
    return packets
