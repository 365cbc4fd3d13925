"""The site as data: segments, nodes, links and addresses.

Every fabric builds from this plan, and whatever draws or describes the site reads it from here.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network


class Role(enum.Enum):
    """What a node is there for."""

    OXO = "oxo"
    PROXY = "proxy"
    FIREWALL = "firewall"
    DNS = "dns"
    PCG = "pcg"
    CCI = "cci"
    """The Cloud Connect infrastructure, with the connection service."""
    VPN = "vpn"
    """The gateway of Cloud Connect's VPN."""


@dataclass(frozen=True)
class Segment:
    """One Ethernet segment. Its name is at most six characters, since the names of its ports are built from it."""

    name: str
    subnet: IPv4Network


@dataclass(frozen=True)
class Link:
    """A node's connection to a segment; the interface has the segment's name inside the node."""

    segment: str
    address: IPv4Address


@dataclass(frozen=True)
class Node:
    """A machine of the site. Its default route goes to `gateway`, if it has one."""

    role: Role
    links: tuple[Link, ...]
    gateway: IPv4Address | None = None

    @property
    def name(self) -> str:
        """The node's name, which is its role's: a site has one node a role."""
        return self.role.value


@dataclass(frozen=True)
class SitePlan:
    """The whole site."""

    segments: tuple[Segment, ...]
    nodes: tuple[Node, ...]
    dns_server: IPv4Address
    """The DNS server that every node of the site is told to use."""

    def segment(self, name: str) -> Segment:
        """The segment called `name`; KeyError when there is none."""
        return {segment.name: segment for segment in self.segments}[name]

    def node(self, role: Role) -> Node:
        """The node with that role; KeyError when there is none."""
        return {node.role: node for node in self.nodes}[role]

    def address(self, role: Role, segment: str | None = None) -> IPv4Address:
        """The address of a node, on the named segment or on its first one; KeyError when it has none there."""
        links = self.node(role).links
        return links[0].address if segment is None else {link.segment: link.address for link in links}[segment]

    def exists(self, address: IPv4Address) -> bool:
        """Whether a node has this address."""
        return any(link.address == address for node in self.nodes for link in node.links)

    def way_to(self, address: IPv4Address) -> str:
        """The name of the segment that an address belongs to; KeyError when it is beyond the site."""
        for segment in self.segments:
            if address in segment.subnet:
                return segment.name
        raise KeyError(address)

    def interface(self, link: Link) -> IPv4Interface:
        """The link's address with its segment's prefix length."""
        return IPv4Interface((link.address, self.segment(link.segment).subnet.prefixlen))


def port_name(segment: str, node: str) -> str:
    """The name of the segment's port that leads to the node, which is also its name in captures: `lan-oxo`."""
    return f"{segment}-{node}"


def _link(segment: str, address: str) -> Link:
    return Link(segment, IPv4Address(address))


_LAN_GATEWAY = IPv4Address("192.168.92.1")

_REST_OF_THE_INTERNET = IPv4Address("198.51.100.254")
"""Nobody has it: what the firewall lets out to addresses beyond the site vanishes there, without a word."""

DEFAULT_PLAN = SitePlan(
    segments=(
        Segment("lan", IPv4Network("192.168.92.0/24")),
        Segment("wan", IPv4Network("198.51.100.0/24")),
    ),
    nodes=(
        # 192.168.92.246/24 is the factory address of an OXO Connect (Installation Manual 3EH21123USAA).
        Node(Role.OXO, (_link("lan", "192.168.92.246"),), _LAN_GATEWAY),
        Node(Role.PROXY, (_link("lan", "192.168.92.10"),), _LAN_GATEWAY),
        Node(Role.FIREWALL, (_link("lan", "192.168.92.1"), _link("wan", "198.51.100.1")), _REST_OF_THE_INTERNET),
        Node(Role.DNS, (_link("wan", "198.51.100.53"),)),
        Node(Role.PCG, (_link("wan", "198.51.100.10"),)),
        Node(Role.CCI, (_link("wan", "198.51.100.20"),)),
        Node(Role.VPN, (_link("wan", "198.51.100.30"),)),
    ),
    dns_server=IPv4Address("198.51.100.53"),
)
"""The customer's LAN with PBX, proxy and firewall, and an Internet of documentation addresses (RFC 5737)."""
