"""OXO Connects that hold or end their tunnel in a wrong way, caught by the features about the VPN."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from emulators.cloudconnect.failure import Failure, FailureCode
from emulators.cloudconnect.requests import Closed, Opened, OpenRequest, VpnParameters
from emulators.oxo.agent import Agent
from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.cloudconnect import ConnectionAgent
from emulators.oxo.node import Oxo
from emulators.oxo.omc import HISTORY, OmcSession, Page, Value
from emulators.oxo.vpnagent import VpnAgent, VpnState
from emulators.oxo.vpnrules import VpnRules
from emulators.oxo.vpntunnel import Gateway, Tunnel
from emulators.session.ending import Ending
from emulators.session.session import Session
from emulators.xmpp.element import Element
from emulators.xmpp.stanza import IqType
from tests.wrong_devices.trial import caught
from tests.wrong_devices.vpn_parts import SELDOM, ActsAfterALoss, Mistuned, knock, leave_an_address
from tests.wrong_devices.wrong_parts import never

VPN, CLOSURE, DEAD = "vpn", "tunnel_closure", "vpn_dead_peer"
CUT = "The gateway cuts the tunnel"
DEAD_PEER = "The dead peer is noticed"
ASKED = "The request names <asked>"
UNTOLD = "The CCI is not told, and the reason stands in the VPN log only"
MANY = "<number> VPN connections with traffic flowing"
ANYBODY = "Whoever opened the connections"
OTHER_LINKS = "The permanent connection and the link to Rainbow stay"
LEFT = "<happens> while a tunnel is up"
UP, DOWN = "Then the tunnel is up", "Then the tunnel is down"
UNEXPECTED = 'And the history has "unexpected close"'
ANSWERED = "Then the request is answered with a VPN address and a connection ID"
NEXT_BYTE = "And every connection's next byte fails"
TOLD_ON_THE_WIRE = "And the PBX told the VPN gateway on the wire"
QUIET = "And nothing of the PBX goes to the VPN gateway for 1 hour"
QUIET_WHEN_DEAD = "And nothing of the PBX goes to the VPN gateway for 2 minutes"
NO_TUNNEL = 'Then the request fails with "no-tunnel"'


@caught(VPN, CUT, DOWN)
@caught(DEAD, DEAD_PEER, QUIET_WHEN_DEAD)
class TheTunnelComesBackByItself(Oxo):
    """Ten seconds after it has lost its tunnel it makes another one."""

    class Vpn(ActsAfterALoss):
        def after_loss(self) -> None:
            self._again = asyncio.create_task(self.again_after(10))


@caught(VPN, CUT, "And nothing of the PBX went to the VPN gateway since")
class LooksAfterTheGateway(Oxo):
    """It makes no tunnel again, and sees half an hour later whether it could."""

    class Vpn(ActsAfterALoss):
        def after_loss(self) -> None:
            asyncio.get_running_loop().call_later(1800, knock)


@caught(VPN, CUT, UNEXPECTED)
@caught(VPN, UNTOLD, UNEXPECTED)
@caught(DEAD, DEAD_PEER, UNEXPECTED)
class WritesNoHistory(Oxo):
    """Its supervision does not notice that the tunnel went down."""

    class CloudConnect(ConnectionAgent):
        def _on_unexpected_close(self) -> None:
            return


@caught(VPN, "A new request brings a new tunnel", ANSWERED)
class NeverMakesAnotherTunnel(Oxo):
    """A tunnel that was cut is the last one."""

    class Vpn(ActsAfterALoss):
        is_over = False

        def after_loss(self) -> None:
            self.is_over = True

        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            if self.is_over:
                raise Failure(FailureCode.BUSY, "the tunnel was cut")
            return await super()._open(request, login)


@caught(VPN, "The PBX looks for a dead peer every 30 seconds", "Then the PBX probes the VPN gateway every 30 seconds")
class ProbesEveryMinute(Oxo):
    """It looks for a dead peer half as often."""

    class Vpn(VpnAgent):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            object.__setattr__(self._rules.tunnel, "dead_peer_delay", 60.0)


@caught(DEAD, DEAD_PEER, "Then the dead gateway is noticed and the tunnel is down")
class IgnoresADeadPeer(Oxo):
    """It never asks whether the gateway is still there."""

    class Vpn(VpnAgent):
        class Line(Tunnel):
            def _connection(self, gateway: Gateway, login: VpnParameters) -> dict[str, Any]:
                return {**super()._connection(gateway, login), "dpd_delay": "0s"}


@caught(VPN, ASKED, UP, asked="nothing", kept="19 minutes")
class HasAShorterDefault(Oxo):
    """Where the request names no time, ten minutes without traffic are enough."""

    class Vpn(Mistuned):
        others: ClassVar[dict[str, Any]] = {"inactivity": 600.0}


@caught(VPN, ASKED, DOWN, asked="nothing", kept="19 minutes")
class KeepsAnInactiveTunnel(Oxo):
    """It does not look after the traffic."""

    class Vpn(VpnAgent):
        async def _until_inactive(self, tunnel: Tunnel, timeout: float) -> str:
            return await never()


@caught(VPN, ASKED, UP, asked="1 minute", kept="4 minutes")
@caught(VPN, ASKED, DOWN, asked="3 hours", kept="59 minutes")
class TakesAnyTimeout(Oxo):
    """It keeps to whatever time a request names."""

    class Vpn(Mistuned):
        others: ClassVar[dict[str, Any]] = {"least_inactivity": 1.0, "most_inactivity": 1e6, "poll": SELDOM}


class _OneTime(VpnRules):
    def inactivity_timeout(self, asked: float | None) -> float:
        return self.inactivity


@caught(VPN, ASKED, DOWN, asked="5 minutes", kept="4 minutes")
@caught(VPN, ASKED, UP, asked="30 minutes", kept="29 minutes")
class IgnoresTheTimeoutOfARequest(Oxo):
    """It has one timeout for all tunnels."""

    class Vpn(VpnAgent):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._rules = _OneTime(**vars(self._rules))


@caught(VPN, "Traffic keeps the tunnel", "When the application exchanges bytes every 8 minutes for 40 minutes")
class CountsNoTraffic(Oxo):
    """It ends a tunnel after its time, whether or not it is used."""

    class Vpn(VpnAgent):
        class Line(Tunnel):
            async def traffic(self) -> int:
                return 0


@caught(VPN, UNTOLD, "And the CCI was told nothing")
class TellsTheCciOfInactivity(Oxo):
    """It tells the CCI that the tunnel is closed, though nobody asked."""

    class CloudConnect(ConnectionAgent):
        async def _hold(self, session: Session) -> Ending:
            self.session = session
            return await super()._hold(session)

        def _on_unexpected_close(self) -> None:
            super()._on_unexpected_close()
            self._telling = asyncio.create_task(self.session.request(Closed(1).to_element(), kind=IqType.SET))


@caught(VPN, UNTOLD, 'And the PBX\'s VPN log has "no traffic"')
class LogsNoReason(Oxo):
    """Its VPN log says that the tunnel is down, and not why."""

    class Vpn(VpnAgent):
        async def _take_down(self, reason: str, wait: bool = True) -> None:
            await super()._take_down("tunnel down", wait)


@caught(VPN, UNTOLD, 'And the history says no more than "unexpected close"')
class TellsTheReasonInTheHistory(Oxo):
    """Its history says that the tunnel was inactive."""

    class Omc(OmcSession):
        def show(self) -> dict[str, Value]:
            shown = super().show()
            if self.page is Page.CLOUD_CONNECT:
                shown[HISTORY] = str(shown[HISTORY]).replace("unexpected close", "unexpected close (no traffic)")
            return shown


@caught(CLOSURE, MANY, "Then the request is answered with 3 closed connections", number="3")
@caught(CLOSURE, ANYBODY, "Then the request is answered with 3 closed connections")
class ClosesOneConnectionOnly(Oxo):
    """It closes the connection of one user, and keeps the tunnel for the others."""

    class Vpn(VpnAgent):
        async def close(self) -> int:
            self._connections.pop()
            return 1 if self._connections else await super().close()


@caught(CLOSURE, MANY, TOLD_ON_THE_WIRE, number="1")
class KeepsTheTunnel(Oxo):
    """It closes all connections, and leaves the tunnel's SAs as they are."""

    class Vpn(VpnAgent):
        async def close(self) -> int:
            count = len(self._connections)
            self._connections.clear()
            self._page.stop()
            return count


@caught(CLOSURE, MANY, TOLD_ON_THE_WIRE, number="3")
class LeavesWithoutAWord(Oxo):
    """It takes the tunnel down without telling the gateway, which keeps its own end."""

    class Vpn(VpnAgent):
        class Line(Tunnel):
            async def close(self, wait: bool = True) -> None:
                self._charon.kill()
                await super().close(wait=False)


@caught(CLOSURE, ANYBODY, NEXT_BYTE)
class LetsTheOthersGoOn(Oxo):
    """It says that all connections are closed, and closes none."""

    class Vpn(VpnAgent):
        async def close(self) -> int:
            return len(self._connections)


@caught(CLOSURE, MANY, "And the VPN address and the routes are gone on both ends", number="10")
class LeavesAnAddressBehind(Oxo):
    """When the tunnel is closed, an address in the VPN stays."""

    class Vpn(VpnAgent):
        async def close(self) -> int:
            count = await super().close()
            await leave_an_address()
            return count


@caught(CLOSURE, MANY, QUIET, number="1")
class ComesBackAfterAClose(Oxo):
    """Half an hour after a close request it makes a tunnel for those who had one."""

    class Vpn(ActsAfterALoss):
        async def close(self) -> int:
            count = await super().close()
            self._again = asyncio.create_task(self.again_after(1800))
            return count


@caught(CLOSURE, OTHER_LINKS, "And the connection to the CCI is still the same")
class ClosesThePermanentConnectionToo(Oxo):
    """A close request is answered, and ends the connection that it came by."""

    class CloudConnect(ConnectionAgent):
        async def _on_close_request(self, payload: Element) -> Element:
            answer = await super()._on_close_request(payload)
            asyncio.get_running_loop().call_later(0.5, self._changed.set)
            return answer


@caught(CLOSURE, OTHER_LINKS, "And the WSS link is still the same")
class ClosesTheLinkToRainbowToo(Oxo):
    """A close request ends the link to Rainbow as well."""

    class CloudConnect(ConnectionAgent):
        rainbow: CCCtrlA

        async def _on_close_request(self, payload: Element) -> Element:
            self.rainbow._changed.set()
            return await super()._on_close_request(payload)

    async def start(self) -> None:
        await super().start()
        agent, connection = self._running()
        assert isinstance(connection, self.CloudConnect)
        connection.rainbow = agent


@caught(CLOSURE, "A new request after a close", ANSWERED)
class TakesACloseForGood(Oxo):
    """After a close request no other tunnel is made."""

    class Vpn(VpnAgent):
        is_over = False

        async def close(self) -> int:
            self.is_over = True
            return await super().close()

        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            if self.is_over:
                raise Failure(FailureCode.BUSY, "the VPN is closed")
            return await super()._open(request, login)


@caught(CLOSURE, "There was never a tunnel", NO_TUNNEL)
@caught(CLOSURE, "Twice in a row", NO_TUNNEL)
class ClosesWhatIsNotThere(Oxo):
    """A close request is always met."""

    class Vpn(VpnAgent):
        async def close(self) -> int:
            return 0 if self._state is VpnState.DOWN else await super().close()


@caught(
    CLOSURE,
    "A request while the tunnel is being closed",
    'Then the close request is answered and the other one fails with "busy" or brings a new tunnel',
)
class OpensAConnectionOnATunnelThatGoes(Oxo):
    """A request that comes while the tunnel is being closed is met, with the address that is about to go."""

    class Vpn(VpnAgent):
        async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
            if self._state is VpnState.CLOSING and self._tunnel is not None:
                return Opened(self._tunnel.address, "1")
            return await super()._open(request, login)


@caught(CLOSURE, LEFT, DOWN, happens="Cloud Connect is disabled in OMC")
class KeepsTheTunnelWhenDisabled(Oxo):
    """Disabling Cloud Connect closes the connection to the CCI only."""

    class CloudConnect(ConnectionAgent):
        async def _disabled(self) -> None:
            return


@caught(CLOSURE, LEFT, DOWN, happens="the PBX restarts")
class LeavesTheTunnelWhenItRestarts(Oxo):
    """It powers down without a word to the VPN gateway."""

    class CloudConnect(ConnectionAgent):
        async def run(self) -> None:
            await Agent.run(self)
