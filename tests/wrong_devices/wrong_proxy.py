"""OXO Connects that do not use the web proxy as they should, caught by wss_establishment.feature."""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import replace
from typing import Any, ClassVar

from bench.bench import PROXY_PORT
from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.failure import Layer, LinkFailure
from emulators.oxo.node import Oxo
from emulators.oxo.settings import Settings, WebProxySettings
from emulators.session.session import Session
from tests.wrong_devices.trial import caught
from tests.wrong_devices.wrong_parts import Elsewhere, GivesUp, Mistuned

ONLY_PROXY = "Only the proxy may go out"
PROXY_IN_OMC = "The proxy that is set in OMC is what is used, though the firewall would let WSS out"
EVERY_ATTEMPT = "The proxy is used at every attempt"
HAS_WRONG_ACCOUNT = "The proxy asks for an account and OMC has <what>"
LETS_THROUGH = "A proxy that lets WSS through (<proxy>)"
LETS_NOT_THROUGH = "A proxy that does not let WSS through (<proxy>)"
TAKEN_OUT = "The proxy is taken out of OMC again"
NO_DNS = "Behind a proxy the PBX does not need the Internet's DNS"
LINK_UP = "Then the WSS link is up"
LINK_DOWN = "Then the WSS link is down"
THROUGH = "And the link runs through the web proxy"
NOTHING_DIRECT = "And the PBX sends nothing to the Internet itself"
PCG = "198.51.100.10"
"""The PCG's address on the site; a device that knows it by heart is one of the wrong ones."""


@caught("wss_establishment", ONLY_PROXY, LINK_UP)
@caught("wss_establishment", PROXY_IN_OMC, THROUGH)
@caught("wss_establishment", LETS_THROUGH, LINK_UP, proxy="tunnelling")
@caught(
    "wss_establishment",
    "What passes an inspecting proxy can be read in its flows",
    "And the web proxy's flows show the WSS messages of the link",
)
@caught("wss_establishment", "What passes a tunnelling proxy cannot be read in its flows", THROUGH)
@caught("device_retrieval", "Through a proxy that cannot look inside", "When the WSS link is brought up")
class IgnoresTheProxy(Oxo):
    """It goes out directly, whatever is set in OMC."""

    class Agent(CCCtrlA):
        def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
            return None


@caught("wss_establishment", ONLY_PROXY, 'And the PBX asked the web proxy for port 443 of "agent.openrainbow.com"')
class AsksTheProxyForAnAddress(Oxo):
    """It gives the proxy Rainbow's address in the place of its name."""

    class Agent(CCCtrlA):
        def _tls_context(self) -> ssl.SSLContext:
            context = super()._tls_context()
            context.check_hostname = False
            return context

        async def _attempt(self, settings: Settings) -> Session:
            return await super()._attempt(Elsewhere.at(settings, PCG))


@caught("wss_establishment", PROXY_IN_OMC, NOTHING_DIRECT)
@caught("wss_establishment", NO_DNS, NOTHING_DIRECT)
class LooksRainbowUpBehindTheProxy(Oxo):
    """It asks DNS for Rainbow's address, though only the proxy needs it."""

    class Agent(CCCtrlA):
        async def _attempt(self, settings: Settings) -> Session:
            resolver = replace(self._resolver(settings), timeout=1.0, rounds=1)
            with contextlib.suppress(LinkFailure):
                await resolver.addresses(settings.rainbow.agent_host)
            return await super()._attempt(settings)


@caught("wss_establishment", EVERY_ATTEMPT, NOTHING_DIRECT.replace("And", "Then"))
class IgnoresTheProxyOnce(Oxo):
    """Its fourth attempt goes out directly."""

    class Agent(CCCtrlA):
        attempts = 0

        def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
            self.attempts += 1
            return None if self.attempts == 4 else super()._proxy_for_attempt(settings)


@caught("wss_establishment", EVERY_ATTEMPT, NOTHING_DIRECT.replace("And", "Then"))
@caught("wss_establishment", HAS_WRONG_ACCOUNT, LINK_DOWN, what="a wrong password")
@caught("wss_establishment", LETS_NOT_THROUGH, NOTHING_DIRECT, proxy="refusing")
@caught("wss_establishment", LETS_NOT_THROUGH, NOTHING_DIRECT, proxy="unreachable")
@caught("wss_establishment", LETS_NOT_THROUGH, NOTHING_DIRECT, proxy="silent")
class GoesDirectWhenTheProxyRefuses(Oxo):
    """Where the proxy does not let it through, it tries without."""

    class Agent(CCCtrlA):
        async def _attempt(self, settings: Settings) -> Session:
            try:
                return await super()._attempt(settings)
            except LinkFailure as failure:
                if failure.layer is not Layer.PROXY:
                    raise
            return await super()._attempt(replace(settings, web_proxy=WebProxySettings()))


@caught("wss_establishment", "The proxy is given by its host name", THROUGH)
class KnowsProxiesByAddressOnly(Oxo):
    """A proxy that is given by name is none."""

    class Agent(CCCtrlA):
        def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
            proxy = super()._proxy_for_attempt(settings)
            return None if proxy is not None and not proxy.host.replace(".", "").isdecimal() else proxy


@caught("wss_establishment", TAKEN_OUT, "Then the WSS link comes up again")
class DoesNotHearOfTheProxy(Oxo):
    """A change of the web proxy counts for the next link, and the one that is up is kept."""

    class Agent(CCCtrlA):
        def settings_changed(self, old: Settings, new: Settings) -> None:
            super().settings_changed(replace(old, web_proxy=new.web_proxy), new)


@caught("wss_establishment", TAKEN_OUT, "And the link runs directly")
class KeepsItsFirstProxy(Oxo):
    """The proxy of its first link is the one for ever."""

    class Agent(CCCtrlA):
        first: WebProxySettings | None = None

        def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
            self.first = self.first or super()._proxy_for_attempt(settings)
            return self.first


@caught("wss_establishment", "A site that needs the proxy and has none set in OMC", LINK_DOWN)
@caught("wss_establishment", "A firewall that does not let WSS out (<policy>)", LINK_DOWN, policy="proxy-only")
class FindsAProxyByItself(Oxo):
    """Where none is set it uses the one that it has found on the LAN."""

    class Agent(CCCtrlA):
        def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
            return super()._proxy_for_attempt(settings) or WebProxySettings("192.168.92.10", PROXY_PORT)


@caught("wss_establishment", "The proxy asks for an account", LINK_UP)
class SendsNoProxyAccount(Oxo):
    """It goes to the proxy without its account."""

    class Agent(CCCtrlA):
        def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
            proxy = super()._proxy_for_attempt(settings)
            return proxy and replace(proxy, account="", password="")


@caught("wss_establishment", HAS_WRONG_ACCOUNT, LINK_DOWN, what="no account")
@caught("wss_establishment", HAS_WRONG_ACCOUNT, LINK_DOWN, what="an unknown account")
class HasAnAccountOfItsOwn(Oxo):
    """It does not use the account in OMC, but one that it has learned before."""

    class Agent(CCCtrlA):
        def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
            proxy = super()._proxy_for_attempt(settings)
            return proxy and replace(proxy, account="oxo", password="s3cret of the site")


@caught("wss_establishment", LETS_THROUGH, LINK_UP, proxy="slow")
class IsImpatient(Oxo):
    """An attempt may take 5 s."""

    class Agent(Mistuned):
        others: ClassVar[dict[str, Any]] = {"attempt_timeout": 5.0}


@caught("wss_establishment", LETS_NOT_THROUGH, "And the PBX tried at least 3 times", proxy="not WebSocket-capable")
@caught("wss_establishment", "A proxy that is repaired", "Then the WSS link comes up at the next attempt")
@caught("wss_establishment", EVERY_ATTEMPT, "And the PBX tried at least 5 times")
class GivesUpAtTheProxy(Oxo):
    """What does not work at the first attempt is not tried again."""

    class Agent(GivesUp):
        pass
