"""The bytes that one end of a TCP connection sends, in order, as they come."""

from __future__ import annotations

EARLY_LIMIT = 64 * 1024
"""How many bytes that came before others may wait for those; when there are more, the rest is not read."""

EARLY_PIECES = 256
"""In how many pieces they may be."""

_AROUND = 2**32


class Inflow:
    """Puts segments in order. `sequence` is the number of the first byte that is awaited.

    Repeated and overlapping segments change nothing that was read before. After a gap that is not filled in time, or
    that the capture has itself, nothing more is read, but the numbers are still followed.
    """

    def __init__(self, sequence: int) -> None:
        self._next = sequence % _AROUND
        self._highest = self._next
        self._early: dict[int, bytes] = {}
        self._waiting = 0
        self._lost = False

    @property
    def next_sequence(self) -> int:
        """The number after the highest that was sent."""
        return self._highest

    def take(self, sequence: int, payload: bytes, length: int) -> bytes:
        """Takes a segment of `length` bytes, of which `payload` was captured; returns what can be read now."""
        end = (sequence + length) % _AROUND
        if _ahead(end, self._highest) > 0:
            self._highest = end
        if self._lost or not length:
            return b""
        if len(payload) < length:
            self._lose()
            return b""
        ahead = _ahead(sequence, self._next)
        if ahead > 0:
            self._keep(sequence % _AROUND, payload)
            return b""
        data = self._read(sequence, payload)
        while data and self._early:
            early = min(self._early, key=lambda begin: _ahead(begin, self._next))
            if _ahead(early, self._next) > 0:
                break
            piece = self._early.pop(early)
            self._waiting -= len(piece)
            data += self._read(early, piece)
        return data

    def stop(self) -> None:
        """Reads nothing more: what follows is of no interest."""
        self._lose()

    def _read(self, sequence: int, payload: bytes) -> bytes:
        fresh = payload[-_ahead(sequence, self._next) :]
        self._next = (self._next + len(fresh)) % _AROUND
        return fresh

    def _keep(self, sequence: int, payload: bytes) -> None:
        known = self._early.get(sequence, b"")
        if len(payload) > len(known):
            self._early[sequence] = payload
            self._waiting += len(payload) - len(known)
        if self._waiting > EARLY_LIMIT or len(self._early) > EARLY_PIECES:
            self._lose()

    def _lose(self) -> None:
        self._lost = True
        self._early.clear()
        self._waiting = 0


def _ahead(sequence: int, of: int) -> int:
    """How far a number is ahead of another; numbers go around at 2**32, so it is the nearer of the two ways."""
    return (sequence - of + 2**31) % _AROUND - 2**31
