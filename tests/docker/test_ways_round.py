"""A way round the firewall is looked for: from PBX and proxy, with all rights of their containers, and as programs."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest
from pyroute2 import IPRoute

from network.docker.fabric import DockerFabric
from network.docker.site import DockerSite
from network.firewall import Policy
from network.plan import DEFAULT_PLAN, Role
from network.wire.capture import Capture
from tests.netns.conftest import Hands, open_hands

pytestmark = pytest.mark.docker

SEARCH = Path(__file__).with_name("search.py")
PCG = str(DEFAULT_PLAN.address(Role.PCG))
DNS = str(DEFAULT_PLAN.dns_server)
FIREWALL = str(DEFAULT_PLAN.address(Role.FIREWALL, "lan"))
ENGINE_DNS = "127.0.0.11"
"""Where the engine answers DNS queries in containers that are on its networks."""


@dataclass
class Machine:
    """This machine as it may be reached: its own addresses, a port where it answers, and who has written to it."""

    addresses: list[str]
    port: int
    heard: list[tuple[str, bytes]] = field(default_factory=list)


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Answers TCP and UDP at all its addresses, and notes each datagram, also one that no answer could go back to."""
    with IPRoute() as netlink:
        addresses = [str(one.get("address")) for one in netlink.get_addr(family=socket.AF_INET)]
    with socket.create_server(("0.0.0.0", 0), backlog=64) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        port = tcp.getsockname()[1]
        udp.bind(("0.0.0.0", port))
        machine = Machine(sorted({*addresses} - {"127.0.0.1"}), port)

        def echo() -> None:
            while True:
                data, address = udp.recvfrom(100)
                if data == b"end":
                    return
                machine.heard.append((address[0], data))
                udp.sendto(data, address)

        thread = threading.Thread(target=echo)
        thread.start()
        yield machine
        with socket.socket(type=socket.SOCK_DGRAM) as end:
            end.sendto(b"end", ("127.0.0.1", port))
        thread.join()


def gateways() -> set[str]:
    """What the engine takes for the gateways of its networks."""
    engine = docker.from_env()
    try:
        configurations: list[dict[str, Any]] = [
            one for network in engine.networks.list() for one in network.attrs["IPAM"]["Config"] or []
        ]
    finally:
        engine.close()
    return {one["Gateway"] for one in configurations if ":" not in one.get("Gateway", ":")}


def search(site: DockerSite, role: Role, question: dict[str, Any]) -> list[list[Any]]:
    """What the search from inside a node's container has reached."""
    engine = docker.from_env()
    try:
        code, output = engine.containers.get(site.shell(role)[-2]).exec_run(
            ["/opt/venv/bin/python", "-c", SEARCH.read_text(), json.dumps(question)]
        )
    finally:
        engine.close()
    assert code == 0, output.decode()
    found: list[list[Any]] = json.loads(output)
    return found


def question(machine: Machine) -> dict[str, Any]:
    """By all neighbours, all gateways and this machine itself: to the PCG, DNS servers, and this machine."""
    neighbours = {str(link.address) for node in DEFAULT_PLAN.nodes for link in node.links}
    return {
        "gateways": sorted({*gateways(), *machine.addresses, *neighbours}),
        "tcp": [[PCG, 443], *([address, machine.port] for address in machine.addresses)],
        "udp": [[DNS, 53], [ENGINE_DNS, 53], *([address, machine.port] for address in machine.addresses)],
    }


def beyond(hands: Hands) -> int:
    """How many packets there have been on the far side of the firewall."""
    frames = Capture.read(hands.site.capture()).frames
    return sum(1 for frame in frames if frame.segment == "wan" and frame.source is not None)


@pytest.mark.parametrize("role", [Role.OXO, Role.PROXY])
def test_there_is_no_way_round_the_firewall(
    containers: DockerFabric, evidence: Path, machine: Machine, role: Role
) -> None:
    folder = evidence / f"round-{role.value}"
    folder.mkdir()
    site = containers.build(DEFAULT_PLAN, folder)
    try:
        hands = open_hands(site, "permissive")
        asked = question(machine)
        # With an open firewall the search does find what may be found: the PCG and the DNS server, through it.
        found = search(site, role, asked)
        assert ["tcp", PCG, 443, FIREWALL] in found
        assert {(protocol, host) for protocol, host, _, _ in found} == {("tcp", PCG), ("udp", DNS)}
        hands.policy(Policy.load("deny-all"), cut=True)
        before = beyond(hands)
        assert search(site, role, asked) == []
        assert search(site, role, {**asked, "as": role.value}) == []
        assert beyond(hands) == before
        assert machine.heard == []
    finally:
        site.close()


def test_the_machine_has_no_part_in_the_segments(site: DockerSite) -> None:
    """The engine's networks would give it one: a bridge of the machine's own, where it answers for its addresses."""
    engine = docker.from_env()
    try:
        for role in Role:
            container = engine.containers.get(site.shell(role)[-2])
            assert list(container.attrs["NetworkSettings"]["Networks"]) == ["none"]
            code, output = container.exec_run(["ls", "/sys/class/net"])
            assert code == 0
            segments = [link.segment for link in DEFAULT_PLAN.node(role).links]
            assert set(output.decode().split()) - {"tunl0", "sit0", "ip6tnl0", "gre0"} == {"lo", *segments}
            code, output = container.exec_run(["cat", "/proc/net/if_inet6"])
            assert output == b"" or code, "IPv6 is off"
    finally:
        engine.close()
