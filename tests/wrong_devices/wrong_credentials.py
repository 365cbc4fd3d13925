"""OXO Connects that handle their configuration and codes in a wrong way, caught by credentials.feature."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.failure import Layer, LinkFailure
from emulators.oxo.fields import FieldRefused
from emulators.oxo.node import Oxo
from emulators.oxo.omc import OmcSession, Page
from emulators.oxo.settings import DEFAULT_DOMAIN, Field, RainbowSettings, Settings, WebProxySettings
from emulators.pbxagent import credentials
from emulators.session.ending import Ending
from emulators.session.session import Session
from emulators.xmpp.element import Element
from emulators.xmpp.stanza import Condition, StanzaError
from tests.wrong_devices.trial import caught
from tests.wrong_devices.wrong_parts import Amends, GivesUp, StaysAway

FIRST = "The first connection"
LATER = "Every later connection, after <happens>"
BAD_VALUE = '<field> is set to "<value>"'
AGAIN = "Then the WSS link comes up again"


@caught("credentials", FIRST, "And Rainbow has the PBX as activated")
class RefusesTheFinalPassword(Oxo):
    """It has an activation code and wants nothing else."""

    class Agent(CCCtrlA):
        async def _on_private_code(self, used: RainbowSettings, payload: Element) -> None:
            raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, "there is an activation code")


@caught("credentials", FIRST, 'And OMC shows "Connected with final password"')
@caught("credentials", LATER, AGAIN, happens="Rainbow drops the PBX")
class AcknowledgesWithoutStoring(Oxo):
    """It acknowledges the final password and forgets it."""

    class Agent(CCCtrlA):
        async def _on_private_code(self, used: RainbowSettings, payload: Element) -> None:
            return


@caught("credentials", LATER, AGAIN, happens="Rainbow drops the PBX")
class UsesTheActivationCodeForEver(Oxo):
    """It stores the final password, shows that it has one, and logs in with the activation code."""

    class Agent(CCCtrlA):
        def _password(self, rainbow: RainbowSettings) -> str:
            return rainbow.activation_code


@caught("credentials", LATER, AGAIN, happens="the PBX restarts")
@caught("credentials", LATER, AGAIN, happens="the power is cut")
class KeepsTheFinalPasswordInRam(Oxo):
    """It has the final password until it is switched off."""

    class Agent(CCCtrlA):
        code = ""

        async def _on_private_code(self, used: RainbowSettings, payload: Element) -> None:
            self.code = credentials.from_element(payload)

        def _password(self, rainbow: RainbowSettings) -> str:
            return self.code or rainbow.activation_code


@caught("credentials", "The power fails while the final password is being stored", "Then the WSS link comes up")
class AcknowledgesBeforeStoring(Oxo):
    """It acknowledges the final password at once, and stores it a second later."""

    class Agent(CCCtrlA):
        async def _on_private_code(self, used: RainbowSettings, payload: Element) -> None:
            code = credentials.from_element(payload)
            asyncio.get_running_loop().call_later(1, self._store.update, partial(_with_password, code))


def _with_password(code: str, settings: Settings) -> Settings:
    return replace(settings, rainbow=replace(settings.rainbow, final_password=code))


@caught("credentials", "A wrong activation code, then the right one", "Then the WSS link is up")
class HasOneActivationCode(Oxo):
    """The first activation code that is entered stays for ever, though OMC takes another one."""

    class Storage(Amends):
        def amended(self, old: Settings, new: Settings) -> Settings:
            if not old.rainbow.enabled:
                return new
            return replace(new, rainbow=replace(new.rainbow, activation_code=old.rainbow.activation_code))


@caught("credentials", "A PBX that is unknown to Rainbow", "And the PBX tried at least 3 times")
class TakesARefusedLoginForGood(Oxo):
    """Where its login was refused once it does not come again."""

    class Agent(GivesUp):
        def _is_final(self, failure: LinkFailure) -> bool:
            return failure.layer is Layer.LOGIN


@caught("credentials", "A PBX that is unknown to Rainbow", "Then no PBX has logged in")
class HasOnePbxId(Oxo):
    """The first PBX ID that is entered stays for ever, though OMC takes another one."""

    class Storage(Amends):
        def amended(self, old: Settings, new: Settings) -> Settings:
            return replace(new, rainbow=replace(new.rainbow, pbx_id=old.rainbow.pbx_id or new.rainbow.pbx_id))


@caught("credentials", "The PBX is reset in Rainbow", "And the PBX has not logged in since the reset")
class TakesAResetForGood(Oxo):
    """Once Rainbow has ended the link in order, it makes no attempt any more."""

    class Agent(StaysAway):
        def _is_final(self, ending: Ending) -> bool:
            return ending.code == 1000


@caught("credentials", "The new activation code is entered", AGAIN)
class KeepsTheOldFinalPassword(Oxo):
    """A new activation code does not replace the final password."""

    class Storage(Amends):
        def amended(self, old: Settings, new: Settings) -> Settings:
            final = new.rainbow.final_password or old.rainbow.final_password
            return replace(new, rainbow=replace(new.rainbow, final_password=final))


@caught("credentials", BAD_VALUE, "Then OMC refuses and names Domain", field="Domain", value="open rainbow")
@caught("credentials", BAD_VALUE, "Then OMC refuses and names Domain", field="Domain", value="-openrainbow.com")
@caught("credentials", BAD_VALUE, "Then OMC refuses and names Port", field="Port", value="65536")
@caught("credentials", BAD_VALUE, "Then OMC refuses and names Port", field="Port", value="https")
@caught("credentials", BAD_VALUE, "Then OMC refuses and names Primary", field="Primary", value="198.51.100")
class OmcTakesAnyValue(Oxo):
    """OMC closes the page as if a bad value were good."""

    class Omc(OmcSession):
        def ok(self) -> list[Field]:
            try:
                return super().ok()
            except FieldRefused:
                self.cancel()
                return []


@caught("credentials", BAD_VALUE, "Then OMC refuses and names PBX ID", field="PBX ID", value="PBX1234")
class OmcDoesNotNameTheField(Oxo):
    """OMC says that something is wrong, and not what."""

    class Omc(OmcSession):
        def ok(self) -> list[Field]:
            try:
                return super().ok()
            except FieldRefused as error:
                raise ValueError("The page has a bad value.") from error


@caught("credentials", BAD_VALUE, "And the WSS link is still the same", field="Activation code", value="999")
class ARefusalCutsTheLink(Oxo):
    """OMC refuses a bad value, and the link is made anew all the same."""

    class Omc(OmcSession):
        def ok(self) -> list[Field]:
            try:
                return super().ok()
            except FieldRefused:
                self.cut()
                raise

        def cut(self) -> None:
            """Has the agent believe that something was changed."""
            settings = self._store.load()
            self._changed(settings, replace(settings, rainbow=RainbowSettings()))


@caught("credentials", BAD_VALUE, "And the WSS link is still the same", field="Domain", value="open rainbow")
class ARefusalCutsTheLinkLater(Oxo):
    """OMC refuses a bad value, and the link is made anew a second later."""

    class Omc(ARefusalCutsTheLink.Omc):
        def cut(self) -> None:
            asyncio.get_running_loop().call_later(1, super().cut)


@caught(
    "credentials",
    BAD_VALUE,
    "And OMC shows the same connection parameters as before",
    field="Host name or address",
    value="http://proxy",
)
class ARefusalEmptiesThePage(Oxo):
    """OMC refuses a bad value, and stores the page's other fields as those of the factory."""

    class Omc(OmcSession):
        def ok(self) -> list[Field]:
            try:
                return super().ok()
            except FieldRefused:
                if self.page is Page.WEB_PROXY:
                    self._store.update(lambda settings: replace(settings, web_proxy=WebProxySettings(port=3128)))
                raise


@caught("credentials", "Another domain than the default one", "Then the WSS link is up")
class KnowsOneDomain(Oxo):
    """It goes to the default domain whatever OMC says."""

    class Agent(CCCtrlA):
        async def _attempt(self, settings: Settings) -> Session:
            return await super()._attempt(replace(settings, rainbow=replace(settings.rainbow, domain=DEFAULT_DOMAIN)))


@caught("credentials", "The domain is changed to one where nobody is", "Then the WSS link is down")
class StaysWhereItIs(Oxo):
    """A new domain counts for the next link, and the one that is up is kept."""

    class Agent(CCCtrlA):
        def settings_changed(self, old: Settings, new: Settings) -> None:
            if old.rainbow.domain == new.rainbow.domain:
                super().settings_changed(old, new)
