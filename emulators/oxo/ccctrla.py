"""CCCtrlA, the Cloud Connect Control Agent: keeps the PBX's link to Rainbow and answers its request for the devices.

Installation Manual p. 42. The link goes to `wss://agent.<domain>:443`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial

from emulators.oxo.agent import Agent
from emulators.oxo.catalogue import Catalogue, Change, ChangeKind
from emulators.oxo.failure import Layer, LinkFailure
from emulators.oxo.parameters import DEFAULTS, AgentParameters
from emulators.oxo.phoneset import PhoneSet, Rank
from emulators.oxo.settings import Field, RainbowSettings, Settings
from emulators.oxo.store import SettingsStore
from emulators.pbxagent import channels, credentials, devices
from emulators.pbxagent.channels import Channel, ChannelRequest, Move
from emulators.pbxagent.devices import Device, DeviceChanges, DevicesPage, DevicesQuery
from emulators.pbxagent.identity import user_name
from emulators.session.ending import Ending, SessionEnded
from emulators.session.requests import Asked, Handler
from emulators.session.session import Session
from emulators.xmpp.client import ClientStream
from emulators.xmpp.disco import Identity
from emulators.xmpp.element import Element
from emulators.xmpp.paging import PageRequest, paginate
from emulators.xmpp.stanza import Condition, IqType, StanzaError

log = logging.getLogger(__name__)

CHANGES_LIMIT = 1000
"""How many changes wait to be pushed; beyond that the PCG finds the gap and retrieves the list again."""


class CCCtrlA(Agent[RainbowSettings]):
    """The agent of one PBX that keeps its link to Rainbow."""

    IDENTITY = Identity("client", "pbx", "CCCtrlA")
    _parameters: AgentParameters

    def __init__(
        self, store: SettingsStore, catalogue: Catalogue, ca: str, parameters: AgentParameters = DEFAULTS
    ) -> None:
        """`ca` is the certificates, in PEM, of the only certification authorities that the agent trusts.

        Raises ValueError when they cannot be used.
        """
        super().__init__(store, ca, parameters)
        self._catalogue = catalogue
        self.channels: set[Channel] = set()
        """The channels that are up."""

    async def _hold(self, session: Session) -> Ending:
        """Serves Rainbow until the session ends; when cancelled, ends it in order."""
        changes: asyncio.Queue[Change] = asyncio.Queue(CHANGES_LIMIT)
        unsubscribe = self._catalogue.subscribe(partial(_enqueue, changes))
        try:
            async with asyncio.TaskGroup() as tasks:
                pushing = tasks.create_task(self._push_changes(session, changes))
                ending = await super()._hold(session)
                pushing.cancel()
        finally:
            unsubscribe()
            self.channels.clear()
        return ending

    def _section(self, settings: Settings) -> RainbowSettings:
        return settings.rainbow

    def _host(self, section: RainbowSettings) -> str:
        return section.agent_host

    def _stream(self, section: RainbowSettings) -> ClientStream:
        try:
            return ClientStream(
                section.domain,
                user_name(section.pbx_id),
                self._password(section),
                resource=self._parameters.resource,
                tls=True,
                mechanisms=self._parameters.mechanisms,
            )
        except ValueError as error:
            raise LinkFailure(Layer.LOGIN, "the activation code has a character that no login can carry") from error

    def _missing(self, section: RainbowSettings) -> list[Field]:
        """What must be configured before there can be an attempt. A final password stands in for the code."""
        return [name for name in section.missing() if name is not Field.ACTIVATION_CODE or not section.final_password]

    def _password(self, rainbow: RainbowSettings) -> str:
        """The activation code is for the first connection only; then Rainbow has sent the final password."""
        return rainbow.final_password or rainbow.activation_code

    def _has_final(self, section: RainbowSettings) -> bool:
        return bool(section.final_password)

    def _refused(self, section: RainbowSettings) -> str:
        kind = "final password" if section.final_password else "activation code"
        return f"Rainbow refused the PBX ID or the {kind}"

    def _connected(self) -> str:
        return f"Connected with {'final password' if self._with_final else 'activation code'}"

    def _handlers(self, section: RainbowSettings) -> dict[Asked, Handler]:
        """What answers Rainbow's requests in a session that was opened with these settings."""
        return {
            (IqType.GET, devices.QUERY_TAG): self._on_devices_query,
            (IqType.SET, credentials.TAG): partial(self._on_private_code, section),
            **{(IqType.SET, tag): self._on_channel_request for tag in channels.TAGS},
        }

    async def _on_devices_query(self, payload: Element) -> Element:
        return self._page_of_devices(DevicesQuery.from_element(payload).page).to_element()

    def _page_of_devices(self, request: PageRequest) -> DevicesPage:
        """One page of the devices that Rainbow supports. Raises StanzaError when the page does not exist."""
        found, page = paginate(self._catalogue.devices, lambda phone_set: phone_set.id, request)
        return DevicesPage(str(self._catalogue.revision), [_device(phone_set) for phone_set in found], page)

    async def _on_private_code(self, used: RainbowSettings, payload: Element) -> None:
        """Stores the private code as final password; the result that follows is the acknowledgement."""
        code = credentials.from_element(payload)
        self._store_final(
            partial(_with_final_password, used, code), lambda settings: settings.rainbow.final_password == code
        )

    async def _on_channel_request(self, payload: Element) -> None:
        request = ChannelRequest.from_element(payload)
        if request.move is Move.CLOSE:
            self.channels.discard(request.channel)
        elif request.channel in self._parameters.channels:
            self.channels.add(request.channel)
        else:
            raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, f"this PBX has no channel {request.channel}")

    async def _push_changes(self, session: Session, changes: asyncio.Queue[Change]) -> None:
        """Tells Rainbow what changes while the link is up, one change after the other."""
        while True:
            change = await changes.get()
            try:
                await session.request(self._changes(change).to_element(), kind=IqType.SET)
            except (StanzaError, TimeoutError) as error:
                log.warning("Rainbow did not take change %d of the catalogue: %s", change.revision, error)
            except SessionEnded:
                return

    def _changes(self, change: Change) -> DeviceChanges:
        """A change as Rainbow is told it; one of a set that Rainbow does not support only moves the revision on."""
        told = DeviceChanges(since=str(change.revision - 1), ver=str(change.revision))
        if not self._catalogue.supports(change.set):
            return told
        match change.kind:
            case ChangeKind.ADDED:
                return replace(told, added=(_device(change.set),))
            case ChangeKind.RENAMED:
                return replace(told, updated=(_device(change.set),))
            case ChangeKind.REMOVED:
                return replace(told, removed=(change.set.id,))


def _enqueue(changes: asyncio.Queue[Change], change: Change) -> None:
    """Keeps a change to be pushed. One too many is left out: the next one that gets through shows the gap."""
    if changes.full():
        log.warning("change %d of the catalogue is not pushed: too many wait already", change.revision)
    else:
        changes.put_nowait(change)


def _with_final_password(used: RainbowSettings, code: str, settings: Settings) -> Settings:
    """The settings with the final password, unless they lead elsewhere by now than when the session was opened."""
    rainbow = settings.rainbow
    if (rainbow.domain, rainbow.pbx_id, rainbow.activation_code) != (used.domain, used.pbx_id, used.activation_code):
        return settings
    return replace(settings, rainbow=replace(rainbow, final_password=code))


def _device(phone_set: PhoneSet) -> Device:
    """A set as a device. That each is a `landline` to Rainbow, whatever its family, is the bench's assumption [?]."""
    return Device(
        id=phone_set.id,
        short_number=phone_set.number,
        first_name=phone_set.first_name,
        last_name=phone_set.last_name,
        device_name=f"{phone_set.family} {phone_set.number}",
        type=phone_set.family,
        rank=list(Rank).index(phone_set.rank),
    )
