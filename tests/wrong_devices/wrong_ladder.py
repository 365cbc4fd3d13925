"""OXO Connects with a wrong retry ladder, caught by retry_ladder.feature."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Any

from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.failure import LinkFailure
from emulators.oxo.node import Oxo
from emulators.oxo.parameters import DelayFrom
from emulators.oxo.settings import Settings
from emulators.session.session import Session
from tests.wrong_devices.trial import caught
from tests.wrong_devices.wrong_parts import MmcUnheard, never

OBSTACLES = "The delays between attempts, when <obstacle>"
DELAYS = "Then the PBX waits 10, 30, 60, 120, 240, 480, 960, 960 seconds after its failures"
AGAIN = "Disabled and enabled again by <way> in the middle of a long delay"
FROM_THERE = "And from there the PBX waits 10, 30, 60 seconds after its failures"


@caught("retry_ladder", OBSTACLES, DELAYS, obstacle="the firewall is rejecting")
class SkipsAStep(Oxo):
    """10, 30, 120 s and so on."""

    class Agent(CCCtrlA):
        def _next_delay(self) -> float:
            delay = super()._next_delay()
            return super()._next_delay() if delay == 60 else delay


@caught("retry_ladder", OBSTACLES, DELAYS, obstacle="the firewall is rejecting")
class ClimbsForEver(Oxo):
    """The step after 16 minutes is 32 minutes."""

    class Agent(CCCtrlA):
        def _next_delay(self) -> float:
            steps = len(self._parameters.retry_ladder)
            return super()._next_delay() * 2.0 ** max(0, self._failures - steps)


@caught("retry_ladder", OBSTACLES, DELAYS, obstacle="the firewall is blocking")
class CountsFromTheStart(Oxo):
    """A delay runs from the start of the attempt, so an attempt that takes 30 s is followed by the next at once."""

    class Agent(CCCtrlA):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._parameters = replace(self._parameters, delay_from=DelayFrom.START)


@caught("retry_ladder", OBSTACLES, DELAYS, obstacle="the PCG refuses the upgrade with 503")
class HurriesWhenRainbowIsBusy(Oxo):
    """After a refusal it comes back every four minutes: the ladder is climbed only where there is no network."""

    class Agent(CCCtrlA):
        async def _attempt(self, settings: Settings) -> Session:
            try:
                return await super()._attempt(settings)
            except LinkFailure as failure:
                if "503" in str(failure):
                    self._failures = 4
                raise


@caught("retry_ladder", OBSTACLES, DELAYS, obstacle="the PCG rejects every login")
class GivesUpAfterRefusedLogins(Oxo):
    """The third refused login is its last one."""

    class Agent(CCCtrlA):
        async def _attempt(self, settings: Settings) -> Session:
            try:
                return await super()._attempt(settings)
            except LinkFailure as failure:
                if self._failures == 2 and "refused the PBX ID" in str(failure):
                    await never()
                raise


@caught("retry_ladder", "The delays between attempts behind a proxy that refuses", DELAYS)
class WaitsTheSameBehindAProxy(Oxo):
    """Behind a proxy each delay is 5 minutes."""

    class Agent(CCCtrlA):
        def _next_delay(self) -> float:
            delay = super()._next_delay()
            return 300 if self._proxy_for_attempt(self._store.load()) else delay


@caught("retry_ladder", AGAIN, FROM_THERE, way="OMC")
@caught("retry_ladder", AGAIN, FROM_THERE, way="MMC")
class LadderSurvivesDisabling(Oxo):
    """Only a success starts the ladder again."""

    class Agent(CCCtrlA):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._all_failures = itertools.count()

        def _next_delay(self) -> float:
            self._failures = next(self._all_failures)
            return super()._next_delay()


@caught("retry_ladder", AGAIN, "Then the PBX attempts at once", way="OMC")
class NoAttemptAtOnce(Oxo):
    """Once enabled again it waits for the first step of the ladder."""

    class Agent(CCCtrlA):
        before = False

        async def _stay_connected(self) -> None:
            if self.before:
                await asyncio.sleep(10)
            self.before = True
            await super()._stay_connected()


@caught("retry_ladder", AGAIN, "Then the PBX attempts at once", way="MMC")
class MmcDoesNotReachTheAgent(MmcUnheard):
    """What MMC has stored is looked at when the delay is over."""


@caught(
    "retry_ladder",
    "A link that was up is lost",
    "Then since it lost the link the PBX waits 10, 30, 60 seconds after its failures",
)
class SuccessDoesNotReset(Oxo):
    """After a lost link the ladder goes on where it was."""

    class Agent(CCCtrlA):
        def _on_success(self) -> None:
            failures = self._failures
            super()._on_success()
            self._failures = failures
