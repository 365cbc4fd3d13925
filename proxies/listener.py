"""The proxy's listening socket and the live connections of its clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler

from proxies.idle import IdleWatchdog
from proxies.journal import Journal


class Listener(Proxyserver):
    """mitmproxy's server, whose connections are cut when idle or on command."""

    name = "proxyserver"

    def __init__(self, journal: Journal) -> None:
        Proxyserver.__init__(self)
        self._journal = journal
        self._ended: dict[tuple[object, ...] | str, asyncio.Event] = {}

    def load(self, loader: Loader) -> None:
        """Declares mitmproxy's options and ours."""
        Proxyserver.load(self, loader)
        loader.add_option("idle_cut", float, 0.0, "Seconds without traffic after which a connection is cut; 0: never.")

    @contextmanager
    def register_connection(
        self, connection_id: tuple[object, ...] | str, handler: ProxyConnectionHandler
    ) -> Iterator[None]:
        """As mitmproxy's, for as long as the connection of one client lives."""
        limit: float = ctx.options.idle_cut

        async def idle() -> None:
            self._cut(handler, f"cut by the proxy: nothing passed for {limit:g} s")

        handler.timeout_watchdog = IdleWatchdog(limit or None, idle)
        self._ended[connection_id] = ended = asyncio.Event()
        try:
            with super().register_connection(connection_id, handler):
                yield
        finally:
            del self._ended[connection_id]
            ended.set()

    async def cut_all(self, reason: str) -> int:
        """Closes every live connection, waits until they are gone, and says how many they were."""
        ended = list(self._ended.values())
        for handler in list(self.connections.values()):
            self._cut(handler, reason)
        for each in ended:
            await each.wait()
        return len(ended)

    def _cut(self, handler: ProxyConnectionHandler, reason: str) -> None:
        self._journal.explain(handler.client.id, reason)
        if handler.client in handler.transports:
            handler.close_connection(handler.client)

    async def listen(self, listening: bool) -> None:
        """Opens or closes the listening socket at `listen_host` and `listen_port`; live connections stay.

        Raises OSError when the address cannot be had.
        """
        ctx.options.update(server=listening)
        # The option's change is carried out by a task of mitmproxy's; this call waits its turn behind it.
        await self.setup_servers()
        for server in self.servers:
            if not server.is_running:
                raise server.last_exception or OSError("mitmproxy does not listen")

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens, or None."""
        for host, port, *_ in self.listen_addrs():
            return host, port
        return None
