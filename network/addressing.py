"""Gives a node's links their addresses and routes, by netlink from inside its network namespace; for every fabric."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Interface

from pyroute2 import IPRoute

from network.fabric import NodeNetwork

_UNICAST = 1
"""The type of a route that leads somewhere (RTN_UNICAST)."""

PERMANENT = 0x80
"""The state of an entry of the neighbour table that stays (NUD_PERMANENT)."""

_NOBODY = "02:00:00:00:00:00"
"""An Ethernet address that no interface has."""

_IFF_UP = 0x1
"""The flag of an interface that is up."""

_AT_ONCE = {"quickack": 1}
"""Has a node acknowledge at once what it receives: a delayed acknowledgement keeps a site from coming to rest for up to
200 ms, each time."""


def index_of(netlink: IPRoute, name: str) -> int:
    """The number of the interface called `name`. Raises LookupError when there is none."""
    found: list[int] = netlink.link_lookup(ifname=name)
    if not found:
        raise LookupError(f"there is no interface {name!r}")
    return found[0]


def configure_link(inside: IPRoute, index: int, address: IPv4Interface) -> None:
    """Brings an interface up with its address and the route to its segment; again, when it has been down."""
    inside.addr("replace", index=index, address=str(address.ip), prefixlen=address.network.prefixlen)
    inside.link("set", index=index, state="up")
    # In place of the route that the kernel made with the address.
    network, source = str(address.network), str(address.ip)
    inside.route("replace", dst=network, oif=index, scope="link", prefsrc=source, metrics=_AT_ONCE)


def add_default_route(inside: IPRoute, gateway: IPv4Address) -> None:
    """Sends everything else to the gateway."""
    inside.route("replace", dst="default", gateway=str(gateway), metrics=_AT_ONCE)


def add_nobody(inside: IPRoute, index: int, address: IPv4Address) -> None:
    """Has what goes to an address that nobody has leave by an interface all the same, and vanish: without this the
    kernel would soon answer that the host is unreachable."""
    inside.neigh("replace", dst=str(address), lladdr=_NOBODY, ifindex=index, state=PERMANENT)


def take_down(inside: IPRoute, name: str) -> None:
    """Takes an interface down, and with it the routes that lead through it; its address stays."""
    inside.link("set", index=index_of(inside, name), state="down")


def is_down(inside: IPRoute, name: str) -> bool:
    """Whether an interface is down, as it was told."""
    return not inside.get_links(index_of(inside, name))[0]["flags"] & _IFF_UP


def look(inside: IPRoute) -> NodeNetwork:
    """The addresses and routes as the kernel has them now."""
    loopback = index_of(inside, "lo")
    addresses = [one.get("address") for one in inside.get_addr(family=socket.AF_INET) if one["index"] != loopback]
    routes = [
        f"{one.get('dst')}/{one['dst_len']}" if one.get("dst") else "default"
        for one in inside.get_routes(family=socket.AF_INET)
        if one["type"] == _UNICAST
    ]
    return NodeNetwork(addresses, routes)
