"""Mode no-websocket: a proxy that does not know the WebSocket upgrade."""

from __future__ import annotations

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader


class NoWebSocket:
    """Addon that drops `Upgrade`, a hop-by-hop header, as Squid does unless told otherwise.

    It sees the header only where TLS is intercepted. The server then gets a plain GET, and its answer passes.
    """

    def load(self, loader: Loader) -> None:
        """Declares the option."""
        loader.add_option("drop_upgrade", bool, False, "Drop Upgrade and Connection: upgrade from requests.")

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """A client asks for something."""
        headers = flow.request.headers
        if ctx.options.drop_upgrade and "Upgrade" in headers:
            flow.comment = f"the proxy dropped Upgrade: {headers.pop('Upgrade')}"
            tokens = [token.strip() for token in headers.pop("Connection", "").split(",")]
            kept = [token for token in tokens if token and token.lower() != "upgrade"]
            if kept:
                headers["Connection"] = ", ".join(kept)
