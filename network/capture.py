"""The capture node: records every frame of the site where it enters its segment, and injects forged ones.

It reads a packet socket, which sees each frame of the site once. So the frames of both sides of the firewall stand in
one file, in the order of the kernel's times.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network.wire.pcapng import PcapngWriter
from node.control import Refusal, command

FORGED = "forged"
"""The interface under which injected frames stand in the file."""

_EVERY_PROTOCOL = 3
"""What a packet socket listens to (ETH_P_ALL)."""

_LARGEST_FRAME = 65535
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_PACKET_IGNORE_OUTGOING = 23
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_BUFFER = 8 * 1024 * 1024
_TIMESPEC = struct.Struct("qq")

_LATE = 1_000_000
"""Nanoseconds within which a frame that was stamped is there to be read."""


def open_port_tap() -> socket.socket:
    """A packet socket that sees what comes in at any interface of this network namespace, stamped with its time: each
    frame once, where it enters its segment, not again at every port that it leaves by."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY_PROTOCOL))
    tap.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    tap.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    try:
        tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except PermissionError:
        # Only the machine's own administrator may go beyond its limit.
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    tap.setblocking(False)
    return tap


@dataclass(frozen=True)
class _Tap:
    """A packet socket, and the names of ports in the capture by the names of its interfaces."""

    socket: socket.socket
    ports: Mapping[str, str]


class Capture:
    """Program of the capture node.

    `taps` are packet sockets: `{"fd": 7, "ports": {"lan": "lan-oxo"}}` is a descriptor, and the names that its
    interfaces have in the capture; what it sees at others is left out. `path` is the file to write.
    """

    def __init__(self, taps: list[dict[str, Any]], path: str) -> None:
        self._taps = [_Tap(socket.socket(fileno=tap["fd"]), tap["ports"]) for tap in taps]
        self._interfaces = [port for tap in self._taps for port in tap.ports.values()] + [FORGED]
        self._numbers = {port: number for number, port in enumerate(self._interfaces)}
        self._path = Path(path)
        self._read: list[tuple[int, int, bytes]] = []
        self._lost = 0
        self._frame_seen = asyncio.Event()

    async def start(self) -> None:
        """Opens the file and starts to record."""
        self._path.touch(mode=0o600)
        self._file = self._path.open("wb")
        self._writer = PcapngWriter(self._file, self._interfaces)
        for tap in self._taps:
            asyncio.get_running_loop().add_reader(tap.socket.fileno(), self._record)

    async def stop(self) -> None:
        """Records what is left and closes the file."""
        self._drain()
        self._file.close()

    @command
    def flush(self) -> int:
        """Writes everything that has been seen until now; returns the number of frames lost since the start."""
        self._drain()
        self._file.flush()
        for tap in self._taps:
            _, lost = struct.unpack("II", tap.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
            self._lost += lost
        return self._lost

    @command
    async def wait_for_frame(self, seconds: float) -> bool:
        """Waits until a frame is seen; False when none was within that many seconds. For sites on real time only."""
        self._frame_seen.clear()
        try:
            async with asyncio.timeout(seconds):
                return await self._frame_seen.wait()
        except TimeoutError:
            return False

    @command
    def inject(self, port: str, frame: str) -> None:
        """Sends a frame (in hex) out of an interface, by its name in the capture, and records it as forged."""
        for tap in self._taps:
            for device, name in tap.ports.items():
                if name == port:
                    data = bytes.fromhex(frame)
                    # What was seen before stands before it in the file.
                    self._drain()
                    self._writer.write(self._numbers[FORGED], time.time_ns(), data)
                    tap.socket.sendto(data, (device, 0))
                    return
        raise Refusal(f"there is no port {port!r} on this site: choose one of {', '.join(self._interfaces[:-1])}")

    def _record(self) -> None:
        """Writes what no tap can still have an earlier frame than."""
        until = time.time_ns() - _LATE
        self._read_taps()
        self._read.sort(key=_when)
        self._write([frame for frame in self._read if _when(frame) <= until])
        self._read = [frame for frame in self._read if _when(frame) > until]

    def _drain(self) -> None:
        self._read_taps()
        self._read.sort(key=_when)
        self._write(self._read)
        self._read = []

    def _read_taps(self) -> None:
        for tap in self._taps:
            while (seen := _receive(tap.socket)) is not None:
                device, when, frame = seen
                # A bridge itself also receives what is flooded; only what enters at a port counts.
                if device in tap.ports:
                    self._frame_seen.set()
                    self._read.append((when, self._numbers[tap.ports[device]], frame))

    def _write(self, frames: Iterable[tuple[int, int, bytes]]) -> None:
        for when, number, frame in frames:
            self._writer.write(number, when, frame)


def _when(frame: tuple[int, int, bytes]) -> int:
    return frame[0]


def _receive(tap: socket.socket) -> tuple[str, int, bytes] | None:
    """The next frame: its interface, its time in nanoseconds, its bytes; None when there is none."""
    try:
        frame, ancillary, _, address = tap.recvmsg(_LARGEST_FRAME, 64)
    except BlockingIOError:
        return None
    seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
    return address[0], seconds * 1_000_000_000 + nanoseconds, frame


def discard(tap: socket.socket) -> None:
    """Forgets what a tap has seen until now, and what it has lost."""
    while _receive(tap) is not None:
        pass
    tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
