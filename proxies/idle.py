"""Mode idle-cut: how long a connection may carry nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mitmproxy.proxy.server import TimeoutWatchdog


class IdleWatchdog(TimeoutWatchdog):
    """mitmproxy's watchdog of a client's connection, on the loop's time instead of the machine's.

    mitmproxy tells it of every byte in either direction, in tunnels passed through as well as intercepted ones.
    `limit` is in seconds; None never cuts, where mitmproxy's own cuts after ten minutes.
    """

    def __init__(self, limit: float | None, callback: Callable[[], Awaitable[None]]) -> None:
        super().__init__(0, callback)
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self.register_activity()

    def register_activity(self) -> None:
        """Something passed."""
        self.last_activity = asyncio.get_running_loop().time()

    async def watch(self) -> None:
        """Waits until nothing has passed for as long as the limit, then calls back."""
        if self._limit is None:
            return
        while True:
            await self.can_timeout.wait()
            left = self.last_activity + self._limit - self._loop.time()
            if left <= 0:
                await self.callback()
                return
            await asyncio.sleep(left)
