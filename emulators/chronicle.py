"""What happens at a service in the cloud, noted in short sentences, for whoever watches the bench by hand.

It tells what the wire does not show, since that is encrypted. It is bounded, and read bit by bit, so that nothing is
missed between two looks, and no look is heavier for what was before.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

KEPT = 2000
"""How many notes are kept; the oldest go first."""

AT_ONCE = 500
"""How many notes are handed out at once."""

TEXT_LIMIT = 200
"""The longest note, in characters; what is longer is cut, since parts of it come from the network."""


class About(StrEnum):
    """What a note is about."""

    UPGRADE = "upgrade"
    LOGIN = "login"
    DEVICES = "devices"
    CLOSE = "close"
    TUNNEL = "tunnel"


@dataclass(frozen=True)
class Note:
    """A sentence about what happened `at` site time, in seconds. `good` is None for what is neither good nor bad."""

    number: int
    at: float
    about: About
    text: str
    good: bool | None = None


@dataclass(frozen=True)
class Bookmark:
    """How far a chronicle has been read: to the note `number` of its `run`, which another process would not have."""

    run: str = ""
    number: int = 0


@dataclass(frozen=True)
class Notes:
    """Notes in order, how many before them are kept no more, and where to go on reading."""

    missed: int
    notes: list[Note]
    next: Bookmark


class Chronicle:
    """The notes of one service."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(8)
        self._notes: deque[Note] = deque(maxlen=KEPT)
        self._count = 0

    def note(self, about: About, text: str, good: bool | None = None) -> None:
        """Notes what has happened now."""
        self._count += 1
        self._notes.append(Note(self._count, asyncio.get_running_loop().time(), about, text[:TEXT_LIMIT], good))

    def since(self, bookmark: Bookmark) -> Notes:
        """The notes after a bookmark, the first ones of them where there are many; all for one of another run."""
        after = min(bookmark.number, self._count) if bookmark.run == self._run else 0
        first = self._notes[0].number if self._notes else self._count + 1
        missed = max(0, first - after - 1)
        start = max(0, after + 1 - first)
        notes = [self._notes[index] for index in range(start, min(len(self._notes), start + AT_ONCE))]
        return Notes(missed, notes, Bookmark(self._run, notes[-1].number if notes else max(after, first - 1)))
