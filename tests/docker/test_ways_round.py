"""A way round the firewall is looked for: from the PBX and the proxy, with all the rights that their containers have."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from pyroute2 import IPRoute

from network.docker.fabric import DockerFabric
from network.docker.nodekeeper import ENGINE_DNS
from network.docker.site import DockerSite
from network.plan import DEFAULT_PLAN, Role
from tests.netns.conftest import open_hands

pytestmark = pytest.mark.docker

SEARCH = Path(__file__).with_name("search.py")
PCG = str(DEFAULT_PLAN.address(Role.PCG))


@pytest.fixture
def machine() -> Iterator[tuple[list[str], int]]:
    """The machine's own addresses, and a port on which it answers TCP and UDP at all of them."""
    with IPRoute() as netlink:
        addresses = [str(one.get("address")) for one in netlink.get_addr(family=socket.AF_INET)]
    with socket.create_server(("0.0.0.0", 0), backlog=64) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        port = tcp.getsockname()[1]
        udp.bind(("0.0.0.0", port))

        def echo() -> None:
            while True:
                data, address = udp.recvfrom(100)
                if data == b"end":
                    return
                udp.sendto(data, address)

        thread = threading.Thread(target=echo)
        thread.start()
        yield addresses, port
        with socket.socket(type=socket.SOCK_DGRAM) as end:
            end.sendto(b"end", ("127.0.0.1", port))
        thread.join()


def gateways(site: DockerSite) -> list[str]:
    """What the engine takes for the gateways of its networks, those of the site and all others."""
    engine = docker.from_env()
    try:
        configurations: list[dict[str, Any]] = [
            one for network in engine.networks.list() for one in network.attrs["IPAM"]["Config"] or []
        ]
    finally:
        engine.close()
    return [one["Gateway"] for one in configurations if ":" not in one.get("Gateway", ":")]


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


@pytest.mark.parametrize("role", [Role.OXO, Role.PROXY])
def test_there_is_no_way_round_the_firewall(
    containers: DockerFabric, evidence: Path, machine: tuple[list[str], int], role: Role
) -> None:
    folder = evidence / f"round-{role.value}"
    folder.mkdir()
    site = containers.build(DEFAULT_PLAN, folder)
    try:
        hands = open_hands(site, "permissive")
        addresses, port = machine
        neighbours = [str(link.address) for node in DEFAULT_PLAN.nodes for link in node.links]
        question = {
            "gateways": sorted({*gateways(site), *addresses, *neighbours} - {"127.0.0.1"}),
            "tcp": [[PCG, 443], *([address, port] for address in addresses if address != "127.0.0.1")],
            "udp": [[str(DEFAULT_PLAN.dns_server), 53], [ENGINE_DNS, 53],
                    *([address, port] for address in addresses if address != "127.0.0.1")],
        }  # fmt: skip
        # With an open firewall the search does find what may be found: the PCG and the DNS server, through it.
        found = search(site, role, question)
        firewall = str(DEFAULT_PLAN.address(Role.FIREWALL, "lan"))
        assert ["tcp", PCG, 443, firewall] in found
        assert {(protocol, host) for protocol, host, _, _ in found} == {
            ("tcp", PCG),
            ("udp", str(DEFAULT_PLAN.dns_server)),
        }
        hands.nodes[Role.FIREWALL].ask("policy", name="closed", rules="", cut=True)
        assert search(site, role, question) == []
    finally:
        site.close()
