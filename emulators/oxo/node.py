"""The PBX's node program: the emulated OXO Connect, and the hands at its OMC, its phone and its power plug."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from emulators.oxo.blackout import go_dark
from emulators.oxo.catalogue import Catalogue
from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.cloudconnect import ConnectionAgent, VpnAgent, WithoutVpn
from emulators.oxo.delivery import CatalogueSpec, settings_from
from emulators.oxo.flash import Flash, Power
from emulators.oxo.history import History, HistoryEvent
from emulators.oxo.mmc import Key, MmcRefused, MmcSession, Shown
from emulators.oxo.omc import CONNECTION_STATUS, HISTORY, OmcSession, Page, Readings, Value
from emulators.oxo.parameters import AgentParameters, ConnectionParameters
from emulators.oxo.phoneset import PhoneSet, Rank
from emulators.oxo.resolver import Resolver
from emulators.oxo.settings import Settings
from emulators.oxo.store import SettingsStore
from emulators.oxo.vpnagent import VpnAgent as TunnelVpnAgent
from emulators.oxo.vpnrules import VpnSpec
from node.control import command

log = logging.getLogger(__name__)

OK = "OK"
CANCEL = "Cancel"


@dataclass(frozen=True)
class Display:
    """What the PBX shows of its link to Rainbow."""

    status: str
    channels: list[str]


class Oxo:
    """One PBX, whose flash is a folder. The first start fills an empty flash; after that the flash alone counts.

    A warm restart, or power coming back, is a new process on the same folder. A cold one is `cold_reset` before that.
    The classes of its parts are attributes, so that a test can make a PBX one of whose parts does one thing wrong.
    """

    Agent: ClassVar[type[CCCtrlA]] = CCCtrlA
    CloudConnect: ClassVar[type[ConnectionAgent]] = ConnectionAgent
    Vpn: ClassVar[type[TunnelVpnAgent]] = TunnelVpnAgent
    Memory: ClassVar[type[Flash]] = Flash
    Storage: ClassVar[type[SettingsStore]] = SettingsStore
    Omc: ClassVar[type[OmcSession]] = OmcSession
    Mmc: ClassVar[type[MmcSession]] = MmcSession

    def __init__(
        self,
        folder: str,
        ca: str,
        settings: Mapping[str, Any] | None = None,
        catalogue: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        cloud_connect_parameters: Mapping[str, Any] | None = None,
        vpn: Mapping[str, Any] | None = None,
        cold_keeps_rainbow: bool = True,
        links: Sequence[str] = (),
    ) -> None:
        """Raises ValueError for settings, a catalogue or parameters that cannot be.

        `ca` is the trusted certification authorities in PEM. `settings` and `catalogue` are for the first start:
        sections of Settings, fields of CatalogueSpec. `parameters` are those of AgentParameters,
        `cloud_connect_parameters` those of ConnectionParameters, `vpn` those of VpnSpec; without it the PBX can make no
        VPN tunnel. Whether a cold reset keeps Rainbow's settings is not public [?].
        `links` are the PBX's own network interfaces, which go down with its power.
        """
        self._links = tuple(links)
        self._power = Power(self._go_dark)
        self._flash = self.Memory(Path(folder), self._power)
        self._ca = ca
        self._first_settings = settings_from(settings or {})
        self._catalogue_spec = CatalogueSpec.read(catalogue or {})
        self._parameters = AgentParameters.read(parameters or {})
        self._connection_parameters = ConnectionParameters.read(cloud_connect_parameters or {})
        self._vpn = None if vpn is None else VpnSpec.read(vpn)
        self._cold_keeps_rainbow = cold_keeps_rainbow
        self._store = self.Storage(self._flash)
        self._catalogue = self._load_catalogue()
        self._history = History(self._flash)
        self._agents: tuple[CCCtrlA, ConnectionAgent] | None = None
        self._lives: set[asyncio.Task[None]] = set()
        self._at_phone: MmcSession | None = None

    async def start(self) -> None:
        """Powers up. Raises ValueError when the flash is damaged."""
        logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="oxo: %(message)s")
        logging.getLogger("emulators").setLevel(logging.INFO)
        self._store.load()
        self._history.events()
        self._agents = (
            self.Agent(self._store, self._catalogue, self._ca, self._parameters),
            self.CloudConnect(self._store, self._history, self._make_vpn, self._ca, self._connection_parameters),
        )
        self._lives = {asyncio.create_task(agent.run()) for agent in self._agents}
        for life in self._lives:
            life.add_done_callback(_report)

    async def stop(self) -> None:
        """Powers down in order: the links and the VPN tunnel are closed first."""
        for life in self._lives:
            life.cancel()
        if self._lives:
            await asyncio.wait(self._lives)

    @command
    def display(self) -> Display:
        """What the PBX shows of its link to Rainbow."""
        agent, _ = self._running()
        return Display(agent.status, sorted(agent.channels))

    @command
    def cloud_connect_status(self) -> str:
        """What the PBX shows of its link to the connection service."""
        _, connection = self._running()
        return connection.status

    @command
    def history(self) -> list[HistoryEvent]:
        """The PBX's history, the latest event last."""
        return self._history.events()

    @command
    def omc_page(self, page: str) -> dict[str, Value]:
        """Looks at a page of OMC: each field's name and value, secrets as stars."""
        omc = self._omc()
        return omc.open(_page(page))

    @command
    def omc_edit(self, page: str, values: dict[str, Value], button: str = OK) -> list[str]:
        """Edits fields of a page and presses OK or Cancel; returns the fields whose value is another now."""
        if button not in (OK, CANCEL):
            raise ValueError(f"a page of OMC has the buttons {OK} and {CANCEL}, not {button!r}")
        omc = self._omc()
        omc.open(_page(page))
        for name, value in values.items():
            omc.set(name, value)
        if button == CANCEL:
            omc.cancel()
            return []
        return list(omc.ok())

    @command
    def mmc(self, password: str, keys: Sequence[str]) -> list[list[str]]:
        """An administrator session at a phone: what it shows after the password and OK, and after each key."""
        session = self.Mmc(self._store, self._settings_changed())
        session.type(password)
        shown = []
        for key in (Key.OK, *keys):
            session.press(key)
            shown.append(session.display())
        return shown

    @command
    def mmc_open(self) -> Shown:
        """Begins an administrator session at a phone, which lasts; the one before is over."""
        self._at_phone = self.Mmc(self._store, self._settings_changed())
        return self._at_phone.shown()

    @command
    def mmc_type(self, text: str) -> Shown:
        """Types text in that session."""
        session = self._phone_session()
        session.type(text)
        return session.shown()

    @command
    def mmc_press(self, key: str) -> Shown:
        """Presses a key in that session."""
        session = self._phone_session()
        session.press(key)
        return session.shown()

    @command
    def sets(self) -> list[PhoneSet]:
        """The sets that Rainbow supports, sorted by number and rank."""
        return self._catalogue.devices

    @command
    def add_set(
        self, id: str, number: str, first_name: str, last_name: str, family: str, rank: str = Rank.PRIMARY.value
    ) -> None:
        """Adds a set."""
        self._catalogue.add(PhoneSet(id, number, first_name, last_name, family, Rank(rank)))

    @command
    def rename_set(self, id: str, first_name: str, last_name: str) -> None:
        """Gives a set another name."""
        self._catalogue.rename(id, first_name, last_name)

    @command
    def remove_set(self, id: str) -> None:
        """Removes a set."""
        self._catalogue.remove(id)

    @command
    def arm_power_cut(self, bytes: int) -> None:
        """The power will go during the next write to flash, after this many bytes."""
        self._power.cut_after(bytes)

    @command
    def power_cut(self) -> None:
        """The power goes now."""
        self._go_dark()

    @command
    def cold_reset(self) -> None:
        """Puts the configuration back to its defaults, but for network settings; takes effect by the restart."""
        self._store.save(self._store.load().after_cold_reset(keep_rainbow=self._cold_keeps_rainbow))
        self._catalogue.reset(self._catalogue_spec.make().sets)

    def _go_dark(self) -> NoReturn:
        go_dark(self._links)

    def _load_catalogue(self) -> Catalogue:
        """The catalogue in the flash; a flash that is empty is filled first, the settings last."""
        kept = Catalogue.load(self._flash)
        if kept is not None:
            return kept
        if self._store.load() == Settings():
            self._store.save(self._first_settings)
        made = self._catalogue_spec.make()
        made.save(self._flash)
        return made

    def _make_vpn(self, on_lost: Callable[[], None]) -> VpnAgent:
        """The VPN agent of this PBX."""
        if self._vpn is None:
            return WithoutVpn(on_lost)
        return self.Vpn(Path(self._vpn.folder), Path(self._vpn.log), self._ca, self._resolve, on_lost, self._vpn.rules)

    async def _resolve(self, host: str) -> Sequence[str]:
        """The addresses of a host by the PBX's DNS servers, for its VPN agent. Raises LinkFailure."""
        known = self._connection_parameters
        resolver = Resolver(self._store.load().dns, known.dns_port, known.dns_timeout, known.dns_rounds)
        return await resolver.addresses(host)

    def _running(self) -> tuple[CCCtrlA, ConnectionAgent]:
        if self._agents is None:
            raise ValueError("the PBX is not powered up")
        for life in self._lives:
            if life.done():
                life.result()
        return self._agents

    def _settings_changed(self) -> Callable[[Settings, Settings], None]:
        """What tells both agents of what was saved."""
        agents = self._running()

        def tell(old: Settings, new: Settings) -> None:
            for agent in agents:
                agent.settings_changed(old, new)

        return tell

    def _phone_session(self) -> MmcSession:
        if self._at_phone is None:
            raise MmcRefused("no session is open at the phone")
        return self._at_phone

    def _omc(self) -> OmcSession:
        agent, connection = self._running()
        readings: dict[Page, Readings] = {
            Page.RAINBOW: lambda: {CONNECTION_STATUS: agent.status},
            Page.CLOUD_CONNECT: lambda: {
                CONNECTION_STATUS: connection.status,
                HISTORY: "\n".join(map(str, self._history.events())),
            },
        }
        return self.Omc(self._store, self._settings_changed(), readings)


def _report(life: asyncio.Task[None]) -> None:
    """An agent's life only ends with the PBX, unless there is a defect."""
    if not life.cancelled() and (error := life.exception()) is not None:
        log.critical("an agent ended by a defect", exc_info=error)


def _page(name: str) -> Page:
    if name not in set(Page):
        raise ValueError(f"OMC has no page {name!r}; there are: {', '.join(Page)}")
    return Page(name)
