"""The VPN agent: opens the VPN tunnel on request, shares it between users, and closes all of it at once.

The rules are the Installation Manual's: one tunnel; up to ten users share it, each with a connection ID of its own and
the same VPN address; a close request closes all active connections and the tunnel, whoever opened them; an inactive
tunnel is closed after a time from the request, which is kept to between five minutes and an hour; a tunnel that was cut
never comes back by itself. Why a tunnel ended stands in the VPN agent's log only.

Not public, and so the bench's choice [?]: the timeout is the one of the request that created the tunnel; a request for
another gateway, while the tunnel is up, is refused as busy; so is a request or a second close while it is being closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from emulators.cloudconnect.failure import Failure, FailureCode
from emulators.cloudconnect.requests import Opened, OpenRequest, VpnParameters
from emulators.ipsec.vici import ViciError
from emulators.oxo.failure import LinkFailure, words
from emulators.oxo.managementpage import ManagementPage
from emulators.oxo.vpnlog import VpnLog
from emulators.oxo.vpnrules import VpnRules
from emulators.oxo.vpntunnel import Gateway, Tunnel

_LOOKS, _PAUSE = 50, 0.002
"""How often it is looked whether the last packets have left, and the seconds between two looks."""


class VpnState(enum.Enum):
    """Where the tunnel stands."""

    DOWN = "down"
    SETTING_UP = "setting up"
    UP = "up"
    CLOSING = "closing"


@dataclass(frozen=True)
class VpnConnection:
    """One user's connection; the user's name is kept for information while it is open."""

    id: str
    user: str


class VpnAgent:
    """The VPN agent of one PBX.

    charon's files are in `folder`, which must be a short path; `log` is the agent's log file; `ca` the certification
    authorities that a gateway's certificate is checked against, in PEM. `resolve` finds a gateway's addresses and
    raises LinkFailure; `on_lost` is called when the tunnel ended without a request, and is not told why.
    """

    Line: ClassVar[type[Tunnel]] = Tunnel
    """What its tunnels are made of, so that a test can make one that does one thing wrong."""

    def __init__(
        self,
        folder: Path,
        log: Path,
        ca: str,
        resolve: Callable[[str], Awaitable[Sequence[str]]],
        on_lost: Callable[[], None],
        rules: VpnRules | None = None,
        page: ManagementPage | None = None,
    ) -> None:
        self._folder = folder
        self._log = VpnLog(log)
        self._ca = ca
        self._resolve = resolve
        self._on_lost = on_lost
        self._rules = rules or VpnRules()
        self._page = page or ManagementPage()
        self._state = VpnState.DOWN
        self._setting_up: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._tunnel: Tunnel | None = None
        self._gateway = ""
        self._connections: list[VpnConnection] = []

    @property
    def state(self) -> VpnState:
        """Where the tunnel stands."""
        return self._state

    @property
    def address(self) -> str | None:
        """The PBX's address in the VPN while the tunnel is up."""
        return self._tunnel.address if self._tunnel is not None and self._state is VpnState.UP else None

    @property
    def connections(self) -> list[VpnConnection]:
        """The active connections, oldest first."""
        return list(self._connections)

    @property
    def daemon(self) -> int | None:
        """The process number of the tunnel's charon, None when there is none."""
        return self._tunnel.daemon if self._tunnel is not None else None

    def log_lines(self) -> list[str]:
        """The agent's log file."""
        return self._log.lines()

    async def start(self) -> None:
        """Takes away what is left of a tunnel that ended with the PBX's power."""
        await self.Line(self._folder, self._ca, self._rules.tunnel).sweep()

    async def open(self, request: OpenRequest, login: VpnParameters) -> Opened:
        """Opens a connection, and the tunnel when there is none. `login` serves for a request that brings none.

        Raises Failure, which has been logged.
        """
        try:
            return await self._open(request, login)
        except Failure as failure:
            self._log.write(f"request of {request.user} for {request.gateway}: error {failure}")
            raise

    async def close(self) -> int:
        """Closes all active connections and the tunnel; returns how many connections there were.

        A set-up that is under way is closed as soon as it is finished, or broken off when it takes long.

        Raises Failure: there is no tunnel, or it is being closed already.
        """
        if self._state is VpnState.CLOSING:
            raise self._refusal(FailureCode.BUSY, "the tunnel is being closed already")
        if self._state is VpnState.DOWN:
            raise self._refusal(FailureCode.NO_TUNNEL, "there is no tunnel to close")
        count = len(self._connections)
        await self._take_down(f"closed on request, with {count} connections")
        return count

    async def stop(self) -> None:
        """Ends with the PBX, in order: a tunnel that is up is closed, without waiting for the gateway's answer."""
        if self._state in (VpnState.UP, VpnState.SETTING_UP):
            await self._take_down("closed, since the VPN agent stops", wait=False)
        elif self._closing is not None:
            await asyncio.wait({self._closing})

    async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
        if self._state is VpnState.CLOSING:
            raise Failure(FailureCode.BUSY, "the tunnel is being closed")
        if self._state is not VpnState.DOWN and request.gateway != self._gateway:
            raise Failure(FailureCode.BUSY, "the tunnel leads to another VPN gateway")
        if self._state is VpnState.DOWN:
            self._state = VpnState.SETTING_UP
            self._gateway = request.gateway
            used = request.parameters if request.parameters.account else login
            self._setting_up = asyncio.create_task(self._set_up(request, used))
        if self._setting_up is not None:
            await _finished(self._setting_up)
        return self._add_connection(request.user)

    def _add_connection(self, user: str) -> Opened:
        # Between the end of the set-up and this user's turn, the tunnel may have been closed.
        if self._tunnel is None or self._state is not VpnState.UP:
            raise Failure(FailureCode.BUSY, "the tunnel was closed while it was being set up")
        if len(self._connections) >= self._rules.users:
            raise Failure(FailureCode.TOO_MANY_USERS, f"the tunnel has {self._rules.users} users already")
        connection = VpnConnection(secrets.token_hex(8), user)
        self._connections.append(connection)
        self._log.write(f"connection {connection.id} of {user} opened, {len(self._connections)} in all")
        return Opened(self._tunnel.address, connection.id)

    async def _set_up(self, request: OpenRequest, login: VpnParameters) -> None:
        """Brings the tunnel up; whatever goes wrong, the agent is ready for the next request afterwards."""
        tunnel = self.Line(self._folder, self._ca, self._rules.tunnel)
        self._tunnel = tunnel
        try:
            await tunnel.open(Gateway(request.gateway, await self._find(request.gateway)), login)
            await self._serve_page(tunnel.address)
        except BaseException:
            try:
                await tunnel.close()
            finally:
                self._tunnel = None
                if self._state is VpnState.SETTING_UP:
                    self._state = VpnState.DOWN
            raise
        finally:
            self._setting_up = None
        if self._state is not VpnState.SETTING_UP:
            return
        timeout = self._rules.inactivity_timeout(request.inactivity)
        self._state = VpnState.UP
        probes = f"dead peer probes every {self._rules.tunnel.dead_peer_delay:g} s"
        self._log.write(
            f"tunnel to {request.gateway} up, VPN address {tunnel.address}, inactivity {timeout:g} s, {probes}"
        )
        self._supervision = asyncio.create_task(self._supervise(tunnel, timeout))

    async def _serve_page(self, address: str) -> None:
        try:
            await self._page.start(address)
        except OSError as error:
            text = f"the management page cannot be served at {address}: {words(error)}"
            raise Failure(FailureCode.TUNNEL_UNAVAILABLE, text) from error

    async def _find(self, gateway: str) -> str:
        try:
            return (await self._resolve(gateway))[0]
        except LinkFailure as failure:
            raise Failure(FailureCode.UNKNOWN_GATEWAY, str(failure)) from failure

    async def _supervise(self, tunnel: Tunnel, timeout: float) -> None:
        """Takes the tunnel down when it is lost or has been inactive, and says so without the reason."""
        lost = asyncio.create_task(tunnel.lost())
        inactive = asyncio.create_task(self._until_inactive(tunnel, timeout))
        try:
            await asyncio.wait({lost, inactive}, return_when=asyncio.FIRST_COMPLETED)
            is_lost = lost.done()
            reason = lost.result() if is_lost else inactive.result()
        finally:
            lost.cancel()
            inactive.cancel()
        # In the same moment somebody may have begun to close the tunnel.
        if self._state is not VpnState.UP:
            return
        # This task must not be cancelled by what it starts.
        self._supervision = None
        await self._take_down(f"tunnel down: {reason}", wait=not is_lost)
        self._on_lost()

    async def _until_inactive(self, tunnel: Tunnel, timeout: float) -> str:
        """Waits until no byte has gone through the tunnel for `timeout` seconds, or nobody can say."""
        loop = asyncio.get_running_loop()
        bytes_seen, since = 0, loop.time()
        while (left := since + timeout - loop.time()) > 0:
            await asyncio.sleep(min(left, self._rules.poll))
            try:
                count = await tunnel.traffic()
            except ViciError:
                return await tunnel.lost()
            if count != bytes_seen:
                bytes_seen, since = count, loop.time()
        return f"no traffic for {timeout:g} s"

    async def _take_down(self, reason: str, wait: bool = True) -> None:
        self._state = VpnState.CLOSING
        self._closing = asyncio.create_task(self._end(reason, wait))
        await _finished(self._closing)

    async def _end(self, reason: str, wait: bool) -> None:
        try:
            if self._setting_up is not None and wait:
                # A gateway that has just let the PBX in is told of the end, unless it takes long.
                await asyncio.wait({self._setting_up}, timeout=self._rules.tunnel.close_timeout)
            for task in (self._supervision, self._setting_up):
                if task is not None:
                    task.cancel()
                    await asyncio.wait({task})
            self._connections.clear()
            if self._tunnel is not None:
                if wait:
                    await self._hang_up(self._tunnel)
                self._page.stop()
                await self._tunnel.close(wait)
        finally:
            self._supervision = None
            self._tunnel = None
            self._closing = None
            self._state = VpnState.DOWN
        self._log.write(reason)

    async def _hang_up(self, tunnel: Tunnel) -> None:
        """Resets the connections to the management page, and sees that the resets leave before the tunnel goes."""
        with contextlib.suppress(ViciError, TimeoutError):
            async with asyncio.timeout(self._rules.tunnel.close_timeout):
                before = await tunnel.packets_sent()
                expected = before + self._page.stop()
                for _ in range(_LOOKS):
                    if await tunnel.packets_sent() >= expected:
                        break
                    await asyncio.sleep(_PAUSE)

    def _refusal(self, code: FailureCode, text: str) -> Failure:
        failure = Failure(code, text)
        self._log.write(f"close request: error {failure}")
        return failure


async def _finished(task: asyncio.Task[None]) -> None:
    """Waits for a task that others wait for too, and that goes on when one of them gives up."""
    await asyncio.wait({task})
    if task.cancelled():
        raise Failure(FailureCode.BUSY, "the tunnel was closed while it was being set up")
    task.result()
