"""Mode tunnel: what follows an accepted CONNECT is passed through untouched."""

from __future__ import annotations

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import events, layer, layers
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpStream

from proxies.journal import Journal


class WatchedTunnel(layers.TCPLayer):
    """Relays bytes, counts them and notes which side closes. The bytes are not kept: a tunnel may live for days."""

    def __init__(self, context: Context, journal: Journal) -> None:
        super().__init__(context, ignore=True)
        self._journal = journal

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        """As mitmproxy's."""
        client = self.context.client
        if isinstance(event, events.DataReceived):
            self._journal.count(client.id, event.connection == client, len(event.data))
        elif isinstance(event, events.ConnectionClosed):
            who = "client" if event.connection == client else "server"
            self._journal.explain(client.id, f"closed by the {who}")
        yield from super().relay_messages(event)


class Tunnel:
    """Addon that keeps mitmproxy from looking into a tunnel, unless TLS is to be intercepted."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def load(self, loader: Loader) -> None:
        """Declares the option."""
        loader.add_option("tls_interception", bool, False, "Intercept TLS inside a CONNECT tunnel.")

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Decides what follows an accepted CONNECT."""
        if isinstance(nextlayer.context.layers[-1], HttpStream) and not ctx.options.tls_interception:
            nextlayer.layer = WatchedTunnel(nextlayer.context, self._journal)
