"""What becomes of the PBX when its power goes: its network falls silent, and its program ends where it stands."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
from collections.abc import Sequence
from typing import NoReturn

_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914
"""The requests SIOCGIFFLAGS and SIOCSIFFLAGS (netdevice(7))."""
_IFF_UP = 0x1
_REQUEST = struct.Struct("16sh14x")
"""struct ifreq with the flags of an interface."""


def go_dark(links: Sequence[str]) -> NoReturn:
    """Takes these network interfaces down and kills the process, so that not even the kernel says that it is over."""
    for link in links:
        _take_down(link)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nothing runs after SIGKILL")


def _take_down(link: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = link.encode()
        _, flags = _REQUEST.unpack(fcntl.ioctl(any_socket, _GET_FLAGS, _REQUEST.pack(name, 0)))
        fcntl.ioctl(any_socket, _SET_FLAGS, _REQUEST.pack(name, flags & ~_IFF_UP))
