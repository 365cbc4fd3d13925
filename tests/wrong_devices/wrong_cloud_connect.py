"""OXO Connects with a wrong permanent connection to the CCI, caught by cloud_connect.feature."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from typing import Any

from emulators.cloudconnect.credentials import Credentials
from emulators.cloudconnect.failure import Failure, FailureCode
from emulators.cloudconnect.requests import Opened, OpenRequest, VpnParameters
from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.cloudconnect import ConnectionAgent
from emulators.oxo.failure import LinkFailure
from emulators.oxo.node import Oxo
from emulators.oxo.settings import CloudConnectSettings, Settings, WebProxySettings
from emulators.oxo.vpnagent import VpnAgent
from emulators.session.ending import Ending
from emulators.session.session import Session
from emulators.xmpp.element import Element
from emulators.xmpp.stanza import Condition, StanzaError
from tests.wrong_devices.trial import caught
from tests.wrong_devices.wrong_parts import Amends, never, with_parameters
from tests.wrong_devices.wrong_trust import NO_CHECK_TIME

FEATURE = "cloud_connect"
FIRST = "The first connection"
LATER = "Every later connection, after <happens>"
THROUGH_THE_PROXY = "Both links run through the proxy that is set in OMC"
CHANGING = "Changing the proxy in OMC moves both links"
WITHOUT_UDP = "A site where only the proxy and DNS may go out registers and fails the VPN"
WRONG_PASSWORD = "A wrong one-time password"
WRONG_CERTIFICATE = "The CCI's place is taken by somebody with a certificate of <kind>"
CONNECTED = "Then the PBX is connected to the CCI"
AGAIN = "Then the PBX is connected to the CCI again"
NOT_CONNECTED = "Then the PBX is not connected to the CCI"
NOBODY = "Then no PBX has logged in at the CCI"
TRIED = "And the PBX tried at least 3 times"
DROPPED = "the CCI drops the PBX"


@caught(FEATURE, FIRST, CONNECTED)
class ConnectsByARestartOnly(Oxo):
    """That Cloud Connect was enabled takes effect when the PBX starts the next time."""

    class CloudConnect(ConnectionAgent):
        def settings_changed(self, old: Settings, new: Settings) -> None:
            return


@caught(FEATURE, FIRST, 'And OMC shows "Connected with final credentials" for Cloud Connect')
@caught(FEATURE, LATER, AGAIN, happens=DROPPED)
class AcknowledgesFinalCredentialsWithoutStoring(Oxo):
    """It acknowledges the final credentials and forgets them."""

    class CloudConnect(ConnectionAgent):
        async def _on_final_credentials(self, used: CloudConnectSettings, payload: Element) -> None:
            return


@caught(FEATURE, LATER, AGAIN, happens=DROPPED)
class UsesTheOneTimeAccountForEver(Oxo):
    """It stores the final credentials, shows that it has them, and logs in with the one-time account."""

    class CloudConnect(ConnectionAgent):
        def _login(self, section: CloudConnectSettings) -> tuple[str, str]:
            return section.account, section.one_time_password


@caught(FEATURE, LATER, "And the PBX registered with its final credentials", happens=DROPPED)
class RefusesTheFinalCredentials(Oxo):
    """It has an account and wants no other one."""

    class CloudConnect(ConnectionAgent):
        async def _on_final_credentials(self, used: CloudConnectSettings, payload: Element) -> None:
            raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, "there is an account")


@caught(FEATURE, LATER, AGAIN, happens="the PBX restarts")
class KeepsTheFinalCredentialsInRam(Oxo):
    """It has the final credentials until it is switched off."""

    class CloudConnect(ConnectionAgent):
        final: Credentials | None = None

        async def _on_final_credentials(self, used: CloudConnectSettings, payload: Element) -> None:
            self.final = Credentials.from_element(payload)

        def _login(self, section: CloudConnectSettings) -> tuple[str, str]:
            return super()._login(section) if self.final is None else (self.final.account, self.final.password)


@caught(FEATURE, LATER, AGAIN, happens="Cloud Connect is disabled and enabled again in OMC")
class ForgetsTheFinalCredentialsWhenDisabled(Oxo):
    """Disabling Cloud Connect empties what the CCI has sent."""

    class Storage(Amends):
        def amended(self, old: Settings, new: Settings) -> Settings:
            if new.cloud_connect.enabled:
                return new
            return replace(new, cloud_connect=replace(new.cloud_connect, final_account="", final_password=""))


@caught(FEATURE, WRONG_PASSWORD, NOBODY)
class HasOneActivationPassword(Oxo):
    """The first activation password that is entered stays for ever, though OMC takes another one."""

    class Storage(Amends):
        def amended(self, old: Settings, new: Settings) -> Settings:
            password = old.cloud_connect.one_time_password or new.cloud_connect.one_time_password
            return replace(new, cloud_connect=replace(new.cloud_connect, one_time_password=password))


@caught(FEATURE, "An hour without any request", "Then the connection to the CCI is still the same")
class ConnectsAnewNowAndThen(Oxo):
    """Its connection is permanent but for a renewal every half hour."""

    class CloudConnect(ConnectionAgent):
        async def _hold(self, session: Session) -> Ending:
            renewal = asyncio.get_running_loop().call_later(1800, session.abort, "a new connection is due")
            try:
                return await super()._hold(session)
            finally:
                renewal.cancel()


@caught(FEATURE, "A firewall that is opened later", "Then the PBX becomes connected to the CCI")
@caught(FEATURE, WRONG_PASSWORD, TRIED)
@caught(FEATURE, WRONG_CERTIFICATE, TRIED, kind="an expired date")
class GivesTheCciUp(Oxo):
    """A first attempt that comes to nothing is the only one."""

    class CloudConnect(ConnectionAgent):
        async def _attempt(self, settings: Settings) -> Session:
            try:
                return await super()._attempt(settings)
            except LinkFailure:
                return await never()


@caught(FEATURE, "Cloud Connect is disabled", NOT_CONNECTED)
class StaysConnectedWhenDisabled(Oxo):
    """Disabling takes effect at the next start."""

    class CloudConnect(ConnectionAgent):
        def settings_changed(self, old: Settings, new: Settings) -> None:
            if new.cloud_connect.enabled:
                super().settings_changed(old, new)


@caught(FEATURE, "Cloud Connect is disabled", "And the PBX is silent for 1 hour")
class CallsTheCciWhileDisabled(Oxo):
    """It closes the connection when it is disabled, and looks after the CCI ten minutes later."""

    class CloudConnect(ConnectionAgent):
        async def _disable(self, link: asyncio.Task[None]) -> None:
            await super()._disable(link)
            self._later = asyncio.create_task(self._look())

        async def _look(self) -> None:
            await asyncio.sleep(600)
            await (await self._attempt(self._store.load())).close()


@caught(FEATURE, WRONG_CERTIFICATE, NOBODY, kind="a wrong name")
class ChecksNoNameOfTheCci(Oxo):
    """Any certificate of the right authority will do for the CCI."""

    class CloudConnect(ConnectionAgent):
        def _tls_context(self) -> ssl.SSLContext:
            context = super()._tls_context()
            context.check_hostname = False
            return context


@caught(FEATURE, WRONG_CERTIFICATE, NOBODY, kind="an expired date")
class ChecksNoDateOfTheCci(Oxo):
    """The CCI's certificate is good for ever."""

    class CloudConnect(ConnectionAgent):
        def _tls_context(self) -> ssl.SSLContext:
            context = super()._tls_context()
            context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
            return context


class _Credulous(ConnectionAgent):
    def _tls_context(self) -> ssl.SSLContext:
        context = super()._tls_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


@caught(FEATURE, WRONG_CERTIFICATE, NOBODY, kind="an unknown authority")
class ChecksNoCertificateOfTheCci(Oxo):
    """It takes any certificate for the CCI's."""

    class CloudConnect(_Credulous):
        pass


@caught(FEATURE, WRONG_CERTIFICATE, NOBODY, kind="a wrong name")
@caught(FEATURE, WRONG_CERTIFICATE, NOBODY, kind="an unknown authority")
class ChecksTheCertificateOfTheCciLate(Oxo):
    """It logs in to whoever is there, looks at the certificate, and hangs up a second later."""

    class CloudConnect(_Credulous):
        async def _hold(self, session: Session) -> Ending:
            asyncio.get_running_loop().call_later(1, session.abort, "the certificate is wrong")
            return await super()._hold(session)


@caught(FEATURE, "The CCI goes silent", AGAIN)
class HasNoKeepaliveForTheCci(Oxo):
    """It never asks whether the CCI is still there."""

    class CloudConnect(ConnectionAgent):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._parameters = with_parameters(self._parameters, keepalive_interval=1e9, server_ping_timeout=2e9)


@caught(FEATURE, "The CCI goes silent", AGAIN)
class StaysAwayFromASilentCci(Oxo):
    """After a ping timeout it waits for somebody to enable Cloud Connect again."""

    class CloudConnect(ConnectionAgent):
        async def _hold(self, session: Session) -> Ending:
            ending = await super()._hold(session)
            if "nothing was heard" in ending.why:
                await never()
            return ending


@caught(FEATURE, THROUGH_THE_PROXY, CONNECTED)
@caught(FEATURE, CHANGING, "Then the PBX asked the web proxy for both links")
class HasAProxySettingForRainbowOnly(Oxo):
    """Cloud Connect has a second proxy setting, which OMC does not show and which is empty."""

    class CloudConnect(ConnectionAgent):
        def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
            return None


@caught(FEATURE, THROUGH_THE_PROXY, "And the WSS link is up")
class HasAProxySettingForCloudConnectOnly(Oxo):
    """CCCtrlA has a second proxy setting, which OMC does not show and which is empty."""

    class Agent(CCCtrlA):
        def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
            return None


@caught(FEATURE, "Removing the proxy in OMC moves both links", "Then both links run directly")
class CopiesTheProxySetting(Oxo):
    """Cloud Connect has a second proxy setting, which it takes from OMC's page once."""

    class CloudConnect(ConnectionAgent):
        copied: WebProxySettings | None = None

        def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
            self.copied = self.copied or super()._proxy_for_attempt(settings)
            return self.copied


@caught(FEATURE, CHANGING, "When the web proxy is configured in OMC and both links come up again")
class IsNotMovedByTheProxyPage(Oxo):
    """Cloud Connect uses another proxy when it connects the next time, whenever that is."""

    class CloudConnect(ConnectionAgent):
        def settings_changed(self, old: Settings, new: Settings) -> None:
            super().settings_changed(replace(old, web_proxy=new.web_proxy), new)


@caught(FEATURE, "Both links use the proxy's account", CONNECTED)
class HasNoProxyAccountForCloudConnect(Oxo):
    """Cloud Connect uses the proxy's address of OMC's page, and not its account."""

    class CloudConnect(ConnectionAgent):
        def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
            return replace(settings.web_proxy, account="", password="")


@caught(FEATURE, WITHOUT_UDP, 'Then the request fails with "gateway-unreachable"')
class SaysThatItHasNoVpn(Oxo):
    """Whatever goes wrong with the VPN, the CCI is told that there is none."""

    class CloudConnect(ConnectionAgent):
        def _forward(self, failure: Failure) -> Element:
            return super()._forward(Failure(FailureCode.TUNNEL_UNAVAILABLE, failure.text))


@caught(FEATURE, WITHOUT_UDP, "And the firewall let nothing of the VPN out")
class MakesNoTunnelBehindAProxy(Oxo):
    """Where a web proxy is set it takes the VPN gateway for out of reach, and does not try."""

    class Vpn(VpnAgent):
        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            raise Failure(FailureCode.GATEWAY_UNREACHABLE, "there is a web proxy")


@caught(FEATURE, WITHOUT_UDP, "And the connection to the CCI is still the same")
@caught("tunnel_closure", "There was never a tunnel", "And the connection to the CCI is still the same")
class HangsUpAfterAFailure(Oxo):
    """It tells the CCI that a request has failed, and closes the connection."""

    class CloudConnect(ConnectionAgent):
        async def _hold(self, session: Session) -> Ending:
            self.hang_up = session.abort
            return await super()._hold(session)

        def _forward(self, failure: Failure) -> Element:
            asyncio.get_running_loop().call_later(0.5, self.hang_up, "a request has failed")
            return super()._forward(failure)
