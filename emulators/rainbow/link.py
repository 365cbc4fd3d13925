"""One session of one PBX at the PCG: sets it up after the login, and keeps the list of its devices."""

from __future__ import annotations

import asyncio
import logging

from emulators.chronicle import About, Chronicle
from emulators.pbxagent import credentials
from emulators.pbxagent.channels import Channel, ChannelRequest, Move
from emulators.pbxagent.devices import DeviceChanges
from emulators.rainbow.devicelist import RetrievalFailed
from emulators.rainbow.parameters import GatewayParameters
from emulators.rainbow.pbx import LifeCycle, Pbx
from emulators.session.ending import Ending, SessionEnded
from emulators.session.session import Session
from emulators.xmpp.element import Element
from emulators.xmpp.stanza import IqType, StanzaError

log = logging.getLogger(__name__)


class Link:
    """Serves one PBX from its login to the end of the session."""

    def __init__(self, pbx: Pbx, session: Session, parameters: GatewayParameters, chronicle: Chronicle) -> None:
        self.pbx = pbx
        self.session = session
        self._parameters = parameters
        self._note = chronicle.note
        self._retrieve_again = asyncio.Event()

    async def serve(self) -> Ending:
        """Hands over the private code, opens the channels, retrieves the devices; returns when the session ends."""
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(self._work())
            ending = await self.session.ended()
            work.cancel()
        return ending

    def retrieve(self) -> None:
        """Has the list of devices retrieved once more."""
        self._retrieve_again.set()

    def take_changes(self, payload: Element) -> None:
        """Takes a change of the devices that the PBX pushed. Raises PayloadRefused."""
        if not self.pbx.devices.apply(DeviceChanges.from_element(payload)):
            self._note(
                About.DEVICES, "PBX tells a change of its sets, but not the one before: they are retrieved again"
            )
            self.retrieve()
            return
        self._note(About.DEVICES, f"PBX tells a change of its sets: {_sets(self.pbx)} now", True)

    async def move_channel(self, move: Move, channel: Channel) -> None:
        """Opens or closes a channel; one that cannot be opened is down. Raises SessionEnded."""
        done = await self._ask(ChannelRequest(move, channel).to_element(), f"{move} channel {channel}")
        self.pbx.channels[channel] = done and move is Move.OPEN
        self._note_channels()

    def _note_channels(self) -> None:
        up = [channel for channel, is_up in self.pbx.channels.items() if is_up]
        down = [channel for channel, is_up in self.pbx.channels.items() if not is_up]
        closed = f"; down: {', '.join(down)}" if down else ""
        self._note(About.LOGIN, f"Channels up: {', '.join(up)}{closed}", not down)

    async def _work(self) -> None:
        try:
            await self._hand_over_code()
            for channel in dict.fromkeys((*self._parameters.monitored, *self._parameters.optional)):
                if channel is not Channel.XMPP:
                    request = ChannelRequest(Move.OPEN, channel).to_element()
                    self.pbx.channels[channel] = await self._ask(request, f"{Move.OPEN} channel {channel}")
            self.pbx.recovering = False
            self._note_channels()
            while True:
                await self._retrieve()
                await self._retrieve_again.wait()
        except SessionEnded:
            return

    async def _hand_over_code(self) -> None:
        if self.pbx.life_cycle is LifeCycle.ACTIVATING:
            code = self.pbx.private_code
            if await self._ask(credentials.to_element(code), "private code"):
                self.pbx.acknowledged(code)
                self._note(About.LOGIN, "PBX has stored its private code", True)

    async def _retrieve(self) -> None:
        self._retrieve_again.clear()
        parameters = self._parameters
        try:
            await self.pbx.devices.retrieve(self.session, parameters.page_size, parameters.request_timeout)
        except RetrievalFailed as error:
            log.warning("%s: %s", self.pbx.id, error)
            self._note(About.DEVICES, f"Sets not retrieved: {error}", False)
        else:
            self._note(About.DEVICES, f"Devices retrieved: {_sets(self.pbx)}", True)
            log.info("%s: %d devices retrieved", self.pbx.id, len(self.pbx.devices.devices))

    async def _ask(self, payload: Element, what: str) -> bool:
        """Whether the PBX did what it was asked. Raises SessionEnded."""
        try:
            await self.session.request(payload, kind=IqType.SET, timeout=self._parameters.request_timeout)
        except StanzaError as error:
            log.warning("%s: %s: refused: %s", self.pbx.id, what, error)
            self._note(About.LOGIN, f"PBX refuses {what}: {error}", False)
            return False
        except TimeoutError:
            log.warning("%s: %s: no answer", self.pbx.id, what)
            self._note(About.LOGIN, f"PBX does not answer {what}", False)
            return False
        return True


def _sets(pbx: Pbx) -> str:
    count = len(pbx.devices.devices)
    return f"{count} set" + "s" * (count != 1)
