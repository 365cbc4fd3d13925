"""The verbs of the manual bench: what a person can do to the site, by command or on the page.

Each is short, blocks until it is done, and may be called from one thread at a time. Raises Refusal, or any other
ValueError, for what cannot be; NodeError and FabricError when the bench could not do its part; Unfit when the PBX did
not do what it was asked by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.cloud import VPN_GATEWAY
from bench.manual.copying import copy_capture
from bench.manual.durations import LONGEST_ADVANCE, in_words
from bench.manual.installation import Installation
from bench.pki import CertificateKind
from bench.rainbow import Rainbow
from emulators.door.faults import FaultKind
from emulators.oxo.mmc import Shown
from emulators.oxo.omc import Page
from emulators.oxo.phoneset import PhoneSet
from emulators.oxo.settings import DEFAULT_ADMINISTRATOR_PASSWORD, Field
from network.dns import Behaviour
from network.firewall import Policy
from network.plan import Role
from node.control import Refusal, command
from node.remote import NodeGone

MMC_TOGGLE = ("System", "Rainbow", "Choice")
"""The keys that switch Rainbow (Installation Manual p. 42, 3.5.2.2)."""

_WAYS = ("omc", "mmc")


class ManualBench:
    """The verbs. `busy` is told what goes on while time passes, and None when it is over; `look` is called now and
    then while it passes, and says whether no more of it may."""

    def __init__(
        self,
        installation: Installation,
        busy: Callable[[str | None], None] = lambda what: None,
        look: Callable[[], bool] = lambda: False,
    ) -> None:
        self.installation = installation
        self._busy = busy
        self._look = look

    @command
    def firewall(self, policy: str, cut: bool = False, rules: str | None = None) -> str:
        """Puts a policy into force, by its name or from a file, or with `rules` those; `cut` also cuts what is
        established."""
        chosen = Policy.load(policy) if rules is None else Policy(policy, rules)
        self.installation.set_policy(chosen, cut)
        return chosen.name

    @command
    def proxy(
        self,
        mode: str,
        account: str | None = None,
        password: str | None = None,
        idle: float | None = None,
        delay: float | None = None,
        cut: bool = False,
    ) -> None:
        """Gives the web proxy another mode, for new connections; `cut` also cuts the live ones."""
        given = {"account": account, "password": password, "idle": idle, "delay": delay}
        self.installation.set_mode(
            {"mode": mode, **{name: value for name, value in given.items() if value is not None}}
        )
        if cut:
            self.installation.bench.nodes[Role.PROXY].ask("cut_all")

    @command
    def proxy_restart(self) -> None:
        """Cuts everything in the web proxy and has it listen again."""
        self.installation.bench.nodes[Role.PROXY].ask("restart")

    @command
    def dns(self, mode: str) -> None:
        """Changes what the DNS server does with every query."""
        if mode not in [behaviour.value for behaviour in Behaviour]:
            raise Refusal(f"There is no DNS mode {mode!r}: choose one of {', '.join(one.value for one in Behaviour)}.")
        self.installation.set_names(mode)

    @command
    def oxo_enable(self, way: str = "omc") -> None:
        """Enables Rainbow by OMC or by MMC."""
        self._switch(way, True)

    @command
    def oxo_disable(self, way: str = "omc") -> None:
        """Disables Rainbow by OMC or by MMC."""
        self._switch(way, False)

    def _switch(self, way: str, wanted: bool) -> None:
        if way not in _WAYS:
            raise Refusal(f"Rainbow is switched by {' or '.join(_WAYS)}, not by {way!r}.")
        oxo = self.installation.bench.oxo
        if way == "omc":
            oxo.omc(Page.RAINBOW, {Field.RAINBOW_ENABLED: wanted})
        elif oxo.omc_page(Page.RAINBOW)[Field.RAINBOW_ENABLED] is wanted:
            # By MMC it can be toggled only.
            raise Refusal(f"Rainbow is {'enabled' if wanted else 'disabled'} already.")
        else:
            oxo.mmc(DEFAULT_ADMINISTRATOR_PASSWORD, MMC_TOGGLE)

    @command
    def oxo_page(self, page: str) -> dict[str, str | bool]:
        """What a page of OMC shows, by its full name or the last part of it."""
        return self.installation.bench.oxo.omc_page(_page(page))

    @command
    def oxo_omc(self, page: str, values: dict[str, Any], button: str = "OK") -> dict[str, str | bool]:
        """Edits fields of a page of OMC and leaves it by OK or Cancel; what the page shows then."""
        oxo = self.installation.bench.oxo
        oxo.omc(_page(page), values, button)
        return oxo.omc_page(_page(page))

    @command
    def mmc_open(self) -> Shown:
        """Begins an administrator session at a phone."""
        return self.installation.bench.oxo.mmc_open()

    @command
    def mmc_type(self, text: str) -> Shown:
        """Types text at the phone."""
        return self.installation.bench.oxo.mmc_type(text)

    @command
    def mmc_press(self, key: str) -> Shown:
        """Presses a key at the phone."""
        return self.installation.bench.oxo.mmc_press(key)

    @command
    def oxo_restart(self, kind: str = "warm") -> None:
        """Restarts the PBX: warm, cold, or by a power cut, after which the power comes back at once."""
        if kind == "cold":
            self.installation.bench.oxo.cold_reset()
        elif kind in ("warm", "power"):
            if kind == "power":
                self.installation.cut_power()
            self.installation.restart()
        else:
            raise Refusal(f"A PBX is restarted warm, cold or by power, not {kind!r}.")

    @command
    def oxo_power_off(self) -> None:
        """Takes the PBX's power away; a restart brings it back."""
        self.installation.cut_power()

    @command
    def oxo_sets(self) -> list[PhoneSet]:
        """The sets of the PBX that Rainbow should come to know."""
        return self.installation.bench.oxo.sets()

    @command
    def oxo_add_set(self, number: str, first_name: str, last_name: str, family: str) -> None:
        """Adds a primary set."""
        self.installation.bench.oxo.add_set(PhoneSet(f"{number}-primary", number, first_name, last_name, family))

    @command
    def oxo_remove_set(self, id: str) -> None:
        """Removes a set."""
        self.installation.bench.oxo.remove_set(id)

    @command
    def rainbow_devices(self) -> list[dict[str, Any]]:
        """The devices as Rainbow has them."""
        return [vars(device) for device in self._rainbow.pbx(self.installation.pbx_id).devices]

    @command
    def rainbow_retrieve(self) -> None:
        """Has Rainbow retrieve the devices again."""
        self._rainbow.retrieve(self.installation.pbx_id)

    @command
    def rainbow_reset(self) -> str:
        """Resets the PBX in Rainbow; its new activation code, which is to be entered in OMC."""
        self._rainbow.reset(self.installation.pbx_id)
        return self._rainbow.activation_code(self.installation.pbx_id)

    @command
    def rainbow_fault(self, kind: str | None = None, value: int | None = None) -> None:
        """Makes something wrong with the PCG, or without `kind` nothing."""
        if kind is None:
            self._rainbow.clear_fault()
        elif kind in set(FaultKind):
            self._rainbow.set_fault(FaultKind(kind), value)
        else:
            raise Refusal(f"The PCG has no fault {kind!r}: choose one of {', '.join(FaultKind)}.")

    @command
    def rainbow_certificate(self, kind: str) -> None:
        """Changes the certificate that the PCG shows to new connections."""
        kinds = [one.value for one in CertificateKind]
        if kind not in kinds:
            raise Refusal(f"There is no certificate {kind!r}: choose one of {', '.join(kinds)}.")
        self.installation.set_certificate(CertificateKind(kind))

    @command
    def rainbow_drop(self, code: int = 1001) -> None:
        """Closes the PBX's WebSocket with a close code."""
        self._rainbow.drop(self.installation.pbx_id, code)

    @command
    def cloud_open(self, user: str = "technician") -> int:
        """An application asks for a VPN connection; the request's number."""
        if self.installation.no_tunnel:
            raise Refusal(f"No VPN tunnel can be made here: {self.installation.no_tunnel}")
        bench = self.installation.bench
        return bench.cci.open(self.installation.account, user, VPN_GATEWAY, bench.vpn_password)

    @command
    def cloud_close(self) -> int:
        """An application asks for the VPN to be closed; the request's number."""
        return self.installation.bench.cci.close(self.installation.account)

    @command
    def time_advance(self, seconds: float) -> str:
        """Lets that much of the device's time pass, with everything that falls due in it; its time then."""
        if not 0 <= seconds <= LONGEST_ADVANCE:
            raise Refusal(f"Time can be let pass by 0 to {LONGEST_ADVANCE:g} seconds at once, not {seconds:g}.")
        passage = self.installation.bench.time
        self._busy(f"letting {in_words(seconds)} pass")
        try:
            if passage.until(self._look, seconds):
                raise Refusal("Time was let pass no further, since the bench is about to end.")
        except NodeGone as gone:
            raise Refusal(f"Time cannot be let pass while a node is dead ({gone}): start it again first.") from gone
        finally:
            self._busy(None)
        return in_words(seconds)

    @command
    def heal(self) -> list[str]:
        """Starts the nodes again that have died; what was done."""
        return self.installation.heal()

    @command
    def capture_save(self, path: str | None = None) -> str:
        """Brings the capture up to date, and copies it if a path is given; where it is."""
        capture = self.installation.bench.site.capture()
        if path is None:
            return str(capture)
        return str(copy_capture(capture, Path(path)))

    @command
    def shell(self, node: str) -> list[str]:
        """The command that opens a shell in a node."""
        if node not in [role.value for role in Role]:
            raise Refusal(f"There is no node {node!r}: choose one of {', '.join(role.value for role in Role)}.")
        return self.installation.bench.site.shell(Role(node))

    @property
    def _rainbow(self) -> Rainbow:
        return self.installation.bench.rainbow


def _page(name: str) -> Page:
    """A page by its full name, or the last part of it in any case. Raises Refusal."""
    for page in Page:
        if name == page or name.lower() == page.rpartition(" > ")[2].lower():
            return page
    raise Refusal(f"OMC has no page {name!r}: choose one of {', '.join(Page)}.")
