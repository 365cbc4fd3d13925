"""What the tests of agent and PCG share: a clock that jumps, a CA, DNS servers, a web proxy, a PBX on loopback."""

from __future__ import annotations

import asyncio
import base64
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import trustme

from emulators.oxo.catalogue import Catalogue
from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.flash import Flash
from emulators.oxo.parameters import AgentParameters
from emulators.oxo.settings import DnsSettings, RainbowSettings, Settings, WebProxySettings
from emulators.oxo.store import SettingsStore
from emulators.rainbow.gateway import Gateway
from emulators.rainbow.parameters import GatewayParameters
from emulators.rainbow.pbx import Pbx
from node.clock import ClockLoop

DOMAIN = "rainbow.test"
HOST = f"agent.{DOMAIN}"
PBX_ID = "PBX0123-4567-89ab-cdef-0123-4567-89ab-cdef"
CODE = "4711"
PRIVATE_CA = "ALE private CA"
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a test on a loop whose clock can jump."""
    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        return runner.run(work)


def clock() -> ClockLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ClockLoop)
    return loop


def jump(seconds: float) -> None:
    clock().jump(clock().offset + seconds)


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    """Waits until `condition` holds; fails after `within` seconds of real time."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not happen in time"
        await asyncio.sleep(0.002)


async def settle() -> None:
    """Gives everything that could happen now the time to happen."""
    end = time.monotonic() + 0.05
    await until(lambda: time.monotonic() >= end)


@functools.cache
def authority(name: str) -> trustme.CA:
    return trustme.CA(organization_name=name)


def certificate(*names: str, ca: str = PRIVATE_CA, not_after: datetime | None = None) -> str:
    """Chain and key in PEM."""
    leaf = authority(ca).issue_cert(*(names or (HOST,)), not_after=not_after)
    return leaf.private_key_and_cert_chain_pem.bytes().decode()


@dataclass
class DnsServer:
    """Answers A queries over UDP and TCP by `answer`; counts what it was asked."""

    answer: Callable[[dns.message.Message], dns.message.Message | None]
    port: int = 0
    asked: list[float] = field(default_factory=list)
    asked_by_tcp: int = 0

    def respond(self, data: bytes) -> bytes | None:
        self.asked.append(clock().time())
        response = self.answer(dns.message.from_wire(data))
        return None if response is None else response.to_wire()


def addresses(*known: str) -> Callable[[dns.message.Message], dns.message.Message]:
    """Answers every name with these addresses, or NXDOMAIN when there is none."""

    def answer(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        if not known:
            response.set_rcode(dns.rcode.NXDOMAIN)
            return response
        response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", *known))
        return response

    return answer


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self._server.respond(data)
        if response is not None:
            self._transport.sendto(response, addr)


@asynccontextmanager
async def dns_server(
    answer: Callable[[dns.message.Message], dns.message.Message | None], address: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[DnsServer]:
    server = DnsServer(answer)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.asked_by_tcp += 1
        length = int.from_bytes(await reader.readexactly(2))
        response = server.respond(await reader.readexactly(length))
        if response is not None:
            writer.write(len(response).to_bytes(2) + response)
        writer.close()
        await writer.wait_closed()

    tcp = await asyncio.start_server(serve, address, port)
    server.port = tcp.sockets[0].getsockname()[1]
    transport, _ = await clock().create_datagram_endpoint(lambda: _Udp(server), local_addr=(address, server.port))
    try:
        yield server
    finally:
        transport.close()
        tcp.close()
        await tcp.wait_closed()


@dataclass
class Proxy:
    """A web proxy that tunnels everything to one port of loopback, or answers CONNECT with `status`."""

    port: int
    requests: list[str] = field(default_factory=list)
    status: str = "200 Connection established"
    account: str = ""
    tunnels: list[asyncio.StreamWriter] = field(default_factory=list)


@asynccontextmanager
async def web_proxy(target: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(0)

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy.tunnels.append(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return
        proxy.requests.append(head.partition("\r\n")[0])
        wanted = base64.b64encode(proxy.account.encode()).decode()
        status = proxy.status
        if proxy.account and f"Proxy-Authorization: Basic {wanted}" not in head:
            status = "407 Proxy Authentication Required"
        writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
        if not status.startswith("200"):
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pipe(reader, far_writer), pipe(far_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for writer in proxy.tunnels:
            writer.close()
        await settle()


@dataclass
class Site:
    """A PBX and a PCG on loopback."""

    gateway: Gateway
    pbx: Pbx
    dns: DnsServer
    store: SettingsStore
    catalogue: Catalogue
    agent: CCCtrlA

    @property
    def status(self) -> str:
        return self.agent.status

    async def change(self, change: Callable[[Settings], Settings]) -> None:
        """As OMC does on OK."""
        old, new = self.store.update(change)
        self.agent.settings_changed(old, new)

    async def enable(self, enabled: bool = True) -> None:
        await self.change(lambda s: replace(s, rainbow=replace(s.rainbow, enabled=enabled)))

    async def running(self) -> None:
        """Waits until the PBX is connected and its devices are retrieved."""
        before = self.pbx.devices.retrievals
        await until(lambda: self.pbx.connected and self.pbx.devices.retrievals > before)


@asynccontextmanager
async def site(
    folder: Path,
    *,
    agent: type[CCCtrlA] = CCCtrlA,
    users: int = 3,
    enabled: bool = True,
    code: str = CODE,
    ca: str = PRIVATE_CA,
    answer: Callable[[dns.message.Message], dns.message.Message | None] | None = None,
    parameters: AgentParameters | None = None,
    gateway_parameters: GatewayParameters | None = None,
    prepare: Callable[[Gateway], Awaitable[None]] | None = None,
    proxy: WebProxySettings | None = None,
) -> AsyncIterator[Site]:
    gateway = Gateway("127.0.0.1", 0, [DOMAIN], certificate(), gateway_parameters or GatewayParameters())
    pbx = gateway.create(PBX_ID, CODE)
    await gateway.start()
    if prepare is not None:
        await prepare(gateway)
    async with dns_server(answer or addresses("127.0.0.1")) as server:
        store = SettingsStore(Flash(folder))
        if store.load() == Settings():
            rainbow = RainbowSettings(enabled, DOMAIN, PBX_ID, code)
            store.save(Settings(rainbow, proxy or WebProxySettings(), DnsSettings("127.0.0.1", "127.0.0.2")))
        catalogue = Catalogue.generate(users)
        device = agent(
            store,
            catalogue,
            authority(ca).cert_pem.bytes().decode(),
            replace(parameters or AgentParameters(), port=gateway.port, dns_port=server.port),
        )
        life = asyncio.create_task(device.run())
        try:
            yield Site(gateway, pbx, server, store, catalogue, device)
        finally:
            life.cancel()
            await asyncio.wait({life})
            await gateway.stop()
            if not life.cancelled():
                life.result()
