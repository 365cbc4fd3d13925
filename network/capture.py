"""The capture node: records every frame of the site where it enters its segment, and injects forged ones.

It reads one packet socket that listens on all ports of all segments, so the frames of both sides of the firewall stand
in one file, in order.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from pathlib import Path

from network.wire.pcapng import PcapngWriter
from node.control import Refusal, command

FORGED = "forged"
"""The interface under which injected frames stand in the file."""

_LARGEST_FRAME = 65535
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_TIMESPEC = struct.Struct("qq")


class Capture:
    """Program of the capture node.

    `tap` is the packet socket's descriptor, `ports` the names of the segments' ports, `path` the file to write.
    """

    def __init__(self, tap: int, ports: list[str], path: str) -> None:
        self._tap = socket.socket(fileno=tap)
        self._interfaces = [*ports, FORGED]
        self._ports = {name: number for number, name in enumerate(ports)}
        self._path = Path(path)
        self._lost = 0
        self._frame_seen = asyncio.Event()

    async def start(self) -> None:
        """Opens the file and starts to record."""
        self._path.touch(mode=0o600)
        self._file = self._path.open("wb")
        self._writer = PcapngWriter(self._file, self._interfaces)
        asyncio.get_running_loop().add_reader(self._tap.fileno(), self._drain)

    async def stop(self) -> None:
        """Records what is left and closes the file."""
        self._drain()
        self._file.close()

    @command
    def flush(self) -> int:
        """Writes everything that has been seen until now; returns the number of frames lost since the start."""
        self._drain()
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
        """Sends a frame (in hex) out of a segment's port, toward the node behind it, and records it as forged."""
        if port not in self._ports:
            raise Refusal(f"there is no port {port!r} on this site: choose one of {', '.join(self._ports)}")
        data = bytes.fromhex(frame)
        # What was seen before stands before it in the file.
        self._drain()
        self._writer.write(self._interfaces.index(FORGED), time.time_ns(), data)
        self._tap.sendto(data, (port, 0))

    def _drain(self) -> None:
        while True:
            try:
                frame, ancillary, _, address = self._tap.recvmsg(_LARGEST_FRAME, 64)
            except BlockingIOError:
                return
            # A bridge itself also receives what is flooded; only what enters at a port counts.
            port = self._ports.get(address[0])
            if port is not None:
                self._frame_seen.set()
                seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
                self._writer.write(port, seconds * 1_000_000_000 + nanoseconds, frame)
