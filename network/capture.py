"""The capture node: records every frame of the site where it enters its segment, and injects forged ones.

It reads a packet socket, which sees each frame of the site once. So the frames of both sides of the firewall stand in
one file, in the order of the kernel's times.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from pathlib import Path

from network.wire.frames import FORGED
from network.wire.pcapng import PcapngWriter
from node.control import Refusal, command

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


class Capture:
    """Program of the capture node.

    `tap` is the descriptor of a packet socket, `ports` are the segments' ports, by the names of their interfaces; what
    it sees at others is left out. `path` is the file to write.
    """

    def __init__(self, tap: int, ports: list[str], path: str) -> None:
        self._tap = socket.socket(fileno=tap)
        self._interfaces = [*ports, FORGED]
        self._numbers = {port: number for number, port in enumerate(self._interfaces)}
        self._path = Path(path)
        self._lost = 0
        self._frame_seen = asyncio.Event()

    async def start(self) -> None:
        """Opens the file and starts to record."""
        self._path.touch(mode=0o600)
        self._file = self._path.open("wb")
        self._writer = PcapngWriter(self._file, self._interfaces)
        asyncio.get_running_loop().add_reader(self._tap.fileno(), self._record)

    async def stop(self) -> None:
        """Records what is left and closes the file."""
        self._record()
        self._file.close()

    @command
    def flush(self) -> int:
        """Writes everything that has been seen until now; returns the number of frames lost since the start."""
        self._record()
        self._file.flush()
        _, lost = struct.unpack("II", self._tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
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
        """Sends a frame (in hex) out of a port, and records it as forged."""
        if port == FORGED or port not in self._numbers:
            raise Refusal(f"there is no port {port!r} on this site: choose one of {', '.join(self._interfaces[:-1])}")
        data = bytes.fromhex(frame)
        # What was seen before stands before it in the file.
        self._record()
        self._writer.write(self._numbers[FORGED], time.time_ns(), data)
        self._tap.sendto(data, (port, 0))

    def _record(self) -> None:
        """Writes what has been seen, in the order of its times: two processors may hand frames over out of order."""
        frames = []
        while (seen := _receive(self._tap)) is not None:
            port, when, frame = seen
            # A bridge itself also receives what is flooded; only what enters at a port counts.
            if port in self._numbers:
                self._frame_seen.set()
                frames.append((when, port, frame))
        for when, port, frame in sorted(frames, key=_when):
            self._writer.write(self._numbers[port], when, frame)


def _when(frame: tuple[int, str, bytes]) -> int:
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
