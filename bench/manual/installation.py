"""The site of the manual bench as an installer leaves it: a PBX that Rainbow and Cloud Connect know, switched on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import tunnels
from bench.bench import DEFAULT_DOMAIN, PROXY_NAME, PROXY_PORT, Bench, BenchOptions
from bench.fabrics import AUTO
from bench.manual.upstart import NO_PROXY, Wish
from bench.pki import CertificateKind, Pki
from emulators.oxo.omc import Page
from emulators.oxo.settings import DEFAULT_CONNECTION_SERVICE, Field
from network.fabric import Fabric, NodeLost
from network.firewall import Policy
from network.plan import Role
from node.remote import NodeError, NodeSilent

ALIVE_WITHIN = 2.0
"""Seconds in which a node that runs says so."""


class Installation:
    """One site with everything on it, and what has been set on it since: what is needed to start a dead node again."""

    def __init__(self, fabric: Fabric, evidence: Path, options: BenchOptions, wish: Wish, made_of: str = AUTO) -> None:
        """`made_of` is the fabric's name. Raises FabricError, NodeError, PolicyRefused: then nothing is left."""
        self.bench = Bench(fabric, evidence, options, Pki())
        try:
            self.policy = Policy.load(wish.policy)
            self.mode: dict[str, Any] = dict(wish.mode)
            self.names = "answer"
            self.certificate = CertificateKind.RIGHT
            self.account = ""
            self.switched_off = False
            """Whether the PBX's power was cut on purpose."""
            self.no_tunnel = tunnels.why_none(made_of)
            """Why there can be no VPN tunnel here; empty if there can."""
            self._wish = wish
            self._bring_up()
        except BaseException:
            self.bench.close()
            raise

    def _bring_up(self) -> None:
        bench = self.bench
        bench.set_policy(self.policy)
        self._ask(Role.PROXY, "set_mode", **self.mode)
        bench.plug_in_oxo({"users": self._wish.users})
        created = bench.rainbow.create()
        self.pbx_id = created.pbx_id
        self._configure(created.activation_code)
        if not self.no_tunnel:
            _ = bench.vpn

    def _configure(self, activation_code: str) -> None:
        """Fills in the pages of OMC of a PBX that is as it came from the factory."""
        oxo, wish = self.bench.oxo, self._wish
        oxo.omc(Page.DNS, {Field.DNS_PRIMARY: str(self.bench.plan.dns_server)})
        if wish.proxy != NO_PROXY:
            proxy: dict[str, str | bool] = {
                Field.PROXY_HOST: PROXY_NAME,
                Field.PROXY_PORT: str(PROXY_PORT),
                Field.PROXY_ACCOUNT: wish.mode.get("account", ""),
                Field.PROXY_PASSWORD: wish.mode.get("password", ""),
            }
            oxo.omc(Page.WEB_PROXY, proxy)
        rainbow: dict[str, str | bool] = {
            Field.DOMAIN: DEFAULT_DOMAIN,
            Field.PBX_ID: self.pbx_id,
            Field.ACTIVATION_CODE: activation_code,
            Field.RAINBOW_ENABLED: True,
        }
        oxo.omc(Page.RAINBOW, rainbow)
        self._register()

    def _register(self) -> None:
        """Has Cloud Connect know the PBX, and enters that in OMC."""
        registration = self.bench.cci.create()
        self.account = registration.account
        cloud: dict[str, str | bool] = {
            Field.CONNECTION_SERVICE: DEFAULT_CONNECTION_SERVICE,
            Field.ACTIVATION_ACCOUNT: registration.account,
            Field.ACTIVATION_PASSWORD: registration.one_time_password,
            Field.CLOUD_CONNECT_ENABLED: True,
        }
        self.bench.oxo.omc(Page.CLOUD_CONNECT, cloud)

    def set_policy(self, policy: Policy, cut: bool) -> None:
        """Puts a firewall policy into force. Raises Refusal."""
        self.bench.set_policy(policy, cut)
        self.policy = policy

    def set_mode(self, mode: dict[str, Any]) -> None:
        """Gives the web proxy another mode. Raises Refusal."""
        self._ask(Role.PROXY, "set_mode", **mode)
        self.mode = mode

    def set_names(self, behaviour: str) -> None:
        """Changes what the DNS server does. Raises Refusal."""
        self._ask(Role.DNS, "set_behaviour", behaviour=behaviour)
        self.names = behaviour

    def set_certificate(self, kind: CertificateKind) -> None:
        """Changes the certificate that the PCG shows."""
        self.bench.set_certificate(kind)
        self.certificate = kind

    def cut_power(self) -> None:
        """Takes the PBX's power away, until it is restarted."""
        self.bench.oxo.cut_power()
        self.switched_off = True

    def restart(self) -> None:
        """Restarts the PBX, or switches it on."""
        self.bench.oxo.restart()
        self.switched_off = False

    def trouble(self, role: Role) -> str:
        """Why a node that was started does not run, in one sentence; empty if it does."""
        try:
            if role is not Role.OXO:
                self._ask(role, "clock_next", within=ALIVE_WITHIN)
            elif not self.bench.oxo.has_power():
                return "The PBX has no power." if self.switched_off else "oxo ended; oxo.log may say why."
        except NodeSilent:
            return f"{role.value} does not answer any more."
        except NodeError:
            return f"{role.value} ended; {role.value}.log may say why."
        return ""

    def started(self, role: Role) -> bool:
        """Whether a node's program was ever started."""
        return role is Role.OXO or role in self.bench.nodes

    def heal(self) -> list[str]:
        """Starts the nodes again that have died; what was done, a sentence each.

        A cloud service that died has forgotten its PBXs, as no real one would: the PBX is made known to it anew, and
        the new code is entered in OMC. A PBX whose flash is lost is configured anew.
        """
        revivals: dict[Role, Callable[[], None]] = {
            Role.OXO: lambda: None,
            Role.FIREWALL: lambda: self.set_policy(self.policy, cut=False),
            Role.DNS: lambda: self.set_names(self.names),
            Role.PROXY: lambda: self.set_mode(self.mode),
            Role.PCG: self._reactivate,
            Role.CCI: self._register,
            Role.VPN: lambda: None,
        }
        done = []
        flash_lost = False
        for role, restore in revivals.items():
            if self.started(role) and self.trouble(role) and not (role is Role.OXO and self.switched_off):
                if self.switched_off and role in (Role.PCG, Role.CCI):
                    done.append(
                        f"{role.value} waits for the PBX, which must enter a new code: switch the PBX on first."
                    )
                    continue
                try:
                    anew = self.bench.site.repair(role)
                except NodeLost as lost:
                    done.append(str(lost))
                    continue
                self._revive(role)
                restore()
                done.append(f"{role.value} was started again.")
                flash_lost = flash_lost or (anew and role is Role.OXO)
        if flash_lost:
            self.bench.rainbow.reset(self.pbx_id)
            self._configure(self.bench.rainbow.activation_code(self.pbx_id))
        return done

    def _revive(self, role: Role) -> None:
        if role is Role.OXO:
            self.bench.oxo.restart()
        else:
            self.bench.revive(role)

    def enter_code(self, code: str) -> None:
        """Enters an activation code in OMC, as an installer does after a reset in Rainbow."""
        self.bench.oxo.omc(Page.RAINBOW, {Field.ACTIVATION_CODE: code})

    def _reactivate(self) -> None:
        self.set_certificate(self.certificate)
        created = self.bench.rainbow.create(self.pbx_id)
        self.enter_code(created.activation_code)

    def _ask(self, role: Role, method: str, within: float = 10.0, **params: Any) -> Any:
        return self.bench.nodes[role].ask(method, within=within, **params)

    def close(self) -> None:
        """Takes the site away in order and completes the evidence."""
        self.bench.close()
