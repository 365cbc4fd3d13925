"""The site's clock: an asyncio event loop whose time can jump ahead.

Everything that waits inside a node process (a retry delay, a keepalive, the timeouts of a library) waits on the time of
its event loop. A loop whose time can be moved therefore moves all of them, without any of them knowing. Between two
jumps the clock runs as real time does, so that a slow answer is still waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import time
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import TypeVarTuple, Unpack

_Arguments = TypeVarTuple("_Arguments")

_FEW = 100
"""So many timers are not worth looking through for those that are over."""


class ClockLoop(asyncio.SelectorEventLoop):
    """An event loop on site time: the machine's monotonic clock plus an offset that only grows.

    All times are in seconds. The offset is the same for every node of a site, and the bench moves it in all of them at
    once, so that the nodes' clocks agree as their machine's does.
    """

    def __init__(self) -> None:
        self._offset = 0.0
        self._holds = 0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._waiting: set[int] = set()
        self._count = 0
        self._tidy_at = _FEW
        super().__init__()

    @property
    def offset(self) -> float:
        """How far site time is ahead of the machine's monotonic clock, in seconds."""
        return self._offset

    def time(self) -> float:
        """Site time in seconds."""
        return time.monotonic() + self._offset

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Arguments]], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio's, and remembers the timer for `next_timer`."""
        self._count += 1
        ticket = self._count

        def fire() -> None:
            self._waiting.discard(ticket)
            callback(*args)

        self._waiting.add(ticket)
        handle = super().call_at(when, fire, context=context)
        heapq.heappush(self._timers, (when, ticket, handle))
        if len(self._timers) > self._tidy_at:
            self._tidy()
        return handle

    def _tidy(self) -> None:
        # Where nobody asks for the next timer, as on real time, those that are over would stay for ever.
        self._timers = [entry for entry in self._timers if entry[1] in self._waiting and not entry[2].cancelled()]
        self._waiting = {ticket for _, ticket, _ in self._timers}
        self._tidy_at = max(_FEW, 2 * len(self._timers))
        heapq.heapify(self._timers)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keeps site time from jumping, while something goes on in real time that the loop's time does not move."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def next_timer(self) -> float | None:
        """The site time at which the next timer falls due, or None when nothing waits for time to pass.

        While time is held, that is now.
        """
        if self._holds:
            return self.time()
        while self._timers:
            when, ticket, handle = self._timers[0]
            if ticket in self._waiting and not handle.cancelled():
                return when
            self._waiting.discard(ticket)
            heapq.heappop(self._timers)
        return None

    def jump(self, offset: float) -> None:
        """Moves the clock so that it is `offset` seconds ahead of the machine's; a smaller offset than now is ignored.

        Timers that have fallen due run in the order of their times, as after any wait.
        """
        self._offset = max(self._offset, offset)
