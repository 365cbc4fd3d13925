"""A machine room of these tests' own, and a site with a pair of hands at each node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from bench.passage import JumpingTime
from network.fabric import Site
from network.firewall import Policy, addresses_for_policies
from network.netns.fabric import NetnsFabric, NetnsSite
from network.plan import DEFAULT_PLAN, Role
from network.wire.attempts import Outcome
from network.wire.capture import Capture
from node.program import ProgramSpec
from node.remote import Remote
from tests.netns.hand import PATIENCE, hand, outcomes


@pytest.fixture(scope="session")
def rooms() -> Iterator[NetnsFabric]:
    fabric = NetnsFabric(("network.capture", "network.firewall", "tests.netns.hand"))
    yield fabric
    fabric.close()


@pytest.fixture
def site(rooms: NetnsFabric, tmp_path: Path) -> Iterator[NetnsSite]:
    """An empty site: no program runs."""
    site = rooms.build(DEFAULT_PLAN, tmp_path)
    yield site
    site.close()


@dataclass
class Hands:
    """A site whose firewall is the real one and whose other nodes are hands."""

    site: Site
    time: JumpingTime
    nodes: dict[Role, Remote]

    def policy(self, policy: Policy, cut: bool = False) -> None:
        self.time.rest()
        self.nodes[Role.FIREWALL].ask("policy", name=policy.name, rules=policy.rules, cut=cut)

    def try_(self, role: Role, *asked: tuple[str, str, int]) -> list[str]:
        """What comes of (protocol, host, port) for a node."""
        return outcomes(self.nodes[role], list(asked), self._until)

    def connect(self, role: Role, host: str, port: int) -> str:
        """A new connection: the key by which `talk` knows it."""
        assert self.try_(role, ("tcp", host, port)) == ["passed"]
        return f"tcp {host} {port}"

    def talk(self, role: Role, key: str) -> str:
        self.nodes[role].ask("talk", key=key)
        self._until(lambda: self.nodes[role].ask("outcome", key=key) != "pending")
        return str(self.nodes[role].ask("outcome", key=key))

    def _until(self, seen: Callable[[], bool]) -> bool:
        return self.time.until(seen, PATIENCE + 1)


def says_nothing_without_power(hands: Hands) -> None:
    """Shows it of the PBX: no end of its connection is seen until it is on again, and nothing of it is left then."""
    key = hands.connect(Role.OXO, "198.51.100.10", 443)
    hands.talk(Role.OXO, key)
    before = hands.site.network(Role.OXO)
    hands.site.power_off(Role.OXO)
    assert not hands.site.network(Role.OXO).routes
    hands.time.advance(100)
    again = hands.nodes[Role.OXO] = hands.site.start(Role.OXO, hand(tcp=[80]))
    again.wait_until_ready()
    assert hands.site.network(Role.OXO) == before
    hands.connect(Role.OXO, "198.51.100.10", 443)
    hands.time.rest()
    first, second = Capture.read(hands.site.capture()).attempts(segment="lan", to=ip_address("198.51.100.10"))
    assert (first.outcome, tuple(first.closes), second.outcome) == (Outcome.ANSWERED, (), Outcome.ANSWERED)


PORTS = [53, 80, 443, 8443]


def open_hands(site: Site, policy: str) -> Hands:
    """Starts hands at every node of a site but the firewall, which gets this policy."""
    first = Policy.load(policy)
    settings = {"addresses": addresses_for_policies(DEFAULT_PLAN), "name": first.name, "rules": first.rules}
    specs = {
        Role.OXO: hand(tcp=[80]),
        Role.PROXY: hand(tcp=[8080]),
        Role.DNS: hand(tcp=PORTS, udp=[53, 123]),
        Role.PCG: hand(tcp=PORTS, udp=[53, 123, 500, 4500]),
        Role.FIREWALL: ProgramSpec("network.firewall:Firewall", settings),
    }
    nodes = {role: site.start(role, spec) for role, spec in specs.items()}
    for node in nodes.values():
        node.wait_until_ready()
    return Hands(site, JumpingTime(site), nodes)


@pytest.fixture
def hands(site: NetnsSite) -> Hands:
    return open_hands(site, "permissive")
