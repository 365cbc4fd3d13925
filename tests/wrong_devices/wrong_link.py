"""OXO Connects that lose, or never lose, their link in a wrong way, caught by link_loss.feature."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, ClassVar

from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.node import Oxo
from emulators.oxo.settings import Settings, WebProxySettings
from emulators.pbxagent.channels import Channel
from emulators.session.ending import Ending
from emulators.session.session import Session
from tests.wrong_devices.trial import caught
from tests.wrong_devices.wrong_parts import Mistuned, StaysAway

AGAIN = "And the WSS link comes up again"
FIRST_STEP = "Then the WSS link comes up again after 10 seconds"
CLOSED = "Rainbow closes the WebSocket with code <code>"
ON_THE_WAY = "The connection is reset on the way, toward <end>"
GIVES_UP = "Then the PBX gives the link up within the ping timeout"


@caught("link_loss", "The proxy restarts", "And the link runs through the web proxy")
@caught(
    "enable_disable",
    "Parameters survive: <happens>",
    "And the next WSS link uses the same parameters",
    happens="Rainbow is disabled and enabled again by OMC",
)
class ForgetsTheProxyAfterTheFirstLink(Oxo):
    """From the second link on it goes out directly, though OMC shows the proxy."""

    class Agent(CCCtrlA):
        been_up = False

        def _on_success(self) -> None:
            super()._on_success()
            self.been_up = True

        def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
            return None if self.been_up else super()._proxy_for_attempt(settings)


@caught("link_loss", "The proxy restarts", FIRST_STEP)
@caught("link_loss", CLOSED, FIRST_STEP, code="1001")
class ReconnectsWithoutDelay(Oxo):
    """It comes back in the moment in which it has lost the link."""

    class Agent(CCCtrlA):
        lost = False

        async def _hold(self, session: Session) -> Ending:
            ending = await super()._hold(session)
            self.lost = True
            return ending

        def _next_delay(self) -> float:
            delay, self.lost = (0.0 if self.lost else super()._next_delay()), False
            return delay


@caught("link_loss", ON_THE_WAY, FIRST_STEP, end="the PBX")
@caught("link_loss", ON_THE_WAY, FIRST_STEP, end="both ends")
@caught("link_loss", "Rainbow aborts the connection", FIRST_STEP)
@caught("link_loss", "The PCG restarts", FIRST_STEP)
class NoticesALossLate(Oxo):
    """It looks after its connection once in two minutes."""

    class Agent(CCCtrlA):
        async def _hold(self, session: Session) -> Ending:
            ending = await super()._hold(session)
            await asyncio.sleep(120)
            return ending


@caught("link_loss", CLOSED, FIRST_STEP, code="1000")
class TakesANormalClosureForGood(Oxo):
    """A link that Rainbow has closed in order needs no other one."""

    class Agent(StaysAway):
        def _is_final(self, ending: Ending) -> bool:
            return ending.code == 1000


@caught("link_loss", CLOSED, FIRST_STEP, code="1011")
@caught("link_loss", CLOSED, FIRST_STEP, code="4000")
class StaysAwayAfterAStrangeCode(Oxo):
    """After any code but 1000 and 1001 it waits for somebody to enable it again."""

    class Agent(StaysAway):
        def _is_final(self, ending: Ending) -> bool:
            return ending.code not in (1000, 1001, None)


@caught("link_loss", "The PCG restarts", FIRST_STEP)
@caught(
    "wss_establishment",
    "A proxy that cuts idle tunnels faster than the PBX keeps them alive",
    AGAIN,
)
class StaysAwayAfterALoss(Oxo):
    """One link is all it makes."""

    class Agent(StaysAway):
        pass


@caught("device_retrieval", "While the link is cut, Rainbow keeps what it has", "When the link is cut")
@caught("link_loss", "The connection is reset toward Rainbow only", GIVES_UP)
@caught("link_loss", "Rainbow goes silent", GIVES_UP)
@caught("wss_establishment", "A firewall that forgets its connections cuts the link", GIVES_UP)
class NeverNoticesSilence(Oxo):
    """It has no keepalive."""

    class Agent(Mistuned):
        others: ClassVar[dict[str, Any]] = {"keepalive_interval": 1e9, "server_ping_timeout": 2e9}


@caught("link_loss", "Rainbow goes silent", GIVES_UP)
@caught("wss_establishment", "A firewall that forgets its connections cuts the link", GIVES_UP)
class NoticesSilenceLate(Oxo):
    """It gives a silent link up 45 s after the ping timeout."""

    class Agent(Mistuned):
        others: ClassVar[dict[str, Any]] = {"server_ping_timeout": 165.0}


@caught("link_loss", "Rainbow goes silent", "And the WSS link comes up again when Rainbow answers")
class StaysAwayFromASilentRainbow(Oxo):
    """After a ping timeout it waits for somebody to enable it again."""

    class Agent(StaysAway):
        def _is_final(self, ending: Ending) -> bool:
            return "nothing was heard" in ending.why


@caught("link_loss", "The PBX is gone without a word", AGAIN)
class DisabledWhenPowerReturns(Oxo):
    """After a restart somebody has to enable Rainbow again."""

    async def start(self) -> None:
        settings = self._store.load()
        self._store.save(replace(settings, rainbow=replace(settings.rainbow, enabled=False)))
        await super().start()


@caught("link_loss", "A link on which nothing is wrong stays up", "Then the WSS link is still the same")
@caught(
    "wss_establishment",
    "A policy that spares established connections keeps the link",
    "Then the WSS link is still the same",
)
@caught(
    "wss_establishment",
    "A proxy that cuts idle tunnels more slowly than the PBX keeps them alive",
    "Then the WSS link is still the same",
)
class RenewsItsLink(Oxo):
    """It makes a new link every nine minutes, though nothing is wrong with the old one."""

    class Agent(CCCtrlA):
        async def _hold(self, session: Session) -> Ending:
            renewal = asyncio.get_running_loop().call_later(540, session.abort, "a new link is due")
            try:
                return await super()._hold(session)
            finally:
                renewal.cancel()


@caught("link_loss", "A link on which nothing is wrong stays up", "And Rainbow shows the PBX as Running")
@caught(
    "wss_establishment",
    "A firewall that lets WSS out (<policy>)",
    "And Rainbow shows the PBX as Running",
    policy="permissive",
)
class HasNoTelephonyChannel(Oxo):
    """It does not open the channel csta, so that Rainbow shows it as Degraded."""

    class Agent(Mistuned):
        others: ClassVar[dict[str, Any]] = {"channels": (Channel.CONF, Channel.HTTP)}
