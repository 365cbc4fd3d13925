"""OXO Connects that do not keep their connection parameters, caught by enable_disable.feature."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.flash import Flash, FlashDamaged
from emulators.oxo.node import Oxo
from emulators.oxo.settings import DEFAULT_DOMAIN, DnsSettings, RainbowSettings, Settings, WebProxySettings
from emulators.oxo.store import SettingsStore
from emulators.session.session import Session
from tests.wrong_devices.trial import caught
from tests.wrong_devices.wrong_parts import Amends, disabling

SURVIVE = "Parameters survive: <happens>"
SAME_SHOWN = "Then OMC shows the same connection parameters as before"
SAME_USED = "And the next WSS link uses the same parameters"
CUT_DISABLING = "the power is cut while Rainbow is being disabled"
CUT_ENABLING = "the power is cut while Rainbow is being enabled"
OFF_RESTART_ON = "Rainbow is disabled, the PBX restarts and Rainbow is enabled"


@caught("enable_disable", SURVIVE, SAME_SHOWN, happens="Rainbow is disabled and enabled again by MMC")
@caught(
    "enable_disable",
    SURVIVE,
    "When Rainbow is disabled and enabled again by OMC",
    happens="Rainbow is disabled and enabled again by OMC",
)
class ForgetsParametersWhenDisabled(Oxo):
    """Disabling empties the page Cloud > Rainbow."""

    class Storage(Amends):
        def amended(self, old: Settings, new: Settings) -> Settings:
            return replace(new, rainbow=RainbowSettings()) if disabling(old, new) else new


@caught("enable_disable", SURVIVE, SAME_SHOWN, happens="Rainbow is disabled by OMC and enabled by MMC")
class ForgetsTheProxyAccountWhenDisabled(Oxo):
    """Disabling takes the web proxy's account and password out."""

    class Storage(Amends):
        def amended(self, old: Settings, new: Settings) -> Settings:
            if not disabling(old, new):
                return new
            return replace(new, web_proxy=replace(new.web_proxy, account="", password=""))


@caught("enable_disable", SURVIVE, SAME_SHOWN, happens="Rainbow is disabled and enabled again by OMC")
class HasTheFactorysDomainWhenDisabled(Oxo):
    """Disabling puts the domain back to what it was when the PBX was delivered."""

    class Storage(Amends):
        def amended(self, old: Settings, new: Settings) -> Settings:
            if not disabling(old, new):
                return new
            return replace(new, rainbow=replace(new.rainbow, domain=DEFAULT_DOMAIN))


@caught("enable_disable", SURVIVE, SAME_SHOWN, happens="Rainbow is disabled by OMC and enabled by MMC")
class HasTheFactorysProxyPortWhenDisabled(Oxo):
    """Disabling puts the web proxy's port back to what it was when the PBX was delivered."""

    class Storage(Amends):
        def amended(self, old: Settings, new: Settings) -> Settings:
            if not disabling(old, new):
                return new
            return replace(new, web_proxy=replace(new.web_proxy, port=WebProxySettings().port))


@caught("enable_disable", SURVIVE, SAME_USED, happens="Rainbow is disabled by OMC and enabled by MMC")
class UsesTheFactorysDomainOnceDisabled(Oxo):
    """Once disabled it goes to the domain that it was delivered with, though OMC shows the other one."""

    class Agent(CCCtrlA):
        been_disabled = False

        async def _disable(self, link: asyncio.Task[None]) -> None:
            await super()._disable(link)
            self.been_disabled = True

        async def _attempt(self, settings: Settings) -> Session:
            if self.been_disabled:
                settings = replace(settings, rainbow=replace(settings.rainbow, domain=DEFAULT_DOMAIN))
            return await super()._attempt(settings)


@caught("enable_disable", "An activation code that was not used yet is kept", "Then the WSS link is up")
class HasAnotherActivationCodeWhenDisabled(Oxo):
    """Disabling puts another activation code in the place of one that was not used yet; both are stars in OMC."""

    class Storage(Amends):
        def amended(self, old: Settings, new: Settings) -> Settings:
            if not disabling(old, new) or new.rainbow.final_password:
                return new
            return replace(new, rainbow=replace(new.rainbow, activation_code="factory"))


@caught("enable_disable", SURVIVE, SAME_SHOWN, happens="Rainbow is disabled by MMC and enabled by OMC")
class ForgetsTheDnsServersWhenDisabled(Oxo):
    """Disabling empties the page DNS."""

    class Storage(Amends):
        def amended(self, old: Settings, new: Settings) -> Settings:
            return replace(new, dns=DnsSettings()) if disabling(old, new) else new


@caught("enable_disable", SURVIVE, SAME_USED, happens="Rainbow is disabled by MMC and enabled by OMC")
@caught(
    "credentials",
    "Every later connection, after <happens>",
    "Then the WSS link comes up again",
    happens="Rainbow is disabled and enabled again by OMC",
)
class ForgetsTheFinalPasswordWhenDisabled(Oxo):
    """Disabling removes what no page of OMC shows."""

    class Storage(Amends):
        def amended(self, old: Settings, new: Settings) -> Settings:
            return replace(new, rainbow=replace(new.rainbow, final_password="")) if disabling(old, new) else new


@caught("enable_disable", SURVIVE, SAME_SHOWN, happens=OFF_RESTART_ON)
class FactorySettingsWhenStartedDisabled(Oxo):
    """A start with Rainbow disabled takes the web proxy for not needed any more."""

    async def start(self) -> None:
        settings = self._store.load()
        if settings.rainbow.pbx_id and not settings.rainbow.enabled:
            self._store.save(replace(settings, web_proxy=WebProxySettings()))
        await super().start()


@caught("enable_disable", SURVIVE, SAME_SHOWN, happens="the PBX restarts")
@caught("enable_disable", SURVIVE, SAME_SHOWN, happens="the power is cut")
class RemembersInRamOnly(Oxo):
    """Settings are there until the PBX is switched off."""

    class Storage(SettingsStore):
        settings = Settings()

        def load(self) -> Settings:
            return self.settings

        def save(self, settings: Settings) -> None:
            self.settings = settings


@caught(
    "enable_disable",
    "Parameters that were entered while Rainbow is disabled are kept and used",
    "Then the WSS link is up",
)
class StoresOnceEnabled(Oxo):
    """Settings are stored when Rainbow is enabled; until then they are in RAM."""

    class Storage(SettingsStore):
        settings: Settings | None = None

        def load(self) -> Settings:
            return self.settings or super().load()

        def save(self, settings: Settings) -> None:
            self.settings = settings
            if settings.rainbow.enabled:
                super().save(settings)


class _InPlace(Flash):
    """Writes over the old document, so that a power cut leaves half of the new one."""

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        whole = self.path(name).with_suffix(".whole")
        power, self.power = self.power, type(self.power)()
        super().write(name, document)
        self.power = power
        self.path(name).rename(whole)
        content = whole.read_bytes()
        whole.unlink()
        descriptor = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self.power.write(descriptor, content)
        finally:
            os.close(descriptor)
        self.power.end()


@caught("enable_disable", SURVIVE, f"When {CUT_DISABLING}", happens=CUT_DISABLING)
class DoesNotStartFromAHalfWrittenFile(Oxo):
    """A power cut during a write leaves settings that the PBX cannot read any more."""

    class Memory(_InPlace):
        pass


@caught("enable_disable", SURVIVE, f"When {CUT_ENABLING}", happens=CUT_ENABLING)
@caught(
    "credentials",
    "The power fails while the final password is being stored",
    "Then the WSS link comes up",
)
class FactorySettingsAfterAHalfWrittenFile(Oxo):
    """As above, and it starts with factory settings."""

    class Memory(_InPlace):
        def read(self, name: str) -> dict[str, Any] | None:
            try:
                return super().read(name)
            except FlashDamaged:
                return None


@caught("enable_disable", SURVIVE, SAME_SHOWN, happens="Rainbow is disabled and enabled 5 times")
class WearsOut(Oxo):
    """From the ninth write on the web proxy's page is stored empty."""

    class Storage(SettingsStore):
        writes = 0

        def save(self, settings: Settings) -> None:
            self.writes += 1
            super().save(replace(settings, web_proxy=WebProxySettings()) if self.writes > 8 else settings)
