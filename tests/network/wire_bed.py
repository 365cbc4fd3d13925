"""A small network of real kernels for the tests of the wire analysis, run as a program of its own.

`wire_bed.py OUT.pcapng` builds, in the namespaces it is started in: client 192.168.92.246 and server 192.168.92.10,
each in a network namespace, on a bridge whose ports are `lan-oxo` and `lan-proxy`. It makes the client do a few things,
captures them at both ports, cuts one connection with forged resets, and prints as JSON what both ends noticed.
Everything is gone when it ends.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import select
import socket
import ssl
import struct
import sys
import time
import traceback
from collections.abc import Callable
from ipaddress import IPv4Interface, ip_address
from pathlib import Path

from pyroute2 import IPRoute

from network.addressing import configure_link, index_of
from network.bridges import add_bridge, plug
from network.dns import DnsNode
from network.forge import forge_resets
from network.wire.capture import Capture
from network.wire.pcapng import PcapngWriter

CLIENT, SERVER, NOBODY, NO_ROUTE = "192.168.92.246", "192.168.92.10", "192.168.92.99", "203.0.113.7"
PROXY_PORT, ECHO_PORT, CLOSED_PORT = 8080, 7000, 9
PORTS = ("lan-oxo", "lan-proxy")
DEADLINE = 20.0
CLONE_NEWNET = 0x40000000
SO_TIMESTAMPNS = 35
TUNNEL = b"CONNECT agent.openrainbow.com:443 HTTP/1.1\r\nHost: agent.openrainbow.com:443\r\n"


class Child:
    """A forked process in a network namespace of its own, steered by lines over a socket pair."""

    def __init__(self, body: Callable[[socket.socket], None]) -> None:
        self._sock, inside = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._sock.close()
            try:
                if ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0:
                    inside.sendall(b"unshared\n")
                    body(inside)
            finally:
                if sys.exc_info()[0] is not None:
                    traceback.print_exc()
                os._exit(0)
        inside.close()
        self._sock.settimeout(DEADLINE)
        self._file = self._sock.makefile("r")
        self.hear()

    def say(self, word: str) -> None:
        self._sock.sendall(word.encode() + b"\n")

    def hear(self) -> str:
        line = self._file.readline().strip()
        if not line:
            raise SystemExit("a process of the test bed ended too early")
        return line

    def do(self, word: str) -> str:
        self.say(word)
        return self.hear()

    def end(self) -> None:
        self.say("end")
        self._file.close()
        self._sock.close()
        os.waitpid(self.pid, 0)


def server(control: socket.socket) -> None:
    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 12\r\n\r\nHTTP/1.1 200")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        head = await reader.readexactly(5)
        await reader.readexactly(int.from_bytes(head[3:], "big"))
        writer.close()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except ConnectionResetError:
            outcomes.put_nowait("reset")
        else:
            outcomes.put_nowait("closed")
        writer.close()

    async def run() -> None:
        reader, writer = await asyncio.open_connection(sock=control)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        servers = [
            await asyncio.start_server(proxy, SERVER, PROXY_PORT),
            await asyncio.start_server(echo, SERVER, ECHO_PORT),
        ]
        dns = DnsNode(SERVER, {"agent.openrainbow.com": "198.51.100.10"})
        await dns.start()
        writer.write(b"ready\n")
        await reader.readline()
        writer.write(((await outcomes.get()) + "\n").encode())
        await writer.drain()
        await reader.readline()
        await dns.stop()
        for listener in servers:
            listener.close()
        writer.close()

    outcomes: asyncio.Queue[str] = asyncio.Queue()
    control.recv(16)
    with IPRoute() as inside:
        configure_link(inside, index_of(inside, "eth0"), IPv4Interface(f"{SERVER}/24"))
        inside.link("set", index=index_of(inside, "lo"), state="up")
    asyncio.run(asyncio.wait_for(run(), DEADLINE))


def client(control: socket.socket) -> None:
    lines = control.makefile("r")
    lines.readline()
    with IPRoute() as inside:
        eth0 = index_of(inside, "eth0")
        configure_link(inside, eth0, IPv4Interface(f"{CLIENT}/24"))
        inside.route("add", dst=f"{NO_ROUTE}/32", gateway=SERVER)
        inside.neigh("add", dst=NOBODY, lladdr="02:00:00:00:00:99", ifindex=eth0, state="permanent")
    control.sendall(b"ready\n")
    held: list[socket.socket] = []
    while (word := lines.readline().strip()) != "end":
        control.sendall((ACTIONS[word](held) + "\n").encode())
    for sock in held:
        sock.close()


def tunnel(held: list[socket.socket]) -> str:
    with socket.create_connection((SERVER, PROXY_PORT), DEADLINE) as sock:
        sock.sendall(TUNNEL + b"\r\n")
        sock.recv(65536)
        sock.sendall(TUNNEL + b"Proxy-Authorization: Basic b3hvOnNlY3JldA==\r\n\r\n")
        sock.recv(65536)
        outgoing = ssl.MemoryBIO()
        tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="agent.openrainbow.com")
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            hello = outgoing.read()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(hello[:100])
        sock.sendall(hello[100:])
        sock.recv(65536)
    return "done"


def connect(host: str, port: int) -> Callable[[list[socket.socket]], str]:
    def action(held: list[socket.socket]) -> str:
        try:
            socket.create_connection((host, port), DEADLINE).close()
        except OSError as error:
            return type(error).__name__ if error.errno is None else os.strerror(error.errno)
        return "connected"

    return action


def begin_unanswered(held: list[socket.socket]) -> str:
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex((NOBODY, 443))
    held.append(sock)
    return "begun"


def ask_dns(held: list[socket.socket]) -> str:
    query = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\x05agent\x0bopenrainbow\x03com\x00" + b"\x00\x01\x00\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(DEADLINE)
        sock.sendto(query, (SERVER, 53))
        answer = sock.recv(4096)
    with socket.create_connection((SERVER, 53), DEADLINE) as sock:
        sock.sendall(len(query).to_bytes(2, "big") + query)
        sock.recv(4096)
    return str(ip_address(answer[-4:]))


def talk(held: list[socket.socket]) -> str:
    sock = socket.create_connection((SERVER, ECHO_PORT), DEADLINE)
    sock.sendall(b"hello")
    held.append(sock)
    return sock.recv(4096).decode()


def await_end(held: list[socket.socket]) -> str:
    try:
        return "closed" if held[-1].recv(4096) == b"" else "data"
    except ConnectionResetError:
        return "reset"


ACTIONS: dict[str, Callable[[list[socket.socket]], str]] = {
    "tunnel": tunnel,
    "refused": connect(SERVER, CLOSED_PORT),
    "no route": connect(NO_ROUTE, 443),
    "unanswered": begin_unanswered,
    "dns": ask_dns,
    "talk": talk,
    "await end": await_end,
}


class Tap:
    """Captures what enters the bridge at its ports, and sends frames out of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._writer = PcapngWriter(self._file, PORTS)
        self._sockets = [self._open(port) for port in PORTS]

    @staticmethod
    def _open(port: str) -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.bind((port, 3))
        sock.setblocking(False)
        return sock

    def capture_until(self, reached: Callable[[Capture], bool]) -> Capture:
        """Captures until `reached` is true of all that has been captured so far."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            for sock in select.select(self._sockets, [], [], 0.05)[0]:
                self._drain(sock)
            self._file.flush()
            capture = Capture.read(self._path)
            if reached(capture):
                return capture
        raise SystemExit("the test bed waited in vain for a packet")

    def _drain(self, sock: socket.socket) -> None:
        while True:
            try:
                frame, ancillary, _, (_, _, kind, *_) = sock.recvmsg(70_000, 64)
            except BlockingIOError:
                return
            if kind != socket.PACKET_OUTGOING:
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
                self._writer.write(self._sockets.index(sock), seconds * 10**9 + nanoseconds, frame)

    def send(self, port: str, frame: bytes) -> None:
        self._sockets[PORTS.index(port)].send(frame)

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._file.close()


def main(path: Path) -> None:
    ends = {"lan-oxo": Child(client), "lan-proxy": Child(server)}
    with IPRoute() as bridges:
        add_bridge(bridges, "lan")
        for port, child in ends.items():
            bridges.link("add", ifname=port, kind="veth", peer={"ifname": "eth0", "net_ns_pid": child.pid})
            plug(bridges, port, "lan")
    tap = Tap(path)
    oxo, proxy = ends.values()
    noticed = {"server": proxy.do("go"), "client": oxo.do("go")}
    for action in ("tunnel", "refused", "no route", "dns"):
        noticed[action] = oxo.do(action)
    noticed["unanswered"] = oxo.do("unanswered")
    nobody = ip_address(NOBODY)
    tap.capture_until(lambda seen: any(len(a.syn_times) > 1 for a in seen.attempts(to=nobody)))
    noticed["talk"] = oxo.do("talk")
    open_ones = tap.capture_until(lambda seen: any(a.received == 5 for a in seen.attempts(port=ECHO_PORT)))
    for port, frame in forge_resets(open_ones.attempts(port=ECHO_PORT)[0]):
        tap.send(port, frame)
    noticed["client end"] = oxo.do("await end")
    noticed["server end"] = proxy.do("await end")
    tap.capture_until(lambda seen: True)
    tap.close()
    for child in ends.values():
        child.end()
    print(json.dumps(noticed))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
