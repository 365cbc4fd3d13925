"""A site in namespaces: what its machines are like, and that it meets nothing else."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from network.netns.fabric import NetnsFabric, NetnsSite
from network.plan import DEFAULT_PLAN, Link, Node, Role, Segment, SitePlan, port_name
from network.wire.capture import Capture
from network.wire.frames import Tcp
from tests.netns.conftest import Hands, open_hands, says_nothing_without_power
from tests.netns.hand import ROLES, hand

LOOPBACK = "127.0.0.1/8"


def test_every_node_has_the_addresses_and_the_route_of_the_plan(site: NetnsSite) -> None:
    nodes = {role: site.start(role, hand()) for role in ROLES}
    for role, node in nodes.items():
        node.wait_until_ready()
        planned = DEFAULT_PLAN.node(role)
        addresses = {str(DEFAULT_PLAN.interface(link)) for link in planned.links}
        assert {address for address in node.ask("addresses") if ":" not in address} == {*addresses, LOOPBACK}
        assert set(node.ask("interfaces")) == {link.segment for link in planned.links} | {"lo"}
        assert node.ask("default_route") == (str(planned.gateway) if planned.gateway else None)


def test_every_node_is_told_the_sites_dns_server_and_no_other(site: NetnsSite) -> None:
    for role in (Role.OXO, Role.PROXY, Role.PCG):
        node = site.start(role, hand())
        node.wait_until_ready()
        lines = node.ask("read", path="/etc/resolv.conf").splitlines()
        assert [line for line in lines if line.startswith("nameserver")] == ["nameserver 198.51.100.53"]
        assert node.ask("read", path="/etc/nsswitch.conf") == "hosts: files dns\n"
        assert node.ask("name_of", host="localhost") == "127.0.0.1"
    assert "198.51.100.53" not in Path("/etc/resolv.conf").read_text()


def test_each_node_has_a_network_and_files_of_its_own(site: NetnsSite) -> None:
    nodes = [site.start(role, hand()) for role in ROLES]
    for node in nodes:
        node.wait_until_ready()
    seen = [node.ask("links") for node in nodes]
    here = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "mnt", "pid", "user")}
    assert len({links["net"] for links in seen}) == len({links["mnt"] for links in seen}) == len(ROLES)
    assert len({links["pid"] for links in seen}) == len({links["user"] for links in seen}) == 1
    assert not {link for links in seen for link in links.values()} & set(here.values())


def test_the_nodes_see_only_their_own_processes(site: NetnsSite) -> None:
    node = site.start(Role.OXO, hand())
    node.wait_until_ready()
    numbers = {int(name) for name in node.ask("listing", path="/proc") if name.isdigit()}
    assert numbers == {1, *site.pids().values()}
    assert set(site.pids()) == {"capture", "oxo"}


def test_what_a_node_writes_to_run_is_seen_by_the_site_only(site: NetnsSite) -> None:
    one, other = site.start(Role.OXO, hand()), site.start(Role.PROXY, hand())
    one.wait_until_ready()
    other.wait_until_ready()
    one.ask("write", path="/run/oxobench/note", text="hello")
    assert other.ask("read", path="/run/oxobench/note") == "hello"
    assert not Path("/run/oxobench").exists()


def test_a_site_shows_nothing_on_the_host(site: NetnsSite) -> None:
    node = site.start(Role.OXO, hand())
    node.wait_until_ready()
    ports = {port_name(link.segment, planned.name) for planned in DEFAULT_PLAN.nodes for link in planned.links}
    assert len(ports) == 8
    assert not {name for _, name in socket.if_nameindex()} & {*ports, "lan", "wan"}
    assert "oxobench" not in Path("/proc/self/mountinfo").read_text()


def test_without_a_firewall_nothing_leaves_the_lan(site: NetnsSite) -> None:
    oxo, proxy, pcg = (site.start(role, hand(tcp=[80])) for role in (Role.OXO, Role.PROXY, Role.PCG))
    for node in (oxo, proxy, pcg):
        node.wait_until_ready()
    oxo.ask("begin", key="out", protocol="tcp", host="198.51.100.10", port=80)
    oxo.ask("begin", key="lan", protocol="tcp", host="192.168.92.10", port=80)
    assert site.settle(10)
    assert (oxo.ask("outcome", key="lan"), oxo.ask("outcome", key="out")) == ("passed", "pending")
    segments = {frame.segment for frame in Capture.read(site.capture()).frames if isinstance(frame.content, Tcp)}
    assert segments == {"lan"}


@pytest.fixture
def two_sites(rooms: NetnsFabric, tmp_path: Path) -> Iterator[list[Hands]]:
    folders = [tmp_path / "one", tmp_path / "other"]
    sites = []
    for folder in folders:
        folder.mkdir()
        sites.append(rooms.build(DEFAULT_PLAN, folder))
    yield [open_hands(site, "permissive") for site in sites]
    for site in sites:
        site.close()


def test_two_sites_at_once_do_not_meet(two_sites: list[Hands]) -> None:
    one, other = two_sites
    one.connect(Role.OXO, "198.51.100.10", 443)
    other.connect(Role.OXO, "198.51.100.10", 80)
    other.connect(Role.PROXY, "198.51.100.10", 80)
    assert len(one.nodes[Role.PCG].ask("callers")) == 1
    assert len(other.nodes[Role.PCG].ask("callers")) == 2
    seen = [{a.destination_port for a in Capture.read(hands.site.capture()).attempts()} for hands in two_sites]
    assert seen == [{443}, {80}]
    one.time.advance(100)
    assert (one.site.offset > 99, other.site.offset) == (True, 0.0)


def test_a_node_without_power_says_nothing_more_and_comes_back_without_connections(
    site: NetnsSite, hands: Hands
) -> None:
    says_nothing_without_power(hands)


def test_a_node_that_was_killed_comes_back_with_its_addresses(site: NetnsSite, hands: Hands) -> None:
    hands.connect(Role.OXO, "198.51.100.10", 443)
    before = hands.nodes[Role.OXO].ask("addresses"), hands.nodes[Role.OXO].ask("links")["net"]
    hands.site.kill(Role.OXO)
    assert "oxo" not in site.pids()
    again = hands.nodes[Role.OXO] = hands.site.start(Role.OXO, hand())
    again.wait_until_ready()
    assert (again.ask("addresses"), again.ask("links")["net"]) == before
    hands.connect(Role.OXO, "198.51.100.10", 443)


def test_killing_a_node_that_does_not_run_does_nothing(site: NetnsSite) -> None:
    site.kill(Role.OXO)


def test_the_evidence_is_for_its_owner_only(hands: Hands) -> None:
    hands.connect(Role.OXO, "198.51.100.10", 443)
    files = list(hands.site.evidence.iterdir())
    assert {file.name for file in files} >= {"site.pcapng", "oxo.log", "firewall.log", "capture.log"}
    assert not [file for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077]


def test_another_plan_is_built_as_it_stands(rooms: NetnsFabric, tmp_path: Path) -> None:
    lab = Segment("lab", DEFAULT_PLAN.segment("lan").subnet)
    address = DEFAULT_PLAN.address(Role.OXO)
    plan = SitePlan((lab,), (Node(Role.OXO, (Link("lab", address),)),), DEFAULT_PLAN.dns_server)
    site = rooms.build(plan, tmp_path)
    try:
        node = site.start(Role.OXO, hand())
        node.wait_until_ready()
        assert node.ask("interfaces") == ["lab", "lo"]
        assert node.ask("default_route") is None
    finally:
        site.close()


def test_what_a_plan_is_asked() -> None:
    assert str(DEFAULT_PLAN.address(Role.FIREWALL)) == "192.168.92.1"
    assert str(DEFAULT_PLAN.address(Role.FIREWALL, "wan")) == "198.51.100.1"
    with pytest.raises(KeyError):
        DEFAULT_PLAN.address(Role.OXO, "wan")
    with pytest.raises(KeyError):
        DEFAULT_PLAN.segment("dmz")


def test_the_plan_holds_together() -> None:
    addresses = [link.address for node in DEFAULT_PLAN.nodes for link in node.links]
    assert len(set(addresses)) == len(addresses)
    for node in DEFAULT_PLAN.nodes:
        for link in node.links:
            assert link.address in DEFAULT_PLAN.segment(link.segment).subnet
            assert len(port_name(link.segment, node.name)) <= 15, "Linux allows no longer interface name"
        if node.gateway is not None and node.role is not Role.FIREWALL:
            assert node.gateway in [link.address for link in DEFAULT_PLAN.node(Role.FIREWALL).links]
    beyond = DEFAULT_PLAN.node(Role.FIREWALL).gateway
    assert beyond is not None
    assert (DEFAULT_PLAN.way_to(beyond), DEFAULT_PLAN.exists(beyond)) == ("wan", False)
    with pytest.raises(KeyError):
        DEFAULT_PLAN.way_to(IPv4Address("192.0.2.1"))
