"""A whole site for one scenario: built, brought up, handed to the steps, taken down."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.cloud import VPN_ACCOUNT, VPN_GATEWAY, ConnectionService, VpnGateway
from bench.dut import Dut, EmulatedModel, EmulatedOxo
from bench.passage import JumpingTime, NotSeen, Passage, RealTime
from bench.pki import CertificateKind, Pki, certificate_pem, signing_pem
from bench.rainbow import Rainbow
from bench.wire import Wire
from emulators.oxo.parameters import AgentParameters
from emulators.oxo.settings import DEFAULT_CONNECTION_SERVICE
from network.fabric import Fabric, Site
from network.firewall import Policy, addresses_for_policies
from network.plan import DEFAULT_PLAN, Role, SitePlan
from node.program import ProgramSpec
from node.remote import Remote

PRELOADED = (
    "bench.bench",
    "dns.rdtypes.IN.A",
    "emulators.cci.node",
    "emulators.cci.vpnnode",
    "emulators.oxo.node",
    "emulators.rainbow.node",
    "network.capture",
    "network.dns",
    "network.firewall",
    "proxies.node",
)
"""The modules that the parent of the sandboxes imports once, so that no node has to."""

PROXY_PORT = 3128
"""Another one than OMC's page has by default, so that a PBX that goes back to its default is noticed."""
PROXY_NAME = "proxy.customer.example"
DEFAULT_DOMAIN = "openrainbow.com"


@dataclass(frozen=True)
class BenchOptions:
    """What holds for every scenario of a run.

    `oxo` is the class of the emulated PBX as `module:Class`; `parameters` override its agent's defaults. With
    `real_time` no clock jumps and `progress` is told how much of a long wait is over. `mitmweb` has the web proxy serve
    mitmweb, with these settings.
    """

    oxo: str = "emulators.oxo.node:Oxo"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    real_time: bool = False
    progress: Callable[[float, float], None] = lambda gone, whole: None
    mitmweb: Mapping[str, str] | None = None


class Bench:
    """One site with everything on it but the PBX, which a scenario plugs in as it needs it."""

    def __init__(self, fabric: Fabric, evidence: Path, options: BenchOptions, pki: Pki) -> None:
        self.plan: SitePlan = DEFAULT_PLAN
        self.options = options
        self.evidence = evidence
        self.vpn_password = secrets.token_urlsafe(12)
        """What the VPN gateway and the requests for connections agree on."""
        self.pki = pki
        self._zone = {
            f"agent.{DEFAULT_DOMAIN}": str(self.plan.address(Role.PCG)),
            PROXY_NAME: str(self.plan.address(Role.PROXY)),
        }
        self._specs = self._first_specs()
        self.nodes: dict[Role, Remote] = {}
        self.site: Site = fabric.build(self.plan, evidence)
        try:
            self._start_nodes()
            self.time: Passage = RealTime(self.site, options.progress) if options.real_time else JumpingTime(self.site)
            self.wire = Wire(self.site, self.time)
            self.rainbow = Rainbow(self.nodes[Role.PCG])
        except BaseException:
            self.site.close()
            raise
        self._oxo: Dut | None = None
        self._cci: ConnectionService | None = None
        self._vpn: VpnGateway | None = None

    @property
    def cci(self) -> ConnectionService:
        """The CCI's connection service, which starts when it is first asked for."""
        if self._cci is None:
            self._specs[Role.CCI] = ProgramSpec(
                "emulators.cci.node:ConnectionService",
                {
                    "address": str(self.plan.address(Role.CCI)),
                    "domains": [DEFAULT_CONNECTION_SERVICE],
                    "certificate": self.pki.certificate(CertificateKind.RIGHT, DEFAULT_CONNECTION_SERVICE),
                },
            )
            node = self._start_node(Role.CCI)
            self.add_name(DEFAULT_CONNECTION_SERVICE, Role.CCI)
            self._cci = ConnectionService(node)
        return self._cci

    @property
    def vpn(self) -> VpnGateway:
        """The VPN gateway, which starts when it is first asked for."""
        if self._vpn is None:
            self._specs[Role.VPN] = ProgramSpec(
                "emulators.cci.vpnnode:VpnGateway",
                {
                    "folder": "/run/oxobench/vpn",
                    "certificate": self.pki.certificate(CertificateKind.RIGHT, VPN_GATEWAY),
                    "accounts": {VPN_ACCOUNT: self.vpn_password},
                },
            )
            node = self._start_node(Role.VPN)
            self.add_name(VPN_GATEWAY, Role.VPN)
            self._vpn = VpnGateway(node)
        return self._vpn

    @property
    def oxo(self) -> Dut:
        """The device under test. LookupError when none has been plugged in."""
        if self._oxo is None:
            raise LookupError("no PBX has been plugged into this site: the scenario needs a step that does")
        return self._oxo

    @property
    def attempt_timeout(self) -> float:
        """After how many seconds the PBX gives an attempt up that nothing answers: a parameter, not a fact."""
        return AgentParameters.read(self.options.parameters).attempt_timeout

    def plug_in_oxo(self, catalogue: Mapping[str, Any], vpn: Mapping[str, Any] | None = None) -> Dut:
        """Puts an emulated OXO Connect with these sets on the LAN, and waits until it has started.

        `vpn` overrides how it holds a VPN tunnel.
        """
        model = EmulatedModel(
            self.options.oxo,
            catalogue,
            self.options.parameters,
            # The CA of an inspecting proxy counts as trusted too: whether an inspecting proxy can be got to work
            # depends on that, and a site may have had it installed.
            certificate_pem(self.pki.ale) + certificate_pem(self.pki.proxy),
            vpn or {},
        )
        oxo = EmulatedOxo(self.site, model)
        oxo.ready()
        self._oxo = oxo
        return oxo

    def set_policy(self, policy: Policy, cut: bool = False) -> None:
        """Puts a firewall policy into force; with `cut`, established connections are cut."""
        self.nodes[Role.FIREWALL].ask("policy", name=policy.name, rules=policy.rules, cut=cut)
        # One that dies and is started again begins with the rules that were in force, as a firewall does.
        spec = self._specs[Role.FIREWALL]
        settings = {**spec.settings, "name": policy.name, "rules": policy.rules}
        self._specs[Role.FIREWALL] = replace(spec, settings=settings)

    def set_certificate(self, kind: CertificateKind, domain: str = DEFAULT_DOMAIN) -> None:
        """Changes the certificate that the PCG shows to whoever connects from now on."""
        self.nodes[Role.PCG].ask("certificate", pem=self.pki.certificate(kind, f"agent.{domain}"))

    def add_name(self, name: str, role: Role) -> None:
        """Gives a node one more name in DNS."""
        self._zone[name] = str(self.plan.address(role))
        self.nodes[Role.DNS].ask("set_zone", names=self._zone)

    def expect(self, seen: Callable[[], bool], awaited: str, instead: Callable[[], str], within: float = 0.0) -> None:
        """Lets up to `within` seconds of the device's time pass until `seen()` holds; raises NotSeen when it doesn't.

        `awaited` says what should be there, `instead()` what there is.
        """
        if not self.time.until(seen, within):
            after = f" within {within:g} s" if within else ""
            raise NotSeen(f"Awaited{after}: {awaited}. Instead: {instead()}. Evidence: {self.evidence}")

    def close(self) -> None:
        """Stops everything, completes the evidence and takes the site away."""
        self.site.close()

    def revive(self, role: Role) -> None:
        """Starts a node's program anew, as it was first started: what it was told since is forgotten. Not for the PBX.

        Raises NodeError when it cannot start, KeyError when it never ran.
        """
        self.site.kill(role)
        if role is Role.PROXY:
            self._keep_flows()
        node = self._start_node(role)
        if role is Role.PCG:
            self.rainbow = Rainbow(node)
        elif role is Role.CCI:
            self._cci = ConnectionService(node)
        elif role is Role.VPN:
            self._vpn = VpnGateway(node)
        elif role is Role.DNS:
            node.ask("set_zone", names=self._zone)

    def _keep_flows(self) -> None:
        """Puts the flow file of a proxy that died out of the way of the next one's: `proxy-1.flows` and so on."""
        flows = self.evidence / "proxy.flows"
        kept = len(list(self.evidence.glob("proxy-*.flows")))
        if flows.exists():
            flows.rename(self.evidence / f"proxy-{kept + 1}.flows")

    def _start_node(self, role: Role) -> Remote:
        node = self.site.start(role, self._specs[role])
        node.wait_until_ready()
        self.nodes[role] = node
        return node

    def _start_nodes(self) -> None:
        self.nodes = {role: self.site.start(role, spec) for role, spec in self._specs.items()}
        for node in self.nodes.values():
            node.wait_until_ready()

    def _first_specs(self) -> dict[Role, ProgramSpec]:
        policy = Policy.load("permissive")
        address = self.plan.address
        return {
            # The slowest to start comes first.
            Role.PROXY: ProgramSpec(
                "proxies.node:WebProxy",
                {
                    "listen": str(address(Role.PROXY)),
                    "port": PROXY_PORT,
                    "confdir": "/run/oxobench/proxy",
                    "flows": str(self.evidence / "proxy.flows"),
                    "ca_pem": signing_pem(self.pki.proxy),
                    "other_ca_pem": signing_pem(self.pki.stranger),
                    "upstream_ca_pem": certificate_pem(self.pki.ale),
                    "mode": {"mode": "tunnel"},
                    "links": {"agent.*": "rainbow", DEFAULT_CONNECTION_SERVICE: "cloud-connect"},
                    **({} if self.options.mitmweb is None else {"web": dict(self.options.mitmweb)}),
                },
            ),
            Role.PCG: ProgramSpec(
                "emulators.rainbow.node:Rainbow",
                {
                    "address": str(address(Role.PCG)),
                    "domains": [DEFAULT_DOMAIN],
                    "certificate": self.pki.certificate(CertificateKind.RIGHT, f"agent.{DEFAULT_DOMAIN}"),
                },
            ),
            Role.DNS: ProgramSpec(
                "network.dns:DnsNode",
                {
                    "listen": str(address(Role.DNS)),
                    "zone": self._zone,
                },
            ),
            Role.FIREWALL: ProgramSpec(
                "network.firewall:Firewall",
                {"addresses": addresses_for_policies(self.plan), "name": policy.name, "rules": policy.rules},
            ),
        }
