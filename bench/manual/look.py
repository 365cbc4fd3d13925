"""Looks at the site of the manual bench: one snapshot of everything that its page and `oxobench status` show."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.cloud import VPN_ACCOUNT
from bench.manual.installation import Installation
from bench.manual.snapshot import (
    AttemptNow,
    Choice,
    CloudNow,
    DeviceNow,
    DnsNow,
    FaultChoice,
    FaultNow,
    FirewallNow,
    LinkNow,
    LinkState,
    NodeNow,
    NodeState,
    OxoNow,
    ProxyNow,
    RainbowNow,
    Snapshot,
    TunnelNow,
)
from bench.pki import CertificateKind
from emulators.cci.account import AccountRecord, Acknowledgement, Outcome, RequestKind
from emulators.door.faults import FaultKind, value_of
from emulators.oxo.families import Families
from emulators.oxo.omc import CONNECTION_STATUS, Page
from emulators.oxo.settings import Field
from emulators.pbxagent.devices import Device
from emulators.rainbow.pbx import PbxRecord
from network.dns import Behaviour
from network.firewall import Policy, policy_names
from network.plan import Role
from node.remote import NodeError
from proxies.modes import ProxyMode

PROXY_TITLES = {
    ProxyMode.TUNNEL: "passes TLS through",
    ProxyMode.INSPECTING: "inspects TLS, with an authority that the PBX trusts",
    ProxyMode.INSPECTING_UNTRUSTED: "inspects TLS, with an authority that the PBX does not trust",
    ProxyMode.AUTHENTICATING: "asks for an account",
    ProxyMode.REFUSING: "refuses CONNECT",
    ProxyMode.NO_WEBSOCKET: "is not WebSocket-capable",
    ProxyMode.IDLE_CUT: "cuts idle tunnels",
    ProxyMode.SLOW: "answers CONNECT slowly",
    ProxyMode.SILENT: "never answers CONNECT",
    ProxyMode.UNREACHABLE: "does not listen",
}
DNS_TITLES = {
    Behaviour.ANSWER: "answers",
    Behaviour.NXDOMAIN: "says that names do not exist",
    Behaviour.SERVFAIL: "fails",
    Behaviour.SILENT: "is silent",
    Behaviour.WRONG_ADDRESS: "gives a wrong address",
    Behaviour.TRUNCATE: "answers over TCP only",
}
_RANKS = ("primary", "secondary 1", "secondary 2")


@dataclass
class _Seen:
    """What was seen last of something that may be out of sight now."""

    pbx: PbxRecord | None = None
    cloud: AccountRecord | None = None
    code: str = ""
    fault: FaultNow | None = None
    retrieved: str | None = None
    via: str = "direct"
    page: dict[str, str | bool] | None = None
    proxy_page: dict[str, str | bool] | None = None
    cloud_page: dict[str, str | bool] | None = None
    tunnel: TunnelNow | None = None
    closed: float = 0.0
    """When the last request was answered of those that had been when there was no tunnel, in site time."""


class Look:
    """Makes snapshots of an installation. A node that is dead is shown as it was seen last.

    `attempt` gives the last thing that failed on the way to Rainbow; `mitmweb` is where the proxy's mitmweb is.
    """

    def __init__(
        self,
        installation: Installation,
        fabric: str,
        attempt: Callable[[], AttemptNow | None] = lambda: None,
        mitmweb: str | None = None,
    ) -> None:
        self._installation = installation
        self._bench = installation.bench
        self._fabric = fabric
        self._attempt = attempt
        self._mitmweb = mitmweb
        self._last = _Seen()
        self._families = Families.read().supported
        self._policies = [Choice(name, _first_line(name)) for name in policy_names()]

    def now(self, busy: str | None = None) -> Snapshot:
        """How everything stands now. Raises FabricError when the site itself is gone."""
        nodes = [self._node(role) for role in Role]
        up = {Role(node.name) for node in nodes if node.alive}
        self._refresh(up)
        wish = self._installation
        return Snapshot(
            time=self._stamp(self._bench.time.now()),
            offset=self._bench.site.offset,
            fabric=self._fabric,
            busy=busy,
            nodes=nodes,
            firewall=FirewallNow(wish.policy.name, self._policies),
            proxy=self._proxy(),
            dns=DnsNow(wish.names, [Choice(one.value, title) for one, title in DNS_TITLES.items()]),
            link=self._link(Role.OXO in up),
            attempt=self._attempt(),
            rainbow=self._rainbow(),
            cloud=self._cloud(Role.CCI in up),
            oxo=OxoNow(
                enabled=(self._last.page or {}).get(Field.RAINBOW_ENABLED) is True,
                cloud_enabled=(self._last.cloud_page or {}).get(Field.CLOUD_CONNECT_ENABLED) is True,
                power=Role.OXO in up,
                pages=list(Page),
                families=self._families,
            ),
            mitmweb=self._mitmweb,
            capture=str(self._bench.evidence / "site.pcapng"),
            evidence=str(self._bench.evidence),
        )

    def _node(self, role: Role) -> NodeNow:
        address = str(self._bench.plan.address(role))
        if not self._installation.started(role):
            return NodeNow(role.value, address, NodeState.OFF, False, self._installation.no_tunnel or "Not started.")
        why = self._installation.trouble(role)
        if role is Role.OXO and self._installation.switched_off:
            return NodeNow(role.value, address, NodeState.OFF, False, why)
        return NodeNow(role.value, address, NodeState.DEAD if why else NodeState.UP, not why, why)

    def _refresh(self, up: set[Role]) -> None:
        """Asks the nodes that live; one that dies meanwhile is found dead by the next look."""
        asks: list[tuple[Role, Callable[[], None]]] = [
            (Role.PCG, self._ask_rainbow),
            (Role.PROXY, self._ask_proxy),
            (Role.OXO, self._ask_oxo),
            (Role.CCI, self._ask_cci),
            (Role.VPN, self._ask_vpn),
        ]
        for role, ask in asks:
            if role in up:
                try:
                    ask()
                except NodeError:
                    continue

    def _ask_rainbow(self) -> None:
        last, pbx_id = self._last, self._installation.pbx_id
        before, last.pbx = last.pbx, self._bench.rainbow.pbx(pbx_id, sessions=1)
        if before is None or last.pbx.retrievals != before.retrievals:
            last.retrieved = self._stamp(self._bench.time.now()) if last.pbx.retrievals else None
        last.code = self._bench.rainbow.activation_code(pbx_id)
        fault: dict[str, Any] | None = self._bench.nodes[Role.PCG].ask("fault")
        last.fault = None if fault is None else FaultNow(**fault)

    def _ask_proxy(self) -> None:
        live: list[dict[str, Any]] = self._bench.nodes[Role.PROXY].ask("live")
        through = any(one["status"] == 200 and str(one["target"]).startswith("agent.") for one in live)
        self._last.via = "proxy" if through else "direct"

    def _ask_oxo(self) -> None:
        oxo = self._bench.oxo
        self._last.page = oxo.omc_page(Page.RAINBOW)
        self._last.proxy_page = oxo.omc_page(Page.WEB_PROXY)
        self._last.cloud_page = oxo.omc_page(Page.CLOUD_CONNECT)

    def _ask_cci(self) -> None:
        self._last.cloud = self._bench.cci.pbx(self._installation.account)

    def _ask_vpn(self) -> None:
        up = [one for one in self._bench.vpn.tunnels() if one.account == VPN_ACCOUNT]
        if not up:
            # The cloud was asked before: who had been let in by then was in a tunnel that has ended.
            self._last.closed = max((at for one in self._requests() if (at := one.answered) is not None), default=0.0)
        self._last.tunnel = TunnelNow(up[0].address, self._users()) if up else None

    def _requests(self) -> list[Acknowledgement]:
        return [] if self._last.cloud is None else self._last.cloud.acknowledgements

    def _users(self) -> list[str]:
        """Who shares the tunnel: whoever was let in since the last close, or since there was none last."""
        users: list[str] = []
        for one in self._requests():
            if one.answered is None or one.answered <= self._last.closed:
                continue
            if one.kind is RequestKind.CLOSE and one.outcome is Outcome.CLOSED:
                users.clear()
            elif one.kind is RequestKind.OPEN and one.outcome is Outcome.OPENED:
                users.append(one.user)
        return users

    def _proxy(self) -> ProxyNow:
        page = self._last.proxy_page or {}
        modes = [Choice(mode.value, title) for mode, title in PROXY_TITLES.items()]
        return ProxyNow(
            self._installation.mode["mode"],
            modes,
            bool(page.get(Field.PROXY_HOST)),
            str(page.get(Field.PROXY_ACCOUNT, "")),
        )

    def _link(self, power: bool) -> LinkNow:
        page, pbx = self._last.page or {}, self._last.pbx
        shown = str(page.get(CONNECTION_STATUS, ""))
        if not power:
            return LinkNow(LinkState.DOWN, "", "", "")
        if pbx is not None and pbx.connected:
            return LinkNow(LinkState.CONNECTED, self._last.via, self._when(pbx.sessions[-1].began), shown)
        ended = pbx.sessions[-1].ended if pbx is not None and pbx.sessions else None
        since = "" if ended is None else self._when(ended)
        enabled = page.get(Field.RAINBOW_ENABLED) is True
        return LinkNow(LinkState.TRYING if enabled else LinkState.DISABLED, "", since, shown)

    def _rainbow(self) -> RainbowNow:
        pbx = self._last.pbx
        return RainbowNow(
            pbx_id=self._installation.pbx_id,
            portal_state="" if pbx is None else pbx.state.value,
            life_cycle="" if pbx is None else pbx.life_cycle.value,
            channels=[] if pbx is None else [name for name, up in pbx.channels.items() if up],
            activation_code=self._last.code,
            fault=self._last.fault,
            faults=[FaultChoice(kind.value, value_of(kind)) for kind in FaultKind],
            certificate=self._installation.certificate.value,
            certificates=[Choice(kind.value, kind.value) for kind in CertificateKind],
            devices=[] if pbx is None else [_device(one) for one in pbx.devices],
            retrievals=0 if pbx is None else pbx.retrievals,
            retrieved=self._last.retrieved,
        )

    def _cloud(self, running: bool) -> CloudNow:
        account = self._last.cloud
        return CloudNow(
            running=running,
            connected=account is not None and account.connected and running,
            account=self._installation.account,
            tunnel=self._last.tunnel,
            why=self._installation.no_tunnel,
        )

    def _when(self, site: float) -> str:
        """The device's time of a moment of the nodes' clock."""
        return self._stamp(site - time.monotonic() + time.time())

    def _stamp(self, wall: float) -> str:
        return datetime.datetime.fromtimestamp(wall).isoformat(timespec="seconds")


def _device(device: Device) -> DeviceNow:
    name = f"{device.first_name} {device.last_name}".strip()
    return DeviceNow(device.id, device.short_number, name, device.type, _RANKS[device.rank])


def _first_line(policy: str) -> str:
    """What a policy says of itself."""
    return Policy.load(policy).rules.partition("\n")[0].lstrip("# ")
