"""A web proxy in a process of its own, with authorities, a server and a client."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import trustme
from mitmproxy.flow import Flow
from mitmproxy.io import FlowReader
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from node.program import ProgramSpec, run
from node.remote import Remote

WITHIN = 10.0
Start = Callable[..., "Proxy"]

# As on the site: each proxy is forked from a parent that has mitmproxy loaded.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["mitmproxy.addons", "mitmproxy.master"])


@dataclass(frozen=True)
class Authorities:
    """The CA of the server, the one of the proxy that clients trust, and the one that they don't."""

    server: trustme.CA
    proxy: trustme.CA
    other: trustme.CA


@cache
def authorities() -> Authorities:
    return Authorities(trustme.CA(), trustme.CA(), trustme.CA())


def with_key(ca: trustme.CA) -> str:
    return (ca.private_key_pem.bytes() + ca.cert_pem.bytes()).decode()


def trusting(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


@dataclass
class Proxy:
    """A running web proxy."""

    remote: Remote
    process: BaseProcess
    port: int
    flows: Path

    def url(self, credentials: str = "") -> str:
        return f"http://{credentials}127.0.0.1:{self.port}"

    def seen(self) -> list[dict[str, Any]]:
        entries = self.remote.ask("connections")
        assert isinstance(entries, list)
        return entries

    def saved(self) -> list[Flow]:
        self.remote.ask("flows_saved")
        return read(self.flows)

    def stop(self) -> None:
        self.remote.hang_up(WITHIN)
        self.process.join(WITHIN)
        assert self.process.exitcode == 0


def read(path: Path) -> list[Flow]:
    with path.open("rb") as file:
        return list(FlowReader(file).stream())


def proxies_in(tmp_path: Path) -> Iterator[Start]:
    """Starts proxies in a folder, and stops them in the end."""
    started: list[Proxy] = []

    def begin(*, port: int = 0, given: Mapping[str, Any] | None = None, **mode: object) -> Proxy:
        ours, theirs = socket.socketpair()
        folder = tmp_path / str(len(started))
        folder.mkdir()
        known = authorities()
        settings = {
            "listen": "127.0.0.1",
            "port": port,
            "confdir": str(folder / "mitmproxy"),
            "flows": str(folder / "flows"),
            "ca_pem": with_key(known.proxy),
            "other_ca_pem": with_key(known.other),
            "upstream_ca_pem": known.server.cert_pem.bytes().decode(),
            **(given or {}),
            "mode": mode,
        }
        spec = ProgramSpec("proxies.node:WebProxy", settings)
        process = PROCESSES.Process(target=run, args=(spec, theirs))
        process.start()
        theirs.close()
        proxy = Proxy(Remote("proxy", ours), process, 0, folder / "flows")
        started.append(proxy)
        proxy.remote.wait_until_ready()
        if mode.get("mode") != "unreachable":
            proxy.port = proxy.remote.ask("address")["port"]
        return proxy

    yield begin
    for proxy in started:
        if proxy.process.is_alive():
            proxy.stop()
        proxy.remote.close()
        proxy.process.close()


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """A WebSocket server on loopback that sends back what it gets; gives its port."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authorities().server.issue_cert("localhost").configure_cert(context)
    async with serve(
        echo, "127.0.0.1", 0, ssl=context, subprotocols=[Subprotocol("xmpp")], ping_interval=None
    ) as server:
        port: int = next(iter(server.sockets)).getsockname()[1]
        yield port


def client(port: int, proxy: str, ca: trustme.CA | None = None) -> connect:
    context = trusting(ca or authorities().server)
    return connect(
        f"wss://localhost:{port}/",
        proxy=proxy,
        ssl=context,
        subprotocols=[Subprotocol("xmpp")],
        ping_interval=None,
        compression=None,
    )


async def exchange(connection: ClientConnection, text: str = "hello") -> None:
    await connection.send(text)
    async with asyncio.timeout(WITHIN):
        assert await connection.recv() == text


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        await asyncio.sleep(0)


def with_server(scenario: Callable[[int], Awaitable[None]]) -> None:
    """Runs a scenario against an echo server."""

    async def main() -> None:
        async with echo_server() as port:
            await scenario(port)

    asyncio.run(main())
