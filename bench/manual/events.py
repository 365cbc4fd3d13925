"""Server-sent events: one open page is told each change of the snapshot, and each happening once and in order.

Nothing is queued for a page. Its stream knows the last happening it has sent, and takes what is new from what the desk
keeps. A page that is too slow, or was away for too long, is told how many happenings it has missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

HEARTBEAT = 15.0
"""Seconds without an event after which a comment is sent, so that either end notices that the other is gone."""
PAUSE = 0.2
"""Seconds between two looks: at most five snapshots a second."""
TAKES_WITHIN = 30.0
"""Seconds after which a page that does not take what it is sent is given up."""
RETRY = b"retry: 1000\n\n"
"""How many milliseconds the browser waits before it connects again."""
PORTION = 100
"""How many happenings are written at once."""


class Source(Protocol):
    """What a stream tells of. Everything is called in the stream's event loop, and must not wait."""

    def snapshot(self) -> dict[str, Any]:
        """The state of the bench by now, in JSON's types. That only its `time` is another is no change."""

    def since(self, last: int) -> tuple[int, Sequence[dict[str, Any]]]:
        """The happenings after the one with the number `last` that are still kept, and how many are not any more."""

    def subscribe(self, told: Callable[[], None]) -> Callable[[], None]:
        """Has `told` called in the event loop whenever one of the two has changed; the result ends that."""


class EventStream:
    """The events for one page. `write` sends bytes to it and waits while it does not take them."""

    def __init__(self, source: Source, write: Callable[[bytes], Awaitable[None]], last: int) -> None:
        self._source = source
        self._write = write
        self._last = last
        self._shown: dict[str, Any] = {}
        self._written = 0.0
        """When something was sent last, by the loop's clock."""

    async def run(self) -> None:
        """Sends what is new, until it is cancelled. Raises TimeoutError when the page takes nothing any more, and what
        `write` raises when it is gone."""
        woken = asyncio.Event()
        unsubscribe = self._source.subscribe(woken.set)
        try:
            await self._send(RETRY)
            while True:
                woken.clear()
                await self._send_new()
                await asyncio.sleep(PAUSE)
                # A wake-up need not mean that there is anything to send.
                heartbeat = self._written + HEARTBEAT
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(heartbeat):
                        await woken.wait()
                if asyncio.get_running_loop().time() >= heartbeat:
                    await self._send(b": still here\n\n")
        finally:
            unsubscribe()

    async def _send_new(self) -> None:
        snapshot = self._source.snapshot()
        state = {name: value for name, value in snapshot.items() if name != "time"}
        if state != self._shown:
            self._shown = state
            await self._send(_event("snapshot", snapshot))
        missed, happenings = self._source.since(self._last)
        if missed:
            await self._send(_event("gap", {"missed": missed}))
        for start in range(0, len(happenings), PORTION):
            portion = happenings[start : start + PORTION]
            await self._send(b"".join(_event("happening", one, one["id"]) for one in portion))
            self._last = portion[-1]["id"]

    async def _send(self, data: bytes) -> None:
        async with asyncio.timeout(TAKES_WITHIN):
            await self._write(data)
        self._written = asyncio.get_running_loop().time()


def _event(name: str, data: object, number: int | None = None) -> bytes:
    identity = "" if number is None else f"id: {number}\n"
    return f"event: {name}\n{identity}data: {json.dumps(data)}\n\n".encode()
