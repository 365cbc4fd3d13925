"""Sites in containers: as the plan has them, one after the other in the same containers, and when something dies."""

from __future__ import annotations

import os
from pathlib import Path

import docker
import pytest

from network.docker.doors import OWNER
from network.docker.engine import CONTROL_LABEL, Engine
from network.docker.fabric import DockerFabric
from network.docker.site import DockerSite
from network.fabric import FabricError
from network.firewall import Policy
from network.forge import forge_resets
from network.plan import DEFAULT_PLAN, Role
from network.wire.capture import Capture
from network.wire.frames import Tcp
from node.control import Refusal
from node.remote import NodeGone
from tests.netns.conftest import Hands, open_hands, says_nothing_without_power
from tests.netns.hand import hand

pytestmark = pytest.mark.docker

PCG = str(DEFAULT_PLAN.address(Role.PCG))


def folder(parent: Path, name: str) -> Path:
    path = parent / name
    path.mkdir()
    return path


def container(site: DockerSite, role: Role) -> str:
    return site.shell(role)[-2]


def state(site: DockerSite, role: Role) -> dict[str, list[str]]:
    found: dict[str, list[str]] = site._keepers.ask(role.value, "state")
    return found


def test_each_node_has_the_plans_addresses_and_nothing_else(site: DockerSite) -> None:
    for node in DEFAULT_PLAN.nodes:
        seen = site.network(node.role)
        assert sorted(seen.addresses) == sorted(str(link.address) for link in node.links)
        subnets = {str(DEFAULT_PLAN.segment(link.segment).subnet) for link in node.links}
        assert set(seen.routes) == subnets | ({"default"} if node.gateway else set())


def test_each_frame_is_seen_once_a_segment_where_it_enters(hands: Hands) -> None:
    hands.connect(Role.OXO, PCG, 443)
    frames = [frame for frame in Capture.read(hands.site.capture()).frames if isinstance(frame.content, Tcp)]
    assert [(frame.port, str(frame.source)) for frame in frames] == [
        ("lan-oxo", "192.168.92.246"),
        ("wan-firewall", "198.51.100.1"),
        ("wan-pcg", "198.51.100.10"),
        ("lan-firewall", "198.51.100.10"),
        ("lan-oxo", "192.168.92.246"),
        ("wan-firewall", "198.51.100.1"),
    ]
    times = [frame.time for frame in frames]
    assert times == sorted(times)


def test_a_policy_with_cut_ends_what_is_established(hands: Hands) -> None:
    key = hands.connect(Role.OXO, PCG, 8443)
    assert hands.talk(Role.OXO, key) == "passed"
    hands.policy(Policy.load("blocking"), cut=True)
    assert hands.talk(Role.OXO, key) == "dropped"
    assert hands.try_(Role.OXO, ("tcp", PCG, 443), ("tcp", PCG, 80)) == ["dropped", "passed"]


def test_a_forged_reset_reaches_both_ends_and_leaves_them_reachable(hands: Hands) -> None:
    key = hands.connect(Role.OXO, PCG, 443)
    assert hands.talk(Role.OXO, key) == "passed"
    hands.time.rest()
    capture = Capture.read(hands.site.capture())
    for segment in ("lan", "wan"):
        (attempt,) = capture.attempts(segment=segment)
        for port, frame in forge_resets(attempt):
            hands.site.inject(port, frame)
    hands.time.rest()
    assert hands.talk(Role.OXO, key) == "ConnectionResetError"
    assert "ConnectionResetError" in hands.nodes[Role.PCG].ask("callers")
    # No bridge has been led to believe that a node is elsewhere.
    assert hands.try_(Role.OXO, ("tcp", PCG, 80)) == ["passed"]
    assert hands.try_(Role.PROXY, ("tcp", str(DEFAULT_PLAN.address(Role.OXO)), 80)) == ["passed"]
    forged = [frame for frame in Capture.read(hands.site.capture()).frames if frame.port == "forged"]
    assert len(forged) == len({frame.data for frame in forged}) > 0


def test_no_frame_of_a_node_that_there_is_not_is_sent(site: DockerSite) -> None:
    with pytest.raises(Refusal, match="there is no port"):
        site.inject("lan-nobody", bytes(60))


def test_a_node_without_power_says_nothing_more_and_comes_back_without_connections(hands: Hands) -> None:
    says_nothing_without_power(hands)


def test_containers_that_a_node_has_changed_are_made_anew(containers: DockerFabric, evidence: Path) -> None:
    site = containers.build(DEFAULT_PLAN, folder(evidence, "first"))
    names = {role: container(site, role) for role in Role}
    hands = open_hands(site, "permissive")
    key = hands.connect(Role.OXO, PCG, 443)
    hands.talk(Role.OXO, key)
    hands.nodes[Role.OXO].ask("write", path="/run/oxobench/flash", text="old")
    hands.nodes[Role.OXO].ask("add_route", network="203.0.113.0/24", gateway="192.168.92.1")
    hands.policy(Policy.load("deny-all"))
    # What was under way when its ends were killed goes on in the kernel.
    hands.talk(Role.OXO, key)
    for role in (Role.OXO, Role.PCG):
        site.kill(role)
    site.close()
    again = containers.build(DEFAULT_PLAN, folder(evidence, "second"))
    fresh = DockerFabric()
    try:
        new = fresh.build(DEFAULT_PLAN, folder(evidence, "new"))
        same = {role: container(again, role) for role in Role} == names
        for role in Role:
            # Of the Ethernet addresses and interface numbers each site has its own.
            assert {what: len(lines) for what, lines in state(again, role).items()} == {
                what: len(lines) for what, lines in state(new, role).items()
            }
        new.close()
        assert not same, "a route that a node has added is not taken back: so the containers are made anew"
    finally:
        fresh.close()
        again.close()
    assert not Capture.read(evidence / "second" / "site.pcapng").frames


def test_the_same_containers_serve_again(containers: DockerFabric, evidence: Path) -> None:
    names, states = [], []
    for name in ("one", "two"):
        site = containers.build(DEFAULT_PLAN, folder(evidence, name))
        names.append([container(site, role) for role in Role])
        states.append([state(site, role) for role in Role])
        hands = open_hands(site, "permissive")
        key = hands.connect(Role.OXO, PCG, 443)
        hands.nodes[Role.OXO].ask("write", path="/run/oxobench/flash", text="old")
        hands.talk(Role.OXO, key)
        site.power_off(Role.OXO)
        site.close()
    assert names[0] == names[1]
    assert states[0] == states[1]


def test_sites_side_by_side_do_not_meet(containers: DockerFabric, evidence: Path) -> None:
    sites = [containers.build(DEFAULT_PLAN, folder(evidence, name)) for name in ("left", "right")]
    try:
        pairs = [open_hands(site, "permissive") for site in sites]
        for hands, port in zip(pairs, (80, 8443), strict=True):
            hands.connect(Role.OXO, PCG, port)
        seen = [{a.destination_port for a in Capture.read(site.capture()).attempts()} for site in sites]
        assert seen == [{80}, {8443}]
    finally:
        for site in sites:
            site.close()


def test_a_container_that_dies_is_said_and_the_others_go_on(containers: DockerFabric, evidence: Path) -> None:
    site = containers.build(DEFAULT_PLAN, folder(evidence, "dies"))
    hands = open_hands(site, "permissive")
    engine = docker.from_env()
    try:
        engine.containers.get(container(site, Role.PCG)).kill()
        with pytest.raises(NodeGone):
            hands.nodes[Role.PCG].ask("callers")
        with pytest.raises(FabricError, match=r"^A container of the site is no longer there: .*pcg.*\.$"):
            site.network(Role.PCG)
        assert hands.nodes[Role.OXO].ask("callers") == []
        engine.containers.get(container(site, Role.PCG).removesuffix("pcg") + OWNER).kill()
        with pytest.raises(FabricError, match=r"^A container of the site is no longer there: .*\.$"):
            site.settle(1)
    finally:
        engine.close()
        site.close()
    assert (evidence / "dies" / "site.pcapng").exists()
    containers.build(DEFAULT_PLAN, folder(evidence, "after")).close()


def test_free_containers_that_have_died_are_replaced(containers: DockerFabric, evidence: Path) -> None:
    site = containers.build(DEFAULT_PLAN, folder(evidence, "before"))
    name = container(site, Role.DNS)
    site.close()
    engine = Engine()
    try:
        engine.remove_container(name.removesuffix("dns") + OWNER)
    finally:
        engine.close()
    site = containers.build(DEFAULT_PLAN, folder(evidence, "replaced"))
    assert container(site, Role.DNS) != name
    site.close()


def test_a_program_that_is_not_there_says_so(site: DockerSite) -> None:
    node = site.start(Role.OXO, hand())
    node.wait_until_ready()
    site.stop(Role.OXO)
    assert site.settle(10)
    assert set(site.pids()) == {"capture"}


def test_the_evidence_is_its_owners(containers: DockerFabric, evidence: Path) -> None:
    """Root's process stands in for the engine of a user who is not root."""
    parent = folder(evidence, "of a user")
    own = folder(parent, "scenario")
    os.chown(own, 12345, 12345)
    site = containers.build(DEFAULT_PLAN, own)
    open_hands(site, "permissive").connect(Role.OXO, PCG, 443)
    site.close()
    owners = {path.name: path.stat().st_uid for path in own.iterdir()}
    assert {"site.pcapng", "oxo.log", "capture.log"} <= owners.keys()
    assert set(owners.values()) == {12345}


def test_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(FabricError, match=r"^No Docker engine can be used: .* `oxobench doctor` says what to do\.$"):
        DockerFabric()


def test_nothing_is_left_when_a_fabric_is_closed(evidence: Path) -> None:
    fabric = DockerFabric()
    site = fabric.build(DEFAULT_PLAN, folder(evidence, "closed"))
    control = site._keepers._folder
    fabric.close()
    site.close()
    engine = Engine()
    try:
        assert str(control) not in {labels[CONTROL_LABEL] for labels in engine.containers().values()}
    finally:
        engine.close()
    assert not control.exists()
