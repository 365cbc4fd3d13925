"""mitmweb itself: mitmproxy's own page, for a proxy that runs, or for flows that were saved.

Imports mitmproxy's page and the web server it needs, so it is imported only where the page is asked for.
"""

from __future__ import annotations

import logging
import socket

from mitmproxy.addons.eventstore import EventStore
from mitmproxy.addons.intercept import Intercept
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.tools.web import app, webaddons
from mitmproxy.tools.web.master import WebMaster
from tornado.httpserver import HTTPServer

from proxies.contentview import add_view
from proxies.door import Door
from proxies.recentflows import KEPT, RecentFlows

COLUMNS = ["icon", "method", "path", "status", "comment", "timestamp"]
"""The columns of the list of flows."""

_EVENTS_KEPT = 1000
_UPLOAD_LIMIT = 64 * 1024 * 1024
"""The largest file of flows, in bytes, that a browser may send to be shown."""

_FOR_EVER = 10 * 365 * 24 * 3600.0
"""Seconds that a browser's idle connection is kept. A shorter time would be one of the timers to which time jumps."""


class MitmwebMaster(WebMaster):
    """mitmproxy's master with what its page needs, and nothing else: no script, no proxy of its own.

    The order is: make it, add the proxy's addons, `add_page`, update the options, `running`, `serve`, and `done`.
    """

    def __init__(self, options: Options, kept: int = KEPT) -> None:
        # mitmproxy's own would add its default addons, which the site's proxy has in its own way.
        Master.__init__(self, options)
        add_view()
        self.view = RecentFlows(kept)
        self.view.sig_view_add.connect(self._sig_view_add)
        self.view.sig_view_remove.connect(self._sig_view_remove)
        self.view.sig_view_update.connect(self._sig_view_update)
        self.view.sig_view_refresh.connect(self._sig_view_refresh)
        self.events = EventStore(_EVENTS_KEPT)
        self.events.sig_add.connect(self._sig_events_add)
        self.events.sig_refresh.connect(self._sig_events_refresh)
        self.options.changed.connect(self._sig_options_update)
        self._server: HTTPServer | None = None

    def add_page(self, proxyserver: Proxyserver) -> None:
        """Adds the page's addons, behind those that mark flows, and makes the page of this proxy."""
        self.proxyserver = proxyserver
        proxyserver.servers.changed.connect(self._sig_servers_changed)
        self.addons.add(webaddons.WebAddon(), Intercept(), self.view, self.events)
        if hasattr(webaddons, "WebAuth"):
            self.addons.add(webaddons.WebAuth())
        self.options.update(web_open_browser=False, web_columns=COLUMNS)
        self.app = app.Application(self, False)

    async def running(self) -> None:
        """All addons are there. The page is served by `serve`."""
        await Master.running(self)

    def serve(self, sock: socket.socket, token: str) -> None:
        """Serves the page on a listening socket, to whoever has the token."""
        self._server = HTTPServer(
            Door(self.app, token), max_buffer_size=_UPLOAD_LIMIT, idle_connection_timeout=_FOR_EVER
        )
        self._server.add_socket(sock)
        # A browser that goes away in the middle of an answer is no news.
        logging.getLogger("tornado.general").setLevel(logging.ERROR)

    async def done(self) -> None:
        """Stops serving and ends the addons."""
        if self._server is not None:
            self._server.stop()
            for connection in list(app.ClientConnection.connections):
                connection.close(1001)
            await self._server.close_all_connections()
        await super().done()
