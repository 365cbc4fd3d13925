"""Builds a site's segments, nodes and links in network namespaces, with netlink."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from pyroute2 import IPRoute

from network.fabric import NodeNetwork
from network.netns import kernel
from network.plan import Link, Node, Role, SitePlan, port_name

_UNICAST = 1
"""The type of a route that leads somewhere (RTN_UNICAST)."""

_AT_ONCE = {"quickack": 1}
"""Has a node acknowledge at once what it receives: a delayed acknowledgement keeps a site from coming to rest for up to
200 ms, each time."""


class Wiring:
    """The namespaces of a site, made from inside the sandbox's own one, where the segments' bridges stand.

    A node's namespace is held open here, so that it outlives the node's process and a restarted node finds its
    addresses again.
    """

    def __init__(self, plan: SitePlan) -> None:
        self._plan = plan
        self.namespaces: dict[Role, int] = {}
        self.ports: list[str] = []
        """The names of the segments' ports, as `lan-oxo`."""
        # The sandbox's first namespace has the machine's table of connections; from here on they have small ones.
        _prepare_namespace()
        home = _new_namespace()
        self.echo = _open_echo()
        kernel.setns(home)
        self._bridges = IPRoute()
        inside: dict[Role, IPRoute] = {}
        for node in plan.nodes:
            self.namespaces[node.role] = _new_namespace()
            inside[node.role] = IPRoute()
        kernel.setns(home)
        os.close(home)
        # The tap listens before any link is up, so that it misses no frame.
        self.tap = _open_tap()
        bridges = {segment.name: self._add_bridge(segment.name) for segment in plan.segments}
        for node in plan.nodes:
            for link in node.links:
                self._connect(node, link, bridges[link.segment], inside[node.role])
            self._configure_routes(node, inside[node.role])
            inside[node.role].close()
        self._bridges.close()

    def look(self, role: Role) -> NodeNetwork:
        """A node's addresses and routes, as its kernel has them now."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        kernel.setns(self.namespaces[role])
        try:
            with IPRoute() as inside:
                loopback = _index(inside, "lo")
                addresses = [
                    one.get("address") for one in inside.get_addr(family=socket.AF_INET) if one["index"] != loopback
                ]
                routes = [
                    f"{one.get('dst')}/{one['dst_len']}" if one.get("dst") else "default"
                    for one in inside.get_routes(family=socket.AF_INET)
                    if one["type"] == _UNICAST
                ]
        finally:
            kernel.setns(home)
            os.close(home)
        return NodeNetwork(addresses, routes)

    def _add_bridge(self, name: str) -> int:
        self._bridges.link("add", ifname=name, kind="bridge", br_mcast_snooping=0)
        index = _index(self._bridges, name)
        self._bridges.link("set", index=index, state="up")
        return index

    def _connect(self, node: Node, link: Link, bridge: int, inside: IPRoute) -> None:
        port = port_name(link.segment, node.name)
        peer = {"ifname": link.segment, "net_ns_fd": self.namespaces[node.role]}
        self._bridges.link("add", ifname=port, kind="veth", peer=peer)
        index = _index(self._bridges, port)
        self.ports.append(port)
        self._bridges.link("set", index=index, master=bridge, state="up")
        own = _index(inside, link.segment)
        network = self._plan.interface(link).network
        inside.addr("add", index=own, address=str(link.address), prefixlen=network.prefixlen)
        inside.link("set", index=own, state="up")
        # In place of the route that the kernel made with the address.
        source = str(link.address)
        inside.route("replace", dst=str(network), oif=own, scope="link", prefsrc=source, metrics=_AT_ONCE)

    def _configure_routes(self, node: Node, inside: IPRoute) -> None:
        inside.link("set", index=_index(inside, "lo"), state="up")
        if node.gateway is not None:
            inside.route("add", dst="default", gateway=str(node.gateway), metrics=_AT_ONCE)


def _index(netlink: IPRoute, name: str) -> int:
    index: int = netlink.link_lookup(ifname=name)[0]
    return index


def _new_namespace() -> int:
    kernel.unshare(kernel.CLONE_NEWNET)
    _prepare_namespace()
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def _prepare_namespace() -> None:
    settings = {
        # Without IPv6 no router solicitation or multicast report mixes with what the nodes say.
        "ipv6/conf/default/disable_ipv6": "1",
        # By default a new namespace shares the machine's table of TCP connections, which takes the kernel milliseconds
        # to look through. This is for the namespaces made from this one; kernels before 6.1 don't have it.
        "ipv4/tcp_child_ehash_entries": "64",
        # A new namespace takes this over from the machine, where Docker switches it on. The firewall alone forwards, and
        # not before it has its rules.
        "ipv4/ip_forward": "0",
    }
    for name, value in settings.items():
        setting = Path("/proc/sys/net") / name
        if setting.exists():
            setting.write_text(value)


def _open_echo() -> socket.socket:
    """A datagram socket that is connected to itself, in a namespace of its own where no capture sees it."""
    os.close(_new_namespace())
    with IPRoute() as inside:
        inside.link("set", index=_index(inside, "lo"), state="up")
    echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    echo.bind(("127.0.0.1", 0))
    echo.connect(echo.getsockname())
    return echo


def _open_tap() -> socket.socket:
    packet_ignore_outgoing = 23
    every_protocol = 3
    so_timestampns = 35
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(every_protocol))
    # Each frame is seen once: where it enters its segment, not again at every port that it leaves by.
    tap.setsockopt(_SOL_PACKET, packet_ignore_outgoing, 1)
    tap.setsockopt(socket.SOL_SOCKET, so_timestampns, 1)
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
    tap.setblocking(False)
    return tap


_SOL_PACKET = 263
