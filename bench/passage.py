"""How time passes on a site: by jumps where the device is emulated, by waiting where it is not.

Every step that waits goes through here, so that a wait is always for something to be seen, with a deadline in the
device's time, and a 16-minute delay takes milliseconds where it can.
"""

from __future__ import annotations

import bisect
import math
import time
from collections.abc import Callable
from typing import Protocol

from network.fabric import FabricError, Site

REST_WITHIN = 20.0
"""How long, in seconds of real time, a site may take to come to rest before the bench gives up on it."""


SHORT = 1.0
"""A jump of so many seconds passes over nothing that matters."""

SAME = 0.01
"""Two looks at a timer that agree to so many seconds saw the same one: each is taken at a moment of its own."""

JUMPS_KEPT = 100_000
"""How many jumps are remembered, to tell the device's time of what was captured; then the older half is forgotten."""


class NotSeen(AssertionError):
    """What a step waited for did not happen in time. The text says what was awaited and what was there instead."""


class Passage(Protocol):
    """Time on a site, in seconds of the device's time."""

    def now(self) -> float:
        """The device's time, in seconds since the epoch: what a clock on the site's wall would show."""

    def clock(self) -> float:
        """The nodes' clock: their event loops' time in seconds, of use for differences only."""

    def advance(self, seconds: float) -> None:
        """Lets that much time pass; everything that falls due in it happens, in order."""

    def until(self, seen: Callable[[], bool], within: float) -> bool:
        """Lets time pass until `seen()` holds; False when it doesn't within that many seconds."""

    def rest(self) -> None:
        """Lets the site finish what it is doing, without letting time pass."""

    def on_the_wall(self, wire: float) -> float:
        """The device's time of something that was captured at `wire` (seconds since the epoch, the machine's)."""


class JumpingTime:
    """Time of a site whose nodes are all emulated: runs as real time does while anything happens, and jumps to the next
    timer of any node when nothing does."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._jumped_at = [0.0]
        self._offsets = [0.0]

    def now(self) -> float:
        """See Passage."""
        return time.time() + self._site.offset

    def clock(self) -> float:
        """See Passage."""
        return time.monotonic() + self._site.offset

    def advance(self, seconds: float) -> None:
        """See Passage."""
        self.until(lambda: False, seconds)

    def until(self, seen: Callable[[], bool], within: float) -> bool:
        """See Passage."""
        deadline = time.monotonic() + self._site.offset + within
        while True:
            self.rest()
            if seen():
                return True
            due = self._next_timer()
            when = min(due, deadline)
            if when - self.clock() > SHORT and not self._still(due):
                continue
            self._jump(when - time.monotonic())
            if due > deadline:
                self.rest()
                return seen()

    def rest(self) -> None:
        """See Passage."""
        if not self._site.settle(REST_WITHIN):
            raise FabricError(f"The site did not come to rest within {REST_WITHIN:g} s.")

    def on_the_wall(self, wire: float) -> float:
        """See Passage."""
        return wire + self._offsets[bisect.bisect_right(self._jumped_at, wire) - 1]

    def _next_timer(self) -> float:
        """When the next timer of any node falls due, by the nodes' clock; infinity if none waits."""
        due = self._site.next_timer()
        return math.inf if due is None else due + time.monotonic()

    def _still(self, due: float) -> bool:
        """Whether the site has nothing to do before `due`, of which it was asked after it had come to rest.

        Clocks run on between rest and question, so that a timer may have fired by itself meanwhile: then what it began
        is under way, and a jump to the timer after it would leave no time for an answer.
        """
        self.rest()
        again = self._next_timer()
        return again == due or abs(again - due) < SAME

    def _jump(self, offset: float) -> None:
        if offset > self._site.offset:
            self._jumped_at.append(time.time())
            self._offsets.append(offset)
            if len(self._offsets) > JUMPS_KEPT:
                # The first one stands for the time before any jump.
                del self._jumped_at[1 : JUMPS_KEPT // 2], self._offsets[1 : JUMPS_KEPT // 2]
            self._site.jump(offset)


class RealTime:
    """Time that cannot be moved: waits, and looks again whenever something may have changed.

    `progress` is told how much of a wait is over: seconds gone, seconds in all.
    """

    def __init__(self, site: Site, progress: Callable[[float, float], None]) -> None:
        self._site = site
        self._progress = progress

    def now(self) -> float:
        """See Passage."""
        return time.time()

    def clock(self) -> float:
        """See Passage."""
        return time.monotonic()

    def advance(self, seconds: float) -> None:
        """See Passage."""
        self.until(lambda: False, seconds)

    def until(self, seen: Callable[[], bool], within: float) -> bool:
        """See Passage."""
        self.rest()
        begun = time.monotonic()
        while not seen():
            gone = time.monotonic() - begun
            self._progress(min(gone, within), within)
            if gone >= within:
                return False
            self._site.wait_for_frame(min(1.0, within - gone))
        return True

    def rest(self) -> None:
        """See Passage."""
        self._site.settle(REST_WITHIN)

    def on_the_wall(self, wire: float) -> float:
        """See Passage."""
        return wire
