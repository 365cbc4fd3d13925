"""The owner: process 1 of the PID namespace of all containers of a site. When it ends, the kernel ends them all.

It sees every process of the site, so it can tell when nothing is going on; the site's segments stand in its network
namespace, where it runs the capture.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from network.capture import discard
from network.docker import doors
from network.docker.keeper import Keeper
from network.docker.switch import Switch
from network.quiet import Bytes, Queues, wait_until_quiet
from node.control import command

_COMES_WITHIN = 60.0
"""Seconds that the bench may take to connect, after which nobody will."""


class Owner(Keeper):
    """Keeper of the owner's container. One that `stays` serves one bench after the other; else it ends with the
    first."""

    def __init__(self, name: str, stays: bool = False) -> None:
        super().__init__(name)
        self._stays = stays
        self._bench: socket.socket | None = None
        self._switch = Switch()
        self._keepers: set[int] = set()
        self._queues = Queues(_open_echo())
        self._bytes = Bytes()

    def patience(self) -> float | None:
        """See Keeper."""
        return None if self._stays or self._bench is not None else _COMES_WITHIN

    def admit(self, wish: dict[str, Any], sock: socket.socket) -> None:
        """See Keeper; a node's keeper also brings a link, which is plugged in when the connection ends."""
        if wish["door"] == "port":
            pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            self._keepers.add(pid)
            try:
                self._switch.plug(wish["end"], wish["port"], wish["segment"])
            except (LookupError, NetlinkError) as error:
                # The container that has brought the link may have ended meanwhile.
                raise ValueError(f"{wish['port']} cannot be plugged in: {error}") from error
            sock.sendall(doors.PLUGGED)
            sock.close()
            return
        if wish["door"] == "control":
            self._bench = sock
        super().admit(wish, sock)

    def hung_up(self) -> None:
        """See Keeper."""
        self._bench = None
        if not self._stays:
            sys.exit(0)

    def inherits(self, name: str) -> tuple[dict[str, Any], list[int]]:
        """See Keeper: the capture gets the tap, with nothing in it of what was before."""
        tap = self._switch.tap
        discard(tap)
        return {"tap": tap.fileno(), "ports": self._switch.ports}, [tap.fileno()]

    @command
    def settle(self, seconds: float, evidence: str) -> bool:
        """Waits until no node has anything left to do; False when that took longer than that."""
        quiet = wait_until_quiet(
            self._living, self._queues, self._bytes, time.monotonic() + seconds, idle=self._keepers
        )
        self.hand_over(evidence)
        return quiet

    @command
    def hand_over(self, evidence: str) -> None:
        """Gives the files of a folder to the folder's owner."""
        owner = Path(evidence).stat()
        for entry in os.scandir(evidence):
            if entry.stat(follow_symlinks=False).st_uid != owner.st_uid:
                os.chown(entry.path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    @command
    def restore(self) -> list[str]:
        """Ends the capture. Returns what is not as it was in the beginning, which is nothing."""
        self.end_programs()
        return []

    def _living(self) -> list[int]:
        if self._bench is not None and _closed(self._bench):
            self.hung_up()
        self.reap()
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _closed(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def _open_echo() -> socket.socket:
    """A datagram socket that is connected to itself. No capture sees the owner's loopback."""
    echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    echo.bind(("127.0.0.1", 0))
    echo.connect(echo.getsockname())
    return echo
