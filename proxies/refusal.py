"""Mode refusing: CONNECT is forbidden, altogether or to ports other than the allowed ones."""

from __future__ import annotations

from collections.abc import Sequence

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader


class Refusal:
    """Addon that answers CONNECT with 403."""

    def load(self, loader: Loader) -> None:
        """Declares the options."""
        loader.add_option("connect_refused", bool, False, "Refuse CONNECT, except to the allowed ports.")
        loader.add_option("connect_ports", Sequence[str], [], "Ports that CONNECT may reach while it is refused.")

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """A client asks for a tunnel."""
        if ctx.options.connect_refused and str(flow.request.port) not in ctx.options.connect_ports:
            text = f"The web proxy does not allow a tunnel to port {flow.request.port}.\n"
            flow.response = http.Response.make(403, text, {"Content-Type": "text/plain"})
