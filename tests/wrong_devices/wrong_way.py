"""OXO Connects that take a wrong way to Rainbow's access point, caught by wss_establishment.feature."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any, ClassVar

import dns.asyncquery
import dns.message
import dns.name
import dns.rdatatype

from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.failure import Layer, LinkFailure
from emulators.oxo.node import Oxo
from emulators.oxo.resolver import Resolver
from emulators.oxo.settings import Settings
from emulators.session.session import Session
from tests.wrong_devices.trial import caught
from tests.wrong_devices.wrong_parts import Elsewhere, GivesUp, Mistuned

LETS_OUT = "A firewall that lets WSS out (<policy>)"
LETS_NOT_OUT = "A firewall that does not let WSS out (<policy>)"
OPENED_LATER = "A firewall that is opened later (<before>, then <after>)"
THE_NAME = "The link goes to port 443 of the agent's name in the Rainbow domain"
DROPS = "Attempts against a firewall that drops are seen to be unanswered"
DNS_FAULT = "DNS is at fault (<fault>), then repaired"
NO_LINK = "The PCG does not take the link (<fault>), then it does"
LINK_UP = "Then the WSS link is up"
NEXT_ATTEMPT = "Then the WSS link comes up at the next attempt"
PCG = "198.51.100.10"
"""The PCG's address on the site; a device that knows it by heart is one of the wrong ones."""


@caught("wss_establishment", LETS_OUT, LINK_UP, policy="https-only")
@caught("wss_establishment", "A proxy that lets WSS through (<proxy>)", LINK_UP, proxy="limited to port 443")
class UsesAnotherPort(Oxo):
    """It looks for Rainbow at port 8443."""

    class Agent(Mistuned):
        others: ClassVar[dict[str, Any]] = {"port": 8443}


@caught("wss_establishment", THE_NAME, LINK_UP)
class LeavesAgentOut(Oxo):
    """It looks for the domain's own name, without `agent.` before it."""

    class Agent(CCCtrlA):
        async def _attempt(self, settings: Settings) -> Session:
            return await super()._attempt(Elsewhere.at(settings, settings.rainbow.domain))


@caught("wss_establishment", THE_NAME, 'And the PBX asked its DNS server for "agent.openrainbow.com"')
class KnowsTheAddressByHeart(Oxo):
    """It does not ask where Rainbow is."""

    class Agent(CCCtrlA):
        def _resolver(self, settings: Settings) -> Resolver:
            class ByHeart(Resolver):
                async def addresses(self, name: str) -> list[str]:
                    return [PCG]

            return ByHeart(settings.dns)


@caught("wss_establishment", THE_NAME, "And every attempt of the PBX goes to port 443")
@caught("wss_establishment", LETS_NOT_OUT, "And nothing of the PBX reaches Rainbow", policy="blocking")
@caught("wss_establishment", LETS_NOT_OUT, "And nothing of the PBX reaches Rainbow", policy="rejecting")
@caught("wss_establishment", DROPS, "Then every attempt of the PBX is left unanswered")
class KnocksAtPort80(Oxo):
    """Before each attempt it tries whether Rainbow is there at port 80."""

    class Agent(CCCtrlA):
        async def _attempt(self, settings: Settings) -> Session:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(PCG, 80)
                writer.close()
            return await super()._attempt(settings)


@caught("wss_establishment", LETS_NOT_OUT, "And nothing of the PBX reaches Rainbow", policy="deny-all")
class StaysAtHome(Oxo):
    """It makes no attempt at all."""

    class Agent(CCCtrlA):
        async def _stay_connected(self) -> None:
            await asyncio.Event().wait()


@caught("wss_establishment", OPENED_LATER, NEXT_ATTEMPT, before="blocking", after="permissive")
@caught("wss_establishment", OPENED_LATER, NEXT_ATTEMPT, before="rejecting", after="permissive")
@caught("wss_establishment", OPENED_LATER, NEXT_ATTEMPT, before="deny-all", after="https-only")
@caught("wss_establishment", DNS_FAULT, NEXT_ATTEMPT, fault="is silent")
class GivesUpAfterThreeFailures(Oxo):
    """After the third failure somebody has to enable it again."""

    class Agent(GivesUp):
        def _is_final(self, failure: LinkFailure) -> bool:
            return self._failures == 2


@caught("wss_establishment", "A policy of the customer's own", LINK_UP)
class AsksDnsOverTcp(Oxo):
    """It asks its DNS servers over TCP, which this customer's firewall does not let out."""

    class Agent(CCCtrlA):
        def _resolver(self, settings: Settings) -> Resolver:
            class OverTcp(Resolver):
                async def _ask(self, name: str, server: str) -> dns.message.Message:
                    query = dns.message.make_query(dns.name.from_text(name), dns.rdatatype.A)
                    return await dns.asyncquery.tcp(query, server, port=self.port)

            return OverTcp(settings.dns)


@caught("wss_establishment", DNS_FAULT, NEXT_ATTEMPT, fault="says that the name does not exist")
@caught("wss_establishment", DNS_FAULT, NEXT_ATTEMPT, fault="fails")
class TakesDnsAtItsWord(Oxo):
    """A name that cannot be found once is not looked for again."""

    class Agent(GivesUp):
        def _is_final(self, failure: LinkFailure) -> bool:
            return failure.layer is Layer.DNS


@caught("wss_establishment", DNS_FAULT, NEXT_ATTEMPT, fault="gives a wrong address")
class KeepsTheFirstAnswer(Oxo):
    """It keeps what DNS said until it is restarted."""

    class Agent(CCCtrlA):
        answers: ClassVar[dict[str, list[str]]] = {}

        def _resolver(self, settings: Settings) -> Resolver:
            answers = self.answers

            class Keeps(Resolver):
                async def addresses(self, name: str) -> list[str]:
                    if name not in answers:
                        answers[name] = await super().addresses(name)
                    return answers[name]

            return Keeps(settings.dns)


@caught("wss_establishment", "An answer too long for UDP", LINK_UP)
class TakesTruncatedAnswers(Oxo):
    """It does not ask over TCP when an answer did not fit."""

    class Agent(CCCtrlA):
        def _resolver(self, settings: Settings) -> Resolver:
            class OverUdp(Resolver):
                async def _ask(self, name: str, server: str) -> dns.message.Message:
                    query = dns.message.make_query(dns.name.from_text(name), dns.rdatatype.A)
                    return await dns.asyncquery.udp(query, server, port=self.port)

            return OverUdp(settings.dns)


@caught(
    "wss_establishment",
    "The first DNS server is dead and the second answers",
    "Then the WSS link comes up within 1 minute",
)
class IgnoresTheSecondDnsServer(Oxo):
    """It asks the primary only."""

    class Agent(CCCtrlA):
        def _resolver(self, settings: Settings) -> Resolver:
            return super()._resolver(replace(settings, dns=replace(settings.dns, secondary="")))


@caught("wss_establishment", NO_LINK, NEXT_ATTEMPT, fault="accepts connections and is silent")
@caught("wss_establishment", NO_LINK, NEXT_ATTEMPT, fault="refuses the upgrade with 403")
@caught("wss_establishment", NO_LINK, NEXT_ATTEMPT, fault="refuses the upgrade with 503")
class TakesARefusalForGood(Oxo):
    """Where there was no WebSocket once it does not come again."""

    class Agent(GivesUp):
        def _is_final(self, failure: LinkFailure) -> bool:
            return failure.layer in (Layer.TLS, Layer.WEBSOCKET)


@caught("wss_establishment", NO_LINK, NEXT_ATTEMPT, fault="is silent after the upgrade")
class WaitsForEver(Oxo):
    """An attempt that nobody answers goes on without an end."""

    class Agent(Mistuned):
        others: ClassVar[dict[str, Any]] = {"attempt_timeout": 1e9}
