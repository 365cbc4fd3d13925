"""The bytes that one end of a TCP connection sent, in order, with the times at which they were there to be read."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Iterable

LIMIT = 64 * 1024
"""How many bytes of each direction are put in order: all that is looked for stands at the beginning."""


class Stream:
    """The first bytes, up to LIMIT, that one end sent, put together from its segments.

    `chunks` are (position in the stream, time, bytes) in the order of their capture: late, repeated and overlapping
    segments are put right, a repetition never changes what is in order already, and the stream ends at the first gap.
    """

    def __init__(self, chunks: Iterable[tuple[int, float, bytes]]) -> None:
        data = bytearray()
        self._starts: list[int] = []
        self._times: list[float] = []
        early: list[tuple[int, int, bytes]] = []
        for number, (position, time, payload) in enumerate(chunks):
            heapq.heappush(early, (position, number, payload))
            before = len(data)
            while early and early[0][0] <= len(data) < LIMIT:
                start, _, piece = heapq.heappop(early)
                data += piece[len(data) - start : LIMIT - start]
            if len(data) > before:
                self._starts.append(before)
                self._times.append(time)
        self.data = bytes(data)

    def time_at(self, position: int) -> float:
        """When the byte at `position` was there to be read: it and all before it had been seen."""
        return self._times[bisect.bisect_right(self._starts, position) - 1]

    def position_at(self, time: float) -> int:
        """The position of the first byte that was there only at `time` or later; the stream's length when none was."""
        number = bisect.bisect_left(self._times, time)
        return self._starts[number] if number < len(self._starts) else len(self.data)


def printable(data: bytes) -> str:
    """Captured text as one line that is safe to print: whatever isn't printable ASCII is written as `\\xNN`."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in data)
