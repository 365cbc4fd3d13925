"""OXO Connects that trust somebody who is not Rainbow, or not enough, caught by wss_establishment.feature."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.node import Oxo
from emulators.session.ending import Ending
from emulators.session.session import Session
from tests.wrong_devices.trial import caught

WRONG_CERTIFICATE = "Rainbow's place is taken by somebody with a certificate of <kind>, then Rainbow is back"
NOBODY = "And no PBX has logged in"
NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for."""


@caught("wss_establishment", WRONG_CERTIFICATE, NOBODY, kind="a wrong name")
class ChecksNoName(Oxo):
    """Any certificate of the right authority will do."""

    class Agent(CCCtrlA):
        def _tls_context(self) -> ssl.SSLContext:
            context = super()._tls_context()
            context.check_hostname = False
            return context


@caught("wss_establishment", WRONG_CERTIFICATE, NOBODY, kind="an expired date")
class ChecksNoDate(Oxo):
    """A certificate is good for ever."""

    class Agent(CCCtrlA):
        def _tls_context(self) -> ssl.SSLContext:
            context = super()._tls_context()
            context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
            return context


class _Credulous(CCCtrlA):
    def _tls_context(self) -> ssl.SSLContext:
        context = super()._tls_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


@caught("wss_establishment", WRONG_CERTIFICATE, NOBODY, kind="an unknown authority")
class ChecksNoCertificate(Oxo):
    """It takes any certificate."""

    class Agent(_Credulous):
        pass


@caught(
    "wss_establishment",
    "A proxy that does not let WSS through (<proxy>)",
    "Then no PBX has logged in",
    proxy="inspecting with an untrusted authority",
)
class ChecksTheCertificateLate(Oxo):
    """It logs in to whoever is there, looks at the certificate, and hangs up a second later."""

    class Agent(_Credulous):
        async def _hold(self, session: Session) -> Ending:
            asyncio.get_running_loop().call_later(1, session.abort, "the certificate is wrong")
            return await super()._hold(session)


@caught(
    "wss_establishment",
    "A proxy that lets WSS through (<proxy>)",
    "Then the WSS link is up",
    proxy="inspecting with a trusted authority",
)
class TrustsOneAuthority(Oxo):
    """Of the authorities that were installed it trusts the first only."""

    class Agent(CCCtrlA):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            end = "-----END CERTIFICATE-----"
            self._ca = self._ca.partition(end)[0] + end + "\n"


class _Nameless(ssl.SSLContext):
    """Names no server in its ClientHello."""

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return super().wrap_bio(*args, **{**kwargs, "server_hostname": None})


@caught(
    "wss_establishment",
    "The link goes to port 443 of the agent's name in the Rainbow domain",
    'And the PBX asks for the server name "agent.openrainbow.com" in TLS',
)
class NamesNoServer(Oxo):
    """It does not say in TLS whom it wants to reach."""

    class Agent(CCCtrlA):
        def _tls_context(self) -> ssl.SSLContext:
            context = _Nameless(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.load_verify_locations(cadata=self._ca)
            return context
