"""The TCP connections of this network namespace, and how they are taken away (the kernel's sock_diag).

A connection goes on after its process has ended, until the other end has acknowledged everything or given up: its
frames would show in the capture of the next scenario.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_NETLINK_SOCK_DIAG = 4
_BY_FAMILY, _DESTROY = 20, 21
_DONE, _ERROR = 3, 2
_REQUEST_AND_DUMP, _REQUEST_AND_ACK = 0x301, 0x5
_LISTEN, _TIME_WAIT = 10, 6
_HEADER = struct.Struct("=IHHII")
_ALL_BUT_LISTENING = 0xFFFFFFFF & ~(1 << _LISTEN)


@dataclass(frozen=True)
class _Connection:
    family: int
    state: int
    identity: bytes
    """struct inet_diag_sockid: ports, addresses, interface and cookie."""

    def __str__(self) -> str:
        source_port, port = struct.unpack_from("!HH", self.identity)
        size = 4 if self.family == socket.AF_INET else 16
        source, other = (ipaddress.ip_address(self.identity[at : at + size]) for at in (4, 20))
        return f"{source}:{source_port} to {other}:{port}, state {self.state}"


def describe() -> list[str]:
    """The connections there are, those left out that wait for nothing but their time to be over."""
    return [str(one) for one in _connections() if one.state != _TIME_WAIT]


def destroy() -> None:
    """Takes them away, where the kernel can do that (INET_DIAG_DESTROY)."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        for one in list(_connections()):
            body = struct.pack("=BBBxI", one.family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + one.identity
            netlink.send(_HEADER.pack(_HEADER.size + len(body), _DESTROY, _REQUEST_AND_ACK, 1, 0) + body)
            # One that has ended meanwhile is as good as destroyed, and `describe` shows one that can't be.
            netlink.recv(4096)


def _connections() -> Iterator[_Connection]:
    for family in (socket.AF_INET, socket.AF_INET6):
        yield from _of_family(family)


def _of_family(family: int) -> Iterator[_Connection]:
    body = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 0, _ALL_BUT_LISTENING)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        netlink.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST_AND_DUMP, 1, 0) + body)
        while True:
            data = netlink.recv(65536)
            while data:
                length, kind, *_ = _HEADER.unpack_from(data)
                if kind in (_DONE, _ERROR):
                    return
                answer = data[_HEADER.size : length]
                yield _Connection(answer[0], answer[1], answer[4:52])
                data = data[(length + 3) & ~3 :]
