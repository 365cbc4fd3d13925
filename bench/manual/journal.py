"""The time line of the manual bench: the latest of what happened on its site, numbered without a gap."""

from __future__ import annotations

import datetime
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from network.wire.happening import TEXT_LIMIT, Happening, Kind, Result

KEPT = 2000
"""How many happenings are kept; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A happening with its number; they are numbered from 1 on."""

    id: int
    happening: Happening

    def to_json(self) -> dict[str, Any]:
        """The entry in JSON's types; its time is the device's, of the day."""
        told = self.happening
        moment = datetime.datetime.fromtimestamp(told.time)
        return {
            "id": self.id,
            "time": moment.time().isoformat(timespec="milliseconds"),
            "kind": told.kind.value,
            "from": told.source,
            "to": told.target,
            "text": told.text,
            "outcome": told.result.value,
        }


class Journal:
    """Keeps the last happenings. Any thread may tell and read."""

    def __init__(self, kept: int = KEPT) -> None:
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._last = 0
        self._lock = threading.Lock()

    @property
    def last(self) -> int:
        """The number of the latest entry, 0 before the first."""
        return self._last

    def tell(self, happenings: Iterable[Happening]) -> None:
        """Adds happenings, in the order of their times, after those that were told before."""
        ordered = sorted(happenings, key=lambda happening: happening.time)
        if not ordered:
            return
        with self._lock:
            for happening in ordered:
                self._last += 1
                self._entries.append(Entry(self._last, happening))

    def since(self, number: int) -> tuple[int, list[Entry]]:
        """How many entries after `number` are kept no more, and those that are. All, for a number of the future: it is
        of another journal, before this one."""
        with self._lock:
            after = number if 0 <= number <= self._last else 0
            first = self._last - len(self._entries) + 1
            missed = max(0, first - after - 1)
            return missed, list(islice(self._entries, max(0, after + 1 - first), None))


def bench_says(time: float, text: str, result: Result = Result.INFO) -> Happening:
    """What was done to the site by hand, at `time` (the device's)."""
    return Happening(time, Kind.BENCH, "", "", text[:TEXT_LIMIT], result)
