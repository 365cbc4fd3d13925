"""The proxy's own connections to servers: how long it waits for one, and what it says when there is none."""

from __future__ import annotations

import asyncio

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import server_hooks


class Upstream:
    """Addon that bounds the proxy's attempts to connect, and answers 502 with the reason in one sentence.

    mitmproxy has no limit of its own: the system's is about two minutes and not on the loop's time.
    """

    def __init__(self) -> None:
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def load(self, loader: Loader) -> None:
        """Declares the option."""
        loader.add_option("connect_timeout", float, 60.0, "Seconds to wait for a server's name and TCP connection.")

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """An attempt begins. mitmproxy calls this in the task that makes the connection, so the task can be ended."""
        task = asyncio.current_task()
        assert task is not None
        limit: float = ctx.options.connect_timeout
        timer = asyncio.get_running_loop().call_later(limit, task.cancel, f"no answer within {limit:g} s")
        self._timers[data.server.id] = timer

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        """The attempt succeeded."""
        self._stop_timer(data)

    def server_connect_error(self, data: server_hooks.ServerConnectionHookData) -> None:
        """The attempt failed."""
        self._stop_timer(data)

    def http_connect_error(self, flow: http.HTTPFlow) -> None:
        """A tunnel could not be opened; mitmproxy's text would advise the reader on mitmproxy's options."""
        if flow.response is not None and flow.response.status_code == 502:
            target = f"{flow.request.host}:{flow.request.port}"
            flow.response.text = f"The web proxy cannot connect to {target}: {flow.server_conn.error}\n"
            flow.response.headers["Content-Type"] = "text/plain"

    def _stop_timer(self, data: server_hooks.ServerConnectionHookData) -> None:
        if timer := self._timers.pop(data.server.id, None):
            timer.cancel()
