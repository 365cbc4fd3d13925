"""Modes slow and silent: CONNECT is answered late or never."""

from __future__ import annotations

import asyncio

from mitmproxy import connection, ctx, http
from mitmproxy.addonmanager import Loader


class Delay:
    """Addon that keeps a CONNECT waiting, on the loop's time, until it is due or its client is gone."""

    def __init__(self) -> None:
        self._gone: dict[str, asyncio.Event] = {}

    def load(self, loader: Loader) -> None:
        """Declares the options."""
        loader.add_option("connect_delay", float, 0.0, "Seconds that CONNECT waits for its answer.")
        loader.add_option("connect_silent", bool, False, "Never answer CONNECT.")

    async def http_connect(self, flow: http.HTTPFlow) -> None:
        """A client asks for a tunnel."""
        delay: float | None = None if ctx.options.connect_silent else ctx.options.connect_delay
        if delay == 0.0:
            return
        gone = self._gone.setdefault(flow.client_conn.id, asyncio.Event())
        try:
            async with asyncio.timeout(delay):
                await gone.wait()
        except TimeoutError:
            self._gone.pop(flow.client_conn.id, None)

    def client_disconnected(self, client: connection.Client) -> None:
        """A client's TCP connection ended."""
        if gone := self._gone.pop(client.id, None):
            gone.set()
