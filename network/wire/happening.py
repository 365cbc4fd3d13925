"""What the time line of a site is made of: one thing that happened, told in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from network.plan import Role, SitePlan
from network.wire.frames import Address

SILENCE = 3.0
"""After how many seconds of the device's time without an answer that is told: a TCP connection, a question to DNS, a
CONNECT and an IKE request alike, however often they were repeated. An answer that comes later is told too."""

TEXT_LIMIT = 300
"""The longest sentence, in characters: names in it come from the wire."""

TITLES = {
    Role.OXO: "PBX",
    Role.PROXY: "web proxy",
    Role.FIREWALL: "firewall",
    Role.DNS: "DNS",
    Role.PCG: "PCG",
    Role.CCI: "CCI",
    Role.VPN: "VPN gateway",
}
"""What the nodes are called in sentences."""


class Kind(StrEnum):
    """What a happening is about."""

    DNS = "dns"
    TCP = "tcp"
    CONNECT = "connect"
    TLS = "tls"
    UPGRADE = "upgrade"
    LOGIN = "login"
    DEVICES = "devices"
    CLOSE = "close"
    IKE = "ike"
    ESP = "esp"
    BENCH = "bench"
    """Something that was done to the site by hand."""
    NODE = "node"
    """A node of the site died, or was started."""


class Result(StrEnum):
    """How good a happening is for the PBX's links."""

    OK = "ok"
    FAILED = "failed"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened at `time`, in the device's time (seconds since the epoch).

    `source` and `target` are names of nodes, or addresses that no node has; empty where there is none.
    """

    time: float
    kind: Kind
    source: str
    target: str
    text: str
    result: Result


class Names:
    """The nodes of a site by their addresses."""

    def __init__(self, plan: SitePlan) -> None:
        self._roles: dict[Address, Role] = {link.address: node.role for node in plan.nodes for link in node.links}
        self._subnets = {segment.name: segment.subnet for segment in plan.segments}

    @property
    def segments(self) -> tuple[str, ...]:
        """The names of the site's segments."""
        return tuple(self._subnets)

    def is_local(self, segment: str, address: Address) -> bool:
        """Whether an address belongs to a segment, so that the way there leads through no firewall."""
        return segment in self._subnets and address in self._subnets[segment]

    def is_firewall(self, address: Address) -> bool:
        """Whether it is the firewall's own address: what it forwards has it too, by NAT."""
        return self._roles.get(address) is Role.FIREWALL

    def name(self, address: Address) -> str:
        """The node's name, or the address."""
        role = self._roles.get(address)
        return str(address) if role is None else role.value

    def title(self, address: Address) -> str:
        """What the node is called in a sentence, or the address."""
        role = self._roles.get(address)
        return str(address) if role is None else TITLES[role]

    def tell(
        self, time: float, kind: Kind, source: Address, target: Address, text: str, result: Result = Result.INFO
    ) -> Happening:
        """A happening between two addresses."""
        sentence = text[:1].upper() + text[1:]
        if len(sentence) > TEXT_LIMIT:
            sentence = sentence[: TEXT_LIMIT - 1] + "…"
        return Happening(time, kind, self.name(source), self.name(target), sentence, result)
