"""OXO Connects that open VPN connections in a wrong way, caught by vpn.feature."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from emulators.cloudconnect.failure import Failure, FailureCode
from emulators.cloudconnect.requests import Opened, OpenRequest, VpnParameters
from emulators.oxo import cloudconnect
from emulators.oxo.cloudconnect import WithoutVpn
from emulators.oxo.managementpage import ManagementPage
from emulators.oxo.node import Oxo
from emulators.oxo.vpnagent import VpnAgent, VpnState
from emulators.oxo.vpntunnel import Gateway, Tunnel
from tests.wrong_devices.trial import caught
from tests.wrong_devices.vpn_parts import GATEWAY, Mistuned, leave_an_address, send

FEATURE = "vpn"
FIRST = "The first request"
SECOND = "A second user"
TEN = "Ten users share the tunnel"
AT_ONCE = "Two requests at once"
TRAFFIC = "Traffic flows through the tunnel, and only there"
TROUBLE = "<trouble>"
ANSWERED = "Then the request is answered with a VPN address and a connection ID"
SHARED = "Then the request is answered with the same VPN address and a new connection ID"
ALL_SHARED = "Then all requests are answered with the same VPN address and different connection IDs"
ONE_TUNNEL = "And only one tunnel was ever set up"
UP = "And the tunnel is up"
FAILS = 'Then the request fails with "{}"'
UNREACHABLE, CERTIFICATE, PASSWORD = "gateway-unreachable", "gateway-refused-certificate", "wrong-password"


@caught(FEATURE, FIRST, ANSWERED)
@caught(FEATURE, "The PBX looks for a dead peer every 30 seconds", "Given a VPN connection was opened")
class HasNoVpn(Oxo):
    """It keeps the connection to the CCI, and refuses what comes through it."""

    def _make_vpn(self, on_lost: Callable[[], None]) -> cloudconnect.VpnAgent:
        return WithoutVpn(on_lost)


@caught(FEATURE, FIRST, ANSWERED)
class AnswersWithItsLanAddress(Oxo):
    """It opens a connection, and says where it is in the LAN."""

    class Vpn(VpnAgent):
        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            return replace(await super()._open(request, login), address="192.168.92.246")


@caught(FEATURE, FIRST, ANSWERED)
class GivesNoConnectionId(Oxo):
    """It answers with the address alone."""

    class Vpn(VpnAgent):
        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            return replace(await super()._open(request, login), connection="")


@caught(FEATURE, FIRST, UP)
class AnswersBeforeItActs(Oxo):
    """It answers at once with the address that it expects, and makes no tunnel."""

    class Vpn(VpnAgent):
        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            return Opened("10.168.92.100", "1")


@caught(FEATURE, SECOND, SHARED)
@caught(FEATURE, TEN, ALL_SHARED)
@caught(FEATURE, AT_ONCE, ALL_SHARED)
class HasOneConnectionId(Oxo):
    """Every connection has the same ID."""

    class Vpn(VpnAgent):
        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            return replace(await super()._open(request, login), connection="1")


@caught(FEATURE, SECOND, SHARED)
class GivesEachUserAnAddress(Oxo):
    """Each connection has an address of its own."""

    class Vpn(VpnAgent):
        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            opened = await super()._open(request, login)
            return replace(opened, address=f"10.168.92.{100 + len(self._connections)}")


@caught(FEATURE, SECOND, ONE_TUNNEL)
class MakesATunnelForEachRequest(Oxo):
    """A later request takes the tunnel down and makes another one for all."""

    class Vpn(VpnAgent):
        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            kept = self.connections
            if self._state is VpnState.UP:
                await self._take_down("another user comes")
            opened = await super()._open(request, login)
            self._connections[:0] = kept
            return opened


@caught(FEATURE, TEN, ALL_SHARED)
class TakesNineUsers(Oxo):
    """The tenth user is one too many."""

    class Vpn(Mistuned):
        others: ClassVar[dict[str, Any]] = {"users": 9}


@caught(FEATURE, "An eleventh user", FAILS.format("too-many-users"))
class TakesAnEleventhUser(Oxo):
    """There is always room for one more."""

    class Vpn(Mistuned):
        others: ClassVar[dict[str, Any]] = {"users": 11}


@caught(FEATURE, "An eleventh user", UP)
class AnEleventhUserEndsTheTunnel(Oxo):
    """It refuses the eleventh user, and the other ten with him."""

    class Vpn(VpnAgent):
        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            try:
                return await super()._open(request, login)
            except Failure:
                await self._take_down("too many users")
                raise


@caught(FEATURE, AT_ONCE, ALL_SHARED)
class IsBusyWhileItSetsUp(Oxo):
    """A request that comes during the set-up is refused."""

    class Vpn(VpnAgent):
        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            if self._state is VpnState.SETTING_UP:
                raise Failure(FailureCode.BUSY, "the tunnel is being set up")
            return await super()._open(request, login)


class _Mute(ManagementPage):
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()


@caught(FEATURE, TRAFFIC, "Then the bytes arrive, both ways")
class IsMuteInTheVpn(Oxo):
    """Its management page takes a request through the tunnel, and does not answer."""

    class Vpn(VpnAgent):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._page = _Mute()


@caught(FEATURE, TRAFFIC, "And the firewall saw encrypted traffic and nothing of the bytes")
class SendsThePageInClearToo(Oxo):
    """What it serves through the tunnel, it also sends past it."""

    class Vpn(VpnAgent):
        async def _serve_page(self, address: str) -> None:
            await super()._serve_page(address)
            send(b"<!doctype html>\n<title>OXO Connect</title>\n")


class _OneCode(VpnAgent):
    """Has one code for every failure."""

    code: ClassVar[FailureCode]

    async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
        try:
            return await super()._open(request, login)
        except Failure as failure:
            raise Failure(self.code, failure.text) from failure


@caught(
    FEATURE, TROUBLE, FAILS.format("unknown-gateway"),
    trouble="the request names an unknown gateway", code="unknown-gateway",
)  # fmt: skip
@caught(FEATURE, TROUBLE, FAILS.format(PASSWORD), trouble="the VPN gateway expects another password", code=PASSWORD)
@caught(
    FEATURE, TROUBLE, FAILS.format("no-proposal"),
    trouble="the VPN gateway accepts other algorithms only", code="no-proposal",
)  # fmt: skip
@caught(
    FEATURE, TROUBLE, FAILS.format(CERTIFICATE),
    trouble="the VPN gateway shows a certificate of an expired date", code=CERTIFICATE,
)  # fmt: skip
class CallsEveryFailureUnreachable(Oxo):
    """It says of every gateway that will not do that it cannot be reached."""

    class Vpn(_OneCode):
        code = FailureCode.GATEWAY_UNREACHABLE


@caught(FEATURE, TROUBLE, FAILS.format(UNREACHABLE), trouble="the firewall is no-ipsec", code=UNREACHABLE)
class CallsEveryFailureAWrongPassword(Oxo):
    """Its installer is always told to look after the password."""

    class Vpn(_OneCode):
        code = FailureCode.WRONG_PASSWORD


@caught(
    FEATURE, TROUBLE, FAILS.format(CERTIFICATE),
    trouble="the VPN gateway shows a certificate of a wrong name", code=CERTIFICATE,
)  # fmt: skip
class ChecksNoNameOfTheGateway(Oxo):
    """Any certificate of the right authority will do for the VPN gateway."""

    class Vpn(VpnAgent):
        class Line(Tunnel):
            def _connection(self, gateway: Gateway, login: VpnParameters) -> dict[str, Any]:
                connection = super()._connection(gateway, login)
                # That is the name in the wrong certificate.
                connection["remote"]["id"] = f"wrong.{gateway.name}"
                return connection


@caught(
    FEATURE, TROUBLE, f'And the PBX\'s VPN log has "{UNREACHABLE}"',
    trouble="the VPN gateway is dead", code=UNREACHABLE,
)  # fmt: skip
class LogsNoFailure(Oxo):
    """It tells the CCI of a failure, and writes nothing down."""

    class Vpn(VpnAgent):
        async def open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            return await self._open(request, login)


@caught(
    FEATURE, TROUBLE, "And the tunnel is down",
    trouble="the VPN gateway shows a certificate of an unknown authority", code=CERTIFICATE,
)  # fmt: skip
class KeepsAnAddressAfterAFailure(Oxo):
    """A set-up that failed leaves an address in the VPN behind."""

    class Vpn(VpnAgent):
        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            try:
                return await super()._open(request, login)
            except Failure:
                await leave_an_address()
                raise


@caught(
    FEATURE,
    "After a failure the next request works",
    "Then the request is answered with a VPN address and a connection ID",
)
class NeverRecovers(Oxo):
    """What failed once fails for ever."""

    class Vpn(VpnAgent):
        failure: Failure | None = None

        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            if self.failure is not None:
                raise self.failure
            try:
                return await super()._open(request, login)
            except Failure as failure:
                self.failure = failure
                raise


@caught(FEATURE, "A firewall that lets out only HTTPS, DNS and the VPN", ANSWERED)
class TriesTheGatewayByTcp(Oxo):
    """Before it makes a tunnel it wants to know whether the gateway is there, by a port that the VPN does not need."""

    class Vpn(VpnAgent):
        async def _find(self, gateway: str) -> str:
            try:
                async with asyncio.timeout(5):
                    await asyncio.open_connection(GATEWAY, 8443)
            except ConnectionRefusedError:
                return await super()._find(gateway)
            except TimeoutError as error:
                raise Failure(FailureCode.GATEWAY_UNREACHABLE, "it does not answer by TCP") from error
            return await super()._find(gateway)
