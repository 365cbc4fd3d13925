"""OXO Connects that are enabled and disabled in a wrong way, caught by enable_disable.feature."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import replace
from typing import Any, ClassVar

from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.failure import LinkFailure
from emulators.oxo.mmc import MmcSession, _Place
from emulators.oxo.node import Oxo
from emulators.oxo.omc import OmcSession, Page, Value
from emulators.oxo.settings import Settings
from emulators.session.ending import Ending
from emulators.session.session import Session
from tests.wrong_devices.trial import caught
from tests.wrong_devices.wrong_parts import MmcUnheard
from tests.wrong_devices.wrong_way import PCG

ENABLED_BY = "Rainbow is enabled by <way>"
DISABLED_BY = "Rainbow is disabled by <way>"
WHILE_WAITING = "Rainbow is disabled by <way> while the PBX waits for its next attempt"
IN_AN_ATTEMPT = "Rainbow is disabled in the middle of an attempt"
CANCELLED = "A page that is left with Cancel changes nothing"
LINK_UP = "Then the WSS link is up"
SAME_LINK = "Then the WSS link is still the same"
SILENT = "Then the PBX is silent for 1 hour"
NONE_OPEN = "Then the PBX has no open connection"
CLEANLY = "Then the WebSocket is closed cleanly by the PBX"


@caught("enable_disable", ENABLED_BY, LINK_UP, way="OMC")
@caught(
    "wss_establishment",
    "Attempts against a firewall that rejects are seen to be reset",
    "Then every attempt of the PBX is reset",
)
class EnabledByARestartOnly(Oxo):
    """What OMC and MMC store takes effect when the PBX starts the next time."""

    class Agent(CCCtrlA):
        def settings_changed(self, old: Settings, new: Settings) -> None:
            return


@caught("enable_disable", ENABLED_BY, LINK_UP, way="MMC")
@caught("enable_disable", "What MMC does shows in OMC", "Then OMC shows Rainbow as disabled")
@caught("enable_disable", WHILE_WAITING, SILENT, way="MMC")
class ChoiceDoesNothing(Oxo):
    """MMC shows the other state when Choice is pressed, and stores nothing."""

    class Mmc(MmcSession):
        def _toggle(self) -> None:
            return


@caught("enable_disable", DISABLED_BY, CLEANLY, way="MMC")
class KeepsItsLinkWhenDisabledByMmc(MmcUnheard):
    """Disabling by MMC is stored, and the link is left as it is."""


@caught("enable_disable", DISABLED_BY, CLEANLY, way="OMC")
class DropsTheConnection(Oxo):
    """When disabled it ends TCP without the WebSocket's closing handshake."""

    class Agent(CCCtrlA):
        async def _hold(self, session: Session) -> Ending:
            try:
                return await session.ended()
            except asyncio.CancelledError:
                session.abort("disabled")
                raise


@caught("enable_disable", DISABLED_BY, CLEANLY, way="OMC")
@caught("enable_disable", DISABLED_BY, CLEANLY, way="MMC")
class ResetsWhatItHasClosed(Oxo):
    """When disabled it closes the WebSocket in order, and then resets the connection."""

    class Agent(CCCtrlA):
        async def _hold(self, session: Session) -> Ending:
            sock: socket.socket = session._connection.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return await super()._hold(session)


@caught("enable_disable", DISABLED_BY, SILENT.replace("Then", "And"), way="OMC")
@caught("enable_disable", IN_AN_ATTEMPT, SILENT.replace("Then", "And"))
@caught("enable_disable", WHILE_WAITING, SILENT, way="OMC")
class GoesOnWhileDisabled(Oxo):
    """It closes the link when it is disabled, and tries to make it again ten minutes later."""

    class Agent(CCCtrlA):
        async def _disable(self, link: asyncio.Task[None]) -> None:
            await super()._disable(link)
            self._later = asyncio.create_task(self._try_again())

        async def _try_again(self) -> None:
            await asyncio.sleep(600)
            try:
                await self._attempt(self._store.load())
            except LinkFailure:
                return


@caught("enable_disable", DISABLED_BY, SILENT.replace("Then", "And"), way="OMC")
class LooksRainbowUpWhileDisabled(Oxo):
    """It asks for Rainbow's address now and then, to have it ready."""

    class Agent(CCCtrlA):
        async def _disable(self, link: asyncio.Task[None]) -> None:
            await super()._disable(link)
            self._later = asyncio.create_task(self._look_up())

        async def _look_up(self) -> None:
            await asyncio.sleep(1800)
            settings = self._store.load()
            await self._resolver(settings).addresses(settings.rainbow.agent_host)


@caught("enable_disable", IN_AN_ATTEMPT, NONE_OPEN)
class LeavesAConnectionOpen(Oxo):
    """Before its first attempt it opens a connection to see whether Rainbow is there, and never closes it."""

    class Agent(CCCtrlA):
        knocked: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

        async def _attempt(self, settings: Settings) -> Session:
            if self.knocked is None:
                self.knocked = await asyncio.open_connection(PCG, 443)
            return await super()._attempt(settings)


@caught("enable_disable", IN_AN_ATTEMPT, NONE_OPEN)
class EndsItsAttemptFirst(Oxo):
    """When it is disabled, an attempt that is on its way goes on until it fails by itself."""

    class Agent(CCCtrlA):
        async def _disable(self, link: asyncio.Task[None]) -> None:
            await asyncio.sleep(self._parameters.attempt_timeout + 5)
            await super()._disable(link)


@caught("enable_disable", "What MMC does shows in OMC", "Then OMC shows Rainbow as disabled")
class OmcShowsWhatOmcStored(Oxo):
    """OMC remembers its pages, and forgets what it remembers only when it stores something itself."""

    class Omc(OmcSession):
        remembered: ClassVar[dict[Page, dict[str, Value]]] = {}

        def show(self) -> dict[str, Value]:
            assert self.page is not None
            return self.remembered.setdefault(self.page, super().show())

        def ok(self) -> list[Any]:
            self.remembered.clear()
            return super().ok()


@caught("enable_disable", "What OMC does shows in MMC", "Then MMC shows Rainbow as disabled")
class MmcShowsEnabled(Oxo):
    """MMC shows Rainbow as enabled until Choice has been pressed."""

    class Mmc(MmcSession):
        def _body(self) -> str:
            return super()._body().replace("disabled", "enabled")


@caught("enable_disable", CANCELLED, SAME_LINK)
class CancelIsOk(Oxo):
    """A page is committed whichever button it is left by."""

    class Omc(OmcSession):
        def cancel(self) -> None:
            self.ok()


@caught("enable_disable", CANCELLED, "And OMC shows Rainbow as enabled")
class CancelStores(Oxo):
    """A page that is left with Cancel is stored, and takes effect later."""

    class Omc(OmcSession):
        def cancel(self) -> None:
            self._store.update(self._commit)
            super().cancel()


@caught(
    "enable_disable",
    "MMC asks for the administrator's password",
    "When somebody tries to disable Rainbow by MMC with a wrong password",
)
class AnyPasswordOpensMmc(Oxo):
    """MMC asks for a password and takes every one."""

    class Mmc(MmcSession):
        def _enter(self) -> None:
            self._place = _Place.MENU


@caught("enable_disable", "MMC asks for the administrator's password", SAME_LINK)
class AWrongPasswordDisables(Oxo):
    """MMC says that the password is wrong, and disables Rainbow all the same."""

    class Mmc(MmcSession):
        def _enter(self) -> None:
            super()._enter()
            if self._place is _Place.PASSWORD:
                self._toggle()


@caught("enable_disable", "A disabled PBX stays disabled over a restart", SILENT)
class EnabledAfterARestart(Oxo):
    """Every start enables Rainbow."""

    async def start(self) -> None:
        settings = self._store.load()
        self._store.save(replace(settings, rainbow=replace(settings.rainbow, enabled=bool(settings.rainbow.pbx_id))))
        await super().start()
