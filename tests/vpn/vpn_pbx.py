"""A node that is nothing but a PBX's VPN agent, with the hands that its connection agent would have."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from emulators.cloudconnect.failure import Failure
from emulators.cloudconnect.requests import OpenRequest, VpnParameters
from emulators.ipsec import esp
from emulators.oxo.failure import Layer, LinkFailure
from emulators.oxo.vpnagent import VpnAgent
from emulators.oxo.vpnrules import VpnRules
from node.control import command


@dataclasses.dataclass
class Outcome:
    """What came of a request: an address and an ID, a number of connections, or a failure code."""

    address: str = ""
    connection: str = ""
    closed: int = -1
    code: str = ""
    text: str = ""


class PbxHand:
    def __init__(
        self, folder: str, log: str, ca: str, names: Mapping[str, str], rules: Mapping[str, Any], tun: str
    ) -> None:
        esp.TUN = Path(tun)
        self._names = names
        self._lost = 0
        self._requests: list[asyncio.Task[Outcome]] = []
        self._agent = VpnAgent(
            Path(folder),
            Path(log),
            ca,
            self._resolve,
            self._on_lost,
            VpnRules.read(rules),
        )

    async def start(self) -> None:
        self._down = asyncio.Condition()
        await self._agent.start()

    async def stop(self) -> None:
        await self._agent.stop()

    @command
    def begin_open(
        self,
        user: str = "support",
        gateway: str = "vpn.example",
        inactivity: float | None = None,
        account: str = "oxo",
        password: str = "secret",
    ) -> int:
        request = OpenRequest(user, gateway, inactivity, VpnParameters(account, password))
        return self._begin(self._open(request))

    @command
    def begin_close(self) -> int:
        return self._begin(self._close())

    @command
    async def outcome(self, number: int) -> Outcome:
        return await self._requests[number]

    @command
    async def await_loss(self, count: int = 1) -> int:
        async with self._down:
            await self._down.wait_for(lambda: self._lost >= count)
        return self._lost

    @command
    def state(self) -> dict[str, Any]:
        return {
            "state": self._agent.state,
            "address": self._agent.address,
            "users": [connection.user for connection in self._agent.connections],
            "charon": self._agent.daemon,
            "lost": self._lost,
        }

    @command
    def log(self) -> list[str]:
        return self._agent.log_lines()

    @command
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @command
    def kill_charon(self) -> bool:
        if (pid := self._agent.daemon) is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    @command
    async def turns(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0.0005)

    @command
    async def kill_charon_after(self, turns: int) -> bool:
        """Kills charon when the loop has gone round so often since: some moment of a set-up or of a closing."""
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        return self.kill_charon()

    @command
    async def network(self) -> dict[str, list[str]]:
        """What there is of VPN in this namespace: interfaces, addresses, routes of charon's table and their rules."""
        return await asyncio.to_thread(look_at_network)

    @command
    def flush(self) -> str:
        """Takes away what there is of IPsec in the kernel; says who does ESP here."""
        esp.flush_ipsec()
        return esp.esp_backend()

    @command
    def charons(self) -> int:
        """How many charons run at the whole site."""
        return sum(_name(process).startswith("charon") for process in Path("/proc").glob("[0-9]*"))

    @command
    async def echo(self, host: str, port: int, text: str) -> str:
        """Sends text to a service, and returns what it answers or why it doesn't."""
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection(host, port)
                writer.write(text.encode())
                answer = await reader.readexactly(len(text))
                writer.close()
        except OSError as error:
            return error.strerror or "timed out"
        return answer.decode()

    def _begin(self, work: Any) -> int:
        self._requests.append(asyncio.get_running_loop().create_task(work))
        return len(self._requests) - 1

    async def _open(self, request: OpenRequest) -> Outcome:
        try:
            opened = await self._agent.open(request, VpnParameters())
        except Failure as failure:
            return Outcome(code=failure.code, text=failure.text)
        return Outcome(opened.address, opened.connection)

    async def _close(self) -> Outcome:
        try:
            return Outcome(closed=await self._agent.close())
        except Failure as failure:
            return Outcome(code=failure.code, text=failure.text)

    async def _resolve(self, name: str) -> Sequence[str]:
        if name not in self._names:
            raise LinkFailure(Layer.DNS, f"{name} does not exist")
        return [self._names[name]]

    def _on_lost(self) -> None:
        self._lost += 1
        self._tell = asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self._down:
            self._down.notify_all()


def look_at_network() -> dict[str, list[str]]:
    with IPRoute() as netlink:
        return {
            "interfaces": [link.get_attr("IFLA_IFNAME") for link in netlink.get_links()],
            "addresses": [str(address.get_attr("IFA_ADDRESS")) for address in netlink.get_addr()],
            "routes": [str(route.get_attr("RTA_DST")) for route in netlink.get_routes(table=220)],
            "rules": [str(rule.get_attr("FRA_PRIORITY")) for rule in netlink.get_rules(priority=220)],
        }


def _name(process: Path) -> str:
    """The name of a process; empty when it has just ended."""
    try:
        return (process / "comm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
