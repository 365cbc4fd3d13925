"""The VPN agent where the system or the moment is against it; its tunnel is kept in memory here."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from pathlib import Path
from typing import ClassVar

import pytest

from emulators.cloudconnect.failure import Failure
from emulators.cloudconnect.requests import OpenRequest, VpnParameters
from emulators.ipsec.charon import Charon
from emulators.oxo.managementpage import ManagementPage
from emulators.oxo.vpnagent import VpnAgent, VpnState
from emulators.oxo.vpntunnel import Gateway, Tunnel, TunnelParameters
from tests.agent.rig import run, until

REQUEST = OpenRequest("support", "gateway")


class InMemory(Tunnel):
    """A tunnel that is nothing but the news of its end."""

    made: ClassVar[list[InMemory]] = []

    def __init__(self, folder: Path, ca: str, parameters: TunnelParameters) -> None:
        super().__init__(folder, ca, parameters)
        self.cut = asyncio.get_running_loop().create_future()
        self.closed = 0
        self.made.append(self)

    async def open(self, gateway: Gateway, login: VpnParameters) -> None:
        self.address = "127.0.0.1"

    async def lost(self) -> str:
        return str(await asyncio.shield(self.cut))

    async def traffic(self) -> int:
        return 0

    async def packets_sent(self) -> int:
        return 0

    async def close(self, wait: bool = True) -> None:
        self.closed += 1
        await asyncio.sleep(0.001)
        self.address = ""


class InMemoryAgent(VpnAgent):
    Line = InMemory


async def _nowhere(host: str) -> list[str]:
    return ["127.0.0.1"]


@pytest.mark.parametrize("turns", range(8))
def test_a_close_request_in_the_moment_of_a_loss_ends_the_tunnel_once(tmp_path: Path, turns: int) -> None:
    async def scenario() -> None:
        lost: list[bool] = []
        agent = InMemoryAgent(
            tmp_path, tmp_path / "log", "", _nowhere, lambda: lost.append(True), page=ManagementPage(0)
        )
        await agent.open(REQUEST, VpnParameters())
        line = InMemory.made[-1]
        await asyncio.sleep(0)
        line.cut.set_result("it was cut")
        for _ in range(turns):
            await asyncio.sleep(0)
        closed: list[int] = []
        with contextlib.suppress(Failure):
            closed.append(await agent.close())
        await until(lambda: agent.state is VpnState.DOWN and (closed or lost))
        assert line.closed == 1
        assert (closed, lost) in [([1], []), ([], [True])]
        await agent.open(REQUEST, VpnParameters())
        await asyncio.sleep(0.005)
        assert agent.state is VpnState.UP
        assert await agent.close() == 1

    run(scenario())


DENIED = PermissionError(errno.EPERM, "Operation not permitted")


class Denied(Charon):
    """A charon that the system lets do nothing."""

    async def start(self) -> None:
        raise DENIED

    async def sweep(self) -> None:
        raise DENIED

    async def stop(self) -> None:
        raise DENIED


class DeniedAgent(VpnAgent):
    class Line(Tunnel):
        def __init__(self, folder: Path, ca: str, parameters: TunnelParameters) -> None:
            super().__init__(folder, ca, parameters)
            self._charon = Denied(folder)


def test_what_the_system_refuses_is_a_failure_of_the_request_and_no_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        agent = DeniedAgent(tmp_path, tmp_path / "nowhere" / "log", "", _nowhere, lambda: None)
        await agent.start()
        for _ in range(2):
            with pytest.raises(Failure, match="tunnel-unavailable: the PBX cannot make a tunnel: operation not perm"):
                await agent.open(REQUEST, VpnParameters())
            assert agent.state is VpnState.DOWN
        assert agent.log_lines() == []

    run(scenario())
