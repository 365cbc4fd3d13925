"""Runs inside a node's container: tries to reach things through every gateway by every interface, and past all routes.

The question is JSON: `gateways`, and `tcp` and `udp` as lists of host and port. Prints what was reached, as lists of
protocol, host, port and gateway. With `as` it has no more rights than that node's program has.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from network.docker.capabilities import keep_only, needed_by

WITHIN = 0.25
MARK = b"\0\1\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1"
"""A question for example.org, which a DNS server answers, and anybody else may echo."""
_SO_DONTROUTE = 5


async def try_tcp(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(WITHIN):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def try_udp(host: str, port: int) -> bool:
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(WITHIN):
            sock.connect((host, port))
            await asyncio.get_running_loop().sock_sendall(sock, MARK)
            await asyncio.get_running_loop().sock_recv(sock, 512)
    except OSError:
        return False
    finally:
        sock.close()
    return True


async def reached(question: dict[str, Any]) -> list[tuple[str, str, int]]:
    wanted: list[tuple[str, str, int]] = [
        (protocol, host, port) for protocol in ("tcp", "udp") for host, port in question[protocol]
    ]
    work = [(try_tcp if protocol == "tcp" else try_udp)(host, port) for protocol, host, port in wanted]
    return [one for one, came in zip(wanted, await asyncio.gather(*work), strict=True) if came]


def past_all_routes(question: dict[str, Any]) -> None:
    """Sends a datagram to each host as if it were a neighbour, by each interface: what anybody may do."""
    for _, interface in socket.if_nameindex():
        for host, port in question["udp"]:
            with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
                sock.setsockopt(socket.SOL_SOCKET, _SO_DONTROUTE, 1)
                sock.sendto(MARK, (host, port))


def main(question: dict[str, Any]) -> None:
    found: list[list[Any]] = []
    if "as" in question:
        keep_only(needed_by(question["as"]))
    past_all_routes(question)
    with IPRoute() as netlink:
        interfaces = [index for index, name in socket.if_nameindex() if name != "lo"]
        for gateway in question["gateways"]:
            for index in interfaces:
                hosts = {host for host, _ in question["tcp"] + question["udp"]}
                for host in hosts:
                    with contextlib.suppress(NetlinkError):
                        netlink.route("replace", dst=f"{host}/32", gateway=gateway, oif=index, flags=["onlink"])
                found += [[*one, gateway] for one in asyncio.run(reached(question))]
                for host in hosts:
                    with contextlib.suppress(NetlinkError):
                        netlink.route("del", dst=f"{host}/32")
    print(json.dumps(found))


main(json.loads(sys.argv[1]))
