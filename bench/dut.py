"""The one seam for the device under test: what a tester's hands can do to an OXO Connect, emulated or real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from emulators.oxo.mmc import Shown
from emulators.oxo.omc import Page
from emulators.oxo.phoneset import PhoneSet
from network.fabric import Site
from network.plan import Role
from node.control import Refusal
from node.program import ProgramSpec
from node.remote import NodeCannotStart, NodeError, NodeGone, Remote


class Unfit(AssertionError):
    """The PBX did not do what was asked of it by hand. A fault of the device, unless the step expects it.

    Unfit
    ├── Declined    OMC, MMC or the PBX's installer's tool refused; the text is its own, one sentence
    └── NotStarted  it did not come up again after a restart
    """


class Declined(Unfit):
    """OMC, MMC or the PBX's installer's tool refused; the text is its own, one sentence."""


class NotStarted(Unfit):
    """The PBX did not come up again after a restart."""


class Dut(Protocol):
    """An OXO Connect as its installer and its administrator handle it. Nothing here tells how its link is doing:
    scenarios judge that by what others saw. Raises Unfit when the PBX does not do what it is asked."""

    def omc(self, page: Page, values: Mapping[str, str | bool], button: str = "OK") -> None:
        """Opens a page of OMC, edits fields by their names, and leaves it by OK or Cancel. Declined for a bad value."""

    def omc_page(self, page: Page) -> dict[str, str | bool]:
        """What a page of OMC shows, secrets as stars."""

    def mmc(self, password: str, keys: Sequence[str]) -> list[str]:
        """Opens an administrator session on a set, presses keys, returns the display after the last one."""

    def mmc_open(self) -> Shown:
        """Begins an administrator session on a set that lasts; the set asks for the password."""

    def mmc_type(self, text: str) -> Shown:
        """Types text in that session. Declined where the set takes none."""

    def mmc_press(self, key: str) -> Shown:
        """Presses a key in that session. Declined when the set has no such key now."""

    def restart(self) -> None:
        """A warm restart, as from OMC: the PBX ends what it does in order. One without power starts."""

    def cold_reset(self) -> None:
        """A cold restart: the configuration returns to its defaults, but not what a cold restart keeps."""

    def cut_power(self) -> None:
        """Takes the power away at once; `restart` brings it back."""

    def vpn_log(self) -> str:
        """What stands in the VPN agent's own log."""

    def lose_power_at_next_write(self, after: int) -> None:
        """Has the power fail in the middle of the next write to the PBX's flash, after that many bytes."""

    def omc_losing_power(self, page: Page, values: Mapping[str, str | bool]) -> None:
        """As `omc`, where the power fails while OK is carried out."""

    def has_power(self) -> bool:
        """Whether the PBX is running."""

    def sets(self) -> list[PhoneSet]:
        """The sets of the PBX that Rainbow should come to know, as the installer entered them."""

    def add_set(self, phone_set: PhoneSet) -> None:
        """Adds a set."""

    def rename_set(self, id: str, first_name: str, last_name: str) -> None:
        """Gives the user of a set another name."""

    def remove_set(self, id: str) -> None:
        """Removes a set."""


@dataclass(frozen=True)
class EmulatedModel:
    """Which PBX is emulated.

    `program` is its class as `module:Class`, so that a deliberately wrong one can take the right one's place;
    `catalogue` says how its sets come about; `parameters` override the agent's defaults; `trusted_pem` are the
    certificates of the authorities that it trusts; `vpn` overrides how it holds a VPN tunnel.
    """

    program: str
    catalogue: Mapping[str, Any]
    parameters: Mapping[str, Any]
    trusted_pem: str
    vpn: Mapping[str, Any] = field(default_factory=dict)


class EmulatedOxo:
    """The emulated OXO Connect in its node. See Dut."""

    def __init__(self, site: Site, model: EmulatedModel) -> None:
        self._site = site
        self._vpn_log = site.evidence / "vpn-agent.log"
        self._spec = ProgramSpec(
            model.program,
            {
                # The sandbox's private /run: it outlives the PBX's process and goes with the sandbox.
                "folder": "/run/oxobench/oxo",
                "catalogue": dict(model.catalogue),
                "parameters": dict(model.parameters),
                "ca": model.trusted_pem,
                "links": [link.segment for link in site.plan.node(Role.OXO).links],
                "vpn": {"folder": "/run/oxobench/oxo-vpn", "log": str(self._vpn_log), **model.vpn},
            },
        )
        self._node = self._start()

    def _start(self) -> Remote:
        return self._site.start(Role.OXO, self._spec)

    def ready(self) -> None:
        """Waits until the PBX has started."""
        self._node.wait_until_ready()

    def omc(self, page: Page, values: Mapping[str, str | bool], button: str = "OK") -> None:
        """See Dut."""
        self._ask("omc_edit", page=page.value, values=dict(values), button=button)

    def omc_page(self, page: Page) -> dict[str, str | bool]:
        """See Dut."""
        shown: dict[str, str | bool] = self._ask("omc_page", page=page.value)
        return shown

    def mmc(self, password: str, keys: Sequence[str]) -> list[str]:
        """See Dut."""
        displays: list[list[str]] = self._ask("mmc", password=password, keys=list(keys))
        return displays[-1]

    def mmc_open(self) -> Shown:
        """See Dut."""
        return Shown(**self._ask("mmc_open"))

    def mmc_type(self, text: str) -> Shown:
        """See Dut."""
        return Shown(**self._ask("mmc_type", text=text))

    def mmc_press(self, key: str) -> Shown:
        """See Dut."""
        return Shown(**self._ask("mmc_press", key=key))

    def restart(self) -> None:
        """See Dut."""
        self._site.stop(Role.OXO)
        self._node = self._start()
        try:
            self.ready()
        except NodeCannotStart as error:
            raise NotStarted(str(error)) from error

    def cold_reset(self) -> None:
        """See Dut."""
        self._node.ask("cold_reset")
        self.restart()

    def cut_power(self) -> None:
        """See Dut."""
        self._site.power_off(Role.OXO)

    def vpn_log(self) -> str:
        """See Dut."""
        return self._vpn_log.read_text(encoding="utf-8") if self._vpn_log.exists() else ""

    def lose_power_at_next_write(self, after: int) -> None:
        """See Dut."""
        self._node.ask("arm_power_cut", bytes=after)

    def omc_losing_power(self, page: Page, values: Mapping[str, str | bool]) -> None:
        """See Dut."""
        try:
            self.omc(page, values)
        except NodeGone:
            # It is dead and silent already; from now on the site does not count with it.
            self._site.power_off(Role.OXO)
            return
        raise NodeError("the power of the PBX did not fail, though it was told to")

    def has_power(self) -> bool:
        """See Dut."""
        try:
            self._node.ask("clock_next")
        except NodeGone:
            return False
        return True

    def sets(self) -> list[PhoneSet]:
        """See Dut."""
        return [PhoneSet(**item) for item in self._ask("sets")]

    def add_set(self, phone_set: PhoneSet) -> None:
        """See Dut."""
        self._ask("add_set", **vars(phone_set))

    def rename_set(self, id: str, first_name: str, last_name: str) -> None:
        """See Dut."""
        self._ask("rename_set", id=id, first_name=first_name, last_name=last_name)

    def remove_set(self, id: str) -> None:
        """See Dut."""
        self._ask("remove_set", id=id)

    def _ask(self, method: str, **params: Any) -> Any:
        """Does something by hand at the PBX."""
        try:
            return self._node.ask(method, **params)
        except Refusal as refusal:
            raise Declined(str(refusal)) from refusal
