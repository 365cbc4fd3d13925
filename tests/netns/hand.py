"""A node program for the tests of the fabric: a pair of hands on a machine of the site."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import cast

from pyroute2 import IPRoute

from network.plan import Role
from node.clock import ClockLoop
from node.control import command
from node.program import ProgramSpec
from node.remote import Remote

PATIENCE = 10.0
"""After how many seconds of site time something that nobody answers counts as dropped."""

HAND = "tests.netns.hand:Hand"


class Hand:
    """Listens, connects, looks around, and does what tests need a node to do. `tcp` and `udp` are ports to serve."""

    def __init__(self, tcp: list[int] | None = None, udp: list[int] | None = None) -> None:
        self._tcp, self._udp = tcp or [], udp or []
        self._servers: list[asyncio.Server | asyncio.DatagramTransport] = []
        self._tasks: dict[str, asyncio.Task[str]] = {}
        self._held: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self._serving: set[asyncio.StreamWriter] = set()
        self._sockets: list[socket.socket] = []
        self.heard: list[str] = []
        self.rung: list[tuple[float, str]] = []

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        for port in self._tcp:
            self._servers.append(await asyncio.start_server(self._echo, "0.0.0.0", port))
        for port in self._udp:
            transport, _ = await loop.create_datagram_endpoint(_DatagramEcho, ("0.0.0.0", port))
            self._servers.append(transport)

    async def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        for server in self._servers:
            server.close()
        for _, writer in self._held.values():
            writer.close()

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(writer.get_extra_info("peername")[0])
        self._serving.add(writer)
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except ConnectionError as error:
            self.heard.append(type(error).__name__)
        self._serving.discard(writer)
        writer.close()

    @command
    def callers(self) -> list[str]:
        """From where each connection came, and how broken ones ended."""
        return self.heard

    @command
    def call_back(self) -> int:
        """Says something to everybody who is connected; says how many they are."""
        for writer in self._serving:
            writer.write(b"hello")
        return len(self._serving)

    @command
    async def addresses(self) -> list[str]:
        # The netlink library runs an event loop of its own, which needs a thread of its own.
        return await asyncio.to_thread(_addresses)

    @command
    def interfaces(self) -> list[str]:
        return sorted(name for _, name in socket.if_nameindex())

    @command
    def default_route(self) -> str | None:
        for row in Path("/proc/net/route").read_text().splitlines()[1:]:
            _, destination, gateway, *_ = row.split()
            if int(destination, 16) == 0:
                return str(IPv4Address(struct.pack("=I", int(gateway, 16))))
        return None

    @command
    async def add_route(self, network: str, gateway: str) -> None:
        await asyncio.to_thread(_add_route, network, gateway)

    @command
    def read(self, path: str) -> str:
        return Path(path).read_text()

    @command
    def write(self, path: str, text: str) -> None:
        Path(path).write_text(text)

    @command
    def listing(self, path: str) -> list[str]:
        return sorted(entry.name for entry in Path(path).iterdir())

    @command
    def links(self) -> dict[str, str]:
        """The namespaces of this process."""
        return {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "mnt", "pid", "user")}

    @command
    def name_of(self, host: str) -> str:
        """What the machine's own resolver says of a name."""
        return socket.gethostbyname(host)

    @command
    def begin(self, key: str, protocol: str, host: str, port: int) -> None:
        """Begins to connect, or to ask over UDP; `outcome` says what came of it."""
        work = self._connect(key, host, port) if protocol == "tcp" else self._ask(host, port)
        self._tasks[key] = asyncio.create_task(work)

    @command
    def ring_out(self, after: float, host: str, port: int) -> None:
        """Begins to connect after some seconds."""
        asyncio.get_running_loop().call_later(after, self.begin, "late", "tcp", host, port)

    @command
    def outcome(self, key: str) -> str:
        task = self._tasks[key]
        return task.result() if task.done() else "pending"

    async def _connect(self, key: str, host: str, port: int) -> str:
        try:
            async with asyncio.timeout(PATIENCE):
                self._held[key] = await asyncio.open_connection(host, port)
        except TimeoutError:
            return "dropped"
        except ConnectionRefusedError:
            return "reset"
        except OSError as error:
            return os.strerror(error.errno or 0)
        return "passed"

    async def _ask(self, host: str, port: int) -> str:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(_DatagramWait, remote_addr=(host, port))
        transport.sendto(b"?")
        try:
            async with asyncio.timeout(PATIENCE):
                await protocol.answered
        except TimeoutError:
            return "dropped"
        finally:
            transport.close()
        return "passed"

    @command
    def talk(self, key: str, size: int = 1) -> None:
        """Says something over a connection and waits for its echo; `outcome` says what came of it."""
        self._tasks[key] = asyncio.create_task(self._talk(key, size))

    async def _talk(self, key: str, size: int) -> str:
        reader, writer = self._held[key]
        try:
            async with asyncio.timeout(PATIENCE):
                writer.write(b"x" * size)
                await reader.readexactly(size)
        except TimeoutError:
            return "dropped"
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            return type(error).__name__
        return "passed"

    @command
    def ring(self, bells: dict[str, float], then: float | None = None) -> None:
        """Sets bells to ring after some seconds; each sets one more, `then` seconds later."""
        loop = asyncio.get_running_loop()
        for name, delay in bells.items():
            loop.call_later(delay, self._rings, name, then)

    def _rings(self, name: str, then: float | None) -> None:
        loop = asyncio.get_running_loop()
        self.rung.append((loop.time(), name))
        if then is not None:
            loop.call_later(then, self._rings, name + "+", None)

    @command
    def bells(self) -> list[tuple[float, str]]:
        return self.rung

    @command
    async def work(self, seconds: float) -> None:
        """Starts to compute for so much real time, in a thread, so that the node answers meanwhile."""
        loop = asyncio.get_running_loop()
        self._tasks["work"] = loop.create_task(_returning("worked", loop.run_in_executor(None, _compute, seconds)))

    @command
    def send_in_two(self, host: str, port: int) -> None:
        """Sends two small pieces at once: the kernel holds the second back until the first is acknowledged."""
        sock = socket.create_connection((host, port), timeout=5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        sock.sendall(b"1")
        sock.sendall(b"2")
        self._sockets.append(sock)

    @command
    def listen_late(self, port: int) -> None:
        """Listens, and takes what comes without ever answering: acknowledgements are delayed."""
        listener = socket.create_server(("0.0.0.0", port))
        listener.setblocking(False)
        asyncio.get_running_loop().create_task(self._swallow(listener))

    async def _swallow(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        taken, _ = await loop.sock_accept(listener)
        while data := await loop.sock_recv(taken, 100):
            self.heard.append(data.decode())

    @command
    def site_time(self) -> float:
        return asyncio.get_running_loop().time()

    @command
    def offset(self) -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ClockLoop)
        return loop.offset

    @command
    def end(self, status: int) -> None:
        """Ends this process at once."""
        os._exit(status)


def _addresses() -> list[str]:
    with IPRoute() as netlink:
        return sorted(f"{message.get('address')}/{message['prefixlen']}" for message in netlink.get_addr())


def _add_route(network: str, gateway: str) -> None:
    with IPRoute() as netlink:
        netlink.route("add", dst=network, gateway=gateway)


class _DatagramEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


class _DatagramWait(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self.answered.done():
            self.answered.set_result(data)


async def _returning(text: str, work: asyncio.Future[None]) -> str:
    await work
    return text


def _compute(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


class Unwilling:
    """A program that cannot be made, or cannot start."""

    def __init__(self, when: str, kind: str) -> None:
        self._when = when
        self._error: Callable[[str], Exception] = {"OSError": OSError, "ValueError": ValueError, "KeyError": KeyError}[
            kind
        ]
        if when == "made":
            raise self._error("the reason")

    async def start(self) -> None:
        raise self._error("the reason")

    async def stop(self) -> None:
        raise AssertionError("a program that never started is not stopped")


def hand(tcp: list[int] | None = None, udp: list[int] | None = None) -> ProgramSpec:
    return ProgramSpec(HAND, {"tcp": tcp or [], "udp": udp or []})


def outcomes(node: Remote, asked: list[tuple[str, str, int]], until: Callable[[Callable[[], bool]], bool]) -> list[str]:
    """What comes of (protocol, host, port), all begun at once. `until` lets time pass until something holds."""
    keys = [f"{protocol} {host} {port}" for protocol, host, port in asked]
    for key, (protocol, host, port) in zip(keys, asked, strict=True):
        node.ask("begin", key=key, protocol=protocol, host=host, port=port)
    until(lambda: all(node.ask("outcome", key=key) != "pending" for key in keys))
    return [node.ask("outcome", key=key) for key in keys]


ROLES = tuple(Role)
