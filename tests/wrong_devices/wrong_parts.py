"""What several wrong devices have in common."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, NoReturn, TypeVar

from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.failure import LinkFailure
from emulators.oxo.mmc import MmcSession
from emulators.oxo.node import Oxo
from emulators.oxo.parameters import LinkParameters
from emulators.oxo.settings import RainbowSettings, Settings
from emulators.oxo.store import SettingsStore
from emulators.session.ending import Ending
from emulators.session.session import Session

_Parameters = TypeVar("_Parameters", bound=LinkParameters)


async def never() -> NoReturn:
    """Waits for ever."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets that event")


def with_parameters(parameters: _Parameters, **other: Any) -> _Parameters:
    """The parameters with some others in their place, whether or not these make sense."""
    copied = replace(parameters)
    for name, value in other.items():
        object.__setattr__(copied, name, value)
    return copied


class Mistuned(CCCtrlA):
    """An agent with parameters of its own."""

    others: ClassVar[dict[str, Any]]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._parameters = with_parameters(self._parameters, **self.others)


class GivesUp(CCCtrlA):
    """An agent that makes no further attempt after some failures."""

    def _is_final(self, failure: LinkFailure) -> bool:
        return True

    async def _attempt(self, settings: Settings) -> Session:
        try:
            return await super()._attempt(settings)
        except LinkFailure as failure:
            if self._is_final(failure):
                await never()
            raise


class StaysAway(CCCtrlA):
    """An agent that makes no further attempt after some endings of a link."""

    def _is_final(self, ending: Ending) -> bool:
        return True

    async def _hold(self, session: Session) -> Ending:
        ending = await super()._hold(session)
        if self._is_final(ending):
            await never()
        return ending


class Elsewhere(RainbowSettings):
    """Rainbow's settings as used for one attempt, with another host in the place of `agent.<domain>`."""

    host: str

    @property
    def agent_host(self) -> str:
        return self.host

    @classmethod
    def at(cls, settings: Settings, host: str) -> Settings:
        """The settings with another host to go to."""
        rainbow = cls(**dataclasses.asdict(settings.rainbow))
        object.__setattr__(rainbow, "host", host)
        return replace(settings, rainbow=rainbow)


class MmcUnheard(Oxo):
    """What MMC stores, the agent is not told of."""

    class Mmc(MmcSession):
        def _toggle(self) -> None:
            self._changed = lambda old, new: None
            super()._toggle()


class Amends(SettingsStore):
    """A store that changes what it is given before it stores it."""

    def amended(self, old: Settings, new: Settings) -> Settings:
        return new

    def update(self, change: Callable[[Settings], Settings]) -> tuple[Settings, Settings]:
        return super().update(lambda old: self.amended(old, change(old)))


def disabling(old: Settings, new: Settings) -> bool:
    """Whether Rainbow is being disabled."""
    return old.rainbow.enabled and not new.rainbow.enabled
