"""A site with a PBX's VPN agent behind a NAT and a VPN gateway on the Internet: real charons, real packets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
import trustme

from network.firewall import addresses_for_policies
from network.netns.fabric import NetnsFabric, NetnsSite
from network.plan import Link, Node, Role, Segment, SitePlan
from node.program import ProgramSpec
from node.remote import Remote

GATEWAY_ROLE = Role.PCG
"""A site has no role for a VPN gateway that these tests could count on; this one stands at the same place."""
NAME, ACCOUNT, PASSWORD = "vpn.example", "oxo", "secret"
INNER = "10.168.92.1"
CLEAN = {"interfaces": ["lo", "lan"], "addresses": ["127.0.0.1", "192.168.92.246", "::1"], "routes": [], "rules": []}
ALL = "udp dport { 500, 4500 } accept"


def _plan() -> SitePlan:
    gateway = IPv4Address("192.168.92.1")
    return SitePlan(
        segments=(
            Segment("lan", IPv4Network("192.168.92.0/24")),
            Segment("wan", IPv4Network("198.51.100.0/24")),
        ),
        nodes=(
            Node(Role.OXO, (Link("lan", IPv4Address("192.168.92.246")),), gateway),
            Node(Role.FIREWALL, (Link("lan", gateway), Link("wan", IPv4Address("198.51.100.1")))),
            Node(GATEWAY_ROLE, (Link("wan", IPv4Address("198.51.100.30")),)),
        ),
        dns_server=IPv4Address("198.51.100.53"),
    )


@dataclass
class Pki:
    """Certification authorities, and certificates as PEM with their keys."""

    ca: trustme.CA = field(default_factory=trustme.CA)

    @property
    def trusted(self) -> str:
        return self.ca.cert_pem.bytes().decode()

    def issue(self, name: str, ca: trustme.CA | None = None) -> str:
        leaf = (ca or self.ca).issue_cert(name)
        return leaf.private_key_and_cert_chain_pem.bytes().decode()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses such a site needs a tunnel, and is left out where none can be had."""
    for item in items:
        if "vpn_site" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.vpn)


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="session")
def vpn_rooms() -> Iterator[NetnsFabric]:
    modules = ("network.capture", "network.firewall", "tests.vpn.vpn_pbx", "tests.vpn.vpn_gate")
    fabric = NetnsFabric(modules)
    yield fabric
    fabric.close()


@dataclass
class VpnSite:
    """The site; requests to the PBX are begun and finished, as it can be told to end another meanwhile."""

    site: NetnsSite
    settings: dict[str, Any]
    firewall: Remote
    pbx: Remote
    gateway: Remote
    _packets_seen: int = 0

    def begin_open(self, **request: Any) -> Callable[[], dict[str, Any]]:
        number = self.pbx.ask("begin_open", **request)
        return partial(self.pbx.ask, "outcome", number=number)

    def open(self, **request: Any) -> dict[str, Any]:
        return self.begin_open(**request)()

    def begin_close(self) -> Callable[[], dict[str, Any]]:
        number = self.pbx.ask("begin_close")
        return partial(self.pbx.ask, "outcome", number=number)

    def close(self) -> dict[str, Any]:
        return self.begin_close()()

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.pbx.ask("state")
        return state

    def pass_time(self, seconds: float) -> None:
        """Lets time pass for all nodes, timer by timer, as the bench does; charon's doings are waited for elsewhere."""
        end = time.monotonic() + self.site.offset + seconds
        while True:
            self.site.settle(20)
            due = self.site.next_timer()
            last = end - time.monotonic()
            self.site.jump(min(last, last if due is None else due))
            if due is None or due >= last:
                self.site.settle(20)
                return

    def until(self, seen: Callable[[], bool], what: str) -> None:
        """Waits for something that charon does in real time."""
        deadline = time.monotonic() + 10
        while not seen():
            assert time.monotonic() < deadline, f"{what} did not happen within 10 s"
            self.site.wait_for_frame(0.02)

    def talk_to_page(self) -> int:
        """A new connection to the management page over which a request has been answered."""
        number: int = self.gateway.ask("open_page", address=self.state()["address"])
        self.until(lambda: self.page(number)["state"] == "open", "a connection to the page")
        self.gateway.ask("ask_page", number=number)
        self.until(lambda: self.page(number)["received"] > 0, "an answer of the page")
        return number

    def page(self, number: int) -> dict[str, Any]:
        connection: dict[str, Any] = self.gateway.ask("connection", number=number)
        return connection

    def power_cut(self) -> None:
        """The PBX's power goes, and comes back."""
        self.site.kill(Role.OXO)
        self.pbx = self.site.start(Role.OXO, ProgramSpec("tests.vpn.vpn_pbx:PbxHand", self.settings))
        self.pbx.wait_until_ready()

    def policy(self, rules: str) -> None:
        self.firewall.ask("policy", name="vpn", rules=rules, cut=True)

    def await_packet_of_charon(self) -> None:
        """Waits until the PBX's charon has sent its first packet, as its log in the evidence shows."""
        log = self.site.evidence / "oxo.log"
        before = self._packets_seen
        self.until(lambda: log.read_text().count("sending packet") > before, "a packet of the PBX's charon")

    def note_packets(self) -> None:
        self._packets_seen = (self.site.evidence / "oxo.log").read_text().count("sending packet")

    def begin_open_and_wait(self, **request: Any) -> Callable[[], dict[str, Any]]:
        """Begins a request, and waits until the PBX has sent something to the gateway."""
        self.note_packets()
        finish = self.begin_open(**request)
        self.await_packet_of_charon()
        return finish

    def assert_nothing_left(self, charons: int = 1) -> None:
        """There is no tunnel, nor anything of one: state, process, interface, address, route, lease."""
        state = self.state()
        assert (state["state"], state["address"], state["users"], state["charon"]) == ("down", None, [], None)
        assert self.pbx.ask("network") == CLEAN
        assert self.pbx.ask("charons") == charons
        # The gateway learns of it by a packet that is still on its way to it.
        self.until(lambda: self.gateway.ask("tunnels") == [], "the end of the tunnel at the gateway")
        self.until(lambda: not any(lease["online"] for lease in self.gateway.ask("leases")), "the end of its lease")
        self.until(lambda: self.gateway.ask("network")["routes"] == [], "the end of its route at the gateway")


@pytest.fixture
def vpn_site(vpn_rooms: NetnsFabric, pki: Pki, tmp_path: Path) -> Iterator[Callable[..., VpnSite]]:
    """Makes a site; arguments are the VPN agent's rules."""
    sites: list[NetnsSite] = []

    def build(
        rules: Mapping[str, Any] | None = None, policy: str = ALL, tun: str = "/dev/net/tun", **gateway: Any
    ) -> VpnSite:
        plan = _plan()
        site = vpn_rooms.build(plan, tmp_path)
        sites.append(site)
        settings = {
            "folder": "/run/oxobench/oxo",
            "log": str(tmp_path / "vpn-agent.txt"),
            "ca": pki.trusted,
            "names": {NAME: "198.51.100.30", "nowhere.example": "198.51.100.77"},
            "rules": rules or {},
            "tun": tun,
        }
        vpn = {
            "folder": "/run/oxobench/vpn",
            "certificate": pki.issue(NAME),
            "accounts": {ACCOUNT: PASSWORD},
            **gateway,
        }
        walls = {"addresses": addresses_for_policies(plan), "name": "vpn", "rules": policy}
        firewall = site.start(Role.FIREWALL, ProgramSpec("network.firewall:Firewall", walls))
        pbx = site.start(Role.OXO, ProgramSpec("tests.vpn.vpn_pbx:PbxHand", settings))
        gate = site.start(GATEWAY_ROLE, ProgramSpec("tests.vpn.vpn_gate:GateHand", vpn))
        for node in (firewall, pbx, gate):
            node.wait_until_ready()
        return VpnSite(site, settings, firewall, pbx, gate)

    yield build
    for site in sites:
        site.close()
