"""Builds a site's segments, nodes and links in network namespaces, with netlink."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from pyroute2 import IPRoute

from network import connections, kernel
from network.addressing import add_default_route, add_nobody, configure_link, index_of, is_down, look, take_down
from network.bridges import add_bridge, plug
from network.capture import open_port_tap
from network.fabric import NodeNetwork
from network.plan import Link, Node, Role, SitePlan, port_name


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
        self.tap = open_port_tap()
        for segment in plan.segments:
            add_bridge(self._bridges, segment.name)
        for node in plan.nodes:
            for link in node.links:
                self._connect(node, link, inside[node.role])
            self._configure_routes(node, inside[node.role])
            inside[node.role].close()
        self._bridges.close()

    def look(self, role: Role) -> NodeNetwork:
        """A node's addresses and routes, as its kernel has them now."""
        with self._inside(role) as inside:
            return look(inside)

    def take_down(self, role: Role) -> None:
        """Takes a node's links down: nothing reaches it, and nothing of it gets out."""
        with self._inside(role) as inside:
            for link in self._plan.node(role).links:
                take_down(inside, link.segment)

    def restore(self, role: Role) -> None:
        """Brings links up that are down, and forgets what was connected by them."""
        node = self._plan.node(role)
        with self._inside(role) as inside:
            if any(is_down(inside, link.segment) for link in node.links):
                connections.destroy()
                for link in node.links:
                    self._configure(link, inside)
                self._configure_routes(node, inside)

    @contextlib.contextmanager
    def _inside(self, role: Role) -> Iterator[IPRoute]:
        """In a node's namespace, for the time of the block."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        kernel.setns(self.namespaces[role])
        try:
            with IPRoute() as inside:
                yield inside
        finally:
            kernel.setns(home)
            os.close(home)

    def _connect(self, node: Node, link: Link, inside: IPRoute) -> None:
        port = port_name(link.segment, node.name)
        peer = {"ifname": link.segment, "net_ns_fd": self.namespaces[node.role]}
        self._bridges.link("add", ifname=port, kind="veth", peer=peer)
        self.ports.append(port)
        plug(self._bridges, port, link.segment)
        self._configure(link, inside)

    def _configure(self, link: Link, inside: IPRoute) -> None:
        configure_link(inside, index_of(inside, link.segment), self._plan.interface(link))

    def _configure_routes(self, node: Node, inside: IPRoute) -> None:
        inside.link("set", index=index_of(inside, "lo"), state="up")
        if node.gateway is not None:
            add_default_route(inside, node.gateway)
            if not self._plan.exists(node.gateway):
                add_nobody(inside, index_of(inside, self._plan.way_to(node.gateway)), node.gateway)


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
        # A new namespace takes this over from the machine, where Docker switches it on. The firewall alone forwards,
        # and not before it has its rules.
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
        inside.link("set", index=index_of(inside, "lo"), state="up")
    echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    echo.bind(("127.0.0.1", 0))
    echo.connect(echo.getsockname())
    return echo
